/*
 * netrc.c - the netrc file: who has which password where
 * SPDX-License-Identifier: MIT
 *
 * Owns the file's way of writing, and the order in which entries are looked up.
 * Knows nothing of connections. Not here: what is an account's machine
 * (spec.c), whether a password may be used (open.c).
 *
 * The file's text is the only copy of its secrets: words are unquoted in place
 * and entries point into it, so that wiping it wipes them all.
 */
#include "netrc.h"
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pop3_netrc {
    struct p3_buf text;
    char *path;
    int is_private;
    pop3_netrc_entry *entries; /* in the file's order */
    size_t count;
};

/* ---- Words ------------------------------------------------------------- */

/* How far the text is parsed. */
struct scan {
    const char *path;
    char *at, *end;
    size_t line;
    struct p3_error *e;
};

struct word {
    char *data; /* NULL: the file has ended */
    size_t len;
    size_t line;
    int quoted;
    int after_comment; /* a comment stands between it and the word before */
};

static pop3_code malformed(const struct scan *s, size_t line, const char *why)
{
    return p3_error_set(s->e, POP3_ERROR_ARGUMENT, "\"%.300s\", line %zu: %s",
                        s->path, line, why);
}

static int is_space(char ch)
{
    return ch == ' ' || ch == '\n' || (ch >= '\t' && ch <= '\r');
}

/* To the LF that ends this line, or to the end. */
static void skip_line(struct scan *s)
{
    char *lf = memchr(s->at, '\n', (size_t)(s->end - s->at));

    s->at = lf ? lf : s->end;
}

/* To the next word; returns whether there was a comment on the way. */
static int skip_to_word(struct scan *s)
{
    int comment = 0;

    while (s->at < s->end) {
        if (*s->at == '#') {
            comment = 1;
            skip_line(s);
        } else if (is_space(*s->at)) {
            s->line += *s->at++ == '\n';
        } else {
            break;
        }
    }
    return comment;
}

static void take_plain(struct scan *s, struct word *w)
{
    w->data = s->at;
    while (s->at < s->end && !is_space(*s->at))
        s->at++;
    w->len = (size_t)(s->at - w->data);
}

/* A backslash is one before " and \ alone, else a letter like any other. */
static int is_escape(const struct scan *s)
{
    return *s->at == '\\' && s->at + 1 < s->end &&
           (s->at[1] == '"' || s->at[1] == '\\');
}

/* A quoted word ends in its own line: else one forgotten quote would make a
 * password of the rest of the file. */
static pop3_code take_quoted(struct scan *s, struct word *w)
{
    char *to = w->data = s->at++;

    w->quoted = 1;
    while (s->at < s->end && *s->at != '"' && *s->at != '\n') {
        s->at += is_escape(s);
        *to++ = *s->at++;
    }
    if (s->at == s->end || *s->at != '"')
        return malformed(s, w->line, "the closing quote is missing");
    s->at++;
    if (s->at < s->end && !is_space(*s->at))
        return malformed(s, w->line, "a space is missing behind the quote");
    w->len = (size_t)(to - w->data);
    return POP3_OK;
}

static pop3_code next_word(struct scan *s, struct word *w)
{
    memset(w, 0, sizeof *w);
    w->after_comment = skip_to_word(s);
    w->line = s->line;
    if (s->at == s->end)
        return POP3_OK;
    if (*s->at == '"')
        return take_quoted(s, w);
    take_plain(s, w);
    return POP3_OK;
}

/* ---- Entries ----------------------------------------------------------- */

enum keyword { NONE, MACHINE, DEFAULT, LOGIN, ACCOUNT, PASSWORD, MACDEF };

static const char *const keywords[] = {
    [MACHINE] = "machine", [DEFAULT] = "default",   [LOGIN] = "login",
    [ACCOUNT] = "account", [PASSWORD] = "password", [MACDEF] = "macdef",
};

static enum keyword keyword(const struct word *w)
{
    int i;

    for (i = MACHINE; i <= MACDEF && !w->quoted; i++)
        if (strlen(keywords[i]) == w->len &&
            memcmp(keywords[i], w->data, w->len) == 0)
            return (enum keyword)i;
    return NONE;
}

/*
 * What follows is a value unless it would be somebody else's: `login` at a
 * line's end and `password` in the next, or `password #1`, which is a comment
 * and would make the next line's word the password.
 */
static int is_value(const struct word *w, const struct word *of)
{
    return w->data && !w->after_comment &&
           (w->line == of->line || keyword(w) == NONE);
}

/* There is no room for a NUL behind a plain word, but there is before it, for a
 * keyword and a space came first. */
static const char *terminated(struct word *w)
{
    if (!w->quoted) {
        memmove(w->data - 1, w->data, w->len);
        w->data--;
    }
    w->data[w->len] = '\0';
    return w->data;
}

static pop3_code take_value(struct scan *s, const struct word *of,
                            const char **value)
{
    struct word w;
    char why[80];
    pop3_code rc = next_word(s, &w);

    if (rc)
        return rc;
    if (is_value(&w, of)) {
        *value = terminated(&w);
        return POP3_OK;
    }
    snprintf(why, sizeof why, "\"%.*s\" without a value%s", (int)of->len,
             of->data, w.after_comment ? "; quote what begins with #" : "");
    return malformed(s, of->line, why);
}

static pop3_code add_entry(pop3_netrc *n, struct p3_error *e)
{
    pop3_netrc_entry *grown;

    /* Doubled at each power of two. */
    if ((n->count & (n->count - 1)) == 0) {
        size_t room = n->count ? n->count * 2 : 1;

        grown = realloc(n->entries, room * sizeof *grown);
        if (!grown)
            return p3_error_memory(e);
        n->entries = grown;
    }
    memset(&n->entries[n->count++], 0, sizeof *n->entries);
    return POP3_OK;
}

/* An empty one; with CR where the file has CRLF. */
static int at_empty_line(const struct scan *s)
{
    ptrdiff_t left = s->end - s->at;

    return (left > 0 && s->at[0] == '\n') ||
           (left > 1 && s->at[0] == '\r' && s->at[1] == '\n');
}

static void skip_macro(struct scan *s)
{
    do {
        skip_line(s);
        if (s->at < s->end) {
            s->at++;
            s->line++;
        }
    } while (s->at < s->end && !at_empty_line(s));
}

static pop3_code take_macro(struct scan *s, const struct word *of)
{
    const char *name;
    pop3_code rc = take_value(s, of, &name);

    if (!rc)
        skip_macro(s);
    return rc;
}

static pop3_code take_machine(pop3_netrc *n, struct scan *s,
                              const struct word *of)
{
    pop3_code rc = add_entry(n, s->e);

    return rc ? rc : take_value(s, of, &n->entries[n->count - 1].machine);
}

/* login, account, password: of the entry that was begun last. */
static pop3_code take_field(pop3_netrc *n, struct scan *s,
                            const struct word *of, enum keyword which)
{
    pop3_netrc_entry *entry;

    if (!n->count)
        return malformed(s, of->line, "\"machine\" is missing before it");
    entry = &n->entries[n->count - 1];
    return take_value(s, of,
                      which == LOGIN     ? &entry->login
                      : which == ACCOUNT ? &entry->account
                                         : &entry->password);
}

/* Unknown words are passed over, as all readers of such files do: others keep
 * what is theirs there. */
static pop3_code take_item(pop3_netrc *n, struct scan *s, const struct word *w)
{
    enum keyword which = keyword(w);

    switch (which) {
    case MACHINE:
        return take_machine(n, s, w);
    case DEFAULT:
        return add_entry(n, s->e);
    case MACDEF:
        return take_macro(s, w);
    case NONE:
        return POP3_OK;
    default:
        return take_field(n, s, w, which);
    }
}

/* A NUL would cut a word short, and so make it another's. */
static pop3_code refuse_nul(struct scan *s)
{
    const char *nul = memchr(s->at, '\0', (size_t)(s->end - s->at));
    size_t line = 1;
    const char *p;

    if (!nul)
        return POP3_OK;
    for (p = s->at; p < nul; p++)
        line += *p == '\n';
    return malformed(s, line, "a NUL, so this is no text");
}

static pop3_code parse(pop3_netrc *n, struct p3_error *e)
{
    struct scan s = {n->path, n->text.data, n->text.data, 1, e};
    struct word w;
    pop3_code rc;

    if (!n->text.len)
        return POP3_OK;
    s.end = s.at + n->text.len;
    rc = refuse_nul(&s);
    while (!rc && !(rc = next_word(&s, &w)) && w.data)
        rc = take_item(n, &s, &w);
    return rc;
}

/* ---- The file ---------------------------------------------------------- */

static pop3_code unreadable(const char *path, int err, struct p3_error *e)
{
    char text[P3_ERRNO_TEXT];

    return p3_error_set(e, POP3_ERROR_IO, "cannot read \"%.300s\": %s", path,
                        p3_errno_text(err, text, sizeof text));
}

/* A read straight into the buffer, so that no copy is left to be wiped. */
static ssize_t read_some(int fd, struct p3_buf *text)
{
    ssize_t n;

    do
        n = read(fd, text->data + text->len, text->cap - text->len - 1);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        text->len += (size_t)n;
    text->data[text->len] = '\0';
    return n;
}

static pop3_code read_all(pop3_netrc *n, int fd, struct p3_error *e)
{
    ssize_t got;

    do {
        if (!p3_buf_reserve(&n->text, 4096))
            return p3_error_memory(e);
        got = read_some(fd, &n->text);
        if (got < 0)
            return unreadable(n->path, errno, e);
        if (n->text.len > P3_NETRC_LIMIT)
            return unreadable(n->path, EFBIG, e);
    } while (got);
    return POP3_OK;
}

/*
 * Any bit of group or others counts, as for ssh's keys: who may write the file
 * may plant a server to send the password to. It is the file read that is
 * asked, not the name, which could be another's by now.
 */
static int is_private(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/*
 * A pipe will do, as from `<(gpg -d netrc.gpg)`. may_miss: a file that is not
 * there counts as empty.
 */
static pop3_code read_file(pop3_netrc *n, int may_miss, struct p3_error *e)
{
    int fd = open(n->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    pop3_code rc;

    if (fd < 0 && may_miss && (errno == ENOENT || errno == ENOTDIR))
        return POP3_OK;
    if (fd < 0)
        return unreadable(n->path, errno, e);
    n->is_private = is_private(fd);
    rc = read_all(n, fd, e);
    close(fd);
    return rc;
}

static pop3_netrc *new_netrc(const char *path)
{
    pop3_netrc *n = calloc(1, sizeof *n);

    if (!n)
        return NULL;
    p3_buf_init(&n->text, 0, 1);
    n->is_private = 1;
    n->path = p3_strdup(path);
    if (!n->path) {
        free(n);
        return NULL;
    }
    return n;
}

/* Gives n away when all went well, else frees it. */
static pop3_code hand_over(pop3_netrc *n, pop3_code rc, pop3_netrc **out)
{
    if (rc)
        pop3_netrc_free(n);
    else
        *out = n;
    return rc;
}

static pop3_code load(const char *path, int may_miss, struct p3_error *e,
                      pop3_netrc **out)
{
    pop3_netrc *n = new_netrc(path);
    pop3_code rc;

    if (!n)
        return p3_error_memory(e);
    rc = read_file(n, may_miss, e);
    return hand_over(n, rc ? rc : parse(n, e), out);
}

/* ~/.netrc; where there is no home, there is none. */
static pop3_code load_from_home(struct p3_error *e, pop3_netrc **out)
{
    static const char name[] = "/.netrc";
    char path[4096];

    if (p3_local_home(path, sizeof path - sizeof name) != 0)
        return p3_netrc_parse("~/.netrc", "", 0, e, out);
    memcpy(path + strlen(path), name, sizeof name);
    return load(path, 1, e, out);
}

pop3_code p3_netrc_load(const char *path, struct p3_error *e, pop3_netrc **out)
{
    const char *named = getenv("NETRC");

    if (path)
        return load(path, 0, e, out);
    if (named && *named)
        return load(named, 1, e, out);
    return load_from_home(e, out);
}

pop3_code p3_netrc_parse(const char *name, const char *text, size_t len,
                         struct p3_error *e, pop3_netrc **out)
{
    pop3_netrc *n = new_netrc(name);

    if (!n)
        return p3_error_memory(e);
    if (!p3_buf_add(&n->text, text, len))
        return hand_over(n, p3_error_memory(e), out);
    return hand_over(n, parse(n, e), out);
}

const char *p3_netrc_path(const pop3_netrc *netrc)
{
    return netrc->path;
}

void pop3_netrc_free(pop3_netrc *netrc)
{
    if (!netrc)
        return;
    p3_buf_release(&netrc->text);
    free(netrc->entries);
    free(netrc->path);
    free(netrc);
}

int pop3_netrc_is_private(const pop3_netrc *netrc)
{
    return !netrc || netrc->is_private;
}

/* ---- Lookups ----------------------------------------------------------- */

/* What an entry is asked for. NULL in it: whatever. */
struct wanted {
    const char *user; /* within machine */
    const char *host; /* NULL: the entry of `default` */
    int port;         /* 0: none within machine */
    const char *login;
};

/* Takes word off the front of *text, if it is there. */
static int eat(const char **text, const char *word)
{
    size_t n = strlen(word);

    if (strncmp(*text, word, n) != 0)
        return 0;
    *text += n;
    return 1;
}

/* An IPv6 address may stand in brackets, as it does in a specification. */
static int eat_host(const char **text, const char *host)
{
    const char *at = *text;

    if (eat(&at, "[") && eat(&at, host) && eat(&at, "]")) {
        *text = at;
        return 1;
    }
    return eat(text, host);
}

static int eat_port(const char **text, int port)
{
    char digits[16];

    snprintf(digits, sizeof digits, ":%d", port);
    return eat(text, digits);
}

/* [user@]host[:port], the parts that are wanted and nothing besides. */
static int is_machine(const char *machine, const struct wanted *w)
{
    if (!machine || !w->host)
        return !machine && !w->host;
    if (w->user && !(eat(&machine, w->user) && eat(&machine, "@")))
        return 0;
    return eat_host(&machine, w->host) &&
           (!w->port || eat_port(&machine, w->port)) && !*machine;
}

static const pop3_netrc_entry *find(const pop3_netrc *n, struct wanted w)
{
    size_t i;

    for (i = 0; i < n->count; i++) {
        const pop3_netrc_entry *entry = &n->entries[i];

        if (is_machine(entry->machine, &w) &&
            (!w.login || !entry->login || strcmp(entry->login, w.login) == 0))
            return entry;
    }
    return NULL;
}

const pop3_netrc_entry *pop3_netrc_machine(const pop3_netrc *netrc,
                                           const char *machine)
{
    size_t i;

    for (i = 0; netrc && i < netrc->count; i++) {
        const char *name = netrc->entries[i].machine;

        if (name && strcmp(name, machine) == 0)
            return &netrc->entries[i];
    }
    return NULL;
}

const pop3_netrc_entry *pop3_netrc_account(const pop3_netrc *netrc,
                                           const char *account)
{
    size_t i;

    for (i = 0; netrc && i < netrc->count; i++) {
        const char *name = netrc->entries[i].account;

        if (name && strcmp(name, account) == 0)
            return &netrc->entries[i];
    }
    return NULL;
}

/* The machine that is written with its user. */
static const pop3_netrc_entry *
find_with_user(const pop3_netrc *n, const pop3_spec *spec, const char *user)
{
    const char *host = spec->server_name;
    const pop3_netrc_entry *entry = find(
        n, (struct wanted){.user = user, .host = host, .port = spec->port});

    return entry ? entry : find(n, (struct wanted){.user = user, .host = host});
}

/* The machine, or else default, with that login or none; NULL: any login. */
static const pop3_netrc_entry *
find_with_login(const pop3_netrc *n, const pop3_spec *spec, const char *login)
{
    const pop3_netrc_entry *entry = find(
        n, (struct wanted){.host = spec->server_name, .login = login});

    return entry ? entry : find(n, (struct wanted){.login = login});
}

/*
 * A specification without a user is given one by the login of the host's entry,
 * and where that has none, the local user is who logs in: so an entry of
 * `machine local@host` is the right one too, but no more than that one is.
 */
static const pop3_netrc_entry *find_for_anyone(const pop3_netrc *n,
                                               const pop3_spec *spec)
{
    const pop3_netrc_entry *entry = find(
        n, (struct wanted){.host = spec->server_name});
    char local[256];

    if (entry && entry->login)
        return entry;
    entry = NULL;
    if (p3_local_user(local, sizeof local) == 0)
        entry = find_with_user(n, spec, local);
    return entry ? entry : find_with_login(n, spec, NULL);
}

const pop3_netrc_entry *pop3_netrc_for_spec(const pop3_netrc *netrc,
                                            const pop3_spec *spec)
{
    const pop3_netrc_entry *entry;

    if (!netrc)
        return NULL;
    if (spec->account)
        return pop3_netrc_account(netrc, spec->account);
    if (!spec->user)
        return find_for_anyone(netrc, spec);
    entry = find_with_user(netrc, spec, spec->user);
    return entry ? entry : find_with_login(netrc, spec, spec->user);
}
