/*
 * session.c - the library against a real server: every command, checked
 * SPDX-License-Identifier: MIT
 *
 *   session tcp|stls|ssl PORT CAFILE USER PASSWORD DIR
 *
 * Goes through the commands on 127.0.0.1 and prints a line a check, "ok TEXT"
 * or "not ok TEXT: WHY". The mailbox holds the files of DIR, whose names are
 * their unique-ids and whose lines all end in LF. It is left as it was.
 *
 *   session logins tcp|stls|ssl PORT CAFILE USER PASSWORD TOKEN
 *
 * Logs in by every way there is, as it should and with a wrong password; TOKEN
 * is the OAuth mechanisms'. "skipped ..." where this library lacks one.
 *
 *   session ready PORT                 exit status 0 once a server greets there
 *   session hold PORT USER PASSWORD    logs in, prints "held", stays till EOF
 */
#include <pop3.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run {
    pop3 *c;
    const char *mode;
    int port;
    const char *user, *password, *dir;
    const char *token;
    uint64_t messages;
    int failed;
};

/* ---- Checks ------------------------------------------------------------------- */

static int check(struct run *r, int ok, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int check(struct run *r, int ok, const char *fmt, ...)
{
    va_list ap;

    printf("%sok %s: ", ok ? "" : "not ", r->mode);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    if (!ok)
        printf(": %s: %s", pop3_code_name(pop3_error_code(r->c)),
               pop3_error(r->c));
    putchar('\n');
    r->failed += !ok;
    return ok;
}

/* ---- Files ---------------------------------------------------------------------- */

/* A whole file; NULL where there is none. */
static char *slurp(const char *dir, const char *name, size_t *len)
{
    char path[4096], *data;
    FILE *f;
    long size;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "rb");
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    data = size < 0 ? NULL : malloc((size_t)size + 1);
    *len = data ? fread(data, 1, (size_t)size, f) : 0;
    fclose(f);
    return data;
}

/* Whether the lines, each ended by LF, are the file's first ones; all: and the
 * file has no more. */
static int lines_are(const pop3_lines *lines, const char *file, size_t len,
                     int all)
{
    size_t i, at = 0;

    for (i = 0; i < lines->count; i++) {
        const pop3_line *line = &lines->lines[i];

        if (line->length >= len - at ||
            memcmp(file + at, line->text, line->length) != 0 ||
            file[at + line->length] != '\n')
            return 0;
        at += line->length + 1;
    }
    return !all || at == len;
}

/* ---- Before login ------------------------------------------------------------------ */

static pop3_code open_link(struct run *r)
{
    pop3_code rc = strcmp(r->mode, "ssl")
                       ? pop3_connect(r->c, "127.0.0.1", r->port)
                       : pop3_connect_ssl(r->c, "127.0.0.1", r->port);

    if (!rc && !strcmp(r->mode, "stls"))
        rc = pop3_stls(r->c);
    return rc;
}

static void check_capabilities(struct run *r)
{
    pop3_capas *capas = NULL;

    if (!check(r, pop3_capa(r->c, &capas) == POP3_OK, "capa"))
        return;
    check(r, pop3_capa_find(capas, "uidl") && pop3_capa_find(capas, "TOP"),
          "capa tells of UIDL and TOP");
    check(r, (pop3_capa_find(capas, "STLS") == NULL) == pop3_is_tls(r->c),
          "capa tells of STLS before TLS and not within it");
    pop3_capas_free(capas);
}

static void check_greeting(struct run *r)
{
    size_t len;
    const char *welcome = pop3_getwelcome(r->c, &len);

    check(r, len > 3 && !strncmp(welcome, "+OK", 3), "greeting");
    check(r, pop3_state(r->c) == POP3_STATE_AUTHORIZATION,
          "in AUTHORIZATION state");
    check(r, pop3_is_tls(r->c) == (strcmp(r->mode, "tcp") != 0),
          "under TLS or not, as asked for");
}

static void check_refusals(struct run *r)
{
    pop3_totals totals;
    pop3_code rc;

    rc = pop3_utf8(r->c);
    check(r, rc == POP3_OK || rc == POP3_ERROR_PROTO, "utf8, taken or refused");
    check(r, pop3_stat(r->c, &totals) == POP3_ERROR_PROTO,
          "stat before login is refused");
    check(r, pop3_user(r->c, r->user) == POP3_OK, "user");
    check(r, pop3_pass(r->c, "not the password") == POP3_ERROR_PROTO,
          "a wrong password is refused");
    check(r, !strcmp(pop3_resp_code(r->c), "AUTH"), "with [AUTH]");
}

/* ---- The maildrop -------------------------------------------------------------------- */

static void check_listings(struct run *r)
{
    pop3_sizes *sizes = NULL;
    pop3_uids *uids = NULL;
    pop3_size size = {0};
    pop3_uid uid = {0};
    const pop3_uid *row;
    uint64_t n = r->messages;

    check(r, pop3_list(r->c, &sizes) == POP3_OK && sizes->count == n, "list");
    check(r, pop3_uidl(r->c, &uids) == POP3_OK && uids->count == n, "uidl");
    check(r,
          pop3_list_one(r->c, n, &size) == POP3_OK && sizes &&
              pop3_list_find(sizes, n) &&
              pop3_list_find(sizes, n)->octets == size.octets,
          "list of one says the same");
    row = uids ? pop3_uidl_find(uids, n) : NULL;
    check(r,
          pop3_uidl_one(r->c, n, &uid) == POP3_OK && row &&
              row->length == uid.length && !strcmp(row->uid, uid.uid),
          "uidl of one says the same");
    check(r, pop3_list_one(r->c, n + 1, &size) == POP3_ERROR_PROTO,
          "list of what is not there is refused");
    check(r, pop3_uidl_one(r->c, n + 1, &uid) == POP3_ERROR_PROTO,
          "uidl of what is not there is refused");
    check(r, pop3_skipped(r->c) == 0, "every row was understood");
    pop3_sizes_free(sizes);
    pop3_uids_free(uids);
}

static void check_marks(struct run *r)
{
    pop3_totals t = {0};
    pop3_lines *lines = NULL;

    check(r, pop3_dele(r->c, 1) == POP3_OK, "dele");
    check(r, pop3_stat(r->c, &t) == POP3_OK && t.messages == r->messages - 1,
          "stat leaves out what is marked");
    check(r, pop3_dele(r->c, 1) == POP3_ERROR_PROTO, "dele again is refused");
    check(r, pop3_retr(r->c, 1, &lines) == POP3_ERROR_PROTO,
          "retr of what is marked is refused");
    check(r, pop3_rset(r->c) == POP3_OK, "rset");
    check(r, pop3_stat(r->c, &t) == POP3_OK && t.messages == r->messages,
          "stat counts all again");
}

/* ---- Messages -------------------------------------------------------------------------- */

static uint64_t sum_slices(struct run *r, uint64_t n)
{
    const char *data;
    size_t len;
    uint64_t sum = 0;

    if (pop3_retr_begin(r->c, n))
        return 0;
    while (pop3_next_slice(r->c, &data, &len) == POP3_OK && data)
        sum += len;
    return sum;
}

static void check_message(struct run *r, uint64_t n, const char *uid)
{
    pop3_lines *lines = NULL, *top = NULL;
    size_t len = 0;
    char *file = slurp(r->dir, uid, &len);
    uint64_t octets;

    if (!check(r, file != NULL, "%s was put there by this test", uid))
        return;
    check(r,
          pop3_retr(r->c, n, &lines) == POP3_OK &&
              lines_are(lines, file, len, 1),
          "retr %s, byte for byte", uid);
    octets = lines ? lines->octets : 0;
    check(r, sum_slices(r, n) == octets, "retr %s in slices, %" PRIu64, uid,
          octets);
    check(r,
          pop3_top(r->c, n, 0, &top) == POP3_OK && top->count &&
              lines_are(top, file, len, 0),
          "top %s 0", uid);
    pop3_lines_free(top);
    top = NULL;
    check(r,
          pop3_top(r->c, n, 1000000, &top) == POP3_OK &&
              lines_are(top, file, len, 1),
          "top %s with every line", uid);
    pop3_lines_free(top);
    pop3_lines_free(lines);
    free(file);
}

static void check_messages(struct run *r)
{
    pop3_uids *uids = NULL;
    size_t i;

    if (!check(r, pop3_uidl(r->c, &uids) == POP3_OK, "uidl"))
        return;
    for (i = 0; i < uids->count; i++)
        check_message(r, uids->rows[i].number, uids->rows[i].uid);
    check(r,
          pop3_retr_begin(r->c, uids->count) == POP3_OK &&
              pop3_noop(r->c) == POP3_OK,
          "a message left unread, then noop");
    pop3_uids_free(uids);
}

/* ---- Sessions ---------------------------------------------------------------------------- */

static void check_session(struct run *r)
{
    pop3_totals t = {0};

    check(r, pop3_state(r->c) == POP3_STATE_TRANSACTION, "logged in");
    check(r, pop3_stat(r->c, &t) == POP3_OK && t.messages, "stat");
    r->messages = t.messages;
    check_listings(r);
    check_messages(r);
    check_marks(r);
    check(r, pop3_noop(r->c) == POP3_OK, "noop");
    check(r, pop3_command(r->c, "NOOP", POP3_SHORT) == POP3_OK, "any command");
    check(r, pop3_quit(r->c) == POP3_OK, "quit");
    check(r, pop3_state(r->c) == POP3_STATE_CLOSED, "closed");
}

/* The same handle again, by another way to log in. */
static void check_apop(struct run *r)
{
    pop3_totals t = {0};

    if (!check(r, open_link(r) == POP3_OK, "connected again"))
        return;
    if (!strcmp(r->mode, "stls")) {
        check(r, !pop3_challenge(r->c), "no timestamp from before STLS");
        check(r, pop3_login(r->c, r->user, r->password) == POP3_OK, "login");
    } else {
        check(r, pop3_challenge(r->c) != NULL, "timestamp");
        check(r, pop3_apop(r->c, r->user, r->password) == POP3_OK, "apop");
    }
    check(r, pop3_stat(r->c, &t) == POP3_OK && t.messages == r->messages,
          "all messages are still there");
    check(r, pop3_quit(r->c) == POP3_OK, "quit again");
}

static void check_all(struct run *r)
{
    if (!check(r, open_link(r) == POP3_OK, "connected"))
        return;
    check_greeting(r);
    check_capabilities(r);
    check_refusals(r);
    check(r, pop3_user(r->c, r->user) == POP3_OK, "user again");
    if (!check(r, pop3_pass(r->c, r->password) == POP3_OK, "pass"))
        return;
    check_session(r);
    check_apop(r);
}

/* ---- Logins -------------------------------------------------------------------------------- */

static int is_oauth(const char *way)
{
    return !strcmp(way, "XOAUTH2") || !strcmp(way, "OAUTHBEARER");
}

static pop3_code log_in(struct run *r, const char *way)
{
    return pop3_login(r->c, r->user, is_oauth(way) ? r->token : r->password);
}

/* Connected anew. In mode tcp it stays in cleartext. */
static int reopen(struct run *r)
{
    pop3_close(r->c);
    pop3_set_stls(r->c, POP3_STLS_NEVER);
    return check(r, open_link(r) == POP3_OK, "connected");
}

static void check_wrong(struct run *r, const char *way)
{
    pop3_code rc;

    if (!reopen(r))
        return;
    rc = pop3_login(r->c, r->user, "not.the.password");
    check(r, rc == POP3_ERROR_PROTO, "%s: a wrong password is refused", way);
    check(r, pop3_state(r->c) == POP3_STATE_AUTHORIZATION,
          "%s: and the session goes on", way);
    if (is_oauth(way))
        check(r, strstr(pop3_error(r->c), "\"status\":") != NULL,
              "%s: the server's complaint is told", way);
    else
        check(r, pop3_resp(r->c) == POP3_RESP_AUTH, "%s: with [AUTH]", way);
    check(r, log_in(r, way) == POP3_OK, "%s: the right one then", way);
    check(r, pop3_quit(r->c) == POP3_OK, "%s: quit", way);
}

/* What came before STLS is not believed, a timestamp neither. */
static int is_out_of_reach(const struct run *r, const char *way)
{
    return !strcmp(way, "APOP") && !strcmp(r->mode, "stls");
}

static void check_way(struct run *r, const char *way)
{
    pop3_totals t = {0};

    if (pop3_set_login_method(r->c, way) == POP3_ERROR_UNSUPPORTED) {
        printf("skipped %s: this library lacks %s\n", r->mode, way);
        return;
    }
    if (!reopen(r))
        return;
    if (is_out_of_reach(r, way)) {
        check(r, log_in(r, way) == POP3_ERROR_UNSUPPORTED,
              "%s has no timestamp", way);
        return;
    }
    check(r, log_in(r, way) == POP3_OK, "%s", way);
    check(r, !strcmp(pop3_login_method(r->c), way), "%s it was", way);
    check(r, pop3_stat(r->c, &t) == POP3_OK && t.messages, "%s: stat", way);
    check(r, pop3_quit(r->c) == POP3_OK, "%s: quit", way);
    check_wrong(r, way);
}

/* A mechanism of the caller's: PLAIN once more. */
static int say_plain(void *arg, const char *challenge, size_t length,
                     const char **response, size_t *response_length)
{
    const struct run *r = arg;
    static char said[300];

    (void)length;
    if (challenge)
        return -1;
    *response_length = (size_t)snprintf(said, sizeof said, "%c%s%c%s", 0,
                                        r->user, 0, r->password);
    *response = said;
    return 0;
}

static void check_callers_mechanism(struct run *r)
{
    if (!reopen(r))
        return;
    check(r,
          pop3_auth_callback(r->c, "PLAIN",
                             POP3_SASL_CLIENT_FIRST | POP3_SASL_REVEALS,
                             say_plain, r) == POP3_OK,
          "a mechanism of the caller's");
    check(r, pop3_quit(r->c) == POP3_OK, "quit");
}

/* What is taken where nobody picks a way. */
static void check_choice(struct run *r, pop3_stls_policy policy, int tls,
                         const char *first, const char *second)
{
    const char *way;

    pop3_set_login_method(r->c, NULL);
    if (!reopen(r))
        return;
    pop3_set_stls(r->c, policy);
    check(r, log_in(r, "") == POP3_OK, "login");
    way = pop3_login_method(r->c);
    check(r, !strcmp(way, first) || !strcmp(way, second),
          "login takes the best way, %s", way);
    check(r, pop3_is_tls(r->c) == tls, "under TLS or not, as it should");
    check(r, pop3_quit(r->c) == POP3_OK, "quit");
}

static void check_choices(struct run *r)
{
    if (!strcmp(r->mode, "tcp")) {
        check_choice(r, POP3_STLS_NEVER, 0, "SCRAM-SHA-256", "APOP");
        check_choice(r, POP3_STLS_IF_OFFERED, 1, "USER", "PLAIN");
    }
    check_choice(r, POP3_STLS_REQUIRED, 1, "USER", "PLAIN");
}

static void check_logins(struct run *r)
{
    static const char *const ways[] = {
        "USER",        "APOP",          "PLAIN",      "LOGIN",   "CRAM-MD5",
        "SCRAM-SHA-1", "SCRAM-SHA-256", "DIGEST-MD5", "XOAUTH2", "OAUTHBEARER",
    };
    size_t i;

    for (i = 0; i < sizeof ways / sizeof *ways; i++)
        check_way(r, ways[i]);
    check_callers_mechanism(r);
    check_choices(r);
}

/* ---- Helpers of the script ------------------------------------------------------------------ */

static int ready(struct run *r)
{
    pop3_set_timeout(r->c, 2000);
    return pop3_connect(r->c, "127.0.0.1", r->port) != POP3_OK;
}

static int hold(struct run *r)
{
    char byte;

    pop3_set_stls(r->c, POP3_STLS_NEVER);
    if (pop3_connect(r->c, "127.0.0.1", r->port) ||
        pop3_login(r->c, r->user, r->password))
        return 1;
    puts("held");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return pop3_quit(r->c) != POP3_OK;
}

int main(int argc, char **argv)
{
    struct run r = {.c = pop3_new()};
    int logins = argc == 8 && !strcmp(argv[1], "logins");
    int status = 64;

    argc -= logins;
    argv += logins;
    if (!r.c || argc < 3)
        return status;
    r.mode = argv[1];
    r.port = (int)strtol(argv[2], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(r.mode, "ready")) {
        status = ready(&r);
    } else if (!strcmp(r.mode, "hold") && argc == 5) {
        r.user = argv[3];
        r.password = argv[4];
        status = hold(&r);
    } else if (argc == 7 && !pop3_set_ca_file(r.c, argv[3])) {
        r.user = argv[4];
        r.password = argv[5];
        r.dir = r.token = argv[6];
        if (logins)
            check_logins(&r);
        else
            check_all(&r);
        status = r.failed != 0;
    }
    pop3_free(r.c);
    return status;
}
