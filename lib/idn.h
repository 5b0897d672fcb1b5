/*
 * idn.h - host names in other scripts, as DNS and certificates have them
 * SPDX-License-Identifier: MIT
 *
 * Layer 0.
 */
#ifndef P3_IDN_H
#define P3_IDN_H

#include "error.h"

#pragma GCC visibility push(hidden)

/*
 * The name in ASCII, "xn--..." where it is UTF-8 (IDNA 2008, RFC 5891), on the
 * heap. ARGUMENT where it is no name, or there is no libidn2; MEMORY.
 */
pop3_code p3_idn_to_ascii(const char *name, struct p3_error *error, char **out);

#pragma GCC visibility pop

#endif
