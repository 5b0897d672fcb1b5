/*
 * threads.c - many threads with a connection each, and nothing between them
 * SPDX-License-Identifier: MIT
 *
 *   threads HOST PORT SSLPORT CA ROUNDS
 *
 * Owns the claim of pop3.h that any number of handles are used by any number of
 * threads at once: THREADS threads go through ROUNDS sessions each, plain, by
 * STLS and under TLS in turn, as the accounts t0, t1, ... of popd, password
 * harbour, all made up of the same messages. Run by check_threads.sh; `make tsan`
 * has ThreadSanitizer look on. Exits 1 and says why if a session fails.
 */
#include <pop3.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 16 };

static const char *host;
static int port;
static int ssl_port;
static const char *ca;
static int rounds;

struct client {
    pthread_t thread;
    char user[16];
    int round;
    char error[256]; /* what failed, or "" */
};

enum way { PLAIN, STLS, TLS, WAYS };

static pop3_code log_in(pop3 *c, const char *user, enum way way)
{
    pop3_code rc = pop3_set_ca_file(c, ca);

    pop3_set_timeout(c, 20000);
    pop3_set_stls(c, way == STLS ? POP3_STLS_REQUIRED : POP3_STLS_NEVER);
    if (!rc)
        rc = way == TLS ? pop3_connect_ssl(c, host, ssl_port)
                        : pop3_connect(c, host, port);
    return rc ? rc : pop3_login(c, user, "harbour");
}

/* Takes each message in another way: as lines in memory, in pieces, a line at a
 * time; all are of the size that LIST tells. */
static pop3_code fetch(pop3 *c, const pop3_size *row)
{
    pop3_lines *lines;
    pop3_line line = {.text = ""};
    const char *slice = "";
    size_t length;
    pop3_code rc;

    if (row->number % 3 == 0) {
        rc = pop3_retr(c, row->number, &lines);
        if (!rc)
            pop3_lines_free(lines);
        return rc;
    }
    rc = pop3_retr_begin(c, row->number);
    while (!rc && slice && line.text)
        rc = row->number % 3 == 1 ? pop3_next_slice(c, &slice, &length)
                                  : pop3_next_line(c, &line);
    return rc;
}

static pop3_code fetch_all(pop3 *c)
{
    pop3_sizes *sizes;
    pop3_code rc = pop3_list(c, &sizes);
    size_t i;

    if (rc)
        return rc;
    for (i = 0; !rc && i < sizes->count; i++) {
        rc = fetch(c, &sizes->rows[i]);
        if (!rc && pop3_body_octets(c) != sizes->rows[i].octets)
            rc = POP3_ERROR_IO;
        if (!rc)
            rc = pop3_dele(c, sizes->rows[i].number);
    }
    pop3_sizes_free(sizes);
    return rc;
}

static void session(struct client *client)
{
    pop3 *c = pop3_new();
    pop3_code rc = c ? POP3_OK : POP3_ERROR_MEMORY;

    if (!rc)
        rc = log_in(c, client->user, (enum way)(client->round % WAYS));
    if (!rc)
        rc = fetch_all(c);
    if (!rc)
        rc = pop3_quit(c);
    if (rc)
        snprintf(client->error, sizeof client->error, "round %d: %s: %s",
                 client->round, pop3_code_name(rc), c ? pop3_error(c) : "");
    pop3_free(c);
}

static void *run(void *arg)
{
    struct client *client = arg;

    for (client->round = 0; client->round < rounds; client->round++) {
        session(client);
        if (client->error[0])
            break;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct client clients[THREADS];
    int failed = 0;
    int i;

    if (argc != 6)
        return 64;
    host = argv[1];
    port = atoi(argv[2]);
    ssl_port = atoi(argv[3]);
    ca = argv[4];
    rounds = atoi(argv[5]);
    for (i = 0; i < THREADS; i++) {
        snprintf(clients[i].user, sizeof clients[i].user, "t%d", i);
        if (pthread_create(&clients[i].thread, NULL, run, &clients[i]))
            return 99;
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        if (!clients[i].error[0])
            continue;
        fprintf(stderr, "%s, %s\n", clients[i].user, clients[i].error);
        failed = 1;
    }
    if (!failed)
        printf("%d threads, %d sessions each\n", THREADS, rounds);
    return failed;
}
