/*
 * scriptd.c - a server that plays a script, for testing against nonsense
 * SPDX-License-Identifier: MIT
 *
 * Owns the script's language, below. It knows nothing of POP3: what is true is
 * popd's. On 127.0.0.1 only; it plays the script to one connection, or to N,
 * one after another, and ends; at the latest after --lifetime.
 *
 *   scriptd [--port-file FILE] [--heard FILE] [--lifetime SECONDS]
 *           [--connections N] [--ssl] [--cert FILE --key FILE] SCRIPT
 *
 *   S: text          sends text and CRLF; \r \n \t \\ \0 \xHH are understood
 *   S- text          sends text alone
 *   repeat N S- text sends it N times (S: too)
 *   C: text          reads a line, which must be text
 *   C*               reads a line, whatever it is
 *   sleep MS         waits
 *   split            from here on a segment (under TLS a record) for each octet
 *   starttls         TLS begins; what was read before in clear is forgotten
 *   close            ends the connection in order: FIN, then for a second of
 *                    silence it still hears what the client says
 *   reset            ends it with RST
 *   # comment        as are empty lines
 *
 * After the last line it reads until the client closes. What it read goes to
 * the heard file, line by line as "C: text", escaped as above; a line cut off
 * by the end too. A line that is not the expected one adds "expected TEXT got
 * TEXT", and that connection is closed. --port-file: "plain PORT" or, with
 * --ssl, "ssl PORT", when it listens. --lifetime: default 60.
 *
 * Exit status: 0 played, 1 other lines than expected, 2 cannot start, 3 out of
 * time, 64 usage or a script that does not parse.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
    SCRIPT_LINE_MAX = 65536,
    IN_SIZE = 65536,
    SPLIT_PAUSE_NS = 20000, /* gives the client a chance to see each octet */
    LINGER_SECONDS = 1,
    BATCH = 65536, /* repeated text goes out in pieces this big */
    EX_START = 2,
    EX_LATE = 3,
    EX_USAGE = 64
};

struct config {
    const char *script;
    const char *port_file;
    const char *heard_name;
    const char *cert;
    const char *key;
    uint64_t lifetime;
    uint64_t connections;
    bool ssl;
};

struct text {
    char *data;
    size_t len;
};

enum verb {
    VERB_SEND,
    VERB_EXPECT,
    VERB_READ,
    VERB_SLEEP,
    VERB_SPLIT,
    VERB_STARTTLS,
    VERB_CLOSE,
    VERB_RESET
};

struct step {
    enum verb verb;
    uint64_t number;  /* times to send, ms to sleep */
    struct text text; /* to send or to expect */
};

struct script {
    struct step *steps;
    size_t count;
};

struct connection {
    SSL_CTX *tls;
    FILE *heard; /* NULL: nobody listens */
    SSL *ssl;    /* NULL: cleartext */
    int fd;
    bool split;
    bool over;   /* nothing more can be read or written */
    bool failed; /* the client said something else */
    size_t in_start;
    size_t in_end;
    char in[IN_SIZE];
};

/* ---- small things ---- */

static void die(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

static void die(int status, const char *format, ...)
{
    va_list args;

    fputs("scriptd: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

static void *must(void *memory)
{
    if (!memory)
        die(EX_START, "out of memory");
    return memory;
}

static bool number(const char *p, uint64_t *value)
{
    const char *start = p;

    *value = 0;
    for (; *p >= '0' && *p <= '9' && p - start < 18; p++)
        *value = *value * 10 + (uint64_t)(*p - '0');
    return p > start && *p == '\0';
}

static void pause_for(time_t seconds, long ns)
{
    struct timespec t = {seconds, ns};

    nanosleep(&t, NULL);
}

/* ---- the script ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The octet behind a backslash; *p moves to its last character. */
static bool unescape_one(const char **p, char *octet)
{
    static const char from[] = "rnt\\0", to[] = "\r\n\t\\";
    const char *at = **p ? strchr(from, **p) : NULL;
    int high, low;

    if (at) {
        *octet = to[at - from];
        return true;
    }
    high = **p == 'x' ? hex_digit((*p)[1]) : -1;
    low = high >= 0 ? hex_digit((*p)[2]) : -1;
    if (low < 0)
        return false;
    *octet = (char)(high * 16 + low);
    *p += 2;
    return true;
}

static struct text unescape(const char *p, const char *end, size_t line)
{
    struct text t = {must(malloc(strlen(p) + strlen(end) + 1)), 0};

    for (; *p; p++) {
        t.data[t.len] = *p;
        if (*p == '\\' && (++p, !unescape_one(&p, &t.data[t.len])))
            die(EX_USAGE, "line %zu: unknown escape", line);
        t.len++;
    }
    memcpy(t.data + t.len, end, strlen(end) + 1);
    t.len += strlen(end);
    return t;
}

/* What stands behind the verb and a blank, which may be missing at the end. */
static const char *behind(const char *line, const char *verb)
{
    size_t len = strlen(verb);

    if (strncmp(line, verb, len) != 0 || (line[len] && line[len] != ' '))
        return NULL;
    return line[len] ? line + len + 1 : line + len;
}

static bool parse_send(const char *text, size_t line, struct step *step)
{
    const char *rest;

    step->verb = VERB_SEND;
    if ((rest = behind(text, "S:")) != NULL)
        step->text = unescape(rest, "\r\n", line);
    else if ((rest = behind(text, "S-")) != NULL)
        step->text = unescape(rest, "", line);
    return rest != NULL;
}

static bool parse_repeat(char *rest, size_t line, struct step *step)
{
    char *blank = strchr(rest, ' ');

    if (!blank)
        return false;
    *blank = '\0';
    return number(rest, &step->number) && parse_send(blank + 1, line, step);
}

static bool parse_word(const char *text, struct step *step)
{
    static const struct {
        const char *word;
        enum verb verb;
    } words[] = {
        {"C*", VERB_READ},           {"split", VERB_SPLIT},
        {"starttls", VERB_STARTTLS}, {"close", VERB_CLOSE},
        {"reset", VERB_RESET},
    };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i].word) == 0) {
            step->verb = words[i].verb;
            return true;
        }
    return false;
}

static struct step parse_step(char *text, size_t line)
{
    struct step step = {.number = 1};
    const char *rest;
    bool ok;

    if ((rest = behind(text, "repeat")) != NULL) {
        ok = parse_repeat(text + (rest - text), line, &step);
    } else if ((rest = behind(text, "C:")) != NULL) {
        step.verb = VERB_EXPECT;
        step.text = unescape(rest, "", line);
        ok = true;
    } else if ((rest = behind(text, "sleep")) != NULL) {
        step.verb = VERB_SLEEP;
        ok = number(rest, &step.number);
    } else {
        ok = parse_send(text, line, &step) || parse_word(text, &step);
    }
    if (!ok)
        die(EX_USAGE, "line %zu: not understood: %s", line, text);
    return step;
}

static void add_step(struct script *s, struct step step)
{
    s->steps = must(realloc(s->steps, (s->count + 1) * sizeof(step)));
    s->steps[s->count++] = step;
}

/* Blanks at the end of a line count: a server may send them. */
static struct script load_script(const char *name)
{
    FILE *f = fopen(name, "r");
    char *text = must(malloc(SCRIPT_LINE_MAX));
    struct script s = {NULL, 0};
    size_t line = 0;

    if (!f)
        die(EX_USAGE, "%s: %s", name, strerror(errno));
    while (fgets(text, SCRIPT_LINE_MAX, f)) {
        line++;
        text[strcspn(text, "\n")] = '\0';
        if (text[0] && text[0] != '#')
            add_step(&s, parse_step(text, line));
    }
    fclose(f);
    free(text);
    return s;
}

static void release_script(struct script *s)
{
    size_t i;

    for (i = 0; i < s->count; i++)
        free(s->steps[i].text.data);
    free(s->steps);
}

/* ---- the heard file ---- */

static void write_escaped(FILE *f, const char *p, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (p[i] == '\\')
            fputs("\\\\", f);
        else if (p[i] == '\r')
            fputs("\\r", f);
        else if ((unsigned char)p[i] < ' ' || p[i] == 127)
            fprintf(f, "\\x%02x", (unsigned)p[i]);
        else
            fputc(p[i], f);
    }
}

static void note(struct connection *c, const char *what, const char *p,
                 size_t len, const char *end)
{
    if (!c->heard)
        return;
    fputs(what, c->heard);
    write_escaped(c->heard, p, len);
    fputs(end, c->heard);
    fflush(c->heard);
}

/* ---- octets; every wait ends with the lifetime's alarm ---- */

static void send_some(struct connection *c, const char *p, size_t len)
{
    ssize_t put;

    while (len > 0 && !c->over) {
        put = c->ssl ? SSL_write(c->ssl, p, (int)len) : write(c->fd, p, len);
        if (put <= 0) {
            c->over = c->ssl || errno != EINTR;
            continue;
        }
        p += put;
        len -= (size_t)put;
    }
}

static void send_text(struct connection *c, const char *p, size_t len)
{
    size_t i;

    if (!c->split) {
        send_some(c, p, len);
        return;
    }
    for (i = 0; i < len && !c->over; i++) {
        send_some(c, p + i, 1);
        pause_for(0, SPLIT_PAUSE_NS);
    }
}

/* Many short texts in one write: it must be fast enough for megabytes. */
static void send_often(struct connection *c, const struct text *t, uint64_t n)
{
    size_t i, each = t->len > 0 && t->len < BATCH ? BATCH / t->len : 1;
    char *batch;

    if ((uint64_t)each > n)
        each = (size_t)n;
    if (t->len == 0 || n == 0)
        return;
    batch = must(malloc(each * t->len));
    for (i = 0; i < each; i++)
        memcpy(batch + i * t->len, t->data, t->len);
    for (; n >= each && !c->over; n -= each)
        send_text(c, batch, each * t->len);
    if (n > 0 && n < each)
        send_text(c, batch, (size_t)n * t->len);
    free(batch);
}

static bool read_more(struct connection *c)
{
    ssize_t got;

    memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
    c->in_end -= c->in_start;
    c->in_start = 0;
    do {
        got = c->ssl ? SSL_read(c->ssl, c->in + c->in_end,
                                (int)(IN_SIZE - c->in_end))
                     : read(c->fd, c->in + c->in_end, IN_SIZE - c->in_end);
    } while (got < 0 && !c->ssl && errno == EINTR);
    if (got > 0)
        c->in_end += (size_t)got;
    return got > 0;
}

/* A line, or what there is of it at the end or when it is beyond all measure.
 * It belongs to c until the next call, and is noted as heard. */
static bool read_line(struct connection *c, struct text *line)
{
    char *lf = NULL;
    size_t have;

    do {
        line->data = c->in + c->in_start;
        have = c->in_end - c->in_start;
        lf = memchr(line->data, '\n', have);
    } while (!lf && have < IN_SIZE && read_more(c));
    line->data = c->in + c->in_start;
    have = c->in_end - c->in_start;
    line->len = lf ? (size_t)(lf - line->data) : have;
    c->in_start += lf ? line->len + 1 : have;
    if (have == 0)
        return false;
    if (lf && line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    note(c, "C: ", line->data, line->len, "\n");
    return true;
}

static void hear_the_rest(struct connection *c)
{
    struct text line;

    while (read_line(c, &line))
        continue;
}

/* ---- steps ---- */

static void start_tls(struct connection *c)
{
    c->in_start = c->in_end = 0;
    c->ssl = c->tls ? SSL_new(c->tls) : NULL;
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_accept(c->ssl) != 1)
        c->over = true;
}

static void unexpected(struct connection *c, const char *wanted, size_t len,
                       const struct text *got)
{
    note(c, "expected ", wanted, len, " got ");
    note(c, "", got->data, got->len, "\n");
    c->failed = true;
    c->over = true;
}

static void expect(struct connection *c, const struct text *wanted)
{
    struct text end = {"the end", 7}, line;

    if (!read_line(c, &line))
        line = end;
    else if (line.len == wanted->len &&
             memcmp(line.data, wanted->data, line.len) == 0)
        return;
    unexpected(c, wanted->data, wanted->len, &line);
}

static void expect_any(struct connection *c)
{
    struct text end = {"the end", 7}, line;

    if (!read_line(c, &line))
        unexpected(c, "a line", 6, &end);
}

static void reset(struct connection *c)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};

    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    hear_the_rest(c);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    c->over = true;
}

/* FIN at once, then a while for the client: to close with octets unread would
 * send RST, and that may overtake what the client has yet to read. */
static void close_in_order(struct connection *c)
{
    struct timeval t = {.tv_sec = LINGER_SECONDS};

    if (c->ssl)
        SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_WR);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
    hear_the_rest(c);
    c->over = true;
}

static void play_step(struct connection *c, const struct step *step)
{
    switch (step->verb) {
    case VERB_SEND:
        send_often(c, &step->text, step->number);
        break;
    case VERB_EXPECT:
        expect(c, &step->text);
        break;
    case VERB_READ:
        expect_any(c);
        break;
    case VERB_SLEEP:
        pause_for((time_t)(step->number / 1000),
                  (long)(step->number % 1000) * 1000000);
        break;
    case VERB_SPLIT:
        c->split = true;
        break;
    case VERB_STARTTLS:
        start_tls(c);
        break;
    case VERB_CLOSE:
        close_in_order(c);
        break;
    case VERB_RESET:
        reset(c);
        break;
    }
}

/* False: the client said something else than the script. */
static bool play(const struct script *s, const struct config *cfg, SSL_CTX *tls,
                 FILE *heard, int fd)
{
    struct connection *c = must(calloc(1, sizeof(*c)));
    bool ok;
    size_t i;

    c->tls = tls;
    c->heard = heard;
    c->fd = fd;
    if (cfg->ssl)
        start_tls(c);
    for (i = 0; i < s->count && !c->over; i++)
        play_step(c, &s->steps[i]);
    if (!c->over)
        hear_the_rest(c);
    ok = !c->failed;
    SSL_free(c->ssl);
    close(fd);
    free(c);
    return ok;
}

/* ---- the server ---- */

static void set_option(struct config *cfg, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
    } options[] = {
        {"--port-file", &cfg->port_file, NULL},
        {"--heard", &cfg->heard_name, NULL},
        {"--cert", &cfg->cert, NULL},
        {"--key", &cfg->key, NULL},
        {"--lifetime", NULL, &cfg->lifetime},
        {"--connections", NULL, &cfg->connections},
    };
    size_t i, count = sizeof(options) / sizeof(options[0]);

    for (i = 0; i < count && strcmp(options[i].name, name) != 0; i++)
        continue;
    if (i == count || !value)
        die(EX_USAGE, "%s: unknown option, or a value missing", name);
    if (options[i].text)
        *options[i].text = value;
    else if (!number(value, options[i].number) || *options[i].number == 0 ||
             *options[i].number > INT32_MAX)
        die(EX_USAGE, "%s: a number of 1 or more expected", name);
}

static void parse_options(struct config *cfg, char **argv)
{
    while (*++argv) {
        if (strcmp(*argv, "--ssl") == 0) {
            cfg->ssl = true;
        } else if (strncmp(*argv, "--", 2) == 0) {
            set_option(cfg, argv[0], argv[1]);
            argv++;
        } else if (!cfg->script) {
            cfg->script = *argv;
        } else {
            die(EX_USAGE, "one SCRIPT expected");
        }
    }
    if (!cfg->script)
        die(EX_USAGE, "SCRIPT is missing");
    if (!cfg->cert != !cfg->key || (cfg->ssl && !cfg->cert))
        die(EX_USAGE, "--cert and --key are needed for TLS");
}

static SSL_CTX *load_tls(const struct config *cfg)
{
    SSL_CTX *tls;

    if (!cfg->cert)
        return NULL;
    tls = must(SSL_CTX_new(TLS_server_method()));
    if (SSL_CTX_use_certificate_chain_file(tls, cfg->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, cfg->key, SSL_FILETYPE_PEM) != 1)
        die(EX_START, "cannot use %s with %s: %s", cfg->cert, cfg->key,
            ERR_error_string(ERR_get_error(), NULL));
    return tls;
}

/* On any free port of the loopback address. */
static int listen_here(struct sockaddr_in *a)
{
    socklen_t len = sizeof(*a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(a, 0, sizeof(*a));
    a->sin_family = AF_INET;
    a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)a, len) != 0 ||
        listen(fd, 16) != 0 || getsockname(fd, (struct sockaddr *)a, &len) != 0)
        die(EX_START, "cannot listen: %s", strerror(errno));
    return fd;
}

/* Under its own name only when it is complete. */
static void write_port_file(const struct config *cfg, unsigned port)
{
    char part[4096];
    FILE *f;

    if (!cfg->port_file)
        return;
    snprintf(part, sizeof(part), "%s.%ld", cfg->port_file, (long)getpid());
    f = fopen(part, "w");
    if (f)
        fprintf(f, "%s %u\n", cfg->ssl ? "ssl" : "plain", port);
    if (!f || fclose(f) != 0 || rename(part, cfg->port_file) != 0)
        die(EX_START, "%s: %s", cfg->port_file, strerror(errno));
}

static void on_alarm(int signo)
{
    (void)signo;
    _exit(EX_LATE);
}

static void limit_time(const struct config *cfg)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, on_alarm);
    alarm((unsigned)cfg->lifetime);
}

static int accept_one(int listener)
{
    int fd, on = 1;

    do {
        fd = accept(listener, NULL, NULL);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0)
        die(EX_START, "accept: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

int main(int argc, char **argv)
{
    struct config cfg = {.lifetime = 60, .connections = 1};
    struct sockaddr_in address;
    struct script script;
    FILE *heard = NULL;
    SSL_CTX *tls;
    uint64_t i;
    int listener;
    bool ok = true;

    (void)argc;
    parse_options(&cfg, argv);
    limit_time(&cfg);
    script = load_script(cfg.script);
    tls = load_tls(&cfg);
    if (cfg.heard_name && !(heard = fopen(cfg.heard_name, "a")))
        die(EX_START, "%s: %s", cfg.heard_name, strerror(errno));
    listener = listen_here(&address);
    write_port_file(&cfg, ntohs(address.sin_port));
    for (i = 0; i < cfg.connections; i++)
        ok = play(&script, &cfg, tls, heard, accept_one(listener)) && ok;
    close(listener);
    if (heard)
        fclose(heard);
    SSL_CTX_free(tls);
    release_script(&script);
    return ok ? 0 : 1;
}
