/*
 * reply.c - what a line of a reply says
 * SPDX-License-Identifier: MIT
 *
 * Owns the parsing of status lines, response codes, numbers, rows and the APOP
 * timestamp. Knows no connection: the fuzzers call it as it is. Not here: CAPA's
 * result in memory (command.c).
 */
#include "reply.h"

#include <string.h>

static void skip(struct p3_text *text, size_t n)
{
    text->data += n;
    text->len -= n;
}

static int is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

static void skip_blanks(struct p3_text *text)
{
    while (text->len && is_blank(*text->data))
        skip(text, 1);
}

/* Takes "word" and one space behind it, or the line's end. */
static int take_word(struct p3_text *text, const char *word)
{
    size_t n = strlen(word);

    if (text->len < n || memcmp(text->data, word, n) != 0)
        return 0;
    if (text->len > n && text->data[n] != ' ')
        return 0;
    skip(text, text->len > n ? n + 1 : n);
    return 1;
}

/* RFC 2449, 8: printable ASCII without "]", levels apart by "/". */
static void find_code(struct p3_text text, struct p3_text *code)
{
    size_t i;

    code->len = 0;
    if (!text.len || *text.data != '[')
        return;
    for (i = 1; i < text.len && text.data[i] > ' ' && text.data[i] < 0x7F; i++)
        if (text.data[i] == ']') {
            code->data = text.data + 1;
            code->len = i - 1;
            return;
        }
}

int p3_reply_status(const char *line, size_t len, struct p3_status *out)
{
    struct p3_text rest = {line, len};

    memset(out, 0, sizeof *out);
    if (take_word(&rest, "+OK"))
        out->ok = 1;
    else if (take_word(&rest, "-ERR"))
        find_code(rest, &out->code);
    else
        return 0;
    out->text = rest;
    return 1;
}

void p3_reply_poplib_status(const char *line, size_t len, struct p3_status *out)
{
    if (p3_reply_status(line, len, out))
        return;
    out->ok = len && *line == '+';
    out->text = (struct p3_text){line, len};
}

int p3_reply_continuation(const char *line, size_t len, struct p3_text *text)
{
    text->data = line;
    text->len = len;
    return take_word(text, "+");
}

int p3_reply_word(struct p3_text *text, struct p3_text *word)
{
    skip_blanks(text);
    word->data = text->data;
    while (text->len && !is_blank(*text->data))
        skip(text, 1);
    word->len = (size_t)(text->data - word->data);
    return word->len > 0;
}

int p3_reply_number(struct p3_text *text, uint64_t *out)
{
    struct p3_text word;
    uint64_t n = 0;

    if (!p3_reply_word(text, &word))
        return 0;
    for (; word.len; skip(&word, 1)) {
        unsigned digit = (unsigned)((unsigned char)*word.data - '0');

        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return 0;
        n = n * 10 + digit;
    }
    *out = n;
    return 1;
}

int p3_reply_size(struct p3_text text, pop3_size *out)
{
    pop3_size row;

    if (!p3_reply_number(&text, &row.number) ||
        !p3_reply_number(&text, &row.octets))
        return 0;
    *out = row;
    return 1;
}

int p3_reply_uid(struct p3_text text, pop3_uid *out)
{
    uint64_t number;

    if (!p3_reply_number(&text, &number))
        return 0;
    skip_blanks(&text);
    if (!text.len)
        return 0;
    *out = (pop3_uid){number, text.len, text.data};
    return 1;
}

/* Length of the msg-id at p, its brackets included; 0 where there is none. */
static size_t msg_id_length(const char *p, size_t len)
{
    int at = 0;
    size_t i;

    for (i = 1; i < len && p[i] > ' ' && p[i] < 0x7F && p[i] != '<'; i++) {
        if (p[i] == '>')
            return at ? i + 1 : 0;
        at = at || (p[i] == '@' && i > 1 && i + 1 < len && p[i + 1] != '>');
    }
    return 0;
}

int p3_reply_challenge(const char *line, size_t len, struct p3_text *out)
{
    const char *end = line + len;
    const char *p = line;

    while ((p = memchr(p, '<', (size_t)(end - p)))) {
        out->len = msg_id_length(p, (size_t)(end - p));
        out->data = p++;
        if (out->len)
            return 1;
    }
    return 0;
}
