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

static void (*const calls[])(pop3 *) = {call_capa,    call_login, call_auth,
                                        call_numbers, call_list,  call_retr,
                                        call_fd,      call_list};

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
