/*
 * check_sasl.c - the suite over AUTH: mechanisms, dialogues, base64
 * SPDX-License-Identifier: MIT
 *
 * Owns tables of dialogues: what is asked, what the server says to it, what it
 * must have heard. The server's part of SCRAM is played here over OpenSSL's
 * HMAC, with a nonce of the client's own choice. Not here: which way
 * pop3_login takes (check_auth.c).
 */
#include "conn.h"
#include "peer.h"
#include "sasl.h"
#include "tls_peer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* Answers to CAPA. */
#define WITH_SASL "+OK\r\nSASL PLAIN\r\n.\r\n"
#define WITHOUT_SASL "+OK\r\nUSER\r\n.\r\n"

/* ---- Help ---------------------------------------------------------------- */

/* What is heard belongs to the peer, and what is compared to the test. */
static char expected[300000];

static void add_expected(const char *s)
{
    ck_assert_uint_lt(strlen(expected) + strlen(s), sizeof expected);
    strcat(expected, s);
}

static void add_encoded(const void *data, size_t len)
{
    size_t at = strlen(expected);

    ck_assert_uint_lt(at + len / 3 * 4 + 5, sizeof expected);
    EVP_EncodeBlock((unsigned char *)expected + at, data, (int)len);
}

static void expect(const char *s)
{
    expected[0] = '\0';
    add_expected(s);
}

static void encode_challenge(char line[4096], const void *data, size_t len)
{
    ck_assert_uint_lt(len, 2900);
    strcpy(line, "+ ");
    EVP_EncodeBlock((unsigned char *)line + 2, data, (int)len);
    strcat(line, "\r\n");
}

static void peer_says_encoded(const void *data, size_t len)
{
    char line[4096];

    encode_challenge(line, data, len);
    peer_says(line);
}

static char *run_of(char ch, size_t n)
{
    char *s = malloc(n + 1);

    ck_assert_ptr_nonnull(s);
    memset(s, ch, n);
    s[n] = '\0';
    return s;
}

/* So that what is heard is the dialogue's alone. */
static void learn_capas(const char *answer)
{
    pop3_capas *capas = NULL;

    peer_says(answer);
    pop3_capa(c, &capas);
    pop3_capas_free(capas);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}

static void connect_clear(void)
{
    ck_assert_int_eq(peer_connect("+OK hello\r\n", 0), POP3_OK);
}

/* The session goes on, in step, and nothing was left behind. */
static void assert_in_step(void)
{
    peer_heard();
    peer_says("+OK in step\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK in step");
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
    ck_assert_uint_eq(pop3_pending(c), 0);
}

/* ---- Exact wire ---------------------------------------------------------- */

#define GOOGLE_TOKEN "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
#define GOOGLE_RESPONSE                                                        \
    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRj" \
    "Mk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ=="

static const struct {
    const char *mechanism, *user, *password;
    const char *capas;
    const char *says[3];
    const char *heard;
} dialogues[] = {
    {"PLAIN",
     "mrose",
     "tanstaaf",
     WITH_SASL,
     {"+OK\r\n"},
     "AUTH PLAIN AG1yb3NlAHRhbnN0YWFm\r\n"},
    {"plain",
     "mrose",
     "tanstaaf",
     WITHOUT_SASL,
     {"+ \r\n", "+OK\r\n"},
     "AUTH PLAIN\r\nAG1yb3NlAHRhbnN0YWFm\r\n"},
    {"PLAIN",
     "mrose",
     "tanstaaf",
     "-ERR what\r\n",
     {"+\r\n", "+OK\r\n"},
     "AUTH PLAIN\r\nAG1yb3NlAHRhbnN0YWFm\r\n"},
    {"PLAIN", "", "", WITH_SASL, {"+OK\r\n"}, "AUTH PLAIN AAA=\r\n"},
    {"PLAIN",
     "mrose",
     "",
     WITH_SASL,
     {"+OK\r\n"},
     "AUTH PLAIN AG1yb3NlAA==\r\n"},
    {"PLAIN", NULL, NULL, WITH_SASL, {"+OK\r\n"}, "AUTH PLAIN AAA=\r\n"},
    {"PLAIN",
     "m\xC3\xA4",
     "p\xC3\xB6 \xFF",
     WITH_SASL,
     {"+OK\r\n"},
     "AUTH PLAIN AG3DpABww7Yg/w==\r\n"},
    {"LOGIN",
     "mrose",
     "tanstaaf",
     WITH_SASL,
     {"+ VXNlcm5hbWU6\r\n", "+ UGFzc3dvcmQ6\r\n", "+OK\r\n"},
     "AUTH LOGIN\r\nbXJvc2U=\r\ndGFuc3RhYWY=\r\n"},
    {"Login",
     "mrose",
     "tanstaaf",
     WITHOUT_SASL,
     {"+ \r\n", "+\r\n", "+OK\r\n"},
     "AUTH LOGIN\r\nbXJvc2U=\r\ndGFuc3RhYWY=\r\n"},
    {"LOGIN",
     "",
     "",
     WITH_SASL,
     {"+ VXNlcm5hbWU6\r\n", "+ UGFzc3dvcmQ6\r\n", "+OK\r\n"},
     "AUTH LOGIN\r\n\r\n\r\n"},
    /* RFC 2195, 2 */
    {"CRAM-MD5",
     "tim",
     "tanstaaftanstaaf",
     WITH_SASL,
     {"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n",
      "+OK\r\n"},
     "AUTH CRAM-MD5\r\n"
     "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"},
    {"cram-md5",
     "mrose",
     "tanstaaf",
     WITHOUT_SASL,
     {"+ \r\n", "+OK\r\n"}, /* of nothing */
     "AUTH CRAM-MD5\r\n"
     "bXJvc2UgNjZmYjI2MjIzZDc3MjhkNTM0MGZlYmE3MjVjMDM3NTM=\r\n"},
    {"CRAM-MD5",
     "mrose",
     "tanstaaf",
     WITHOUT_SASL,
     {"+ YQBi\r\n", "+OK\r\n"}, /* of a NUL */
     "AUTH CRAM-MD5\r\n"
     "bXJvc2UgYjY3NjA3NTUxYzIyZDExNTQwM2FiMjYxNDBiNDY5MzA=\r\n"},
    {"EXTERNAL",
     "mrose",
     NULL,
     WITH_SASL,
     {"+OK\r\n"},
     "AUTH EXTERNAL bXJvc2U=\r\n"},
    {"EXTERNAL", "", NULL, WITH_SASL, {"+OK\r\n"}, "AUTH EXTERNAL =\r\n"},
    {"EXTERNAL", NULL, NULL, WITH_SASL, {"+OK\r\n"}, "AUTH EXTERNAL =\r\n"},
    {"EXTERNAL",
     "mrose",
     "unused",
     WITHOUT_SASL,
     {"+ \r\n", "+OK\r\n"},
     "AUTH EXTERNAL\r\nbXJvc2U=\r\n"},
    {"EXTERNAL",
     "",
     NULL,
     WITHOUT_SASL,
     {"+ \r\n", "+OK\r\n"},
     "AUTH EXTERNAL\r\n\r\n"},
    /* No token before it is asked for, whatever the server offers. */
    {"XOAUTH2",
     "someuser@example.com",
     GOOGLE_TOKEN,
     WITH_SASL,
     {"+ \r\n", "+OK\r\n"},
     "AUTH XOAUTH2\r\n" GOOGLE_RESPONSE "\r\n"},
    {"xoauth2",
     "someuser@example.com",
     GOOGLE_TOKEN,
     WITHOUT_SASL,
     {"+\r\n", "+OK\r\n"},
     "AUTH XOAUTH2\r\n" GOOGLE_RESPONSE "\r\n"},
    {"OAUTHBEARER",
     "mrose",
     "t0ken",
     WITH_SASL,
     {"+ \r\n", "+OK\r\n"},
     "AUTH OAUTHBEARER\r\nbixhPW1yb3NlLAFob3N0PW1haWwuZXhhbXBsZS5vcmcB"
     "YXV0aD1CZWFyZXIgdDBrZW4BAQ==\r\n"},
    {"OAuthBearer",
     "a=b,c",
     "t0ken",
     WITHOUT_SASL,
     {"+ \r\n", "+OK\r\n"}, /* a=a=3Db=2Cc */
     "AUTH OAUTHBEARER\r\nbixhPWE9M0RiPTJDYywBaG9zdD1tYWlsLmV4YW1wbGUub3Jn"
     "AWF1dGg9QmVhcmVyIHQwa2VuAQE=\r\n"},
    {"OAUTHBEARER",
     "",
     "t0ken",
     WITH_SASL,
     {"+ \r\n", "+OK\r\n"}, /* n,, */
     "AUTH OAUTHBEARER\r\nbiwsAWhvc3Q9bWFpbC5leGFtcGxlLm9yZwFhdXRoPUJlYXJl"
     "ciB0MGtlbgEB\r\n"},
};

static void peer_says_all(const char *const *says, int count)
{
    int i;

    for (i = 0; i < count && says[i]; i++)
        peer_says(says[i]);
}

static void hold_dialogue(int i)
{
    learn_capas(dialogues[i].capas);
    peer_says_all(dialogues[i].says, 3);
    ck_assert_int_eq(pop3_auth(c, dialogues[i].mechanism, dialogues[i].user,
                               dialogues[i].password),
                     POP3_OK);
    ck_assert_str_eq(peer_heard(), dialogues[i].heard);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_TRANSACTION);
    ck_assert_str_eq(pop3_error(c), "");
    ck_assert_str_eq(pop3_login_method(c), ""); /* pop3_login's alone */
    assert_in_step();
}

START_TEST(a_mechanism_says_exactly_what_its_rfc_says)
{
    hold_dialogue(_i);
}
END_TEST

START_TEST(a_mechanism_that_is_refused_leaves_the_session)
{
    static const char refusal[] = "-ERR [AUTH] wrong \x1B[31mpassword\r\n";
    int last = 0;

    learn_capas(dialogues[_i].capas);
    while (last < 2 && dialogues[_i].says[last + 1])
        last++;
    peer_says_all(dialogues[_i].says, last);
    peer_says(refusal);
    ck_assert_int_eq(pop3_auth(c, dialogues[_i].mechanism, dialogues[_i].user,
                               dialogues[_i].password),
                     POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), dialogues[_i].heard);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_AUTH);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "AUTH"));
    ck_assert_ptr_null(strchr(pop3_error(c), '\x1B'));
    assert_in_step();
}
END_TEST

START_TEST(a_mechanism_does_not_mind_how_the_wire_is_cut)
{
    peer_chunk(1);
    hold_dialogue(_i);
}
END_TEST

/* RFC 7628, 4.1 */
#define RFC7628_TOKEN "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
#define RFC7628_RESPONSE                                                       \
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQz" \
    "AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9" \
    "PQEB"
#define RFC7628_COMPLAINT                                         \
    "{\"status\":\"invalid_token\",\"scope\":\"example_scope\","  \
    "\"openid-configuration\":\"https://example.com/.well-known/" \
    "openid-configuration\"}"

START_TEST(oauthbearer_says_host_and_port_where_they_are_known)
{
    ck_assert_int_eq(pop3_set_server_name(c, "server.example.com"), POP3_OK);
    c->port = 143; /* as in the RFC */
    learn_capas(WITH_SASL);
    peer_says("+ \r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(
        pop3_auth(c, "OAUTHBEARER", "user@example.com", RFC7628_TOKEN),
        POP3_OK);
    ck_assert_str_eq(peer_heard(),
                     "AUTH OAUTHBEARER\r\n" RFC7628_RESPONSE "\r\n");
}
END_TEST

/* ---- A complaint --------------------------------------------------------- */

static const struct {
    const char *mechanism;
    const char *answer; /* to the complaint */
} oauths[] = {{"XOAUTH2", "\r\n"}, {"OAUTHBEARER", "AQ==\r\n"}};

/* Which line of those heard, counted from 0. */
static const char *heard_line(const char *heard, int n)
{
    for (; n; n--) {
        heard = strchr(heard, '\n');
        ck_assert_ptr_nonnull(heard);
        heard++;
    }
    return heard;
}

static const struct {
    const char *json;
    const char *shown;
} complaints[] = {
    {RFC7628_COMPLAINT, RFC7628_COMPLAINT},
    {"{\"status\":\"401\",\"schemes\":\"bearer\"}",
     "{\"status\":\"401\",\"schemes\":\"bearer\"}"},
    {"\x1B[31m{\r\n\"\x07\x9B\x7F\"}", "?[31m{??\"???\"}"},
    {"", ""},
};

START_TEST(what_an_oauth_server_complains_of_is_told)
{
    int oauth = _i % 2, i = _i / 2;

    learn_capas(WITH_SASL);
    peer_says("+ \r\n");
    peer_says_encoded(complaints[i].json, strlen(complaints[i].json));
    peer_says("-ERR [AUTH] go away\r\n");
    ck_assert_int_eq(pop3_auth(c, oauths[oauth].mechanism, "mrose", "t0ken"),
                     POP3_ERROR_PROTO);
    ck_assert_str_eq(heard_line(peer_heard(), 2), oauths[oauth].answer);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "go away"));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), complaints[i].shown));
    ck_assert_ptr_null(strstr(pop3_error(c), "t0ken"));
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_AUTH);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    assert_in_step();
}
END_TEST

START_TEST(a_complaint_of_any_length_or_with_nul_is_told_in_part)
{
    char *json = run_of('x', 1400);

    json[700] = _i ? '\0' : 'x';
    learn_capas(WITH_SASL);
    peer_says("+ \r\n");
    peer_says_encoded(json, 1400);
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_auth(c, "XOAUTH2", "mrose", "t0ken"),
                     POP3_ERROR_PROTO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "xxxxxxxx"));
    assert_in_step();
    free(json);
}
END_TEST

START_TEST(complaint_upon_complaint_is_cancelled)
{
    learn_capas(WITH_SASL);
    peer_says("+ \r\n");
    peer_says_encoded("{}", 2);
    peer_says_encoded("{}", 2);
    peer_says("-ERR cancelled\r\n");
    ck_assert_int_eq(pop3_auth(c, oauths[_i].mechanism, "mrose", "t0ken"),
                     POP3_ERROR_MALFORMED);
    ck_assert_str_eq(heard_line(peer_heard(), 3), "*\r\n");
    assert_in_step();
}
END_TEST

/* ---- What must not be revealed ------------------------------------------- */

static const struct {
    const char *mechanism;
    int reveals;
} revealing[] = {
    {"PLAIN", 1},   {"LOGIN", 1},    {"XOAUTH2", 1},  {"OAUTHBEARER", 1},
    {"xoauth2", 1}, {"CRAM-MD5", 0}, {"EXTERNAL", 0},
};

static int callback_calls;

static int say_nothing(void *arg, const char *challenge, size_t length,
                       const char **response, size_t *response_length)
{
    (void)arg;
    (void)challenge;
    (void)length;
    *response = NULL;
    *response_length = 0;
    callback_calls++;
    return 0;
}

START_TEST(a_mechanism_that_reveals_does_not_cross_a_link_that_is_not_private)
{
    connect_clear();
    if (!revealing[_i].reveals)
        learn_capas(WITH_SASL);
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_auth(c, revealing[_i].mechanism, "mrose", "tanstaaf"),
                     revealing[_i].reveals ? POP3_ERROR_INSECURE
                                           : POP3_ERROR_PROTO);
    ck_assert_int_eq(*peer_heard() == '\0', revealing[_i].reveals);
    ck_assert_ptr_null(strstr(pop3_error(c), "tanstaaf"));
    if (!revealing[_i].reveals)
        return;
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "mail.example.org"));
    pop3_set_allow_insecure_login(c, 1);
    peer_connect("+OK hello\r\n", 0);
    learn_capas(WITHOUT_SASL);
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_auth(c, revealing[_i].mechanism, "mrose", "tanstaaf"),
                     POP3_ERROR_PROTO);
    ck_assert_int_eq(strncmp(peer_heard(), "AUTH ", 5), 0);
}
END_TEST

START_TEST(a_callback_that_reveals_is_not_asked_on_a_link_that_is_not_private)
{
    connect_clear();
    callback_calls = 0;
    ck_assert_int_eq(pop3_auth_callback(
                         c, "X-OWN", POP3_SASL_REVEALS | POP3_SASL_CLIENT_FIRST,
                         say_nothing, NULL),
                     POP3_ERROR_INSECURE);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(callback_calls, 0);
    learn_capas(WITH_SASL);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_auth_callback(c, "X-OWN", POP3_SASL_CLIENT_FIRST,
                                        say_nothing, NULL),
                     POP3_OK);
    ck_assert_str_eq(peer_heard(), "AUTH X-OWN =\r\n");
    ck_assert_int_eq(callback_calls, 1);
}
END_TEST

static const char *const mechanisms[] = {"PLAIN",      "LOGIN",   "CRAM-MD5",
                                         "EXTERNAL",   "XOAUTH2", "OAUTHBEARER",
                                         "SCRAM-SHA-1"};

START_TEST(a_control_character_is_no_part_of_a_name_or_password)
{
    static const char *const bad[] = {"\001", "a\001b", "a\r\nDELE 1", "\n",
                                      "\t",   "a\x7F",  "\x1F"};
    int i;

    for (i = 0; i < COUNT(bad); i++) {
        ck_assert_int_eq(pop3_auth(c, mechanisms[_i], bad[i], "x"),
                         POP3_ERROR_ARGUMENT);
        ck_assert_int_eq(pop3_auth(c, mechanisms[_i], "x", bad[i]),
                         POP3_ERROR_ARGUMENT);
        ck_assert_ptr_null(strstr(pop3_error(c), "DELE"));
    }
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

START_TEST(a_mechanism_that_is_none_is_not_asked_for)
{
    static const char *const none[] = {
        "",       "USER",          "APOP",     "PLAIN ", "PLAI",
        "PLAINS", "PLAIN\r\nQUIT", "\x1B[31m", "SCRAM-", "SCRAM-SHA-999-PLUS"};
    char *name = run_of('A', 5000);
    int i;

    for (i = 0; i < COUNT(none); i++) {
        ck_assert_int_eq(pop3_auth(c, none[i], "mrose", "x"),
                         POP3_ERROR_UNSUPPORTED);
        ck_assert_ptr_null(strpbrk(pop3_error(c), "\x1B\r\n"));
    }
    ck_assert_int_eq(pop3_auth(c, name, "mrose", "x"), POP3_ERROR_UNSUPPORTED);
    ck_assert_str_eq(peer_heard(), "");
    free(name);
}
END_TEST

START_TEST(auth_needs_a_connection)
{
    pop3_close(c);
    ck_assert_int_eq(pop3_auth(c, "PLAIN", "mrose", "x"), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_auth_callback(c, "X", 0, say_nothing, NULL),
                     POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

static void see_line(void *arg, int from_server, const char *line,
                     size_t length)
{
    char *seen = arg;

    (void)from_server;
    strncat(seen, line, length);
    strcat(seen, "\n");
}

START_TEST(what_auth_says_is_shown_as_stars)
{
    char seen[2000] = "";

    pop3_set_debug(c, see_line, seen);
    pop3_set_debuglevel(c, 2);
    learn_capas(_i ? WITH_SASL : WITHOUT_SASL);
    if (!_i)
        peer_says("+ \r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_auth(c, "PLAIN", "mrose", "tanstaaf"), POP3_OK);
    ck_assert_ptr_nonnull(strstr(seen, "AUTH ****"));
    ck_assert_ptr_null(strstr(seen, "AG1yb3NlAHRhbnN0YWFm"));
    ck_assert_ptr_null(strstr(seen, "tanstaaf"));
}
END_TEST

/* ---- The initial response ------------------------------------------------ */

/* "AUTH PLAIN " and CRLF leave 242 octets, which base64 does not fill: 240 are
 * of 180 octets. A callback's mechanism may have a name of any length. */
static const struct {
    size_t name, response;
    int at_once;
} fits[] = {
    {5, 180, 1}, {5, 181, 0}, {5, 3000, 0}, {7, 180, 1},
    {8, 180, 0}, {8, 177, 1}, {7, 178, 1},  {3, 180, 1},
    {246, 0, 1}, {247, 0, 0}, {243, 1, 1},  {244, 1, 0},
};

static struct {
    const char *response;
    size_t length;
} to_say;

static int say_it(void *arg, const char *challenge, size_t length,
                  const char **response, size_t *response_length)
{
    (void)arg;
    (void)challenge;
    (void)length;
    *response = to_say.response;
    *response_length = to_say.length;
    return 0;
}

START_TEST(an_initial_response_goes_along_where_the_line_has_255_octets)
{
    char *name = run_of('X', fits[_i].name);
    char *response = run_of('r', fits[_i].response);
    const char *end;

    to_say.response = response;
    to_say.length = fits[_i].response;
    expect("AUTH ");
    add_expected(name);
    add_expected(fits[_i].at_once ? " " : "\r\n");
    if (fits[_i].response)
        add_encoded(response, fits[_i].response);
    else if (fits[_i].at_once)
        add_expected("=");
    add_expected("\r\n");
    learn_capas(WITH_SASL);
    if (!fits[_i].at_once)
        peer_says("+ \r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(
        pop3_auth_callback(c, name, POP3_SASL_CLIENT_FIRST, say_it, NULL),
        POP3_OK);
    ck_assert_str_eq(peer_heard(), expected);
    end = strchr(expected, '\n');
    if (fits[_i].at_once)
        ck_assert_int_le(end - expected + 1, 255);
    free(name);
    free(response);
}
END_TEST

START_TEST(a_password_over_the_line_waits_until_it_is_asked_for)
{
    /* NUL, "u", NUL: three octets besides. */
    char *password = run_of('p', _i ? 178 : 177);
    char plain[200] = "\0u";

    memcpy(plain + 3, password, strlen(password));
    expect(_i ? "AUTH PLAIN\r\n" : "AUTH PLAIN ");
    add_encoded(plain, 3 + strlen(password));
    add_expected("\r\n");
    learn_capas(WITH_SASL);
    if (_i)
        peer_says("+ \r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_auth(c, "PLAIN", "u", password), POP3_OK);
    ck_assert_str_eq(peer_heard(), expected);
    free(password);
}
END_TEST

START_TEST(a_token_may_be_of_any_length)
{
    static const size_t lengths[] = {1000, 2048, 100000};
    char *token = run_of('t', lengths[_i % 3]);
    char *plain = malloc(lengths[_i % 3] + 200);
    int len;

    ck_assert_ptr_nonnull(plain);
    len = _i < 3 ? sprintf(plain, "user=mrose\1auth=Bearer %s\1\1", token)
                 : sprintf(plain,
                           "n,a=mrose,\1host=mail.example.org\1auth=Bearer "
                           "%s\1\1",
                           token);
    expect(_i < 3 ? "AUTH XOAUTH2\r\n" : "AUTH OAUTHBEARER\r\n");
    add_encoded(plain, (size_t)len);
    add_expected("\r\n");
    learn_capas(WITH_SASL);
    peer_says("+ \r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(
        pop3_auth(c, _i < 3 ? "XOAUTH2" : "OAUTHBEARER", "mrose", token),
        POP3_OK);
    ck_assert_str_eq(peer_heard(), expected);
    free(token);
    free(plain);
}
END_TEST

START_TEST(auth_asks_for_the_capabilities_once_and_not_where_it_must_not)
{
    pop3_set_use_capa(c, _i != 1);
    if (_i != 1)
        peer_says(_i ? "-ERR\r\n" : WITH_SASL);
    if (_i)
        peer_says("+ \r\n");
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_auth(c, "EXTERNAL", "mrose", NULL), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(),
                     _i == 0   ? "CAPA\r\nAUTH EXTERNAL bXJvc2U=\r\n"
                     : _i == 1 ? "AUTH EXTERNAL\r\nbXJvc2U=\r\n"
                               : "CAPA\r\nAUTH EXTERNAL\r\nbXJvc2U=\r\n");
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_auth(c, "CRAM-MD5", "mrose", "x"), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "AUTH CRAM-MD5\r\n");
}
END_TEST

/* ---- Challenges that cannot be ------------------------------------------- */

static const struct {
    const char *mechanism;
    const char *says[4]; /* before "*" */
    const char *cancelled;
} cancellations[] = {
    /* no base64 */
    {"CRAM-MD5", {"+ a\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ ab\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ abc\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ ab=c\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ a===\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ ====\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ YWJj YWJj\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+  YWJj\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ YWJj \r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ YW-_\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ <1.2@a.b>\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"CRAM-MD5", {"+ YW\xC3\xA4\r\n"}, "AUTH CRAM-MD5\r\n*\r\n"},
    {"LOGIN", {"+ Username:\r\n"}, "AUTH LOGIN\r\n*\r\n"},
    {"LOGIN", {"+ \r\n", "+ ?\r\n"}, "AUTH LOGIN\r\nbXJvc2U=\r\n*\r\n"},
    /* one where none was due, or an empty one */
    {"PLAIN", {"+ YWJj\r\n"}, "AUTH PLAIN\r\n*\r\n"},
    {"PLAIN", {"+ ?\r\n"}, "AUTH PLAIN\r\n*\r\n"},
    {"XOAUTH2", {"+ YWJj\r\n"}, "AUTH XOAUTH2\r\n*\r\n"},
    {"OAUTHBEARER", {"+ YWJj\r\n"}, "AUTH OAUTHBEARER\r\n*\r\n"},
    {"EXTERNAL", {"+ YWJj\r\n"}, "AUTH EXTERNAL\r\n*\r\n"},
    {"PLAIN",
     {"+ \r\n", "+ \r\n"},
     "AUTH PLAIN\r\nAG1yb3NlAHRhbnN0YWFm\r\n*\r\n"},
    {"EXTERNAL", {"+ \r\n", "+ \r\n"}, "AUTH EXTERNAL\r\nbXJvc2U=\r\n*\r\n"},
    {"LOGIN",
     {"+ \r\n", "+ \r\n", "+ \r\n"},
     "AUTH LOGIN\r\nbXJvc2U=\r\ndGFuc3RhYWY=\r\n*\r\n"},
    {"CRAM-MD5",
     {"+ \r\n", "+ \r\n"},
     "AUTH CRAM-MD5\r\n"
     "bXJvc2UgNjZmYjI2MjIzZDc3MjhkNTM0MGZlYmE3MjVjMDM3NTM=\r\n*\r\n"},
};

static void cancel_dialogue(int i, const char *then, pop3_code code)
{
    learn_capas(WITHOUT_SASL);
    peer_says_all(cancellations[i].says, 4);
    peer_says(then);
    ck_assert_int_eq(
        pop3_auth(c, cancellations[i].mechanism, "mrose", "tanstaaf"), code);
    ck_assert_str_eq(peer_heard(), cancellations[i].cancelled);
    ck_assert_ptr_null(strstr(pop3_error(c), "tanstaaf"));
    ck_assert_int_ne(pop3_state(c), POP3_STATE_TRANSACTION);
}

START_TEST(a_challenge_that_cannot_be_is_cancelled)
{
    cancel_dialogue(_i, "-ERR authentication aborted\r\n",
                    POP3_ERROR_MALFORMED);
    ck_assert_ptr_nonnull(
        strstr(pop3_error(c), cancellations[_i].mechanism)); /* why, not that */
    ck_assert_ptr_null(strstr(pop3_error(c), "aborted"));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    assert_in_step();
}
END_TEST

START_TEST(a_server_that_goes_on_after_a_cancel_is_dead)
{
    static const char *const then[] = {"+ YWJj\r\n", "+\r\n", "+OK\r\n",
                                       "+OK you are in\r\n", "rubbish\r\n"};
    int i = _i / COUNT(then);

    cancel_dialogue(i, then[_i % COUNT(then)], POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_auth(c, "CRAM-MD5", "mrose", "x"),
                     POP3_ERROR_MALFORMED);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(a_server_that_leaves_after_a_cancel_is_dead)
{
    learn_capas(WITHOUT_SASL);
    peer_says("+ ?\r\n");
    if (_i)
        peer_closes();
    ck_assert_int_eq(pop3_auth(c, "CRAM-MD5", "mrose", "x"),
                     _i ? POP3_ERROR_CLOSED : POP3_ERROR_TIMEOUT);
    ck_assert_str_eq(peer_heard(), "AUTH CRAM-MD5\r\n*\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

static const struct {
    const char *says; /* to AUTH CRAM-MD5 */
    pop3_code code;
} no_challenges[] = {
    {"+challenge\r\n", POP3_ERROR_MALFORMED},
    {"++ YWJj\r\n", POP3_ERROR_MALFORMED},
    {"334 YWJj\r\n", POP3_ERROR_MALFORMED},
    {"\r\n", POP3_ERROR_MALFORMED},
    {"", POP3_ERROR_TIMEOUT},
    {"+ YWJj", POP3_ERROR_TIMEOUT},
};

START_TEST(what_is_neither_challenge_nor_reply_kills)
{
    learn_capas(WITHOUT_SASL);
    peer_says(no_challenges[_i].says);
    ck_assert_int_eq(pop3_auth(c, "CRAM-MD5", "mrose", "x"),
                     no_challenges[_i].code);
    ck_assert_str_eq(peer_heard(), "AUTH CRAM-MD5\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

START_TEST(a_challenge_has_the_limit_of_a_reply)
{
    char *line = run_of('A', 2048);

    memcpy(line, "+ ", 2);
    strcpy(line + 2046 - (_i ? 0 : 2), "\r\n"); /* 2048 and 2046 octets */
    learn_capas(WITHOUT_SASL);
    pop3_set_limit(c, POP3_LIMIT_REPLY, 2046);
    peer_says(line);
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_auth(c, "CRAM-MD5", "mrose", "x"),
                     _i ? POP3_ERROR_TOO_LONG : POP3_ERROR_MALFORMED);
    ck_assert_str_eq(peer_heard(),
                     _i ? "AUTH CRAM-MD5\r\n" : "AUTH CRAM-MD5\r\n*\r\n");
    free(line);
}
END_TEST

/* A challenge is one to AUTH alone. */
START_TEST(outside_auth_a_plus_is_no_reply)
{
    peer_says("+ YWJj\r\n");
    ck_assert_int_eq(_i ? pop3_pass(c, "x") : pop3_noop(c),
                     POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

/* ---- A caller's mechanism ------------------------------------------------ */

/* What a callback is given and gives. */
static struct {
    int calls, refuse_at; /* which call is refused, from 1 */
    int initials;         /* how often challenge was NULL */
    char challenge[64];
    size_t length;
} met;

static const char own_response[] = "a\0b";

static int meet(void *arg, const char *challenge, size_t length,
                const char **response, size_t *response_length)
{
    ck_assert_ptr_eq(arg, &met);
    ck_assert(challenge || (!length && !met.calls));
    met.calls++;
    met.initials += !challenge;
    met.length = length;
    if (challenge)
        memcpy(met.challenge, challenge, length < 64 ? length : 64);
    *response = own_response;
    *response_length = 3;
    return met.calls == met.refuse_at ? -7 : 0;
}

static void forget_met(void)
{
    memset(&met, 0, sizeof met);
    callback_calls = 0;
}

enum {
    FIRST = POP3_SASL_CLIENT_FIRST,
    WAITS = POP3_SASL_WAITS,
    REVEALS = POP3_SASL_REVEALS
};

static const struct {
    int flags;
    const char *capas;
    const char *says[3];
    const char *heard;
    int calls, initials;
} callers[] = {
    {0, WITH_SASL, {"+ AAFi\r\n", "+OK\r\n"}, "AUTH X-own\r\nYQBi\r\n", 1, 0},
    {0, WITH_SASL, {"+ \r\n", "+OK\r\n"}, "AUTH X-own\r\nYQBi\r\n", 1, 0},
    {0,
     WITH_SASL,
     {"+ \r\n", "+ AAFi\r\n", "+OK\r\n"},
     "AUTH X-own\r\nYQBi\r\nYQBi\r\n",
     2,
     0},
    {FIRST, WITH_SASL, {"+OK\r\n"}, "AUTH X-own YQBi\r\n", 1, 1},
    {FIRST | REVEALS, WITH_SASL, {"+OK\r\n"}, "AUTH X-own YQBi\r\n", 1, 1},
    {FIRST,
     WITH_SASL,
     {"+ AAFi\r\n", "+OK\r\n"},
     "AUTH X-own YQBi\r\nYQBi\r\n",
     2,
     1},
    {FIRST,
     WITHOUT_SASL,
     {"+ \r\n", "+OK\r\n"},
     "AUTH X-own\r\nYQBi\r\n",
     1,
     1},
    {FIRST | WAITS,
     WITH_SASL,
     {"+ \r\n", "+OK\r\n"},
     "AUTH X-own\r\nYQBi\r\n",
     1,
     1},
    {FIRST | WAITS,
     WITH_SASL,
     {"+ \r\n", "+ AAFi\r\n", "+OK\r\n"},
     "AUTH X-own\r\nYQBi\r\nYQBi\r\n",
     2,
     1},
};

START_TEST(a_callers_mechanism_is_asked_as_it_says)
{
    forget_met();
    learn_capas(callers[_i].capas);
    peer_says_all(callers[_i].says, 3);
    ck_assert_int_eq(
        pop3_auth_callback(c, "X-own", callers[_i].flags, meet, &met), POP3_OK);
    ck_assert_str_eq(peer_heard(), callers[_i].heard);
    ck_assert_int_eq(met.calls, callers[_i].calls);
    ck_assert_int_eq(met.initials, callers[_i].initials);
    if (met.length) {
        ck_assert_uint_eq(met.length, 3);
        ck_assert_mem_eq(met.challenge, "\0\1b", 3);
    }
    ck_assert_int_eq(pop3_state(c), POP3_STATE_TRANSACTION);
}
END_TEST

/* Its state is the caller's, and never taken for a complaint. */
START_TEST(a_callers_mechanism_that_is_refused_says_so)
{
    int last = 0;

    forget_met();
    learn_capas(callers[_i].capas);
    while (last < 2 && callers[_i].says[last + 1])
        last++;
    peer_says_all(callers[_i].says, last);
    peer_says("-ERR not you\r\n");
    ck_assert_int_eq(
        pop3_auth_callback(c, "X-own", callers[_i].flags, meet, &met),
        POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), callers[_i].heard);
    ck_assert_str_eq(pop3_error(c), "AUTH refused: not you");
    assert_in_step();
}
END_TEST

START_TEST(a_callback_cancels)
{
    forget_met();
    met.refuse_at = _i ? 2 : 1;
    learn_capas(WITHOUT_SASL);
    peer_says("+ YWJj\r\n");
    if (_i)
        peer_says("+ \r\n");
    peer_says("-ERR cancelled\r\n");
    ck_assert_int_eq(pop3_auth_callback(c, "X-own", 0, meet, &met),
                     POP3_ERROR_STOPPED);
    ck_assert_str_eq(peer_heard(), _i ? "AUTH X-own\r\nYQBi\r\n*\r\n"
                                      : "AUTH X-own\r\n*\r\n");
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_STOPPED);
    ck_assert_ptr_null(strstr(pop3_error(c), "cancelled"));
    assert_in_step();
}
END_TEST

START_TEST(a_callback_that_has_no_initial_response_sends_nothing)
{
    forget_met();
    met.refuse_at = 1;
    learn_capas(WITH_SASL);
    ck_assert_int_eq(
        pop3_auth_callback(c, "X-own", _i ? FIRST | WAITS : FIRST, meet, &met),
        POP3_ERROR_STOPPED);
    ck_assert_str_eq(peer_heard(), "");
    assert_in_step();
}
END_TEST

START_TEST(a_callers_empty_response_is_an_empty_line)
{
    forget_met();
    learn_capas(WITH_SASL);
    peer_says("+ \r\n");
    peer_says("+ YWJj\r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_auth_callback(c, "X-OWN", 0, say_nothing, NULL),
                     POP3_OK);
    ck_assert_str_eq(peer_heard(), "AUTH X-OWN\r\n\r\n\r\n");
    ck_assert_int_eq(callback_calls, 2);
}
END_TEST

START_TEST(a_line_end_in_a_callers_name_never_reaches_the_wire)
{
    static const char *const names[] = {"X\r\nQUIT", "X\n", "\r"};

    learn_capas(WITH_SASL);
    ck_assert_int_eq(pop3_auth_callback(c, names[_i % 3], _i < 3 ? 0 : FIRST,
                                        say_nothing, NULL),
                     POP3_ERROR_ARGUMENT);
    ck_assert_str_eq(peer_heard(), "");
    assert_in_step();
}
END_TEST

/* Sixteen challenges are answered, and the next cancelled. */
START_TEST(challenges_have_an_end)
{
    enum { MOST = 16 };
    int n = MOST + _i, i;

    forget_met();
    expect("AUTH X-OWN\r\n");
    learn_capas(WITH_SASL);
    for (i = 0; i < n; i++) {
        peer_says("+ YWJj\r\n");
        add_expected(i < MOST ? "\r\n" : "*\r\n");
    }
    peer_says(_i ? "-ERR\r\n" : "+OK\r\n");
    ck_assert_int_eq(pop3_auth_callback(c, "X-OWN", 0, say_nothing, NULL),
                     _i ? POP3_ERROR_MALFORMED : POP3_OK);
    ck_assert_str_eq(peer_heard(), expected);
    ck_assert_int_eq(callback_calls, MOST);
    assert_in_step();
}
END_TEST

/* ---- Base64 -------------------------------------------------------------- */

static const struct {
    const char *text;
    int ok;
    const char *octets;
    size_t len;
} base64s[] = {
    /* RFC 4648, 10 */
    {"", 1, "", 0},
    {"Zg==", 1, "f", 1},
    {"Zm8=", 1, "fo", 2},
    {"Zm9v", 1, "foo", 3},
    {"Zm9vYg==", 1, "foob", 4},
    {"Zm9vYmE=", 1, "fooba", 5},
    {"Zm9vYmFy", 1, "foobar", 6},
    {"AAAA", 1, "\0\0\0", 3},
    {"AA==", 1, "\0", 1},
    {"+/+/", 1, "\xFB\xFF\xBF", 3},
    {"////", 1, "\xFF\xFF\xFF", 3},
    {"Z", 0, NULL, 0},
    {"Zg", 0, NULL, 0},
    {"Zg=", 0, NULL, 0},
    {"Zm8", 0, NULL, 0},
    {"Zg===", 0, NULL, 0},
    {"Z===", 0, NULL, 0},
    {"====", 0, NULL, 0},
    {"=", 0, NULL, 0},
    {"Zg==Zg==", 0, NULL, 0},
    {"Zm=v", 0, NULL, 0},
    {"Zm9v\n", 0, NULL, 0},
    {"\nZm9", 0, NULL, 0},
    {" Zm9", 0, NULL, 0},
    {"Zm9 ", 0, NULL, 0},
    {"Zm-_", 0, NULL, 0},
    {"Zm\x80v", 0, NULL, 0},
    {"Zm9v----", 0, NULL, 0},
};

START_TEST(base64_is_strict)
{
    struct p3_buf out;
    struct p3_text text = {base64s[_i].text, strlen(base64s[_i].text)};

    p3_buf_init(&out, 0, 1);
    ck_assert_int_eq(p3_base64_decode(text, &out), base64s[_i].ok);
    ck_assert_uint_eq(out.len, base64s[_i].len);
    if (base64s[_i].len) {
        ck_assert_mem_eq(out.data, base64s[_i].octets, out.len);
        p3_buf_truncate(&out, 0);
        ck_assert_int_eq(
            p3_base64_encode(base64s[_i].octets, base64s[_i].len, &out), 1);
        ck_assert_str_eq(p3_buf_text(&out), base64s[_i].text);
    }
    p3_buf_release(&out);
}
END_TEST

START_TEST(base64_is_no_text_with_a_nul)
{
    static const char text[] = "Zm\0v";
    struct p3_buf out;

    p3_buf_init(&out, 0, 1);
    ck_assert_int_eq(p3_base64_decode((struct p3_text){text, 4}, &out), 0);
    p3_buf_release(&out);
}
END_TEST

/* Encoded by chunks of 3072 octets. */
static const size_t base64_lengths[] = {
    0, 1, 2, 3, 4, 5, 3071, 3072, 3073, 3074, 6143, 6144, 6145, 9216, 100000};

START_TEST(base64_of_any_length_goes_there_and_back)
{
    size_t len = base64_lengths[_i], i;
    unsigned char *octets = malloc(len + 1);
    struct p3_buf text, back;

    ck_assert_ptr_nonnull(octets);
    for (i = 0; i < len; i++)
        octets[i] = (unsigned char)(i * 7 + i / 251);
    expect("");
    add_encoded(octets, len);
    p3_buf_init(&text, 0, 1);
    p3_buf_init(&back, 0, 1);
    ck_assert_int_eq(p3_base64_encode((char *)octets, len, &text), 1);
    ck_assert_str_eq(p3_buf_text(&text), expected);
    ck_assert_int_eq(p3_buf_add_str(&back, "x"), 1); /* it is added to */
    ck_assert_int_eq(
        p3_base64_decode((struct p3_text){p3_buf_text(&text), text.len}, &back),
        1);
    ck_assert_uint_eq(back.len, len + 1);
    ck_assert_int_eq(back.data[0], 'x');
    ck_assert_int_eq(memcmp(back.data + 1, octets, len), 0);
    ck_assert_int_eq(back.data[back.len], '\0');
    p3_buf_release(&text);
    p3_buf_release(&back);
    free(octets);
}
END_TEST

START_TEST(base64_has_a_limit)
{
    enum { MOST = 1 << 20 };
    char *text = run_of('A', MOST + 4);
    struct p3_buf out;

    p3_buf_init(&out, 0, 1);
    ck_assert_int_eq(p3_base64_decode((struct p3_text){text, MOST + 4}, &out),
                     0);
    ck_assert_int_eq(p3_base64_decode((struct p3_text){text, MOST}, &out), 1);
    ck_assert_uint_eq(out.len, MOST / 4 * 3);
    p3_buf_release(&out);
    free(text);
}
END_TEST

/* ---- SCRAM --------------------------------------------------------------- */

#if HAVE_GSASL

/* What the server does otherwise than RFC 5802 has it. */
enum deviation {
    HONEST,
    WRONG_SIGNATURE,
    NO_SIGNATURE,  /* +OK at once */
    OK_FOR_FIRST,  /* +OK to the client's first message */
    ERROR_FIELD,   /* e= instead of v= */
    NO_FIELD,      /* neither */
    SIGNED_TWICE,  /* a challenge more */
    FOREIGN_NONCE, /* one that does not begin with the client's */
    SHORT_NONCE,   /* half of the client's */
    NO_SALT,
    ZERO_ITERATIONS,
    NEGATIVE_ITERATIONS,
    ABSURD_ITERATIONS,
    OVERFLOWING_ITERATIONS,
    EXTENSION /* m=, which must not be understood */
};

/* The server's part, and what it has learnt. */
static struct {
    const EVP_MD *md;
    const char *user, *password;
    enum deviation deviation;
    const char *gs2;   /* header that the client must send */
    char binding[400]; /* behind it, in c= */
    size_t binding_len;
    int step;
    int proved; /* the client knows the password */
    int cancelled;
    char first_bare[400], nonce[200], server_first[600];
} scram;

/* The server in a thread, where there is one; else it is the peer. */
static struct server *threaded;

static void say(const char *text)
{
    if (threaded)
        server_says(threaded, text);
    else
        peer_says(text);
}

static void say_encoded(const void *data, size_t len)
{
    char line[4096];

    encode_challenge(line, data, len);
    say(line);
}

static const char salt[] = "QSXCR+Q6sek8bf92"; /* RFC 5802, 5 */

static size_t decode(const char *line, size_t len, char *out, size_t size)
{
    struct p3_buf b;
    size_t n;

    p3_buf_init(&b, 0, 0);
    ck_assert_int_eq(p3_base64_decode((struct p3_text){line, len}, &b), 1);
    ck_assert_uint_lt(b.len, size);
    memcpy(out, p3_buf_text(&b), b.len + 1);
    n = b.len;
    p3_buf_release(&b);
    return n;
}

static void hmac(const unsigned char *key, const char *text,
                 unsigned char out[EVP_MAX_MD_SIZE])
{
    unsigned len;

    ck_assert_ptr_nonnull(HMAC(scram.md, key, EVP_MD_size(scram.md),
                               (const unsigned char *)text, strlen(text), out,
                               &len));
}

/* Checks the client's proof, and gives the server's signature (RFC 5802, 3). */
static void compute(const char *auth_message, const unsigned char *proof,
                    unsigned char signature[EVP_MAX_MD_SIZE])
{
    unsigned char salted[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE];
    unsigned char stored[EVP_MAX_MD_SIZE], mine[EVP_MAX_MD_SIZE];
    char raw_salt[64];
    int size = EVP_MD_size(scram.md), i;
    int salt_len = (int)decode(salt, strlen(salt), raw_salt, sizeof raw_salt);

    ck_assert_int_eq(PKCS5_PBKDF2_HMAC(scram.password,
                                       (int)strlen(scram.password),
                                       (unsigned char *)raw_salt, salt_len,
                                       4096, scram.md, size, salted),
                     1);
    hmac(salted, "Client Key", key);
    EVP_Digest(key, (size_t)size, stored, NULL, scram.md, NULL);
    hmac(stored, auth_message, mine);
    scram.proved = 1;
    for (i = 0; i < size; i++)
        scram.proved &= (mine[i] ^ key[i]) == proof[i];
    hmac(salted, "Server Key", key);
    hmac(key, auth_message, signature);
}

static const char *iterations(void)
{
    switch (scram.deviation) {
    case ZERO_ITERATIONS:
        return "0";
    case NEGATIVE_ITERATIONS:
        return "-1";
    case ABSURD_ITERATIONS:
        return "1000000000";
    case OVERFLOWING_ITERATIONS:
        return "18446744073709555712"; /* 4096, modulo 2^64 */
    default:
        return "4096";
    }
}

static void take_first(const char *encoded, size_t len)
{
    char text[500];
    const char *nonce;
    size_t n = decode(encoded, len, text, sizeof text);
    size_t header = strlen(scram.gs2);

    ck_assert_uint_eq(strlen(text), n);
    ck_assert_uint_gt(n, header);
    ck_assert_int_eq(memcmp(text, scram.gs2, header), 0);
    snprintf(scram.first_bare, sizeof scram.first_bare, "%s", text + header);
    ck_assert_int_eq(memcmp(scram.first_bare, "n=", 2), 0);
    ck_assert_int_eq(
        memcmp(scram.first_bare + 2, scram.user, strlen(scram.user)), 0);
    nonce = scram.first_bare + 2 + strlen(scram.user);
    ck_assert_int_eq(memcmp(nonce, ",r=", 3), 0);
    nonce += 3;
    ck_assert_uint_ge(strlen(nonce), 16);
    snprintf(scram.nonce, sizeof scram.nonce, "%.150s%s", nonce,
             "3rfcNHYJY1ZVvWVs7j");
    if (scram.deviation == FOREIGN_NONCE)
        scram.nonce[0] ^= 1;
    if (scram.deviation == SHORT_NONCE)
        scram.nonce[strlen(nonce) / 2] = '\0';
    if (scram.deviation == OK_FOR_FIRST) {
        say("+OK\r\n");
        return;
    }
    snprintf(scram.server_first, sizeof scram.server_first, "%sr=%s,s=%s,i=%s",
             scram.deviation == EXTENSION ? "m=x," : "", scram.nonce,
             scram.deviation == NO_SALT ? "" : salt, iterations());
    say_encoded(scram.server_first, strlen(scram.server_first));
}

/* The signature, or what comes in its place. */
static void answer_proof(const unsigned char *signature)
{
    char text[200] = "v=";

    EVP_EncodeBlock((unsigned char *)text + 2, signature,
                    EVP_MD_size(scram.md));
    if (scram.deviation == WRONG_SIGNATURE)
        text[2] = text[2] == 'A' ? 'B' : 'A';
    if (scram.deviation == ERROR_FIELD)
        strcpy(text, "e=other-error");
    if (scram.deviation == NO_FIELD)
        text[0] = '\0';
    if (scram.deviation == NO_SIGNATURE)
        say("+OK\r\n");
    else if (scram.proved)
        say_encoded(text, strlen(text));
    else
        say("-ERR [AUTH] wrong password\r\n");
}

static void take_final(const char *encoded, size_t len)
{
    char text[1000], auth_message[2000], proof[200];
    char header[500], bound[700] = "c=";
    unsigned char signature[EVP_MAX_MD_SIZE];
    const char *p;
    size_t n = strlen(scram.gs2);

    text[decode(encoded, len, text, sizeof text)] = '\0';
    memcpy(header, scram.gs2, n);
    memcpy(header + n, scram.binding, scram.binding_len);
    EVP_EncodeBlock((unsigned char *)bound + 2, (unsigned char *)header,
                    (int)(n + scram.binding_len));
    snprintf(auth_message, sizeof auth_message, "%s,r=%s", bound, scram.nonce);
    p = strstr(text, ",p=");
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((size_t)(p - text), strlen(auth_message));
    ck_assert_int_eq(memcmp(text, auth_message, strlen(auth_message)), 0);
    ck_assert_uint_eq(decode(p + 3, strlen(p + 3), proof, sizeof proof),
                      (size_t)EVP_MD_size(scram.md));
    snprintf(auth_message, sizeof auth_message, "%s,%s,%.*s", scram.first_bare,
             scram.server_first, (int)(p - text), text);
    compute(auth_message, (unsigned char *)proof, signature);
    answer_proof(signature);
}

/* A line of the dialogue, behind AUTH and without its end. */
static void take_line(const char *line, size_t len)
{
    if (len == 1 && *line == '*') {
        scram.cancelled = 1;
        say("-ERR cancelled\r\n");
    } else if (scram.step == 0) {
        take_first(line, len);
    } else if (scram.step == 1) {
        take_final(line, len);
    } else {
        ck_assert_uint_eq(len, 0); /* the signature is fine */
        if (scram.deviation == SIGNED_TWICE && scram.step == 2)
            say_encoded("v=", 2);
        else
            say("+OK you are in\r\n");
    }
    scram.step++;
}

static void hear_scram(const char *data, size_t size)
{
    const char *initial;

    ck_assert_uint_ge(size, 2);
    ck_assert_int_eq(data[size - 1], '\n');
    size -= 2;
    if (size < 5 || memcmp(data, "AUTH ", 5) != 0) {
        take_line(data, size);
        return;
    }
    initial = memchr(data + 5, ' ', size - 5);
    if (!initial)
        say("+ \r\n");
    else
        take_line(initial + 1, size - (size_t)(initial + 1 - data));
}

static int64_t scram_write(void *arg, const void *data, size_t size)
{
    char line[2000];

    ck_assert_uint_lt(size, sizeof line);
    memcpy(line, data, size);
    line[size] = '\0';
    hear_scram(line, size);
    return peer_stream.write(arg, data, size);
}

static void begin_scram(const EVP_MD *md, const char *user,
                        const char *password)
{
    memset(&scram, 0, sizeof scram);
    scram.md = md;
    scram.user = user;
    scram.password = password;
    scram.gs2 = "n,,";
    threaded = NULL;
}

static const struct {
    const char *mechanism;
    int sha1;
    const char *user, *saslname, *password;
    const char *capas;
} scrams[] = {
    {"SCRAM-SHA-1", 1, "user", "user", "pencil", WITH_SASL},
    {"SCRAM-SHA-256", 0, "user", "user", "pencil", WITH_SASL},
    {"scram-sha-256", 0, "user", "user", "pencil", WITHOUT_SASL},
    {"Scram-Sha-1", 1, "a=b,c", "a=3Db=2Cc", "p,=", WITH_SASL},
    {"SCRAM-SHA-256", 0, "m\xC3\xA4", "m\xC3\xA4", "p\xC3\xB6 x", WITH_SASL},
};

static pop3_code scram_login(int i, enum deviation deviation,
                             const char *password)
{
    begin_scram(scrams[i].sha1 ? EVP_sha1() : EVP_sha256(), scrams[i].saslname,
                scrams[i].password);
    scram.deviation = deviation;
    connect_clear(); /* it does not reveal the password */
    learn_capas(scrams[i].capas);
    c->stream.io.write = scram_write;
    return pop3_auth(c, scrams[i].mechanism, scrams[i].user, password);
}

START_TEST(scram_proves_the_password_on_both_sides)
{
    const char *heard;

    ck_assert_int_eq(scram_login(_i, HONEST, scrams[_i].password), POP3_OK);
    heard = peer_heard();
    ck_assert_int_eq(memcmp(heard, "AUTH SCRAM-SHA-", 15), 0);
    ck_assert_uint_eq(strcspn(heard, "\r") > 30, /* at once, or asked for */
                      !strcmp(scrams[_i].capas, WITH_SASL));
    ck_assert_ptr_null(strstr(heard, scrams[_i].password));
    ck_assert_int_eq(scram.proved, 1);
    ck_assert_int_eq(scram.step, 3);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_TRANSACTION);
}
END_TEST

START_TEST(scram_takes_a_new_nonce_each_time)
{
    char nonce[200];

    ck_assert_int_eq(scram_login(_i, HONEST, scrams[_i].password), POP3_OK);
    strcpy(nonce, scram.nonce);
    ck_assert_int_eq(scram_login(_i, HONEST, scrams[_i].password), POP3_OK);
    ck_assert_str_ne(nonce, scram.nonce);
}
END_TEST

START_TEST(scram_with_a_wrong_password_is_refused)
{
    ck_assert_int_eq(scram_login(_i, HONEST, "pencils"), POP3_ERROR_PROTO);
    ck_assert_int_eq(scram.proved, 0);
    ck_assert_int_eq(scram.step, 2);
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_AUTH);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    c->stream.io.write = peer_stream.write;
    assert_in_step();
}
END_TEST

static const struct {
    enum deviation deviation;
    int step;  /* lines that the server heard */
    int alive; /* cancelled, else dead */
} distrust[] = {
    {WRONG_SIGNATURE, 3, 1},
    {NO_SIGNATURE, 2, 0},
    {OK_FOR_FIRST, 1, 0},
    {ERROR_FIELD, 3, 1},
    {NO_FIELD, 3, 1},
    {SIGNED_TWICE, 4, 1},
    {FOREIGN_NONCE, 2, 1},
    {SHORT_NONCE, 2, 1},
    {NO_SALT, 2, 1},
    {ZERO_ITERATIONS, 2, 1},
    {NEGATIVE_ITERATIONS, 2, 1},
    {ABSURD_ITERATIONS, 2, 1},
    {OVERFLOWING_ITERATIONS, 2, 1},
    {EXTENSION, 2, 1},
};

START_TEST(scram_distrusts_a_server_that_does_not_prove_itself)
{
    int i = _i / 2; /* by both hashes */

    ck_assert_int_eq(scram_login(_i % 2, distrust[i].deviation, "pencil"),
                     POP3_ERROR_MALFORMED);
    ck_assert_int_eq(scram.step, distrust[i].step);
    ck_assert_int_eq(scram.cancelled, distrust[i].alive);
    ck_assert_int_eq(pop3_state(c), distrust[i].alive ? POP3_STATE_AUTHORIZATION
                                                      : POP3_STATE_DEAD);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "SCRAM-SHA-"));
    ck_assert_ptr_null(strstr(pop3_error(c), "pencil"));
    c->stream.io.write = peer_stream.write;
    if (distrust[i].alive)
        assert_in_step();
    else
        ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MALFORMED);
}
END_TEST

START_TEST(scram_in_bad_base64_is_cancelled)
{
    connect_clear();
    learn_capas(WITH_SASL);
    peer_says("+ r=x,s=y,i=1\r\n");
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_auth(c, "SCRAM-SHA-1", "user", "pencil"),
                     POP3_ERROR_MALFORMED);
    ck_assert_str_eq(heard_line(peer_heard(), 1), "*\r\n");
    assert_in_step();
}
END_TEST

START_TEST(plus_needs_a_tls_session)
{
    static const char *const names[] = {"SCRAM-SHA-1-PLUS",
                                        "scram-sha-256-plus", "X-PLUS"};

    learn_capas(WITH_SASL);
    ck_assert_int_eq(pop3_auth(c, names[_i], "user", "pencil"),
                     POP3_ERROR_UNSUPPORTED);
    ck_assert_str_eq(peer_heard(), "");
    assert_in_step();
}
END_TEST

/* ---- SCRAM bound to a TLS session ---- */

static void talk_scram(struct server *s)
{
    const char *line;

    server_shakes(s);
    if (!s->shaken || !server_says(s, "+OK\r\n"))
        return;
    memcpy(scram.binding, s->binding, s->binding_len);
    scram.binding_len = *scram.gs2 == 'p' ? s->binding_len : 0;
    threaded = s;
    while ((line = server_hears(s)))
        if (strncmp(line, "CAPA", 4) == 0)
            server_says(s, "+OK\r\nSASL SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n"
                           ".\r\n");
        else
            hear_scram(line, strlen(line));
    threaded = NULL;
}

static const struct {
    const char *mechanism; /* NULL: pop3_login picks one */
    int version;
    const char *gs2;
    enum deviation deviation;
    pop3_code code;
} pluses[] = {
    {NULL, TLS1_3_VERSION, "p=tls-exporter,,", HONEST, POP3_OK},
    {NULL, TLS1_2_VERSION, "p=tls-unique,,", HONEST, POP3_OK},
    {"scram-sha-256-plus", TLS1_3_VERSION, "p=tls-exporter,,", HONEST, POP3_OK},
    {"SCRAM-SHA-256-PLUS", TLS1_2_VERSION, "p=tls-unique,,", HONEST, POP3_OK},
    {"SCRAM-SHA-256", TLS1_3_VERSION, "n,,", HONEST, POP3_OK},
    {NULL, TLS1_3_VERSION, "p=tls-exporter,,", WRONG_SIGNATURE,
     POP3_ERROR_MALFORMED},
    {NULL, TLS1_3_VERSION, "p=tls-exporter,,", NO_SIGNATURE,
     POP3_ERROR_MALFORMED},
};

START_TEST(plus_binds_the_login_to_the_tls_session)
{
    pop3_code rc;

    begin_scram(EVP_sha256(), "user", "pencil");
    scram.gs2 = pluses[_i].gs2;
    scram.deviation = pluses[_i].deviation;
    prepare_server(talk_scram);
    server.cert = "two_names";
    server.key = "leaf";
    server.version = pluses[_i].version;
    pop3_close(c);
    pop3_set_verify(c, 0);
    ck_assert_int_eq(pop3_connect_fd(c, start_server(), "mail.example.org", 1),
                     POP3_OK);
    rc = pluses[_i].mechanism
             ? pop3_auth(c, pluses[_i].mechanism, "user", "pencil")
             : pop3_login(c, "user", "pencil");
    ck_assert_int_eq(rc, pluses[_i].code);
    ck_assert_int_eq(pop3_state(c) == POP3_STATE_TRANSACTION, rc == POP3_OK);
    ck_assert_str_eq(pop3_login_method(c),
                     pluses[_i].mechanism ? "" : "SCRAM-SHA-256-PLUS");
    pop3_close(c);
    end_server();
    ck_assert_int_eq(scram.proved, 1);
    ck_assert_ptr_nonnull(strstr(server.heard, *scram.gs2 == 'p'
                                                   ? "AUTH SCRAM-SHA-256-PLUS "
                                                   : "AUTH SCRAM-SHA-256 "));
    ck_assert_ptr_null(strstr(server.heard, "pencil"));
}
END_TEST

/* libgsasl lacks what ANONYMOUS wants: no fault of the server's. */
START_TEST(what_libgsasl_cannot_begin_is_unsupported_and_sends_nothing)
{
    if (!p3_gsasl_has("ANONYMOUS"))
        return;
    learn_capas(WITH_SASL);
    ck_assert_int_eq(pop3_auth(c, "ANONYMOUS", "user", "x"),
                     POP3_ERROR_UNSUPPORTED);
    ck_assert_str_eq(peer_heard(), "");
    assert_in_step();
}
END_TEST

static void add_scram(TCase *t)
{
    tcase_add_loop_test(t, scram_proves_the_password_on_both_sides, 0,
                        COUNT(scrams));
    tcase_add_loop_test(t, scram_takes_a_new_nonce_each_time, 0, 2);
    tcase_add_loop_test(t, scram_with_a_wrong_password_is_refused, 0,
                        COUNT(scrams));
    tcase_add_loop_test(t, scram_distrusts_a_server_that_does_not_prove_itself,
                        0, 2 * COUNT(distrust));
    tcase_add_test(t, scram_in_bad_base64_is_cancelled);
    tcase_add_loop_test(t, plus_needs_a_tls_session, 0, 3);
    tcase_add_loop_test(t, plus_binds_the_login_to_the_tls_session, 0,
                        COUNT(pluses));
    tcase_add_test(t,
                   what_libgsasl_cannot_begin_is_unsupported_and_sends_nothing);
}

#else

static void add_scram(TCase *t)
{
    (void)t;
}

#endif

/* ---- The suite ----------------------------------------------------------- */

static TCase *add_case(Suite *s, const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, peer_setup, peer_teardown);
    suite_add_tcase(s, t);
    return t;
}

static void add_mechanisms(Suite *s)
{
    TCase *t = add_case(s, "mechanisms");

    tcase_add_loop_test(t, a_mechanism_says_exactly_what_its_rfc_says, 0,
                        COUNT(dialogues));
    tcase_add_loop_test(t, a_mechanism_that_is_refused_leaves_the_session, 0,
                        COUNT(dialogues));
    tcase_add_loop_test(t, a_mechanism_does_not_mind_how_the_wire_is_cut, 0,
                        COUNT(dialogues));
    tcase_add_test(t, oauthbearer_says_host_and_port_where_they_are_known);
    tcase_add_loop_test(t, what_an_oauth_server_complains_of_is_told, 0,
                        COUNT(oauths) * COUNT(complaints));
    tcase_add_loop_test(
        t, a_complaint_of_any_length_or_with_nul_is_told_in_part, 0, 2);
    tcase_add_loop_test(t, complaint_upon_complaint_is_cancelled, 0,
                        COUNT(oauths));
    tcase_add_loop_test(
        t, a_mechanism_that_reveals_does_not_cross_a_link_that_is_not_private,
        0, COUNT(revealing));
    tcase_add_loop_test(t, a_control_character_is_no_part_of_a_name_or_password,
                        0, COUNT(mechanisms));
    tcase_add_test(t, a_mechanism_that_is_none_is_not_asked_for);
    tcase_add_test(t, auth_needs_a_connection);
    tcase_add_loop_test(t, what_auth_says_is_shown_as_stars, 0, 2);
}

static void add_initial_responses(Suite *s)
{
    TCase *t = add_case(s, "initial responses");

    tcase_add_loop_test(
        t, an_initial_response_goes_along_where_the_line_has_255_octets, 0,
        COUNT(fits));
    tcase_add_loop_test(t, a_password_over_the_line_waits_until_it_is_asked_for,
                        0, 2);
    tcase_add_loop_test(t, a_token_may_be_of_any_length, 0, 6);
    tcase_add_loop_test(
        t, auth_asks_for_the_capabilities_once_and_not_where_it_must_not, 0, 3);
}

static void add_challenges(Suite *s)
{
    TCase *t = add_case(s, "challenges");

    tcase_add_loop_test(t, a_challenge_that_cannot_be_is_cancelled, 0,
                        COUNT(cancellations));
    tcase_add_loop_test(t, a_server_that_goes_on_after_a_cancel_is_dead, 0,
                        5 * COUNT(cancellations));
    tcase_add_loop_test(t, a_server_that_leaves_after_a_cancel_is_dead, 0, 2);
    tcase_add_loop_test(t, what_is_neither_challenge_nor_reply_kills, 0,
                        COUNT(no_challenges));
    tcase_add_loop_test(t, a_challenge_has_the_limit_of_a_reply, 0, 2);
    tcase_add_loop_test(t, outside_auth_a_plus_is_no_reply, 0, 2);
}

static void add_callbacks(Suite *s)
{
    TCase *t = add_case(s, "callbacks");

    tcase_add_test(
        t, a_callback_that_reveals_is_not_asked_on_a_link_that_is_not_private);
    tcase_add_loop_test(t, a_callers_mechanism_is_asked_as_it_says, 0,
                        COUNT(callers));
    tcase_add_loop_test(t, a_callers_mechanism_that_is_refused_says_so, 0,
                        COUNT(callers));
    tcase_add_loop_test(t, a_callback_cancels, 0, 2);
    tcase_add_loop_test(
        t, a_callback_that_has_no_initial_response_sends_nothing, 0, 2);
    tcase_add_test(t, a_callers_empty_response_is_an_empty_line);
    tcase_add_loop_test(t, a_line_end_in_a_callers_name_never_reaches_the_wire,
                        0, 6);
    tcase_add_loop_test(t, challenges_have_an_end, 0, 2);
}

static void add_base64(Suite *s)
{
    TCase *t = add_case(s, "base64");

    tcase_add_loop_test(t, base64_is_strict, 0, COUNT(base64s));
    tcase_add_test(t, base64_is_no_text_with_a_nul);
    tcase_add_loop_test(t, base64_of_any_length_goes_there_and_back, 0,
                        COUNT(base64_lengths));
    tcase_add_test(t, base64_has_a_limit);
}

Suite *sasl_suite(void)
{
    Suite *s = suite_create("sasl");

    add_mechanisms(s);
    add_initial_responses(s);
    add_challenges(s);
    add_callbacks(s);
    add_base64(s);
    add_scram(add_case(s, "SCRAM"));
    return s;
}
