/*
 * gather.c - a multi-line reply in memory: rows, and the text they point to
 * SPDX-License-Identifier: MIT
 *
 * Owns the growing of a result: two allocations that double, however many rows
 * there are. Not here: what a row is (body.c, listing.c).
 */
#include "gather.h"

void p3_gather_init(struct p3_gathered *g)
{
    p3_buf_init(&g->status, 0, 0);
    p3_buf_init(&g->rows, 0, 0);
    p3_buf_init(&g->text, 0, 0);
    g->count = 0;
}

void p3_gather_release(struct p3_gathered *g)
{
    p3_buf_release(&g->status);
    p3_buf_release(&g->rows);
    p3_buf_release(&g->text);
}

pop3_code p3_gather_status(pop3 *c, struct p3_gathered *g)
{
    if (!p3_buf_add(&g->status, c->status.data, c->status.len))
        return p3_error_memory(&c->error);
    return POP3_OK;
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
