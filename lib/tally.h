/*
 * tally.h - how often each UID was stored, in memory
 * SPDX-License-Identifier: MIT
 *
 * Layer 0. A UID is known by 96 bits of its digest, so that a row takes 16 octets
 * however long UIDs are, and a million of them some 32 MB.
 */
#ifndef P3_TALLY_H
#define P3_TALLY_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Of a digest; all zeros is no UID's. */
struct p3_tally_key {
    uint64_t high;
    uint32_t low;
};

/* More messages of one UID than fit into a count are fetched again. */
struct p3_tally_row {
    uint64_t high; /* the key */
    uint32_t low;
    uint16_t stored; /* messages of that UID that are */
    uint16_t seen;   /* of them in the listing so far */
};

struct p3_tally {
    struct p3_tally_row *rows; /* a free one has the key 0 */
    size_t size;               /* of rows: a power of two, or 0 */
    size_t used;
    uint64_t total; /* of all stored */
    uint64_t salt;  /* so that nobody can choose UIDs that crowd one place */
};

void p3_tally_init(struct p3_tally *t);
void p3_tally_release(struct p3_tally *t);

struct p3_tally_key p3_tally_key_of(const struct p3_tally_row *row);

/* The row of that key, or NULL; good until the next p3_tally_raise. */
struct p3_tally_row *p3_tally_find(const struct p3_tally *t,
                                   struct p3_tally_key key);

/* Makes room for so many keys more: 0 where out of memory. */
int p3_tally_reserve(struct p3_tally *t, size_t more);

/* One more of that key is stored: 0 where out of memory, which it never is for
 * as many as were reserved. */
int p3_tally_raise(struct p3_tally *t, struct p3_tally_key key);

/* One less, if there are any. */
void p3_tally_lower(struct p3_tally *t, struct p3_tally_key key);

/* Nothing was seen. */
void p3_tally_unsee(struct p3_tally *t);

#pragma GCC visibility pop

#endif
