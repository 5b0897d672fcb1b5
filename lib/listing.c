/*
 * listing.c - LIST, UIDL and CAPA: rows, one line each
 * SPDX-License-Identifier: MIT
 *
 * Owns the walk over a listing, which skips a line that does not parse up to a
 * limit, the results in memory, and the capability cache. Knows conn, gather
 * and reply.
 */
#include "listing.h"
#include "gather.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct p3_verb LIST = {
    .name = "LIST", .shape = POP3_LONG, .rows = 1};
static const struct p3_verb UIDL = {
    .name = "UIDL", .shape = POP3_LONG, .rows = 1};
static const struct p3_verb CAPA = {
    .name = "CAPA", .shape = POP3_LONG, .rows = 1};

/* ---- The walk ------------------------------------------------------------------ */

/* What is done with a line: POP3_OK, an error that ends the walk, or, where it
 * does not parse, POP3_ERROR_MALFORMED, which does not. */
typedef pop3_code (*row_taker)(pop3 *c, struct p3_text line, void *arg);

static pop3_code skip_row(pop3 *c, const struct p3_verb *verb)
{
    uint64_t limit = c->limits[POP3_LIMIT_BAD_ROWS];

    c->skipped++;
    if (limit && c->skipped > limit)
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "%s: more than %llu lines do not parse", verb->name,
                       (unsigned long long)limit);
    return POP3_OK;
}

/* Takes the next row; *more 0: there was none. */
static pop3_code take_row(pop3 *c, const struct p3_verb *verb, uint64_t row,
                          row_taker take, void *arg, int *more)
{
    uint64_t limit = c->limits[POP3_LIMIT_ROWS];
    pop3_line line;
    pop3_code rc = p3_next_line(c, c->limits[POP3_LIMIT_REPLY], &line);

    if (rc)
        return rc;
    *more = line.text != NULL;
    if (!*more)
        return POP3_OK;
    if (limit && row >= limit)
        return p3_kill(c, POP3_ERROR_TOO_LONG, "%s: more than %llu lines",
                       verb->name, (unsigned long long)limit);
    rc = take(c, (struct p3_text){line.text, line.length}, arg);
    return rc == POP3_ERROR_MALFORMED ? skip_row(c, verb) : rc;
}

static pop3_code walk(pop3 *c, const struct p3_verb *verb, row_taker take,
                      void *arg)
{
    uint64_t row = 0;
    int more = 1;
    pop3_code rc = POP3_OK;

    while (!rc && more)
        rc = take_row(c, verb, row++, take, arg, &more);
    return rc;
}

static pop3_code call_and_walk(pop3 *c, const struct p3_verb *verb,
                               row_taker take, void *arg)
{
    pop3_code rc = p3_call(c, verb, NULL);

    return rc ? rc : walk(c, verb, take, arg);
}

/* ---- Rows to a callback ------------------------------------------------------------ */

struct size_caller {
    pop3_size_callback callback;
    void *arg;
};

struct uid_caller {
    pop3_uid_callback callback;
    void *arg;
};

static pop3_code stopped(pop3 *c)
{
    return p3_fail(c, POP3_ERROR_STOPPED, "stopped by the callback");
}

static pop3_code call_with_size(pop3 *c, struct p3_text line, void *arg)
{
    const struct size_caller *to = arg;
    pop3_size row;

    if (!p3_reply_size(line, &row))
        return POP3_ERROR_MALFORMED;
    return to->callback(to->arg, &row) ? stopped(c) : POP3_OK;
}

static pop3_code call_with_uid(pop3 *c, struct p3_text line, void *arg)
{
    const struct uid_caller *to = arg;
    pop3_uid row;

    if (!p3_reply_uid(line, &row))
        return POP3_ERROR_MALFORMED;
    return to->callback(to->arg, &row) ? stopped(c) : POP3_OK;
}

pop3_code pop3_each_size(pop3 *c, pop3_size_callback callback, void *arg)
{
    struct size_caller to = {callback, arg};

    return call_and_walk(c, &LIST, call_with_size, &to);
}

pop3_code pop3_each_uid(pop3 *c, pop3_uid_callback callback, void *arg)
{
    struct uid_caller to = {callback, arg};

    return call_and_walk(c, &UIDL, call_with_uid, &to);
}

/* ---- Rows in memory ------------------------------------------------------------------ */

struct sizes_result {
    pop3_sizes pub;
    struct p3_gathered g;
    int ascending; /* the numbers rise from row to row */
};

struct uids_result {
    pop3_uids pub;
    struct p3_gathered g;
    int ascending;
};

static pop3_code gather_size(pop3 *c, struct p3_text line, void *arg)
{
    struct sizes_result *r = arg;
    pop3_size row;

    if (!p3_reply_size(line, &row))
        return POP3_ERROR_MALFORMED;
    if (!p3_gather_row(&r->g, &row, sizeof row))
        return p3_error_memory(&c->error);
    return POP3_OK;
}

static pop3_code gather_uid(pop3 *c, struct p3_text line, void *arg)
{
    struct uids_result *r = arg;
    pop3_uid row;

    if (!p3_reply_uid(line, &row))
        return POP3_ERROR_MALFORMED;
    if (!p3_gather_text(&r->g, row.uid, row.length) ||
        !p3_gather_row(&r->g, &row, sizeof row))
        return p3_error_memory(&c->error);
    return POP3_OK;
}

static void publish_sizes(pop3 *c, struct sizes_result *r)
{
    const pop3_size *row = (const pop3_size *)(void *)r->g.rows.data;
    size_t i;

    r->ascending = 1;
    for (i = 1; i < r->g.count; i++)
        r->ascending &= row[i - 1].number < row[i].number;
    r->pub.status = p3_buf_text(&r->g.status);
    r->pub.status_length = r->g.status.len;
    r->pub.count = r->g.count;
    r->pub.rows = row;
    r->pub.octets = c->body_octets;
}

static void publish_uids(pop3 *c, struct uids_result *r)
{
    pop3_uid *row = (pop3_uid *)(void *)r->g.rows.data;
    const char *text = r->g.text.data;
    size_t i;

    r->ascending = 1;
    for (i = 0; i < r->g.count; i++) {
        r->ascending &= !i || row[i - 1].number < row[i].number;
        row[i].uid = text;
        text += row[i].length + 1;
    }
    r->pub.status = p3_buf_text(&r->g.status);
    r->pub.status_length = r->g.status.len;
    r->pub.count = r->g.count;
    r->pub.rows = row;
    r->pub.octets = c->body_octets;
}

pop3_code pop3_list(pop3 *c, pop3_sizes **out)
{
    struct sizes_result *r;
    pop3_code rc = p3_call(c, &LIST, NULL);

    if (rc)
        return rc;
    r = calloc(1, sizeof *r);
    if (!r)
        return p3_error_memory(&c->error);
    p3_gather_init(&r->g);
    rc = p3_gather_status(c, &r->g);
    if (!rc)
        rc = walk(c, &LIST, gather_size, r);
    if (rc) {
        pop3_sizes_free(&r->pub);
        return rc;
    }
    publish_sizes(c, r);
    *out = &r->pub;
    return POP3_OK;
}

pop3_code pop3_uidl(pop3 *c, pop3_uids **out)
{
    struct uids_result *r;
    pop3_code rc = p3_call(c, &UIDL, NULL);

    if (rc)
        return rc;
    r = calloc(1, sizeof *r);
    if (!r)
        return p3_error_memory(&c->error);
    p3_gather_init(&r->g);
    rc = p3_gather_status(c, &r->g);
    if (!rc)
        rc = walk(c, &UIDL, gather_uid, r);
    if (rc) {
        pop3_uids_free(&r->pub);
        return rc;
    }
    publish_uids(c, r);
    *out = &r->pub;
    return POP3_OK;
}

void pop3_sizes_free(pop3_sizes *sizes)
{
    struct sizes_result *r = (struct sizes_result *)sizes;

    if (!r)
        return;
    p3_gather_release(&r->g);
    free(r);
}

void pop3_uids_free(pop3_uids *uids)
{
    struct uids_result *r = (struct uids_result *)uids;

    if (!r)
        return;
    p3_gather_release(&r->g);
    free(r);
}

/* Rows begin with their number. */
static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The row of that number. Servers list in order; one that does not is searched
 * from end to end. */
static const void *find_row(const void *rows, size_t count, size_t size,
                            int ascending, uint64_t number)
{
    const char *row = rows;
    size_t i;

    if (ascending)
        return count ? bsearch(&number, rows, count, size, compare_numbers)
                     : NULL;
    for (i = 0; i < count; i++, row += size)
        if (compare_numbers(row, &number) == 0)
            return row;
    return NULL;
}

const pop3_size *pop3_list_find(const pop3_sizes *sizes, uint64_t number)
{
    const struct sizes_result *r = (const struct sizes_result *)sizes;

    return find_row(sizes->rows, sizes->count, sizeof *sizes->rows,
                    r->ascending, number);
}

const pop3_uid *pop3_uidl_find(const pop3_uids *uids, uint64_t number)
{
    const struct uids_result *r = (const struct uids_result *)uids;

    return find_row(uids->rows, uids->count, sizeof *uids->rows, r->ascending,
                    number);
}

/* ---- Capabilities ------------------------------------------------------------------------ */

struct capas_result {
    pop3_capas pub;
    struct p3_gathered g; /* text: every word, a NUL behind each */
    const char **words;   /* all of them; rows hold how many are theirs */
};

/* The words of a line: a name and its arguments. */
static int gather_capa(struct p3_gathered *g, struct p3_text line)
{
    pop3_capability row = {NULL, 0, NULL};
    struct p3_text word;

    if (!p3_reply_word(&line, &word) || !p3_gather_text(g, word.data, word.len))
        return 0;
    while (p3_reply_word(&line, &word)) {
        if (!p3_gather_text(g, word.data, word.len))
            return 0;
        row.count++;
    }
    return p3_gather_row(g, &row, sizeof row);
}

static size_t count_words(const struct p3_gathered *g)
{
    const pop3_capability *row = (const pop3_capability *)(void *)g->rows.data;
    size_t i, n = 0;

    for (i = 0; i < g->count; i++)
        n += row[i].count + 1;
    return n;
}

/* Now that the text stays where it is: the words' places. */
static int publish_capas(const pop3 *c, struct capas_result *r)
{
    pop3_capability *row = (pop3_capability *)(void *)r->g.rows.data;
    const char *text = r->g.text.data;
    size_t words = count_words(&r->g);
    size_t i, used = 0;

    r->words = calloc(words + 1, sizeof *r->words);
    if (!r->words)
        return 0;
    for (i = 0; i < words; i++, text += strlen(text) + 1)
        r->words[i] = text;
    for (i = 0; i < r->g.count; i++) {
        row[i].name = r->words[used];
        row[i].args = r->words + used + 1;
        used += row[i].count + 1;
    }
    r->pub.status = p3_buf_text(&r->g.status);
    r->pub.status_length = r->g.status.len;
    r->pub.count = r->g.count;
    r->pub.items = row;
    r->pub.octets = c->capa_octets;
    return 1;
}

/* The remembered lines as a result. */
static int parse_capas(const pop3 *c, struct capas_result *r)
{
    struct p3_text all = {p3_buf_text(&c->capa_text), c->capa_text.len};

    while (all.len) {
        const char *lf = memchr(all.data, '\n', all.len);
        size_t n = (size_t)(lf - all.data);

        if (!gather_capa(&r->g, (struct p3_text){all.data, n}))
            return 0;
        all.data += n + 1;
        all.len -= n + 1;
    }
    return p3_buf_add(&r->g.status, p3_buf_text(&c->capa_status),
                      c->capa_status.len) &&
           publish_capas(c, r);
}

static pop3_code copy_capas(pop3 *c, pop3_capas **out)
{
    struct capas_result *r = calloc(1, sizeof *r);

    if (!r)
        return p3_error_memory(&c->error);
    p3_gather_init(&r->g);
    if (!parse_capas(c, r)) {
        pop3_capas_free(&r->pub);
        return p3_error_memory(&c->error);
    }
    *out = &r->pub;
    return POP3_OK;
}

void pop3_capas_free(pop3_capas *capas)
{
    struct capas_result *r = (struct capas_result *)capas;

    if (!r)
        return;
    p3_gather_release(&r->g);
    free(r->words);
    free(r);
}

/* A NUL would end a name that is text in the result, and a bare LF make two of
 * one: such a line is skipped, as an empty one is. */
static pop3_code remember_capa(pop3 *c, struct p3_text line, void *arg)
{
    struct p3_text rest = line, word;

    (void)arg;
    if (!p3_reply_word(&rest, &word) || memchr(line.data, '\0', line.len) ||
        memchr(line.data, '\n', line.len))
        return POP3_ERROR_MALFORMED;
    if (!p3_buf_add(&c->capa_text, line.data, line.len) ||
        !p3_buf_add(&c->capa_text, "\n", 1))
        return p3_error_memory(&c->error);
    return POP3_OK;
}

static pop3_code ask_capas(pop3 *c)
{
    pop3_code rc = p3_call(c, &CAPA, NULL);

    p3_forget_capas(c);
    if (rc == POP3_ERROR_PROTO)
        c->capa_state = P3_CAPA_REFUSED;
    if (rc)
        return rc;
    if (!p3_buf_add(&c->capa_status, c->status.data, c->status.len))
        return p3_error_memory(&c->error);
    rc = walk(c, &CAPA, remember_capa, NULL);
    if (rc) {
        p3_forget_capas(c);
        return rc;
    }
    c->capa_octets = c->body_octets;
    c->capa_state = P3_CAPA_KNOWN;
    return POP3_OK;
}

pop3_code pop3_capa_refresh(pop3 *c, pop3_capas **out)
{
    pop3_code rc = ask_capas(c);

    return rc ? rc : copy_capas(c, out);
}

pop3_code pop3_capa(pop3 *c, pop3_capas **out)
{
    pop3_code rc = p3_enter(c);

    if (rc)
        return rc;
    if (c->capa_state == P3_CAPA_REFUSED)
        return p3_fail(c, POP3_ERROR_PROTO, "CAPA was refused before");
    if (c->capa_state == P3_CAPA_UNKNOWN)
        rc = ask_capas(c);
    return rc ? rc : copy_capas(c, out);
}

const pop3_capability *pop3_capa_find(const pop3_capas *capas, const char *name)
{
    size_t i = capas->count;

    while (i--)
        if (!strcasecmp(capas->items[i].name, name))
            return &capas->items[i];
    return NULL;
}

/* A server without CAPA offers nothing (RFC 2449, 5). */
pop3_code p3_offers(pop3 *c, const char *name, int *offered)
{
    pop3_capas *capas;
    pop3_code rc;

    *offered = 0;
    rc = c->capa_state == P3_CAPA_UNKNOWN ? ask_capas(c) : POP3_OK;
    if (rc == POP3_ERROR_PROTO) {
        p3_error_clear(&c->error);
        return POP3_OK;
    }
    if (rc || c->capa_state == P3_CAPA_REFUSED)
        return rc;
    rc = copy_capas(c, &capas);
    if (rc)
        return rc;
    *offered = pop3_capa_find(capas, name) != NULL;
    pop3_capas_free(capas);
    return POP3_OK;
}
