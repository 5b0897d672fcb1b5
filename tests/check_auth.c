/*
 * check_auth.c - the suite over auth: the greeting, logging in, STLS
 * SPDX-License-Identifier: MIT
 *
 * Owns tables of who greets how, who asks for what, and what may be heard of
 * it. The server is peer.c's, in memory; TLS is the caller's stream's, which
 * does nothing. Not here: STLS with a true handshake (check_stream.c).
 */
#include "conn.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define STAMP "<1896.697170952@dbc.mtview.ca.us>"
#define GREETING "+OK POP3 server ready " STAMP "\r\n"
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb" /* RFC 1939, 7 */

/* ---- Help ---------------------------------------------------------------- */

/* CAPA and its answer, so that what comes of it is heard alone. */
static void learn_capas(const char *answer)
{
    pop3_capas *capas = NULL;

    peer_says(answer);
    pop3_capa(c, &capas);
    pop3_capas_free(capas);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}

/* ---- The greeting -------------------------------------------------------- */

static const struct {
    const char *greeting;
    pop3_code code;
    const char *text, *resp;
} greetings[] = {
    {"+OK hello\r\n", POP3_OK, "hello", ""},
    {"+OK\r\n", POP3_OK, "", ""},
    {"+OK hello\n", POP3_OK, "hello", ""},
    {"+OK [IN-USE] said by one who may not\r\n", POP3_OK,
     "[IN-USE] said by one who may not", ""},
    {"-ERR too busy\r\n", POP3_ERROR_PROTO, "too busy", ""},
    {"-ERR [SYS/TEMP] too busy\r\n", POP3_ERROR_PROTO, "[SYS/TEMP] too busy",
     "SYS/TEMP"},
    {"-ERR\r\n", POP3_ERROR_PROTO, "", ""},
    {"-ERR no <1.2@a.b>\r\n", POP3_ERROR_PROTO, "no <1.2@a.b>", ""},
    {"220 mail.example.org ESMTP\r\n", POP3_ERROR_MALFORMED,
     "220 mail.example.org ESMTP", ""},
    {"* OK IMAP4rev1\r\n", POP3_ERROR_MALFORMED, "* OK IMAP4rev1", ""},
    {"+OKAY\r\n", POP3_ERROR_MALFORMED, "+OKAY", ""},
    {"\r\n", POP3_ERROR_MALFORMED, "", ""},
    {"\x16\x03\x01\n", POP3_ERROR_MALFORMED, "\x16\x03\x01", ""},
};

START_TEST(a_greeting_is_kept_whatever_it_says)
{
    size_t length = strcspn(greetings[_i].greeting, "\r\n"), got;
    pop3_conn_state state = greetings[_i].code ? POP3_STATE_CLOSED
                                               : POP3_STATE_AUTHORIZATION;

    ck_assert_int_eq(peer_connect(greetings[_i].greeting, 1),
                     greetings[_i].code);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_error_code(c), greetings[_i].code);
    ck_assert_int_eq(*pop3_error(c) != '\0', greetings[_i].code != POP3_OK);
    ck_assert_int_eq(pop3_state(c), state);
    ck_assert_mem_eq(pop3_getwelcome(c, &got), greetings[_i].greeting, length);
    ck_assert_uint_eq(got, length);
    ck_assert_str_eq(pop3_reply(c, NULL), pop3_getwelcome(c, NULL));
    ck_assert_str_eq(pop3_reply_text(c, NULL), greetings[_i].text);
    ck_assert_str_eq(pop3_resp_code(c), greetings[_i].resp);
    ck_assert_int_eq(peer_closings(), greetings[_i].code ? 2 : 1);
    if (greetings[_i].code) {
        ck_assert_ptr_nonnull(strstr(pop3_error(c), "mail.example.org"));
        ck_assert_ptr_null(pop3_challenge(c));
        ck_assert_int_eq(pop3_noop(c), POP3_ERROR_STATE);
        ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
    }
}
END_TEST

static const struct {
    void (*befalls)(void);
    pop3_code code;
} no_greetings[] = {
    {peer_closes, POP3_ERROR_CLOSED},
    {peer_fails, POP3_ERROR_IO},
    {peer_reset, POP3_ERROR_TIMEOUT}, /* nothing befalls */
};

START_TEST(without_a_greeting_there_is_no_session)
{
    static const char *const halves[] = {"", "+OK", "+OK hello\r"};
    int i;

    for (i = 0; i < COUNT(halves); i++) {
        pop3_close(c);
        peer_reset();
        no_greetings[_i].befalls();
        ck_assert_int_eq(peer_connect(halves[i], 1), no_greetings[_i].code);
        ck_assert_str_eq(peer_heard(), "");
        ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
        ck_assert_str_eq(pop3_getwelcome(c, NULL), "");
        ck_assert_int_eq(peer_closings(), 1);
    }
}
END_TEST

static const struct {
    const char *greeting; /* behind "+OK " */
    const char *challenge;
} challenges[] = {
    {"<1896.697170952@dbc.mtview.ca.us>", "<1896.697170952@dbc.mtview.ca.us>"},
    {"ready <a@b>", "<a@b>"},
    {"ready <a@b> go", "<a@b>"},
    {"ready<a@b>go", "<a@b>"},
    {"<a@b><c@d>", "<a@b>"},
    {"<host> <a@b>", "<a@b>"},
    {"<<a@b>", "<a@b>"},
    {"< <a@b>", "<a@b>"},
    {"<a@b@c>", "<a@b@c>"},
    {"<!#$%&'*+-/=?^_`{|}~@[1.2.3.4]>", "<!#$%&'*+-/=?^_`{|}~@[1.2.3.4]>"},
    {"no stamp", NULL},
    {"<>", NULL},
    {"<@>", NULL},
    {"<a@>", NULL},
    {"<@b>", NULL},
    {"<a>", NULL},
    {"<a@b", NULL},
    {"a@b>", NULL},
    {"<a @b>", NULL},
    {"<a@b c>", NULL},
    {"<a\t@b>", NULL},
    {"<a@b\x7F>", NULL},
    {"<a@b\x80>", NULL},
    {"<\xC3\xA4@b>", NULL},
    {"<a\x01@b>", NULL},
    {">a@b<", NULL},
};

START_TEST(a_challenge_is_a_msg_id_in_ascii_or_none)
{
    char greeting[200];

    snprintf(greeting, sizeof greeting, "+OK %s\r\n", challenges[_i].greeting);
    ck_assert_int_eq(peer_connect(greeting, 1), POP3_OK);
    ck_assert_pstr_eq(pop3_challenge(c), challenges[_i].challenge);
    if (challenges[_i].challenge)
        return;
    ck_assert_int_eq(pop3_apop(c, "mrose", "tanstaaf"), POP3_ERROR_UNSUPPORTED);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

START_TEST(a_challenge_with_a_nul_is_none)
{
    static const char rest[] = "<a\0@b>\r\n";

    peer_reset();
    pop3_close(c);
    peer_says("+OK ");
    peer_says_bytes(rest, sizeof rest - 1);
    ck_assert_int_eq(pop3_connect_stream(c, &peer_stream, NULL, "x", 0),
                     POP3_OK);
    ck_assert_ptr_null(pop3_challenge(c));
    pop3_close(c);
    peer_reset(); /* which counts closings for the teardown */
}
END_TEST

/* ---- USER, PASS, APOP, RPOP ---------------------------------------------- */

START_TEST(user_and_pass_log_in)
{
    peer_says("+OK name is a valid mailbox\r\n");
    ck_assert_int_eq(pop3_user(c, "mrose"), POP3_OK);
    ck_assert_str_eq(peer_heard(), "USER mrose\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    peer_says("+OK mrose's maildrop has 2 messages (320 octets)\r\n");
    ck_assert_int_eq(pop3_pass(c, "two words"), POP3_OK);
    ck_assert_str_eq(peer_heard(), "PASS two words\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_TRANSACTION);
    ck_assert_str_eq(pop3_login_method(c), ""); /* pop3_login's alone */
}
END_TEST

static const struct {
    const char *greeting, *password, *digest;
} digests[] = {
    {GREETING, "tanstaaf", DIGEST},
    {GREETING, "", "6d7379174f7df9fb329480e5c47c1f1a"},
    {GREETING, "p\xC3\xA4 ss\xFF", "2a25f7942c25ef9ea78b6d985bb65c46"},
    {GREETING, "a\r\nDELE 1",
     "a3b1fc8992a6a31b36dc24ace0687fc2"}, /* hashed, never sent */
    {"+OK <<1> x " STAMP " y\r\n", "tanstaaf", DIGEST},
};

START_TEST(apop_sends_the_digest_and_never_the_password)
{
    char line[100];

    snprintf(line, sizeof line, "APOP mrose %s\r\n", digests[_i].digest);
    ck_assert_int_eq(peer_connect(digests[_i].greeting, 0), POP3_OK);
    peer_says("+OK maildrop has 1 message (369 octets)\r\n");
    ck_assert_int_eq(pop3_apop(c, "mrose", digests[_i].password), POP3_OK);
    ck_assert_str_eq(peer_heard(), line);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_TRANSACTION);
}
END_TEST

START_TEST(apop_with_a_digest_made_elsewhere_needs_no_challenge)
{
    ck_assert_int_eq(peer_connect("+OK no stamp\r\n", 0), POP3_OK);
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_apop_digest(c, "mrose", DIGEST), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "APOP mrose " DIGEST "\r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_apop_digest(c, "mrose", DIGEST), POP3_OK);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_TRANSACTION);
}
END_TEST

START_TEST(rpop_logs_nobody_in)
{
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_rpop(c, "mrose"), POP3_OK);
    ck_assert_str_eq(peer_heard(), "RPOP mrose\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

/* ---- What must not be revealed ------------------------------------------- */

static pop3_code pass(void)
{
    return pop3_pass(c, "sesame");
}

static pop3_code login(void)
{
    return pop3_login(c, "mrose", "sesame");
}

static const struct {
    pop3_code (*call)(void);
    const char *heard; /* where it is allowed, and refused */
} revealing[] = {
    {pass, "PASS sesame\r\n"},
    {login, "USER mrose\r\n"},
};

START_TEST(a_password_does_not_cross_a_link_that_is_not_private)
{
    ck_assert_int_eq(peer_connect("+OK no stamp\r\n", 0), POP3_OK);
    learn_capas("-ERR\r\n");
    ck_assert_int_eq(revealing[_i].call(), POP3_ERROR_INSECURE);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_INSECURE);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "mail.example.org"));
    ck_assert_ptr_null(strstr(pop3_error(c), "sesame"));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
}
END_TEST

START_TEST(a_password_crosses_where_that_is_allowed_and_as_long_as_it_is)
{
    ck_assert_int_eq(peer_connect("+OK no stamp\r\n", 0), POP3_OK);
    pop3_set_allow_insecure_login(c, 1);
    learn_capas("-ERR\r\n");
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(revealing[_i].call(), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), revealing[_i].heard);
    pop3_set_allow_insecure_login(c, 0);
    ck_assert_int_eq(revealing[_i].call(), POP3_ERROR_INSECURE);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(a_password_crosses_a_private_link)
{
    ck_assert_int_eq(peer_connect("+OK no stamp\r\n", 1), POP3_OK);
    learn_capas("-ERR\r\n");
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(revealing[_i].call(), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), revealing[_i].heard);
}
END_TEST

START_TEST(a_command_of_the_callers_is_not_asked_what_it_reveals)
{
    ck_assert_int_eq(peer_connect("+OK no stamp\r\n", 0), POP3_OK);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_command(c, "PASS sesame", POP3_SHORT), POP3_OK);
    ck_assert_str_eq(peer_heard(), "PASS sesame\r\n");
}
END_TEST

/* ---- The policy of pop3_login -------------------------------------------- */

/* PRIVATE: a caller's stream that says so. */
enum link { CLEAR, PRIVATE, UNDER_TLS };

/* What the server says, until the next connect_over. */
static struct {
    const char *capas, *tls_capas; /* to CAPA, in clear and under TLS */
    const char *stls;              /* to STLS */
    const char *login;             /* to all else */
    int tls_result;
} server;

static int start_tls(void *arg, const char *server_name)
{
    (void)arg;
    (void)server_name;
    return server.tls_result;
}

static void connect_over(enum link link, const char *greeting)
{
    pop3_stream stream = peer_stream;

    memset(&server, 0, sizeof server);
    server.tls_result = 1;
    stream.close = NULL;
    stream.start_tls = start_tls;
    stream.is_private = link == PRIVATE;
    pop3_close(c);
    peer_heard();
    peer_says(greeting);
    ck_assert_int_eq(
        pop3_connect_stream(c, &stream, NULL, "x", link == UNDER_TLS), POP3_OK);
    ck_assert_int_eq(pop3_is_tls(c), link == UNDER_TLS);
    ck_assert_str_eq(peer_heard(), "");
}

static const char *or_else(const char *s, const char *otherwise)
{
    return s ? s : otherwise;
}

static int begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Answers each line when it hears it: CAPA with -ERR and all else with +OK,
 * unless told otherwise. SCRAM is check_sasl.c's: it is refused. */
static int64_t answering_write(void *arg, const void *data, size_t size)
{
    const char *answer = or_else(server.login, "+OK\r\n");
    char line[1000];

    snprintf(line, sizeof line, "%.*s", (int)size, (const char *)data);
    if (begins(line, "CAPA"))
        answer = or_else(c->stream.is_tls ? server.tls_capas : server.capas,
                         "-ERR what\r\n");
    else if (begins(line, "STLS"))
        answer = or_else(server.stls, "+OK begin\r\n");
    else if (begins(line, "AUTH SCRAM"))
        answer = "-ERR no\r\n";
    else if (begins(line, "AUTH ") && !strchr(line + 5, ' '))
        answer = "+ \r\n";
    else if (begins(line, "bXJvc2U=")) /* LOGIN's first */
        answer = "+ \r\n";
    peer_says(answer);
    return peer_stream.write(arg, data, size);
}

/* What was heard, without SCRAM's first message, which is another each time. */
static const char *heard_but_nonces(void)
{
    static char heard[2000];
    char *p;

    snprintf(heard, sizeof heard, "%s", peer_heard());
    p = strstr(heard, "AUTH SCRAM");
    if (p && (p = strchr(p + 5, ' ')))
        strcpy(p, "\r\n");
    return heard;
}

#define BY_USER "USER mrose\r\nPASS tanstaaf\r\n"
#define BY_APOP "APOP mrose " DIGEST "\r\n"
#define BY_PLAIN "AUTH PLAIN AG1yb3NlAHRhbnN0YWFm\r\n"
#define BY_LOGIN "AUTH LOGIN\r\nbXJvc2U=\r\ndGFuc3RhYWY=\r\n"
#define BY_CRAM \
    "AUTH "     \
    "CRAM-MD5\r\nbXJvc2UgNjZmYjI2MjIzZDc3MjhkNTM0MGZlYmE3MjVjMDM3NTM=\r\n"
#define BY_XOAUTH2     \
    "AUTH XOAUTH2\r\n" \
    "dXNlcj1tcm9zZQFhdXRoPUJlYXJlciB0YW5zdGFhZgEB\r\n"
#define PLAIN_GREETING "+OK hello\r\n"
#define CAPA "CAPA\r\n"
#define STLS "STLS\r\n"
#define ALL "+OK\r\nUSER\r\nSASL PLAIN LOGIN CRAM-MD5 EXTERNAL XOAUTH2\r\n.\r\n"
#define OFFERS_STLS "+OK\r\nUSER\r\nSTLS\r\n.\r\n"
#define OFFERS_USER "+OK\r\nUSER\r\n.\r\n"
#define OFFERS_NOTHING "+OK\r\nTOP\r\n.\r\n"
#define OFFERS(mechanisms) "+OK\r\nSASL " mechanisms "\r\n.\r\n"

static const struct {
    enum link link;
    const char *greeting;          /* NULL: without a timestamp */
    const char *capas, *tls_capas; /* NULL: CAPA is refused */
    pop3_stls_policy stls;
    int no_capa;
    int allow;
    const char *wanted; /* pop3_set_login_method */
    pop3_code code;
    const char *heard;
    const char *method;
} policies[] = {
    /* A server that knows no CAPA. */
    {CLEAR, GREETING, .heard = CAPA BY_APOP, .method = "APOP"},
    {PRIVATE, GREETING, .heard = CAPA BY_APOP, .method = "APOP"},
    {UNDER_TLS, GREETING, .heard = CAPA BY_USER, .method = "USER"},
    {CLEAR, .code = POP3_ERROR_INSECURE, .heard = CAPA, .method = "USER"},
    {PRIVATE, .heard = CAPA BY_USER, .method = "USER"},
    {UNDER_TLS, .heard = CAPA BY_USER, .method = "USER"},
    {CLEAR, GREETING, .allow = 1, .heard = CAPA BY_APOP, .method = "APOP"},
    {CLEAR, .allow = 1, .heard = CAPA BY_USER, .method = "USER"},

    /* One that is not to be asked. */
    {CLEAR, GREETING, OFFERS_STLS, .no_capa = 1, .heard = BY_APOP,
     .method = "APOP"},
    {CLEAR, NULL, ALL, .no_capa = 1, .code = POP3_ERROR_INSECURE, .heard = "",
     .method = "USER"},
    {CLEAR, NULL, ALL, .no_capa = 1, .allow = 1, .heard = BY_USER,
     .method = "USER"},
    {UNDER_TLS, GREETING, NULL, ALL, .no_capa = 1, .heard = BY_USER,
     .method = "USER"},
    {CLEAR, GREETING, NULL, ALL, POP3_STLS_REQUIRED, .no_capa = 1,
     .heard = STLS BY_USER, .method = "USER"},
    {CLEAR, .no_capa = 1, .wanted = "CRAM-MD5", .heard = BY_CRAM,
     .method = "CRAM-MD5"},
    {UNDER_TLS, .no_capa = 1, .wanted = "PLAIN",
     .heard = "AUTH PLAIN\r\nAG1yb3NlAHRhbnN0YWFm\r\n", .method = "PLAIN"},

    /* In clear: what proves, by strength, then what is allowed. */
    {CLEAR, GREETING, ALL, .heard = CAPA BY_APOP, .method = "APOP"},
    {CLEAR, GREETING, ALL, .allow = 1, .heard = CAPA BY_APOP, .method = "APOP"},
    {CLEAR, NULL, ALL, .heard = CAPA BY_CRAM, .method = "CRAM-MD5"},
    {CLEAR, NULL, ALL, .allow = 1, .heard = CAPA BY_CRAM, .method = "CRAM-MD5"},
    {CLEAR, NULL, "+OK\r\nsasl cram-md5\r\n.\r\n", .heard = CAPA BY_CRAM,
     .method = "CRAM-MD5"},
    {CLEAR, NULL, OFFERS("XCRAM-MD5 CRAM-MD5X CRAM"), .allow = 1,
     .heard = CAPA BY_USER, .method = "USER"},
    {CLEAR, NULL, OFFERS_USER, .code = POP3_ERROR_INSECURE, .heard = CAPA,
     .method = "USER"},
    {CLEAR, NULL, OFFERS("PLAIN LOGIN"), .code = POP3_ERROR_INSECURE,
     .heard = CAPA, .method = "PLAIN"},
    {CLEAR, NULL, OFFERS("LOGIN PLAIN"), .allow = 1, .heard = CAPA BY_PLAIN,
     .method = "PLAIN"},
    {CLEAR, NULL, OFFERS("LOGIN"), .allow = 1, .heard = CAPA BY_LOGIN,
     .method = "LOGIN"},
    {CLEAR, NULL, OFFERS("XOAUTH2 EXTERNAL"), .allow = 1, .heard = CAPA BY_USER,
     .method = "USER"},
    {CLEAR, NULL, OFFERS_NOTHING, .code = POP3_ERROR_INSECURE, .heard = CAPA,
     .method = "USER"},

    /* A private link is one in clear where passwords may cross; a caller's is
     * not put under TLS once more. */
    {PRIVATE, GREETING, ALL, .heard = CAPA BY_APOP, .method = "APOP"},
    {PRIVATE, NULL, ALL, .heard = CAPA BY_CRAM, .method = "CRAM-MD5"},
    {PRIVATE, NULL, OFFERS_STLS, .heard = CAPA BY_USER, .method = "USER"},
    {PRIVATE, NULL, OFFERS("PLAIN"), .heard = CAPA BY_PLAIN, .method = "PLAIN"},
    {PRIVATE, NULL, OFFERS_STLS, NULL, POP3_STLS_NEVER, .heard = CAPA BY_USER,
     .method = "USER"},

    /* Under TLS: the plain ways, else what both have. */
    {UNDER_TLS, GREETING, NULL, ALL, .heard = CAPA BY_USER, .method = "USER"},
    {UNDER_TLS, GREETING, NULL, OFFERS("CRAM-MD5 LOGIN PLAIN"),
     .heard = CAPA BY_PLAIN, .method = "PLAIN"},
    {UNDER_TLS, GREETING, NULL, OFFERS("CRAM-MD5 LOGIN"),
     .heard = CAPA BY_LOGIN, .method = "LOGIN"},
    {UNDER_TLS, GREETING, NULL, OFFERS("CRAM-MD5"), .heard = CAPA BY_APOP,
     .method = "APOP"},
    {UNDER_TLS, NULL, NULL, OFFERS("CRAM-MD5"), .heard = CAPA BY_CRAM,
     .method = "CRAM-MD5"},
    {UNDER_TLS, NULL, NULL, OFFERS("XOAUTH2 EXTERNAL"), .heard = CAPA BY_USER,
     .method = "USER"},
    {UNDER_TLS, NULL, NULL, OFFERS_NOTHING, .heard = CAPA BY_USER,
     .method = "USER"},
    {UNDER_TLS, NULL, NULL, OFFERS_STLS, .heard = CAPA BY_USER,
     .method = "USER"}, /* which makes no sense there */
    {UNDER_TLS, NULL, NULL, OFFERS_USER, POP3_STLS_REQUIRED,
     .heard = CAPA BY_USER, .method = "USER"},
    {UNDER_TLS, NULL, NULL, OFFERS_USER, POP3_STLS_NEVER, .heard = CAPA BY_USER,
     .method = "USER"},

    /* STLS where it is offered, and nothing of before is believed. */
    {CLEAR, GREETING, OFFERS_STLS, ALL, .heard = CAPA STLS CAPA BY_USER,
     .method = "USER"},
    {CLEAR, GREETING, "+OK\r\nstls now\r\n.\r\n", NULL,
     .heard = CAPA STLS CAPA BY_USER, .method = "USER"},
    {CLEAR, GREETING, OFFERS_STLS, OFFERS("CRAM-MD5"),
     .heard = CAPA STLS CAPA BY_CRAM, .method = "CRAM-MD5"},
    {CLEAR, GREETING, "+OK\r\nSTLS\r\nSASL PLAIN\r\n.\r\n", OFFERS_NOTHING,
     .heard = CAPA STLS CAPA BY_USER, .method = "USER"},
    {CLEAR, GREETING, "+OK\r\nSTLS\r\nUSER\r\n.\r\n", OFFERS("PLAIN"),
     .heard = CAPA STLS CAPA BY_PLAIN, .method = "PLAIN"},
    {CLEAR, GREETING, OFFERS_STLS, ALL, POP3_STLS_REQUIRED,
     .heard = CAPA STLS CAPA BY_USER, .method = "USER"},
    {CLEAR, GREETING, OFFERS_STLS, ALL, .allow = 1,
     .heard = CAPA STLS CAPA BY_USER, .method = "USER"},

    /* STLS never, or required. */
    {CLEAR, GREETING, OFFERS_STLS, NULL, POP3_STLS_NEVER, .heard = CAPA BY_APOP,
     .method = "APOP"},
    {CLEAR, NULL, OFFERS_STLS, NULL, POP3_STLS_NEVER,
     .code = POP3_ERROR_INSECURE, .heard = CAPA, .method = "USER"},
    {CLEAR, NULL, OFFERS_STLS, NULL, POP3_STLS_NEVER, .allow = 1,
     .heard = CAPA BY_USER, .method = "USER"},
    {CLEAR, NULL, OFFERS_STLS, NULL, POP3_STLS_NEVER, .wanted = "USER",
     .code = POP3_ERROR_INSECURE, .heard = "", .method = "USER"},
    {CLEAR, GREETING, ALL, NULL, POP3_STLS_REQUIRED, .allow = 1,
     .code = POP3_ERROR_UNSUPPORTED, .heard = CAPA, .method = ""},
    {CLEAR, GREETING, NULL, NULL, POP3_STLS_REQUIRED, .allow = 1,
     .code = POP3_ERROR_UNSUPPORTED, .heard = CAPA, .method = ""},
    {CLEAR, GREETING, NULL, NULL, POP3_STLS_REQUIRED, .wanted = "APOP",
     .code = POP3_ERROR_UNSUPPORTED, .heard = CAPA, .method = ""},

    /* The one that is asked for, in any case of letters. */
    {CLEAR, GREETING, .wanted = "USER", .code = POP3_ERROR_INSECURE,
     .heard = CAPA, .method = "USER"},
    {CLEAR, GREETING, .wanted = "user", .allow = 1, .heard = CAPA BY_USER,
     .method = "USER"},
    {PRIVATE, GREETING, .wanted = "User", .heard = BY_USER, .method = "USER"},
    {UNDER_TLS, GREETING, .wanted = "apop", .heard = BY_APOP, .method = "APOP"},
    {CLEAR, .wanted = "APOP", .code = POP3_ERROR_UNSUPPORTED, .heard = CAPA,
     .method = "APOP"},
    {CLEAR, .wanted = "APOP", .allow = 1, .code = POP3_ERROR_UNSUPPORTED,
     .heard = CAPA, .method = "APOP"},
    {UNDER_TLS, .wanted = "APOP", .code = POP3_ERROR_UNSUPPORTED, .heard = "",
     .method = "APOP"},
    {CLEAR, GREETING, OFFERS_STLS, ALL, .wanted = "APOP",
     .code = POP3_ERROR_UNSUPPORTED, .heard = CAPA STLS, .method = "APOP"},
    {CLEAR, GREETING, ALL, .wanted = "Cram-Md5", .heard = CAPA BY_CRAM,
     .method = "CRAM-MD5"},
    {CLEAR, GREETING, ALL, .wanted = "plain", .code = POP3_ERROR_INSECURE,
     .heard = CAPA, .method = "PLAIN"},
    {CLEAR, GREETING, ALL, .wanted = "login", .code = POP3_ERROR_INSECURE,
     .heard = CAPA, .method = "LOGIN"},
    {CLEAR, GREETING, ALL, .wanted = "xoauth2", .code = POP3_ERROR_INSECURE,
     .heard = CAPA, .method = "XOAUTH2"},
    {CLEAR, GREETING, ALL, .wanted = "plain", .allow = 1,
     .heard = CAPA BY_PLAIN, .method = "PLAIN"},
    {UNDER_TLS, GREETING, NULL, ALL, .wanted = "login", .heard = CAPA BY_LOGIN,
     .method = "LOGIN"},
    {UNDER_TLS, GREETING, NULL, ALL, .wanted = "xoauth2",
     .heard = CAPA BY_XOAUTH2, .method = "XOAUTH2"},
    {CLEAR, GREETING, OFFERS_STLS, ALL, .wanted = "plain",
     .heard = CAPA STLS CAPA BY_PLAIN, .method = "PLAIN"},
#if HAVE_GSASL
    /* SCRAM, which the server refuses here. */
    {CLEAR, GREETING, OFFERS("PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256"),
     .code = POP3_ERROR_PROTO, .heard = CAPA "AUTH SCRAM-SHA-256\r\n",
     .method = "SCRAM-SHA-256"},
    {CLEAR, GREETING, OFFERS("PLAIN scram-sha-1"), .allow = 1,
     .code = POP3_ERROR_PROTO, .heard = CAPA "AUTH SCRAM-SHA-1\r\n",
     .method = "SCRAM-SHA-1"},
    {UNDER_TLS, GREETING, NULL, OFFERS("SCRAM-SHA-1"), .code = POP3_ERROR_PROTO,
     .heard = CAPA "AUTH SCRAM-SHA-1\r\n", .method = "SCRAM-SHA-1"},
    {UNDER_TLS, GREETING, NULL, OFFERS("SCRAM-SHA-1 PLAIN"),
     .heard = CAPA BY_PLAIN, .method = "PLAIN"},
    {UNDER_TLS, GREETING, NULL, ALL, .wanted = "scram-sha-256",
     .code = POP3_ERROR_PROTO, .heard = CAPA "AUTH SCRAM-SHA-256\r\n",
     .method = "SCRAM-SHA-256"},
    /* -PLUS needs a TLS session of ours. */
    {CLEAR, GREETING, OFFERS("SCRAM-SHA-256-PLUS SCRAM-SHA-1"),
     .code = POP3_ERROR_PROTO, .heard = CAPA "AUTH SCRAM-SHA-1\r\n",
     .method = "SCRAM-SHA-1"},
    {CLEAR, GREETING, OFFERS("SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS"),
     .heard = CAPA BY_APOP, .method = "APOP"},
    {UNDER_TLS, NULL, NULL, OFFERS("SCRAM-SHA-256-PLUS CRAM-MD5"),
     .heard = CAPA BY_CRAM, .method = "CRAM-MD5"},
    {CLEAR, GREETING, ALL, .wanted = "Scram-Sha-256-Plus",
     .code = POP3_ERROR_UNSUPPORTED, .heard = CAPA,
     .method = "SCRAM-SHA-256-PLUS"},
#else
    {CLEAR, GREETING, OFFERS("SCRAM-SHA-1"), .heard = CAPA BY_APOP,
     .method = "APOP"},
#endif
};

static void set_policy(int i)
{
    connect_over(policies[i].link,
                 or_else(policies[i].greeting, PLAIN_GREETING));
    server.capas = policies[i].capas;
    server.tls_capas = policies[i].tls_capas;
    c->stream.io.write = answering_write;
    pop3_set_stls(c, policies[i].stls);
    pop3_set_use_capa(c, !policies[i].no_capa);
    pop3_set_allow_insecure_login(c, policies[i].allow);
    ck_assert_int_eq(pop3_set_login_method(c, policies[i].wanted), POP3_OK);
    ck_assert_str_eq(pop3_login_method(c), "");
}

START_TEST(login_takes_the_best_way_or_the_one_asked_for)
{
    set_policy(_i);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), policies[_i].code);
    ck_assert_str_eq(heard_but_nonces(), policies[_i].heard);
    ck_assert_str_eq(pop3_login_method(c), policies[_i].method);
    ck_assert_int_eq(pop3_error_code(c), policies[_i].code);
    ck_assert_int_eq(*pop3_error(c) != '\0', policies[_i].code != POP3_OK);
    ck_assert_ptr_null(strstr(pop3_error(c), "tanstaaf"));
    ck_assert_int_eq(pop3_state(c), policies[_i].code ? POP3_STATE_AUTHORIZATION
                                                      : POP3_STATE_TRANSACTION);
    ck_assert_int_eq(pop3_is_tls(c), policies[_i].link == UNDER_TLS ||
                                         strstr(policies[_i].heard, STLS));
}
END_TEST

/* What is known already is not asked for again. */
START_TEST(login_asks_for_the_capabilities_once)
{
    connect_over(CLEAR, GREETING);
    learn_capas(OFFERS("CRAM-MD5"));
    c->stream.io.write = answering_write;
    server.login = "-ERR no\r\n";
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), BY_APOP);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), BY_APOP);
    ck_assert_int_eq(pop3_set_login_method(c, "CRAM-MD5"), POP3_OK);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), BY_CRAM);
}
END_TEST

START_TEST(login_by_external_needs_no_password)
{
    connect_over(UNDER_TLS, GREETING);
    server.tls_capas = OFFERS("EXTERNAL");
    c->stream.io.write = answering_write;
    ck_assert_int_eq(pop3_set_login_method(c, "External"), POP3_OK);
    ck_assert_int_eq(pop3_login(c, _i ? "mrose" : NULL, NULL), POP3_OK);
    ck_assert_str_eq(peer_heard(), _i ? "CAPA\r\nAUTH EXTERNAL bXJvc2U=\r\n"
                                      : "CAPA\r\nAUTH EXTERNAL =\r\n");
    ck_assert_str_eq(pop3_login_method(c), "EXTERNAL");
}
END_TEST

/* ---- STLS before logging in ---------------------------------------------- */

static const struct {
    const char *says; /* to STLS */
    int result;       /* of start_tls */
    pop3_code code;
    int dead;
} stls_failures[] = {
    {"-ERR no TLS today\r\n", 1, POP3_ERROR_PROTO, 0},
    {"-ERR [SYS/TEMP] later\r\n", 1, POP3_ERROR_PROTO, 0},
    {"+OK\r\n", POP3_STREAM_FAILED, POP3_ERROR_TLS, 1},
    {"+OK\r\n", POP3_STREAM_TIMED_OUT, POP3_ERROR_TLS, 1},
    {"+OK\r\n", 0, POP3_ERROR_TLS, 1},
    {"+OK\r\n+OK injected\r\n", 1, POP3_ERROR_MALFORMED, 1},
    {"+OK\r\n\r\n", 1, POP3_ERROR_MALFORMED, 1},
    {"rubbish\r\n", 1, POP3_ERROR_MALFORMED, 1},
    {"+ \r\n", 1, POP3_ERROR_MALFORMED, 1},
    {"", 1, POP3_ERROR_TIMEOUT, 1},
};

static const char *const ways[] = {NULL,    "USER",     "APOP",   "CRAM-MD5",
                                   "PLAIN", "EXTERNAL", "XOAUTH2"};

/* Every way, allowed as may be: nothing of a credential goes out, now or at the
 * next try. */
START_TEST(a_failure_of_stls_is_final)
{
    int i = _i % COUNT(stls_failures), way = _i / COUNT(stls_failures);

    connect_over(CLEAR, GREETING);
    server.capas = "+OK\r\nUSER\r\nSTLS\r\nSASL PLAIN CRAM-MD5\r\n.\r\n";
    server.stls = stls_failures[i].says;
    server.tls_result = stls_failures[i].result;
    c->stream.io.write = answering_write;
    pop3_set_allow_insecure_login(c, 1);
    pop3_set_stls(c, way % 2 ? POP3_STLS_REQUIRED : POP3_STLS_IF_OFFERED);
    ck_assert_int_eq(pop3_set_login_method(c, ways[way]), POP3_OK);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), stls_failures[i].code);
    ck_assert_str_eq(peer_heard(), CAPA STLS);
    ck_assert_str_eq(pop3_login_method(c), "");
    ck_assert_int_eq(pop3_is_tls(c), 0);
    ck_assert_int_eq(pop3_state(c), stls_failures[i].dead
                                        ? POP3_STATE_DEAD
                                        : POP3_STATE_AUTHORIZATION);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), stls_failures[i].code);
    ck_assert_str_eq(peer_heard(), stls_failures[i].dead ? "" : STLS);
}
END_TEST

static const struct {
    const char *says; /* to CAPA */
    pop3_code code;
} capa_failures[] = {
    {"rubbish\r\n", POP3_ERROR_MALFORMED},
    {"+OK\r\nSTLS\r\n", POP3_ERROR_TIMEOUT}, /* no end */
    {"", POP3_ERROR_TIMEOUT},
};

START_TEST(capabilities_that_break_off_end_the_login)
{
    connect_over(CLEAR, GREETING);
    server.capas = capa_failures[_i].says;
    c->stream.io.write = answering_write;
    pop3_set_allow_insecure_login(c, 1);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"),
                     capa_failures[_i].code);
    ck_assert_str_eq(peer_heard(), CAPA);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

/* After UTF8 there is no STLS (RFC 6856, 2.1), and no step back either. */
START_TEST(login_after_utf8_does_not_step_back_from_stls)
{
    connect_over(CLEAR, GREETING);
    server.capas = OFFERS_STLS;
    c->stream.io.write = answering_write;
    ck_assert_int_eq(pop3_utf8(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "UTF8\r\n");
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), CAPA);
    pop3_set_stls(c, POP3_STLS_NEVER);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_OK);
    ck_assert_str_eq(peer_heard(), BY_APOP);
}
END_TEST

/* ---- A local socket ------------------------------------------------------ */

static int far_end;
static int64_t (*socket_write)(void *arg, const void *data, size_t size);
static char far_heard[200];

static int64_t answer_on_socket(void *arg, const void *data, size_t size)
{
    const char *answer = strncmp(data, "CAPA", 4) ? "-ERR no\r\n" : OFFERS_STLS;

    strncat(far_heard, data, size);
    ck_assert_int_gt(write(far_end, answer, strlen(answer)), 0);
    return socket_write(arg, data, size);
}

/* Passwords may cross it, but who listens at its end may pass it on. */
START_TEST(a_local_socket_goes_over_to_tls_where_that_is_offered)
{
    pop3 *local = pop3_new();
    int ends[2];

    ck_assert_ptr_nonnull(local);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    far_end = ends[1];
    far_heard[0] = '\0';
    ck_assert_int_eq(write(far_end, "+OK\r\n", 5), 5);
    ck_assert_int_eq(pop3_connect_fd(local, ends[0], "x", 0), POP3_OK);
    socket_write = local->stream.io.write;
    local->stream.io.write = answer_on_socket;
    pop3_set_stls(local, _i ? POP3_STLS_NEVER : POP3_STLS_IF_OFFERED);
    ck_assert_int_eq(pop3_login(local, "mrose", "tanstaaf"), POP3_ERROR_PROTO);
    ck_assert_str_eq(far_heard, _i ? CAPA "USER mrose\r\n" : CAPA STLS);
    pop3_free(local);
    close(far_end);
}
END_TEST

/* ---- A refusal ----------------------------------------------------------- */

static const struct {
    enum link link;
    const char *greeting;
    const char *capas;
    int allow;
    const char *says; /* the refusal */
    pop3_code code;
    const char *heard;
} refusals[] = {
    {CLEAR, GREETING, NULL, 0, "-ERR no\r\n", POP3_ERROR_PROTO, BY_APOP},
    {CLEAR, GREETING, NULL, 1, "-ERR no\r\n", POP3_ERROR_PROTO, BY_APOP},
    {CLEAR, GREETING, ALL, 1, "-ERR no\r\n", POP3_ERROR_PROTO, BY_APOP},
    {PRIVATE, GREETING, ALL, 1, "-ERR no\r\n", POP3_ERROR_PROTO, BY_APOP},
    {CLEAR, PLAIN_GREETING, ALL, 1, "-ERR no\r\n", POP3_ERROR_PROTO, BY_CRAM},
    {PRIVATE, PLAIN_GREETING, ALL, 1, "-ERR no\r\n", POP3_ERROR_PROTO, BY_CRAM},
    {PRIVATE, PLAIN_GREETING, NULL, 0, "-ERR no\r\n", POP3_ERROR_PROTO,
     "USER mrose\r\n"},
    {UNDER_TLS, GREETING, ALL, 1, "-ERR no\r\n", POP3_ERROR_PROTO,
     "USER mrose\r\n"},
    {UNDER_TLS, GREETING, OFFERS("PLAIN LOGIN CRAM-MD5"), 1,
     "-ERR [AUTH] no\r\n", POP3_ERROR_PROTO, BY_PLAIN},
    {CLEAR, GREETING, ALL, 1, "no such command\r\n", POP3_ERROR_MALFORMED,
     BY_APOP},
    {PRIVATE, PLAIN_GREETING, NULL, 0, "+ go on\r\n", POP3_ERROR_MALFORMED,
     "USER mrose\r\n"},
    {CLEAR, GREETING, ALL, 1, "", POP3_ERROR_TIMEOUT, BY_APOP},
};

START_TEST(a_refusal_is_never_followed_by_another_way)
{
    connect_over(refusals[_i].link, refusals[_i].greeting);
    learn_capas(or_else(refusals[_i].capas, "-ERR\r\n"));
    c->stream.io.write = answering_write;
    server.login = refusals[_i].says;
    pop3_set_allow_insecure_login(c, refusals[_i].allow);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), refusals[_i].code);
    ck_assert_str_eq(peer_heard(), refusals[_i].heard);
    ck_assert_int_ne(pop3_state(c), POP3_STATE_TRANSACTION);
    ck_assert_ptr_null(strstr(pop3_error(c), "tanstaaf"));
}
END_TEST

static const char *const no_methods[] = {
    "",
    "USERS",
    "USE",
    " USER",
    "PLAINS",
    "SASL",
    "AUTH",
    "\x1B[31m",
    "PLAIN\r\n",
    ("USERUSERUSERUSERUSERUSERUSERUSERUSER"
     "USERUSERUSERUSERUSERUSERUSERUSERUSER"),
};

START_TEST(a_method_that_is_none_is_refused_and_changes_nothing)
{
    ck_assert_int_eq(pop3_set_login_method(c, "USER"), POP3_OK);
    ck_assert_int_eq(pop3_set_login_method(c, no_methods[_i]),
                     POP3_ERROR_UNSUPPORTED);
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(strpbrk(pop3_error(c), "\x1B\r\n"));
    peer_says("-ERR\r\n");
    ck_assert_int_eq(login(), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "USER mrose\r\n");
    ck_assert_int_eq(pop3_set_login_method(c, NULL), POP3_OK);
    learn_capas("-ERR\r\n");
    peer_says("-ERR\r\n");
    ck_assert_int_eq(login(), POP3_ERROR_PROTO);
    ck_assert_int_eq(strncmp(peer_heard(), "APOP mrose ", 11), 0);
}
END_TEST

/* ---- Names and passwords that no line carries ---------------------------- */

enum { LINE = 255 }; /* RFC 2449, 4 */

static const struct {
    const char *greeting;
    size_t user, password; /* octets */
    pop3_code code;
} lengths[] = {
    {PLAIN_GREETING, LINE - 7, LINE - 7, POP3_OK},
    {PLAIN_GREETING, LINE - 6, 1, POP3_ERROR_ARGUMENT},
    {PLAIN_GREETING, 1, LINE - 6, POP3_ERROR_ARGUMENT},
    {PLAIN_GREETING, 1, 100000, POP3_ERROR_ARGUMENT},
    {GREETING, LINE - 40, LINE - 7, POP3_OK},
    {GREETING, LINE - 39, 1, POP3_ERROR_ARGUMENT},
};

START_TEST(a_name_or_password_over_the_line_is_not_sent_in_part)
{
    char *user = malloc(lengths[_i].user + 1);
    char *password = malloc(lengths[_i].password + 1);

    ck_assert_ptr_nonnull(user);
    ck_assert_ptr_nonnull(password);
    memset(user, 'u', lengths[_i].user);
    user[lengths[_i].user] = '\0';
    memset(password, 'p', lengths[_i].password);
    password[lengths[_i].password] = '\0';
    connect_over(PRIVATE, lengths[_i].greeting);
    learn_capas("-ERR\r\n");
    c->stream.io.write = answering_write;
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_COMMAND, LINE), POP3_OK);
    ck_assert_int_eq(pop3_login(c, user, password), lengths[_i].code);
    if (lengths[_i].code)
        ck_assert_str_eq(peer_heard(), "");
    else
        ck_assert_uint_ge(strlen(peer_heard()), LINE);
    free(user);
    free(password);
}
END_TEST

START_TEST(a_bad_password_keeps_the_name_back_too)
{
    static const struct {
        const char *user, *password;
    } pairs[] = {
        {"mrose", "a\r\nQUIT"},
        {"mrose", "\n"},
        {"a\r\nQUIT", "x"},
        {"a\r", "x"},
    };
    enum link link = _i % 2 ? CLEAR : PRIVATE;

    connect_over(link, _i < 4 ? GREETING : PLAIN_GREETING);
    pop3_set_allow_insecure_login(c, 1);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_login(c, pairs[_i % 4].user, pairs[_i % 4].password),
                     POP3_ERROR_ARGUMENT);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_ptr_null(strstr(pop3_error(c), "QUIT"));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

/* ---- Response codes at login --------------------------------------------- */

static const struct {
    const char *text, *code;
} responses[] = {
    {"[IN-USE] Do you have another POP session running?", "IN-USE"},
    {"[LOGIN-DELAY] minimum time between mail checks violation", "LOGIN-DELAY"},
    {"[AUTH] wrong password", "AUTH"},
    {"[SYS/TEMP] try later", "SYS/TEMP"},
    {"[sys/perm] never", "sys/perm"},
    {"wrong password", ""},
    {"wrong password [AUTH]", ""},
};

START_TEST(the_code_of_a_refused_login_is_told)
{
    char line[100];

    snprintf(line, sizeof line, "-ERR %s\r\n", responses[_i].text);
    learn_capas("-ERR\r\n");
    peer_says(line);
    ck_assert_int_eq(login(), POP3_ERROR_PROTO); /* by APOP */
    ck_assert_str_eq(pop3_resp_code(c), responses[_i].code);
    ck_assert_str_eq(pop3_reply_text(c, NULL), responses[_i].text);
    peer_says(line);
    ck_assert_int_eq(pass(), POP3_ERROR_PROTO);
    ck_assert_str_eq(pop3_resp_code(c), responses[_i].code);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), responses[_i].text));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pass(), POP3_OK);
    ck_assert_str_eq(pop3_resp_code(c), "");
}
END_TEST

/* ---- What is no login ---------------------------------------------------- */

/* To poplib "+" is success; that is no login yet, nor is a list. */
START_TEST(a_challenge_or_a_list_is_no_login)
{
    if (_i == 0) {
        pop3_set_poplib_rules(c, 1);
        peer_says("+ \r\n");
        ck_assert_int_eq(pop3_command(c, "AUTH XOAUTH2", POP3_SHORT), POP3_OK);
    } else {
        peer_says("+OK list follows\r\n");
        ck_assert_int_eq(pop3_command(c, "AUTH", POP3_SHORT), POP3_OK);
    }
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

/* Else what is sent next would be the answer to it: a password, perhaps. */
START_TEST(as_poplib_a_challenge_too_long_ends_it_all)
{
    char challenge[3000];

    pop3_set_poplib_rules(c, 1);
    pop3_set_use_capa(c, 0);
    memset(challenge, 'A', sizeof challenge - 1);
    challenge[sizeof challenge - 1] = '\0';
    peer_says("+ ");
    peer_says(challenge);
    peer_says("\r\n");
    ck_assert_int_eq(pop3_auth(c, "LOGIN", "me", "secret"),
                     POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_str_eq(peer_heard(), "AUTH LOGIN\r\n");
    ck_assert_int_eq(pop3_user(c, "me"), POP3_ERROR_TOO_LONG);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

/* A server that is out of order says nothing of what it offers. */
START_TEST(capabilities_refused_for_now_are_no_login_without_them)
{
    peer_says("-ERR [SYS/TEMP] later\r\n");
    ck_assert_int_eq(pop3_login(c, "me", "secret"), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_SYS_TEMP);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

/* ---- STLS ---------------------------------------------------------------- */

static void connect_for_stls(int result)
{
    peer_starts_tls(result);
    ck_assert_int_eq(peer_connect(GREETING, 0), POP3_OK);
}

static const char *const offers[] = {
    "+OK\r\nTOP\r\nSTLS\r\n.\r\n",
    "+OK\r\nstls\r\n.\r\n",
    "+OK\r\nStls and more\r\nUIDL\r\n.\r\n",
};

START_TEST(a_pin_is_not_passed_over_under_a_callers_own_tls)
{
    connect_for_stls(1);
    learn_capas(offers[0]);
    ck_assert_int_eq(
        pop3_set_pin(c, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        POP3_OK);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_TLS);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_is_tls(c), 0);
}
END_TEST

START_TEST(stls_goes_over_to_tls_and_forgets_what_came_before)
{
    pop3_capas *capas = NULL;

    connect_for_stls(1);
    ck_assert_str_eq(pop3_challenge(c), STAMP);
    learn_capas(offers[_i]);
    peer_says("+OK begin TLS\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    ck_assert_str_eq(peer_tls_name(), "mail.example.org");
    ck_assert_int_eq(pop3_is_tls(c), 1);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    ck_assert_ptr_null(pop3_challenge(c));
    ck_assert_str_eq(pop3_getwelcome(c, NULL), "+OK POP3 server ready " STAMP);
    peer_says("+OK\r\nUIDL\r\n.\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK); /* asked anew */
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    ck_assert_ptr_null(pop3_capa_find(capas, "TOP"));
    pop3_capas_free(capas);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pass(), POP3_OK); /* the link is private now */
    ck_assert_str_eq(peer_heard(), "PASS sesame\r\n");
}
END_TEST

START_TEST(after_stls_the_stamp_of_before_is_not_believed)
{
    connect_for_stls(1);
    learn_capas(offers[0]);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    ck_assert_int_eq(pop3_apop(c, "mrose", "x"), POP3_ERROR_UNSUPPORTED);
    ck_assert_str_eq(peer_heard(), "");
    peer_says("-ERR\r\n"); /* to CAPA */
    peer_says("-ERR\r\n");
    ck_assert_int_eq(login(), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nUSER mrose\r\n");
}
END_TEST

/* Says what was prepared when it hears STLS, the capabilities when CAPA. */
static const char *answer_to_stls;

static int64_t stls_write(void *arg, const void *data, size_t size)
{
    const char *line = data;

    if (size >= 4 && memcmp(line, "CAPA", 4) == 0)
        peer_says("+OK\r\nSTLS\r\n.\r\n");
    if (size >= 4 && memcmp(line, "STLS", 4) == 0)
        peer_says(answer_to_stls);
    return peer_stream.write(arg, data, size);
}

START_TEST(stls_asks_for_the_capabilities_itself)
{
    connect_for_stls(1);
    c->stream.io.write = stls_write;
    answer_to_stls = "+OK\r\n";
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nSTLS\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_is_tls(c), 1);
}
END_TEST

START_TEST(under_tls_from_the_first_byte_there_is_no_stls)
{
    connect_over(UNDER_TLS, GREETING);
    ck_assert_str_eq(pop3_challenge(c), STAMP); /* it came through TLS */
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

START_TEST(stls_verifies_the_name_that_is_set)
{
    ck_assert_int_eq(pop3_set_server_name(c, _i ? "set.example" : NULL),
                     POP3_OK);
    connect_for_stls(1);
    learn_capas(offers[0]);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_str_eq(peer_tls_name(), _i ? "set.example" : "mail.example.org");
}
END_TEST

static const struct {
    const char *says; /* to CAPA */
    pop3_code code;
} not_offered[] = {
    {"+OK\r\n.\r\n", POP3_ERROR_UNSUPPORTED},
    {"+OK\r\nTOP\r\nXSTLS\r\nSTLSX\r\nSASL STLS\r\n.\r\n",
     POP3_ERROR_UNSUPPORTED},
    {"-ERR what\r\n", POP3_ERROR_UNSUPPORTED},
    {"rubbish\r\n", POP3_ERROR_MALFORMED},
    {"+OK\r\nSTLS\r\n", POP3_ERROR_TIMEOUT}, /* the list does not end */
};

START_TEST(stls_that_is_not_offered_is_not_sent)
{
    connect_for_stls(1);
    peer_says(not_offered[_i].says);
    ck_assert_int_eq(pop3_stls(c), not_offered[_i].code);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    ck_assert_int_eq(pop3_stls(c), not_offered[_i].code);
    ck_assert_str_eq(peer_heard(), ""); /* the answer is remembered */
    ck_assert_int_eq(pop3_is_tls(c), 0);
    ck_assert_str_eq(peer_tls_name(), "");
    ck_assert_int_eq(pop3_state(c),
                     not_offered[_i].code == POP3_ERROR_UNSUPPORTED
                         ? POP3_STATE_AUTHORIZATION
                         : POP3_STATE_DEAD);
}
END_TEST

START_TEST(stls_that_is_refused_leaves_a_clear_link)
{
    connect_for_stls(1);
    learn_capas(offers[0]);
    peer_says("-ERR [SYS/TEMP] no TLS today\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    ck_assert_str_eq(pop3_resp_code(c), "SYS/TEMP");
    ck_assert_int_eq(pop3_is_tls(c), 0);
    ck_assert_str_eq(peer_tls_name(), "");
    ck_assert_str_eq(pop3_challenge(c), STAMP);
    ck_assert_int_eq(pass(), POP3_ERROR_INSECURE);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

static const char *const injected[] = {
    "+OK\r\n+OK injected\r\n",       "+OK\r\n\r\n", "+OK\r\nx", "+OK\n\n",
    "+OK begin TLS\r\n\x16\x03\x03",
};

START_TEST(bytes_behind_the_reply_to_stls_kill)
{
    connect_for_stls(1);
    learn_capas(offers[0]);
    peer_says(injected[_i]);
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_MALFORMED);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_str_eq(peer_tls_name(), "");
    ck_assert_int_eq(pop3_is_tls(c), 0);
    ck_assert_int_eq(login(), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MALFORMED);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(as_poplib_bytes_behind_the_reply_to_stls_are_dropped)
{
    pop3_set_poplib_rules(c, 1);
    connect_for_stls(1);
    learn_capas(offers[0]);
    peer_says(injected[_i]);
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    peer_says("+OK through TLS\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK through TLS");
}
END_TEST

static const struct {
    const char *says; /* to STLS */
    int result;       /* of the stream's start_tls */
    pop3_code code;
} failures[] = {
    {"+OK\r\n", POP3_STREAM_FAILED, POP3_ERROR_TLS},
    {"+OK\r\n", POP3_STREAM_TIMED_OUT, POP3_ERROR_TLS},
    {"+OK\r\n", 2, POP3_ERROR_TLS},
    {"", 1, POP3_ERROR_TIMEOUT},
    {"+\r\n", 1, POP3_ERROR_MALFORMED},
    {"-ERROR\r\n", 1, POP3_ERROR_MALFORMED},
};

START_TEST(after_stls_has_failed_nothing_goes_out_in_clear)
{
    pop3_set_allow_insecure_login(c, 1);
    connect_for_stls(failures[_i].result);
    learn_capas(offers[0]);
    peer_says(failures[_i].says);
    ck_assert_int_eq(pop3_stls(c), failures[_i].code);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_is_tls(c), 0);
    peer_says("+OK\r\n");
    ck_assert_int_eq(login(), failures[_i].code);
    ck_assert_int_eq(pass(), failures[_i].code);
    ck_assert_int_eq(pop3_stls(c), failures[_i].code);
    pop3_shutdown(c);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(peer_closings(), 2);
}
END_TEST

START_TEST(what_is_forgotten_by_tls_stays_so_when_it_fails)
{
    connect_for_stls(POP3_STREAM_FAILED);
    learn_capas(offers[0]);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_TLS);
    ck_assert_ptr_null(pop3_challenge(c));
    peer_starts_tls(1);
    ck_assert_int_eq(peer_connect("+OK again\r\n", 0), POP3_OK);
    learn_capas(offers[0]); /* asked anew */
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_int_eq(pop3_is_tls(c), 1);
    ck_assert_int_eq(peer_connect("+OK in clear\r\n", 0), POP3_OK);
    ck_assert_int_eq(pop3_is_tls(c), 0);
    ck_assert_int_eq(pass(), POP3_ERROR_INSECURE);
}
END_TEST

/* ---- The suite ----------------------------------------------------------- */

static TCase *add_case(Suite *s, const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, peer_setup, peer_teardown);
    suite_add_tcase(s, t);
    return t;
}

static void add_greetings(Suite *s)
{
    TCase *t = add_case(s, "greeting");

    tcase_add_loop_test(t, a_greeting_is_kept_whatever_it_says, 0,
                        COUNT(greetings));
    tcase_add_loop_test(t, without_a_greeting_there_is_no_session, 0,
                        COUNT(no_greetings));
    tcase_add_loop_test(t, a_challenge_is_a_msg_id_in_ascii_or_none, 0,
                        COUNT(challenges));
    tcase_add_test(t, a_challenge_with_a_nul_is_none);
}

static void add_commands(Suite *s)
{
    TCase *t = add_case(s, "commands");

    tcase_add_test(t, user_and_pass_log_in);
    tcase_add_loop_test(t, apop_sends_the_digest_and_never_the_password, 0,
                        COUNT(digests));
    tcase_add_test(t, apop_with_a_digest_made_elsewhere_needs_no_challenge);
    tcase_add_test(t, rpop_logs_nobody_in);
    tcase_add_loop_test(t, a_password_does_not_cross_a_link_that_is_not_private,
                        0, COUNT(revealing));
    tcase_add_loop_test(
        t, a_password_crosses_where_that_is_allowed_and_as_long_as_it_is, 0,
        COUNT(revealing));
    tcase_add_loop_test(t, a_password_crosses_a_private_link, 0,
                        COUNT(revealing));
    tcase_add_test(t, a_command_of_the_callers_is_not_asked_what_it_reveals);
}

static void add_policy(Suite *s)
{
    TCase *t = add_case(s, "policy");

    tcase_add_loop_test(t, a_challenge_or_a_list_is_no_login, 0, 2);
    tcase_add_test(t, as_poplib_a_challenge_too_long_ends_it_all);
    tcase_add_test(t, capabilities_refused_for_now_are_no_login_without_them);

    tcase_add_loop_test(t, login_takes_the_best_way_or_the_one_asked_for, 0,
                        COUNT(policies));
    tcase_add_test(t, login_asks_for_the_capabilities_once);
    tcase_add_loop_test(t, login_by_external_needs_no_password, 0, 2);
    tcase_add_loop_test(t, a_failure_of_stls_is_final, 0,
                        COUNT(ways) * COUNT(stls_failures));
    tcase_add_loop_test(t, capabilities_that_break_off_end_the_login, 0,
                        COUNT(capa_failures));
    tcase_add_test(t, login_after_utf8_does_not_step_back_from_stls);
    tcase_add_loop_test(
        t, a_local_socket_goes_over_to_tls_where_that_is_offered, 0, 2);
    tcase_add_loop_test(t, a_refusal_is_never_followed_by_another_way, 0,
                        COUNT(refusals));
    tcase_add_loop_test(t, a_method_that_is_none_is_refused_and_changes_nothing,
                        0, COUNT(no_methods));
    tcase_add_loop_test(t, a_name_or_password_over_the_line_is_not_sent_in_part,
                        0, COUNT(lengths));
    tcase_add_loop_test(t, a_bad_password_keeps_the_name_back_too, 0, 8);
    tcase_add_loop_test(t, the_code_of_a_refused_login_is_told, 0,
                        COUNT(responses));
}

static void add_stls(Suite *s)
{
    TCase *t = add_case(s, "STLS");

    tcase_add_test(t, a_pin_is_not_passed_over_under_a_callers_own_tls);

    tcase_add_loop_test(t, stls_goes_over_to_tls_and_forgets_what_came_before,
                        0, COUNT(offers));
    tcase_add_test(t, after_stls_the_stamp_of_before_is_not_believed);
    tcase_add_test(t, stls_asks_for_the_capabilities_itself);
    tcase_add_test(t, under_tls_from_the_first_byte_there_is_no_stls);
    tcase_add_loop_test(t, stls_verifies_the_name_that_is_set, 0, 2);
    tcase_add_loop_test(t, stls_that_is_not_offered_is_not_sent, 0,
                        COUNT(not_offered));
    tcase_add_test(t, stls_that_is_refused_leaves_a_clear_link);
    tcase_add_loop_test(t, bytes_behind_the_reply_to_stls_kill, 0,
                        COUNT(injected));
    tcase_add_loop_test(t, as_poplib_bytes_behind_the_reply_to_stls_are_dropped,
                        0, COUNT(injected));
    tcase_add_loop_test(t, after_stls_has_failed_nothing_goes_out_in_clear, 0,
                        COUNT(failures));
    tcase_add_test(t, what_is_forgotten_by_tls_stays_so_when_it_fails);
}

Suite *auth_suite(void)
{
    Suite *s = suite_create("auth");

    add_greetings(s);
    add_commands(s);
    add_policy(s);
    add_stls(s);
    return s;
}
