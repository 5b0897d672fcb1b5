/*
 * headers.h - date, from and subject of a message's header, decoded
 * SPDX-License-Identifier: MIT
 *
 * Decoding is done by a module, headers_gmime.so, that is loaded when it is
 * wanted: linked to the program, GMime would slow down its every start. The
 * program and the module have only this header in common.
 */
#ifndef HEADERS_H
#define HEADERS_H

#include <stddef.h>

/* From malloc; NULL: the header does not have it. */
struct headers {
    char *date;
    char *from;
    char *subject;
};

/*
 * Finds and unfolds the three in a message's header as on the wire, which may
 * be cut anywhere. 1: release out with headers_release; 0: out of memory.
 */
int headers_find(const char *header, size_t length, struct headers *out);

void headers_release(struct headers *h);

/*
 * What the module exports, as pop3_headers_decode: puts UTF-8 in the place of
 * encoded words and charsets, 2026-03-01T12:00:00+01:00 in that of a date. What
 * it cannot decode stays.
 */
typedef void headers_decode_function(struct headers *h);
headers_decode_function pop3_headers_decode;

/*
 * Loads the module: the file $POP3_HEADERS_MODULE, where that is set and not
 * empty, else the installed one. Without it, gives a function that leaves the
 * three as they are.
 */
headers_decode_function *headers_load(void);

#endif
