/*
 * error.h - the codes' names and texts; where a layer writes what went wrong
 * SPDX-License-Identifier: MIT
 *
 * Layer 0. struct p3_error is handed down to every layer; the message is set
 * where the fact is known and travels up unchanged.
 */
#ifndef P3_ERROR_H
#define P3_ERROR_H

#include "pop3.h"

#include <stdarg.h>

#pragma GCC visibility push(hidden)

#if defined(__GNUC__)
#define P3_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define P3_PRINTF(at, first)
#endif

struct p3_error {
    pop3_code code;
    char text[512]; /* one line, lower case, no full stop */
};

/* Sets code and message, control characters in it made harmless; returns code. */
pop3_code p3_error_set(struct p3_error *e, pop3_code code, const char *fmt, ...)
    P3_PRINTF(3, 4);
pop3_code p3_error_vset(struct p3_error *e, pop3_code code, const char *fmt,
                        va_list ap) P3_PRINTF(3, 0);

/* The message for POP3_ERROR_MEMORY, the same everywhere. */
pop3_code p3_error_memory(struct p3_error *e);

void p3_error_clear(struct p3_error *e);

#pragma GCC visibility pop

#endif
