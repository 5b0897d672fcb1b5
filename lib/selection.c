/*
 * selection.c - which messages there are, and which of them are wanted
 * SPDX-License-Identifier: MIT
 *
 * Owns the listings of a download, which no server need have right, and what a
 * plan and the record of what is stored make of them. Knows the walk over
 * listings (listing) and stored. Not here: fetching (download.c).
 */
#include "selection.h"
#include "listing.h"
#include "record.h"
#include "stored.h"

#include <stdlib.h>
#include <string.h>

void p3_selection_init(struct p3_selection *s, pop3 *c, const pop3_plan *plan,
                       pop3_downloaded *result)
{
    memset(s, 0, sizeof *s);
    s->c = c;
    s->plan = plan;
    s->result = result;
    p3_buf_init(&s->room, 0, 0);
    p3_buf_init(&s->uids, 0, 0);
}

void p3_selection_release(struct p3_selection *s)
{
    p3_buf_release(&s->room);
    p3_buf_release(&s->uids);
}

pop3_message p3_message_of(const struct p3_selection *s,
                           const struct p3_entry *e)
{
    return (pop3_message){.number = e->number,
                          .octets = e->octets,
                          .uid = e->uid_length ? s->uids.data + e->uid_at
                                               : NULL,
                          .uid_length = e->uid_length};
}

void p3_tell(const struct p3_selection *s, const struct p3_entry *e,
             pop3_outcome outcome)
{
    pop3_message m = p3_message_of(s, e);

    if (s->plan->outcome)
        s->plan->outcome(s->plan->outcome_arg, &m, outcome);
}

/* ---- Listings ---------------------------------------------------------- */

static pop3_code take_size(pop3 *c, struct p3_text line, void *arg)
{
    struct p3_selection *s = arg;
    struct p3_entry e = {.what = P3_UNKNOWN};
    pop3_size row;

    if (!p3_reply_size(line, &row) || !row.number)
        return POP3_ERROR_MALFORMED;
    e.number = row.number;
    e.octets = row.octets;
    return p3_buf_add(&s->room, &e, sizeof e) ? POP3_OK
                                              : p3_error_memory(&c->error);
}

static int compare_entries(const void *a, const void *b)
{
    const struct p3_entry *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static int is_ascending(const struct p3_selection *s)
{
    size_t i;

    for (i = 1; i < s->count; i++)
        if (s->entries[i - 1].number >= s->entries[i].number)
            return 0;
    return 1;
}

/* Of two rows of one number, which no server should send, one counts. */
static void drop_doubles(struct p3_selection *s)
{
    size_t i, kept = 0;

    for (i = 0; i < s->count; i++)
        if (!kept || s->entries[kept - 1].number != s->entries[i].number)
            s->entries[kept++] = s->entries[i];
    s->count = kept;
}

static pop3_code take_list(struct p3_selection *s)
{
    pop3_code rc = p3_walk(s->c, "LIST", take_size, s);

    s->entries = (struct p3_entry *)(void *)s->room.data;
    s->count = s->room.len / sizeof *s->entries;
    s->result->skipped += s->c->skipped;
    if (rc || is_ascending(s))
        return rc;
    qsort(s->entries, s->count, sizeof *s->entries, compare_entries);
    drop_doubles(s);
    return POP3_OK;
}

/* Servers list in order, so it is usually the next one. */
static struct p3_entry *find_entry(struct p3_selection *s, uint64_t number)
{
    struct p3_entry key = {.number = number};
    struct p3_entry *e;

    if (s->cursor < s->count && s->entries[s->cursor].number == number)
        return &s->entries[s->cursor++];
    e = s->count
            ? bsearch(&key, s->entries, s->count, sizeof key, compare_entries)
            : NULL;
    if (e)
        s->cursor = (size_t)(e - s->entries) + 1;
    return e;
}

/* Whether unique-ids decide what is fetched. */
static int needs_uids(const struct p3_selection *s)
{
    return s->plan->stored || s->plan->select;
}

/* Whether somebody is told of them, at least. */
static int wants_uids(const struct p3_selection *s)
{
    return needs_uids(s) || s->plan->outcome ||
           s->plan->target == P3_TARGET_SINK;
}

/* A hundred octets for each of a million messages; RFC 1939 has 70. */
enum { UIDS_LIMIT = 100 << 20 };

static pop3_code too_many_uids(pop3 *c)
{
    return p3_kill(c, POP3_ERROR_TOO_LONG,
                   "UIDL: unique-ids of more than %d octets in all",
                   UIDS_LIMIT);
}

/* The text of a unique-id is kept only as long as it may be written. */
static pop3_code remember_uid(struct p3_selection *s, struct p3_entry *e,
                              const pop3_uid *row)
{
    if (!wants_uids(s) ||
        (e->what == P3_KNOWN && !s->plan->deletes && !s->plan->select))
        return POP3_OK;
    if (s->uids.len + row->length >= UIDS_LIMIT)
        return too_many_uids(s->c);
    e->uid_at = (uint32_t)s->uids.len;
    if (!p3_buf_reserve(&s->uids, row->length + 1))
        return p3_error_memory(&s->c->error);
    (void)p3_buf_add(&s->uids, row->uid, row->length);
    (void)p3_buf_add(&s->uids, "", 1);
    e->uid_length = (uint16_t)row->length;
    return POP3_OK;
}

static pop3_code take_uid(pop3 *c, struct p3_text line, void *arg)
{
    struct p3_selection *s = arg;
    pop3_stored *stored = s->plan->stored;
    struct p3_entry *e;
    pop3_uid row;

    (void)c;
    if (!p3_reply_uid(line, &row) || !row.number || row.length > P3_LONGEST_UID)
        return POP3_ERROR_MALFORMED;
    e = find_entry(s, row.number);
    if (!e || e->what != P3_UNKNOWN) {
        s->strange = 1;
        return POP3_OK;
    }
    e->what = stored && p3_stored_meet(stored, row.uid, row.length) ? P3_KNOWN
                                                                    : P3_WANTED;
    return remember_uid(s, e, &row);
}

/* Without unique-ids all can be fetched and deleted, but not kept. */
static pop3_code no_uids(struct p3_selection *s)
{
    pop3_resp_kind resp = pop3_resp(s->c);
    struct p3_error said = s->c->error;

    if (needs_uids(s) &&
        (resp == POP3_RESP_SYS_TEMP || resp == POP3_RESP_IN_USE ||
         resp == POP3_RESP_LOGIN_DELAY))
        return said.code;
    if (s->plan->stored && !s->plan->deletes)
        return p3_fail(s->c, POP3_ERROR_PROTO,
                       "%.300s: without unique-ids nobody knows what is new",
                       said.text);
    p3_error_clear(&s->c->error);
    return POP3_OK;
}

static pop3_code take_uidl(struct p3_selection *s)
{
    pop3_code rc;

    if (s->plan->stored)
        p3_stored_begin_listing(s->plan->stored);
    rc = p3_walk(s->c, "UIDL", take_uid, s);
    s->result->skipped += s->c->skipped;
    s->has_uids = 1;
    return rc;
}

static int is_complete(const struct p3_selection *s)
{
    size_t i;

    for (i = 0; i < s->count; i++)
        if (s->entries[i].what == P3_UNKNOWN)
            return 0;
    return !s->strange && !s->result->skipped;
}

/* UIDL in any case: of two commands at once the library learns whether the
 * server takes them so. */
static pop3_code queue_listings(struct p3_selection *s)
{
    pop3_code rc = pop3_queue_list(s->c, NULL);

    if (!rc)
        rc = pop3_queue_uidl(s->c, NULL);
    return rc;
}

static pop3_code list(struct p3_selection *s)
{
    pop3_code rc = queue_listings(s);

    if (!rc)
        rc = pop3_next_reply(s->c, NULL);
    if (!rc)
        rc = take_list(s);
    if (rc)
        return rc;
    rc = pop3_next_reply(s->c, NULL);
    rc = rc == POP3_ERROR_PROTO ? no_uids(s) : rc ? rc : take_uidl(s);
    /* What was marked for deletion is listed no more, and may come back. */
    s->complete = !rc && s->has_uids && !s->c->marked && is_complete(s);
    return rc;
}

/* ---- Selection --------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The numbers of the plan, in order; 0 where there is no memory for them. */
static int copy_numbers(const pop3_plan *plan, struct p3_buf *out)
{
    p3_buf_init(out, 0, 0);
    if (!plan->numbers.len)
        return 1;
    if (!p3_buf_add(out, plan->numbers.data, plan->numbers.len))
        return 0;
    qsort(out->data, out->len / sizeof(uint64_t), sizeof(uint64_t),
          compare_numbers);
    return 1;
}

static int is_numbered(const struct p3_buf *numbers, uint64_t number)
{
    size_t count = numbers->len / sizeof number;

    return !count || bsearch(&number, numbers->data, count, sizeof number,
                             compare_numbers) != NULL;
}

static int is_selected(const struct p3_selection *s, size_t i,
                       const struct p3_buf *numbers)
{
    const pop3_plan *plan = s->plan;
    const struct p3_entry *e = &s->entries[i];
    pop3_message m = p3_message_of(s, e);

    if (!is_numbered(numbers, e->number) ||
        (plan->max_octets && e->octets > plan->max_octets))
        return 0;
    return !plan->select || plan->select(plan->select_arg, &m);
}

/* Whether a message that UIDL left out may be new cannot be known. */
static void settle_unknown(struct p3_selection *s, struct p3_entry *e)
{
    if (e->what != P3_UNKNOWN)
        return;
    e->what = P3_WANTED;
    if (!s->has_uids || !s->plan->stored || s->plan->deletes)
        return;
    e->what = P3_OVER;
    s->result->no_uid++;
    p3_tell(s, e, POP3_OUTCOME_NO_UID);
}

/* What is stored already is left, or to be deleted. */
static void sort_out(struct p3_selection *s, struct p3_entry *e)
{
    settle_unknown(s, e);
    if (e->what == P3_KNOWN) {
        s->result->known++;
        e->what = P3_SAFE;
    } else if (e->what == P3_WANTED) {
        s->wanted++;
        s->wanted_octets += e->octets;
    }
}

/* The place of the first of the newest: of those with a number of the plan. */
static size_t find_newest(const struct p3_selection *s,
                          const struct p3_buf *numbers)
{
    uint64_t left = s->plan->newest;
    size_t i = s->count;

    if (!left)
        return 0;
    while (i && left)
        left -= (uint64_t)is_numbered(numbers, s->entries[--i].number);
    return i;
}

static pop3_code choose(struct p3_selection *s)
{
    struct p3_buf numbers;
    size_t i;

    if (!copy_numbers(s->plan, &numbers))
        return p3_error_memory(&s->c->error);
    i = find_newest(s, &numbers);
    s->first = i;
    for (; i < s->count; i++)
        if (is_selected(s, i, &numbers))
            sort_out(s, &s->entries[i]);
        else
            s->entries[i].what = P3_OVER;
    p3_buf_release(&numbers);
    return POP3_OK;
}

pop3_code p3_select(struct p3_selection *s)
{
    pop3_code rc = list(s);

    return rc ? rc : choose(s);
}
