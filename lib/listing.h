/*
 * listing.h - listings and what the server offers, for the layers above
 * SPDX-License-Identifier: MIT
 *
 * Layer 5.
 */
#ifndef P3_LISTING_H
#define P3_LISTING_H

#include "conn.h"

#pragma GCC visibility push(hidden)

/* What the server offers, asked for where it is not known yet; free with
 * pop3_capas_free. NULL where it has no CAPA, or must not be asked. */
pop3_code p3_known_capas(pop3 *c, pop3_capas **out);

/* Whether a capability is among the server's, which are asked for where they
 * are not known yet. Fails as a command, but not where CAPA is refused. */
pop3_code p3_offers(pop3 *c, const char *name, int *offered);

/* Puts the library's own CAPA before what is to be sent, where more than one
 * command is and it is not known, or was told before login alone, whether they
 * may go together. */
void p3_renew_capas(pop3 *c);

/* A row of LIST, or of UIDL, at a time: takes one of the current body, and
 * returns POP3_OK to go on, another code to end the walk, or, where the line does
 * not parse, POP3_ERROR_MALFORMED, which does not. */
typedef pop3_code (*p3_row_taker)(pop3 *c, struct p3_text line, void *arg);
pop3_code p3_walk(pop3 *c, const char *what, p3_row_taker take, void *arg);

#pragma GCC visibility pop

#endif
