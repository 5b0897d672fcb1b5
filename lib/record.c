/*
 * record.c - the lines of the record of stored messages
 * SPDX-License-Identifier: MIT
 *
 * Owns their grammar, both ways. Knows no file (journal.c) and nothing of what
 * follows from a line (stored.c). To add a kind of line: record.h, the table.
 */
#include "record.h"

#include <inttypes.h>
#include <string.h>

/* ---- Octets as text ---------------------------------------------------- */

static int is_plain(unsigned char octet)
{
    return octet >= 0x21 && octet <= 0x7E && octet != '%';
}

static int add_text(struct p3_buf *b, const char *data, size_t len)
{
    size_t i;
    int ok = 1;

    for (i = 0; i < len && ok; i++) {
        unsigned char octet = (unsigned char)data[i];

        ok = is_plain(octet) ? p3_buf_add(b, data + i, 1)
                             : p3_buf_addf(b, "%%%02X", octet);
    }
    return ok;
}

/* The value of a digit as it is written here, or -1. */
static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'A' && ch <= 'F')
        return ch - 'A' + 10;
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    return -1;
}

/* The octet that %XX stands for; -1 where it is none. */
static int escaped(const char *text, size_t len)
{
    int high = len >= 3 ? hex_digit(text[1]) : -1;
    int low = len >= 3 ? hex_digit(text[2]) : -1;

    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t p3_record_decode(struct p3_text text, char *out, size_t size)
{
    size_t n = 0;
    size_t i = 0;

    while (i < text.len) {
        int is_escape = text.data[i] == '%';
        int octet = is_escape ? escaped(text.data + i, text.len - i)
                              : (unsigned char)text.data[i];

        if (octet < 0 || n == size)
            return 0;
        out[n++] = (char)octet;
        i += is_escape ? 3 : 1;
    }
    return n;
}

/* ---- Reading ----------------------------------------------------------- */

/* A number of so many digits. */
static int read_number(const char *digits, int count, uint64_t *out)
{
    int i;

    *out = 0;
    for (i = 0; i < count; i++) {
        int digit = hex_digit(digits[i]);

        if (digit < 0)
            return 0;
        *out = *out << 4 | (uint64_t)digit;
    }
    return 1;
}

static int read_key(struct p3_text word, struct p3_tally_key *out)
{
    uint64_t low = 0;
    int ok = word.len == 24 && read_number(word.data, 16, &out->high) &&
             read_number(word.data + 16, 8, &low);

    out->low = (uint32_t)low;
    return ok;
}

static int read_stored(struct p3_text rest, struct p3_record *out)
{
    if (!p3_reply_word(&rest, &out->uid))
        return 0;
    (void)p3_reply_word(&rest, &out->name);
    return 1;
}

static int read_gone(struct p3_text rest, struct p3_record *out)
{
    struct p3_text word;

    return p3_reply_word(&rest, &word) && read_key(word, &out->key);
}

static int read_done(struct p3_text rest, struct p3_record *out)
{
    (void)out;
    return !rest.len;
}

static const struct {
    const char *word;
    enum p3_record_kind kind;
    int (*read)(struct p3_text rest, struct p3_record *out);
} kinds[] = {
    {"stored", P3_RECORD_STORED, read_stored},
    {"gone", P3_RECORD_GONE, read_gone},
    {"done", P3_RECORD_DONE, read_done},
};

static int is_word(struct p3_text word, const char *want)
{
    return word.len == strlen(want) && memcmp(word.data, want, word.len) == 0;
}

void p3_record_parse(const char *line, size_t len, struct p3_record *out)
{
    struct p3_text rest = {line, len};
    struct p3_text word = {NULL, 0};
    size_t i;

    memset(out, 0, sizeof *out);
    if (!p3_reply_word(&rest, &word))
        return;
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is_word(word, kinds[i].word) && kinds[i].read(rest, out))
            out->kind = kinds[i].kind;
}

/* ---- Writing ----------------------------------------------------------- */

int p3_record_first(struct p3_buf *b, const char *user, const char *server,
                    int port)
{
    p3_buf_truncate(b, 0);
    return p3_buf_add_str(b, "libpop3 stored 1 ") &&
           add_text(b, user, strlen(user)) && p3_buf_add(b, " ", 1) &&
           add_text(b, server, strlen(server)) && p3_buf_addf(b, " %d\n", port);
}

int p3_record_stored(struct p3_buf *b, const char *uid, size_t len,
                     const char *name)
{
    p3_buf_truncate(b, 0);
    return p3_buf_add_str(b, "stored ") && add_text(b, uid, len) &&
           p3_buf_add(b, " ", 1) && add_text(b, name, strlen(name)) &&
           p3_buf_add(b, "\n", 1);
}

int p3_record_delivered(struct p3_buf *b, struct p3_text uid)
{
    p3_buf_truncate(b, 0);
    return p3_buf_add_str(b, "stored ") && p3_buf_add(b, uid.data, uid.len) &&
           p3_buf_add(b, "\n", 1);
}

int p3_record_gone(struct p3_buf *b, struct p3_tally_key key)
{
    p3_buf_truncate(b, 0);
    return p3_buf_addf(b, "gone %016" PRIx64 "%08" PRIx32 "\n", key.high,
                       key.low);
}

int p3_record_done(struct p3_buf *b)
{
    p3_buf_truncate(b, 0);
    return p3_buf_add_str(b, "done\n");
}
