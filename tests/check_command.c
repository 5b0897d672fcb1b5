/*
 * check_command.c - the suite over conn, settings, command, listing and body
 * SPDX-License-Identifier: MIT
 *
 * Owns nothing but tables: what is called, what the server says, what it must
 * have heard, and what comes of it. The server is peer.c's, in memory. Not
 * here: logging in (check_auth.c), sockets, TLS and time (check_stream.c), the
 * Maildir (check_files.c), memory that runs out (check_faults.c).
 */
#include "conn.h"
#include "peer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define GREETING "+OK ready <1896.697170952@dbc.example.org>\r\n"

/* ---- Help ---------------------------------------------------------------- */

/* n times ch, then end; free it. */
static char *run_of(char ch, size_t n, const char *end)
{
    char *s = malloc(n + strlen(end) + 1);

    ck_assert_ptr_nonnull(s);
    memset(s, ch, n);
    memcpy(s + n, end, strlen(end) + 1);
    return s;
}

static void peer_says_run(const char *begin, char ch, size_t n, const char *end)
{
    char *rest = run_of(ch, n, end);

    peer_says(begin);
    peer_says(rest);
    free(rest);
}

/* The session goes on, in step: the next reply is the next command's. What was
 * heard before that has been asked for, or is forgotten. */
static void assert_in_step(void)
{
    const char *heard;

    peer_says("+OK in step\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK in step");
    ck_assert_uint_eq(pop3_pending(c), 0);
    heard = peer_heard();
    ck_assert_uint_ge(strlen(heard), 6);
    ck_assert_str_eq(heard + strlen(heard) - 6, "NOOP\r\n");
}

/* A body in one text, "|" behind each line; free it. */
static char *lines_text(const pop3_lines *lines)
{
    size_t len = 1, i;
    char *text, *p;

    for (i = 0; i < lines->count; i++)
        len += lines->lines[i].length + 1;
    text = p = malloc(len);
    ck_assert_ptr_nonnull(text);
    for (i = 0; i < lines->count; i++) {
        memcpy(p, lines->lines[i].text, lines->lines[i].length);
        p += lines->lines[i].length;
        *p++ = '|';
    }
    *p = '\0';
    return text;
}

static void assert_lines(const pop3_lines *lines, const char *want)
{
    char *text = lines_text(lines);

    ck_assert_str_eq(text, want);
    free(text);
}

/* ---- Every call, and everything that may befall it ----------------------- */

static int go_on_size(void *arg, const pop3_size *row)
{
    (void)arg;
    (void)row;
    return 0;
}

static int go_on_uid(void *arg, const pop3_uid *row)
{
    (void)arg;
    (void)row;
    return 0;
}

static int go_on_line(void *arg, const pop3_line *line)
{
    (void)arg;
    (void)line;
    return 0;
}

/* What each call is tried with; a result is given back at once. */
static pop3_code call_stat(void)
{
    pop3_totals t;

    return pop3_stat(c, &t);
}

static pop3_code call_list(void)
{
    pop3_sizes *sizes = NULL;
    pop3_code rc = pop3_list(c, &sizes);

    pop3_sizes_free(sizes);
    return rc;
}

static pop3_code call_list_one(void)
{
    pop3_size row;

    return pop3_list_one(c, 1, &row);
}

static pop3_code call_uidl(void)
{
    pop3_uids *uids = NULL;
    pop3_code rc = pop3_uidl(c, &uids);

    pop3_uids_free(uids);
    return rc;
}

static pop3_code call_uidl_one(void)
{
    pop3_uid row;

    return pop3_uidl_one(c, 1, &row);
}

static pop3_code call_each_size(void)
{
    return pop3_each_size(c, go_on_size, NULL);
}

static pop3_code call_each_uid(void)
{
    return pop3_each_uid(c, go_on_uid, NULL);
}

static pop3_code call_dele(void)
{
    return pop3_dele(c, 1);
}

static pop3_code call_rset(void)
{
    return pop3_rset(c);
}

static pop3_code call_noop(void)
{
    return pop3_noop(c);
}

static pop3_code call_retr(void)
{
    pop3_lines *lines = NULL;
    pop3_code rc = pop3_retr(c, 1, &lines);

    pop3_lines_free(lines);
    return rc;
}

static pop3_code call_top(void)
{
    pop3_lines *lines = NULL;
    pop3_code rc = pop3_top(c, 1, 0, &lines);

    pop3_lines_free(lines);
    return rc;
}

static pop3_code call_retr_begin(void)
{
    return pop3_retr_begin(c, 1);
}

static pop3_code call_top_begin(void)
{
    return pop3_top_begin(c, 1, 5);
}

static pop3_code call_capa(void)
{
    pop3_capas *capas = NULL;
    pop3_code rc = pop3_capa(c, &capas);

    pop3_capas_free(capas);
    return rc;
}

static pop3_code call_capa_refresh(void)
{
    pop3_capas *capas = NULL;
    pop3_code rc = pop3_capa_refresh(c, &capas);

    pop3_capas_free(capas);
    return rc;
}

static pop3_code call_utf8(void)
{
    return pop3_utf8(c);
}

static pop3_code call_user(void)
{
    return pop3_user(c, "mrose");
}

static pop3_code call_pass(void)
{
    return pop3_pass(c, "tanstaaf");
}

static pop3_code call_apop_digest(void)
{
    return pop3_apop_digest(c, "mrose", "0123");
}

static pop3_code call_rpop(void)
{
    return pop3_rpop(c, "mrose");
}

static pop3_code call_short_command(void)
{
    return pop3_command(c, "XSHORT a", POP3_SHORT);
}

static pop3_code call_long_command(void)
{
    return pop3_command(c, "XLONG", POP3_LONG);
}

static const struct call {
    pop3_code (*call)(void);
    const char *wire; /* what the server hears */
    const char *says; /* what makes it succeed */
} calls[] = {
    {call_stat, "STAT\r\n", "+OK 2 320\r\n"},
    {call_list, "LIST\r\n", "+OK\r\n1 120\r\n.\r\n"},
    {call_list_one, "LIST 1\r\n", "+OK 1 120\r\n"},
    {call_uidl, "UIDL\r\n", "+OK\r\n1 abc\r\n.\r\n"},
    {call_uidl_one, "UIDL 1\r\n", "+OK 1 abc\r\n"},
    {call_each_size, "LIST\r\n", "+OK\r\n1 120\r\n.\r\n"},
    {call_each_uid, "UIDL\r\n", "+OK\r\n1 abc\r\n.\r\n"},
    {call_dele, "DELE 1\r\n", "+OK\r\n"},
    {call_rset, "RSET\r\n", "+OK\r\n"},
    {call_noop, "NOOP\r\n", "+OK\r\n"},
    {call_retr, "RETR 1\r\n", "+OK\r\nmail\r\n.\r\n"},
    {call_top, "TOP 1 0\r\n", "+OK\r\nmail\r\n.\r\n"},
    {call_retr_begin, "RETR 1\r\n", "+OK\r\nmail\r\n.\r\n"},
    {call_top_begin, "TOP 1 5\r\n", "+OK\r\nmail\r\n.\r\n"},
    {call_capa, "CAPA\r\n", "+OK\r\nTOP\r\n.\r\n"},
    {call_capa_refresh, "CAPA\r\n", "+OK\r\nTOP\r\n.\r\n"},
    {call_utf8, "UTF8\r\n", "+OK\r\n"},
    {call_user, "USER mrose\r\n", "+OK\r\n"},
    {call_pass, "PASS tanstaaf\r\n", "+OK\r\n"},
    {call_apop_digest, "APOP mrose 0123\r\n", "+OK\r\n"},
    {call_rpop, "RPOP mrose\r\n", "+OK\r\n"},
    {call_short_command, "XSHORT a\r\n", "+OK\r\n"},
    {call_long_command, "XLONG\r\n", "+OK\r\nbody\r\n.\r\n"},
};

START_TEST(every_command_says_its_line_and_succeeds)
{
    const struct call *t = &calls[_i];

    peer_says(t->says);
    ck_assert_int_eq(t->call(), POP3_OK);
    ck_assert_str_eq(peer_heard(), t->wire);
    ck_assert_str_eq(pop3_error(c), "");
    ck_assert_int_eq(pop3_error_code(c), POP3_OK);
    assert_in_step();
}
END_TEST

START_TEST(every_command_that_is_refused_leaves_the_session_alive)
{
    const struct call *t = &calls[_i];

    peer_says("-ERR [SYS/TEMP] not now\r\n");
    ck_assert_int_eq(t->call(), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), t->wire);
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_PROTO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "not now"));
    ck_assert_str_eq(pop3_resp_code(c), "SYS/TEMP");
    ck_assert_str_eq(pop3_reply_text(c, NULL), "[SYS/TEMP] not now");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
    assert_in_step();
}
END_TEST

static void says_nothing(void)
{
}

static void says_too_long(void)
{
    peer_says_run("+OK ", 'x', 2043, "\r\n");
}

static void says_malformed(void)
{
    peer_says("+OKAY\r\n");
}

static void says_half_a_line(void)
{
    peer_says("+OK 1 2");
    peer_closes();
}

static const struct fate {
    void (*befalls)(void);
    pop3_code code;
} fates[] = {
    {says_malformed, POP3_ERROR_MALFORMED},
    {says_too_long, POP3_ERROR_TOO_LONG},
    {peer_closes, POP3_ERROR_CLOSED},
    {says_half_a_line, POP3_ERROR_CLOSED},
    {says_nothing, POP3_ERROR_TIMEOUT},
    {peer_fails, POP3_ERROR_IO},
};

START_TEST(every_command_dies_of_what_kills)
{
    const struct call *t = &calls[_i / COUNT(fates)];
    const struct fate *f = &fates[_i % COUNT(fates)];

    f->befalls();
    ck_assert_int_eq(t->call(), f->code);
    ck_assert_str_eq(peer_heard(), t->wire);
    ck_assert_int_eq(pop3_error_code(c), f->code);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
}
END_TEST

/* What can be called besides. */
static pop3_code call_quit(void)
{
    return pop3_quit(c);
}

static pop3_code call_apop(void)
{
    return pop3_apop(c, "mrose", "tanstaaf");
}

static pop3_code call_login(void)
{
    return pop3_login(c, "mrose", "tanstaaf");
}

static pop3_code call_stls(void)
{
    return pop3_stls(c);
}

static pop3_code call_send_line(void)
{
    return pop3_send_line(c, "x");
}

static pop3_code call_read_line(void)
{
    pop3_line line;

    return pop3_read_line(c, &line);
}

static pop3_code call_next_slice(void)
{
    const char *data;
    size_t length;

    return pop3_next_slice(c, &data, &length);
}

static pop3_code call_next_line(void)
{
    pop3_line line;

    return pop3_next_line(c, &line);
}

static pop3_code call_each_line(void)
{
    return pop3_each_line(c, go_on_line, NULL);
}

static pop3_code call_body_lines(void)
{
    pop3_lines *lines = NULL;
    pop3_code rc = pop3_body_lines(c, &lines);

    pop3_lines_free(lines);
    return rc;
}

static pop3_code call_body_fd(void)
{
    return pop3_body_fd(c, STDERR_FILENO, POP3_LF, NULL);
}

static pop3_code (*const others[])(void) = {
    call_apop,       call_login,      call_stls,      call_send_line,
    call_read_line,  call_next_slice, call_next_line, call_each_line,
    call_body_lines, call_body_fd,    call_quit, /* the last: it closes */
};

START_TEST(a_dead_connection_says_so_at_every_call)
{
    const struct fate *f = &fates[_i];
    char why[600];
    int i;

    f->befalls();
    ck_assert_int_eq(pop3_noop(c), f->code);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
    snprintf(why, sizeof why, "%s", pop3_error(c));
    for (i = 0; i < COUNT(calls) + COUNT(others); i++) {
        peer_says("+OK 1 2\r\n.\r\n");
        ck_assert_int_eq(i < COUNT(calls) ? calls[i].call()
                                          : others[i - COUNT(calls)](),
                         f->code);
        ck_assert_str_eq(pop3_error(c), why);
        ck_assert_int_eq(pop3_error_code(c), f->code);
        ck_assert_str_eq(peer_heard(), "");
    }
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
    assert_in_step();
}
END_TEST

START_TEST(a_closed_connection_has_no_state_to_call_in)
{
    int i;

    pop3_close(c);
    for (i = 0; i < COUNT(calls) + COUNT(others); i++) {
        ck_assert_int_eq(i < COUNT(calls) ? calls[i].call()
                                          : others[i - COUNT(calls)](),
                         POP3_ERROR_STATE);
        ck_assert_str_eq(pop3_error(c), "not connected");
        ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    }
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(a_new_handle_is_closed_and_empty)
{
    pop3 *fresh = pop3_new();
    size_t length = 7;

    ck_assert_ptr_nonnull(fresh);
    ck_assert_int_eq(pop3_state(fresh), POP3_STATE_CLOSED);
    ck_assert_int_eq(pop3_awaiting(fresh), POP3_AWAITING_NOTHING);
    ck_assert_uint_eq(pop3_pending(fresh), 0);
    ck_assert_str_eq(pop3_error(fresh), "");
    ck_assert_int_eq(pop3_error_code(fresh), POP3_OK);
    ck_assert_str_eq(pop3_reply(fresh, &length), "");
    ck_assert_uint_eq(length, 0);
    ck_assert_str_eq(pop3_reply_text(fresh, NULL), "");
    ck_assert_str_eq(pop3_resp_code(fresh), "");
    ck_assert_str_eq(pop3_getwelcome(fresh, NULL), "");
    ck_assert_ptr_null(pop3_challenge(fresh));
    ck_assert_str_eq(pop3_login_method(fresh), "");
    ck_assert_int_eq(pop3_fd(fresh), -1);
    ck_assert_int_eq(pop3_is_tls(fresh), 0);
    ck_assert_uint_eq(pop3_skipped(fresh), 0);
    ck_assert_uint_eq(pop3_body_octets(fresh), 0);
    pop3_close(fresh);
    pop3_shutdown(fresh);
    pop3_free(fresh);
    pop3_free(NULL);
}
END_TEST

START_TEST(freeing_nothing_does_nothing)
{
    pop3_sizes_free(NULL);
    pop3_uids_free(NULL);
    pop3_capas_free(NULL);
    pop3_lines_free(NULL);
    ck_assert_str_eq(pop3_version(), POP3_VERSION);
}
END_TEST

static const struct {
    pop3_code code;
    const char *name;
} code_names[] = {
    {POP3_OK, "POP3_OK"},
    {POP3_ERROR_PROTO, "POP3_ERROR_PROTO"},
    {POP3_ERROR_MALFORMED, "POP3_ERROR_MALFORMED"},
    {POP3_ERROR_TOO_LONG, "POP3_ERROR_TOO_LONG"},
    {POP3_ERROR_CLOSED, "POP3_ERROR_CLOSED"},
    {POP3_ERROR_TIMEOUT, "POP3_ERROR_TIMEOUT"},
    {POP3_ERROR_RESOLVE, "POP3_ERROR_RESOLVE"},
    {POP3_ERROR_CONNECT, "POP3_ERROR_CONNECT"},
    {POP3_ERROR_TLS, "POP3_ERROR_TLS"},
    {POP3_ERROR_CERTIFICATE, "POP3_ERROR_CERTIFICATE"},
    {POP3_ERROR_INSECURE, "POP3_ERROR_INSECURE"},
    {POP3_ERROR_UNSUPPORTED, "POP3_ERROR_UNSUPPORTED"},
    {POP3_ERROR_ARGUMENT, "POP3_ERROR_ARGUMENT"},
    {POP3_ERROR_STATE, "POP3_ERROR_STATE"},
    {POP3_ERROR_MEMORY, "POP3_ERROR_MEMORY"},
    {POP3_ERROR_IO, "POP3_ERROR_IO"},
    {POP3_ERROR_STOPPED, "POP3_ERROR_STOPPED"},
};

START_TEST(every_code_has_its_own_name_and_meaning)
{
    int i;

    ck_assert_int_eq(code_names[_i].code, _i);
    ck_assert_str_eq(pop3_code_name(code_names[_i].code), code_names[_i].name);
    ck_assert_str_ne(pop3_strerror(code_names[_i].code), "");
    for (i = 0; i < _i; i++)
        ck_assert_str_ne(pop3_strerror(code_names[i].code),
                         pop3_strerror(code_names[_i].code));
}
END_TEST

START_TEST(a_number_that_is_no_code_has_a_name_too)
{
    static const int numbers[] = {-1, 17, 1000, -2147483647};

    ck_assert_str_ne(pop3_code_name((pop3_code)numbers[_i]), "");
    ck_assert_str_ne(pop3_strerror((pop3_code)numbers[_i]), "");
}
END_TEST

START_TEST(no_memory_for_a_command_sends_nothing)
{
    c->stream.out.limit = 4;
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MEMORY);
    ck_assert_str_eq(pop3_error(c), "out of memory");
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_uint_eq(pop3_pending(c), 0);
    c->stream.out.limit = SIZE_MAX;
    assert_in_step();
}
END_TEST

/* ---- Status lines -------------------------------------------------------- */

static const struct {
    const char *says;
    pop3_code code;
    const char *text; /* pop3_reply_text */
    const char *resp; /* pop3_resp_code */
} status_lines[] = {
    {"+OK\r\n", POP3_OK, "", ""},
    {"+OK\n", POP3_OK, "", ""},
    {"+OK \r\n", POP3_OK, "", ""},
    {"+OK hi\r\n", POP3_OK, "hi", ""},
    {"+OK  hi\r\n", POP3_OK, " hi", ""},
    {"+OK [IN-USE] hi\r\n", POP3_OK, "[IN-USE] hi", ""},
    {"+OK \xC3\xA4\xFF\r\n", POP3_OK, "\xC3\xA4\xFF", ""},
    {"-ERR\r\n", POP3_ERROR_PROTO, "", ""},
    {"-ERR\n", POP3_ERROR_PROTO, "", ""},
    {"-ERR \r\n", POP3_ERROR_PROTO, "", ""},
    {"-ERR no\r\n", POP3_ERROR_PROTO, "no", ""},
    {"-ERR [IN-USE] no\r\n", POP3_ERROR_PROTO, "[IN-USE] no", "IN-USE"},
    {"-ERR [SYS/TEMP]\r\n", POP3_ERROR_PROTO, "[SYS/TEMP]", "SYS/TEMP"},
    {"-ERR [in-use]no\r\n", POP3_ERROR_PROTO, "[in-use]no", "in-use"},
    {"-ERR [A][B]\r\n", POP3_ERROR_PROTO, "[A][B]", "A"},
    {"-ERR []\r\n", POP3_ERROR_PROTO, "[]", ""},
    {"-ERR [A\r\n", POP3_ERROR_PROTO, "[A", ""},
    {"-ERR [A B]\r\n", POP3_ERROR_PROTO, "[A B]", ""},
    {"-ERR [A\x80]\r\n", POP3_ERROR_PROTO, "[A\x80]", ""},
    {"-ERR  [A]\r\n", POP3_ERROR_PROTO, " [A]", ""},
    {"-ERR no [A]\r\n", POP3_ERROR_PROTO, "no [A]", ""},
    {"+OKAY\r\n", POP3_ERROR_MALFORMED, "+OKAY", ""},
    {"+OK\thi\r\n", POP3_ERROR_MALFORMED, "+OK\thi", ""},
    {"+OK\r\r\n", POP3_ERROR_MALFORMED, "+OK\r", ""},
    {"+ok\r\n", POP3_ERROR_MALFORMED, "+ok", ""},
    {"+Ok\r\n", POP3_ERROR_MALFORMED, "+Ok", ""},
    {"-err no\r\n", POP3_ERROR_MALFORMED, "-err no", ""},
    {"-ERROR\r\n", POP3_ERROR_MALFORMED, "-ERROR", ""},
    {"+ERR\r\n", POP3_ERROR_MALFORMED, "+ERR", ""},
    {"-OK\r\n", POP3_ERROR_MALFORMED, "-OK", ""},
    {"OK\r\n", POP3_ERROR_MALFORMED, "OK", ""},
    {" +OK\r\n", POP3_ERROR_MALFORMED, " +OK", ""},
    {"+\r\n", POP3_ERROR_MALFORMED, "+", ""},
    {"+ \r\n", POP3_ERROR_MALFORMED, "+ ", ""},
    {"\r\n", POP3_ERROR_MALFORMED, "", ""},
    {"\n", POP3_ERROR_MALFORMED, "", ""},
    {".\r\n", POP3_ERROR_MALFORMED, ".", ""},
};

START_TEST(a_status_line_is_exactly_ok_or_err)
{
    size_t chunk;

    for (chunk = 0; chunk < 3; chunk++) {
        size_t length = 99, line_length = strcspn(status_lines[_i].says, "\n");

        ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
        peer_chunk(chunk);
        peer_says(status_lines[_i].says);
        ck_assert_int_eq(pop3_noop(c), status_lines[_i].code);
        ck_assert_str_eq(peer_heard(), "NOOP\r\n");
        ck_assert_str_eq(pop3_reply_text(c, &length), status_lines[_i].text);
        ck_assert_uint_eq(length, strlen(status_lines[_i].text));
        ck_assert_str_eq(pop3_resp_code(c), status_lines[_i].resp);
        pop3_reply(c, &length);
        if (line_length && status_lines[_i].says[line_length - 1] == '\r')
            line_length--;
        ck_assert_uint_eq(length, line_length);
        ck_assert_mem_eq(pop3_reply(c, NULL), status_lines[_i].says, length);
        ck_assert_int_eq(pop3_state(c),
                         status_lines[_i].code == POP3_ERROR_MALFORMED
                             ? POP3_STATE_DEAD
                             : POP3_STATE_AUTHORIZATION);
    }
}
END_TEST

START_TEST(a_status_line_may_hold_a_nul)
{
    static const char line[] = "+OK a\0b\xFF\r\n";
    size_t length;
    const char *text;

    peer_says_bytes(line, sizeof line - 1);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    text = pop3_reply_text(c, &length);
    ck_assert_uint_eq(length, 4);
    ck_assert_mem_eq(text, "a\0b\xFF", 5);
}
END_TEST

START_TEST(control_characters_are_harmless_in_a_message_and_kept_in_the_reply)
{
    const char *p;

    peer_says("-ERR \x1B[31mred\x9B\xC2\x9B\x7F\tbell\a \xC3\xA4\r\n");
    ck_assert_int_eq(pop3_dele(c, 3), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "DELE 3\r\n");
    for (p = pop3_error(c); *p; p++) {
        ck_assert_int_ge((unsigned char)*p, 0x20);
        ck_assert_int_ne((unsigned char)*p, 0x7F);
        ck_assert_int_ne((unsigned char)*p, 0x9B);
    }
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "\xC3\xA4"));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "DELE"));
    ck_assert_str_eq(pop3_reply(c, NULL),
                     "-ERR \x1B[31mred\x9B\xC2\x9B\x7F\tbell\a \xC3\xA4");
}
END_TEST

START_TEST(a_reply_is_kept_until_the_next_one)
{
    peer_says("-ERR [SYS/PERM] gone\r\n");
    ck_assert_int_eq(pop3_dele(c, 1), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_command(c, "a\nb", POP3_SHORT), POP3_ERROR_ARGUMENT);
    ck_assert_str_eq(pop3_resp_code(c), "SYS/PERM");
    peer_says("+OK fine\r\n");
    ck_assert_int_eq(pop3_dele(c, 2), POP3_OK);
    ck_assert_str_eq(pop3_resp_code(c), "");
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK fine");
    ck_assert_str_eq(pop3_getwelcome(c, NULL),
                     "+OK ready <1896.697170952@dbc.example.org>");
    ck_assert_str_eq(peer_heard(), "DELE 1\r\nDELE 2\r\n");
}
END_TEST

/* ---- Numbers in replies -------------------------------------------------- */

static const struct {
    const char *says;
    pop3_code code;
    uint64_t first, second;
} two_numbers[] = {
    {"+OK 2 320\r\n", POP3_OK, 2, 320},
    {"+OK 0 0\r\n", POP3_OK, 0, 0},
    {"+OK   2 \t320 \r\n", POP3_OK, 2, 320},
    {"+OK 2 320 octets and more\r\n", POP3_OK, 2, 320},
    {"+OK 002 0320\r\n", POP3_OK, 2, 320},
    {"+OK 1 18446744073709551615\r\n", POP3_OK, 1, UINT64_MAX},
    {"+OK 1 18446744073709551616\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK 1 99999999999999999999\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK 1 -1\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK +1 1\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK 1 0x10\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK 1 2.5\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK 1\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK one two\r\n", POP3_ERROR_MALFORMED, 0, 0},
    {"+OK 1,2\r\n", POP3_ERROR_MALFORMED, 0, 0},
};

START_TEST(stat_wants_two_numbers)
{
    pop3_totals t = {77, 78};

    peer_says(two_numbers[_i].says);
    ck_assert_int_eq(pop3_stat(c, &t), two_numbers[_i].code);
    ck_assert_str_eq(peer_heard(), "STAT\r\n");
    if (two_numbers[_i].code) {
        ck_assert_uint_eq(t.messages, 77);
        ck_assert_uint_eq(t.octets, 78);
        ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
        return;
    }
    ck_assert_uint_eq(t.messages, two_numbers[_i].first);
    ck_assert_uint_eq(t.octets, two_numbers[_i].second);
}
END_TEST

START_TEST(list_one_wants_two_numbers)
{
    pop3_size row = {77, 78};
    pop3_code code = two_numbers[_i].code;

    if (!code && two_numbers[_i].first != 2) /* another message's */
        code = POP3_ERROR_MALFORMED;
    peer_says(two_numbers[_i].says);
    ck_assert_int_eq(pop3_list_one(c, 2, &row), code);
    ck_assert_str_eq(peer_heard(), "LIST 2\r\n");
    if (code) {
        ck_assert_uint_eq(row.number, 77);
        ck_assert_uint_eq(row.octets, 78);
        ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
        return;
    }
    ck_assert_uint_eq(row.number, two_numbers[_i].first);
    ck_assert_uint_eq(row.octets, two_numbers[_i].second);
}
END_TEST

static const struct {
    const char *says;
    pop3_code code;
    uint64_t number;
    const char *uid;
} one_uid[] = {
    {"+OK 2 abc\r\n", POP3_OK, 2, "abc"},
    {"+OK 2   abc\r\n", POP3_OK, 2, "abc"},
    {"+OK 2 a b c\r\n", POP3_OK, 2, "a b c"},
    {"+OK 2 a\x80\xFF\r\n", POP3_OK, 2, "a\x80\xFF"},
    {"+OK abc\r\n", POP3_OK, 2, "abc"}, /* without the number, as some do */
    {"+OK <a@b>\r\n", POP3_OK, 2, "<a@b>"},
    {"+OK 3 abc\r\n", POP3_ERROR_MALFORMED, 0, NULL}, /* another message's */
    {"+OK abc def\r\n", POP3_ERROR_MALFORMED, 0, NULL},
    {"+OK\r\n", POP3_ERROR_MALFORMED, 0, NULL},
    {"+OK \r\n", POP3_ERROR_MALFORMED, 0, NULL},
};

START_TEST(uidl_one_wants_a_uid_with_or_without_the_number)
{
    pop3_uid row = {77, 0, NULL};

    peer_says(one_uid[_i].says);
    ck_assert_int_eq(pop3_uidl_one(c, 2, &row), one_uid[_i].code);
    ck_assert_str_eq(peer_heard(), "UIDL 2\r\n");
    if (one_uid[_i].code) {
        ck_assert_uint_eq(row.number, 77);
        ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
        return;
    }
    ck_assert_uint_eq(row.number, one_uid[_i].number);
    ck_assert_uint_eq(row.length, strlen(one_uid[_i].uid));
    ck_assert_str_eq(row.uid, one_uid[_i].uid);
}
END_TEST

START_TEST(a_uid_may_hold_a_nul)
{
    static const char line[] = "+OK 2 a\0b\r\n";
    pop3_uid row;

    peer_says_bytes(line, sizeof line - 1);
    ck_assert_int_eq(pop3_uidl_one(c, 2, &row), POP3_OK);
    ck_assert_uint_eq(row.length, 3);
    ck_assert_mem_eq(row.uid, "a\0b", 4);
}
END_TEST

static const struct {
    uint64_t number, lines;
    const char *heard;
} asked_numbers[] = {
    {0, 0, "LIST 0\r\nUIDL 0\r\nDELE 0\r\nRETR 0\r\nTOP 0 0\r\n"},
    {1, 10, "LIST 1\r\nUIDL 1\r\nDELE 1\r\nRETR 1\r\nTOP 1 10\r\n"},
    {UINT64_MAX, UINT64_MAX,
     "LIST 18446744073709551615\r\nUIDL 18446744073709551615\r\n"
     "DELE 18446744073709551615\r\nRETR 18446744073709551615\r\n"
     "TOP 18446744073709551615 18446744073709551615\r\n"},
};

START_TEST(numbers_go_out_in_decimal)
{
    uint64_t n = asked_numbers[_i].number;
    pop3_size size;
    pop3_uid uid;
    pop3_lines *lines = NULL;

    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_list_one(c, n, &size), POP3_ERROR_PROTO);
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_uidl_one(c, n, &uid), POP3_ERROR_PROTO);
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_dele(c, n), POP3_ERROR_PROTO);
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_retr(c, n, &lines), POP3_ERROR_PROTO);
    peer_says("-ERR\r\n");
    ck_assert_int_eq(pop3_top(c, n, asked_numbers[_i].lines, &lines),
                     POP3_ERROR_PROTO);
    ck_assert_ptr_null(lines);
    ck_assert_str_eq(peer_heard(), asked_numbers[_i].heard);
}
END_TEST

/* ---- Listings ------------------------------------------------------------ */

/* Rows as text, "1=120 " each. */
static void sizes_text(const pop3_sizes *sizes, char *out, size_t size)
{
    size_t i, n = 0;

    out[0] = '\0';
    for (i = 0; i < sizes->count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%" PRIu64 "=%" PRIu64 " ",
                              sizes->rows[i].number, sizes->rows[i].octets);
}

static void uids_text(const pop3_uids *uids, char *out, size_t size)
{
    size_t i, n = 0;

    out[0] = '\0';
    for (i = 0; i < uids->count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%" PRIu64 "=%s ",
                              uids->rows[i].number, uids->rows[i].uid);
}

static const struct {
    const char *body;
    const char *rows;
    uint64_t octets, skipped;
} list_bodies[] = {
    {"", "", 0, 0},
    {"1 120\r\n2 200\r\n", "1=120 2=200 ", 14, 0},
    {"1 120 extra\r\n", "1=120 ", 13, 0},
    {"  1\t120 \r\n", "1=120 ", 10, 0},
    {"3 1\r\n1 2\r\n2 3\r\n", "3=1 1=2 2=3 ", 15, 0},
    {"1 120\r\n1 121\r\n", "1=120 1=121 ", 14, 0},
    {"bad\r\n1 120\r\n", "1=120 ", 12, 1},
    {"\r\n1 120\r\n1\r\n1 -2\r\n", "1=120 ", 18, 3},
    {"1 18446744073709551616\r\n", "", 24, 1},
    {"..1 2\r\n", "", 6, 1}, /* the stuffed dot goes, and a bad row is left */
    {"1 2\n3 4\r\n", "", 9, 1}, /* a bare LF ends no row */
};

START_TEST(list_gives_the_rows_and_skips_what_does_not_parse)
{
    static const char *const statuses[] = {"+OK", "+OK 2 messages"};
    size_t chunk;

    for (chunk = 0; chunk < 2; chunk++) {
        pop3_sizes *sizes = NULL;
        char rows[200];

        peer_chunk(chunk);
        peer_says(statuses[chunk]);
        peer_says("\r\n");
        peer_says(list_bodies[_i].body);
        peer_says(".\r\n");
        ck_assert_int_eq(pop3_list(c, &sizes), POP3_OK);
        ck_assert_str_eq(peer_heard(), "LIST\r\n");
        sizes_text(sizes, rows, sizeof rows);
        ck_assert_str_eq(rows, list_bodies[_i].rows);
        ck_assert_uint_eq(sizes->octets, list_bodies[_i].octets);
        ck_assert_uint_eq(pop3_skipped(c), list_bodies[_i].skipped);
        ck_assert_uint_eq(pop3_body_octets(c), list_bodies[_i].octets);
        ck_assert_str_eq(sizes->status, statuses[chunk]);
        ck_assert_uint_eq(sizes->status_length, strlen(statuses[chunk]));
        assert_in_step();
        ck_assert_uint_eq(pop3_skipped(c), 0);
        pop3_sizes_free(sizes);
    }
}
END_TEST

static const struct {
    const char *body;
    const char *rows;
    uint64_t octets, skipped;
} uidl_bodies[] = {
    {"", "", 0, 0},
    {"1 a\r\n2 b\r\n", "1=a 2=b ", 10, 0},
    {"1   a\r\n", "1=a ", 7, 0},
    {"1 a b \r\n", "1=a b  ", 8, 0},
    {"1 same\r\n2 same\r\n", "1=same 2=same ", 16, 0},
    {"2 b\r\n1 a\r\n", "2=b 1=a ", 10, 0},
    {"1 \xE4\xFF\r\n", "1=\xE4\xFF ", 6, 0},
    {"1 ../x\r\n", "1=../x ", 8, 0},
    {"1\r\n2 \r\nx y\r\n3 c\r\n", "3=c ", 17, 3},
    {"99999999999999999999 a\r\n", "", 24, 1},
};

START_TEST(uidl_gives_the_rows_and_skips_what_does_not_parse)
{
    pop3_uids *uids = NULL;
    char rows[200];

    peer_says("+OK unique\r\n");
    peer_says(uidl_bodies[_i].body);
    peer_says(".\r\n");
    ck_assert_int_eq(pop3_uidl(c, &uids), POP3_OK);
    ck_assert_str_eq(peer_heard(), "UIDL\r\n");
    uids_text(uids, rows, sizeof rows);
    ck_assert_str_eq(rows, uidl_bodies[_i].rows);
    ck_assert_uint_eq(uids->octets, uidl_bodies[_i].octets);
    ck_assert_uint_eq(pop3_skipped(c), uidl_bodies[_i].skipped);
    ck_assert_str_eq(uids->status, "+OK unique");
    ck_assert_uint_eq(uids->status_length, 10);
    assert_in_step();
    pop3_uids_free(uids);
}
END_TEST

START_TEST(a_uid_in_a_listing_is_octets_with_a_length)
{
    static const char body[] = "+OK\r\n1 a\0b\r\n2 c\r\n.\r\n";
    pop3_uids *uids = NULL;

    peer_says_bytes(body, sizeof body - 1);
    ck_assert_int_eq(pop3_uidl(c, &uids), POP3_OK);
    ck_assert_uint_eq(uids->count, 2);
    ck_assert_uint_eq(uids->rows[0].length, 3);
    ck_assert_mem_eq(uids->rows[0].uid, "a\0b", 4);
    ck_assert_str_eq(uids->rows[1].uid, "c");
    pop3_uids_free(uids);
}
END_TEST

static const char *const orders[] = {
    "1 10\r\n2 20\r\n5 50\r\n9 90\r\n",
    "9 90\r\n2 20\r\n1 10\r\n5 50\r\n",
    "5 50\r\n1 10\r\n9 90\r\n2 20\r\n",
    "1 10\r\n2 20\r\n9 90\r\n5 50\r\n",
};

START_TEST(a_row_is_found_by_number_in_any_order_and_a_gap_is_none)
{
    pop3_sizes *sizes = NULL;
    pop3_uids *uids = NULL;
    uint64_t n;

    peer_says("+OK\r\n");
    peer_says(orders[_i]);
    peer_says(".\r\n");
    ck_assert_int_eq(pop3_list(c, &sizes), POP3_OK);
    peer_says("+OK\r\n");
    peer_says(orders[_i]);
    peer_says(".\r\n");
    ck_assert_int_eq(pop3_uidl(c, &uids), POP3_OK);
    for (n = 0; n < 12; n++) {
        const pop3_size *size = pop3_list_find(sizes, n);
        const pop3_uid *uid = pop3_uidl_find(uids, n);
        char text[8];

        if (n != 1 && n != 2 && n != 5 && n != 9) {
            ck_assert_ptr_null(size);
            ck_assert_ptr_null(uid);
            continue;
        }
        snprintf(text, sizeof text, "%d", (int)n * 10);
        ck_assert_ptr_nonnull(size);
        ck_assert_uint_eq(size->octets, n * 10);
        ck_assert_ptr_nonnull(uid);
        ck_assert_uint_eq(uid->number, n);
        ck_assert_str_eq(uid->uid, text);
    }
    ck_assert_ptr_null(pop3_list_find(sizes, UINT64_MAX));
    pop3_sizes_free(sizes);
    pop3_uids_free(uids);
}
END_TEST

START_TEST(in_an_empty_listing_nothing_is_found)
{
    pop3_sizes *sizes = NULL;
    pop3_uids *uids = NULL;

    peer_says("+OK\r\n.\r\n");
    ck_assert_int_eq(pop3_list(c, &sizes), POP3_OK);
    peer_says("+OK\r\n.\r\n");
    ck_assert_int_eq(pop3_uidl(c, &uids), POP3_OK);
    ck_assert_ptr_null(pop3_list_find(sizes, 1));
    ck_assert_ptr_null(pop3_uidl_find(uids, 1));
    pop3_sizes_free(sizes);
    pop3_uids_free(uids);
}
END_TEST

/* Notes the numbers it is given and stops at one of them. */
struct noted {
    char text[100];
    uint64_t stop_at;
};

static int note(struct noted *n, uint64_t number, const char *what)
{
    size_t used = strlen(n->text);

    snprintf(n->text + used, sizeof n->text - used, "%" PRIu64 "=%s ", number,
             what);
    return number == n->stop_at ? -3 : 0;
}

static int note_size(void *arg, const pop3_size *row)
{
    char octets[24];

    snprintf(octets, sizeof octets, "%" PRIu64, row->octets);
    return note(arg, row->number, octets);
}

static int note_uid(void *arg, const pop3_uid *row)
{
    ck_assert_uint_eq(row->length, strlen(row->uid));
    return note(arg, row->number, row->uid);
}

static const struct {
    uint64_t stop_at;
    pop3_code code;
    const char *noted;
} stops[] = {
    {0, POP3_OK, "1=11 2=22 4=44 "},
    {1, POP3_ERROR_STOPPED, "1=11 "},
    {2, POP3_ERROR_STOPPED, "1=11 2=22 "},
    {4, POP3_ERROR_STOPPED, "1=11 2=22 4=44 "},
};

START_TEST(rows_go_to_a_callback_until_it_stops)
{
    struct noted sizes = {"", stops[_i].stop_at};
    struct noted uids = {"", stops[_i].stop_at};

    peer_says("+OK\r\n1 11\r\nbad\r\n2 22\r\n4 44\r\n.\r\n");
    ck_assert_int_eq(pop3_each_size(c, note_size, &sizes), stops[_i].code);
    ck_assert_str_eq(sizes.text, stops[_i].noted);
    ck_assert_uint_eq(pop3_skipped(c), stops[_i].stop_at == 1 ? 0 : 1);
    peer_says("+OK\r\n1 11\r\nbad\r\n2 22\r\n4 44\r\n.\r\n");
    ck_assert_int_eq(pop3_each_uid(c, note_uid, &uids), stops[_i].code);
    ck_assert_str_eq(uids.text, stops[_i].noted);
    ck_assert_int_eq(pop3_error_code(c), stops[_i].code);
    ck_assert_str_eq(peer_heard(), "LIST\r\nUIDL\r\n");
    assert_in_step();
}
END_TEST

/* ---- Limits -------------------------------------------------------------- */

START_TEST(a_limit_that_is_none_is_refused)
{
    static const int numbers[] = {-1, P3_LIMITS, 1000};

    ck_assert_int_eq(pop3_set_limit(c, (pop3_limit)numbers[_i], 1),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_ARGUMENT);
    ck_assert_str_ne(pop3_error(c), "");
    assert_in_step();
}
END_TEST

/* A limit of n octets: n pass, n + 1 do not, and 0 is none. */
static const struct {
    uint64_t limit; /* UINT64_MAX: as at first, 2048 */
    size_t octets;
    pop3_code code;
} reply_limits[] = {
    {UINT64_MAX, 2047, POP3_OK},
    {UINT64_MAX, 2048, POP3_OK},
    {UINT64_MAX, 2049, POP3_ERROR_TOO_LONG},
    {10, 10, POP3_OK},
    {10, 11, POP3_ERROR_TOO_LONG},
    {10, 5000, POP3_ERROR_TOO_LONG},
    {0, 300000, POP3_OK},
};

static void set_reply_limit(int i)
{
    if (reply_limits[i].limit != UINT64_MAX)
        ck_assert_int_eq(
            pop3_set_limit(c, POP3_LIMIT_REPLY, reply_limits[i].limit),
            POP3_OK);
}

START_TEST(a_status_line_has_a_limit)
{
    set_reply_limit(_i);
    peer_says_run("+OK ", 'x', reply_limits[_i].octets - 6, "\r\n");
    ck_assert_int_eq(pop3_noop(c), reply_limits[_i].code);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
    ck_assert_int_eq(pop3_state(c), reply_limits[_i].code
                                        ? POP3_STATE_DEAD
                                        : POP3_STATE_AUTHORIZATION);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_REPLY, 0), POP3_OK);
    if (reply_limits[_i].code == POP3_OK)
        assert_in_step();
}
END_TEST

START_TEST(a_line_of_a_listing_has_the_same_limit)
{
    pop3_uids *uids = NULL;

    set_reply_limit(_i);
    peer_says_run("+OK\r\n1 ", 'u', reply_limits[_i].octets - 4, "\r\n.\r\n");
    ck_assert_int_eq(pop3_uidl(c, &uids), reply_limits[_i].code);
    ck_assert_str_eq(peer_heard(), "UIDL\r\n");
    if (reply_limits[_i].code) {
        ck_assert_ptr_null(uids);
        ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
        return;
    }
    ck_assert_uint_eq(uids->rows[0].length, reply_limits[_i].octets - 4);
    pop3_uids_free(uids);
}
END_TEST

START_TEST(a_greeting_has_the_same_limit)
{
    char *rest = run_of('x', reply_limits[_i].octets - 6, "\r\n");
    size_t size = reply_limits[_i].octets + 1;
    char *greeting = malloc(size);

    ck_assert_ptr_nonnull(greeting);
    set_reply_limit(_i);
    snprintf(greeting, size, "+OK %s", rest);
    ck_assert_int_eq(peer_connect(greeting, 1), reply_limits[_i].code);
    ck_assert_int_eq(pop3_state(c), reply_limits[_i].code
                                        ? POP3_STATE_CLOSED
                                        : POP3_STATE_AUTHORIZATION);
    free(greeting);
    free(rest);
}
END_TEST

static const struct {
    uint64_t limit;
    size_t octets; /* of the longest line */
    pop3_code code;
} line_limits[] = {
    {0, 200000, POP3_OK},
    {100, 100, POP3_OK},
    {100, 101, POP3_ERROR_TOO_LONG},
    {70000, 70000, POP3_OK}, /* over the reader's buffer */
    {70000, 70001, POP3_ERROR_TOO_LONG},
};

START_TEST(a_line_of_a_message_has_its_own_limit)
{
    pop3_lines *lines = NULL;
    int stuffed = _i % 2; /* a stuffed dot is not counted */

    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_LINE, line_limits[_i].limit),
                     POP3_OK);
    peer_says_run(stuffed ? "+OK\r\nfirst\r\n..y" : "+OK\r\nfirst\r\nxy", 'y',
                  line_limits[_i].octets - 4, "\r\n.\r\n");
    ck_assert_int_eq(pop3_retr(c, 1, &lines), line_limits[_i].code);
    ck_assert_str_eq(peer_heard(), "RETR 1\r\n");
    if (line_limits[_i].code) {
        ck_assert_ptr_null(lines);
        ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
        return;
    }
    ck_assert_uint_eq(lines->count, 2);
    ck_assert_uint_eq(lines->lines[1].octets, line_limits[_i].octets);
    ck_assert_uint_eq(lines->lines[1].length, line_limits[_i].octets - 2);
    pop3_lines_free(lines);
}
END_TEST

START_TEST(a_line_over_its_limit_is_none_to_slices_and_what_is_skipped)
{
    const char *data;
    size_t length;

    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_LINE, 3), POP3_OK);
    peer_says("+OK\r\nlonger\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_next_slice(c, &data, &length), POP3_OK);
    ck_assert_uint_eq(length, 8);
    peer_says("+OK\r\nlonger\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 2), POP3_OK);
    ck_assert_str_eq(peer_heard(), "RETR 1\r\nRETR 2\r\n");
    assert_in_step();
}
END_TEST

static const struct {
    pop3_code (*call)(void);
    pop3_limit limit;
    uint64_t n;
    const char *says;
    pop3_code code;
} listing_limits[] = {
    {call_list, POP3_LIMIT_ROWS, 2, "1 1\r\n2 2\r\n", POP3_OK},
    {call_list, POP3_LIMIT_ROWS, 2, "1 1\r\n2 2\r\n3 3\r\n",
     POP3_ERROR_TOO_LONG},
    {call_list, POP3_LIMIT_ROWS, 0, "1 1\r\n2 2\r\n3 3\r\n", POP3_OK},
    {call_each_size, POP3_LIMIT_ROWS, 2, "1 1\r\n2 2\r\n", POP3_OK},
    {call_each_size, POP3_LIMIT_ROWS, 2, "1 1\r\n2 2\r\n3 3\r\n",
     POP3_ERROR_TOO_LONG},
    {call_uidl, POP3_LIMIT_ROWS, 1, "1 a\r\n", POP3_OK},
    {call_uidl, POP3_LIMIT_ROWS, 1, "1 a\r\n2 b\r\n", POP3_ERROR_TOO_LONG},
    {call_each_uid, POP3_LIMIT_ROWS, 1, "1 a\r\n", POP3_OK},
    {call_each_uid, POP3_LIMIT_ROWS, 1, "1 a\r\n2 b\r\n", POP3_ERROR_TOO_LONG},
    {call_capa, POP3_LIMIT_ROWS, 2, "TOP\r\nUIDL\r\n", POP3_OK},
    {call_capa, POP3_LIMIT_ROWS, 2, "TOP\r\nUIDL\r\nUSER\r\n",
     POP3_ERROR_TOO_LONG},
    {call_list, POP3_LIMIT_BAD_ROWS, 2, "x\r\n1 1\r\nx\r\n", POP3_OK},
    {call_list, POP3_LIMIT_BAD_ROWS, 2, "x\r\n1 1\r\nx\r\nx\r\n",
     POP3_ERROR_MALFORMED},
    {call_list, POP3_LIMIT_BAD_ROWS, 0, "x\r\n1 1\r\nx\r\nx\r\n", POP3_OK},
    {call_each_size, POP3_LIMIT_BAD_ROWS, 1, "x\r\n", POP3_OK},
    {call_each_size, POP3_LIMIT_BAD_ROWS, 1, "x\r\nx\r\n",
     POP3_ERROR_MALFORMED},
    {call_uidl, POP3_LIMIT_BAD_ROWS, 1, "1\r\n", POP3_OK},
    {call_uidl, POP3_LIMIT_BAD_ROWS, 1, "1\r\n2\r\n", POP3_ERROR_MALFORMED},
    {call_each_uid, POP3_LIMIT_BAD_ROWS, 1, "1\r\n2\r\n", POP3_ERROR_MALFORMED},
    {call_capa, POP3_LIMIT_BAD_ROWS, 1, "TOP\r\n \r\n", POP3_OK},
    {call_capa, POP3_LIMIT_BAD_ROWS, 1, "\r\nTOP\r\n \r\n",
     POP3_ERROR_MALFORMED},
};

START_TEST(a_listing_has_a_limit_of_rows_and_of_bad_ones)
{
    ck_assert_int_eq(
        pop3_set_limit(c, listing_limits[_i].limit, listing_limits[_i].n),
        POP3_OK);
    peer_says("+OK\r\n");
    peer_says(listing_limits[_i].says);
    peer_says(".\r\n");
    ck_assert_int_eq(listing_limits[_i].call(), listing_limits[_i].code);
    if (listing_limits[_i].code == POP3_OK)
        assert_in_step();
    else
        ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

START_TEST(a_thousand_bad_rows_are_let_pass_at_first)
{
    int i, bad = 1000 + _i;

    peer_says("+OK\r\n");
    for (i = 0; i < bad; i++)
        peer_says("x\r\n");
    peer_says(".\r\n");
    ck_assert_int_eq(call_list(), _i ? POP3_ERROR_MALFORMED : POP3_OK);
    ck_assert_str_eq(peer_heard(), "LIST\r\n");
}
END_TEST

START_TEST(a_million_rows_are_let_pass_at_first)
{
    enum { ROWS = 1 << 20, STEP = 1 << 10 };
    char some[4 * STEP + 1] = "";
    int i;

    for (i = 0; i < STEP; i++)
        memcpy(some + (size_t)3 * (size_t)i, "1\r\n", 3);
    some[(size_t)3 * STEP] = '\0';
    pop3_set_limit(c, POP3_LIMIT_BAD_ROWS, 0);
    peer_says("+OK\r\n");
    for (i = 0; i < ROWS / STEP; i++)
        peer_says(some);
    peer_says(_i ? "1 1\r\n.\r\n" : ".\r\n");
    ck_assert_int_eq(call_list(), _i ? POP3_ERROR_TOO_LONG : POP3_OK);
    ck_assert_str_eq(peer_heard(), "LIST\r\n");
}
END_TEST

static pop3_code take_by_slices(void)
{
    const char *data = "";
    size_t length;
    pop3_code rc = POP3_OK;

    while (!rc && data)
        rc = pop3_next_slice(c, &data, &length);
    return rc;
}

static pop3_code take_by_lines(void)
{
    pop3_line line = {"", 0, 0};
    pop3_code rc = POP3_OK;

    while (!rc && line.text)
        rc = pop3_next_line(c, &line);
    return rc;
}

static pop3_code take_into_fd(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pop3_code rc = pop3_body_fd(c, fd, POP3_CRLF, NULL);

    ck_assert_int_eq(close(fd), 0);
    return rc;
}

/* The five ways to take a body. */
static pop3_code (*const takers[])(void) = {
    take_by_slices,  take_by_lines, call_each_line,
    call_body_lines, take_into_fd,
};

START_TEST(a_body_has_a_limit_however_it_is_taken)
{
    /* "..x" counts 4, its end included: 12 octets in all */
    static const char body[] = "+OK\r\n..x\r\nabcdef\r\n.\r\n";
    static const uint64_t limits[] = {0, 13, 12, 11, 1};
    size_t i;

    for (i = 0; i < sizeof limits / sizeof *limits; i++) {
        pop3_code want = limits[i] && limits[i] < 12 ? POP3_ERROR_TOO_LONG
                                                     : POP3_OK;

        ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
        pop3_set_limit(c, POP3_LIMIT_BODY, limits[i]);
        peer_says(body);
        ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
        ck_assert_str_eq(peer_heard(), "RETR 1\r\n");
        ck_assert_int_eq(takers[_i](), want);
        if (want) {
            ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
            continue;
        }
        ck_assert_uint_eq(pop3_body_octets(c), 12);
        assert_in_step();
    }
}
END_TEST

START_TEST(a_body_over_its_limit_fills_no_result)
{
    pop3_line line = {"before", 6, 6};
    const char *data = "before";
    size_t len = 6;

    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 3), POP3_OK);
    peer_says("+OK\r\n");
    peer_says("abcdef\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(_i ? pop3_next_line(c, &line)
                        : pop3_next_slice(c, &data, &len),
                     POP3_ERROR_TOO_LONG);
    ck_assert_str_eq(data, "before");
    ck_assert_str_eq(line.text, "before");
    ck_assert_uint_eq(len, 6);
    ck_assert_uint_eq(line.length, 6);
}
END_TEST

START_TEST(the_limit_of_a_body_is_none_to_what_is_skipped)
{
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 3), POP3_OK);
    peer_says("+OK\r\nmore than three\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    assert_in_step();
}
END_TEST

/* POP3_LIMIT_BODY is of a message's body. */
START_TEST(the_limit_of_a_body_is_none_to_a_listing)
{
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 3), POP3_OK);
    peer_says("+OK\r\n1 120\r\n2 200\r\n.\r\n");
    ck_assert_int_eq(call_list(), POP3_OK);
    peer_says("+OK\r\nTOP\r\nUIDL\r\n.\r\n");
    ck_assert_int_eq(call_capa(), POP3_OK);
}
END_TEST

static const struct {
    uint64_t limit;
    size_t octets;
    pop3_code code;
} command_limits[] = {
    {0, 100000, POP3_OK},          {255, 254, POP3_OK},
    {255, 255, POP3_OK},           {255, 256, POP3_ERROR_ARGUMENT},
    {10, 11, POP3_ERROR_ARGUMENT},
};

START_TEST(a_command_line_has_a_limit)
{
    char *name = run_of('n', command_limits[_i].octets - 7, "");
    char *line = run_of('L', command_limits[_i].octets - 2, "");
    size_t heard = command_limits[_i].code ? 0 : command_limits[_i].octets;

    ck_assert_int_eq(
        pop3_set_limit(c, POP3_LIMIT_COMMAND, command_limits[_i].limit),
        POP3_OK);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_user(c, name), command_limits[_i].code);
    ck_assert_uint_eq(strlen(peer_heard()), heard);
    ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_command(c, line, POP3_SHORT),
                     command_limits[_i].code);
    ck_assert_uint_eq(strlen(peer_heard()), heard);
    ck_assert_int_eq(pop3_send_line(c, line), command_limits[_i].code);
    ck_assert_uint_eq(strlen(peer_heard()), heard);
    ck_assert_uint_eq(pop3_pending(c), 0);
    free(name);
    free(line);
}
END_TEST

/* ---- Arguments ----------------------------------------------------------- */

static pop3_code arg_user(const char *s)
{
    return pop3_user(c, s);
}

static pop3_code arg_pass(const char *s)
{
    return pop3_pass(c, s);
}

static pop3_code arg_apop(const char *s)
{
    return pop3_apop(c, s, "secret");
}

static pop3_code arg_apop_digest_user(const char *s)
{
    return pop3_apop_digest(c, s, "0123");
}

static pop3_code arg_apop_digest(const char *s)
{
    return pop3_apop_digest(c, "user", s);
}

static pop3_code arg_rpop(const char *s)
{
    return pop3_rpop(c, s);
}

static pop3_code arg_login_user(const char *s)
{
    return pop3_login(c, s, "secret");
}

static pop3_code arg_login_password(const char *s)
{
    return pop3_login(c, "user", s);
}

static pop3_code arg_short_command(const char *s)
{
    return pop3_command(c, s, POP3_SHORT);
}

static pop3_code arg_long_command(const char *s)
{
    return pop3_command(c, s, POP3_LONG);
}

static pop3_code arg_send_line(const char *s)
{
    return pop3_send_line(c, s);
}

static pop3_code (*const arguments[])(const char *) = {
    arg_user,          arg_pass,         arg_apop,       arg_apop_digest_user,
    arg_apop_digest,   arg_rpop,         arg_login_user, arg_login_password,
    arg_short_command, arg_long_command, arg_send_line,
};

START_TEST(a_line_end_in_an_argument_never_reaches_the_wire)
{
    static const char *const values[] = {
        "\r",  "\n",  "\r\n",        "a\r",
        "a\n", "\na", "a\r\nDELE 1", "a\r\nDELE 1\r\n",
    };
    size_t i;

    peer_says("+OK\r\n");
    for (i = 0; i < sizeof values / sizeof *values; i++) {
        ck_assert_int_eq(arguments[_i](values[i]), POP3_ERROR_ARGUMENT);
        ck_assert_str_eq(peer_heard(), "");
        ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_ARGUMENT);
        ck_assert_ptr_null(strstr(pop3_error(c), "\r"));
        ck_assert_ptr_null(strstr(pop3_error(c), "\n"));
        ck_assert_uint_eq(pop3_pending(c), 0);
    }
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
}
END_TEST

START_TEST(an_argument_goes_out_as_the_octets_it_is)
{
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_user(c, "a b\xE4\xFF\t\x7F"), POP3_OK);
    ck_assert_str_eq(peer_heard(), "USER a b\xE4\xFF\t\x7F\r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_user(c, ""), POP3_OK);
    ck_assert_str_eq(peer_heard(), "USER \r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_user(c, "%s%n%d"), POP3_OK);
    ck_assert_str_eq(peer_heard(), "USER %s%n%d\r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_command(c, "%s %n", POP3_SHORT), POP3_OK);
    ck_assert_str_eq(peer_heard(), "%s %n\r\n");
}
END_TEST

/* ---- State, what is awaited, how much is pending ------------------------- */

/* What is seen of c while it waits: "state awaiting pending; " each time that
 * it is another than the last. */
static char seen[200];

static void see(void)
{
    char now[40];
    size_t used = strlen(seen), n;

    n = (size_t)snprintf(now, sizeof now, "%d %d %d; ", (int)pop3_state(c),
                         (int)pop3_awaiting(c), (int)pop3_pending(c));
    if (used >= n && strcmp(seen + used - n, now) == 0)
        return;
    snprintf(seen + used, sizeof seen - used, "%s", now);
}

static int64_t seeing_read(void *arg, void *data, size_t size)
{
    see();
    return peer_stream.read(arg, data, size);
}

static int64_t seeing_write(void *arg, const void *data, size_t size)
{
    return peer_stream.write(arg, data, size);
}

static int seeing_wait(void *arg, int want, int timeout_ms)
{
    return peer_stream.wait(arg, want, timeout_ms);
}

static void connect_seeing(void)
{
    static const pop3_stream stream = {.read = seeing_read,
                                       .write = seeing_write,
                                       .wait = seeing_wait,
                                       .is_private = 1};

    pop3_close(c);
    seen[0] = '\0';
    peer_chunk(1);
    peer_says(GREETING);
    ck_assert_int_eq(pop3_connect_stream(c, &stream, NULL, "seen", 0), POP3_OK);
}

static const struct {
    pop3_code (*call)(void);
    const char *says;
    const char *seen;
    pop3_conn_state state; /* after it */
    pop3_await awaiting;
} views[] = {
    {call_stat, "+OK 1 2\r\n", "1 2 1; ", POP3_STATE_AUTHORIZATION,
     POP3_AWAITING_NOTHING},
    {call_list, "+OK\r\n1 2\r\n.\r\n", "1 3 1; 1 4 0; ",
     POP3_STATE_AUTHORIZATION, POP3_AWAITING_NOTHING},
    {call_list, "-ERR\r\n", "1 3 1; ", POP3_STATE_AUTHORIZATION,
     POP3_AWAITING_NOTHING},
    {call_retr_begin, "+OK\r\n", "1 3 1; ", POP3_STATE_AUTHORIZATION,
     POP3_AWAITING_BODY},
    {call_pass, "+OK\r\n", "1 2 1; ", POP3_STATE_TRANSACTION,
     POP3_AWAITING_NOTHING},
    {call_pass, "-ERR\r\n", "1 2 1; ", POP3_STATE_AUTHORIZATION,
     POP3_AWAITING_NOTHING},
    {call_apop, "+OK\r\n", "1 2 1; ", POP3_STATE_TRANSACTION,
     POP3_AWAITING_NOTHING},
    {call_user, "+OK\r\n", "1 2 1; ", POP3_STATE_AUTHORIZATION,
     POP3_AWAITING_NOTHING},
    {call_quit, "+OK\r\n", "1 2 1; ", POP3_STATE_CLOSED, POP3_AWAITING_NOTHING},
    {call_noop, "bad\r\n", "1 2 1; ", POP3_STATE_DEAD, POP3_AWAITING_NOTHING},
};

START_TEST(what_is_awaited_is_told_while_it_is)
{
    connect_seeing();
    ck_assert_str_eq(seen, "1 1 0; ");
    seen[0] = '\0';
    peer_says(views[_i].says);
    views[_i].call();
    ck_assert_str_eq(seen, views[_i].seen);
    ck_assert_int_eq(pop3_state(c), views[_i].state);
    ck_assert_int_eq(pop3_awaiting(c), views[_i].awaiting);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

static const struct {
    const char *line;
    pop3_conn_state state;
} logging_in[] = {
    {"PASS secret", POP3_STATE_TRANSACTION},
    {"pass secret", POP3_STATE_TRANSACTION},
    {"APOP a b", POP3_STATE_TRANSACTION},
    {"AUTH PLAIN AGEAYg==", POP3_STATE_TRANSACTION},
    {"USER a", POP3_STATE_AUTHORIZATION},
    {"PASSWORD a", POP3_STATE_AUTHORIZATION},
    {"XTND a", POP3_STATE_AUTHORIZATION},
};

START_TEST(a_command_of_the_callers_may_log_in)
{
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_command(c, logging_in[_i].line, POP3_SHORT),
                     POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    peer_says("+OK yes\r\n");
    ck_assert_int_eq(pop3_command(c, logging_in[_i].line, POP3_SHORT), POP3_OK);
    ck_assert_int_eq(pop3_state(c), logging_in[_i].state);
}
END_TEST

/* "AUTH" alone asks for a list (RFC 1734's successors in the field): nobody is
 * logged in by it. */
START_TEST(a_list_of_mechanisms_is_no_login)
{
    pop3_lines *lines = NULL;

    peer_says("+OK\r\nPLAIN\r\n.\r\n");
    ck_assert_int_eq(pop3_command(c, "AUTH", POP3_LONG), POP3_OK);
    ck_assert_int_eq(pop3_body_lines(c, &lines), POP3_OK);
    assert_lines(lines, "PLAIN|");
    ck_assert_str_eq(peer_heard(), "AUTH\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    pop3_lines_free(lines);
}
END_TEST

/* ---- Bodies -------------------------------------------------------------- */

static const struct {
    const char *status;
    const char *body; /* its end too */
    const char *lines;
    uint64_t octets;
    int poplib;
} bodies[] = {
    {"+OK\r\n", ".\r\n", "", 0, 0},
    {"+OK\r\n", "a\r\n.\r\n", "a|", 3, 0},
    {"+OK\r\n", "\r\n\r\n.\r\n", "||", 4, 0},
    {"+OK\r\n", "..\r\n...\r\n.\r\n", ".|..|", 7, 0},
    {"+OK\r\n", ".x\r\n. \r\n.\r\n", ".x|. |", 8, 0},
    {"+OK\r\n", "a\rb\r\n\r\r\n.\r\n", "a\rb|\r|", 8, 0},
    {"+OK\r\n", "a\n.\nb\r\n.\r\n", "a\n.\nb|", 7, 0},
    {"+OK\r\n", "a\n.\r\nb\r\n.\r\n", "a\n.|b|", 8, 0},
    {"+OK\r\n", "a\r\n.\nb\r\n.\r\n", "a|.\nb|", 8, 0},
    {"+OK\r\n", ".\rx\r\n.\r\n", ".\rx|", 5, 0},
    {"+OK\n", "a\n.\n", "a|", 2, 0},
    {"+OK\n", "a\r\n.\r\n", "a|", 3, 0},
    {"+OK\n", "..a\n.b\r\n.\n", ".a|.b|", 7, 0},
    {"+OK\r\n", "..a\r\n.b\r\n...\r\nc\n\rd\n\n\r\n.\r\n",
     ".a|.b|..|c\n\rd\n\n|", 20, 0},
    {"+OK\n", "..a\r\n.b\r\n...\r\nc\n\rd\n\n\r\n.\r\n", ".a|.b|..|c|\rd|||",
     20, 0},
    {"+OK\r\n", "..a\r\n.b\r\n...\r\nc\n\rd\n\n.\r\n", ".a|.b|..|c|d||", 18, 1},
    {"+OK\r\n", "a\n.\n", "a|", 2, 1},
    {"+OK\n", "a\r\n\r.\n", "a|", 3, 1},
    {"+welcome\r\n", "a\rb\r\n.\r\n", "a\rb|", 5, 1},
};

START_TEST(a_body_is_cut_as_its_status_line_ends_or_as_poplib_does)
{
    size_t chunk;

    pop3_set_poplib_rules(c, bodies[_i].poplib);
    for (chunk = 0; chunk < 4; chunk++) {
        pop3_lines *lines = NULL;
        uint64_t sum = 0;
        size_t i;

        peer_chunk(chunk);
        peer_says(bodies[_i].status);
        peer_says(bodies[_i].body);
        ck_assert_int_eq(pop3_retr(c, 7, &lines), POP3_OK);
        ck_assert_str_eq(peer_heard(), "RETR 7\r\n");
        assert_lines(lines, bodies[_i].lines);
        for (i = 0; i < lines->count; i++)
            sum += lines->lines[i].octets;
        ck_assert_uint_eq(lines->octets, bodies[_i].octets);
        ck_assert_uint_eq(sum, bodies[_i].octets);
        ck_assert_uint_eq(pop3_body_octets(c), bodies[_i].octets);
        ck_assert_uint_eq(lines->status_length, strlen(lines->status));
        pop3_lines_free(lines);
        assert_in_step();
    }
}
END_TEST

static char taken[200];
static size_t taken_length;

static void take(const char *data, size_t length)
{
    ck_assert_uint_le(length, sizeof taken - 1 - taken_length);
    memcpy(taken + taken_length, data, length);
    taken_length += length;
    taken[taken_length] = '\0';
}

START_TEST(slices_are_the_octets_of_the_wire_without_stuffed_dots)
{
    size_t chunk;

    for (chunk = 0; chunk < 8; chunk++) {
        const char *data = "";
        size_t length = 1;

        taken_length = 0;
        peer_chunk(chunk);
        peer_says("+OK\r\n..a\r\n.b\r\n\n.\n\r\n...\r\nc\rd\r\n.\r\n");
        ck_assert_int_eq(pop3_top_begin(c, 3, 9), POP3_OK);
        while (data) {
            ck_assert_int_eq(pop3_next_slice(c, &data, &length), POP3_OK);
            ck_assert_uint_eq(length == 0, data == NULL);
            take(data ? data : "", length);
            ck_assert_uint_eq(pop3_body_octets(c), taken_length);
        }
        ck_assert_str_eq(taken, ".a\r\n.b\r\n\n.\n\r\n..\r\nc\rd\r\n");
        ck_assert_int_eq(pop3_next_slice(c, &data, &length), POP3_ERROR_STATE);
        ck_assert_str_eq(peer_heard(), "TOP 3 9\r\n");
        assert_in_step();
    }
}
END_TEST

START_TEST(a_line_of_a_body_is_octets_with_a_length)
{
    static const char body[] = "+OK\r\na\0\xFF\r\nb\r\n.\r\n";
    pop3_line line;

    peer_says_bytes(body, sizeof body - 1);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_next_line(c, &line), POP3_OK);
    ck_assert_uint_eq(line.length, 3);
    ck_assert_uint_eq(line.octets, 5);
    ck_assert_mem_eq(line.text, "a\0\xFF", 4);
    ck_assert_int_eq(pop3_next_line(c, &line), POP3_OK);
    ck_assert_str_eq(line.text, "b");
    ck_assert_int_eq(pop3_next_line(c, &line), POP3_OK);
    ck_assert_ptr_null(line.text);
    ck_assert_int_eq(pop3_next_line(c, &line), POP3_ERROR_STATE);
}
END_TEST

static int stop_at_b(void *arg, const pop3_line *line)
{
    take(line->text, line->length);
    (*(int *)arg)++;
    return *line->text == 'b' ? 42 : 0;
}

START_TEST(a_callback_stops_a_body_and_the_rest_can_be_had_or_is_skipped)
{
    pop3_lines *lines = NULL;
    int called = 0;

    taken_length = 0;
    peer_says("+OK\r\na\r\nb\r\nc\r\nd\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_each_line(c, stop_at_b, &called), POP3_ERROR_STOPPED);
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_STOPPED);
    ck_assert_int_eq(called, 2);
    ck_assert_str_eq(taken, "ab");
    if (_i == 0) {
        ck_assert_int_eq(pop3_body_lines(c, &lines), POP3_OK);
        assert_lines(lines, "c|d|");
        pop3_lines_free(lines);
    }
    ck_assert_str_eq(peer_heard(), "RETR 1\r\n");
    assert_in_step();
}
END_TEST

START_TEST(a_callback_gets_every_line)
{
    int called = 0;

    taken_length = 0;
    peer_says("+OK\r\na\r\n..c\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_each_line(c, stop_at_b, &called), POP3_OK);
    ck_assert_str_eq(taken, "a.c");
    ck_assert_int_eq(called, 2);
    ck_assert_int_eq(pop3_each_line(c, stop_at_b, &called), POP3_ERROR_STATE);
}
END_TEST

/* Without a body there is nothing to take, and nothing is sent for it. */
START_TEST(taking_a_body_needs_one)
{
    ck_assert_int_eq(takers[_i](), POP3_ERROR_STATE);
    ck_assert_str_eq(pop3_error(c), "no body is being read");
    peer_says("-ERR no such message\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_ERROR_PROTO);
    ck_assert_int_eq(takers[_i](), POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), "RETR 1\r\n");
    assert_in_step();
    ck_assert_int_eq(takers[_i](), POP3_ERROR_STATE);
}
END_TEST

static const struct {
    void (*befalls)(void);
    pop3_code code;
} body_fates[] = {
    {peer_closes, POP3_ERROR_CLOSED},
    {says_nothing, POP3_ERROR_TIMEOUT},
    {peer_fails, POP3_ERROR_IO},
};

START_TEST(a_body_that_breaks_off_is_never_whole)
{
    static const char *const broken[] = {
        "", "a", "a\r", "a\r\n", "a\r\n.", "a\r\n.\r", ".", "a\n.\n",
    };
    int i;

    for (i = 0; i < COUNT(broken) * COUNT(body_fates); i++) {
        int fate = i % COUNT(body_fates);

        ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
        peer_says("+OK\r\n");
        peer_says(broken[i / COUNT(body_fates)]);
        body_fates[fate].befalls();
        ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
        ck_assert_int_eq(takers[_i](), body_fates[fate].code);
        ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
        ck_assert_int_eq(pop3_noop(c), body_fates[fate].code);
        ck_assert_str_eq(peer_heard(), "RETR 1\r\n");
    }
}
END_TEST

START_TEST(a_listing_that_breaks_off_gives_no_result)
{
    static pop3_code (*const listings[])(void) = {
        call_list, call_uidl, call_capa, call_retr, call_each_size};

    peer_says("+OK\r\n1 1\r\n");
    peer_closes();
    ck_assert_int_eq(listings[_i](), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

START_TEST(a_body_half_read_is_skipped_by_the_next_command)
{
    static const char *const rests[] = {
        "one\r\ntwo\r\n.\r\n",
        "one\r\n..\r\n.\r\n",
        "one\r\n+OK not a reply\r\n.\r\n",
        "one\r\n-ERR\r\n.\r\n",
    };
    size_t chunk;
    int i;

    for (i = 0; i < COUNT(rests); i++)
        for (chunk = 0; chunk < 3; chunk++) {
            const struct call *t = &calls[_i];
            pop3_line line;

            ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
            peer_chunk(chunk);
            peer_says("+OK\r\n");
            peer_says(rests[i]);
            ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
            ck_assert_int_eq(pop3_next_line(c, &line), POP3_OK);
            ck_assert_str_eq(line.text, "one");
            ck_assert_str_eq(peer_heard(), "RETR 1\r\n");
            peer_says(t->says);
            ck_assert_int_eq(t->call(), POP3_OK);
            ck_assert_str_eq(peer_heard(), t->wire);
            assert_in_step();
        }
}
END_TEST

/* Without PIPELINING a server may take what comes early for rubbish: the next
 * command waits for the last octet of the body (RFC 2449, 6.6). */
static size_t heard_before_the_end;
static size_t left_to_say;

static int64_t counting_read(void *arg, void *data, size_t size)
{
    int64_t n = peer_stream.read(arg, data, size);

    if (left_to_say)
        left_to_say--;
    return n;
}

static int64_t counting_write(void *arg, const void *data, size_t size)
{
    if (left_to_say)
        heard_before_the_end += size;
    return peer_stream.write(arg, data, size);
}

START_TEST(the_next_command_waits_until_the_body_is_skipped)
{
    static const pop3_stream stream = {.read = counting_read,
                                       .write = counting_write,
                                       .wait = seeing_wait,
                                       .is_private = 1};
    static const char rest[] = "one\r\ntwo\r\n.\r\n";

    pop3_close(c);
    peer_chunk(1);
    peer_says("+OK\r\n");
    left_to_say = heard_before_the_end = 0;
    ck_assert_int_eq(pop3_connect_stream(c, &stream, NULL, "x", 0), POP3_OK);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    peer_says(rest);
    peer_says("+OK\r\n");
    left_to_say = strlen(rest);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "RETR 1\r\nNOOP\r\n");
    ck_assert_uint_eq(heard_before_the_end, 0);
}
END_TEST

static const struct {
    pop3_line_end ends;
    const char *written;
    uint64_t octets;
} written_bodies[] = {
    {POP3_CRLF, "a\r\n.b\rc\r\n\nd\r\n", 13},
    {POP3_LF, "a\n.b\rc\n\nd\n", 13},
};

START_TEST(a_body_is_written_with_the_ends_asked_for)
{
    size_t chunk;

    for (chunk = 0; chunk < 3; chunk++) {
        FILE *f = tmpfile();
        uint64_t octets = 99;
        char got[64] = "";

        ck_assert_ptr_nonnull(f);
        peer_chunk(chunk);
        peer_says("+OK\r\na\r\n..b\rc\r\n\nd\r\n.\r\n");
        ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
        ck_assert_int_eq(
            pop3_body_fd(c, fileno(f), written_bodies[_i].ends, &octets),
            POP3_OK);
        rewind(f);
        ck_assert_uint_eq(fread(got, 1, sizeof got - 1, f),
                          strlen(written_bodies[_i].written));
        ck_assert_str_eq(got, written_bodies[_i].written);
        ck_assert_uint_eq(octets, written_bodies[_i].octets);
        ck_assert_int_eq(fclose(f), 0);
        assert_in_step();
    }
}
END_TEST

static volatile sig_atomic_t pipe_signals;

static void count_signal(int number)
{
    (void)number;
    pipe_signals++;
}

START_TEST(a_descriptor_that_fails_costs_the_message_and_no_more)
{
    struct sigaction action = {.sa_handler = count_signal}, before;
    uint64_t octets = 99;
    int fds[2];

    pipe_signals = 0;
    ck_assert_int_eq(sigaction(SIGPIPE, &action, &before), 0);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(close(fds[0]), 0);
    peer_says_run("+OK\r\n", 'x', 200000, "\r\nmore\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_fd(c, fds[1], POP3_LF, &octets), POP3_ERROR_IO);
    ck_assert_uint_eq(octets, 99);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_int_eq(close(fds[1]), 0);
    ck_assert_str_eq(peer_heard(), "RETR 1\r\n");
    assert_in_step();
    ck_assert_int_eq(sigaction(SIGPIPE, &before, NULL), 0);
    ck_assert_int_eq(pipe_signals, 0);
}
END_TEST

START_TEST(a_descriptor_that_is_none_is_an_error_of_io)
{
    peer_says("+OK\r\nx\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_fd(c, -1, POP3_CRLF, NULL), POP3_ERROR_IO);
    assert_in_step();
}
END_TEST

START_TEST(a_result_outlives_the_connection)
{
    pop3_lines *lines = NULL;
    pop3_sizes *sizes = NULL;
    pop3_uids *uids = NULL;
    pop3_capas *capas = NULL;

    peer_says("+OK list\r\n1 2\r\n.\r\n");
    ck_assert_int_eq(pop3_list(c, &sizes), POP3_OK);
    peer_says("+OK uidl\r\n1 a\r\n.\r\n");
    ck_assert_int_eq(pop3_uidl(c, &uids), POP3_OK);
    peer_says("+OK mail\r\nhi\r\n.\r\n");
    ck_assert_int_eq(pop3_top(c, 4, 2, &lines), POP3_OK);
    peer_says("+OK capa\r\nTOP\r\n.\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_str_eq(peer_heard(), "LIST\r\nUIDL\r\nTOP 4 2\r\nCAPA\r\n");
    pop3_close(c);
    ck_assert_str_eq(sizes->status, "+OK list");
    ck_assert_str_eq(uids->status, "+OK uidl");
    ck_assert_str_eq(lines->status, "+OK mail");
    ck_assert_str_eq(capas->status, "+OK capa");
    ck_assert_uint_eq(pop3_list_find(sizes, 1)->octets, 2);
    ck_assert_str_eq(pop3_uidl_find(uids, 1)->uid, "a");
    ck_assert_str_eq(pop3_capa_find(capas, "top")->name, "TOP");
    assert_lines(lines, "hi|");
    pop3_sizes_free(sizes);
    pop3_uids_free(uids);
    pop3_lines_free(lines);
    pop3_capas_free(capas);
}
END_TEST

/*
 * A server that says more than it was asked for must not make a command succeed
 * that it never got: above all not QUIT, behind which the deletions are done.
 */
START_TEST(a_command_is_sent_even_where_an_answer_waits_already)
{
    const struct call *t = &calls[_i];

    peer_says("+OK\r\n");
    peer_says(t->says);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
    if (t->call() == POP3_OK)
        ck_assert_str_eq(peer_heard(), t->wire);
}
END_TEST

START_TEST(quit_is_sent_even_where_an_answer_waits_already)
{
    peer_says("+OK\r\n+OK a second one\r\n");
    ck_assert_int_eq(pop3_dele(c, 1), POP3_OK);
    ck_assert_str_eq(peer_heard(), "DELE 1\r\n");
    if (pop3_quit(c) == POP3_OK)
        ck_assert_str_eq(peer_heard(), "QUIT\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

/* ---- QUIT, closing, and coming back -------------------------------------- */

static void says_ok(void)
{
    peer_says("+OK bye\r\n");
}

static void says_err(void)
{
    peer_says("-ERR [SYS/TEMP] some not removed\r\n");
}

static const struct {
    void (*befalls)(void);
    pop3_code code;
    const char *resp;
} quits[] = {
    {says_ok, POP3_OK, ""},
    {says_err, POP3_ERROR_PROTO, "SYS/TEMP"},
    {peer_closes, POP3_ERROR_CLOSED, ""},
    {says_nothing, POP3_ERROR_TIMEOUT, ""},
    {says_malformed, POP3_ERROR_MALFORMED, ""},
    {peer_fails, POP3_ERROR_IO, ""},
};

START_TEST(quit_tells_its_outcome_and_closes_in_each)
{
    quits[_i].befalls();
    ck_assert_int_eq(pop3_quit(c), quits[_i].code);
    ck_assert_str_eq(peer_heard(), "QUIT\r\n");
    ck_assert_int_eq(pop3_error_code(c), quits[_i].code);
    ck_assert_int_eq(pop3_error(c)[0] != '\0', quits[_i].code != POP3_OK);
    ck_assert_str_eq(pop3_resp_code(c), quits[_i].resp);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(peer_closings(), 1);
    ck_assert_int_eq(pop3_quit(c), POP3_ERROR_STATE);
    ck_assert_int_eq(peer_closings(), 1);
}
END_TEST

START_TEST(shutdown_says_quit_and_does_not_mind_the_answer)
{
    quits[_i].befalls();
    pop3_shutdown(c);
    ck_assert_str_eq(peer_heard(), "QUIT\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(peer_closings(), 1);
    pop3_shutdown(c);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(peer_closings(), 1);
}
END_TEST

START_TEST(shutdown_of_a_dead_connection_sends_nothing)
{
    peer_says("rubbish\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MALFORMED);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
    pop3_shutdown(c);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(peer_closings(), 1);
}
END_TEST

START_TEST(quit_skips_the_rest_of_a_body)
{
    peer_says("+OK\r\nlines\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    peer_says("+OK bye\r\n");
    ck_assert_int_eq(pop3_quit(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "RETR 1\r\nQUIT\r\n");
}
END_TEST

START_TEST(close_says_nothing_and_forgets_the_session)
{
    pop3_capas *capas = NULL;

    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_pass(c, "x"), POP3_OK);
    peer_says("+OK\r\nTOP\r\n.\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    pop3_capas_free(capas);
    peer_says("+OK\r\nbody\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    peer_heard();
    pop3_close(c);
    pop3_close(c);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(peer_closings(), 1);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
    ck_assert_ptr_null(pop3_challenge(c));
    ck_assert_int_eq(peer_connect("+OK again\r\n", 1), POP3_OK);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    ck_assert_str_eq(pop3_getwelcome(c, NULL), "+OK again");
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK again");
    ck_assert_str_eq(pop3_login_method(c), "");
    ck_assert_uint_eq(pop3_body_octets(c), 0);
    ck_assert_ptr_null(pop3_challenge(c));
    peer_says("+OK\r\nUIDL\r\n.\r\n"); /* asked anew */
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    ck_assert_ptr_null(pop3_capa_find(capas, "TOP"));
    pop3_capas_free(capas);
}
END_TEST

START_TEST(settings_outlive_a_session)
{
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_COMMAND, 8), POP3_OK);
    pop3_close(c);
    ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
    ck_assert_int_eq(pop3_dele(c, 10), POP3_ERROR_ARGUMENT);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(connecting_twice_is_refused_and_leaves_the_first)
{
    ck_assert_int_eq(
        pop3_connect_stream(c, &peer_stream, NULL, "mail.example.org", 0),
        POP3_ERROR_STATE);
    ck_assert_int_eq(peer_closings(), 0);
    ck_assert_int_eq(pop3_connect(c, "localhost", 0), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_connect_ssl(c, "localhost", 0), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_connect_fd(c, -1, "localhost", 0), POP3_ERROR_STATE);
    assert_in_step();
}
END_TEST

START_TEST(a_dead_connection_must_be_closed_before_it_comes_back)
{
    peer_says("rubbish\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(
        pop3_connect_stream(c, &peer_stream, NULL, "mail.example.org", 0),
        POP3_ERROR_STATE);
    ck_assert_int_eq(peer_connect(GREETING, 1), POP3_OK);
    assert_in_step();
}
END_TEST

/* ---- Capabilities -------------------------------------------------------- */

START_TEST(capabilities_are_asked_for_once)
{
    pop3_capas *capas = NULL;
    int i;

    peer_says("+OK here\r\nTOP\r\nSASL PLAIN  CRAM-MD5\r\n.\r\n");
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
        ck_assert_uint_eq(capas->count, 2);
        ck_assert_str_eq(capas->items[0].name, "TOP");
        ck_assert_uint_eq(capas->items[0].count, 0);
        ck_assert_str_eq(capas->items[1].name, "SASL");
        ck_assert_uint_eq(capas->items[1].count, 2);
        ck_assert_str_eq(capas->items[1].args[0], "PLAIN");
        ck_assert_str_eq(capas->items[1].args[1], "CRAM-MD5");
        ck_assert_str_eq(capas->status, "+OK here");
        ck_assert_uint_eq(capas->status_length, 8);
        ck_assert_uint_eq(capas->octets, 27);
        pop3_capas_free(capas);
    }
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}
END_TEST

START_TEST(capabilities_are_asked_for_anew_on_request)
{
    pop3_capas *capas = NULL;

    peer_says("+OK\r\nTOP\r\n.\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    pop3_capas_free(capas);
    peer_says("+OK\r\nUIDL\r\n.\r\n");
    ck_assert_int_eq(pop3_capa_refresh(c, &capas), POP3_OK);
    ck_assert_uint_eq(capas->count, 1);
    ck_assert_str_eq(capas->items[0].name, "UIDL");
    pop3_capas_free(capas);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_ptr_nonnull(pop3_capa_find(capas, "UIDL"));
    ck_assert_ptr_null(pop3_capa_find(capas, "TOP"));
    pop3_capas_free(capas);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nCAPA\r\n");
}
END_TEST

START_TEST(refused_capabilities_are_remembered_until_asked_for_anew)
{
    pop3_capas *capas = NULL;

    peer_says("-ERR what\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_ERROR_PROTO);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_ptr_null(capas);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    peer_says("+OK\r\nTOP\r\n.\r\n");
    ck_assert_int_eq(pop3_capa_refresh(c, &capas), POP3_OK);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    pop3_capas_free(capas);
    peer_says("-ERR not any more\r\n");
    ck_assert_int_eq(pop3_capa_refresh(c, &capas), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}
END_TEST

static const struct {
    const char *body;
    const char *found; /* of "EXPIRE": its last first argument; NULL: none */
    size_t count;
    uint64_t skipped;
} capa_bodies[] = {
    {"", NULL, 0, 0},
    {"EXPIRE\r\n", "", 1, 0},
    {"EXPIRE 60\r\n", "60", 1, 0},
    {"expire 60\r\n", "60", 1, 0},
    {"  Expire\t60 \r\n", "60", 1, 0},
    {"EXPIRE 1\r\nTOP\r\nexpire 2\r\nUIDL\r\n", "2", 4, 0},
    {"EXPIRES 1\r\nEXPIR 2\r\n", NULL, 2, 0},
    {"\r\nEXPIRE 1\r\n \t\r\n", "1", 1, 2},
    {"\xE4\xF6\r\nEXPIRE \xFF\x80\r\n", "\xFF\x80", 2, 0},
    {"..X\r\nEXPIRE 3\r\n", "3", 2, 0},
};

START_TEST(a_capability_is_found_whatever_its_case_and_the_last_of_equal_ones)
{
    pop3_capas *capas = NULL;
    const pop3_capability *found;

    peer_says("+OK\r\n");
    peer_says(capa_bodies[_i].body);
    peer_says(".\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_uint_eq(capas->count, capa_bodies[_i].count);
    ck_assert_uint_eq(pop3_skipped(c), capa_bodies[_i].skipped);
    ck_assert_uint_eq(capas->octets, pop3_body_octets(c));
    found = pop3_capa_find(capas, "EXPIRE");
    ck_assert_int_eq(found != NULL, capa_bodies[_i].found != NULL);
    if (found)
        ck_assert_str_eq(found->count ? found->args[0] : "",
                         capa_bodies[_i].found);
    ck_assert_ptr_null(pop3_capa_find(capas, ""));
    pop3_capas_free(capas);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}
END_TEST

/* Lines end in CRLF here: what a bare LF hides is none of its own. */
START_TEST(a_bare_lf_makes_no_capability)
{
    static const char *const hidden[] = {"X\nSTLS\r\n", "\nSTLS\r\n", "X\n\r\n",
                                         "X\n \r\n"};
    pop3_capas *capas = NULL;

    peer_says("+OK\r\n");
    peer_says(hidden[_i]);
    peer_says("TOP\r\n.\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_ptr_null(pop3_capa_find(capas, "STLS"));
    ck_assert_ptr_nonnull(pop3_capa_find(capas, "TOP"));
    pop3_capas_free(capas);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}
END_TEST

START_TEST(a_capability_with_a_nul_is_skipped)
{
    static const char body[] = "+OK\r\nST\0LS\r\nTOP\r\n.\r\n";
    pop3_capas *capas = NULL;

    peer_says_bytes(body, sizeof body - 1);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_uint_eq(capas->count, 1);
    ck_assert_str_eq(capas->items[0].name, "TOP");
    ck_assert_uint_eq(pop3_skipped(c), 1);
    pop3_capas_free(capas);
}
END_TEST

/* ---- What the library does not know -------------------------------------- */

START_TEST(a_long_command_has_a_body)
{
    pop3_lines *lines = NULL;

    peer_says("+OK\r\nen English\r\n..x\r\n.\r\n");
    ck_assert_int_eq(pop3_command(c, "LANG", POP3_LONG), POP3_OK);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_BODY);
    ck_assert_int_eq(pop3_body_lines(c, &lines), POP3_OK);
    assert_lines(lines, "en English|.x|");
    pop3_lines_free(lines);
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_command(c, "LANG xx", POP3_LONG), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
    ck_assert_str_eq(peer_heard(), "LANG\r\nLANG xx\r\n");
}
END_TEST

START_TEST(a_dialogue_is_lines_as_they_are)
{
    pop3_line line;

    peer_says("+ \r\nwhatever\n+OK\0\xFF\r\n");
    ck_assert_int_eq(pop3_send_line(c, "AUTH PLAIN"), POP3_OK);
    ck_assert_str_eq(peer_heard(), "AUTH PLAIN\r\n");
    ck_assert_int_eq(pop3_read_line(c, &line), POP3_OK);
    ck_assert_str_eq(line.text, "+ ");
    ck_assert_uint_eq(line.length, 2);
    ck_assert_uint_eq(line.octets, 4);
    ck_assert_int_eq(pop3_send_line(c, ""), POP3_OK);
    ck_assert_str_eq(peer_heard(), "\r\n");
    ck_assert_int_eq(pop3_read_line(c, &line), POP3_OK);
    ck_assert_str_eq(line.text, "whatever");
    ck_assert_uint_eq(line.octets, 9);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

START_TEST(a_dialogue_skips_the_rest_of_a_body_first)
{
    pop3_line line;

    peer_says("+OK\r\nbody\r\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_send_line(c, "x"), POP3_OK);
    peer_says("answer\r\n");
    ck_assert_int_eq(pop3_read_line(c, &line), POP3_OK);
    ck_assert_str_eq(line.text, "answer");
    peer_says("+OK\r\nbody\r\n.\r\nanswer\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_read_line(c, &line), POP3_OK);
    ck_assert_str_eq(line.text, "answer");
    ck_assert_str_eq(peer_heard(), "RETR 1\r\nx\r\nRETR 1\r\n");
}
END_TEST

START_TEST(a_line_of_a_dialogue_has_the_limit_of_a_reply)
{
    pop3_line line;

    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_REPLY, 10), POP3_OK);
    peer_says("12345678\r\n123456789\r\n");
    ck_assert_int_eq(pop3_read_line(c, &line), POP3_OK);
    ck_assert_int_eq(pop3_read_line(c, &line), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_send_line(c, "x"), POP3_ERROR_TOO_LONG);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(a_dialogue_that_breaks_off_is_dead)
{
    pop3_line line;

    body_fates[_i].befalls();
    ck_assert_int_eq(pop3_read_line(c, &line), body_fates[_i].code);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

/* ---- poplib's rules ------------------------------------------------------ */

static const struct {
    const char *says;
    pop3_code code;
    const char *reply;
} poplib_lines[] = {
    {"+OK hi\r\n", POP3_OK, "+OK hi"},
    {"+\r\n", POP3_OK, "+"},
    {"+ \r\n", POP3_OK, "+ "},
    {"+ok\r\n", POP3_OK, "+ok"},
    {"+OKAY\n", POP3_OK, "+OKAY"},
    {"\r+OK\n", POP3_OK, "+OK"},
    {"-ERR no\r\n", POP3_ERROR_PROTO, "-ERR no"},
    {"rubbish\r\n", POP3_ERROR_PROTO, "rubbish"},
    {" +OK\r\n", POP3_ERROR_PROTO, " +OK"},
    {"\r\n", POP3_ERROR_PROTO, ""},
    {"\n", POP3_ERROR_PROTO, ""},
};

START_TEST(as_poplib_any_line_is_a_reply_and_a_plus_is_success)
{
    size_t chunk;

    pop3_set_poplib_rules(c, 1);
    for (chunk = 0; chunk < 2; chunk++) {
        peer_chunk(chunk);
        peer_says(poplib_lines[_i].says);
        ck_assert_int_eq(pop3_noop(c), poplib_lines[_i].code);
        ck_assert_str_eq(pop3_reply(c, NULL), poplib_lines[_i].reply);
        ck_assert_str_eq(peer_heard(), "NOOP\r\n");
        assert_in_step();
    }
}
END_TEST

START_TEST(as_poplib_a_greeting_needs_a_plus_alone)
{
    pop3_set_poplib_rules(c, 1);
    ck_assert_int_eq(peer_connect("+ Hola mundo\n", 1), POP3_OK);
    ck_assert_str_eq(pop3_getwelcome(c, NULL), "+ Hola mundo");
    ck_assert_int_eq(peer_connect("Hola\r\n", 1), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

START_TEST(as_poplib_the_last_octet_before_the_end_is_lost)
{
    pop3_set_poplib_rules(c, 1);
    peer_says("+OK hi");
    peer_closes();
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK h");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

START_TEST(as_poplib_a_line_too_long_kills_nothing_and_leaves_its_rest)
{
    pop3_set_poplib_rules(c, 1);
    peer_says_run("", '+', 2046, "\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    peer_says_run("", '+', 2049, "+rest\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_error_code(c), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+rest");
    ck_assert_str_eq(peer_heard(), "NOOP\r\nNOOP\r\nNOOP\r\n");
    assert_in_step();
}
END_TEST

START_TEST(as_poplib_a_line_too_long_in_a_body_kills_nothing)
{
    pop3_lines *lines = NULL;
    pop3_sizes *sizes = NULL;

    pop3_set_poplib_rules(c, 1);
    peer_says_run("+OK\r\nfirst\r\n", 'x', 2049, "rest\r\n.\r\n");
    ck_assert_int_eq(_i ? pop3_list(c, &sizes) : pop3_retr(c, 1, &lines),
                     POP3_ERROR_TOO_LONG);
    ck_assert_ptr_null(lines);
    ck_assert_ptr_null(sizes);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    assert_in_step();
}
END_TEST

/* Whatever becomes of the replies, each is the answer to one command. */
START_TEST(as_poplib_no_command_is_left_pending_by_lines_too_long)
{
    pop3_lines *lines = NULL;

    pop3_set_poplib_rules(c, 1);
    peer_says_run("+OK\r\n", 'x', 2049 + 2049, "\r\n.\r\n+OK\r\n+OK\r\n");
    ck_assert_int_eq(pop3_retr(c, 1, &lines), POP3_ERROR_TOO_LONG);
    pop3_noop(c);
    ck_assert_uint_eq(pop3_pending(c), 0);
    pop3_noop(c);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_ptr_null(lines);
}
END_TEST

START_TEST(as_poplib_a_refused_quit_leaves_the_connection)
{
    pop3_set_poplib_rules(c, 1);
    peer_says("-ERR not yet\r\n");
    ck_assert_int_eq(pop3_quit(c), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    ck_assert_int_eq(peer_closings(), 0);
    ck_assert_str_eq(peer_heard(), "QUIT\r\n");
    assert_in_step();
    peer_says("+bye\r\n");
    ck_assert_int_eq(pop3_quit(c), POP3_OK);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_str_eq(peer_heard(), "QUIT\r\n");
}
END_TEST

/* The octets of a body are those of the wire, whatever the rules. */
START_TEST(as_poplib_octets_are_counted_however_a_body_is_taken)
{
    pop3_set_poplib_rules(c, 1);
    peer_says("+OK\r\n..a\r\n.b\r\n...\r\nc\n\rd\n\n.\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(takers[_i](), POP3_OK);
    ck_assert_uint_eq(pop3_body_octets(c), 18);
    assert_in_step();
}
END_TEST

START_TEST(as_poplib_a_written_body_has_its_lines)
{
    FILE *f = tmpfile();
    char got[64] = "";

    ck_assert_ptr_nonnull(f);
    pop3_set_poplib_rules(c, 1);
    peer_says("+OK\r\n..a\r\n.b\r\nc\n\rd\n.\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_fd(c, fileno(f), POP3_LF, NULL), POP3_OK);
    rewind(f);
    ck_assert_uint_eq(fread(got, 1, sizeof got - 1, f), 10);
    ck_assert_str_eq(got, ".a\n.b\nc\nd\n");
    ck_assert_int_eq(fclose(f), 0);
    assert_in_step();
}
END_TEST

/* ---- Debug output -------------------------------------------------------- */

static char shown[1000];

static void show(void *arg, int from_server, const char *line, size_t length)
{
    size_t used = strlen(shown);

    ck_assert_ptr_eq(arg, shown);
    snprintf(shown + used, sizeof shown - used, "%c:%.*s|",
             from_server ? 'S' : 'C', (int)length, line);
}

static void debug_at(int level)
{
    shown[0] = '\0';
    pop3_set_debug(c, show, shown);
    pop3_set_debuglevel(c, level);
}

static const struct {
    int level;
    const char *shown;
} debug_levels[] = {
    {-1, ""},
    {0, ""},
    {1, "C:STAT|C:RETR 1|C:DELE 1|C:LIST|"},
    {2, "C:STAT|S:+OK 1 2|C:RETR 1|S:+OK|S:a|S:|S:.b|S:.|C:DELE 1|S:-ERR no|"
        "C:LIST|S:+OK|S:1 5|S:.|"},
    {3, "C:STAT|S:+OK 1 2|C:RETR 1|S:+OK|S:a|S:|S:.b|S:.|C:DELE 1|S:-ERR no|"
        "C:LIST|S:+OK|S:1 5|S:.|"},
};

START_TEST(debug_output_shows_requests_or_all)
{
    int way;

    for (way = 0; way < COUNT(takers); way++) {
        debug_at(debug_levels[_i].level);
        peer_says("+OK 1 2\r\n");
        ck_assert_int_eq(call_stat(), POP3_OK);
        peer_says("+OK\r\na\r\n\r\n..b\r\n.\r\n");
        ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
        ck_assert_int_eq(takers[way](), POP3_OK);
        peer_says("-ERR no\r\n");
        ck_assert_int_eq(call_dele(), POP3_ERROR_PROTO);
        peer_says("+OK\r\n1 5\r\n.\r\n");
        ck_assert_int_eq(call_list(), POP3_OK);
        ck_assert_str_eq(shown, debug_levels[_i].shown);
    }
}
END_TEST

START_TEST(debug_output_shows_the_greeting_and_a_line_that_is_none)
{
    debug_at(2);
    ck_assert_int_eq(peer_connect("+OK hello\r\n", 1), POP3_OK);
    peer_says("rubbish\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MALFORMED);
    ck_assert_str_eq(shown, "S:+OK hello|C:NOOP|S:rubbish|");
}
END_TEST

static pop3_code show_pass(void)
{
    return pop3_pass(c, "sesame");
}

static pop3_code show_apop(void)
{
    return pop3_apop(c, "sesame", "sesame");
}

static pop3_code show_apop_digest(void)
{
    return pop3_apop_digest(c, "user", "sesame");
}

static pop3_code show_login(void)
{
    return pop3_login(c, "sesame", "sesame");
}

static pop3_code show_command_pass(void)
{
    return pop3_command(c, "PASS sesame", POP3_SHORT);
}

static pop3_code show_command_lower(void)
{
    return pop3_command(c, "pass sesame", POP3_SHORT);
}

static pop3_code show_command_mixed(void)
{
    return pop3_command(c, "ApOp sesame sesame", POP3_SHORT);
}

static pop3_code show_command_auth(void)
{
    return pop3_command(c, "auth PLAIN sesame", POP3_SHORT);
}

static pop3_code show_command_tab(void)
{
    return pop3_command(c, "PASS\tsesame", POP3_SHORT);
}

static pop3_code show_command_blank(void)
{
    return pop3_command(c, " PASS sesame", POP3_SHORT);
}

static pop3_code (*const secrets[])(void) = {
    show_pass,          show_apop,         show_apop_digest,
    show_login,         show_command_pass, show_command_lower,
    show_command_mixed, show_command_auth, show_command_tab,
    show_command_blank,
};

START_TEST(debug_output_and_messages_never_show_a_secret)
{
    debug_at(2);
    peer_says("-ERR no\r\n");
    secrets[_i]();
    ck_assert_uint_gt(strlen(peer_heard()), 0);
    ck_assert_ptr_nonnull(strstr(shown, "****"));
    ck_assert_ptr_null(strstr(shown, "sesame"));
    ck_assert_ptr_null(strstr(pop3_error(c), "sesame"));
}
END_TEST

START_TEST(debug_output_shows_nothing_of_a_dialogue)
{
    pop3_line line;

    debug_at(2);
    peer_says("+ c2VzYW1l\r\n");
    ck_assert_int_eq(pop3_send_line(c, "sesame"), POP3_OK);
    ck_assert_int_eq(pop3_read_line(c, &line), POP3_OK);
    ck_assert_str_eq(line.text, "+ c2VzYW1l");
    ck_assert_ptr_null(strstr(shown, "sesame"));
    ck_assert_ptr_null(strstr(shown, "c2VzYW1l"));
}
END_TEST

START_TEST(without_a_sink_no_level_shows_anything)
{
    debug_at(2);
    pop3_set_debug(c, NULL, NULL);
    assert_in_step();
    ck_assert_str_eq(shown, "");
}
END_TEST

/* ---- Response codes as numbers ------------------------------------------- */

static const struct {
    const char *reply; /* to NOOP */
    pop3_resp_kind kind;
} resps[] = {
    {"-ERR [IN-USE] locked\r\n", POP3_RESP_IN_USE},
    {"-ERR [in-use]\r\n", POP3_RESP_IN_USE},
    {"-ERR [IN-USE/ELSEWHERE] x\r\n", POP3_RESP_IN_USE},
    {"-ERR [LOGIN-DELAY] wait\r\n", POP3_RESP_LOGIN_DELAY},
    {"-ERR [Login-Delay/1] wait\r\n", POP3_RESP_LOGIN_DELAY},
    {"-ERR [SYS/TEMP] later\r\n", POP3_RESP_SYS_TEMP},
    {"-ERR [sys/Temp/FULL] later\r\n", POP3_RESP_SYS_TEMP},
    {"-ERR [SYS/PERM] never\r\n", POP3_RESP_SYS_PERM},
    {"-ERR [AUTH] wrong\r\n", POP3_RESP_AUTH},
    {"-ERR [AUTH/EXPIRED] wrong\r\n", POP3_RESP_AUTH},
    {"-ERR [UTF8] use it\r\n", POP3_RESP_UTF8},
    {"-ERR [utf8] use it\r\n", POP3_RESP_UTF8},
    {"-ERR [SYS] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR [SYS/] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR [SYS/OTHER] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR [SYS/TEMPO] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR [IN-USES] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR [IN-US] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR [X-OWN] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR [/AUTH] what\r\n", POP3_RESP_UNKNOWN},
    {"-ERR []\r\n", POP3_RESP_NONE},
    {"-ERR [AUTH\r\n", POP3_RESP_NONE},
    {"-ERR no [AUTH]\r\n", POP3_RESP_NONE},
    {"-ERR\r\n", POP3_RESP_NONE},
    {"+OK [AUTH]\r\n", POP3_RESP_NONE},
};

START_TEST(a_response_code_is_told_as_a_number_too)
{
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_NONE); /* of the greeting */
    peer_says(resps[_i].reply);
    ck_assert_int_eq(pop3_noop(c),
                     *resps[_i].reply == '+' ? POP3_OK : POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_resp(c), resps[_i].kind);
    ck_assert_int_eq(*pop3_resp_code(c) != '\0',
                     resps[_i].kind != POP3_RESP_NONE);
    assert_in_step();
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_NONE);
}
END_TEST

/* ---- What a caller's language may give for a string ---------------------- */

START_TEST(a_string_that_is_missing_is_an_argument_that_cannot_be)
{
    ck_assert_int_eq(pop3_user(c, NULL), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_pass(c, NULL), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_rpop(c, NULL), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_apop(c, NULL, "x"), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_apop(c, "me", NULL), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_apop_digest(c, "me", NULL), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_auth(c, NULL, "me", "x"), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_lang(c, NULL), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_lang(c, ""), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_command(c, NULL, POP3_SHORT), POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_command(c, "", POP3_SHORT), POP3_ERROR_ARGUMENT);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
}
END_TEST

static int64_t read_too_much(void *arg, void *data, size_t size)
{
    (void)arg;
    memset(data, 'x', size);
    return (int64_t)size + 1;
}

/* A binding's mistake, which would be an overrun here. */
START_TEST(a_stream_that_tells_of_more_than_there_is_fails)
{
    pop3_stream stream = peer_stream;

    pop3_close(c);
    stream.close = NULL;
    stream.read = read_too_much;
    ck_assert_int_eq(pop3_connect_stream(c, &stream, NULL, "localhost", 0),
                     POP3_ERROR_IO);
}
END_TEST

/* ---- LANG ---------------------------------------------------------------- */

static const struct {
    const char *tag, *says;
    pop3_code code;
    const char *heard;
} langs[] = {
    {"de", "+OK de Sprache ist Deutsch\r\n", POP3_OK, "LANG de\r\n"},
    {"*", "+OK en\r\n", POP3_OK, "LANG *\r\n"},
    {"zh-Hans-CN", "-ERR no such\r\n", POP3_ERROR_PROTO, "LANG zh-Hans-CN\r\n"},
    {"de", "rubbish\r\n", POP3_ERROR_MALFORMED, "LANG de\r\n"},
    {"de\r\nQUIT", "", POP3_ERROR_ARGUMENT, ""},
    {"\n", "", POP3_ERROR_ARGUMENT, ""},
};

START_TEST(lang_asks_for_a_language)
{
    peer_says(langs[_i].says);
    ck_assert_int_eq(pop3_lang(c, langs[_i].tag), langs[_i].code);
    ck_assert_str_eq(peer_heard(), langs[_i].heard);
    ck_assert_int_eq(pop3_state(c), langs[_i].code == POP3_ERROR_MALFORMED
                                        ? POP3_STATE_DEAD
                                        : POP3_STATE_AUTHORIZATION);
    if (langs[_i].code != POP3_ERROR_MALFORMED)
        assert_in_step();
}
END_TEST

static const struct {
    const char *says;
    pop3_code code;
    size_t count;
    const char *last;
} lang_lists[] = {
    {"+OK these\r\nen English\r\nde Deutsch\r\nfr fran\xC3\xA7"
     "ais\r\n.\r\n",
     POP3_OK, 3,
     "fr fran\xC3\xA7"
     "ais"},
    {"+OK\r\n*\r\n.\r\n", POP3_OK, 1, "*"},
    {"+OK\r\n.\r\n", POP3_OK, 0, NULL},
    {"-ERR no LANG\r\n", POP3_ERROR_PROTO, 0, NULL},
    {"+OK\r\nen English\r\n", POP3_ERROR_TIMEOUT, 0, NULL},
    {"rubbish\r\n", POP3_ERROR_MALFORMED, 0, NULL},
};

START_TEST(lang_list_gives_a_line_for_each_language)
{
    pop3_lines *lines = NULL;

    peer_says(lang_lists[_i].says);
    ck_assert_int_eq(pop3_lang_list(c, &lines), lang_lists[_i].code);
    ck_assert_str_eq(peer_heard(), "LANG\r\n");
    ck_assert_int_eq(lines == NULL, lang_lists[_i].code != POP3_OK);
    if (!lines)
        return;
    ck_assert_uint_eq(lines->count, lang_lists[_i].count);
    if (lines->count)
        ck_assert_str_eq(lines->lines[lines->count - 1].text,
                         lang_lists[_i].last);
    pop3_lines_free(lines);
    assert_in_step();
}
END_TEST

/* ---- What capabilities say ----------------------------------------------- */

static const struct {
    const char *body;
    int64_t delay, expire;
    int delay_per_user, expire_per_user;
    const char *implementation;
} capa_values[] = {
    {"TOP\r\n", -1, -1, 0, 0, NULL},
    {"LOGIN-DELAY 900\r\nEXPIRE 60\r\n", 900, 60, 0, 0, NULL},
    {"login-delay 900 user\r\nexpire 60 user\r\n", 900, 60, 1, 1, NULL},
    {"LOGIN-DELAY 0 USER\r\nEXPIRE 0\r\n", 0, 0, 1, 0, NULL},
    {"LOGIN-DELAY 1 USERS\r\nEXPIRE 1 X USER\r\n", 1, 1, 0, 0, NULL},
    {"EXPIRE NEVER\r\n", -1, POP3_EXPIRE_NEVER, 0, 0, NULL},
    {"EXPIRE never USER\r\n", -1, POP3_EXPIRE_NEVER, 0, 1, NULL},
    {"LOGIN-DELAY NEVER\r\nEXPIRE NEVERS\r\n", -1, -1, 0, 0, NULL},
    {"LOGIN-DELAY\r\nEXPIRE\r\n", -1, -1, 0, 0, NULL},
    {"LOGIN-DELAY -1\r\nEXPIRE -2\r\n", -1, -1, 0, 0, NULL},
    {"LOGIN-DELAY 1x\r\nEXPIRE x\r\n", -1, -1, 0, 0, NULL},
    {"LOGIN-DELAY +1\r\nEXPIRE 1.5\r\n", -1, -1, 0, 0, NULL},
    {"LOGIN-DELAY 2147483647\r\nEXPIRE 2147483647\r\n", INT32_MAX, INT32_MAX, 0,
     0, NULL},
    {"LOGIN-DELAY 2147483648\r\nEXPIRE 99999999999999999999999\r\n", -1, -1, 0,
     0, NULL},
    {"EXPIRE 1\r\nEXPIRE 2 USER\r\n", -1, 2, 0, 1, NULL}, /* the last */
    {"IMPLEMENTATION Shlemazle-Plotz-v302\r\n", -1, -1, 0, 0,
     "Shlemazle-Plotz-v302"},
    {"implementation  a \t b c \r\n", -1, -1, 0, 0, "a b c"},
    {"IMPLEMENTATION\r\n", -1, -1, 0, 0, NULL},
    {"IMPLEMENTATION a\r\nIMPLEMENTATION b\r\n", -1, -1, 0, 0, "b"},
};

static pop3_capas *capas_of(const char *body)
{
    pop3_capas *capas = NULL;

    peer_says("+OK\r\n");
    peer_says(body);
    peer_says(".\r\n");
    ck_assert_int_eq(pop3_capa_refresh(c, &capas), POP3_OK);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    ck_assert_ptr_nonnull(capas);
    return capas;
}

START_TEST(capabilities_say_delay_expiry_and_implementation)
{
    pop3_capas *capas = capas_of(capa_values[_i].body);
    int delay_per_user = 7, expire_per_user = 7;

    pop3_close(c); /* which they outlive */
    ck_assert_int_eq(pop3_capa_login_delay(capas, &delay_per_user),
                     capa_values[_i].delay);
    ck_assert_int_eq(delay_per_user, capa_values[_i].delay_per_user);
    ck_assert_int_eq(pop3_capa_login_delay(capas, NULL), capa_values[_i].delay);
    ck_assert_int_eq(pop3_capa_expire(capas, &expire_per_user),
                     capa_values[_i].expire);
    ck_assert_int_eq(expire_per_user, capa_values[_i].expire_per_user);
    ck_assert_int_eq(pop3_capa_expire(capas, NULL), capa_values[_i].expire);
    ck_assert_pstr_eq(pop3_capa_implementation(capas),
                      capa_values[_i].implementation);
    pop3_capas_free(capas);
}
END_TEST

static const struct {
    const char *body, *mechanism;
    int has;
} capa_sasls[] = {
    {"SASL PLAIN CRAM-MD5\r\n", "PLAIN", 1},
    {"SASL PLAIN CRAM-MD5\r\n", "cram-md5", 1},
    {"sasl plain\r\n", "PLAIN", 1},
    {"SASL PLAIN CRAM-MD5\r\n", "PLAI", 0},
    {"SASL PLAIN CRAM-MD5\r\n", "PLAINS", 0},
    {"SASL PLAIN CRAM-MD5\r\n", "PLAIN CRAM-MD5", 0},
    {"SASL PLAIN CRAM-MD5\r\n", "SASL", 0},
    {"SASL PLAIN CRAM-MD5\r\n", "", 0},
    {"SASL SCRAM-SHA-1-PLUS\r\n", "SCRAM-SHA-1", 0},
    {"SASL\r\n", "PLAIN", 0},
    {"PLAIN\r\n", "PLAIN", 0},
    {"XSASL PLAIN\r\n", "PLAIN", 0},
    {"SASL PLAIN\r\nSASL LOGIN\r\n", "LOGIN", 1},
    {"", "PLAIN", 0},
};

START_TEST(capabilities_say_which_mechanisms_there_are)
{
    pop3_capas *capas = capas_of(capa_sasls[_i].body);

    ck_assert_int_eq(pop3_capa_sasl(capas, capa_sasls[_i].mechanism),
                     capa_sasls[_i].has);
    pop3_capas_free(capas);
}
END_TEST

/* 0: no call asks by itself but pop3_capa, and pop3_stls tries. */
START_TEST(capabilities_are_not_asked_for_where_they_must_not_be)
{
    pop3_capas *capas = NULL;

    peer_starts_tls(1);
    ck_assert_int_eq(peer_connect(GREETING, 0), POP3_OK);
    pop3_set_use_capa(c, 0);
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_login(c, "mrose", "x"), POP3_ERROR_PROTO);
    ck_assert_int_eq(strncmp(peer_heard(), "APOP mrose ", 11), 0);
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_auth(c, "CRAM-MD5", "mrose", "x"), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "AUTH CRAM-MD5\r\n");
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    ck_assert_int_eq(pop3_is_tls(c), 1);
    pop3_set_use_capa(c, 1); /* any time */
    peer_says("+OK\r\n.\r\n");
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_auth(c, "CRAM-MD5", "mrose", "x"), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nAUTH CRAM-MD5\r\n");
}
END_TEST

START_TEST(after_utf8_there_is_no_stls)
{
    pop3_set_use_capa(c, 0);
    peer_starts_tls(1);
    ck_assert_int_eq(peer_connect(GREETING, 0), POP3_OK);
    peer_says("-ERR no\r\n"); /* refused: nothing has changed */
    ck_assert_int_eq(pop3_utf8(c), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "UTF8\r\n");
    peer_says("-ERR no\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_utf8(c), POP3_OK);
    peer_says("-ERR again\r\n"); /* which takes nothing back */
    ck_assert_int_eq(pop3_utf8(c), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "UTF8\r\nUTF8\r\n");
    pop3_set_use_capa(c, 1);
    ck_assert_int_eq(pop3_stls(c), POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_is_tls(c), 0);
    assert_in_step();
    ck_assert_int_eq(peer_connect(GREETING, 0), POP3_OK); /* a new session */
    pop3_set_use_capa(c, 0);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_stls(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "STLS\r\n");
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_utf8(c), POP3_OK); /* after STLS */
    ck_assert_str_eq(peer_heard(), "UTF8\r\n");
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

static void add_calls(Suite *s)
{
    TCase *t = add_case(s, "calls");
    int n = COUNT(calls);

    tcase_add_loop_test(t, every_command_says_its_line_and_succeeds, 0, n);
    tcase_add_loop_test(
        t, every_command_that_is_refused_leaves_the_session_alive, 0, n);
    tcase_add_loop_test(t, every_command_dies_of_what_kills, 0,
                        n * COUNT(fates));
    tcase_add_loop_test(t, a_dead_connection_says_so_at_every_call, 0,
                        COUNT(fates));
    tcase_add_test(t, a_closed_connection_has_no_state_to_call_in);
    tcase_add_test(t, a_new_handle_is_closed_and_empty);
    tcase_add_test(t, freeing_nothing_does_nothing);
    tcase_add_loop_test(t, a_command_is_sent_even_where_an_answer_waits_already,
                        0, n);
    tcase_add_test(t, quit_is_sent_even_where_an_answer_waits_already);
    tcase_add_loop_test(t, every_code_has_its_own_name_and_meaning, 0,
                        COUNT(code_names));
    tcase_add_loop_test(t, a_number_that_is_no_code_has_a_name_too, 0, 4);
    tcase_add_test(t, no_memory_for_a_command_sends_nothing);
}

static void add_replies(Suite *s)
{
    TCase *t = add_case(s, "replies");

    tcase_add_loop_test(t, a_status_line_is_exactly_ok_or_err, 0,
                        COUNT(status_lines));
    tcase_add_test(t, a_status_line_may_hold_a_nul);
    tcase_add_test(
        t, control_characters_are_harmless_in_a_message_and_kept_in_the_reply);
    tcase_add_test(t, a_reply_is_kept_until_the_next_one);
    tcase_add_loop_test(t, stat_wants_two_numbers, 0, COUNT(two_numbers));
    tcase_add_loop_test(t, list_one_wants_two_numbers, 0, COUNT(two_numbers));
    tcase_add_loop_test(t, uidl_one_wants_a_uid_with_or_without_the_number, 0,
                        COUNT(one_uid));
    tcase_add_test(t, a_uid_may_hold_a_nul);
    tcase_add_loop_test(t, numbers_go_out_in_decimal, 0, COUNT(asked_numbers));
    tcase_add_loop_test(t, a_response_code_is_told_as_a_number_too, 0,
                        COUNT(resps));
}

static void add_listings(Suite *s)
{
    TCase *t = add_case(s, "listings");

    tcase_add_loop_test(t, list_gives_the_rows_and_skips_what_does_not_parse, 0,
                        COUNT(list_bodies));
    tcase_add_loop_test(t, uidl_gives_the_rows_and_skips_what_does_not_parse, 0,
                        COUNT(uidl_bodies));
    tcase_add_test(t, a_uid_in_a_listing_is_octets_with_a_length);
    tcase_add_loop_test(t,
                        a_row_is_found_by_number_in_any_order_and_a_gap_is_none,
                        0, COUNT(orders));
    tcase_add_test(t, in_an_empty_listing_nothing_is_found);
    tcase_add_loop_test(t, rows_go_to_a_callback_until_it_stops, 0,
                        COUNT(stops));
    tcase_add_loop_test(t, a_listing_that_breaks_off_gives_no_result, 0, 5);
}

static void add_limits(Suite *s)
{
    TCase *t = add_case(s, "limits");

    tcase_add_loop_test(t, a_limit_that_is_none_is_refused, 0, 3);
    tcase_add_loop_test(t, a_status_line_has_a_limit, 0, COUNT(reply_limits));
    tcase_add_loop_test(t, a_line_of_a_listing_has_the_same_limit, 0,
                        COUNT(reply_limits));
    tcase_add_loop_test(t, a_greeting_has_the_same_limit, 0,
                        COUNT(reply_limits));
    tcase_add_loop_test(t, a_line_of_a_message_has_its_own_limit, 0,
                        COUNT(line_limits));
    tcase_add_test(t,
                   a_line_over_its_limit_is_none_to_slices_and_what_is_skipped);
    tcase_add_loop_test(t, a_listing_has_a_limit_of_rows_and_of_bad_ones, 0,
                        COUNT(listing_limits));
    tcase_add_loop_test(t, a_thousand_bad_rows_are_let_pass_at_first, 0, 2);
    tcase_add_loop_test(t, a_million_rows_are_let_pass_at_first, 0, 2);
    tcase_add_loop_test(t, a_body_has_a_limit_however_it_is_taken, 0,
                        COUNT(takers));
    tcase_add_loop_test(t, a_body_over_its_limit_fills_no_result, 0, 2);
    tcase_add_test(t, the_limit_of_a_body_is_none_to_what_is_skipped);
    tcase_add_test(t, the_limit_of_a_body_is_none_to_a_listing);
    tcase_add_loop_test(t, a_command_line_has_a_limit, 0,
                        COUNT(command_limits));
}

static void add_arguments(Suite *s)
{
    TCase *t = add_case(s, "arguments and state");

    tcase_add_test(t, a_string_that_is_missing_is_an_argument_that_cannot_be);
    tcase_add_test(t, a_stream_that_tells_of_more_than_there_is_fails);

    tcase_add_loop_test(t, a_line_end_in_an_argument_never_reaches_the_wire, 0,
                        COUNT(arguments));
    tcase_add_test(t, an_argument_goes_out_as_the_octets_it_is);
    tcase_add_loop_test(t, what_is_awaited_is_told_while_it_is, 0,
                        COUNT(views));
    tcase_add_loop_test(t, a_command_of_the_callers_may_log_in, 0,
                        COUNT(logging_in));
    tcase_add_test(t, a_list_of_mechanisms_is_no_login);
}

static void add_bodies(Suite *s)
{
    TCase *t = add_case(s, "bodies");

    tcase_add_loop_test(t,
                        a_body_is_cut_as_its_status_line_ends_or_as_poplib_does,
                        0, COUNT(bodies));
    tcase_add_test(t, slices_are_the_octets_of_the_wire_without_stuffed_dots);
    tcase_add_test(t, a_line_of_a_body_is_octets_with_a_length);
    tcase_add_loop_test(
        t, a_callback_stops_a_body_and_the_rest_can_be_had_or_is_skipped, 0, 2);
    tcase_add_test(t, a_callback_gets_every_line);
    tcase_add_loop_test(t, taking_a_body_needs_one, 0, COUNT(takers));
    tcase_add_loop_test(t, a_body_that_breaks_off_is_never_whole, 0,
                        COUNT(takers));
    tcase_add_loop_test(t, a_body_half_read_is_skipped_by_the_next_command, 0,
                        COUNT(calls));
    tcase_add_test(t, the_next_command_waits_until_the_body_is_skipped);
    tcase_add_loop_test(t, a_body_is_written_with_the_ends_asked_for, 0,
                        COUNT(written_bodies));
    tcase_add_test(t, a_descriptor_that_fails_costs_the_message_and_no_more);
    tcase_add_test(t, a_descriptor_that_is_none_is_an_error_of_io);
    tcase_add_test(t, a_result_outlives_the_connection);
}

static void add_endings(Suite *s)
{
    TCase *t = add_case(s, "endings");

    tcase_add_loop_test(t, quit_tells_its_outcome_and_closes_in_each, 0,
                        COUNT(quits));
    tcase_add_loop_test(t, shutdown_says_quit_and_does_not_mind_the_answer, 0,
                        COUNT(quits));
    tcase_add_test(t, shutdown_of_a_dead_connection_sends_nothing);
    tcase_add_test(t, quit_skips_the_rest_of_a_body);
    tcase_add_test(t, close_says_nothing_and_forgets_the_session);
    tcase_add_test(t, settings_outlive_a_session);
    tcase_add_test(t, connecting_twice_is_refused_and_leaves_the_first);
    tcase_add_test(t, a_dead_connection_must_be_closed_before_it_comes_back);
}

static void add_capabilities(Suite *s)
{
    TCase *t = add_case(s, "capabilities");

    tcase_add_test(t, capabilities_are_asked_for_once);
    tcase_add_test(t, capabilities_are_asked_for_anew_on_request);
    tcase_add_test(t, refused_capabilities_are_remembered_until_asked_for_anew);
    tcase_add_loop_test(
        t, a_capability_is_found_whatever_its_case_and_the_last_of_equal_ones,
        0, COUNT(capa_bodies));
    tcase_add_loop_test(t, a_bare_lf_makes_no_capability, 0, 4);
    tcase_add_test(t, a_capability_with_a_nul_is_skipped);
    tcase_add_loop_test(t, capabilities_say_delay_expiry_and_implementation, 0,
                        COUNT(capa_values));
    tcase_add_loop_test(t, capabilities_say_which_mechanisms_there_are, 0,
                        COUNT(capa_sasls));
    tcase_add_test(t, capabilities_are_not_asked_for_where_they_must_not_be);
    tcase_add_test(t, after_utf8_there_is_no_stls);
    tcase_add_loop_test(t, lang_asks_for_a_language, 0, COUNT(langs));
    tcase_add_loop_test(t, lang_list_gives_a_line_for_each_language, 0,
                        COUNT(lang_lists));
}

static void add_dialogues(Suite *s)
{
    TCase *t = add_case(s, "commands unknown to the library");

    tcase_add_test(t, a_long_command_has_a_body);
    tcase_add_test(t, a_dialogue_is_lines_as_they_are);
    tcase_add_test(t, a_dialogue_skips_the_rest_of_a_body_first);
    tcase_add_test(t, a_line_of_a_dialogue_has_the_limit_of_a_reply);
    tcase_add_loop_test(t, a_dialogue_that_breaks_off_is_dead, 0,
                        COUNT(body_fates));
}

static void add_poplib(Suite *s)
{
    TCase *t = add_case(s, "poplib's rules");

    tcase_add_loop_test(t, as_poplib_any_line_is_a_reply_and_a_plus_is_success,
                        0, COUNT(poplib_lines));
    tcase_add_test(t, as_poplib_a_greeting_needs_a_plus_alone);
    tcase_add_test(t, as_poplib_the_last_octet_before_the_end_is_lost);
    tcase_add_test(t,
                   as_poplib_a_line_too_long_kills_nothing_and_leaves_its_rest);
    tcase_add_loop_test(t, as_poplib_a_line_too_long_in_a_body_kills_nothing, 0,
                        2);
    tcase_add_test(t, as_poplib_no_command_is_left_pending_by_lines_too_long);
    tcase_add_test(t, as_poplib_a_refused_quit_leaves_the_connection);
    tcase_add_loop_test(t, as_poplib_octets_are_counted_however_a_body_is_taken,
                        0, COUNT(takers));
    tcase_add_test(t, as_poplib_a_written_body_has_its_lines);
}

static void add_debug(Suite *s)
{
    TCase *t = add_case(s, "debug output");

    tcase_add_loop_test(t, debug_output_shows_requests_or_all, 0,
                        COUNT(debug_levels));
    tcase_add_test(t, debug_output_shows_the_greeting_and_a_line_that_is_none);
    tcase_add_loop_test(t, debug_output_and_messages_never_show_a_secret, 0,
                        COUNT(secrets));
    tcase_add_test(t, debug_output_shows_nothing_of_a_dialogue);
    tcase_add_test(t, without_a_sink_no_level_shows_anything);
}

Suite *command_suite(void)
{
    Suite *s = suite_create("command");

    add_calls(s);
    add_replies(s);
    add_listings(s);
    add_limits(s);
    add_arguments(s);
    add_bodies(s);
    add_endings(s);
    add_capabilities(s);
    add_dialogues(s);
    add_poplib(s);
    add_debug(s);
    return s;
}
