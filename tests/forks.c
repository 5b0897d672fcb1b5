/*
 * forks.c - a connection that is open while its process forks
 * SPDX-License-Identifier: MIT
 *
 *   forks HOST PORT SSLPORT CA
 *
 * Owns the claim that a child which lets go of its copy, by pop3_free, pop3_close
 * or _exit, does not disturb the parent's session, plain or under TLS, between
 * two commands or within a message; and that the parent's pop3_close ends the
 * session although a child still has its copy. The account is t0 of popd, as in
 * threads.c. Run by check_threads.sh. Exits 1 and says why if a claim is wrong.
 */
#include <pop3.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000 };

static const char *host;
static int port;
static int ssl_port;
static const char *ca;
static int failures;

static void claim(int truth, const char *what, int tls, const pop3 *c)
{
    if (truth)
        return;
    failures++;
    fprintf(stderr, "%s: not so %s: %s\n", what, tls ? "under TLS" : "plain",
            pop3_error(c));
}

static pop3 *log_in(int tls)
{
    pop3 *c = pop3_new();

    if (!c)
        exit(99);
    pop3_set_timeout(c, TIMEOUT_MS);
    pop3_set_stls(c, POP3_STLS_NEVER);
    pop3_set_ca_file(c, ca);
    if ((tls ? pop3_connect_ssl(c, host, ssl_port)
             : pop3_connect(c, host, port)) ||
        pop3_login(c, "t0", "harbour")) {
        fprintf(stderr, "t0: %s\n", pop3_error(c));
        exit(99);
    }
    return c;
}

/* A child that lives until its parent closes the other end of the pipe; in it
 * what comes first is let_go. */
static pid_t child(pop3 *c, void (*let_go)(pop3 *), int pipe_fds[2])
{
    pid_t pid;
    char byte;

    if (pipe(pipe_fds) || (pid = fork()) < 0)
        exit(99);
    if (pid == 0) {
        close(pipe_fds[1]);
        if (let_go)
            let_go(c);
        _exit(read(pipe_fds[0], &byte, 1) != 0);
    }
    close(pipe_fds[0]);
    return pid;
}

/* Lets the child end, and waits for that. */
static void end(pid_t pid, const int pipe_fds[2])
{
    close(pipe_fds[1]);
    waitpid(pid, NULL, 0);
}

static pop3_code rest_of_body(pop3 *c)
{
    const char *data = "";
    size_t length;
    pop3_code rc = POP3_OK;

    while (!rc && data)
        rc = pop3_next_slice(c, &data, &length);
    return rc;
}

/* Forks within a message, then between two commands. */
static void parent_goes_on(const char *what, int tls, void (*let_go)(pop3 *))
{
    pop3 *c = log_in(tls);
    pop3_totals totals;
    const char *data;
    size_t length;
    int fds[2];

    claim(!pop3_retr_begin(c, 1) && !pop3_next_slice(c, &data, &length), what,
          tls, c);
    end(child(c, let_go, fds), fds);
    claim(!rest_of_body(c) && pop3_body_octets(c) > 0, what, tls, c);
    end(child(c, let_go, fds), fds);
    claim(!pop3_stat(c, &totals), what, tls, c);
    claim(!pop3_quit(c), what, tls, c);
    pop3_free(c);
}

/* The maildrop is free again: the server saw the connection close. */
static void parent_closes(int tls)
{
    pop3 *c = log_in(tls);
    int fds[2];
    pid_t pid = child(c, NULL, fds);
    int tries;

    pop3_close(c);
    pop3_set_stls(c, POP3_STLS_NEVER);
    for (tries = 0; tries < 100; tries++) {
        if (pop3_connect(c, host, port) || !pop3_login(c, "t0", "harbour"))
            break;
        pop3_close(c);
        usleep(50000);
    }
    claim(!pop3_quit(c), "close ends the session of a forked process", tls, c);
    pop3_free(c);
    end(pid, fds);
}

int main(int argc, char **argv)
{
    int tls;

    if (argc != 5)
        return 64;
    host = argv[1];
    port = atoi(argv[2]);
    ssl_port = atoi(argv[3]);
    ca = argv[4];
    for (tls = 0; tls <= 1; tls++) {
        parent_goes_on("the child frees", tls, pop3_free);
        parent_goes_on("the child closes", tls, pop3_close);
        parent_goes_on("the child exits", tls, NULL);
        parent_closes(tls);
    }
    if (!failures)
        puts("no child disturbs its parent");
    return failures != 0;
}
