/*
 * show.c - what the program prints: text and JSON, made harmless, checked
 * SPDX-License-Identifier: MIT
 *
 * Owns standard output, and how others' words are shown: a terminal's escape
 * sequences and forged second lines stay out (C0, DEL, C1, what separates lines
 * or turns their direction round), and what is no UTF-8 is told apart.
 * Not here: messages, exit statuses.
 */
#include "show.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { NO_CHARACTER = 0xFFFD };

/* ---- UTF-8 (The Unicode Standard, table 3-7) --------------------------- */

/* What may follow a first octet: how many, and the range of the next one. */
struct lead {
    unsigned char first, last;
    unsigned char more;
    unsigned char low, high;
};

static const struct lead leads[] = {
    {0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF},
    {0xE1, 0xEC, 2, 0x80, 0xBF}, {0xED, 0xED, 2, 0x80, 0x9F},
    {0xEE, 0xEF, 2, 0x80, 0xBF}, {0xF0, 0xF0, 3, 0x90, 0xBF},
    {0xF1, 0xF3, 3, 0x80, 0xBF}, {0xF4, 0xF4, 3, 0x80, 0x8F},
};

static const struct lead *lead_of(unsigned char c)
{
    size_t i;

    for (i = 0; i < sizeof leads / sizeof *leads; i++)
        if (c >= leads[i].first && c <= leads[i].last)
            return &leads[i];
    return NULL;
}

/*
 * The next character of text (length > 0): how many octets it takes. Where they
 * are none, *c is NO_CHARACTER and *valid 0, and the octets are those that
 * begin a character but do not end it, as Unicode recommends.
 */
static size_t next_character(const char *text, size_t length, uint32_t *c,
                             int *valid)
{
    const unsigned char *p = (const unsigned char *)text;
    const struct lead *lead = lead_of(*p);
    uint32_t sum;
    size_t i;

    *c = *p < 0x80 ? *p : NO_CHARACTER;
    *valid = *p < 0x80;
    if (!lead)
        return 1;
    sum = *p & (0x3Fu >> lead->more);
    for (i = 1; i <= lead->more; i++) {
        unsigned char low = i == 1 ? lead->low : 0x80;
        unsigned char high = i == 1 ? lead->high : 0xBF;

        if (i >= length || p[i] < low || p[i] > high)
            return i;
        sum = sum << 6 | (p[i] & 0x3F);
    }
    *c = sum;
    *valid = 1;
    return i;
}

/* What could act on a terminal or break a line: C0, DEL and C1; the line and
 * paragraph separators; what embeds, overrides or isolates directions. */
static int is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* ---- Standard output --------------------------------------------------- */

void show_open(struct show *s)
{
    memset(s, 0, sizeof *s);
    s->file = stdout;
    /* Errors: one write a line, so that they do not mix with others'. */
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
}

static void note_failure(struct show *s)
{
    if (!s->failure)
        s->failure = errno ? errno : EIO;
}

static void put(struct show *s, const char *data, size_t length)
{
    errno = 0;
    if (length && fwrite(data, 1, length, s->file) != length)
        note_failure(s);
}

int show_failed(const struct show *s)
{
    return s->failure != 0;
}

int show_flush(struct show *s)
{
    errno = 0;
    if (fflush(s->file))
        note_failure(s);
    return s->failure ? -1 : 0;
}

int show_close(struct show *s)
{
    show_flush(s);
    errno = 0;
    if (fclose(s->file))
        note_failure(s);
    if (!s->failure)
        return 0;
    show_error("standard output", "%s", strerror(s->failure));
    return -1;
}

void show_format(struct show *s, const char *format, ...)
{
    va_list ap;
    int n;

    errno = 0;
    va_start(ap, format);
    n = vfprintf(s->file, format, ap);
    va_end(ap);
    if (n < 0)
        note_failure(s);
}

/* ---- Others' words ----------------------------------------------------- */

/* Gives text to put, harmless characters in runs. */
static void put_harmless(struct show *s, const char *text, size_t length)
{
    size_t from = 0;
    size_t at = 0;

    while (at < length) {
        uint32_t c;
        int valid;
        size_t n = next_character(text + at, length - at, &c, &valid);

        if (!valid || is_control(c)) {
            put(s, text + from, at - from);
            put(s, "?", 1);
            from = at + n;
        }
        at += n;
    }
    put(s, text + from, at - from);
}

void show_text(struct show *s, const char *text, size_t length)
{
    put_harmless(s, text, length);
}

void show_printable(struct show *s, const char *text, size_t length)
{
    size_t i;

    for (i = 0; i < length; i++)
        put(s, text[i] > 0x20 && text[i] < 0x7F ? text + i : "?", 1);
}

/* ---- JSON (RFC 8259) --------------------------------------------------- */

/* Whether a character stands in a string as it is; controls do not, so that
 * lines stay lines on a terminal too. */
static int is_plain(uint32_t c)
{
    return c != '"' && c != '\\' && !is_control(c);
}

static void put_escape(struct show *s, uint32_t c)
{
    static const char *const short_ones[] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\t'] = "\\t",
        ['\n'] = "\\n", ['\r'] = "\\r",
    };

    if (c < sizeof short_ones / sizeof *short_ones && short_ones[c])
        put(s, short_ones[c], 2);
    else
        show_format(s, "\\u%04x", (unsigned)c);
}

static void put_string(struct show *s, const char *text, size_t length)
{
    size_t at = 0;

    put(s, "\"", 1);
    while (at < length) {
        uint32_t c;
        int valid;
        size_t n = next_character(text + at, length - at, &c, &valid);

        if (!valid)
            put(s, "\xEF\xBF\xBD", 3);
        else if (is_plain(c))
            put(s, text + at, n);
        else
            put_escape(s, c);
        at += n;
    }
    put(s, "\"", 1);
}

/* The comma and the name before a value. */
static void put_member(struct show *s, const char *name)
{
    if (s->members++)
        put(s, ",", 1);
    if (name)
        show_format(s, "\"%s\":", name);
}

void show_json_begin(struct show *s)
{
    s->members = 0;
    put(s, "{", 1);
}

void show_json_end(struct show *s)
{
    put(s, "}\n", 2);
}

void show_json_number(struct show *s, const char *name, uint64_t n)
{
    put_member(s, name);
    show_format(s, "%llu", (unsigned long long)n);
}

void show_json_text(struct show *s, const char *name, const char *text,
                    size_t length)
{
    put_member(s, name);
    if (text)
        put_string(s, text, length);
    else
        put(s, "null", 4);
}

void show_json_array_begin(struct show *s, const char *name)
{
    put_member(s, name);
    put(s, "[", 1);
    s->members = 0;
}

void show_json_array_end(struct show *s)
{
    put(s, "]", 1);
    s->members = 1;
}

/* ---- Standard error ---------------------------------------------------- */

/* Nobody could be told that a write to it failed. */
static void put_error(const char *text, size_t length)
{
    struct show s = {stderr, 0, 0};

    put_harmless(&s, text, length);
}

void show_error(const char *what, const char *why, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, why);
    vsnprintf(text, sizeof text, why, ap);
    va_end(ap);
    if (!*what)
        what = "\"\"";
    fputs("pop3: ", stderr);
    put_error(what, strlen(what));
    fputs(": ", stderr);
    put_error(text, strlen(text));
    fputc('\n', stderr);
}

void show_dialogue(int from_server, const char *line, size_t length)
{
    fputs(from_server ? "< " : "> ", stderr);
    put_error(line, length);
    fputc('\n', stderr);
}
