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

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define STAMP "<1896.697170952@dbc.mtview.ca.us>"
#define GREETING "+OK POP3 server ready " STAMP "\r\n"
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb" /* RFC 1939, 7 */

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

enum link { CLEAR, PRIVATE, UNDER_TLS };

static int start_tls(void *arg, const char *server_name)
{
    (void)arg;
    (void)server_name;
    return 1;
}

static void connect_over(enum link link, const char *greeting)
{
    pop3_stream stream = peer_stream;

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

#define BY_USER "USER mrose\r\nPASS tanstaaf\r\n"
#define BY_APOP "APOP mrose " DIGEST "\r\n"
#define PLAIN_GREETING "+OK hello\r\n"

static const struct {
    enum link link;
    const char *greeting;
    int allow;
    const char *wanted; /* pop3_set_login_method */
    pop3_code code;
    const char *heard;
    const char *method;
} policies[] = {
    /* The server says +OK to all. */
    {CLEAR, GREETING, 0, NULL, POP3_OK, BY_APOP, "APOP"},
    {PRIVATE, GREETING, 0, NULL, POP3_OK, BY_APOP, "APOP"},
    {UNDER_TLS, GREETING, 0, NULL, POP3_OK, BY_USER, "USER"},
    {CLEAR, PLAIN_GREETING, 0, NULL, POP3_ERROR_INSECURE, "", "USER"},
    {PRIVATE, PLAIN_GREETING, 0, NULL, POP3_OK, BY_USER, "USER"},
    {UNDER_TLS, PLAIN_GREETING, 0, NULL, POP3_OK, BY_USER, "USER"},
    {CLEAR, GREETING, 1, NULL, POP3_OK, BY_APOP, "APOP"},
    {CLEAR, PLAIN_GREETING, 1, NULL, POP3_OK, BY_USER, "USER"},
    {CLEAR, GREETING, 0, "USER", POP3_ERROR_INSECURE, "", "USER"},
    {CLEAR, GREETING, 1, "user", POP3_OK, BY_USER, "USER"},
    {PRIVATE, GREETING, 0, "User", POP3_OK, BY_USER, "USER"},
    {UNDER_TLS, GREETING, 0, "apop", POP3_OK, BY_APOP, "APOP"},
    {CLEAR, PLAIN_GREETING, 0, "APOP", POP3_ERROR_UNSUPPORTED, "", "APOP"},
    {CLEAR, PLAIN_GREETING, 1, "APOP", POP3_ERROR_UNSUPPORTED, "", "APOP"},
    {UNDER_TLS, PLAIN_GREETING, 0, "APOP", POP3_ERROR_UNSUPPORTED, "", "APOP"},
};

/* Says +OK to each line, when it hears it. */
static int64_t answering_write(void *arg, const void *data, size_t size)
{
    peer_says("+OK\r\n");
    return peer_stream.write(arg, data, size);
}

START_TEST(login_takes_the_best_way_or_the_one_asked_for)
{
    connect_over(policies[_i].link, policies[_i].greeting);
    c->stream.io.write = answering_write;
    pop3_set_allow_insecure_login(c, policies[_i].allow);
    ck_assert_int_eq(pop3_set_login_method(c, policies[_i].wanted), POP3_OK);
    ck_assert_str_eq(pop3_login_method(c), "");
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), policies[_i].code);
    ck_assert_str_eq(peer_heard(), policies[_i].heard);
    ck_assert_str_eq(pop3_login_method(c), policies[_i].method);
    ck_assert_int_eq(pop3_error_code(c), policies[_i].code);
    ck_assert_int_eq(pop3_state(c), policies[_i].code ? POP3_STATE_AUTHORIZATION
                                                      : POP3_STATE_TRANSACTION);
}
END_TEST

static const struct {
    enum link link;
    const char *greeting;
    int allow;
    const char *says; /* the refusal */
    pop3_code code;
    const char *heard;
} refusals[] = {
    {CLEAR, GREETING, 0, "-ERR no\r\n", POP3_ERROR_PROTO, BY_APOP},
    {CLEAR, GREETING, 1, "-ERR no\r\n", POP3_ERROR_PROTO, BY_APOP},
    {PRIVATE, GREETING, 1, "-ERR no\r\n", POP3_ERROR_PROTO, BY_APOP},
    {PRIVATE, PLAIN_GREETING, 0, "-ERR no\r\n", POP3_ERROR_PROTO,
     "USER mrose\r\n"},
    {UNDER_TLS, GREETING, 1, "-ERR no\r\n", POP3_ERROR_PROTO, "USER mrose\r\n"},
    {CLEAR, GREETING, 1, "no such command\r\n", POP3_ERROR_MALFORMED, BY_APOP},
    {PRIVATE, PLAIN_GREETING, 0, "+ go on\r\n", POP3_ERROR_MALFORMED,
     "USER mrose\r\n"},
    {CLEAR, GREETING, 1, "", POP3_ERROR_TIMEOUT, BY_APOP},
};

START_TEST(a_refusal_is_never_followed_by_another_way)
{
    connect_over(refusals[_i].link, refusals[_i].greeting);
    pop3_set_allow_insecure_login(c, refusals[_i].allow);
    peer_says(refusals[_i].says);
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), refusals[_i].code);
    ck_assert_str_eq(peer_heard(), refusals[_i].heard);
    ck_assert_int_ne(pop3_state(c), POP3_STATE_TRANSACTION);
    ck_assert_ptr_null(strstr(pop3_error(c), "tanstaaf"));
}
END_TEST

START_TEST(a_method_that_is_none_is_refused_and_changes_nothing)
{
    static const char *const none[] = {"",    "PLAIN", "USERS",
                                       "USE", " USER", "\x1B[31m"};

    ck_assert_int_eq(pop3_set_login_method(c, "USER"), POP3_OK);
    ck_assert_int_eq(pop3_set_login_method(c, none[_i]),
                     POP3_ERROR_UNSUPPORTED);
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(strchr(pop3_error(c), '\x1B'));
    peer_says("-ERR\r\n");
    ck_assert_int_eq(login(), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "USER mrose\r\n");
    ck_assert_int_eq(pop3_set_login_method(c, NULL), POP3_OK);
    peer_says("-ERR\r\n");
    ck_assert_int_eq(login(), POP3_ERROR_PROTO);
    ck_assert_uint_eq(strspn(peer_heard(), "APOP"), 4);
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

/* ---- STLS ---------------------------------------------------------------- */

static void connect_for_stls(int result)
{
    peer_starts_tls(result);
    ck_assert_int_eq(peer_connect(GREETING, 0), POP3_OK);
}

/* CAPA and its answer, so that STLS's own is said on its own. */
static void learn_capas(const char *answer)
{
    pop3_capas *capas = NULL;

    peer_says(answer);
    pop3_capa(c, &capas);
    pop3_capas_free(capas);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}

static const char *const offers[] = {
    "+OK\r\nTOP\r\nSTLS\r\n.\r\n",
    "+OK\r\nstls\r\n.\r\n",
    "+OK\r\nStls and more\r\nUIDL\r\n.\r\n",
};

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
    peer_says("-ERR\r\n");
    ck_assert_int_eq(login(), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "USER mrose\r\n");
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

    tcase_add_loop_test(t, login_takes_the_best_way_or_the_one_asked_for, 0,
                        COUNT(policies));
    tcase_add_loop_test(t, a_refusal_is_never_followed_by_another_way, 0,
                        COUNT(refusals));
    tcase_add_loop_test(t, a_method_that_is_none_is_refused_and_changes_nothing,
                        0, 6);
    tcase_add_loop_test(t, a_name_or_password_over_the_line_is_not_sent_in_part,
                        0, COUNT(lengths));
    tcase_add_loop_test(t, a_bad_password_keeps_the_name_back_too, 0, 8);
    tcase_add_loop_test(t, the_code_of_a_refused_login_is_told, 0,
                        COUNT(responses));
}

static void add_stls(Suite *s)
{
    TCase *t = add_case(s, "STLS");

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
