/*
 * check_reply.c - the suite over reply, buf and error
 * SPDX-License-Identifier: MIT
 *
 * What needs no connection: the parsers, growing memory, and messages. Wiping
 * is seen from within: the octets behind what a buffer still holds.
 */
#include "buf.h"
#include "peer.h"
#include "reply.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define BYTES(s) (s), sizeof(s) - 1

/* What a parser must leave alone where it fails. */
#define UNTOUCHED 4711

/* ---- Status lines ------------------------------------------------------------- */

static int is(struct p3_text text, const char *want)
{
    return text.len == strlen(want) &&
           (!text.len || !memcmp(text.data, want, text.len));
}

/* ok -1: no status line. */
static const struct {
    const char *line;
    int ok;
    const char *text;
    const char *code;
} status_lines[] = {
    {"+OK", 1, "", ""},
    {"+OK ", 1, "", ""},
    {"+OK 2 320", 1, "2 320", ""},
    {"+OK  two blanks", 1, " two blanks", ""},
    {"+OK [IN-USE] no code", 1, "[IN-USE] no code", ""},
    {"-ERR", 0, "", ""},
    {"-ERR ", 0, "", ""},
    {"-ERR no such message", 0, "no such message", ""},
    {"-ERR [IN-USE] locked", 0, "[IN-USE] locked", "IN-USE"},
    {"-ERR [SYS/TEMP]", 0, "[SYS/TEMP]", "SYS/TEMP"},
    {"-ERR [in-use]x", 0, "[in-use]x", "in-use"},
    {"-ERR [a[b]", 0, "[a[b]", "a[b"},
    {"-ERR []", 0, "[]", ""},
    {"-ERR [", 0, "[", ""},
    {"-ERR [IN-USE", 0, "[IN-USE", ""},
    {"-ERR [IN USE] x", 0, "[IN USE] x", ""},
    {"-ERR [IN\xC3\xA9] x", 0, "[IN\xC3\xA9] x", ""},
    {"-ERR [IN\x7FUSE] x", 0, "[IN\x7FUSE] x", ""},
    {"-ERR  [IN-USE] x", 0, " [IN-USE] x", ""},
    {"-ERR x [IN-USE]", 0, "x [IN-USE]", ""},
    {"", -1, NULL, NULL},
    {"+", -1, NULL, NULL},
    {"+ ", -1, NULL, NULL},
    {"+O", -1, NULL, NULL},
    {"+OKAY", -1, NULL, NULL},
    {"+OK\t2", -1, NULL, NULL},
    {"+ok", -1, NULL, NULL},
    {"+Ok 1", -1, NULL, NULL},
    {" +OK", -1, NULL, NULL},
    {"OK", -1, NULL, NULL},
    {"-ER", -1, NULL, NULL},
    {"-ERROR", -1, NULL, NULL},
    {"-err", -1, NULL, NULL},
    {"+ERR x", -1, NULL, NULL},
    {"* OK IMAP4rev1", -1, NULL, NULL},
    {"220 smtp.example.org", -1, NULL, NULL},
    {"HTTP/1.1 400 Bad Request", -1, NULL, NULL},
};

START_TEST(a_status_line_is_exactly_ok_or_err)
{
    struct p3_status s;
    const char *line = status_lines[_i].line;
    const int known = p3_reply_status(line, strlen(line), &s);

    ck_assert_int_eq(known, status_lines[_i].ok >= 0);
    if (!known)
        return;
    ck_assert_int_eq(s.ok, status_lines[_i].ok);
    ck_assert(is(s.text, status_lines[_i].text));
    ck_assert(is(s.code, status_lines[_i].code));
}
END_TEST

/* Of what lies behind a line in the buffer nothing is read. */
START_TEST(a_status_line_ends_where_its_length_says)
{
    struct p3_status s;

    ck_assert(p3_reply_status(BYTES("+OK"), &s));
    ck_assert(!p3_reply_status("+OK", 2, &s));
    ck_assert(p3_reply_status("+OKAY", 3, &s));
    ck_assert(p3_reply_status("-ERR [A]", 7, &s));
    ck_assert_uint_eq(s.code.len, 0);
    ck_assert(p3_reply_status(BYTES("+OK a\0b"), &s));
    ck_assert_uint_eq(s.text.len, 3);
    ck_assert(!p3_reply_status(BYTES("+OK\0"), &s));
}
END_TEST

static const struct {
    const char *line;
    int ok;
    const char *text;
} poplib_status_lines[] = {
    {"+OK 2 320", 1, "2 320"},
    {"+OK", 1, ""},
    {"-ERR [IN-USE] x", 0, "[IN-USE] x"},
    {"+", 1, "+"},
    {"+ Y2hhbGxlbmdl", 1, "+ Y2hhbGxlbmdl"},
    {"+anything", 1, "+anything"},
    {"+ERR x", 1, "+ERR x"},
    {"", 0, ""},
    {"-", 0, "-"},
    {"ok", 0, "ok"},
    {" +OK", 0, " +OK"},
};

START_TEST(a_status_line_of_poplib_begins_with_a_plus_or_is_a_refusal)
{
    struct p3_status s;
    const char *line = poplib_status_lines[_i].line;

    p3_reply_poplib_status(line, strlen(line), &s);
    ck_assert_int_eq(s.ok, poplib_status_lines[_i].ok);
    ck_assert(is(s.text, poplib_status_lines[_i].text));
}
END_TEST

/* ---- Words and numbers ---------------------------------------------------------- */

/* The words, a "|" behind each. */
static const struct {
    const char *line;
    const char *words;
} word_lines[] = {
    {"", ""},
    {" ", ""},
    {" \t ", ""},
    {"TOP", "TOP|"},
    {"SASL PLAIN SCRAM-SHA-256", "SASL|PLAIN|SCRAM-SHA-256|"},
    {"  EXPIRE\t 60 \tUSER  ", "EXPIRE|60|USER|"},
    {"a\rb c\nd", "a\rb|c\nd|"},
    {"\xC2\xA0x y", "\xC2\xA0x|y|"},
};

START_TEST(words_are_apart_by_blanks_and_tabs)
{
    struct p3_text text = {word_lines[_i].line, strlen(word_lines[_i].line)};
    struct p3_text word;
    struct p3_buf words;

    p3_buf_init(&words, 0, 0);
    while (p3_reply_word(&text, &word)) {
        ck_assert(p3_buf_add(&words, word.data, word.len));
        ck_assert(p3_buf_add_str(&words, "|"));
    }
    ck_assert_str_eq(p3_buf_text(&words), word_lines[_i].words);
    ck_assert_uint_eq(text.len, 0);
    p3_buf_release(&words);
}
END_TEST

static const struct {
    const char *text;
    uint64_t number;
    const char *rest;
} numbers[] = {
    {"0", 0, ""},
    {"7", 7, ""},
    {"007", 7, ""},
    {" \t42", 42, ""},
    {"1 2", 1, " 2"},
    {"12\t", 12, "\t"},
    {"18446744073709551614", UINT64_MAX - 1, ""},
    {"18446744073709551615", UINT64_MAX, ""},
    {"00000000000000000000000000000000000000001", 1, ""},
};

START_TEST(a_number_is_the_digits_of_a_word)
{
    struct p3_text text = {numbers[_i].text, strlen(numbers[_i].text)};
    uint64_t n = UNTOUCHED;

    ck_assert(p3_reply_number(&text, &n));
    ck_assert(n == numbers[_i].number);
    ck_assert(is(text, numbers[_i].rest));
}
END_TEST

static const struct {
    const char *text;
    size_t len;
} no_numbers[] = {
    {BYTES("")},
    {BYTES(" ")},
    {BYTES("x")},
    {BYTES("-1")},
    {BYTES("+1")},
    {BYTES("0x10")},
    {BYTES("1x")},
    {BYTES("1/")},
    {BYTES("1:")},
    {BYTES("1.5")},
    {BYTES("1,000")},
    {BYTES("1\r")},
    {BYTES("1\0")},
    {BYTES("\xB2")},
    {BYTES("18446744073709551616")},
    {BYTES("18446744073709551620")},
    {BYTES("28446744073709551615")},
    {BYTES("184467440737095516150")},
    {BYTES("99999999999999999999999999999999999999999")},
};

START_TEST(what_is_no_number_or_overflows_is_refused)
{
    struct p3_text text = {no_numbers[_i].text, no_numbers[_i].len};
    uint64_t n = UNTOUCHED;

    ck_assert(!p3_reply_number(&text, &n));
    ck_assert(n == UNTOUCHED);
}
END_TEST

/* ---- Rows ----------------------------------------------------------------------- */

static const struct {
    const char *line;
    int parses;
    uint64_t number, octets;
} size_lines[] = {
    {"1 120", 1, 1, 120},
    {"  1\t 120  ", 1, 1, 120},
    {"1 120 what else", 1, 1, 120},
    {"0 0", 1, 0, 0},
    {"18446744073709551615 18446744073709551615", 1, UINT64_MAX, UINT64_MAX},
    {"", 0, 0, 0},
    {"1", 0, 0, 0},
    {"1 ", 0, 0, 0},
    {"x 120", 0, 0, 0},
    {"1 x", 0, 0, 0},
    {"1 -120", 0, 0, 0},
    {"-1 120", 0, 0, 0},
    {"1 18446744073709551616", 0, 0, 0},
    {"18446744073709551616 1", 0, 0, 0},
};

START_TEST(a_row_of_list_is_two_numbers)
{
    const char *line = size_lines[_i].line;
    struct p3_text text = {line, strlen(line)};
    pop3_size row = {UNTOUCHED, UNTOUCHED};

    ck_assert_int_eq(p3_reply_size(text, &row), size_lines[_i].parses);
    if (!size_lines[_i].parses) {
        ck_assert(row.number == UNTOUCHED && row.octets == UNTOUCHED);
        return;
    }
    ck_assert(row.number == size_lines[_i].number);
    ck_assert(row.octets == size_lines[_i].octets);
}
END_TEST

static const struct {
    const char *line;
    size_t line_len;
    int parses;
    uint64_t number;
    const char *uid;
    size_t uid_len;
} uid_lines[] = {
    {BYTES("1 whqtswO00WBw418f9t5JxYwZ"), 1, 1,
     BYTES("whqtswO00WBw418f9t5JxYwZ")},
    {BYTES(" 2 \t a"), 1, 2, BYTES("a")},
    {BYTES("3 with blanks in it "), 1, 3, BYTES("with blanks in it ")},
    {BYTES("4 ../../etc/passwd"), 1, 4, BYTES("../../etc/passwd")},
    {BYTES("5 \x80\xFF\xC3\xA9"), 1, 5, BYTES("\x80\xFF\xC3\xA9")},
    {BYTES("6 a\0b"), 1, 6, BYTES("a\0b")},
    {BYTES("7 8"), 1, 7, BYTES("8")},
    {BYTES(""), 0, 0, NULL, 0},
    {BYTES("1"), 0, 0, NULL, 0},
    {BYTES("1 "), 0, 0, NULL, 0},
    {BYTES("1 \t "), 0, 0, NULL, 0},
    {BYTES("x uid"), 0, 0, NULL, 0},
    {BYTES("-1 uid"), 0, 0, NULL, 0},
    {BYTES("18446744073709551616 uid"), 0, 0, NULL, 0},
};

START_TEST(a_row_of_uidl_is_a_number_and_the_rest_of_the_line)
{
    struct p3_text text = {uid_lines[_i].line, uid_lines[_i].line_len};
    pop3_uid row = {UNTOUCHED, UNTOUCHED, NULL};

    ck_assert_int_eq(p3_reply_uid(text, &row), uid_lines[_i].parses);
    if (!uid_lines[_i].parses) {
        ck_assert(row.number == UNTOUCHED && row.length == UNTOUCHED);
        ck_assert_ptr_null(row.uid);
        return;
    }
    ck_assert(row.number == uid_lines[_i].number);
    ck_assert_uint_eq(row.length, uid_lines[_i].uid_len);
    ck_assert_mem_eq(row.uid, uid_lines[_i].uid, row.length);
}
END_TEST

/* ---- The APOP timestamp ------------------------------------------------------------ */

/* stamp NULL: none. */
static const struct {
    const char *greeting;
    const char *stamp;
} greetings[] = {
    {"+OK POP3 <1896.697170952@dbc.mtview.ca.us>",
     "<1896.697170952@dbc.mtview.ca.us>"},
    {"+OK<a@b>", "<a@b>"},
    {"+OK <a@b> and <c@d>", "<a@b>"},
    {"+OK <no.at> <a@b>", "<a@b>"},
    {"+OK <<a@b>", "<a@b>"},
    {"+OK < <a@b>>", "<a@b>"},
    {"+OK <a b@c> <a@b>", "<a@b>"},
    {"+OK <a@b@c>", "<a@b@c>"},
    {"+OK ready", NULL},
    {"+OK <mail.example.org>", NULL},
    {"+OK <a@b", NULL},
    {"+OK a@b>", NULL},
    {"+OK <@b>", NULL},
    {"+OK <a@>", NULL},
    {"+OK <@>", NULL},
    {"+OK <>", NULL},
    {"+OK <", NULL},
    {"+OK <a @b>", NULL},
    {"+OK <a@b\tc>", NULL},
    {"+OK <a@b\x7F>", NULL},
    {"+OK <a@b\x1B[2J>", NULL},
    {"+OK <a@b\xC3\xA9>", NULL},
    {"", NULL},
};

START_TEST(a_timestamp_is_a_message_id_of_printable_ascii)
{
    const char *line = greetings[_i].greeting;
    struct p3_text stamp;
    int there = p3_reply_challenge(line, strlen(line), &stamp);

    ck_assert_int_eq(there, greetings[_i].stamp != NULL);
    if (there)
        ck_assert(is(stamp, greetings[_i].stamp));
}
END_TEST

/* Python's CVE-2018-1060 was a regular expression here. */
START_TEST(a_timestamp_is_looked_for_in_linear_time)
{
    static char line[1 << 20];
    struct p3_text stamp;

    memset(line, "<@"[_i], sizeof line);
    line[0] = '<';
    ck_assert(!p3_reply_challenge(line, sizeof line, &stamp));
    line[sizeof line - 1] = '\0';
    ck_assert(!p3_reply_challenge(line, sizeof line, &stamp));
}
END_TEST

/* ---- Growing memory ------------------------------------------------------------------ */

/* A plain buffer, one with a limit nobody meets, and a secret one. */
static const struct {
    size_t limit;
    int secret;
} kinds[] = {{0, 0}, {1 << 20, 0}, {0, 1}};

START_TEST(a_buffer_holds_what_was_added_and_a_nul_behind_it)
{
    struct p3_buf b;
    size_t i;
    char octet;

    p3_buf_init(&b, kinds[_i].limit, kinds[_i].secret);
    ck_assert_str_eq(p3_buf_text(&b), "");
    for (i = 0; i < 10000; i++) {
        octet = (char)i;
        ck_assert(p3_buf_add(&b, &octet, 1));
        ck_assert_uint_eq(b.len, i + 1);
        ck_assert_uint_gt(b.cap, b.len);
        ck_assert_int_eq(b.data[b.len], '\0');
    }
    for (i = 0; i < 10000; i++)
        ck_assert_int_eq(b.data[i], (char)i);
    p3_buf_release(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(adding_nothing_leaves_an_empty_text)
{
    struct p3_buf b;

    p3_buf_init(&b, kinds[_i].limit, kinds[_i].secret);
    ck_assert(p3_buf_add(&b, NULL, 0));
    ck_assert_ptr_nonnull(b.data);
    ck_assert_str_eq(b.data, "");
    p3_buf_release(&b);
    p3_buf_release(&b);
}
END_TEST

START_TEST(formatted_text_goes_behind_what_is_there)
{
    struct p3_buf b;
    char text[201];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    p3_buf_init(&b, kinds[_i].limit, kinds[_i].secret);
    ck_assert(p3_buf_addf(&b, "%s", ""));
    ck_assert_str_eq(b.data, "");
    ck_assert(p3_buf_add_str(&b, "TOP"));
    ck_assert(p3_buf_addf(&b, " %d %s", 1, text));
    ck_assert_uint_eq(b.len, 206);
    ck_assert(!memcmp(b.data, "TOP 1 xxx", 9));
    ck_assert_str_eq(b.data + 6, text);
    p3_buf_release(&b);
}
END_TEST

START_TEST(a_buffer_takes_its_limit_and_no_octet_more)
{
    struct p3_buf b;

    p3_buf_init(&b, 100, _i);
    ck_assert(p3_buf_addf(&b, "%099d", 7));
    ck_assert(!p3_buf_add_str(&b, "ab"));
    ck_assert(!p3_buf_addf(&b, "%d", 42));
    ck_assert_uint_eq(b.len, 99);
    ck_assert_int_eq(b.data[98], '7');
    ck_assert_int_eq(b.data[99], '\0');
    ck_assert(p3_buf_add_str(&b, "8"));
    ck_assert_uint_eq(b.len, 100);
    ck_assert(p3_buf_add(&b, NULL, 0));
    ck_assert(!p3_buf_reserve(&b, 1));
    ck_assert(!p3_buf_add_str(&b, "9"));
    ck_assert_int_eq(b.data[99], '8');
    p3_buf_release(&b);
}
END_TEST

static const size_t absurd[] = {SIZE_MAX,     SIZE_MAX - 1, SIZE_MAX - 4,
                                SIZE_MAX - 5, SIZE_MAX / 2, SIZE_MAX / 2 + 1};

START_TEST(an_absurd_size_is_refused_and_not_wrapped_around)
{
    struct p3_buf b;

    p3_buf_init(&b, 0, 0);
    ck_assert(p3_buf_add_str(&b, "kept"));
    ck_assert(!p3_buf_reserve(&b, absurd[_i]));
    ck_assert_str_eq(p3_buf_text(&b), "kept");
    p3_buf_release(&b);
}
END_TEST

/* What was reserved needs no memory any more. */
START_TEST(what_is_reserved_is_there)
{
    struct p3_buf b;
    const char *place;
    size_t i;

    p3_buf_init(&b, 0, _i);
    ck_assert(p3_buf_reserve(&b, 1000));
    place = b.data;
    for (i = 0; i < 1000; i++)
        ck_assert(p3_buf_add(&b, "x", 1));
    ck_assert_ptr_eq(b.data, place);
    p3_buf_release(&b);
}
END_TEST

static const struct {
    size_t drop, keep;
    const char *consumed;
    const char *truncated;
} cuts[] = {
    {0, 6, "secret", "secret"},
    {1, 5, "ecret", "secre"},
    {2, 4, "cret", "secr"},
    {5, 1, "t", "s"},
    {6, 0, "", ""},
    {0, 7, "secret", "secret"},
};

static int all_zero(const char *p, size_t len)
{
    while (len--)
        if (*p++)
            return 0;
    return 1;
}

START_TEST(what_a_secret_buffer_consumed_is_wiped)
{
    struct p3_buf b;

    p3_buf_init(&b, 0, 1);
    ck_assert(p3_buf_add_str(&b, "secret"));
    p3_buf_consume(&b, cuts[_i].drop);
    ck_assert_str_eq(p3_buf_text(&b), cuts[_i].consumed);
    ck_assert_uint_eq(b.len, strlen(cuts[_i].consumed));
    ck_assert(all_zero(b.data + b.len, 7 - b.len));
    p3_buf_release(&b);
}
END_TEST

START_TEST(what_a_secret_buffer_was_truncated_by_is_wiped)
{
    struct p3_buf b;

    p3_buf_init(&b, 0, 1);
    ck_assert(p3_buf_add_str(&b, "secret"));
    p3_buf_truncate(&b, cuts[_i].keep);
    ck_assert_str_eq(p3_buf_text(&b), cuts[_i].truncated);
    ck_assert(all_zero(b.data + b.len, 7 - b.len));
    p3_buf_release(&b);
}
END_TEST

START_TEST(a_plain_buffer_is_cut_in_the_same_way)
{
    struct p3_buf b;

    p3_buf_init(&b, 0, 0);
    ck_assert(p3_buf_add_str(&b, "secret"));
    p3_buf_truncate(&b, cuts[_i].keep);
    ck_assert_str_eq(p3_buf_text(&b), cuts[_i].truncated);
    p3_buf_truncate(&b, 0);
    ck_assert(p3_buf_add_str(&b, "secret"));
    p3_buf_consume(&b, cuts[_i].drop);
    ck_assert_str_eq(p3_buf_text(&b), cuts[_i].consumed);
    p3_buf_release(&b);
}
END_TEST

START_TEST(strings_are_copied_whole_or_in_part)
{
    char *whole = p3_strdup("whole"), *part = p3_strndup("part of it", 4);
    char *none = p3_strndup("", 0);

    ck_assert_str_eq(whole, "whole");
    ck_assert_str_eq(part, "part");
    ck_assert_str_eq(none, "");
    free(whole);
    free(none);
    p3_free_secret(part);
    p3_free_secret(NULL);
}
END_TEST

/* ---- Messages -------------------------------------------------------------------------- */

static const struct {
    const char *said;
    const char *shown;
} messages[] = {
    {"\xE0\x80\x9B[31m", "\xE0??[31m"}, /* CSI in too many octets */
    {"\xF0\x80\x80\x9B[2J", "\xF0???[2J"},
    {"plain words, 100%", "plain words, 100%"},
    {"\x1B[31mred\x1B[0m", "?[31mred?[0m"},
    {"two\r\nlines\tand a tab", "two??lines?and a tab"},
    {"\x01\x1F\x7F", "???"},
    {"\b\b\bforged", "???forged"},
    /* C1 controls, raw and in UTF-8: U+0080, U+009B (CSI), U+009F */
    {"\x80\x9B"
     "31m\x9F",
     "??31m?"},
    {"\xC2\x80\xC2\x9B"
     "31m\xC2\x9F",
     "????31m??"},
    /* UTF-8 that stays: U+00A0, e acute, euro, an emoji, U+10FFFF */
    {"\xC2\xA0\xC3\xA9", "\xC2\xA0\xC3\xA9"},
    {"\xE2\x82\xAC", "\xE2\x82\xAC"},
    {"\xF0\x9F\x93\xA7", "\xF0\x9F\x93\xA7"},
    {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
    /* letters of other character sets stay; what may be C1 does not */
    {"caf\xE9", "caf\xE9"},
    {"\xE9\x9B", "\xE9?"},
    {"\xC3", "\xC3"},
    {"\xF0\x9F\x93", "\xF0??"},
    {"\xC0\x9B", "\xC0?"},
    {"\xF5\x90\x80\x80", "\xF5???"},
    {"\xC3\x1B[m", "\xC3?[m"},
};

START_TEST(what_the_server_said_is_harmless_in_a_message)
{
    struct p3_error e;

    ck_assert_int_eq(
        p3_error_set(&e, POP3_ERROR_PROTO, "%s", messages[_i].said),
        POP3_ERROR_PROTO);
    ck_assert_int_eq(e.code, POP3_ERROR_PROTO);
    ck_assert_str_eq(e.text, messages[_i].shown);
}
END_TEST

/* A character that is cut in two at the end is made harmless too. */
START_TEST(a_message_too_long_is_cut)
{
    struct p3_error e;
    char words[2048];
    size_t at = sizeof e.text - 3;

    memset(words, 'x', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    p3_error_set(&e, POP3_ERROR_PROTO, "%s", words);
    ck_assert_uint_eq(strlen(e.text), sizeof e.text - 1);
    memcpy(words + at, "\xE2\x82\xAC", 3);
    p3_error_set(&e, POP3_ERROR_PROTO, "%s", words);
    ck_assert_uint_eq(strlen(e.text), sizeof e.text - 1);
    ck_assert_str_eq(e.text + at, "\xE2?");
}
END_TEST

START_TEST(memory_has_one_message_and_a_cleared_error_none)
{
    struct p3_error e;

    ck_assert_int_eq(p3_error_memory(&e), POP3_ERROR_MEMORY);
    ck_assert_int_eq(e.code, POP3_ERROR_MEMORY);
    ck_assert_str_eq(e.text, "out of memory");
    p3_error_clear(&e);
    ck_assert_int_eq(e.code, POP3_OK);
    ck_assert_str_eq(e.text, "");
}
END_TEST

static const struct {
    pop3_code code;
    int number;
    const char *name;
} code_names[] = {
    {POP3_OK, 0, "POP3_OK"},
    {POP3_ERROR_PROTO, 1, "POP3_ERROR_PROTO"},
    {POP3_ERROR_MALFORMED, 2, "POP3_ERROR_MALFORMED"},
    {POP3_ERROR_TOO_LONG, 3, "POP3_ERROR_TOO_LONG"},
    {POP3_ERROR_CLOSED, 4, "POP3_ERROR_CLOSED"},
    {POP3_ERROR_TIMEOUT, 5, "POP3_ERROR_TIMEOUT"},
    {POP3_ERROR_RESOLVE, 6, "POP3_ERROR_RESOLVE"},
    {POP3_ERROR_CONNECT, 7, "POP3_ERROR_CONNECT"},
    {POP3_ERROR_TLS, 8, "POP3_ERROR_TLS"},
    {POP3_ERROR_CERTIFICATE, 9, "POP3_ERROR_CERTIFICATE"},
    {POP3_ERROR_INSECURE, 10, "POP3_ERROR_INSECURE"},
    {POP3_ERROR_UNSUPPORTED, 11, "POP3_ERROR_UNSUPPORTED"},
    {POP3_ERROR_ARGUMENT, 12, "POP3_ERROR_ARGUMENT"},
    {POP3_ERROR_STATE, 13, "POP3_ERROR_STATE"},
    {POP3_ERROR_MEMORY, 14, "POP3_ERROR_MEMORY"},
    {POP3_ERROR_IO, 15, "POP3_ERROR_IO"},
    {POP3_ERROR_STOPPED, 16, "POP3_ERROR_STOPPED"},
};

START_TEST(every_code_has_its_number_its_name_and_its_meaning)
{
    pop3_code code = code_names[_i].code;

    ck_assert_int_eq((int)code, code_names[_i].number);
    ck_assert_str_eq(pop3_code_name(code), code_names[_i].name);
    ck_assert_uint_gt(strlen(pop3_strerror(code)), 0);
    ck_assert_str_ne(pop3_strerror(code), pop3_code_name(code));
}
END_TEST

static const int no_codes[] = {17, 1000, -1};

START_TEST(what_is_no_code_is_said_to_be_none)
{
    ck_assert_str_eq(pop3_code_name((pop3_code)no_codes[_i]), "unknown code");
    ck_assert_str_eq(pop3_strerror((pop3_code)no_codes[_i]), "unknown code");
}
END_TEST

/* ---- The suite ---- */

static void add_parsers(Suite *suite)
{
    TCase *t = tcase_create("parsers");

    tcase_add_loop_test(t, a_status_line_is_exactly_ok_or_err, 0,
                        (int)COUNT(status_lines));
    tcase_add_test(t, a_status_line_ends_where_its_length_says);
    tcase_add_loop_test(
        t, a_status_line_of_poplib_begins_with_a_plus_or_is_a_refusal, 0,
        (int)COUNT(poplib_status_lines));
    tcase_add_loop_test(t, words_are_apart_by_blanks_and_tabs, 0,
                        (int)COUNT(word_lines));
    tcase_add_loop_test(t, a_number_is_the_digits_of_a_word, 0,
                        (int)COUNT(numbers));
    tcase_add_loop_test(t, what_is_no_number_or_overflows_is_refused, 0,
                        (int)COUNT(no_numbers));
    tcase_add_loop_test(t, a_row_of_list_is_two_numbers, 0,
                        (int)COUNT(size_lines));
    tcase_add_loop_test(t, a_row_of_uidl_is_a_number_and_the_rest_of_the_line,
                        0, (int)COUNT(uid_lines));
    tcase_add_loop_test(t, a_timestamp_is_a_message_id_of_printable_ascii, 0,
                        (int)COUNT(greetings));
    tcase_add_loop_test(t, a_timestamp_is_looked_for_in_linear_time, 0, 2);
    suite_add_tcase(suite, t);
}

static void add_memory(Suite *suite)
{
    TCase *t = tcase_create("memory");

    tcase_add_loop_test(t, a_buffer_holds_what_was_added_and_a_nul_behind_it, 0,
                        (int)COUNT(kinds));
    tcase_add_loop_test(t, adding_nothing_leaves_an_empty_text, 0,
                        (int)COUNT(kinds));
    tcase_add_loop_test(t, formatted_text_goes_behind_what_is_there, 0,
                        (int)COUNT(kinds));
    tcase_add_loop_test(t, a_buffer_takes_its_limit_and_no_octet_more, 0, 2);
    tcase_add_loop_test(t, an_absurd_size_is_refused_and_not_wrapped_around, 0,
                        (int)COUNT(absurd));
    tcase_add_loop_test(t, what_is_reserved_is_there, 0, 2);
    tcase_add_loop_test(t, what_a_secret_buffer_consumed_is_wiped, 0,
                        (int)COUNT(cuts));
    tcase_add_loop_test(t, what_a_secret_buffer_was_truncated_by_is_wiped, 0,
                        (int)COUNT(cuts));
    tcase_add_loop_test(t, a_plain_buffer_is_cut_in_the_same_way, 0,
                        (int)COUNT(cuts));
    tcase_add_test(t, strings_are_copied_whole_or_in_part);
    suite_add_tcase(suite, t);
}

static void add_messages(Suite *suite)
{
    TCase *t = tcase_create("messages");

    tcase_add_loop_test(t, what_the_server_said_is_harmless_in_a_message, 0,
                        (int)COUNT(messages));
    tcase_add_test(t, a_message_too_long_is_cut);
    tcase_add_test(t, memory_has_one_message_and_a_cleared_error_none);
    tcase_add_loop_test(t, every_code_has_its_number_its_name_and_its_meaning,
                        0, (int)COUNT(code_names));
    tcase_add_loop_test(t, what_is_no_code_is_said_to_be_none, 0,
                        (int)COUNT(no_codes));
    suite_add_tcase(suite, t);
}

Suite *reply_suite(void)
{
    Suite *suite = suite_create("reply");

    add_parsers(suite);
    add_memory(suite);
    add_messages(suite);
    return suite;
}
