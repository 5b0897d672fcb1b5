/*
 * session.c - fuzz target: whatever a server may say, to every function
 * SPDX-License-Identifier: MIT
 *
 * The first octet says how it is read (in what pieces, by which rules, under
 * which limits) and which call comes first; the rest is what the server says.
 * Nothing waits: where there is no more, it has timed out.
 */
#include "fuzz.h"
#include "pop3.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct server {
    const uint8_t *data;
    size_t size;
    size_t piece; /* most octets a read; 0: any */
};

static int64_t server_read(void *arg, void *data, size_t size)
{
    struct server *s = arg;
    size_t n = s->size < size ? s->size : size;

    if (!s->size)
        return POP3_STREAM_WANT_READ;
    n = s->piece && n > s->piece ? s->piece : n;
    memcpy(data, s->data, n);
    s->data += n;
    s->size -= n;
    return (int64_t)n;
}

static int64_t server_write(void *arg, const void *data, size_t size)
{
    (void)arg;
    (void)data;
    return (int64_t)size;
}

static int server_wait(void *arg, int want, int timeout_ms)
{
    (void)arg;
    (void)want;
    (void)timeout_ms;
    return 0;
}

static int take_line(void *arg, const pop3_line *line)
{
    size_t *sum = arg;

    *sum += line->length + (size_t)(unsigned char)line->text[line->length];
    return 0;
}

static void call_capa(pop3 *c)
{
    pop3_capas *capas;

    if (pop3_capa_refresh(c, &capas))
        return;
    pop3_capa_sasl(capas, "PLAIN");
    pop3_capa_login_delay(capas, NULL);
    pop3_capa_expire(capas, NULL);
    pop3_capa_implementation(capas);
    pop3_capas_free(capas);
}

static void call_login(pop3 *c)
{
    pop3_login(c, "me", "secret");
}

static void call_auth(pop3 *c)
{
    static const char *const names[] = {"CRAM-MD5", "LOGIN", "XOAUTH2",
                                        "OAUTHBEARER", "SCRAM-SHA-1"};
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++)
        pop3_auth(c, names[i], "me", "secret");
}

static void call_list(pop3 *c)
{
    pop3_sizes *sizes;
    pop3_uids *uids;

    if (!pop3_list(c, &sizes)) {
        pop3_list_find(sizes, 2);
        pop3_sizes_free(sizes);
    }
    if (!pop3_uidl(c, &uids)) {
        pop3_uidl_find(uids, 2);
        pop3_uids_free(uids);
    }
}

static void call_numbers(pop3 *c)
{
    pop3_totals totals;
    pop3_size size;
    pop3_uid uid;

    pop3_stat(c, &totals);
    pop3_list_one(c, 1, &size);
    pop3_uidl_one(c, 1, &uid);
}

static void call_retr(pop3 *c)
{
    const char *data = "";
    pop3_lines *lines;
    size_t len, sum = 0;

    if (!pop3_retr(c, 1, &lines))
        pop3_lines_free(lines);
    if (!pop3_top_begin(c, 1, 1))
        pop3_each_line(c, take_line, &sum);
    if (!pop3_retr_begin(c, 2))
        while (data && !pop3_next_slice(c, &data, &len))
            ;
}

static void call_fd(pop3 *c)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    if (!pop3_retr_begin(c, 1))
        pop3_body_fd(c, fd, POP3_LF, NULL);
    pop3_dele(c, 1);
    pop3_lang(c, "*");
    close(fd);
}

/* Takes what a reply to any of the commands queued below may have. */
static void take_reply(pop3 *c, const void *tag)
{
    const char *data = "";
    pop3_totals totals;
    pop3_sizes *sizes;
    pop3_uids *uids;
    pop3_capas *capas;
    pop3_uid uid;
    size_t len;

    switch ((uintptr_t)tag) {
    case 1:
        pop3_reply_totals(c, &totals);
        break;
    case 2:
        if (!pop3_body_sizes(c, &sizes))
            pop3_sizes_free(sizes);
        break;
    case 3:
        if (!pop3_body_uids(c, &uids))
            pop3_uids_free(uids);
        break;
    case 4:
        if (!pop3_body_capas(c, &capas))
            pop3_capas_free(capas);
        break;
    case 5:
        pop3_reply_uid(c, 1, &uid);
        break;
    default:
        while (data && !pop3_next_slice(c, &data, &len))
            ;
    }
}

static void call_queue(pop3 *c)
{
    void *tag;

    pop3_set_window(c, 3, 100);
    pop3_queue_stat(c, (void *)1);
    pop3_queue_list(c, (void *)2);
    pop3_queue_uidl(c, (void *)3);
    pop3_queue_retr(c, 1, 60, NULL);
    pop3_queue_retr(c, 2, 60, NULL);
    pop3_queue_capa(c, (void *)4);
    pop3_queue_uidl_one(c, 1, (void *)5);
    pop3_queue_command(c, "AUTH PLAIN x", POP3_LONG, NULL);
    while (pop3_pending(c))
        if (!pop3_next_reply(c, &tag))
            take_reply(c, tag);
}

static int take_slice(void *arg, const char *data, size_t length)
{
    size_t *sum = arg;

    *sum += length + (size_t)(unsigned char)data[length - 1];
    return 0;
}

static int end_message(void *arg, int whole)
{
    (void)arg;
    return !whole;
}

static int select_odd(void *arg, const pop3_message *message)
{
    size_t *sum = arg;

    *sum += message->uid_length;
    if (message->uid)
        *sum += (size_t)(unsigned char)message->uid[message->uid_length - 1];
    return message->number % 8 != 4;
}

static void call_download(pop3 *c)
{
    static const pop3_sink sink = {.slice = take_slice, .end = end_message};
    pop3_plan *plan = pop3_plan_new();
    pop3_downloaded done;
    size_t sum = 0;

    if (!plan)
        return;
    pop3_plan_sink(plan, &sink, &sum);
    pop3_plan_on_select(plan, select_odd, &sum);
    pop3_plan_newest(plan, 5);
    pop3_plan_delete(plan, 1);
    pop3_download(c, plan, &done);
    pop3_plan_free(plan);
}

static void call_many(pop3 *c)
{
    call_download(c);
    call_queue(c);
}

static void (*const calls[])(pop3 *) = {call_capa,    call_login, call_auth,
                                        call_numbers, call_list,  call_retr,
                                        call_fd,      call_many};

static void configure(pop3 *c, unsigned how)
{
    pop3_set_poplib_rules(c, how & 1);
    pop3_set_allow_insecure_login(c, 1);
    pop3_set_stls(c, POP3_STLS_NEVER);
    if (!(how & 2))
        return;
    pop3_set_limit(c, POP3_LIMIT_REPLY, 64);
    pop3_set_limit(c, POP3_LIMIT_LINE, 80);
    pop3_set_limit(c, POP3_LIMIT_ROWS, 8);
    pop3_set_limit(c, POP3_LIMIT_BAD_ROWS, 2);
    pop3_set_limit(c, POP3_LIMIT_BODY, 512);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const pop3_stream stream = {
        .read = server_read, .write = server_write, .wait = server_wait};
    unsigned how = size ? data[0] : 0;
    struct server s = {data + 1, size - 1, how >> 2 & 7};
    size_t i, count = sizeof calls / sizeof *calls;
    pop3 *c = pop3_new();

    if (c && size) {
        configure(c, how);
        pop3_connect_stream(c, &stream, &s, "mail.example.org", 0);
        for (i = 0; i < count; i++)
            calls[(i + (how >> 5)) % count](c);
        pop3_quit(c);
    }
    pop3_free(c);
    return 0;
}
