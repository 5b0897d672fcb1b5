/*
 * scan_memory.c - looks for secrets in the memory of a process that runs
 * SPDX-License-Identifier: MIT
 *
 *   scan_memory watch SECRETS FILE TEXT COMMAND [ARG...]
 *       runs the command until FILE has TEXT in it, ten seconds at most, looks
 *       through its memory, arguments and environment for the lines of the file
 *       SECRETS, and kills it. A piece of a line counts for it: what is freed
 *       is overwritten at its beginning. Says where each was found.
 *   scan_memory login SPEC METHOD [CA-FILE]
 *       logs in by the library alone, then asks for STAT. The password is read
 *       from standard input and wiped afterwards, as a good caller does.
 *   scan_memory scram MECHANISM PASSWORD-FILE PORT-FILE HEARD-FILE
 *       a server that knows one login, that, and then hears STAT and is silent.
 *
 * Exit status: 0 nothing found, 1 found (or no login), 2 cannot, 64 usage, 77
 * memory of others cannot be read here, or no libgsasl.
 */
#include "pop3.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if HAVE_GSASL
#include <gsasl.h>
#endif

enum { FOUND = 1, CANNOT = 2, USAGE = 64, SKIPPED = 77 };
enum { PIECE = 8, MOST_PIECES = 200, CHUNK = 1 << 20, LINE = 1000 };

static int failed(const char *what)
{
    fprintf(stderr, "scan_memory: %s: %s\n", what, strerror(errno));
    return CANNOT;
}

/* ---- What is looked for ---------------------------------------------------- */

static char pieces[MOST_PIECES][PIECE];
static int count;

static int read_secrets(const char *path)
{
    char line[LINE];
    size_t len, at;
    FILE *f = fopen(path, "r");

    if (!f)
        return failed(path);
    while (fgets(line, sizeof line, f)) {
        len = strcspn(line, "\n");
        for (at = 0; at + PIECE <= len && count < MOST_PIECES; at += PIECE)
            memcpy(pieces[count++], line + at, PIECE);
    }
    fclose(f);
    return count ? 0 : CANNOT;
}

/* How many are in data; says where. */
static int look(const char *data, size_t size, uint64_t at, const char *where)
{
    const char *end = data + size, *p;
    int i, found = 0;

    for (i = 0; i < count; i++)
        for (p = data; (p = memmem(p, (size_t)(end - p), pieces[i], PIECE));
             p++) {
            printf("found \"%.*s\" at %" PRIx64 " in %s\n", PIECE, pieces[i],
                   at + (uint64_t)(p - data), where);
            found++;
        }
    return found;
}

/* ---- Where ------------------------------------------------------------------- */

static char chunk[CHUNK + PIECE];

static int look_through_range(int fd, uint64_t from, uint64_t to,
                              const char *where)
{
    uint64_t at;
    int found = 0;

    for (at = from; at < to; at += CHUNK) {
        uint64_t left = to - at;
        size_t size = left < sizeof chunk ? (size_t)left : sizeof chunk;
        ssize_t n = pread(fd, chunk, size, (off_t)at);

        if (n > 0)
            found += look(chunk, (size_t)n, at, where);
    }
    return found;
}

static int open_of(pid_t pid, const char *name)
{
    char path[100];

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* "from-to rwxp offset device inode name" */
static int look_through_memory(pid_t pid, int mem)
{
    char line[LINE], rights[5], name[LINE];
    uint64_t from, to;
    int found = 0, fd = open_of(pid, "maps");
    FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");

    if (!maps)
        return -1;
    while (fgets(line, sizeof line, maps)) {
        *name = '\0';
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %999s", &from,
                   &to, rights, name) < 3 ||
            *rights != 'r' || !strncmp(name, "[v", 2))
            continue;
        found += look_through_range(mem, from, to, *name ? name : "(no name)");
    }
    fclose(maps);
    return found;
}

static int look_through_file(pid_t pid, const char *name)
{
    int fd = open_of(pid, name), found = 0;
    ssize_t n;

    if (fd < 0)
        return -1;
    n = read(fd, chunk, CHUNK);
    if (n > 0)
        found = look(chunk, (size_t)n, 0, name);
    close(fd);
    return found;
}

static int look_through(pid_t pid)
{
    int mem = open_of(pid, "mem");
    int found, in_arguments, in_environment;

    if (mem < 0) {
        failed("the memory of another process");
        return SKIPPED;
    }
    found = look_through_memory(pid, mem);
    in_arguments = look_through_file(pid, "cmdline");
    in_environment = look_through_file(pid, "environ");
    close(mem);
    if (found < 0 || in_arguments < 0 || in_environment < 0)
        return failed("/proc");
    return found || in_arguments || in_environment ? FOUND : 0;
}

/* ---- watch --------------------------------------------------------------------- */

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static int has_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "r");
    char line[LINE];
    int has = 0;

    while (f && !has && fgets(line, sizeof line, f))
        has = strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return has;
}

static int await_text(pid_t pid, const char *path, const char *text)
{
    int i;

    for (i = 0; i < 200 && !has_text(path, text); i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return 0;
        pause_ms(50);
    }
    if (i == 200)
        return 0;
    pause_ms(100); /* so that it has come to wait for the answer */
    return 1;
}

static int watch(char **argv)
{
    pid_t pid;
    int rc = read_secrets(argv[0]);

    if (rc)
        return rc;
    pid = fork();
    if (pid < 0)
        return failed("fork");
    if (pid == 0) {
        execv(argv[3], argv + 3);
        _exit(127);
    }
    if (await_text(pid, argv[1], argv[2])) {
        rc = look_through(pid);
    } else {
        fprintf(stderr, "scan_memory: it did not come to \"%s\"\n", argv[2]);
        rc = CANNOT;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return rc;
}

/* ---- login --------------------------------------------------------------------- */

/* A line of fd; read without a buffer that would keep it. */
static void read_password(int fd, char *room, size_t size)
{
    ssize_t n = read(fd, room, size - 1);

    room[n > 0 ? n : 0] = '\0';
    room[strcspn(room, "\n")] = '\0';
}

static int log_in(const char *text, const char *method, const char *ca)
{
    char password[LINE];
    volatile char *p = password;
    pop3_totals totals;
    pop3_spec *spec = NULL;
    pop3 *c = pop3_new();
    pop3_code rc;
    size_t i;

    if (!c)
        return failed("pop3_new");
    rc = pop3_spec_parse(c, text, NULL, &spec);
    if (!rc)
        rc = pop3_set_ca_file(c, ca);
    pop3_set_stls(c, POP3_STLS_NEVER);
    if (!rc)
        rc = pop3_set_login_method(c, method);
    if (!rc)
        rc = pop3_connect_spec(c, spec);
    if (!rc) {
        read_password(STDIN_FILENO, password, sizeof password);
        rc = pop3_login(c, "demo", password);
        for (i = 0; i < sizeof password; i++)
            p[i] = 0;
    }
    if (!rc)
        rc = pop3_stat(c, &totals);
    if (rc)
        fprintf(stderr, "scan_memory: %s\n", pop3_error(c));
    pop3_spec_free(spec);
    pop3_free(c);
    return rc ? FOUND : 0;
}

/* ---- scram ----------------------------------------------------------------------- */

#if HAVE_GSASL

static char known[LINE];

static int know(Gsasl *library, Gsasl_session *session, Gsasl_property what)
{
    (void)library;
    if (what != GSASL_PASSWORD)
        return GSASL_NO_CALLBACK;
    return gsasl_property_set(session, what, known);
}

/* AUTH's dialogue, its first line having been read. */
static int prove(FILE *in, FILE *out, const char *mechanism, char *line)
{
    char *said = NULL, *initial = strrchr(line, ' ');
    Gsasl *library;
    Gsasl_session *session;
    int why;

    if (!initial || gsasl_init(&library))
        return 0;
    gsasl_callback_set(library, know);
    if (gsasl_server_start(library, mechanism, &session))
        return 0;
    why = gsasl_step64(session, initial + 1, &said);
    while (why == GSASL_NEEDS_MORE || (said && *said)) {
        fprintf(out, "+ %s\r\n", said);
        gsasl_free(said);
        said = NULL;
        if (!fgets(line, LINE, in))
            break;
        line[strcspn(line, "\r\n")] = '\0';
        if (why == GSASL_OK)
            break;
        why = gsasl_step64(session, line, &said);
    }
    gsasl_free(said);
    gsasl_finish(session);
    gsasl_done(library);
    return why == GSASL_OK;
}

static void serve(FILE *in, FILE *out, const char *mechanism,
                  const char *heard_name)
{
    char line[LINE];
    FILE *heard;

    fprintf(out, "+OK hello\r\n");
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (!strcmp(line, "CAPA"))
            fprintf(out, "+OK\r\nSASL %s\r\n.\r\n", mechanism);
        else if (!strncmp(line, "AUTH", 4))
            fputs(prove(in, out, mechanism, line) ? "+OK\r\n" : "-ERR no\r\n",
                  out);
        heard = fopen(heard_name, "a");
        if (heard) {
            fprintf(heard, "C: %.4s\n", line);
            fclose(heard);
        }
    }
}

static int scram(char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0), secret = open(argv[1], O_RDONLY);
    FILE *port, *in, *out;

    if (secret < 0 || bind(fd, (struct sockaddr *)&a, len) || listen(fd, 1) ||
        getsockname(fd, (struct sockaddr *)&a, &len))
        return failed("start");
    read_password(secret, known, sizeof known);
    port = fopen(argv[2], "w");
    if (!port)
        return failed(argv[2]);
    fprintf(port, "plain %d\n", ntohs(a.sin_port));
    fclose(port);
    alarm(60);
    fd = accept(fd, NULL, NULL);
    in = fdopen(fd, "r");
    out = fdopen(dup(fd), "w");
    if (!in || !out)
        return failed("accept");
    setvbuf(out, NULL, _IOLBF, LINE);
    serve(in, out, argv[0], argv[3]);
    return 0;
}

#else

static int scram(char **argv)
{
    (void)argv;
    return SKIPPED;
}

#endif

int main(int argc, char **argv)
{
    if (argc >= 6 && !strcmp(argv[1], "watch"))
        return watch(argv + 2);
    if ((argc == 4 || argc == 5) && !strcmp(argv[1], "login"))
        return log_in(argv[2], argv[3], argv[4]);
    if (argc == 6 && !strcmp(argv[1], "scram"))
        return scram(argv + 2);
    fprintf(stderr, "usage: scan_memory watch|login|scram ...\n");
    return USAGE;
}
