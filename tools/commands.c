/*
 * commands.c - what each command of the program does
 * SPDX-License-Identifier: MIT
 *
 * Knows what is asked of the server, in which order, and what is shown of it.
 * To add one: a function here, commands.h, the table in pop3.c, the manual.
 * Not here: dl (download.c), arguments (options.c), the login and the status
 * (session.c), how things look (show.c).
 */
#include "commands.h"

#include "headers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Arguments --------------------------------------------------------- */

static uint64_t number_at(const struct session *s, int i)
{
    uint64_t n = 0;

    options_number(s->o->args[i], &n);
    return n;
}

/* Whether an argument is a number of at least that much; says so if not. */
static int check_number(struct session *s, int i, uint64_t least)
{
    uint64_t n;

    if (options_number(s->o->args[i], &n) && n >= least)
        return 1;
    show_error(s->o->args[i],
               least ? "not the number of a message" : "not a number");
    session_end(s, STATUS_USAGE);
    return 0;
}

/* The same for all message numbers of a line, before anything is sent. */
static int check_messages(struct session *s)
{
    int i;

    for (i = ARG_FIRST; i < s->o->count; i++)
        if (!check_number(s, i, 1))
            return 0;
    return 1;
}

/* The tag of a queued command: which argument it is about. */
static void *tag_of(int i)
{
    return (void *)(uintptr_t)i;
}

static int index_of(const void *tag)
{
    return (int)(uintptr_t)tag;
}

/* ---- check ------------------------------------------------------------- */

void show_totals(struct session *s, uint64_t messages, uint64_t octets)
{
    if (s->o->quiet)
        return;
    if (s->o->json) {
        show_json_begin(s->out);
        show_json_number(s->out, "messages", messages);
        show_json_number(s->out, "octets", octets);
        show_json_end(s->out);
        return;
    }
    show_format(s->out, "%llu messages, %llu octets\n",
                (unsigned long long)messages, (unsigned long long)octets);
}

void cmd_check(struct session *s)
{
    pop3_totals t;

    if (session_open(s, LOGGED_IN))
        return;
    if (pop3_stat(s->c, &t)) {
        session_failed(s, STAGE_SESSION, "STAT");
        return;
    }
    show_totals(s, t.messages, t.octets);
    if (!t.messages)
        session_note(s, STATUS_NO_MAIL);
}

/* ---- list -------------------------------------------------------------- */

/* More than any header needs; what stands behind is not looked at. */
enum { HEADER_ROOM = 256 * 1024 };

/* What --headers needs; room NULL: it was not asked for. */
struct lister {
    headers_decode_function *decode;
    char *room;
};

static void show_field(struct show *out, const char *text)
{
    show_format(out, "\t");
    if (text)
        show_text(out, text, strlen(text));
    else
        show_format(out, "-");
}

static void show_row(struct show *out, const pop3_size *size,
                     const pop3_uid *uid, const struct headers *h)
{
    show_format(out, "%llu %llu ", (unsigned long long)size->number,
                (unsigned long long)size->octets);
    if (uid && uid->length)
        show_printable(out, uid->uid, uid->length);
    else
        show_format(out, "-");
    if (h) {
        show_field(out, h->date);
        show_field(out, h->from);
        show_field(out, h->subject);
    }
    show_format(out, "\n");
}

static void show_json_field(struct show *out, const char *name,
                            const char *text)
{
    show_json_text(out, name, text, text ? strlen(text) : 0);
}

static void show_json_row(struct show *out, const pop3_size *size,
                          const pop3_uid *uid, const struct headers *h)
{
    int known = uid && uid->length;

    show_json_begin(out);
    show_json_number(out, "number", size->number);
    show_json_number(out, "octets", size->octets);
    show_json_text(out, "uid", known ? uid->uid : NULL,
                   known ? uid->length : 0);
    if (h) {
        show_json_field(out, "date", h->date);
        show_json_field(out, "from", h->from);
        show_json_field(out, "subject", h->subject);
    }
    show_json_end(out);
}

/*
 * What became of a command that a server need not have: 1, done; 0, refused,
 * and it goes without; -1, that was the end.
 */
static int optional(struct session *s, pop3_code rc, const char *what)
{
    if (!rc)
        return 1;
    if (rc == POP3_ERROR_PROTO &&
        status_of(rc, STAGE_SESSION, pop3_resp(s->c)) == STATUS_REFUSED)
        return 0;
    return session_failed(s, STAGE_SESSION, what) ? 0 : -1;
}

/* What fits of the current body; the rest is skipped by the next command. */
static pop3_code read_header(pop3 *c, char *room, size_t *length)
{
    const char *data;
    size_t n;
    pop3_code rc;

    *length = 0;
    do {
        rc = pop3_next_slice(c, &data, &n);
        if (rc || !n)
            return rc;
        if (n > HEADER_ROOM - *length)
            n = HEADER_ROOM - *length;
        memcpy(room + *length, data, n);
        *length += n;
    } while (*length < HEADER_ROOM);
    return POP3_OK;
}

/* Header fields of the message whose TOP is to be answered next, all NULL where
 * it is refused: 0; or -1. */
static int get_headers(struct session *s, const struct lister *l, uint64_t n,
                       struct headers *h)
{
    size_t length = 0;

    memset(h, 0, sizeof *h);
    if (pop3_next_reply(s->c, NULL) || read_header(s->c, l->room, &length))
        return session_message_failed(s, STAGE_SESSION, n) ? 0 : -1;
    if (headers_find(l->room, length, h)) {
        l->decode(h);
        return 0;
    }
    show_error("TOP", "out of memory");
    session_end(s, STATUS_IO);
    return -1;
}

/* A line for a message: 0; or -1, there is no sense in a next one. */
static int list_row(struct session *s, const struct lister *l,
                    const pop3_size *size, const pop3_uid *uid)
{
    struct headers h = {NULL, NULL, NULL};
    const struct headers *shown = l->room ? &h : NULL;

    if (l->room && get_headers(s, l, size->number, &h))
        return -1;
    if (s->o->json)
        show_json_row(s->out, size, uid, shown);
    else
        show_row(s->out, size, uid, shown);
    headers_release(&h);
    return show_failed(s->out) ? -1 : 0;
}

/* TOPs that wait for their answers, so many at most. */
enum { TOPS = 1000 };

/* Keeps the next TOPs on their way; *asked: for so many. 0; or -1. */
static int ask_headers(struct session *s, const struct lister *l,
                       const pop3_sizes *sizes, size_t *asked)
{
    for (; l->room && *asked < sizes->count && pop3_pending(s->c) < TOPS;
         ++*asked)
        if (pop3_queue_top(s->c, sizes->rows[*asked].number, 0, NULL)) {
            session_failed(s, STAGE_SESSION, "TOP");
            return -1;
        }
    return 0;
}

static void list_rows(struct session *s, const struct lister *l,
                      const pop3_sizes *sizes, const pop3_uids *uids)
{
    size_t i, asked = 0;

    for (i = 0; i < sizes->count; i++) {
        const pop3_size *size = &sizes->rows[i];
        const pop3_uid *uid = uids ? pop3_uidl_find(uids, size->number) : NULL;

        if (ask_headers(s, l, sizes, &asked) || list_row(s, l, size, uid))
            break;
    }
    if (pop3_pending(s->c)) /* nobody waits for the rest */
        pop3_close(s->c);
}

/* The answer to LIST: 0; or -1. */
static int take_sizes(struct session *s, pop3_sizes **out)
{
    if (pop3_next_reply(s->c, NULL) || pop3_body_sizes(s->c, out)) {
        session_failed(s, STAGE_SESSION, "LIST");
        return -1;
    }
    session_check_skipped(s, "LIST");
    return 0;
}

/* The answer to UIDL, which a server need not have: 0; or -1. */
static int take_uids(struct session *s, pop3_uids **out)
{
    pop3_code rc = pop3_next_reply(s->c, NULL);
    int got = optional(s, rc ? rc : pop3_body_uids(s->c, out), "UIDL");

    if (got == 1)
        session_check_skipped(s, "UIDL");
    return got < 0 ? -1 : 0;
}

static void list_all(struct session *s, const struct lister *l)
{
    pop3_sizes *sizes = NULL;
    pop3_uids *uids = NULL;

    if (pop3_queue_list(s->c, NULL) || pop3_queue_uidl(s->c, NULL)) {
        session_failed(s, STAGE_SESSION, "LIST");
        pop3_close(s->c);
    } else if (take_sizes(s, &sizes)) {
        pop3_next_reply(s->c, NULL); /* what UIDL says is of no use then */
    } else if (!take_uids(s, &uids)) {
        list_rows(s, l, sizes, uids);
    }
    pop3_sizes_free(sizes);
    pop3_uids_free(uids);
}

static void list_row_alone(struct session *s, const struct lister *l,
                           const pop3_size *size, const pop3_uid *uid)
{
    if (l->room && pop3_queue_top(s->c, size->number, 0, NULL))
        session_failed(s, STAGE_SESSION, "TOP");
    else
        list_row(s, l, size, uid);
}

/* The unique-id is copied, for TOP comes next. */
static void list_one(struct session *s, const struct lister *l, uint64_t n)
{
    pop3_size size;
    pop3_uid uid;
    char *copy = NULL;
    int got;

    if (pop3_list_one(s->c, n, &size)) {
        session_message_failed(s, STAGE_SESSION, n);
        return;
    }
    got = optional(s, pop3_uidl_one(s->c, n, &uid), "UIDL");
    if (got == 1) {
        copy = malloc(uid.length + 1);
        if (copy)
            memcpy(copy, uid.uid, uid.length + 1);
        uid.uid = copy;
    }
    if (got == 1 && !copy) {
        show_error("UIDL", "out of memory");
        session_end(s, STATUS_IO);
    } else if (got >= 0) {
        list_row_alone(s, l, &size, copy ? &uid : NULL);
    }
    free(copy);
}

void cmd_list(struct session *s)
{
    struct lister l = {NULL, NULL};

    if (!check_messages(s))
        return;
    if (s->o->headers) {
        l.decode = headers_load();
        l.room = malloc(HEADER_ROOM);
        if (!l.room) {
            show_error("list", "out of memory");
            session_end(s, STATUS_IO);
            return;
        }
    }
    if (session_open(s, LOGGED_IN) == 0) {
        if (s->o->count > ARG_FIRST)
            list_one(s, &l, number_at(s, ARG_FIRST));
        else
            list_all(s, &l);
    }
    free(l.room);
}

/* ---- retr, top --------------------------------------------------------- */

/*
 * Writes the message that has begun: 0; or -1. Where standard output takes no
 * more, the link is cut rather than the rest of a large message awaited.
 */
static int write_message(struct session *s, uint64_t n)
{
    pop3_line_end ends = s->o->crlf ? POP3_CRLF : POP3_LF;
    pop3_code rc = pop3_body_fd(s->c, STDOUT_FILENO, ends, NULL);

    if (rc == POP3_ERROR_IO) {
        session_failed(s, STAGE_SESSION, "standard output");
        pop3_close(s->c);
    } else if (rc) {
        session_message_failed(s, STAGE_SESSION, n);
    }
    return rc ? -1 : 0;
}

/* The next reply, to RETR: whether there is sense in going on. */
static int take_message(struct session *s)
{
    void *tag;
    pop3_code rc = pop3_next_reply(s->c, &tag);
    uint64_t n = number_at(s, index_of(tag));

    return rc ? session_message_failed(s, STAGE_SESSION, n)
              : !write_message(s, n);
}

void cmd_retr(struct session *s)
{
    pop3_code rc = POP3_OK;
    int i;

    if (!check_messages(s) || session_open(s, LOGGED_IN))
        return;
    for (i = ARG_FIRST; !rc && i < s->o->count; i++)
        rc = pop3_queue_retr(s->c, number_at(s, i), 0, tag_of(i));
    if (rc) {
        session_failed(s, STAGE_SESSION, "RETR");
        pop3_close(s->c);
    }
    while (pop3_pending(s->c) && take_message(s))
        ;
}

void cmd_top(struct session *s)
{
    uint64_t n;

    if (!check_number(s, ARG_FIRST, 1) || !check_number(s, ARG_FIRST + 1, 0) ||
        session_open(s, LOGGED_IN))
        return;
    n = number_at(s, ARG_FIRST);
    if (pop3_top_begin(s->c, n, number_at(s, ARG_FIRST + 1)))
        session_message_failed(s, STAGE_SESSION, n);
    else
        write_message(s, n);
}

/* ---- capa -------------------------------------------------------------- */

static void show_capability(struct show *out, const pop3_capability *capability)
{
    size_t i;

    show_text(out, capability->name, strlen(capability->name));
    for (i = 0; i < capability->count; i++) {
        show_format(out, " ");
        show_text(out, capability->args[i], strlen(capability->args[i]));
    }
    show_format(out, "\n");
}

static void show_json_capability(struct show *out,
                                 const pop3_capability *capability)
{
    size_t i;

    show_json_begin(out);
    show_json_field(out, "name", capability->name);
    show_json_array_begin(out, "args");
    for (i = 0; i < capability->count; i++)
        show_json_field(out, NULL, capability->args[i]);
    show_json_array_end(out);
    show_json_end(out);
}

void cmd_capa(struct session *s)
{
    pop3_capas *capas;
    size_t i;

    if (session_open(s, s->o->login ? LOGGED_IN : CONNECTED))
        return;
    if (pop3_capa_refresh(s->c, &capas)) {
        session_failed(s, STAGE_SESSION, "CAPA");
        return;
    }
    session_check_skipped(s, "CAPA");
    for (i = 0; i < capas->count; i++)
        if (s->o->json)
            show_json_capability(s->out, &capas->items[i]);
        else
            show_capability(s->out, &capas->items[i]);
    pop3_capas_free(capas);
}

/* ---- dele -------------------------------------------------------------- */

/* All of them, and QUIT, which does it. */
static pop3_code queue_deletions(struct session *s)
{
    pop3_code rc = POP3_OK;
    int i;

    for (i = ARG_FIRST; !rc && i < s->o->count; i++)
        rc = pop3_queue_dele(s->c, number_at(s, i), tag_of(i));
    return rc ? rc : pop3_queue_quit(s->c, tag_of(0));
}

/* The next reply: whether there is sense in going on. */
static int take_deletion(struct session *s)
{
    void *tag;
    pop3_code rc = pop3_next_reply(s->c, &tag);

    if (!rc)
        return 1;
    if (index_of(tag))
        return session_message_failed(s, STAGE_SESSION,
                                      number_at(s, index_of(tag)));
    session_quit_failed(s);
    return 0;
}

void cmd_dele(struct session *s)
{
    if (!check_messages(s) || session_open(s, LOGGED_IN))
        return;
    if (queue_deletions(s)) {
        session_failed(s, STAGE_SESSION, "DELE");
        pop3_close(s->c);
    }
    while (pop3_pending(s->c) && take_deletion(s))
        ;
}

/* ---- help -------------------------------------------------------------- */

void cmd_help(struct session *s)
{
    const struct options *o = s->o;
    int i;

    for (i = 1; i < o->count; i++)
        if (!command_find(o->args[i])) {
            show_error(o->args[i], "no such command");
            session_end(s, STATUS_USAGE);
            return;
        }
    if (o->count == 1)
        command_help(s->out, NULL);
    for (i = 1; i < o->count; i++)
        command_help(s->out, command_find(o->args[i]));
}
