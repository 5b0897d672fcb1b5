/*
 * check_queue.c - the suite over the queue: many commands on their way
 * SPDX-License-Identifier: MIT
 *
 * Owns nothing but tables: what is queued, what the server says, when it must
 * have heard what, and what comes of it. The server is peer.c's, in memory; one
 * test has a true socket, for a link that takes no more. Not here: memory that
 * runs out (check_faults.c).
 */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define PIPELINES "+OK\r\nPIPELINING\r\n.\r\n"
#define GOES_ONE_BY_ONE "+OK\r\nTOP\r\n.\r\n"

/* Tags: the addresses count, and the first is for the first. */
static char tags[64];

/* ---- Help ---------------------------------------------------------------- */

/* Connected to a server whose capabilities are known. */
static void connected_to(const char *capabilities)
{
    pop3_capas *capas;

    ck_assert_int_eq(peer_connect("+OK ready\r\n", 1), POP3_OK);
    peer_says(capabilities);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    pop3_capas_free(capas);
    peer_heard();
}

static void piped_setup(void)
{
    peer_setup();
    connected_to(PIPELINES);
}

static void noops(size_t n)
{
    while (n--)
        ck_assert_int_eq(pop3_queue_noop(c, NULL), POP3_OK);
}

static void peer_accepts_noops(size_t n)
{
    while (n--)
        peer_says("+OK\r\n");
}

static void takes_replies(size_t n)
{
    while (n--)
        ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_OK);
}

/* How many lines were written since the last time. */
static size_t lines_heard(void)
{
    const char *p = peer_heard();
    size_t n = 0;

    while ((p = strchr(p, '\n'))) {
        p++;
        n++;
    }
    return n;
}

/* The next reply is that, to the command with that tag. */
static void assert_answer(pop3_code code, const char *reply, void *want)
{
    void *tag = &tag;

    ck_assert_int_eq(pop3_next_reply(c, &tag), code);
    ck_assert_ptr_eq(tag, want);
    if (reply)
        ck_assert_str_eq(pop3_reply(c, NULL), reply);
}

static void assert_line(const char *want)
{
    pop3_line line;

    ck_assert_int_eq(pop3_next_line(c, &line), POP3_OK);
    if (want)
        ck_assert_str_eq(line.text, want);
    else
        ck_assert_ptr_null(line.text);
}

static void assert_in_step(void)
{
    peer_heard();
    peer_says("+OK in step\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_str_eq(pop3_reply(c, NULL), "+OK in step");
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
}

/* ---- Appending ----------------------------------------------------------- */

static pop3_code stat_(void *tag)
{
    return pop3_queue_stat(c, tag);
}

static pop3_code list(void *tag)
{
    return pop3_queue_list(c, tag);
}

static pop3_code list_one(void *tag)
{
    return pop3_queue_list_one(c, 2, tag);
}

static pop3_code uidl(void *tag)
{
    return pop3_queue_uidl(c, tag);
}

static pop3_code uidl_one(void *tag)
{
    return pop3_queue_uidl_one(c, 3, tag);
}

static pop3_code retr(void *tag)
{
    return pop3_queue_retr(c, 4, 0, tag);
}

static pop3_code top(void *tag)
{
    return pop3_queue_top(c, UINT64_MAX, 10, tag);
}

static pop3_code dele(void *tag)
{
    return pop3_queue_dele(c, 5, tag);
}

static pop3_code rset(void *tag)
{
    return pop3_queue_rset(c, tag);
}

static pop3_code noop(void *tag)
{
    return pop3_queue_noop(c, tag);
}

static pop3_code capa(void *tag)
{
    return pop3_queue_capa(c, tag);
}

static pop3_code short_command(void *tag)
{
    return pop3_queue_command(c, "XSENDER 1", POP3_SHORT, tag);
}

static pop3_code long_command(void *tag)
{
    return pop3_queue_command(c, " xtnd  list", POP3_LONG, tag);
}

static pop3_code quit(void *tag)
{
    return pop3_queue_quit(c, tag);
}

static const struct {
    pop3_code (*queue)(void *tag);
    const char *line;
    pop3_await awaiting;
} queuers[] = {
    {stat_, "STAT\r\n", POP3_AWAITING_SHORT},
    {list, "LIST\r\n", POP3_AWAITING_LONG},
    {list_one, "LIST 2\r\n", POP3_AWAITING_SHORT},
    {uidl, "UIDL\r\n", POP3_AWAITING_LONG},
    {uidl_one, "UIDL 3\r\n", POP3_AWAITING_SHORT},
    {retr, "RETR 4\r\n", POP3_AWAITING_LONG},
    {top, "TOP 18446744073709551615 10\r\n", POP3_AWAITING_LONG},
    {dele, "DELE 5\r\n", POP3_AWAITING_SHORT},
    {rset, "RSET\r\n", POP3_AWAITING_SHORT},
    {noop, "NOOP\r\n", POP3_AWAITING_SHORT},
    {capa, "CAPA\r\n", POP3_AWAITING_LONG},
    {short_command, "XSENDER 1\r\n", POP3_AWAITING_SHORT},
    {long_command, " xtnd  list\r\n", POP3_AWAITING_LONG},
    {quit, "QUIT\r\n", POP3_AWAITING_SHORT},
};

START_TEST(a_queued_command_is_appended_then_flushed_then_answered)
{
    ck_assert_int_eq(queuers[_i].queue(&tags[1]), POP3_OK);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_uint_eq(pop3_pending(c), 1);
    ck_assert_int_eq(pop3_awaiting(c), queuers[_i].awaiting);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), queuers[_i].line);
    ck_assert_uint_eq(pop3_pending(c), 1);
    peer_says("+OK here it is\r\n");
    assert_answer(POP3_OK, "+OK here it is", &tags[1]);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_str_eq(peer_heard(), "");
    if (queuers[_i].awaiting == POP3_AWAITING_SHORT) {
        ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
        return;
    }
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_BODY);
    peer_says("first\r\n..second\r\n.\r\n");
    assert_line("first");
    assert_line(".second");
    assert_line(NULL);
    assert_in_step();
}
END_TEST

START_TEST(a_refused_command_has_no_body)
{
    ck_assert_int_eq(queuers[_i].queue(&tags[1]), POP3_OK);
    peer_says("-ERR [SYS/PERM] no\r\n");
    assert_answer(POP3_ERROR_PROTO, "-ERR [SYS/PERM] no", &tags[1]);
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_SYS_PERM);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

START_TEST(flush_sends_all_and_later_calls_nothing_again)
{
    size_t i;

    for (i = 0; i < (size_t)COUNT(queuers); i++)
        ck_assert_int_eq(queuers[i].queue(NULL), POP3_OK);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(),
                     "STAT\r\nLIST\r\nLIST 2\r\nUIDL\r\nUIDL 3\r\nRETR 4\r\n"
                     "TOP 18446744073709551615 10\r\nDELE 5\r\nRSET\r\nNOOP\r\n"
                     "CAPA\r\nXSENDER 1\r\n xtnd  list\r\nQUIT\r\n");
    ck_assert_uint_eq(pop3_pending(c), (size_t)COUNT(queuers));
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    peer_says("+OK 1 2\r\n");
    takes_replies(1);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(next_reply_flushes_first)
{
    stat_(&tags[0]);
    dele(&tags[1]);
    peer_says("+OK 1 2\r\n");
    assert_answer(POP3_OK, "+OK 1 2", &tags[0]);
    ck_assert_str_eq(peer_heard(), "STAT\r\nDELE 5\r\n");
    rset(&tags[2]);
    peer_says("+OK gone\r\n");
    assert_answer(POP3_OK, "+OK gone", &tags[1]);
    ck_assert_str_eq(peer_heard(), "RSET\r\n");
    peer_says("+OK back\r\n");
    assert_answer(POP3_OK, "+OK back", &tags[2]);
}
END_TEST

START_TEST(replies_come_in_order_with_their_tags_and_bodies)
{
    ck_assert_int_eq(pop3_queue_retr(c, 1, 0, &tags[1]), POP3_OK);
    ck_assert_int_eq(pop3_queue_retr(c, 2, 0, &tags[2]), POP3_OK);
    ck_assert_int_eq(pop3_queue_dele(c, 1, NULL), POP3_OK);
    ck_assert_int_eq(pop3_queue_top(c, 3, 0, &tags[4]), POP3_OK);
    peer_chunk(_i ? 1 : 0);
    peer_says("+OK one\r\na\r\n..\r\n.\r\n-ERR no two\r\n+OK gone\r\n"
              "+OK three\r\n.\r\n");
    assert_answer(POP3_OK, "+OK one", &tags[1]);
    assert_line("a");
    assert_line(".");
    assert_line(NULL);
    ck_assert_uint_eq(pop3_body_octets(c), 6);
    assert_answer(POP3_ERROR_PROTO, "-ERR no two", &tags[2]);
    ck_assert_uint_eq(pop3_body_octets(c), 0);
    ck_assert_uint_eq(pop3_pending(c), 2);
    assert_answer(POP3_OK, "+OK gone", NULL);
    assert_answer(POP3_OK, "+OK three", &tags[4]);
    assert_line(NULL);
    ck_assert_str_eq(peer_heard(), "RETR 1\r\nRETR 2\r\nDELE 1\r\nTOP 3 0\r\n");
    assert_in_step();
}
END_TEST

/* None of its lines is read, one, or all; or all and their end. */
START_TEST(what_is_left_of_a_body_is_skipped)
{
    int i;

    retr(&tags[0]);
    retr(&tags[1]);
    peer_says("+OK one\r\n+OK not two\r\nb\r\n.\r\n+OK two\r\nc\r\n.\r\n");
    assert_answer(POP3_OK, "+OK one", &tags[0]);
    for (i = 0; i < _i; i++)
        assert_line(i == 0 ? "+OK not two" : i == 1 ? "b" : NULL);
    assert_answer(POP3_OK, "+OK two", &tags[1]);
    assert_line("c");
    assert_in_step();
}
END_TEST

START_TEST(flush_within_a_body_sends_and_leaves_the_body)
{
    retr(NULL);
    peer_says("+OK one\r\na\r\nb\r\n.\r\n");
    takes_replies(1);
    peer_heard();
    assert_line("a");
    ck_assert_int_eq(pop3_queue_dele(c, 4, &tags[1]), POP3_OK);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "DELE 4\r\n");
    assert_line("b");
    assert_line(NULL);
    peer_says("+OK gone\r\n");
    assert_answer(POP3_OK, "+OK gone", &tags[1]);
}
END_TEST

START_TEST(without_anything_queued_there_is_nothing_to_flush_and_no_reply)
{
    void *tag = &tag;

    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_int_eq(pop3_next_reply(c, &tag), POP3_ERROR_STATE);
    ck_assert_ptr_null(tag);
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), "");
    assert_in_step();
}
END_TEST

START_TEST(without_a_connection_nothing_is_queued)
{
    void *tag = &tag;
    size_t i;

    pop3_close(c);
    for (i = 0; i < (size_t)COUNT(queuers); i++)
        ck_assert_int_eq(queuers[i].queue(NULL), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_flush(c), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_next_reply(c, &tag), POP3_ERROR_STATE);
    ck_assert_ptr_null(tag);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

static const char *const wrong_lines[] = {NULL, "", "NOOP\r", "NOOP\nQUIT",
                                          "XTND 123456789"};

START_TEST(a_line_that_cannot_be_is_not_appended)
{
    pop3_set_limit(c, POP3_LIMIT_COMMAND, 12);
    noop(&tags[0]);
    ck_assert_int_eq(
        pop3_queue_command(c, wrong_lines[_i], POP3_SHORT, &tags[1]),
        POP3_ERROR_ARGUMENT);
    ck_assert_uint_eq(pop3_pending(c), 1);
    ck_assert_int_eq(pop3_queue_retr(c, UINT64_MAX, 0, &tags[2]),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_queue_top(c, 1, UINT64_MAX, &tags[2]),
                     POP3_ERROR_ARGUMENT);
    rset(&tags[3]);
    peer_says("+OK\r\n+OK\r\n");
    assert_answer(POP3_OK, NULL, &tags[0]);
    assert_answer(POP3_OK, NULL, &tags[3]);
    ck_assert_str_eq(peer_heard(), "NOOP\r\nRSET\r\n");
}
END_TEST

START_TEST(close_forgets_what_was_queued)
{
    stat_(&tags[0]);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    dele(&tags[1]);
    quit(&tags[2]);
    pop3_close(c);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_str_eq(peer_heard(), "STAT\r\n");
    connected_to(PIPELINES);
    noop(&tags[3]);
    peer_says("+OK\r\n");
    assert_answer(POP3_OK, NULL, &tags[3]);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
}
END_TEST

/* The link takes three octets, and more when it is waited for. */
START_TEST(sending_waits_for_nothing_but_with_reading)
{
    noops(2);
    peer_accepts(3);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "NOO");
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "");
    peer_says("+OK\r\n");
    takes_replies(1); /* is there already */
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_TIMEOUT);
    ck_assert_str_eq(peer_heard(), "P\r\nNOOP\r\n");
}
END_TEST

static char shown[256];

static void show(void *arg, int from_server, const char *line, size_t length)
{
    size_t n = strlen(shown);

    (void)arg;
    snprintf(shown + n, sizeof shown - n, "%c%.*s|", from_server ? '<' : '>',
             (int)length, line);
}

START_TEST(debug_output_shows_a_command_when_it_is_sent)
{
    shown[0] = '\0';
    pop3_set_debug(c, show, NULL);
    pop3_set_debuglevel(c, 2);
    stat_(NULL);
    pop3_queue_command(c, "PASS tanstaaf", POP3_SHORT, NULL);
    retr(NULL);
    ck_assert_str_eq(shown, "");
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(shown, ">STAT|>PASS ****|");
    peer_says("+OK 1 2\r\n+OK\r\n");
    peer_says("+OK\r\na\r\n.\r\n");
    takes_replies(3);
    assert_line("a");
    assert_line(NULL);
    ck_assert_str_eq(shown,
                     ">STAT|>PASS ****|<+OK 1 2|<+OK|>RETR 4|<+OK|<a|<.|");
}
END_TEST

/* ---- The window ---------------------------------------------------------- */

/* Without PIPELINING; with it, but a window of one. */
START_TEST(one_by_one_a_command_waits_for_the_last_line_before_it)
{
    connected_to(_i ? PIPELINES : GOES_ONE_BY_ONE);
    ck_assert_int_eq(pop3_set_window(c, _i ? 1 : 1024, 0), POP3_OK);
    retr(&tags[0]);
    dele(&tags[1]);
    rset(&tags[2]);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "RETR 4\r\n");
    peer_says("+OK\r\na\r\nb\r\n.\r\n");
    assert_answer(POP3_OK, "+OK", &tags[0]);
    assert_line("a");
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    assert_line("b");
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "");
    assert_line(NULL);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "DELE 5\r\n");
    peer_says("-ERR no\r\n");
    assert_answer(POP3_ERROR_PROTO, "-ERR no", &tags[1]);
    ck_assert_str_eq(peer_heard(), "");
    peer_says("+OK back\r\n");
    assert_answer(POP3_OK, "+OK back", &tags[2]);
    ck_assert_str_eq(peer_heard(), "RSET\r\n");
}
END_TEST

START_TEST(one_by_one_a_body_partly_read_is_skipped_before_the_next_is_sent)
{
    connected_to(GOES_ONE_BY_ONE);
    retr(NULL);
    dele(&tags[1]);
    peer_says("+OK\r\na\r\nb\r\n.\r\n");
    takes_replies(1);
    peer_heard();
    assert_line("a");
    peer_says("+OK gone\r\n");
    assert_answer(POP3_OK, "+OK gone", &tags[1]);
    ck_assert_str_eq(peer_heard(), "DELE 5\r\n");
}
END_TEST

START_TEST(a_window_bounds_the_commands_on_their_way)
{
    size_t n = (size_t)_i;

    ck_assert_int_eq(pop3_set_window(c, n, 0), POP3_OK);
    noops(3 * n);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), n);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 0);
    peer_accepts_noops(3 * n);
    takes_replies(3 * n);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

START_TEST(a_full_window_is_filled_again_at_half_and_is_twice_as_large)
{
    static const size_t heard_at[] = {4, 0, 6, 0, 0, 0, 0, 0};
    size_t i;

    ck_assert_int_eq(pop3_set_window(c, 4, 0), POP3_OK);
    noops(10);
    for (i = 0; i < sizeof heard_at / sizeof *heard_at; i++) {
        peer_says("+OK\r\n");
        takes_replies(1);
        ck_assert_uint_eq(lines_heard(), heard_at[i]);
    }
}
END_TEST

START_TEST(the_window_doubles_up_to_sixteen_times)
{
    size_t sent = 0, answered = 0, most = 0;

    ck_assert_int_eq(pop3_set_window(c, 2, 0), POP3_OK);
    noops(300);
    while (pop3_pending(c)) {
        ck_assert_int_eq(pop3_flush(c), POP3_OK);
        sent += lines_heard();
        most = sent - answered > most ? sent - answered : most;
        peer_says("+OK\r\n");
        takes_replies(1);
        sent += lines_heard();
        answered++;
    }
    ck_assert_uint_eq(sent, 300);
    ck_assert_uint_eq(most, 32);
}
END_TEST

START_TEST(a_new_session_begins_with_the_window_that_was_set)
{
    ck_assert_int_eq(pop3_set_window(c, 2, 0), POP3_OK);
    noops(100);
    peer_accepts_noops(100);
    takes_replies(100);
    connected_to(PIPELINES);
    noops(10);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 2);
}
END_TEST

/* How many of the messages go at once; none is told of by size 0. */
static const struct {
    uint64_t window;
    uint64_t sizes[4];
    size_t flight;
} octet_windows[] = {
    {100, {60, 60, 60, 60}, 1},
    {100, {50, 50, 50, 50}, 2},
    {100, {50, 51, 1, 1}, 1},
    {100, {200, 1, 1, 1}, 1},
    {100, {0, 0, 0, 0}, 4},
    {100, {100, 0, 0, 1}, 3},
    {100, {UINT64_MAX, 1, 1, 1}, 1},
    {100, {50, UINT64_MAX, 1, 1}, 1},
    {1, {1, 1, 1, 1}, 1},
    {0, {UINT64_MAX, UINT64_MAX, 1, 1}, 4},
    {UINT64_MAX, {UINT64_MAX, 0, 1, 1}, 2},
};

START_TEST(a_window_bounds_the_octets_of_the_replies)
{
    int i;

    ck_assert_int_eq(pop3_set_window(c, 1024, octet_windows[_i].window),
                     POP3_OK);
    for (i = 0; i < 4; i++)
        ck_assert_int_eq(
            pop3_queue_retr(c, 1, octet_windows[_i].sizes[i], NULL), POP3_OK);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), octet_windows[_i].flight);
    for (i = 0; i < 4; i++)
        peer_says("+OK\r\n.\r\n");
    takes_replies(4);
    ck_assert_uint_eq(lines_heard(), 4 - octet_windows[_i].flight);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

START_TEST(a_window_short_of_octets_does_not_grow_in_commands)
{
    int i;

    ck_assert_int_eq(pop3_set_window(c, 4, 100), POP3_OK);
    for (i = 0; i < 20; i++) {
        ck_assert_int_eq(pop3_queue_retr(c, 1, 60, NULL), POP3_OK);
        peer_says("+OK\r\n.\r\n");
    }
    takes_replies(20);
    peer_heard();
    noops(30);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 4);
}
END_TEST

/* A window in octets, and none: the sizes count for the first alone. */
START_TEST(a_window_short_of_commands_is_filled_at_half_of_them)
{
    static const size_t heard_at[] = {4, 0, 4};
    size_t i;

    ck_assert_int_eq(pop3_set_window(c, 4, _i ? 400 : 0), POP3_OK);
    for (i = 0; i < 8; i++)
        ck_assert_int_eq(pop3_queue_retr(c, 1, 50, NULL), POP3_OK);
    for (i = 0; i < 3; i++) {
        peer_says("+OK\r\n.\r\n");
        takes_replies(1);
        ck_assert_uint_eq(lines_heard(), heard_at[i]);
    }
}
END_TEST

static const struct {
    size_t commands;
    pop3_code code;
} windows[] = {
    {0, POP3_ERROR_ARGUMENT},
    {1, POP3_OK},
    {2, POP3_OK},
    {1 << 20, POP3_OK},
    {(1 << 20) + 1, POP3_ERROR_ARGUMENT},
    {SIZE_MAX, POP3_ERROR_ARGUMENT},
};

START_TEST(a_window_that_cannot_be_leaves_the_one_before)
{
    ck_assert_int_eq(pop3_set_window(c, 3, 0), POP3_OK);
    ck_assert_int_eq(pop3_set_window(c, windows[_i].commands, 0),
                     windows[_i].code);
    ck_assert_int_eq(*pop3_error(c) != '\0', windows[_i].code != POP3_OK);
    noops(4);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    if (windows[_i].code)
        ck_assert_uint_eq(lines_heard(), 3);
    else
        ck_assert_uint_eq(lines_heard(),
                          windows[_i].commands > 4 ? 4 : windows[_i].commands);
}
END_TEST

START_TEST(a_window_set_while_commands_are_on_their_way_counts_at_once)
{
    ck_assert_int_eq(pop3_set_window(c, 2, 0), POP3_OK);
    noops(20);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 2);
    ck_assert_int_eq(pop3_set_window(c, 6, 0), POP3_OK);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 4);
    ck_assert_int_eq(pop3_set_window(c, 1, 0), POP3_OK);
    peer_accepts_noops(6);
    takes_replies(6);
    ck_assert_uint_eq(lines_heard(), 0);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 1);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 0);
}
END_TEST

/* ---- Barriers ------------------------------------------------------------ */

static const char *const barriers[] = {
    "PASS tanstaaf",
    "APOP mrose c4c9334bac560ecc979e58001b3e22fb",
    "AUTH PLAIN AG1lAHg=",
    "AUTH",
    "STLS",
    "QUIT",
    " pass\tx",
    "auth EXTERNAL ="};

START_TEST(nothing_follows_a_barrier_before_its_reply)
{
    char heard[80];

    noop(NULL);
    ck_assert_int_eq(pop3_queue_command(c, barriers[_i], POP3_SHORT, &tags[1]),
                     POP3_OK);
    pop3_queue_stat(c, &tags[2]);
    snprintf(heard, sizeof heard, "NOOP\r\n%s\r\n", barriers[_i]);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), heard);
    peer_says("+OK\r\n");
    takes_replies(1);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "");
    peer_says("-ERR no\r\n"); /* which ends it as well */
    assert_answer(POP3_ERROR_PROTO, "-ERR no", &tags[1]);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "STAT\r\n");
}
END_TEST

START_TEST(what_only_looks_like_a_barrier_is_none)
{
    static const char *const lines[] = {"PASSAGE x", "X PASS y", "AUTHX"};

    pop3_queue_command(c, lines[_i], POP3_SHORT, NULL);
    noop(NULL);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), 2);
}
END_TEST

START_TEST(a_queued_login_changes_the_state)
{
    pop3_queue_command(c, "USER mrose", POP3_SHORT, NULL);
    pop3_queue_command(c, "PASS tanstaaf", POP3_SHORT, NULL);
    peer_says("+OK\r\n+OK\r\n");
    takes_replies(1);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    takes_replies(1);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_TRANSACTION);
    ck_assert_str_eq(peer_heard(), "USER mrose\r\nPASS tanstaaf\r\n");
}
END_TEST

/* ---- QUIT ---------------------------------------------------------------- */

static const struct {
    const char *says;
    pop3_code code;
} quits[] = {
    {"+OK bye\r\n", POP3_OK},
    {"-ERR some deleted messages not removed\r\n", POP3_ERROR_PROTO},
    {"bye\r\n", POP3_ERROR_MALFORMED},
    {"+OK by", POP3_ERROR_CLOSED},
    {"", POP3_ERROR_CLOSED},
};

START_TEST(quit_ends_a_batch_and_closes_whatever_it_says)
{
    size_t i;

    dele(&tags[0]);
    quit(&tags[1]);
    for (i = 0; i < (size_t)COUNT(queuers); i++)
        ck_assert_int_eq(queuers[i].queue(NULL), POP3_ERROR_STATE);
    ck_assert_uint_eq(pop3_pending(c), 2);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "DELE 5\r\nQUIT\r\n");
    peer_says("+OK gone\r\n");
    peer_says(quits[_i].says);
    peer_closes();
    assert_answer(POP3_OK, "+OK gone", &tags[0]);
    ck_assert_int_ne(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(noop(NULL), POP3_ERROR_STATE);
    assert_answer(quits[_i].code, NULL, &tags[1]);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(pop3_error_code(c), quits[_i].code);
    ck_assert_uint_eq(pop3_pending(c), 0);
    connected_to(PIPELINES); /* where QUIT is forgotten */
    ck_assert_int_eq(noop(NULL), POP3_OK);
}
END_TEST

START_TEST(one_by_one_quit_goes_when_all_else_is_answered)
{
    connected_to(GOES_ONE_BY_ONE);
    retr(NULL);
    quit(&tags[1]);
    peer_says("+OK\r\na\r\n.\r\n");
    takes_replies(1);
    assert_line("a");
    ck_assert_str_eq(peer_heard(), "RETR 4\r\n");
    peer_says("+OK bye\r\n");
    assert_answer(POP3_OK, "+OK bye", &tags[1]);
    ck_assert_str_eq(peer_heard(), "QUIT\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

START_TEST(quit_closes_where_death_came_before_it)
{
    retr(&tags[0]);
    quit(&tags[1]);
    peer_says("+O");
    peer_closes();
    assert_answer(POP3_ERROR_CLOSED, NULL, &tags[0]);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    assert_answer(POP3_ERROR_CLOSED, NULL, &tags[1]);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_STATE);
}
END_TEST

START_TEST(as_poplib_a_refused_quit_leaves_the_queue)
{
    pop3_set_poplib_rules(c, 1);
    quit(&tags[0]);
    peer_says("-ERR no\r\n");
    assert_answer(POP3_ERROR_PROTO, "-ERR no", &tags[0]);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_AUTHORIZATION);
    noop(&tags[1]);
    quit(&tags[2]);
    peer_says("+OK\r\n+OK bye\r\n");
    assert_answer(POP3_OK, "+OK", &tags[1]);
    assert_answer(POP3_OK, "+OK bye", &tags[2]);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
}
END_TEST

/* ---- Death --------------------------------------------------------------- */

static const struct {
    const char *says;
    void (*then)(void);
    int good; /* replies that come before it */
    pop3_code code;
} deaths[] = {
    {"", peer_closes, 0, POP3_ERROR_CLOSED},
    {"+O", peer_closes, 0, POP3_ERROR_CLOSED},
    {"+OK", peer_fails, 0, POP3_ERROR_IO},
    {"+OK", NULL, 0, POP3_ERROR_TIMEOUT},
    {"hello\r\n", NULL, 0, POP3_ERROR_MALFORMED},
    {"+OK\r\n", peer_closes, 1, POP3_ERROR_CLOSED},
    {"+OK\r\na\r\nb", peer_closes, 1, POP3_ERROR_CLOSED},
    {"+OK\r\na\r\n.\r", peer_fails, 1, POP3_ERROR_IO},
    {"+OK\r\na\r\n", NULL, 1, POP3_ERROR_TIMEOUT},
    {"+OK\r\na\r\n.\r\nb\r\n", NULL, 1, POP3_ERROR_MALFORMED},
    {"+OK\r\na\r\n.\r\n+OK\r\na\r\n.\r\n-E", peer_closes, 2, POP3_ERROR_CLOSED},
};

/* All in flight, or two of them; a body left alone, or read to where it broke. */
static void die(int i, size_t window, int read_it)
{
    char why[512];
    const char *data = "";
    size_t length;
    int n;

    ck_assert_int_eq(pop3_set_window(c, window, 0), POP3_OK);
    for (n = 0; n < 6; n++)
        retr(&tags[n]);
    peer_says(deaths[i].says);
    if (deaths[i].then)
        deaths[i].then();
    for (n = 0; n < deaths[i].good; n++)
        assert_answer(POP3_OK, "+OK", &tags[n]);
    while (n && read_it && data && !pop3_next_slice(c, &data, &length))
        ;
    assert_answer(deaths[i].code, NULL, &tags[n++]);
    snprintf(why, sizeof why, "%s", pop3_error(c));
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    peer_heard();
    for (; n < 6; n++) {
        ck_assert_uint_eq(pop3_pending(c), (size_t)(6 - n));
        assert_answer(deaths[i].code, NULL, &tags[n]);
        ck_assert_str_eq(pop3_error(c), why);
    }
    ck_assert_uint_eq(pop3_pending(c), 0);
    assert_answer(deaths[i].code, NULL, NULL);
    ck_assert_str_eq(pop3_error(c), why);
    ck_assert_str_eq(peer_heard(), "");
}

START_TEST(death_answers_every_outstanding_command_alike)
{
    die(_i, 1024, 0);
}
END_TEST

START_TEST(death_answers_what_was_not_sent_too)
{
    die(_i, 2, 0);
}
END_TEST

START_TEST(death_met_in_a_body_answers_what_is_behind_it)
{
    die(_i, 1024, 1);
}
END_TEST

START_TEST(nothing_is_queued_on_a_dead_connection)
{
    size_t i;

    noop(&tags[0]);
    peer_closes();
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_CLOSED);
    peer_heard();
    for (i = 0; i < (size_t)COUNT(queuers); i++)
        ck_assert_int_eq(queuers[i].queue(NULL), POP3_ERROR_CLOSED);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_int_eq(pop3_flush(c), POP3_ERROR_CLOSED);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(quit_closes_what_died_with_commands_outstanding)
{
    noops(3);
    peer_closes();
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_quit(c), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

/* A link that takes no more is found out by reading. */
START_TEST(the_last_words_of_a_server_that_left_are_read)
{
    noop(&tags[0]);
    stat_(&tags[1]);
    peer_says("-ERR [SYS/TEMP] going down\r\n");
    peer_closes();
    assert_answer(POP3_ERROR_PROTO, "-ERR [SYS/TEMP] going down", &tags[0]);
    assert_answer(POP3_ERROR_CLOSED, NULL, &tags[1]);
}
END_TEST

/* ---- What nobody asked for ----------------------------------------------- */

/* Behind the only reply came another. */
static void hear_too_much(void)
{
    peer_says("+OK\r\n+OK and more\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    peer_heard();
}

START_TEST(what_nobody_asked_for_answers_no_queued_command)
{
    hear_too_much();
    noop(&tags[0]);
    stat_(&tags[1]);
    if (_i)
        ck_assert_int_eq(pop3_flush(c), POP3_ERROR_MALFORMED);
    assert_answer(POP3_ERROR_MALFORMED, NULL, &tags[0]);
    assert_answer(POP3_ERROR_MALFORMED, NULL, &tags[1]);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_out_of_step(c), 0);
}
END_TEST

static pop3_code take_next(void)
{
    return pop3_next_reply(c, NULL);
}

static pop3_code flush(void)
{
    return pop3_flush(c);
}

static pop3_code plain_noop(void)
{
    return pop3_noop(c);
}

static pop3_code plain_quit(void)
{
    return pop3_quit(c);
}

static pop3_code (*const next_calls[])(void) = {take_next, flush, plain_noop,
                                                plain_quit};

START_TEST(what_comes_behind_the_last_reply_is_found_out)
{
    retr(NULL);
    noop(NULL);
    peer_says("+OK\r\na\r\n.\r\n+OK\r\n+OK who asked\r\n");
    takes_replies(2);
    peer_heard();
    ck_assert_int_eq(next_calls[_i](), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_out_of_step(c), 1);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(one_by_one_what_comes_between_two_replies_is_found_out)
{
    connected_to(GOES_ONE_BY_ONE);
    noop(NULL);
    stat_(&tags[1]);
    peer_says("+OK\r\n+OK who asked\r\n");
    takes_replies(1);
    assert_answer(POP3_ERROR_MALFORMED, NULL, &tags[1]);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
    ck_assert_int_eq(pop3_out_of_step(c), 0);
}
END_TEST

/* The second reply, within the first message. */
START_TEST(a_server_that_answers_out_of_step_is_found_out)
{
    retr(&tags[0]);
    retr(&tags[1]);
    retr(&tags[2]);
    peer_says("+OK\r\nSubject: one\r\n+OK\r\nSubject: two\r\n.\r\n"
              "and the rest of one\r\n.\r\n");
    assert_answer(POP3_OK, "+OK", &tags[0]);
    assert_answer(POP3_ERROR_MALFORMED, NULL, &tags[1]);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "PIPELINING"));
    ck_assert_int_eq(pop3_out_of_step(c), 1);
    assert_answer(POP3_ERROR_MALFORMED, NULL, &tags[2]);
    pop3_close(c);
    ck_assert_int_eq(pop3_out_of_step(c), 1);
    connected_to(PIPELINES);
    ck_assert_int_eq(pop3_out_of_step(c), 0);
}
END_TEST

START_TEST(without_pipelining_a_malformed_reply_is_that_alone)
{
    connected_to(GOES_ONE_BY_ONE);
    retr(&tags[0]);
    retr(&tags[1]);
    peer_says("and the rest of one\r\n");
    assert_answer(POP3_ERROR_MALFORMED, NULL, &tags[0]);
    ck_assert_ptr_null(strstr(pop3_error(c), "PIPELINING"));
    ck_assert_int_eq(pop3_out_of_step(c), 0);
}
END_TEST

START_TEST(another_commands_answer_is_out_of_step_too)
{
    pop3_totals t;

    noop(NULL);
    stat_(NULL);
    peer_says("+OK\r\n+OK gone\r\n");
    takes_replies(2);
    ck_assert_int_eq(pop3_reply_totals(c, &t), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_out_of_step(c), 1);
}
END_TEST

START_TEST(after_a_batch_a_plain_command_is_in_step_again)
{
    noops(2);
    peer_accepts_noops(2);
    takes_replies(2);
    peer_says("what\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_out_of_step(c), 0);
}
END_TEST

/* ---- Plain calls beside the queue ---------------------------------------- */

static pop3_code plain_stat(void)
{
    pop3_totals t;

    return pop3_stat(c, &t);
}

static pop3_code plain_list(void)
{
    pop3_sizes *out;

    return pop3_list(c, &out);
}

static int no_size(void *arg, const pop3_size *row)
{
    (void)arg;
    (void)row;
    return 1;
}

static pop3_code plain_each_size(void)
{
    return pop3_each_size(c, no_size, NULL);
}

static pop3_code plain_retr(void)
{
    return pop3_retr_begin(c, 1);
}

static pop3_code plain_command(void)
{
    return pop3_command(c, "XTND", POP3_LONG);
}

static pop3_code plain_capa_refresh(void)
{
    pop3_capas *out;

    return pop3_capa_refresh(c, &out);
}

static pop3_code plain_login(void)
{
    return pop3_login(c, "mrose", "tanstaaf");
}

static pop3_code plain_login_by_user(void)
{
    ck_assert_int_eq(pop3_set_login_method(c, "USER"), POP3_OK);
    return pop3_login(c, "mrose", "tanstaaf");
}

static pop3_code plain_auth(void)
{
    return pop3_auth(c, "PLAIN", "mrose", "tanstaaf");
}

static pop3_code plain_stls(void)
{
    return pop3_stls(c);
}

static pop3_code plain_utf8(void)
{
    return pop3_utf8(c);
}

static pop3_code plain_send_line(void)
{
    return pop3_send_line(c, "XTND");
}

static pop3_code plain_read_line(void)
{
    pop3_line line;

    return pop3_read_line(c, &line);
}

static pop3_code (*const plain_calls[])(void) = {
    plain_noop,          plain_stat,      plain_list,         plain_each_size,
    plain_retr,          plain_command,   plain_capa_refresh, plain_login,
    plain_login_by_user, plain_auth,      plain_stls,         plain_utf8,
    plain_send_line,     plain_read_line, plain_quit,
};

START_TEST(a_plain_call_sends_nothing_while_replies_are_outstanding)
{
    connected_to("+OK\r\nPIPELINING\r\nUSER\r\nSTLS\r\nUTF8\r\nSASL PLAIN\r\n"
                 ".\r\n");
    pop3_set_stls(c, POP3_STLS_NEVER);
    stat_(&tags[0]);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    retr(&tags[1]);
    dele(&tags[2]);
    peer_heard();
    ck_assert_int_eq(plain_calls[_i](), POP3_ERROR_STATE);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_uint_eq(pop3_pending(c), 3);
    peer_says("+OK 1 2\r\n+OK\r\na\r\n.\r\n+OK gone\r\n");
    assert_answer(POP3_OK, "+OK 1 2", &tags[0]);
    ck_assert_str_eq(peer_heard(), "RETR 4\r\nDELE 5\r\n"); /* still together */
    assert_answer(POP3_OK, "+OK", &tags[1]);
    ck_assert_int_eq(plain_calls[_i](), POP3_ERROR_STATE);
    assert_line("a"); /* which that call did not skip */
    assert_answer(POP3_OK, "+OK gone", &tags[2]);
    assert_in_step();
}
END_TEST

START_TEST(shutdown_says_no_quit_while_replies_are_outstanding)
{
    dele(NULL);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    rset(NULL);
    pop3_shutdown(c);
    ck_assert_str_eq(peer_heard(), "DELE 5\r\n");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

START_TEST(shutdown_says_quit_when_all_is_answered)
{
    dele(NULL);
    peer_says("+OK\r\n+OK bye\r\n");
    takes_replies(1);
    peer_heard();
    pop3_shutdown(c); /* too early a reply: what came is not for QUIT */
    ck_assert_str_eq(peer_heard(), "");
    connected_to(PIPELINES);
    dele(NULL);
    peer_says("+OK\r\n");
    takes_replies(1);
    peer_says("+OK bye\r\n");
    peer_heard();
    pop3_shutdown(c);
    ck_assert_str_eq(peer_heard(), "QUIT\r\n");
}
END_TEST

/* ---- What replies say ---------------------------------------------------- */

START_TEST(a_queued_reply_says_what_a_plain_one_does)
{
    pop3_totals t;
    pop3_size size;
    pop3_uid uid;

    stat_(NULL);
    list_one(NULL);
    uidl_one(NULL);
    uidl_one(NULL);
    peer_says("+OK 2 320 more\r\n+OK 2 200\r\n+OK 3 whqtswO00WBw\r\n"
              "+OK whqtswO00WBx\r\n");
    takes_replies(1);
    ck_assert_int_eq(pop3_reply_totals(c, &t), POP3_OK);
    ck_assert_uint_eq(t.messages, 2);
    ck_assert_uint_eq(t.octets, 320);
    takes_replies(1);
    ck_assert_int_eq(pop3_reply_size(c, &size), POP3_OK);
    ck_assert_uint_eq(size.number, 2);
    ck_assert_uint_eq(size.octets, 200);
    takes_replies(1);
    ck_assert_int_eq(pop3_reply_uid(c, 3, &uid), POP3_OK);
    ck_assert_uint_eq(uid.number, 3);
    ck_assert_str_eq(uid.uid, "whqtswO00WBw");
    takes_replies(1);
    ck_assert_int_eq(pop3_reply_uid(c, 3, &uid), POP3_OK);
    ck_assert_uint_eq(uid.number, 3);
    ck_assert_str_eq(uid.uid, "whqtswO00WBx");
}
END_TEST

static pop3_code totals_of(void)
{
    pop3_totals t;

    return pop3_reply_totals(c, &t);
}

static pop3_code size_of(void)
{
    pop3_size size;

    return pop3_reply_size(c, &size);
}

static pop3_code uid_of(void)
{
    pop3_uid uid;

    return pop3_reply_uid(c, 1, &uid);
}

static pop3_code sizes_of(void)
{
    pop3_sizes *out;
    pop3_code rc = pop3_body_sizes(c, &out);

    if (!rc)
        pop3_sizes_free(out);
    return rc;
}

static pop3_code uids_of(void)
{
    pop3_uids *out;
    pop3_code rc = pop3_body_uids(c, &out);

    if (!rc)
        pop3_uids_free(out);
    return rc;
}

static pop3_code capas_of(void)
{
    pop3_capas *out;
    pop3_code rc = pop3_body_capas(c, &out);

    if (!rc)
        pop3_capas_free(out);
    return rc;
}

/* What takes a reply, and one that is none for it. */
static const struct {
    pop3_code (*take)(void);
    pop3_shape shape;
    const char *bad;
    pop3_code code;
} takers[] = {
    {totals_of, POP3_SHORT, "+OK two\r\n", POP3_ERROR_MALFORMED},
    {size_of, POP3_SHORT, "+OK 1\r\n", POP3_ERROR_MALFORMED},
    {uid_of, POP3_SHORT, "+OK\r\n", POP3_ERROR_MALFORMED},
    {sizes_of, POP3_LONG, "+OK\r\n1 2\r\n1 3\r\n1 4\r\n", POP3_ERROR_TOO_LONG},
    {uids_of, POP3_LONG, "+OK\r\n1 a\r\n1 b\r\n1 c\r\n", POP3_ERROR_TOO_LONG},
    {capas_of, POP3_LONG, "+OK\r\nA\r\nB\r\nC\r\n", POP3_ERROR_TOO_LONG},
    {sizes_of, POP3_LONG, "+OK\r\n1\r\n2\r\n.\r\n", POP3_ERROR_MALFORMED},
    {uids_of, POP3_LONG, "+OK\r\n1\r\n2\r\n.\r\n", POP3_ERROR_MALFORMED},
    {capas_of, POP3_LONG, "+OK\r\n \r\n \r\n.\r\n", POP3_ERROR_MALFORMED},
    {sizes_of, POP3_LONG, "+OK\r\n1 2\r\n", POP3_ERROR_TIMEOUT},
    {uids_of, POP3_LONG, "+OK\r\n1 a\r\n", POP3_ERROR_TIMEOUT},
    {capas_of, POP3_LONG, "+OK\r\nPIPELINING\r\n", POP3_ERROR_TIMEOUT},
};

START_TEST(a_reply_that_is_none_of_its_kind_kills)
{
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_ROWS, 2), POP3_OK);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BAD_ROWS, 1), POP3_OK);
    pop3_queue_command(c, "XTND", takers[_i].shape, &tags[0]);
    noop(&tags[1]);
    peer_says(takers[_i].bad);
    assert_answer(POP3_OK, NULL, &tags[0]);
    ck_assert_int_eq(takers[_i].take(), takers[_i].code);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    assert_answer(takers[_i].code, NULL, &tags[1]);
}
END_TEST

START_TEST(a_refusal_has_no_contents_and_goes_on)
{
    noop(&tags[0]);
    noop(&tags[1]);
    peer_says("-ERR 1 2\r\n+OK\r\n");
    assert_answer(POP3_ERROR_PROTO, "-ERR 1 2", &tags[0]);
    ck_assert_int_eq(takers[_i].take(), POP3_ERROR_STATE);
    assert_answer(POP3_OK, "+OK", &tags[1]);
    ck_assert_str_eq(peer_heard(), "NOOP\r\nNOOP\r\n");
}
END_TEST

START_TEST(without_a_body_capabilities_stay_as_they_were)
{
    pop3_capas *capas;

    ck_assert_int_eq(capas_of(), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_ptr_nonnull(pop3_capa_find(capas, "PIPELINING"));
    pop3_capas_free(capas);
    noops(2);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "NOOP\r\nNOOP\r\n");
}
END_TEST

START_TEST(queued_listings_give_their_rows)
{
    pop3_sizes *sizes;
    pop3_uids *uids;

    list(NULL);
    uidl(NULL);
    peer_says("+OK sizes\r\n1 120\r\nbad\r\n3 200\r\n.\r\n"
              "+OK uids\r\n1 a\r\n3 b\r\n.\r\n");
    takes_replies(1);
    ck_assert_int_eq(pop3_body_sizes(c, &sizes), POP3_OK);
    ck_assert_uint_eq(sizes->count, 2);
    ck_assert_str_eq(sizes->status, "+OK sizes");
    ck_assert_uint_eq(pop3_list_find(sizes, 3)->octets, 200);
    ck_assert_uint_eq(pop3_skipped(c), 1);
    takes_replies(1);
    ck_assert_int_eq(pop3_body_uids(c, &uids), POP3_OK);
    ck_assert_uint_eq(uids->count, 2);
    ck_assert_str_eq(pop3_uidl_find(uids, 3)->uid, "b");
    ck_assert_uint_eq(pop3_skipped(c), 0);
    pop3_sizes_free(sizes);
    pop3_uids_free(uids);
    assert_in_step();
}
END_TEST

START_TEST(queued_capabilities_are_remembered)
{
    pop3_capas *capas;

    connected_to(GOES_ONE_BY_ONE);
    capa(NULL);
    peer_says("+OK new\r\nPIPELINING\r\nXTND\r\n.\r\n");
    takes_replies(1);
    ck_assert_int_eq(pop3_body_capas(c, &capas), POP3_OK);
    ck_assert_uint_eq(capas->count, 2);
    ck_assert_str_eq(capas->status, "+OK new");
    pop3_capas_free(capas);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_ptr_nonnull(pop3_capa_find(capas, "XTND"));
    pop3_capas_free(capas);
    peer_heard();
    noops(2);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "NOOP\r\nNOOP\r\n");
}
END_TEST

static const struct {
    const char *capabilities;
    int offered;
} offers[] = {
    {"+OK\r\nTOP\r\npipelining\r\n.\r\n", 1},
    {"+OK\r\n PIPELINING \r\n.\r\n", 1},
    {"+OK\r\nPIPELINING 5\r\n.\r\n", 1},
    {"+OK\r\nPIPELININGS\r\nX PIPELINING\r\n.\r\n", 0},
    {"+OK\r\nPIPELININ\r\n.\r\n", 0},
    {"+OK PIPELINING\r\n.\r\n", 0},
};

START_TEST(pipelining_is_what_capa_says)
{
    connected_to(offers[_i].capabilities);
    noops(2);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), offers[_i].offered ? 2 : 1);
}
END_TEST

/* ---- The library's own CAPA ---------------------------------------------- */

START_TEST(unknown_capabilities_are_asked_for_ahead_of_several_commands)
{
    pop3_capas *capas;

    stat_(&tags[0]);
    noop(&tags[1]);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    ck_assert_uint_eq(pop3_pending(c), 2);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_SHORT);
    peer_says(_i ? PIPELINES : GOES_ONE_BY_ONE);
    peer_says("+OK 1 2\r\n");
    assert_answer(POP3_OK, "+OK 1 2", &tags[0]);
    ck_assert_str_eq(peer_heard(), _i ? "STAT\r\nNOOP\r\n" : "STAT\r\n");
    peer_says("+OK\r\n");
    assert_answer(POP3_OK, "+OK", &tags[1]);
    ck_assert_str_eq(peer_heard(), _i ? "" : "NOOP\r\n");
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    ck_assert_ptr_nonnull(pop3_capa_find(capas, _i ? "PIPELINING" : "TOP"));
    pop3_capas_free(capas);
    ck_assert_str_eq(peer_heard(), "");
}
END_TEST

START_TEST(a_command_of_its_own_needs_no_capabilities)
{
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    noop(NULL);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    peer_says("+OK\r\n");
    takes_replies(1);
    ck_assert_str_eq(peer_heard(), "NOOP\r\nNOOP\r\n");
}
END_TEST

START_TEST(capabilities_that_are_not_to_be_asked_for_are_not)
{
    if (_i)
        pop3_set_use_capa(c, 0);
    else
        ck_assert_int_eq(pop3_set_window(c, 1, 0), POP3_OK);
    noops(3);
    peer_accepts_noops(1);
    takes_replies(1);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
    peer_accepts_noops(1);
    takes_replies(1);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
}
END_TEST

/* For good, or for now: then with the next batch again. */
static const struct {
    const char *reply;
    int again;
} capa_refusals[] = {
    {"-ERR what\r\n", 0},
    {"-ERR [SYS/PERM] no\r\n", 0},
    {"-ERR [SYS/TEMP] later\r\n", 1},
    {"-ERR [LOGIN-DELAY] later\r\n", 1},
};

START_TEST(refused_capabilities_count_as_none_and_nobody_hears_of_it)
{
    noop(&tags[0]);
    noop(&tags[1]);
    noop(&tags[2]);
    peer_says(capa_refusals[_i].reply);
    peer_says("+OK one\r\n");
    assert_answer(POP3_OK, "+OK one", &tags[0]);
    ck_assert_str_eq(pop3_error(c), "");
    ck_assert_str_eq(peer_heard(), "CAPA\r\nNOOP\r\n");
    peer_says("+OK two\r\n");
    assert_answer(POP3_OK, "+OK two", &tags[1]);
    peer_says("-ERR three\r\n");
    assert_answer(POP3_ERROR_PROTO, "-ERR three", &tags[2]);
    ck_assert_str_eq(peer_heard(), "NOOP\r\nNOOP\r\n");
    noops(2);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(),
                     capa_refusals[_i].again ? "CAPA\r\n" : "NOOP\r\n");
}
END_TEST

static void log_in(void)
{
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_user(c, "mrose"), POP3_OK);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_pass(c, "tanstaaf"), POP3_OK);
    peer_heard();
}

START_TEST(after_login_what_was_known_holds_and_capa_goes_along)
{
    connected_to(PIPELINES);
    log_in();
    stat_(&tags[0]);
    noop(&tags[1]);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nSTAT\r\nNOOP\r\n");
    peer_says(_i ? PIPELINES : GOES_ONE_BY_ONE);
    peer_says("+OK 1 2\r\n");
    assert_answer(POP3_OK, "+OK 1 2", &tags[0]);
    peer_says("+OK\r\n");
    assert_answer(POP3_OK, "+OK", &tags[1]);
    noops(2);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(lines_heard(), _i ? 2 : 1);
}
END_TEST

START_TEST(after_login_capa_goes_alone_where_the_first_list_lacked_pipelining)
{
    connected_to(GOES_ONE_BY_ONE);
    log_in();
    stat_(&tags[0]);
    noop(&tags[1]);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
    peer_says(PIPELINES);
    peer_says("+OK 1 2\r\n");
    assert_answer(POP3_OK, "+OK 1 2", &tags[0]);
    ck_assert_str_eq(peer_heard(), "STAT\r\nNOOP\r\n");
}
END_TEST

START_TEST(after_login_a_lone_command_goes_without_capa)
{
    connected_to(PIPELINES);
    log_in();
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    noop(NULL);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_str_eq(peer_heard(), "NOOP\r\nNOOP\r\n");
}
END_TEST

START_TEST(after_a_queued_login_capa_goes_ahead_of_the_rest)
{
    pop3_queue_command(c, "USER mrose", POP3_SHORT, NULL);
    pop3_queue_command(c, "PASS tanstaaf", POP3_SHORT, NULL);
    noops(2);
    peer_says(PIPELINES);
    peer_says("+OK\r\n+OK\r\n");
    takes_replies(2);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nUSER mrose\r\nPASS tanstaaf\r\n");
    peer_says(PIPELINES);
    peer_says("+OK\r\n+OK\r\n");
    takes_replies(2);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nNOOP\r\nNOOP\r\n");
}
END_TEST

/* What comes of CAPA comes of everything behind it. */
static const struct {
    const char *says;
    void (*then)(void);
    pop3_code code;
} capa_deaths[] = {
    {"", peer_closes, POP3_ERROR_CLOSED},
    {"+O", peer_closes, POP3_ERROR_CLOSED},
    {"+OK\r\nPIPELIN", peer_closes, POP3_ERROR_CLOSED},
    {"+OK\r\nPIPELINING\r\n", peer_fails, POP3_ERROR_IO},
    {"+OK\r\nPIPELINING\r\n", NULL, POP3_ERROR_TIMEOUT},
    {"hello\r\n", NULL, POP3_ERROR_MALFORMED},
    {"+OK\r\nA\r\nB\r\nC\r\nD\r\n.\r\n", NULL, POP3_ERROR_TOO_LONG},
    {"-ERR\r\n-ERR once more\r\n", NULL, POP3_ERROR_MALFORMED},
    {"+OK\r\n.\r\n+OK who asked\r\n", NULL, POP3_ERROR_MALFORMED},
};

START_TEST(a_capa_cut_off_by_death_answers_the_callers_commands)
{
    char why[512];

    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_ROWS, 3), POP3_OK);
    if (_i % 2)
        log_in();
    noop(&tags[0]);
    stat_(&tags[1]);
    quit(&tags[2]);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    peer_says(capa_deaths[_i / 2].says);
    if (capa_deaths[_i / 2].then)
        capa_deaths[_i / 2].then();
    assert_answer(capa_deaths[_i / 2].code, NULL, &tags[0]);
    snprintf(why, sizeof why, "%s", pop3_error(c));
    ck_assert_str_ne(why, "");
    assert_answer(capa_deaths[_i / 2].code, NULL, &tags[1]);
    ck_assert_uint_eq(pop3_pending(c), 1);
    assert_answer(capa_deaths[_i / 2].code, NULL, &tags[2]);
    ck_assert_str_eq(pop3_error(c), why);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    ck_assert_str_eq(peer_heard(), "CAPA\r\n");
}
END_TEST

START_TEST(death_before_capa_is_answered_answers_the_callers_commands_alone)
{
    noops(3);
    ck_assert_int_eq(pop3_flush(c), POP3_OK);
    ck_assert_uint_eq(pop3_pending(c), 3);
    peer_closes();
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_CLOSED);
    ck_assert_uint_eq(pop3_pending(c), 2);
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_CLOSED);
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_ERROR_CLOSED);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

START_TEST(a_capa_that_was_not_sent_is_nobodys_command_either)
{
    retr(NULL);
    peer_says("+OK\r\na\r\n");
    takes_replies(1);
    noop(&tags[0]);
    stat_(&tags[1]);
    ck_assert_int_eq(pop3_flush(c),
                     POP3_OK); /* CAPA waits for the body's end */
    ck_assert_str_eq(peer_heard(), "RETR 4\r\n");
    peer_closes();
    assert_answer(POP3_ERROR_CLOSED, NULL, &tags[0]);
    assert_answer(POP3_ERROR_CLOSED, NULL, &tags[1]);
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

/* ---- USER and PASS in one flight ----------------------------------------- */

#define CAPA_OF_USER "+OK\r\nUSER\r\nPIPELINING\r\n.\r\n"
#define USER_PASS "USER mrose\r\nPASS tanstaaf\r\n"

static const struct {
    const char *says;
    pop3_code code;
    const char *reply, *resp_code;
    pop3_conn_state state;
} logins[] = {
    {"+OK\r\n+OK welcome\r\n", POP3_OK, "+OK welcome", "",
     POP3_STATE_TRANSACTION},
    {"+OK\r\n-ERR [AUTH] no\r\n", POP3_ERROR_PROTO, "-ERR [AUTH] no", "AUTH",
     POP3_STATE_AUTHORIZATION},
    {"-ERR [IN-USE] not he\r\n-ERR [AUTH] USER first\r\n", POP3_ERROR_PROTO,
     "-ERR [IN-USE] not he", "IN-USE", POP3_STATE_AUTHORIZATION},
    {"-ERR [IN-USE] not he\r\n", POP3_ERROR_PROTO, "-ERR [IN-USE] not he",
     "IN-USE", POP3_STATE_DEAD},
    {"-ERR [IN-USE] not he\r\nwhat\r\n", POP3_ERROR_PROTO,
     "-ERR [IN-USE] not he", "IN-USE", POP3_STATE_DEAD},
    {"-ERR [IN-USE] not he\r\n+OK welcome\r\n", POP3_OK, "+OK welcome", "",
     POP3_STATE_TRANSACTION},
    {"+OK\r\n+O", POP3_ERROR_CLOSED, "+OK", "", POP3_STATE_DEAD},
    {"", POP3_ERROR_CLOSED, "+OK", "", POP3_STATE_DEAD},
    {"what\r\n", POP3_ERROR_MALFORMED, "what", "", POP3_STATE_DEAD},
};

START_TEST(with_pipelining_user_and_pass_go_in_one_flight)
{
    connected_to(CAPA_OF_USER);
    peer_says(logins[_i].says);
    peer_closes();
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), logins[_i].code);
    ck_assert_str_eq(peer_heard(), USER_PASS);
    ck_assert_str_eq(pop3_reply(c, NULL), logins[_i].reply);
    ck_assert_str_eq(pop3_resp_code(c), logins[_i].resp_code);
    ck_assert_int_eq(pop3_state(c), logins[_i].state);
    ck_assert_int_eq(pop3_error_code(c), logins[_i].code);
    ck_assert_uint_eq(pop3_pending(c), 0);
    if (logins[_i].code == POP3_ERROR_PROTO)
        ck_assert_ptr_nonnull(strstr(pop3_error(c), pop3_reply_text(c, NULL)));
}
END_TEST

/* After both refusals the session goes on: the next attempt, and in step. */
START_TEST(after_a_refused_login_another_may_be_tried)
{
    connected_to(CAPA_OF_USER);
    peer_says("-ERR no\r\n-ERR no\r\n");
    ck_assert_int_eq(pop3_login(c, "mrose", "x"), POP3_ERROR_PROTO);
    peer_heard();
    peer_says("+OK\r\n+OK welcome\r\n");
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_OK);
    ck_assert_str_eq(peer_heard(), USER_PASS);
    assert_in_step();
}
END_TEST

START_TEST(one_by_one_pass_is_not_sent_behind_a_refused_user)
{
    connected_to(_i ? CAPA_OF_USER : "+OK\r\nUSER\r\n.\r\n");
    if (_i)
        ck_assert_int_eq(pop3_set_window(c, 1, 0), POP3_OK);
    peer_says("-ERR [AUTH] not he\r\n");
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_ERROR_PROTO);
    ck_assert_str_eq(peer_heard(), "USER mrose\r\n");
    ck_assert_str_eq(pop3_resp_code(c), "AUTH");
}
END_TEST

START_TEST(login_sends_nothing_where_one_of_both_lines_cannot_be)
{
    connected_to(CAPA_OF_USER);
    ck_assert_int_eq(
        pop3_login(c, _i ? "mrose\n" : "mrose", _i ? "tanstaaf" : "tanstaaf\r"),
        POP3_ERROR_ARGUMENT);
    ck_assert_str_eq(peer_heard(), "");
    ck_assert_uint_eq(pop3_pending(c), 0);
}
END_TEST

START_TEST(a_login_in_one_flight_shows_no_secret)
{
    connected_to(CAPA_OF_USER);
    shown[0] = '\0';
    pop3_set_debug(c, show, NULL);
    pop3_set_debuglevel(c, 2);
    peer_says("+OK\r\n+OK\r\n");
    ck_assert_int_eq(pop3_login(c, "mrose", "tanstaaf"), POP3_OK);
    ck_assert_str_eq(shown, ">USER mrose|>PASS ****|<+OK|<+OK|");
}
END_TEST

/* ---- poplib's rules ------------------------------------------------------ */

/* Twice longer than a line may be. */
static void peer_says_long_line(void)
{
    int i;

    for (i = 0; i < 10; i++)
        peer_says("long ");
    peer_says("\r\n");
}

START_TEST(as_poplib_a_plus_is_success_and_any_other_line_refused)
{
    pop3_set_poplib_rules(c, 1);
    noop(&tags[0]);
    noop(&tags[1]);
    retr(&tags[2]);
    peer_says("+ready\r\nwhat\r\n+\r\na\r\n.\n");
    assert_answer(POP3_OK, "+ready", &tags[0]);
    assert_answer(POP3_ERROR_PROTO, "what", &tags[1]);
    assert_answer(POP3_OK, "+", &tags[2]);
    assert_line("a");
    assert_line(NULL);
    assert_in_step();
}
END_TEST

START_TEST(as_poplib_lines_too_long_are_skipped_with_their_body)
{
    pop3_set_poplib_rules(c, 1);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_REPLY, 20), POP3_OK);
    retr(&tags[0]);
    noop(&tags[1]);
    peer_says("+OK\r\n");
    peer_says_long_line();
    peer_says_long_line();
    peer_says(".\r\n+OK next\r\n");
    assert_answer(POP3_OK, "+OK", &tags[0]);
    assert_answer(POP3_OK, "+OK next", &tags[1]);
}
END_TEST

START_TEST(as_poplib_capabilities_too_long_are_skipped_and_not_known)
{
    ck_assert_int_eq(peer_connect("+OK ready\r\n", 1), POP3_OK);
    pop3_set_poplib_rules(c, 1);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_REPLY, 20), POP3_OK);
    noop(&tags[0]);
    noop(&tags[1]);
    peer_says("+OK\r\nPIPELINING\r\n");
    peer_says_long_line();
    peer_says_long_line();
    peer_says(".\r\n+OK one\r\n");
    assert_answer(POP3_OK, "+OK one", &tags[0]);
    ck_assert_str_eq(peer_heard(), "CAPA\r\nNOOP\r\n");
    peer_says("+OK two\r\n");
    assert_answer(POP3_OK, "+OK two", &tags[1]);
    ck_assert_str_eq(peer_heard(), "NOOP\r\n");
}
END_TEST

/* ---- A link that takes no more ------------------------------------------- */

enum { MANY = 10000, BODY = 700 };

static void write_all(int fd, const char *data, size_t len)
{
    ssize_t n;

    while (len && (n = write(fd, data, len)) > 0) {
        data += n;
        len -= (size_t)n;
    }
    if (len)
        _exit(2);
}

/* Answers each line with a message before it reads on. */
static void serve(int fd)
{
    static char message[BODY + 16];
    char data[64];
    ssize_t n, i;

    alarm(120);
    memset(message, 'x', sizeof message);
    memcpy(message, "+OK\r\n", 5);
    memcpy(message + BODY, "\r\n.\r\n", 5);
    write_all(fd, "+OK ready\r\n", 11);
    if (read(fd, data, 6) != 6)
        _exit(3);
    write_all(fd, PIPELINES, strlen(PIPELINES));
    while ((n = read(fd, data, sizeof data)) > 0)
        for (i = 0; i < n; i++)
            if (data[i] == '\n')
                write_all(fd, message, BODY + 5);
    _exit(0);
}

static pid_t start_server(int *fd)
{
    int pair[2], small = 2048, i;
    pid_t pid;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (i = 0; i < 2; i++) {
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        setsockopt(pair[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) {
        close(pair[0]);
        serve(pair[1]);
    }
    close(pair[1]);
    *fd = pair[0];
    return pid;
}

/* Read to their end, or left for the next command to skip. */
START_TEST(sending_never_waits_for_a_server_that_waits_to_be_read)
{
    int fd, status;
    pid_t pid = start_server(&fd);
    pop3 *p = pop3_new();
    uintptr_t i;
    void *tag;
    pop3_lines *lines;

    alarm(100);
    pop3_set_timeout(p, 30000);
    ck_assert_int_eq(pop3_connect_fd(p, fd, "mail.example.org", 0), POP3_OK);
    ck_assert_int_eq(pop3_set_window(p, MANY, 0), POP3_OK);
    for (i = 1; i <= MANY; i++)
        ck_assert_int_eq(pop3_queue_retr(p, i, 0, (void *)i), POP3_OK);
    ck_assert_int_eq(pop3_flush(p), POP3_OK);
    for (i = 1; i <= MANY; i++) {
        ck_assert_int_eq(pop3_next_reply(p, &tag), POP3_OK);
        ck_assert_uint_eq((uintptr_t)tag, i);
        if (_i && i % 100)
            continue;
        ck_assert_int_eq(pop3_body_lines(p, &lines), POP3_OK);
        ck_assert_uint_eq(lines->octets, BODY - 3);
        pop3_lines_free(lines);
    }
    ck_assert_uint_eq(pop3_pending(p), 0);
    pop3_free(p);
    alarm(0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- The suite ----------------------------------------------------------- */

static TCase *add_case(Suite *s, const char *name, void (*setup)(void))
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, setup, peer_teardown);
    suite_add_tcase(s, t);
    return t;
}

static void add_appending(Suite *s)
{
    TCase *t = add_case(s, "appending", piped_setup);

    tcase_add_loop_test(t,
                        a_queued_command_is_appended_then_flushed_then_answered,
                        0, COUNT(queuers) - 1);
    tcase_add_loop_test(t, a_refused_command_has_no_body, 0,
                        COUNT(queuers) - 1);
    tcase_add_test(t, flush_sends_all_and_later_calls_nothing_again);
    tcase_add_test(t, next_reply_flushes_first);
    tcase_add_loop_test(t, replies_come_in_order_with_their_tags_and_bodies, 0,
                        2);
    tcase_add_loop_test(t, what_is_left_of_a_body_is_skipped, 0, 4);
    tcase_add_test(t, flush_within_a_body_sends_and_leaves_the_body);
    tcase_add_test(
        t, without_anything_queued_there_is_nothing_to_flush_and_no_reply);
    tcase_add_test(t, without_a_connection_nothing_is_queued);
    tcase_add_loop_test(t, a_line_that_cannot_be_is_not_appended, 0,
                        COUNT(wrong_lines));
    tcase_add_test(t, close_forgets_what_was_queued);
    tcase_add_test(t, sending_waits_for_nothing_but_with_reading);
    tcase_add_test(t, debug_output_shows_a_command_when_it_is_sent);
}

static void add_window(Suite *s)
{
    TCase *t = add_case(s, "window", piped_setup);

    tcase_add_loop_test(
        t, one_by_one_a_command_waits_for_the_last_line_before_it, 0, 2);
    tcase_add_test(
        t, one_by_one_a_body_partly_read_is_skipped_before_the_next_is_sent);
    tcase_add_loop_test(t, a_window_bounds_the_commands_on_their_way, 1, 6);
    tcase_add_test(t,
                   a_full_window_is_filled_again_at_half_and_is_twice_as_large);
    tcase_add_test(t, the_window_doubles_up_to_sixteen_times);
    tcase_add_test(t, a_new_session_begins_with_the_window_that_was_set);
    tcase_add_loop_test(t, a_window_bounds_the_octets_of_the_replies, 0,
                        COUNT(octet_windows));
    tcase_add_test(t, a_window_short_of_octets_does_not_grow_in_commands);
    tcase_add_loop_test(t, a_window_short_of_commands_is_filled_at_half_of_them,
                        0, 2);
    tcase_add_loop_test(t, a_window_that_cannot_be_leaves_the_one_before, 0,
                        COUNT(windows));
    tcase_add_test(t,
                   a_window_set_while_commands_are_on_their_way_counts_at_once);
}

static void add_barriers(Suite *s)
{
    TCase *t = add_case(s, "barriers", piped_setup);

    tcase_add_loop_test(t, nothing_follows_a_barrier_before_its_reply, 0,
                        COUNT(barriers));
    tcase_add_loop_test(t, what_only_looks_like_a_barrier_is_none, 0, 3);
    tcase_add_test(t, a_queued_login_changes_the_state);
    tcase_add_loop_test(t, quit_ends_a_batch_and_closes_whatever_it_says, 0,
                        COUNT(quits));
    tcase_add_test(t, one_by_one_quit_goes_when_all_else_is_answered);
    tcase_add_test(t, quit_closes_where_death_came_before_it);
    tcase_add_test(t, as_poplib_a_refused_quit_leaves_the_queue);
}

static void add_deaths(Suite *s)
{
    TCase *t = add_case(s, "deaths", piped_setup);

    tcase_add_loop_test(t, death_answers_every_outstanding_command_alike, 0,
                        COUNT(deaths));
    tcase_add_loop_test(t, death_answers_what_was_not_sent_too, 0,
                        COUNT(deaths));
    tcase_add_loop_test(t, death_met_in_a_body_answers_what_is_behind_it, 0,
                        COUNT(deaths));
    tcase_add_test(t, nothing_is_queued_on_a_dead_connection);
    tcase_add_test(t, quit_closes_what_died_with_commands_outstanding);
    tcase_add_test(t, the_last_words_of_a_server_that_left_are_read);
}

static void add_steps(Suite *s)
{
    TCase *t = add_case(s, "in step", piped_setup);

    tcase_add_loop_test(t, what_nobody_asked_for_answers_no_queued_command, 0,
                        2);
    tcase_add_loop_test(t, what_comes_behind_the_last_reply_is_found_out, 0,
                        COUNT(next_calls));
    tcase_add_test(t, one_by_one_what_comes_between_two_replies_is_found_out);
    tcase_add_test(t, a_server_that_answers_out_of_step_is_found_out);
    tcase_add_test(t, without_pipelining_a_malformed_reply_is_that_alone);
    tcase_add_test(t, another_commands_answer_is_out_of_step_too);
    tcase_add_test(t, after_a_batch_a_plain_command_is_in_step_again);
    tcase_add_loop_test(
        t, a_plain_call_sends_nothing_while_replies_are_outstanding, 0,
        COUNT(plain_calls));
    tcase_add_test(t, shutdown_says_no_quit_while_replies_are_outstanding);
    tcase_add_test(t, shutdown_says_quit_when_all_is_answered);
}

static void add_results(Suite *s)
{
    TCase *t = add_case(s, "results", piped_setup);

    tcase_add_test(t, a_queued_reply_says_what_a_plain_one_does);
    tcase_add_loop_test(t, a_reply_that_is_none_of_its_kind_kills, 0,
                        COUNT(takers));
    tcase_add_loop_test(t, a_refusal_has_no_contents_and_goes_on, 0,
                        COUNT(takers));
    tcase_add_test(t, without_a_body_capabilities_stay_as_they_were);
    tcase_add_test(t, queued_listings_give_their_rows);
    tcase_add_test(t, queued_capabilities_are_remembered);
    tcase_add_loop_test(t, pipelining_is_what_capa_says, 0, COUNT(offers));
}

static void add_capabilities(Suite *s)
{
    TCase *t = add_case(s, "the library's own CAPA", peer_setup);

    tcase_add_loop_test(
        t, unknown_capabilities_are_asked_for_ahead_of_several_commands, 0, 2);
    tcase_add_test(t, a_command_of_its_own_needs_no_capabilities);
    tcase_add_loop_test(t, capabilities_that_are_not_to_be_asked_for_are_not, 0,
                        2);
    tcase_add_loop_test(
        t, refused_capabilities_count_as_none_and_nobody_hears_of_it, 0,
        COUNT(capa_refusals));
    tcase_add_loop_test(t, after_login_what_was_known_holds_and_capa_goes_along,
                        0, 2);
    tcase_add_test(
        t, after_login_capa_goes_alone_where_the_first_list_lacked_pipelining);
    tcase_add_test(t, after_login_a_lone_command_goes_without_capa);
    tcase_add_test(t, after_a_queued_login_capa_goes_ahead_of_the_rest);
    tcase_add_loop_test(t, a_capa_cut_off_by_death_answers_the_callers_commands,
                        0, 2 * COUNT(capa_deaths));
    tcase_add_test(
        t, death_before_capa_is_answered_answers_the_callers_commands_alone);
    tcase_add_test(t, a_capa_that_was_not_sent_is_nobodys_command_either);
}

static void add_logins(Suite *s)
{
    TCase *t = add_case(s, "USER and PASS", piped_setup);

    tcase_add_loop_test(t, with_pipelining_user_and_pass_go_in_one_flight, 0,
                        COUNT(logins));
    tcase_add_test(t, after_a_refused_login_another_may_be_tried);
    tcase_add_loop_test(t, one_by_one_pass_is_not_sent_behind_a_refused_user, 0,
                        2);
    tcase_add_loop_test(
        t, login_sends_nothing_where_one_of_both_lines_cannot_be, 0, 2);
    tcase_add_test(t, a_login_in_one_flight_shows_no_secret);
}

static void add_poplib(Suite *s)
{
    TCase *t = add_case(s, "poplib's rules", piped_setup);

    tcase_add_test(t, as_poplib_a_plus_is_success_and_any_other_line_refused);
    tcase_add_test(t, as_poplib_lines_too_long_are_skipped_with_their_body);
    tcase_add_test(t,
                   as_poplib_capabilities_too_long_are_skipped_and_not_known);
}

static void add_links(Suite *s)
{
    TCase *t = tcase_create("a link that takes no more");

    tcase_set_timeout(t, 150);
    tcase_add_loop_test(
        t, sending_never_waits_for_a_server_that_waits_to_be_read, 0, 2);
    suite_add_tcase(s, t);
}

Suite *queue_suite(void)
{
    Suite *s = suite_create("queue");

    add_appending(s);
    add_window(s);
    add_barriers(s);
    add_deaths(s);
    add_steps(s);
    add_results(s);
    add_capabilities(s);
    add_logins(s);
    add_poplib(s);
    add_links(s);
    return s;
}
