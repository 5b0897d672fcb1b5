/*
 * secret.h - where a password comes from
 * SPDX-License-Identifier: MIT
 *
 * A password command, a netrc entry, the terminal; never an argument, never
 * standard input. Each gives a string that is freed with secret_free, or tells
 * on standard error why there is none, and gives NULL.
 */
#ifndef SECRET_H
#define SECRET_H

#include "pop3.h"

/* All of the first line that `sh -c command` prints, if it ends well. */
char *secret_from_command(const char *command);

/* The entry's password, unless others can read the file, called name. */
char *secret_from_netrc(const pop3_netrc *netrc, const pop3_netrc_entry *entry,
                        const char *name);

/* Asked for on the terminal, without echo. A signal restores the echo before it
 * does its work. */
char *secret_from_terminal(const char *user, const char *server);

/* Wipes and frees. */
void secret_free(char *secret);

#endif
