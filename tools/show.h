/*
 * show.h - what the program prints: text and JSON, made harmless, checked
 * SPDX-License-Identifier: MIT
 *
 * Every octet that goes to standard output or error passes here, but for
 * messages, which are shown as they are (pop3_body_fd). Knows nothing of POP3.
 */
#ifndef SHOW_H
#define SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__)
#define SHOW_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define SHOW_PRINTF(at, first)
#endif

/* Standard output. The first failure stays and is told by show_close. */
struct show {
    FILE *file;
    int failure; /* errno of the first write that failed; 0: none */
    int members; /* written so far to the JSON object or array that is open */
};

void show_open(struct show *s);

/* Whether a write has failed, so that there is no sense in going on. */
int show_failed(const struct show *s);

/* Writes what is buffered. */
int show_flush(struct show *s);

/* Flushes and closes: 0; or -1, a write or the close failed, and it is told on
 * standard error. */
int show_close(struct show *s);

/* Plain words of the program's own. */
void show_format(struct show *s, const char *format, ...) SHOW_PRINTF(2, 3);

/*
 * Others' words. show_text: control characters, and octets that are no UTF-8,
 * become "?". show_printable: all that is not 0x21 to 0x7E does.
 */
void show_text(struct show *s, const char *text, size_t length);
void show_printable(struct show *s, const char *text, size_t length);

/*
 * A JSON object a line. A name that is NULL: an element of an array. text NULL:
 * null. Octets that are no UTF-8 become U+FFFD.
 */
void show_json_begin(struct show *s);
void show_json_end(struct show *s);
void show_json_number(struct show *s, const char *name, uint64_t n);
void show_json_text(struct show *s, const char *name, const char *text,
                    size_t length);
void show_json_array_begin(struct show *s, const char *name);
void show_json_array_end(struct show *s);

/* "pop3: WHAT: WHY", one line on standard error, all of it made harmless. */
void show_error(const char *what, const char *why, ...) SHOW_PRINTF(2, 3);

/* A line of what is said between here and the server, on standard error. */
void show_dialogue(int from_server, const char *line, size_t length);

#endif
