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

static void absorb_capas(pop3 *c, pop3_code rc);
static const struct p3_verb CAPA_AGAIN = {
    .name = "CAPA", .shape = POP3_LONG, .rows = 1, .absorb = absorb_capas};

/* ---- The walk ---------------------------------------------------------- */

static pop3_code skip_row(pop3 *c, const char *what)
{
    uint64_t limit = c->limits[POP3_LIMIT_BAD_ROWS];

    c->skipped++;
    if (limit && c->skipped > limit)
        return p3_kill(c, POP3_ERROR_MALFORMED,
                       "%s: more than %llu lines do not parse", what,
                       (unsigned long long)limit);
    return POP3_OK;
}

/* Takes the next row; *more 0: there was none. */
static pop3_code take_row(pop3 *c, const char *what, uint64_t row,
                          p3_row_taker take, void *arg, int *more)
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
        return p3_kill(c, POP3_ERROR_TOO_LONG, "%s: more than %llu lines", what,
                       (unsigned long long)limit);
    rc = take(c, (struct p3_text){line.text, line.length}, arg);
    return rc == POP3_ERROR_MALFORMED ? skip_row(c, what) : rc;
}

pop3_code p3_walk(pop3 *c, const char *what, p3_row_taker take, void *arg)
{
    uint64_t row = 0;
    int more = 1;
    pop3_code rc = POP3_OK;

    while (!rc && more)
        rc = take_row(c, what, row++, take, arg, &more);
    return rc;
}

static pop3_code call_and_walk(pop3 *c, const struct p3_verb *verb,
                               p3_row_taker take, void *arg)
{
    pop3_code rc = p3_call(c, verb, NULL);

    return rc ? rc : p3_walk(c, verb->name, take, arg);
}

/* ---- Rows to a callback ------------------------------------------------ */

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

    if (!p3_reply_size(line, &row) || !row.number)
        return POP3_ERROR_MALFORMED;
    return to->callback(to->arg, &row) ? stopped(c) : POP3_OK;
}

static pop3_code call_with_uid(pop3 *c, struct p3_text line, void *arg)
{
    const struct uid_caller *to = arg;
    pop3_uid row;

    if (!p3_reply_uid(line, &row) || !row.number)
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

/* ---- Rows in memory ---------------------------------------------------- */

static pop3_code gather_size(pop3 *c, struct p3_text line, void *arg)
{
    pop3_size row;

    if (!p3_reply_size(line, &row) || !row.number)
        return POP3_ERROR_MALFORMED;
    if (!p3_gather_row(arg, &row, sizeof row))
        return p3_error_memory(&c->error);
    return POP3_OK;
}

static pop3_code gather_uid(pop3 *c, struct p3_text line, void *arg)
{
    pop3_uid row;

    if (!p3_reply_uid(line, &row) || !row.number)
        return POP3_ERROR_MALFORMED;
    if (!p3_gather_text(arg, row.uid, row.length) ||
        !p3_gather_row(arg, &row, sizeof row))
        return p3_error_memory(&c->error);
    return POP3_OK;
}

/* A listing's body into memory; NULL where it fails, which c is told. */
static struct p3_gathered *gather(pop3 *c, const char *what, p3_row_taker take)
{
    struct p3_gathered *g;

    if (p3_enter(c))
        return NULL;
    g = p3_gather_new(c, &c->status);
    if (g && p3_walk(c, what, take, g)) {
        p3_gather_free(g);
        return NULL;
    }
    return g;
}

pop3_code pop3_body_sizes(pop3 *c, pop3_sizes **out)
{
    struct p3_gathered *g = gather(c, "LIST", gather_size);
    const pop3_size *row;
    size_t i;

    if (!g)
        return c->error.code;
    row = (const pop3_size *)(void *)g->rows.data;
    g->ascending = 1;
    for (i = 1; i < g->count; i++)
        g->ascending &= row[i - 1].number < row[i].number;
    g->pub.sizes = (pop3_sizes){.status = p3_buf_text(&g->status),
                                .status_length = g->status.len,
                                .count = g->count,
                                .rows = row,
                                .octets = c->body_octets};
    *out = &g->pub.sizes;
    return POP3_OK;
}

pop3_code pop3_body_uids(pop3 *c, pop3_uids **out)
{
    struct p3_gathered *g = gather(c, "UIDL", gather_uid);
    const char *text;
    pop3_uid *row;
    size_t i;

    if (!g)
        return c->error.code;
    row = (pop3_uid *)(void *)g->rows.data;
    text = g->text.data;
    g->ascending = 1;
    for (i = 0; i < g->count; i++) {
        g->ascending &= !i || row[i - 1].number < row[i].number;
        row[i].uid = text;
        text += row[i].length + 1;
    }
    g->pub.uids = (pop3_uids){.status = p3_buf_text(&g->status),
                              .status_length = g->status.len,
                              .count = g->count,
                              .rows = row,
                              .octets = c->body_octets};
    *out = &g->pub.uids;
    return POP3_OK;
}

pop3_code pop3_list(pop3 *c, pop3_sizes **out)
{
    pop3_code rc = p3_call(c, &LIST, NULL);

    return rc ? rc : pop3_body_sizes(c, out);
}

pop3_code pop3_uidl(pop3 *c, pop3_uids **out)
{
    pop3_code rc = p3_call(c, &UIDL, NULL);

    return rc ? rc : pop3_body_uids(c, out);
}

pop3_code pop3_queue_list(pop3 *c, void *tag)
{
    return p3_queue_alone(c, &LIST, tag);
}

pop3_code pop3_queue_uidl(pop3 *c, void *tag)
{
    return p3_queue_alone(c, &UIDL, tag);
}

void pop3_sizes_free(pop3_sizes *sizes)
{
    p3_gather_free(sizes);
}

void pop3_uids_free(pop3_uids *uids)
{
    p3_gather_free(uids);
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

static int is_ascending(const void *pub)
{
    const struct p3_gathered *g = pub;

    return g->ascending;
}

const pop3_size *pop3_list_find(const pop3_sizes *sizes, uint64_t number)
{
    return find_row(sizes->rows, sizes->count, sizeof *sizes->rows,
                    is_ascending(sizes), number);
}

const pop3_uid *pop3_uidl_find(const pop3_uids *uids, uint64_t number)
{
    return find_row(uids->rows, uids->count, sizeof *uids->rows,
                    is_ascending(uids), number);
}

/* ---- Capabilities ------------------------------------------------------ */

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

/* Now that the text stays where it is: the words' places in it. */
static int find_words(struct p3_gathered *g)
{
    const char *word = p3_buf_text(&g->text);
    const char *end = word + g->text.len;

    for (; word < end; word += strlen(word) + 1)
        if (!p3_buf_add(&g->words, &word, sizeof word))
            return 0;
    return 1;
}

/* Each row's name, and the words behind it as its arguments. */
static void share_words(struct p3_gathered *g)
{
    pop3_capability *row = (pop3_capability *)(void *)g->rows.data;
    const char **word = (const char **)(void *)g->words.data;
    size_t i;

    for (i = 0; i < g->count; i++) {
        row[i].name = *word++;
        row[i].args = word;
        word += row[i].count;
    }
}

static int join_implementation(struct p3_gathered *g)
{
    const pop3_capability *capa = pop3_capa_find(&g->pub.capas,
                                                 "IMPLEMENTATION");
    size_t i;

    for (i = 0; capa && i < capa->count; i++)
        if (!p3_buf_addf(&g->joined, "%s%s", i ? " " : "", capa->args[i]))
            return 0;
    return 1;
}

static int publish_capas(const pop3 *c, struct p3_gathered *g)
{
    if (!find_words(g))
        return 0;
    share_words(g);
    g->pub.capas = (pop3_capas){
        .status = p3_buf_text(&g->status),
        .status_length = g->status.len,
        .count = g->count,
        .items = (pop3_capability *)(void *)g->rows.data,
        .octets = c->capa_octets};
    return join_implementation(g);
}

/* The remembered lines as rows. */
static int parse_capas(const pop3 *c, struct p3_gathered *g)
{
    struct p3_text all = {p3_buf_text(&c->capa_text), c->capa_text.len};

    while (all.len) {
        const char *lf = memchr(all.data, '\n', all.len);
        size_t n = (size_t)(lf - all.data);

        if (!gather_capa(g, (struct p3_text){all.data, n}))
            return 0;
        all.data += n + 1;
        all.len -= n + 1;
    }
    return 1;
}

static pop3_code copy_capas(pop3 *c, pop3_capas **out)
{
    struct p3_gathered *g = p3_gather_new(c, &c->capa_status);

    if (!g)
        return c->error.code;
    if (!parse_capas(c, g) || !publish_capas(c, g)) {
        p3_gather_free(g);
        return p3_error_memory(&c->error);
    }
    *out = &g->pub.capas;
    return POP3_OK;
}

void pop3_capas_free(pop3_capas *capas)
{
    p3_gather_free(capas);
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

/* Refused for now, which says nothing of what the server offers. */
static int is_later(pop3_resp_kind kind)
{
    return kind == POP3_RESP_IN_USE || kind == POP3_RESP_LOGIN_DELAY ||
           kind == POP3_RESP_SYS_TEMP;
}

/* Whether the remembered lines have one of that name. */
static int is_remembered(const pop3 *c, const char *name)
{
    const char *line = p3_buf_text(&c->capa_text);
    size_t n = strlen(name);

    for (; *line; line += strcspn(line, "\n") + 1) {
        line += strspn(line, " \t");
        if (!strncasecmp(line, name, n) && strchr(" \t\n", line[n]))
            return 1;
    }
    return 0;
}

/* Remembers the body of CAPA's reply, the current one. */
static pop3_code keep_capas(pop3 *c)
{
    pop3_code rc;

    p3_forget_capas(c);
    if (!p3_buf_add(&c->capa_status, c->status.data, c->status.len))
        return p3_error_memory(&c->error);
    rc = p3_walk(c, "CAPA", remember_capa, NULL);
    if (rc) {
        p3_forget_capas(c);
        return rc;
    }
    c->capa_octets = c->body_octets;
    c->capa_state = P3_CAPA_KNOWN;
    c->pipelining = is_remembered(c, "PIPELINING");
    return POP3_OK;
}

/* And where CAPA was refused, that it was. rc: what became of it; without a
 * reply what was known holds. */
static pop3_code take_capas(pop3 *c, pop3_code rc)
{
    if (!rc)
        return keep_capas(c);
    if (rc != POP3_ERROR_PROTO)
        return rc;
    p3_forget_capas(c);
    if (!is_later(pop3_resp(c)))
        c->capa_state = P3_CAPA_REFUSED;
    return rc;
}

static pop3_code ask_capas(pop3 *c)
{
    return take_capas(c, p3_call(c, &CAPA, NULL));
}

static int are_wanted(const pop3 *c)
{
    return c->capa_state == P3_CAPA_UNKNOWN || c->capa_stale;
}

/* What is not known then counts as not offered, and is not asked for again
 * before each command that waits. */
static void absorb_capas(pop3 *c, pop3_code rc)
{
    take_capas(c, rc);
    while (c->in_body) { /* by poplib's rules a line too long kills nothing */
        p3_error_clear(&c->error);
        p3_skip_body(c);
    }
    if (c->state != POP3_STATE_DEAD)
        p3_error_clear(&c->error);
    c->capa_asked = are_wanted(c);
}

void p3_renew_capas(pop3 *c)
{
    int several = c->unsent && c->unsent->next;

    if (!are_wanted(c) || !several || c->no_capa || c->capa_asked ||
        c->window_commands == 1)
        return;
    if (p3_queue_ahead(c, &CAPA_AGAIN))
        p3_error_clear(&c->error); /* slower without, but all the same */
    else
        c->capa_asked = 1;
}

pop3_code pop3_queue_capa(pop3 *c, void *tag)
{
    return p3_queue_alone(c, &CAPA, tag);
}

pop3_code pop3_body_capas(pop3 *c, pop3_capas **out)
{
    pop3_code rc = p3_enter(c);

    if (!rc && !c->in_body)
        rc = p3_fail(c, POP3_ERROR_STATE, "no body is being read");
    if (!rc)
        rc = keep_capas(c);
    return rc ? rc : copy_capas(c, out);
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

pop3_code p3_known_capas(pop3 *c, pop3_capas **out)
{
    pop3_code rc = POP3_OK;

    *out = NULL;
    if (c->capa_state == P3_CAPA_UNKNOWN && !c->no_capa)
        rc = ask_capas(c);
    if (rc == POP3_ERROR_PROTO && !is_later(pop3_resp(c))) {
        p3_error_clear(&c->error);
        return POP3_OK;
    }
    if (rc || c->capa_state != P3_CAPA_KNOWN)
        return rc;
    return copy_capas(c, out);
}

/* A server without CAPA offers nothing (RFC 2449, 5). */
pop3_code p3_offers(pop3 *c, const char *name, int *offered)
{
    pop3_capas *capas;
    pop3_code rc = p3_known_capas(c, &capas);

    *offered = capas && pop3_capa_find(capas, name);
    pop3_capas_free(capas);
    return rc;
}

/* ---- What capabilities say --------------------------------------------- */

int pop3_capa_sasl(const pop3_capas *capas, const char *mechanism)
{
    const pop3_capability *sasl = pop3_capa_find(capas, "SASL");
    size_t i;

    for (i = 0; sasl && i < sasl->count; i++)
        if (!strcasecmp(sasl->args[i], mechanism))
            return 1;
    return 0;
}

/* "60", "60 USER", "NEVER": a number that another user may have another of. */
static int64_t number_of(const pop3_capas *capas, const char *name,
                         int *per_user)
{
    const pop3_capability *capa = pop3_capa_find(capas, name);
    struct p3_text text;
    uint64_t n;

    if (per_user)
        *per_user = capa && capa->count > 1 &&
                    !strcasecmp(capa->args[1], "USER");
    if (!capa || !capa->count)
        return -1;
    text = (struct p3_text){capa->args[0], strlen(capa->args[0])};
    return p3_reply_number(&text, &n) && n <= INT32_MAX ? (int64_t)n : -1;
}

int64_t pop3_capa_login_delay(const pop3_capas *capas, int *per_user)
{
    return number_of(capas, "LOGIN-DELAY", per_user);
}

int64_t pop3_capa_expire(const pop3_capas *capas, int *per_user)
{
    const pop3_capability *capa = pop3_capa_find(capas, "EXPIRE");
    int64_t days = number_of(capas, "EXPIRE", per_user);

    if (capa && capa->count && !strcasecmp(capa->args[0], "NEVER"))
        return POP3_EXPIRE_NEVER;
    return days;
}

const char *pop3_capa_implementation(const pop3_capas *capas)
{
    const struct p3_gathered *g = (const struct p3_gathered *)capas;

    return g->joined.data;
}
