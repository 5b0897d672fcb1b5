/*
 * gather.c - a multi-line reply in memory: rows, and the text they point to
 * SPDX-License-Identifier: MIT
 *
 * Owns the growing of a result: two allocations that double, however many rows
 * there are. Not here: what a row is (body.c, listing.c).
 */
#include "gather.h"

#include <stdlib.h>

struct p3_gathered *p3_gather_new(pop3 *c, const struct p3_buf *status)
{
    struct p3_gathered *g = calloc(1, sizeof *g);

    if (!g) {
        p3_error_memory(&c->error);
        return NULL;
    }
    p3_buf_init(&g->status, 0, 0);
    p3_buf_init(&g->rows, 0, 0);
    p3_buf_init(&g->text, 0, 0);
    p3_buf_init(&g->words, 0, 0);
    p3_buf_init(&g->joined, 0, 0);
    if (p3_buf_add(&g->status, status->data, status->len))
        return g;
    p3_error_memory(&c->error);
    p3_gather_free(g);
    return NULL;
}

void p3_gather_free(void *pub)
{
    struct p3_gathered *g = pub;

    if (!g)
        return;
    p3_buf_release(&g->status);
    p3_buf_release(&g->rows);
    p3_buf_release(&g->text);
    p3_buf_release(&g->words);
    p3_buf_release(&g->joined);
    free(g);
}

int p3_gather_row(struct p3_gathered *g, const void *row, size_t size)
{
    if (!p3_buf_add(&g->rows, row, size))
        return 0;
    g->count++;
    return 1;
}

int p3_gather_text(struct p3_gathered *g, const char *data, size_t len)
{
    return p3_buf_add(&g->text, data, len) && p3_buf_add(&g->text, "", 1);
}
