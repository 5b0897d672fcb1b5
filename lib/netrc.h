/*
 * netrc.h - the netrc file: who has which password where
 * SPDX-License-Identifier: MIT
 *
 * Layer 0, on error, buf and local alone. The lookups are the public ones of
 * pop3.h and need no connection; all of them take NULL for an empty file.
 */
#ifndef P3_NETRC_H
#define P3_NETRC_H

#include "buf.h"

#pragma GCC visibility push(hidden)

/* More is no netrc file, but a disk image given by mistake. */
enum { P3_NETRC_LIMIT = 1 << 20 };

/* pop3_netrc_load, with the message in e. */
pop3_code p3_netrc_load(const char *path, struct p3_error *e, pop3_netrc **out);

/* The same of text in memory, which the messages call name. */
pop3_code p3_netrc_parse(const char *name, const char *text, size_t len,
                         struct p3_error *e, pop3_netrc **out);

/* The file that was read, or was looked for, for messages. */
const char *p3_netrc_path(const pop3_netrc *netrc);

#pragma GCC visibility pop

#endif
