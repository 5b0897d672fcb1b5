/*
 * error.c - the codes' names and texts; where a layer writes what went wrong
 * SPDX-License-Identifier: MIT
 *
 * Owns the table of codes. To add one: pop3.h, the table here, the manual.
 */
#include "error.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
} codes[] = {
    [POP3_OK] = {"POP3_OK", "success"},
    [POP3_ERROR_PROTO] = {"POP3_ERROR_PROTO", "refused by the server"},
    [POP3_ERROR_MALFORMED] = {"POP3_ERROR_MALFORMED",
                              "the server broke the protocol"},
    [POP3_ERROR_TOO_LONG] = {"POP3_ERROR_TOO_LONG",
                             "a line or a list is over its limit"},
    [POP3_ERROR_CLOSED] = {"POP3_ERROR_CLOSED",
                           "the connection was closed by the server"},
    [POP3_ERROR_TIMEOUT] = {"POP3_ERROR_TIMEOUT", "timed out"},
    [POP3_ERROR_RESOLVE] = {"POP3_ERROR_RESOLVE",
                            "the host name does not resolve"},
    [POP3_ERROR_CONNECT] = {"POP3_ERROR_CONNECT",
                            "the server cannot be connected to"},
    [POP3_ERROR_TLS] = {"POP3_ERROR_TLS", "TLS failed"},
    [POP3_ERROR_CERTIFICATE] = {"POP3_ERROR_CERTIFICATE",
                                "the certificate could not be verified"},
    [POP3_ERROR_INSECURE] = {"POP3_ERROR_INSECURE",
                             "it would have revealed the password"},
    [POP3_ERROR_UNSUPPORTED] = {"POP3_ERROR_UNSUPPORTED", "not supported"},
    [POP3_ERROR_ARGUMENT] = {"POP3_ERROR_ARGUMENT", "bad argument"},
    [POP3_ERROR_STATE] = {"POP3_ERROR_STATE",
                          "not possible in the connection's state"},
    [POP3_ERROR_MEMORY] = {"POP3_ERROR_MEMORY", "out of memory"},
    [POP3_ERROR_IO] = {"POP3_ERROR_IO", "local input or output failed"},
    [POP3_ERROR_STOPPED] = {"POP3_ERROR_STOPPED", "stopped by a callback"},
};

static int known(pop3_code code)
{
    return (size_t)code < sizeof codes / sizeof *codes;
}

const char *pop3_code_name(pop3_code code)
{
    return known(code) ? codes[code].name : "unknown code";
}

const char *pop3_strerror(pop3_code code)
{
    return known(code) ? codes[code].text : "unknown code";
}

/* The length of the UTF-8 sequence at p, 0 where there is no whole one. */
static size_t utf8_sequence(const unsigned char *p)
{
    size_t n = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : *p >= 0xC2 ? 2 : 0;
    size_t i;

    /* Overlong forms could hide a control character; surrogates are none. */
    if (*p > 0xF4 || (*p == 0xE0 && p[1] < 0xA0) ||
        (*p == 0xED && p[1] > 0x9F) || (*p == 0xF0 && p[1] < 0x90) ||
        (*p == 0xF4 && p[1] > 0x8F))
        return 0;
    for (i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

static int is_control(const unsigned char *p, size_t sequence)
{
    if (sequence) /* C1 in UTF-8: U+0080 to U+009F */
        return p[0] == 0xC2 && p[1] < 0xA0;
    return *p < 0x20 || (*p >= 0x7F && *p < 0xA0);
}

/*
 * The server's words are part of many messages; on a terminal an escape
 * sequence or a forged second line could lie. Bytes above 0x7F stay, as they
 * are letters in some character set, but not as C1 controls, raw or in UTF-8.
 */
static void make_harmless(char *text)
{
    unsigned char *p = (unsigned char *)text;

    while (*p) {
        size_t n = utf8_sequence(p);

        if (is_control(p, n))
            memset(p, '?', n ? n : 1);
        p += n ? n : 1;
    }
}

pop3_code p3_error_vset(struct p3_error *e, pop3_code code, const char *fmt,
                        va_list ap)
{
    e->code = code;
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    make_harmless(e->text);
    return code;
}

pop3_code p3_error_set(struct p3_error *e, pop3_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    p3_error_vset(e, code, fmt, ap);
    va_end(ap);
    return code;
}

pop3_code p3_error_memory(struct p3_error *e)
{
    return p3_error_set(e, POP3_ERROR_MEMORY, "out of memory");
}

void p3_error_clear(struct p3_error *e)
{
    e->code = POP3_OK;
    e->text[0] = '\0';
}
