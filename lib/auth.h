/*
 * auth.h - the dialogue of AUTH, and who may reveal a password
 * SPDX-License-Identifier: MIT
 *
 * Layer 6.
 */
#ifndef P3_AUTH_H
#define P3_AUTH_H

#include "conn.h"
#include "sasl.h"

#pragma GCC visibility push(hidden)

/* Whether a password may cross the link; and the error where it may not. */
int p3_may_reveal(const pop3 *c);
pop3_code p3_insecure(pop3 *c, const char *what);

/* pop3_login, by that policy instead of the one that is set. */
pop3_code p3_login(pop3 *c, pop3_stls_policy policy, const char *user,
                   const char *password);

/* USER and PASS in one flight, for a server that offers PIPELINING; both may be
 * sent. What USER is refused with is what is told. */
pop3_code p3_user_and_pass(pop3 *c, const char *user, const char *password);

/* AUTH to its end (RFC 5034). at_once: the server knows initial responses. */
pop3_code p3_dialogue(pop3 *c, struct p3_sasl *s, int at_once);

#pragma GCC visibility pop

#endif
