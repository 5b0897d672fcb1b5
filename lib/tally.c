/*
 * tally.c - how often each UID was stored, in memory
 * SPDX-License-Identifier: MIT
 *
 * Owns a table with open addressing: a row stands at the place that its key and
 * the salt name, or behind it. Knows no UID, no digest and no file (stored.c).
 */
#include "tally.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_SIZE = 256 };

/* Without random bits it is as good as before for who means no harm. */
void p3_tally_init(struct p3_tally *t)
{
    memset(t, 0, sizeof *t);
    if (getentropy(&t->salt, sizeof t->salt) != 0)
        t->salt = 0;
    t->salt |= 1;
}

void p3_tally_release(struct p3_tally *t)
{
    free(t->rows);
    p3_tally_init(t);
}

struct p3_tally_key p3_tally_key_of(const struct p3_tally_row *row)
{
    return (struct p3_tally_key){row->high, row->low};
}

static int is_free(const struct p3_tally_row *row)
{
    return !row->high && !row->low;
}

static int is_of(const struct p3_tally_row *row, struct p3_tally_key key)
{
    return row->high == key.high && row->low == key.low;
}

/* The row of that key, or the free one where it belongs; there always is one. */
static struct p3_tally_row *place_of(const struct p3_tally *t,
                                     struct p3_tally_key key)
{
    size_t i = (size_t)(key.high * t->salt >> 32) & (t->size - 1);

    while (!is_free(&t->rows[i]) && !is_of(&t->rows[i], key))
        i = (i + 1) & (t->size - 1);
    return &t->rows[i];
}

struct p3_tally_row *p3_tally_find(const struct p3_tally *t,
                                   struct p3_tally_key key)
{
    struct p3_tally_row *row = t->size ? place_of(t, key) : NULL;

    return row && !is_free(row) ? row : NULL;
}

/* ---- Growing ----------------------------------------------------------- */

/* At most four rows of five are used: more of them, and the ways get long. */
static int has_room(const struct p3_tally *t, size_t more)
{
    size_t most = t->size / 5 * 4;

    return t->used <= most && more <= most - t->used;
}

static int counts(const struct p3_tally_row *row)
{
    return row->stored || row->seen;
}

static size_t count_rows(const struct p3_tally *t)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < t->size; i++)
        n += (size_t)counts(&t->rows[i]);
    return n;
}

/* What counts no more stays behind. */
static void move_rows(const struct p3_tally *from, struct p3_tally *to)
{
    size_t i;

    for (i = 0; i < from->size; i++)
        if (counts(&from->rows[i]))
            *place_of(to, p3_tally_key_of(&from->rows[i])) = from->rows[i];
}

/* Room for half as many again as there are, so that this is seldom. */
int p3_tally_reserve(struct p3_tally *t, size_t more)
{
    struct p3_tally larger = {
        .size = FIRST_SIZE, .total = t->total, .salt = t->salt};

    if (has_room(t, more))
        return 1;
    larger.used = count_rows(t);
    if (more > SIZE_MAX / 8 - larger.used)
        return 0;
    while (!has_room(&larger, more + larger.used / 2))
        larger.size *= 2;
    larger.rows = calloc(larger.size, sizeof *larger.rows);
    if (!larger.rows)
        return 0;
    move_rows(t, &larger);
    free(t->rows);
    *t = larger;
    return 1;
}

/* ---- Counting ---------------------------------------------------------- */

int p3_tally_raise(struct p3_tally *t, struct p3_tally_key key)
{
    struct p3_tally_row *row;

    if (!p3_tally_reserve(t, 1))
        return 0;
    row = place_of(t, key);
    t->used += (size_t)is_free(row);
    row->high = key.high;
    row->low = key.low;
    if (row->stored < UINT16_MAX) {
        row->stored++;
        t->total++;
    }
    return 1;
}

void p3_tally_lower(struct p3_tally *t, struct p3_tally_key key)
{
    struct p3_tally_row *row = p3_tally_find(t, key);

    if (!row || !row->stored)
        return;
    row->stored--;
    t->total--;
}

void p3_tally_unsee(struct p3_tally *t)
{
    size_t i;

    for (i = 0; i < t->size; i++)
        t->rows[i].seen = 0;
}
