/*
 * check_reader.c - the suite over reader and body
 * SPDX-License-Identifier: MIT
 *
 * Where lines and bodies end, and that it does not matter how their octets
 * come. Below, the reader alone over the peer's stream, every read cut where a
 * test wants it; then the same through the public functions.
 */
#include "peer.h"
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define BYTES(s) (s), sizeof(s) - 1

/* A reply's body on the wire, and what it is. */
struct body {
    const char *wire;
    size_t wire_len;
    const char *text;
    size_t text_len;
};

static const struct body crlf_bodies[] = {
    {BYTES(".\r\n"), BYTES("")},
    {BYTES("\r\n.\r\n"), BYTES("\r\n")},
    {BYTES("a\r\n.\r\n"), BYTES("a\r\n")},
    {BYTES("a\r\n\r\nb\r\n.\r\n"), BYTES("a\r\n\r\nb\r\n")},
    /* stuffed dots */
    {BYTES("..\r\n.\r\n"), BYTES(".\r\n")},
    {BYTES("...\r\n....\r\n.\r\n"), BYTES("..\r\n...\r\n")},
    {BYTES("..a\r\n..b\r\n.\r\n"), BYTES(".a\r\n.b\r\n")},
    {BYTES("a..\r\n ..\r\n.\r\n"), BYTES("a..\r\n ..\r\n")},
    /* dots of a server that does not stuff */
    {BYTES(".x\r\n.\r\n"), BYTES(".x\r\n")},
    {BYTES(". \r\n.\t\r\n.\r\n"), BYTES(". \r\n.\t\r\n")},
    /* no end of the body: the tricks with bare LF and CR */
    {BYTES("a\n.\nb\r\n.\r\n"), BYTES("a\n.\nb\r\n")},
    {BYTES("a\n.\r\nb\r\n.\r\n"), BYTES("a\n.\r\nb\r\n")},
    {BYTES("a\r\n.\nb\r\n.\r\n"), BYTES("a\r\n.\nb\r\n")},
    {BYTES("a\r.\r\nb\r.\rc\r\n.\r\n"), BYTES("a\r.\r\nb\r.\rc\r\n")},
    {BYTES(".\rx\r\n.\r\n"), BYTES(".\rx\r\n")},
    {BYTES(".\r\r\n.\r\n"), BYTES(".\r\r\n")},
    {BYTES(".\n\r\n.\r\n"), BYTES(".\n\r\n")},
    {BYTES("\n.\r\n.\r\n"), BYTES("\n.\r\n")},
    {BYTES("\n..\r\n.\r\n"), BYTES("\n..\r\n")},
    {BYTES("..\n.\r\n..\r\n.\r\n"), BYTES(".\n.\r\n.\r\n")},
    /* CRs that are and are not of a line's end */
    {BYTES("a\rb\r\n.\r\n"), BYTES("a\rb\r\n")},
    {BYTES("a\r\r\n.\r\n"), BYTES("a\r\r\n")},
    {BYTES("\r\r\n\n\r\n.\r\n"), BYTES("\r\r\n\n\r\n")},
    /* octets that are no text */
    {BYTES("a\0b\r\n\0\r\n\0.\r\n.\r\n"), BYTES("a\0b\r\n\0\r\n\0.\r\n")},
    {BYTES(".\0\r\n.\r\n"), BYTES(".\0\r\n")},
    {BYTES("\x80\xFF\xC3\xA9\r\n.\r\n"), BYTES("\x80\xFF\xC3\xA9\r\n")},
};

static const struct body lf_bodies[] = {
    {BYTES(".\n"), BYTES("")},
    {BYTES(".\r\n"), BYTES("")},
    {BYTES("a\n.\n"), BYTES("a\n")},
    {BYTES("a\r\n.\r\n"), BYTES("a\r\n")},
    {BYTES("a\nb\r\n.\n"), BYTES("a\nb\r\n")},
    {BYTES("\n\n.\n"), BYTES("\n\n")},
    {BYTES("..\n...\r\n.\n"), BYTES(".\n..\r\n")},
    {BYTES(".x\n.\n"), BYTES(".x\n")},
    {BYTES(".\rx\n.\r\n"), BYTES(".\rx\n")},
    {BYTES(".\r\r\n.\n"), BYTES(".\r\r\n")},
    {BYTES("a\r.\rb\n.\n"), BYTES("a\r.\rb\n")},
    {BYTES("a\0\n.\0\n.\n"), BYTES("a\0\n.\0\n")},
};

/* ---- The reader alone -------------------------------------------------------- */

static struct p3_error error;
static struct p3_stream stream;
static struct p3_reader reader;
static struct p3_buf got;
static size_t taken; /* octets read from the peer since begin */
static size_t cut;   /* no read goes over this many of them */

static int64_t cut_read(void *arg, void *data, size_t size)
{
    int64_t n;

    if (taken < cut && size > cut - taken)
        size = cut - taken;
    n = peer_stream.read(arg, data, size);
    if (n > 0)
        taken += (size_t)n;
    return n;
}

static void setup(void)
{
    pop3_stream io = peer_stream;

    peer_reset();
    io.read = cut_read;
    p3_error_clear(&error);
    p3_stream_init(&stream, &error);
    p3_stream_open_io(&stream, &io, NULL);
    ck_assert_int_eq(p3_reader_init(&reader, &stream), POP3_OK);
    p3_buf_init(&got, 0, 0);
}

static void teardown(void)
{
    p3_reader_release(&reader);
    p3_stream_release(&stream);
    p3_buf_release(&got);
    ck_assert_int_eq(peer_closings(), 1);
}

/* The peer says that and nothing else; a reply of that framing comes. */
static void begin(enum p3_framing framing, const char *wire, size_t len)
{
    peer_reset();
    peer_says_bytes(wire, len);
    p3_error_clear(&error);
    p3_reader_drop(&reader);
    p3_reader_expect(&reader, framing);
    p3_buf_truncate(&got, 0);
    taken = 0;
    cut = 0;
}

enum way { BY_SLICES, BY_LINE_SLICES, BY_LINES, WAYS };

static size_t count_lf(const char *data, size_t len)
{
    size_t n = 0;

    while (len--)
        n += data[len] == '\n';
    return n;
}

static pop3_code take_slices(int by_line)
{
    struct p3_slice s = {.data = NULL};
    pop3_code rc;

    do {
        rc = p3_reader_slice(&reader, by_line, &s);
        if (rc)
            return rc;
        if (s.data)
            ck_assert_uint_gt(s.len, 0);
        if (s.data && s.ends_line)
            ck_assert_int_eq(s.data[s.len - 1], '\n');
        if (s.data && by_line && reader.framing == P3_FRAMING_BODY_LF)
            ck_assert_uint_eq(count_lf(s.data, s.len), (size_t)s.ends_line);
        ck_assert(p3_buf_add(&got, s.data, s.len));
    } while (s.data);
    return POP3_OK;
}

/* The line ends are put back as the counts tell. */
static pop3_code take_lines(void)
{
    struct p3_line line = {NULL, 0, 0, 0};
    pop3_code rc;

    for (;;) {
        rc = p3_reader_line(&reader, 0, &line);
        if (rc || !line.data)
            return rc;
        ck_assert_int_eq(line.data[line.len], '\0');
        ck_assert_uint_eq(line.octets, line.len + 1 + (size_t)line.crlf);
        ck_assert(p3_buf_add(&got, line.data, line.len));
        ck_assert(p3_buf_add_str(&got, line.crlf ? "\r\n" : "\n"));
    }
}

static pop3_code take(enum way way)
{
    return way == BY_LINES ? take_lines() : take_slices(way == BY_LINE_SLICES);
}

static int same(const struct p3_buf *b, const char *text, size_t len)
{
    return b->len == len && (!len || memcmp(b->data, text, len) == 0);
}

static const size_t chunks[] = {0, 1, 2, 3, 5};

/* The body that was begun gives its text, and the next reply stays whole. */
static void check_body(const struct body *b, size_t at, size_t chunk,
                       enum way way)
{
    struct p3_line next = {NULL, 0, 0, 0};
    pop3_code rc;

    peer_says("+OK next\r\n");
    cut = at;
    peer_chunk(chunk);
    rc = take(way);
    ck_assert_msg(!rc && same(&got, b->text, b->text_len),
                  "\"%s\" cut at %zu, chunks of %zu, way %d: %s, \"%s\"",
                  b->wire, at, chunk, (int)way, pop3_code_name(rc),
                  p3_buf_text(&got));
    p3_reader_expect(&reader, P3_FRAMING_STATUS);
    ck_assert_int_eq(p3_reader_line(&reader, 0, &next), POP3_OK);
    ck_assert_str_eq(next.data, "+OK next");
}

static void check_every_cut(enum p3_framing framing, const struct body *b)
{
    size_t at, i;
    int way;

    for (at = 0; at <= b->wire_len; at++)
        for (i = 0; i < COUNT(chunks); i++)
            for (way = 0; way < WAYS; way++) {
                begin(framing, b->wire, b->wire_len);
                check_body(b, at, chunks[i], (enum way)way);
            }
}

START_TEST(a_crlf_body_is_the_same_wherever_it_is_cut)
{
    check_every_cut(P3_FRAMING_BODY_CRLF, &crlf_bodies[_i]);
}
END_TEST

START_TEST(an_lf_body_is_the_same_wherever_it_is_cut)
{
    check_every_cut(P3_FRAMING_BODY_LF, &lf_bodies[_i]);
}
END_TEST

/*
 * What RFC 1939, 3 says, by looking at the whole at once: gives the text to
 * want, returns how many octets the body takes.
 */
static size_t read_by_the_rfc(enum p3_framing framing, const char *wire,
                              size_t len, struct p3_buf *want)
{
    const char *eol = framing == P3_FRAMING_BODY_LF ? "\n" : "\r\n";
    const char *p = wire, *end;
    size_t n;

    for (;; p = end) {
        end = memmem(p, len - (size_t)(p - wire), eol, strlen(eol));
        ck_assert_ptr_nonnull(end);
        end += strlen(eol);
        n = (size_t)(end - p);
        if ((n == 3 && !memcmp(p, ".\r\n", 3)) ||
            (n == 2 && !memcmp(p, ".\n", 2)))
            return (size_t)(end - wire);
        if (p[0] == '.' && p[1] == '.')
            p++;
        ck_assert(p3_buf_add(want, p, (size_t)(end - p)));
    }
}

static void check_against_the_rfc(enum p3_framing framing, const char *wire,
                                  size_t len)
{
    struct p3_buf want;
    size_t octets, chunk;
    pop3_code rc;
    int way;

    p3_buf_init(&want, 0, 0);
    octets = read_by_the_rfc(framing, wire, len, &want);
    for (chunk = 0; chunk < 3; chunk++)
        for (way = 0; way < WAYS; way++) {
            begin(framing, wire, len);
            peer_chunk(chunk);
            rc = take((enum way)way);
            ck_assert_msg(!rc && same(&got, p3_buf_text(&want), want.len) &&
                              taken - p3_reader_waiting(&reader) == octets,
                          "framing %d, \"%s\", chunks of %zu, way %d",
                          (int)framing, wire, chunk, way);
        }
    p3_buf_release(&want);
}

/* Every string of up to six of these octets, and then an end. */
START_TEST(every_mix_of_dots_and_line_ends_is_read_by_the_rfc)
{
    char wire[16];
    unsigned long number, n;
    int len, i;

    for (len = 0; len <= 6; len++)
        for (number = 0; number < 1UL << 2 * len; number++) {
            for (n = number, i = 0; i < len; i++, n /= 4)
                wire[i] = ".\r\nx"[n % 4];
            strcpy(wire + len, "\r\n.\r\n");
            check_against_the_rfc((enum p3_framing)_i, wire, strlen(wire));
        }
}
END_TEST

START_TEST(a_body_that_is_cut_short_is_closed_and_never_ended)
{
    const struct body *b = &crlf_bodies[_i];
    size_t at;
    int way;

    for (at = 0; at < b->wire_len; at++)
        for (way = 0; way < WAYS; way++) {
            begin(P3_FRAMING_BODY_CRLF, b->wire, at);
            peer_closes();
            ck_assert_int_eq(take((enum way)way), POP3_ERROR_CLOSED);
            ck_assert_int_eq(error.code, POP3_ERROR_CLOSED);
        }
}
END_TEST

START_TEST(a_body_that_stops_coming_times_out)
{
    const struct body *b = &crlf_bodies[_i];
    size_t at;

    for (at = 0; at < b->wire_len; at++) {
        begin(P3_FRAMING_BODY_CRLF, b->wire, at);
        ck_assert_int_eq(take(BY_SLICES), POP3_ERROR_TIMEOUT);
    }
}
END_TEST

/* ---- Large ones ---- */

static const size_t long_lines[] = {65533, 65534, 65535, 65536, 65537, 200000};

/* A line of that many octets with its end, and a short one behind it. */
START_TEST(a_line_longer_than_the_buffer_comes_whole)
{
    size_t len = long_lines[_i / (int)COUNT(chunks)];
    struct p3_line line = {NULL, 0, 0, 0};
    char *wire = malloc(len);

    ck_assert_ptr_nonnull(wire);
    memset(wire, 'x', len);
    memcpy(wire + len - 2, "\r\n", 2);
    begin(P3_FRAMING_BODY_CRLF, wire, len);
    peer_says("y\r\n.\r\n");
    peer_chunk(chunks[_i % (int)COUNT(chunks)]);
    ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_OK);
    ck_assert_uint_eq(line.octets, len);
    ck_assert_uint_eq(line.len, len - 2);
    ck_assert_mem_eq(line.data, wire, len - 2);
    ck_assert_int_eq(line.data[len - 2], '\0');
    ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_OK);
    ck_assert_str_eq(line.data, "y");
    ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_OK);
    ck_assert_ptr_null(line.data);
    free(wire);
}
END_TEST

/* Lines of every length and beginning, as text and as they are sent. */
static void make_message(struct p3_buf *text, struct p3_buf *wire, size_t size)
{
    static const char *const starts[] = {"", ".", "..", "\n.", "\r.", "From "};
    char line[600];
    unsigned seed = 1896;
    size_t len, start;

    while (text->len < size) {
        seed = seed * 1103515245u + 12345u;
        start = (seed >> 16) % COUNT(starts);
        len = (size_t)snprintf(line, sizeof line, "%s%0*u\r\n", starts[start],
                               (int)(seed >> 20) % 500, seed);
        ck_assert(p3_buf_add(text, line, len));
        if (*line == '.')
            ck_assert(p3_buf_add_str(wire, "."));
        ck_assert(p3_buf_add(wire, line, len));
    }
    ck_assert(p3_buf_add_str(wire, ".\r\n"));
}

START_TEST(a_message_of_some_megabytes_comes_whole)
{
    static const size_t sizes[] = {0, 1, 1460, 65536};
    struct p3_buf text, wire;

    p3_buf_init(&text, 0, 0);
    p3_buf_init(&wire, 0, 0);
    make_message(&text, &wire, _i % 4 == 1 ? 1 << 18 : 2 << 20);
    begin(P3_FRAMING_BODY_CRLF, wire.data, wire.len);
    peer_chunk(sizes[_i % 4]);
    ck_assert_int_eq(take((enum way)(_i / 4)), POP3_OK);
    ck_assert(same(&got, text.data, text.len));
    p3_buf_release(&text);
    p3_buf_release(&wire);
}
END_TEST

/* ---- Lines ---- */

/* A status line ends at any LF, and dots are just dots in it. */
static const struct {
    const char *wire;
    const char *text;
    size_t octets;
    int crlf;
} status_lines[] = {
    {"+OK\r\n", "+OK", 5, 1},
    {"+OK\n", "+OK", 4, 0},
    {"\r\n", "", 2, 1},
    {"\n", "", 1, 0},
    {"+OK a\rb\r\n", "+OK a\rb", 9, 1},
    {"+OK\r\r\n", "+OK\r", 6, 1},
    {".\r\n", ".", 3, 1},
    {"..\r\n", "..", 4, 1},
    {"..x\n", "..x", 4, 0},
};

START_TEST(a_status_line_ends_at_any_lf)
{
    struct p3_line line = {NULL, 0, 0, 0};
    size_t i;

    for (i = 0; i < COUNT(chunks); i++) {
        begin(P3_FRAMING_STATUS, status_lines[_i].wire,
              strlen(status_lines[_i].wire));
        peer_chunk(chunks[i]);
        ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_OK);
        ck_assert_str_eq(line.data, status_lines[_i].text);
        ck_assert_uint_eq(line.octets, status_lines[_i].octets);
        ck_assert_int_eq(line.crlf, status_lines[_i].crlf);
    }
}
END_TEST

START_TEST(what_waits_is_counted_and_can_be_dropped)
{
    struct p3_line line;

    begin(P3_FRAMING_STATUS, BYTES("+OK\r\ninjected"));
    ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_OK);
    ck_assert_uint_eq(p3_reader_waiting(&reader), strlen("injected"));
    p3_reader_drop(&reader);
    ck_assert_uint_eq(p3_reader_waiting(&reader), 0);
    ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_ERROR_TIMEOUT);
}
END_TEST

/* The slice takes the CR, so that the line is what is left: LF alone. */
START_TEST(a_line_is_taken_behind_a_slice_that_ended_in_cr)
{
    struct p3_slice s = {.data = NULL};
    struct p3_line line = {NULL, 0, 0, 0};

    begin(P3_FRAMING_BODY_CRLF, BYTES("ab\r\n.\r\n"));
    cut = 3;
    ck_assert_int_eq(p3_reader_slice(&reader, 0, &s), POP3_OK);
    ck_assert_uint_eq(s.len, 3);
    ck_assert_int_eq(s.ends_line, 0);
    ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_OK);
    ck_assert_uint_eq(line.len, 0);
    ck_assert_uint_eq(line.octets, 1);
    ck_assert_int_eq(p3_reader_line(&reader, 0, &line), POP3_OK);
    ck_assert_ptr_null(line.data);
}
END_TEST

/* A line of len octets in all, in chunks, under a limit. */
static pop3_code line_under_limit(size_t len, size_t limit, size_t chunk)
{
    struct p3_line line = {NULL, 0, 0, 0};
    char *wire = malloc(len);
    pop3_code rc;

    ck_assert_ptr_nonnull(wire);
    memset(wire, 'x', len);
    memcpy(wire + len - 2, "\r\n", 2);
    begin(P3_FRAMING_BODY_CRLF, wire, len);
    peer_chunk(chunk);
    rc = p3_reader_line(&reader, limit, &line);
    if (!rc)
        ck_assert_uint_eq(line.octets, len);
    free(wire);
    return rc;
}

static const size_t line_limits[] = {2, 3, 512, 2048, 65536, 65537, 100000};

START_TEST(a_line_may_be_as_long_as_its_limit_and_no_octet_longer)
{
    size_t limit = line_limits[_i], i;

    for (i = 0; i < COUNT(chunks); i++) {
        ck_assert_int_eq(line_under_limit(limit, limit, chunks[i]), POP3_OK);
        ck_assert_int_eq(line_under_limit(limit + 1, limit, chunks[i]),
                         POP3_ERROR_TOO_LONG);
        ck_assert_int_eq(error.code, POP3_ERROR_TOO_LONG);
    }
}
END_TEST

START_TEST(a_line_without_end_is_too_long_as_soon_as_it_is)
{
    struct p3_line line;
    char wire[2049];

    memset(wire, 'x', sizeof wire);
    begin(P3_FRAMING_STATUS, wire, sizeof wire);
    peer_chunk((size_t)_i);
    ck_assert_int_eq(p3_reader_line(&reader, 2048, &line), POP3_ERROR_TOO_LONG);
}
END_TEST

START_TEST(a_stuffed_dot_does_not_count_for_the_limit)
{
    struct p3_line line = {NULL, 0, 0, 0};

    begin(P3_FRAMING_BODY_CRLF, BYTES("..abc\r\n.\r\n"));
    ck_assert_int_eq(p3_reader_line(&reader, 6, &line), POP3_OK);
    ck_assert_str_eq(line.data, ".abc");
    ck_assert_uint_eq(line.octets, 6);
}
END_TEST

/* ---- poplib's lines ---- */

/* After these the stream ends. next: the line behind, NULL for none. */
static const struct {
    const char *wire;
    const char *text;
    size_t octets;
    const char *next;
} poplib_lines[] = {
    {"abc\r\n", "abc", 5, NULL},
    {"abc\n", "abc", 4, NULL},
    {"\r\n", "", 2, NULL},
    {"\n", "", 1, NULL},
    {"a\rb\n", "a\rb", 4, NULL},
    {"\rabc\n", "abc", 5, NULL},
    {"\rabc\r\n", "\rabc", 6, NULL},
    {"\r\r\n", "\r", 3, NULL},
    {"\r.\n", ".", 3, NULL},
    {".\n", ".", 2, NULL},
    {"..\r\n", "..", 4, NULL},
    {"a\nb\r\n", "a", 2, "b"},
    {"\n\rb\n", "", 1, "b"},
    /* the last line, without LF */
    {"+OK hi", "+OK h", 6, NULL},
    {"a", "", 1, NULL},
    {"\r", "", 1, NULL},
    {"\ra", "", 2, NULL},
    {"\rab", "a", 3, NULL},
    {"ab\r", "ab", 3, NULL},
    {"a\r\nbc", "a", 3, "b"},
};

START_TEST(a_line_is_cut_as_poplib_cuts_it)
{
    struct p3_line line = {NULL, 0, 0, 0};
    const char *next = poplib_lines[_i].next;
    size_t i;

    for (i = 0; i < COUNT(chunks); i++) {
        begin(P3_FRAMING_BODY_POPLIB, poplib_lines[_i].wire,
              strlen(poplib_lines[_i].wire));
        peer_closes();
        peer_chunk(chunks[i]);
        ck_assert_int_eq(p3_reader_poplib_line(&reader, 2048, &line), POP3_OK);
        ck_assert_uint_eq(line.len, strlen(poplib_lines[_i].text));
        ck_assert_str_eq(line.data, poplib_lines[_i].text);
        ck_assert_uint_eq(line.octets, poplib_lines[_i].octets);
        ck_assert_int_eq(p3_reader_poplib_line(&reader, 2048, &line),
                         next ? POP3_OK : POP3_ERROR_CLOSED);
        if (next)
            ck_assert_str_eq(line.data, next);
    }
}
END_TEST

/* Lines of so many octets, CRLF included, and what is left of each as the next
 * line where it is too long: readline(2049) took 2049 of it. */
static const struct {
    size_t octets;
    pop3_code code;
    const char *next;
} poplib_limits[] = {
    {2047, POP3_OK, "next"},
    {2048, POP3_OK, "next"},
    {2049, POP3_ERROR_TOO_LONG, "next"},
    {2050, POP3_ERROR_TOO_LONG, ""},
    {2051, POP3_ERROR_TOO_LONG, ""},
    {2052, POP3_ERROR_TOO_LONG, "x"},
    {2064, POP3_ERROR_TOO_LONG, "xxxxxxxxxxxxx"},
};

START_TEST(a_line_too_long_leaves_its_rest_as_the_next_one_as_in_poplib)
{
    struct p3_line line = {NULL, 0, 0, 0};
    char wire[4096];
    size_t len = poplib_limits[_i].octets, i;

    memset(wire, 'x', len);
    strcpy(wire + len - 2, "\r\nnext\r\n");
    for (i = 0; i < COUNT(chunks); i++) {
        begin(P3_FRAMING_BODY_POPLIB, wire, strlen(wire));
        peer_chunk(chunks[i]);
        ck_assert_int_eq(p3_reader_poplib_line(&reader, 2048, &line),
                         poplib_limits[_i].code);
        ck_assert_int_eq(p3_reader_poplib_line(&reader, 2048, &line), POP3_OK);
        ck_assert_str_eq(line.data, poplib_limits[_i].next);
    }
}
END_TEST

static const uint64_t no_limits[] = {0, 1 << 20, UINT64_MAX};

START_TEST(poplib_lines_go_without_a_limit_too)
{
    struct p3_line line = {NULL, 0, 0, 0};
    char wire[100000];

    memset(wire, 'x', sizeof wire);
    wire[sizeof wire - 1] = '\n';
    begin(P3_FRAMING_BODY_POPLIB, wire, sizeof wire);
    ck_assert_int_eq(p3_reader_poplib_line(&reader, no_limits[_i], &line),
                     POP3_OK);
    ck_assert_uint_eq(line.octets, sizeof wire);
}
END_TEST

/* ---- Through the public functions -------------------------------------------- */

/* The ways to take a body, each giving it as it is on the wire, unstuffed. */
static pop3_code public_slices(struct p3_buf *b)
{
    const char *data = NULL;
    size_t len = 0;
    pop3_code rc;

    do {
        rc = pop3_next_slice(c, &data, &len);
        if (!rc)
            ck_assert(p3_buf_add(b, data, len));
    } while (!rc && data);
    return rc;
}

static int add_line(void *arg, const pop3_line *line)
{
    struct p3_buf *b = arg;

    ck_assert_int_eq(line->text[line->length], '\0');
    ck_assert(p3_buf_add(b, line->text, line->length));
    ck_assert(
        p3_buf_add_str(b, line->octets - line->length == 2 ? "\r\n" : "\n"));
    return 0;
}

static pop3_code public_lines(struct p3_buf *b)
{
    pop3_line line;
    pop3_code rc;

    while (!(rc = pop3_next_line(c, &line)) && line.text)
        add_line(b, &line);
    return rc;
}

static pop3_code public_callback(struct p3_buf *b)
{
    return pop3_each_line(c, add_line, b);
}

static pop3_code public_memory(struct p3_buf *b)
{
    pop3_lines *lines = NULL;
    pop3_code rc = pop3_body_lines(c, &lines);
    size_t i;

    for (i = 0; !rc && i < lines->count; i++)
        add_line(b, &lines->lines[i]);
    if (!rc)
        ck_assert_uint_eq(lines->octets, b->len);
    pop3_lines_free(lines);
    return rc;
}

static pop3_code public_descriptor(struct p3_buf *b)
{
    FILE *file = tmpfile();
    uint64_t octets = 0;
    char data[4096];
    size_t n;
    pop3_code rc;

    ck_assert_ptr_nonnull(file);
    rc = pop3_body_fd(c, fileno(file), POP3_CRLF, &octets);
    rewind(file);
    while ((n = fread(data, 1, sizeof data, file)))
        ck_assert(p3_buf_add(b, data, n));
    fclose(file);
    if (!rc)
        ck_assert_uint_eq(octets, b->len);
    return rc;
}

static pop3_code (*const public_ways[])(struct p3_buf *b) = {
    public_slices, public_lines, public_callback, public_memory,
    public_descriptor};

static void no_sink(void *arg, int from_server, const char *line, size_t length)
{
    (void)from_server;
    (void)line;
    *(size_t *)arg += length;
}

static void check_public(const char *status, const struct body *b)
{
    struct p3_buf all;
    size_t way;

    p3_buf_init(&all, 0, 0);
    for (way = 0; way < COUNT(public_ways); way++) {
        peer_says(status);
        peer_says_bytes(b->wire, b->wire_len);
        ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
        ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_BODY);
        ck_assert_int_eq(public_ways[way](&all), POP3_OK);
        ck_assert_msg(same(&all, b->text, b->text_len),
                      "\"%s\", way %zu: \"%s\"", b->wire, way,
                      p3_buf_text(&all));
        ck_assert_uint_eq(pop3_body_octets(c), b->text_len);
        ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
        p3_buf_truncate(&all, 0);
    }
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    p3_buf_release(&all);
}

/* The status line says how the lines of its own body end. */
START_TEST(every_way_to_take_a_body_gives_the_same)
{
    const int lf = _i >= (int)COUNT(crlf_bodies);
    const struct body *b = lf ? &lf_bodies[_i - (int)COUNT(crlf_bodies)]
                              : &crlf_bodies[_i];
    const char *status = lf ? "+OK\n" : "+OK\r\n";
    size_t i, shown = 0;

    for (i = 0; i < COUNT(chunks); i++) {
        peer_chunk(chunks[i]);
        check_public(status, b);
    }
    pop3_set_debug(c, no_sink, &shown);
    pop3_set_debuglevel(c, 2);
    check_public(status, b);
    ck_assert_uint_gt(shown, b->text_len);
}
END_TEST

START_TEST(each_reply_has_line_ends_of_its_own)
{
    const struct body lf = {BYTES("a\n.\n"), BYTES("a\n")};
    const struct body crlf = {BYTES("a\n.\n\r\n.\r\n"), BYTES("a\n.\n\r\n")};

    check_public("+OK\n", &lf);
    check_public("+OK\r\n", &crlf);
    check_public("+OK\n", &lf);
}
END_TEST

/* So many octets of text, in lines of ten, on the wire. */
static void says_body_of(size_t octets)
{
    size_t i;

    ck_assert_uint_eq(octets % 10, 0);
    peer_says("+OK\r\n");
    for (i = 0; i < octets; i += 10)
        peer_says("12345678\r\n");
    peer_says(".\r\n");
}

START_TEST(a_body_may_be_as_long_as_its_limit_and_no_octet_longer)
{
    struct p3_buf all;
    size_t way = (size_t)_i;

    p3_buf_init(&all, 0, 0);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 1000), POP3_OK);
    says_body_of(1000);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(public_ways[way](&all), POP3_OK);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 999), POP3_OK);
    says_body_of(1000);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(public_ways[way](&all), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_TOO_LONG);
    p3_buf_release(&all);
}
END_TEST

START_TEST(a_body_that_is_dropped_has_no_limit)
{
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 10), POP3_OK);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_LINE, 5), POP3_OK);
    says_body_of(1000);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
}
END_TEST

/* "12345678" and its end are ten octets. */
static const struct {
    uint64_t limit;
    pop3_code lines, slices;
} message_line_limits[] = {
    {0, POP3_OK, POP3_OK},
    {10, POP3_OK, POP3_OK},
    {9, POP3_ERROR_TOO_LONG, POP3_OK},
};

START_TEST(the_limit_of_a_line_holds_for_lines_and_not_for_slices)
{
    uint64_t limit = message_line_limits[_i].limit;
    struct p3_buf all;
    pop3_lines *lines = NULL;
    pop3_code rc;

    p3_buf_init(&all, 0, 0);
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_LINE, limit), POP3_OK);
    says_body_of(20);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(public_slices(&all), message_line_limits[_i].slices);
    says_body_of(20);
    rc = pop3_retr(c, 1, &lines);
    ck_assert_int_eq(rc, message_line_limits[_i].lines);
    ck_assert_int_eq(pop3_state(c) == POP3_STATE_DEAD, rc != POP3_OK);
    pop3_lines_free(lines);
    p3_buf_release(&all);
}
END_TEST

/* A reply whose first line, or whose listing's row, has so many octets. */
static void says_line_of(const char *start, size_t octets)
{
    char line[4096];

    memset(line, 'x', octets);
    memcpy(line, start, strlen(start));
    memcpy(line + octets - 2, "\r\n", 2);
    peer_says_bytes(line, octets);
}

static int ignore_uid(void *arg, const pop3_uid *row)
{
    *(size_t *)arg = row->length;
    return 0;
}

START_TEST(a_status_line_may_be_as_long_as_its_limit_and_no_octet_longer)
{
    says_line_of("+OK ", 2048);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    says_line_of("+OK ", 2049);
    ck_assert_int_eq(pop3_noop(c), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

START_TEST(a_row_may_be_as_long_as_its_limit_and_no_octet_longer)
{
    size_t len = 0;

    peer_says("+OK\r\n");
    says_line_of("1 ", 2048);
    peer_says(".\r\n");
    ck_assert_int_eq(pop3_each_uid(c, ignore_uid, &len), POP3_OK);
    ck_assert_uint_eq(len, 2048 - strlen("1 \r\n"));
    peer_says("+OK\r\n");
    says_line_of("1 ", 2049);
    peer_says(".\r\n");
    ck_assert_int_eq(pop3_each_uid(c, ignore_uid, &len), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_DEAD);
}
END_TEST

/* ---- poplib's bodies ---- */

/* Each line shown with a "|" behind it. */
static const struct {
    const char *wire;
    const char *lines;
    uint64_t octets;
} poplib_bodies[] = {
    {".\r\n", "", 0},
    {".\n", "", 0},
    {"\r.\n", "", 0},
    {"a\r\n.\n", "a|", 3},
    {"a\n.\r\n", "a|", 2},
    {"a\n.\n", "a|", 2},
    {"..a\r\n.b\r\n...\r\nc\n\rd\n\n.\r\n", ".a|.b|..|c|d||", 18},
    {"..\r\n.\r\n", ".|", 3},
    {"..\n.\n", ".|", 2},
    {"\r..\n.\n", ".|", 3},
    {". \r\n.\r\n", ". |", 4},
    {".\r\r\n.\r\n", ".\r|", 4},
};

static int join_line(void *arg, const pop3_line *line)
{
    ck_assert(p3_buf_add(arg, line->text, line->length));
    ck_assert(p3_buf_add_str(arg, "|"));
    return 0;
}

START_TEST(a_body_is_read_as_poplib_reads_it)
{
    struct p3_buf all;
    size_t i;

    p3_buf_init(&all, 0, 0);
    pop3_set_poplib_rules(c, 1);
    for (i = 0; i < COUNT(chunks); i++) {
        peer_chunk(chunks[i]);
        peer_says("+OK\r\n");
        peer_says(poplib_bodies[_i].wire);
        ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
        p3_buf_truncate(&all, 0);
        ck_assert_int_eq(pop3_each_line(c, join_line, &all), POP3_OK);
        ck_assert_str_eq(p3_buf_text(&all), poplib_bodies[_i].lines);
        ck_assert_uint_eq(pop3_body_octets(c), poplib_bodies[_i].octets);
    }
    p3_buf_release(&all);
}
END_TEST

/* ---- The suite ---- */

static void add_reader_tests(Suite *suite)
{
    TCase *t = tcase_create("reader");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_crlf_body_is_the_same_wherever_it_is_cut, 0,
                        (int)COUNT(crlf_bodies));
    tcase_add_loop_test(t, an_lf_body_is_the_same_wherever_it_is_cut, 0,
                        (int)COUNT(lf_bodies));
    tcase_add_loop_test(t, every_mix_of_dots_and_line_ends_is_read_by_the_rfc,
                        P3_FRAMING_BODY_CRLF, P3_FRAMING_BODY_LF + 1);
    tcase_add_loop_test(t, a_body_that_is_cut_short_is_closed_and_never_ended,
                        0, (int)COUNT(crlf_bodies));
    tcase_add_loop_test(t, a_body_that_stops_coming_times_out, 0,
                        (int)COUNT(crlf_bodies));
    tcase_add_loop_test(t, a_line_longer_than_the_buffer_comes_whole, 0,
                        (int)(COUNT(long_lines) * COUNT(chunks)));
    tcase_add_loop_test(t, a_message_of_some_megabytes_comes_whole, 0,
                        4 * WAYS);
    tcase_add_loop_test(t, a_status_line_ends_at_any_lf, 0,
                        (int)COUNT(status_lines));
    tcase_add_test(t, what_waits_is_counted_and_can_be_dropped);
    tcase_add_test(t, a_line_is_taken_behind_a_slice_that_ended_in_cr);
    tcase_add_loop_test(t,
                        a_line_may_be_as_long_as_its_limit_and_no_octet_longer,
                        0, (int)COUNT(line_limits));
    tcase_add_loop_test(t, a_line_without_end_is_too_long_as_soon_as_it_is, 0,
                        3);
    tcase_add_test(t, a_stuffed_dot_does_not_count_for_the_limit);
    tcase_add_loop_test(t, a_line_is_cut_as_poplib_cuts_it, 0,
                        (int)COUNT(poplib_lines));
    tcase_add_loop_test(
        t, a_line_too_long_leaves_its_rest_as_the_next_one_as_in_poplib, 0,
        (int)COUNT(poplib_limits));
    tcase_add_loop_test(t, poplib_lines_go_without_a_limit_too, 0,
                        (int)COUNT(no_limits));
    suite_add_tcase(suite, t);
}

static void add_body_tests(Suite *suite)
{
    TCase *t = tcase_create("body");

    tcase_add_checked_fixture(t, peer_setup, peer_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_way_to_take_a_body_gives_the_same, 0,
                        (int)(COUNT(crlf_bodies) + COUNT(lf_bodies)));
    tcase_add_test(t, each_reply_has_line_ends_of_its_own);
    tcase_add_loop_test(t,
                        a_body_may_be_as_long_as_its_limit_and_no_octet_longer,
                        0, (int)COUNT(public_ways));
    tcase_add_test(t, a_body_that_is_dropped_has_no_limit);
    tcase_add_loop_test(t,
                        the_limit_of_a_line_holds_for_lines_and_not_for_slices,
                        0, (int)COUNT(message_line_limits));
    tcase_add_test(
        t, a_status_line_may_be_as_long_as_its_limit_and_no_octet_longer);
    tcase_add_test(t, a_row_may_be_as_long_as_its_limit_and_no_octet_longer);
    tcase_add_loop_test(t, a_body_is_read_as_poplib_reads_it, 0,
                        (int)COUNT(poplib_bodies));
    suite_add_tcase(suite, t);
}

Suite *reader_suite(void)
{
    Suite *suite = suite_create("reader");

    add_reader_tests(suite);
    add_body_tests(suite);
    return suite;
}
