/*
 * listing.h - what the server offers, for the layers above
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

#pragma GCC visibility pop

#endif
