/*
 * spec.h - a specification: where to connect, and as whom
 * SPDX-License-Identifier: MIT
 *
 * Layer 0, on error, buf and netrc alone. Pure: text in, parts out.
 */
#ifndef P3_SPEC_H
#define P3_SPEC_H

#include "netrc.h"

#pragma GCC visibility push(hidden)

/* pop3_spec_parse, with the message in e. netrc: NULL for none. */
pop3_code p3_spec_parse(const char *text, const pop3_netrc *netrc,
                        struct p3_error *e, pop3_spec **out);

#pragma GCC visibility pop

#endif
