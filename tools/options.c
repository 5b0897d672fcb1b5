/*
 * options.c - the arguments of a run, sorted into options and operands
 * SPDX-License-Identifier: MIT
 *
 * Owns the table of options. To add one: struct options, the table here, the
 * help in pop3.c, the manual. Not here: any output, what operands mean.
 */
#include "options.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_MS = 60000, LONGEST_TIMEOUT_S = INT_MAX / 1000 - 1 };

/* How the value of an option is taken, and where it goes. */
enum kind { FLAG, TEXT, SECONDS };

struct row {
    const char *name;
    const char *only; /* the commands that it is for; NULL: all */
    size_t at;        /* in struct options */
    enum kind kind;
    char letter; /* '\0': none */
};

#define AT(member) offsetof(struct options, member)

static const struct row rows[] = {
    {"allow-insecure-login", NULL, AT(allow_insecure_login), FLAG, '\0'},
    {"auth", NULL, AT(auth), TEXT, '\0'},
    {"cacert", NULL, AT(cacert), TEXT, '\0'},
    {"capath", NULL, AT(capath), TEXT, '\0'},
    {"cert", NULL, AT(cert), TEXT, '\0'},
    {"crlf", "retr top", AT(crlf), FLAG, '\0'},
    {"headers", "list", AT(headers), FLAG, '\0'},
    {"help", NULL, AT(help), FLAG, 'h'},
    {"json", NULL, AT(json), FLAG, '\0'},
    {"keep", "dl", AT(keep), FLAG, '\0'},
    {"key", NULL, AT(key), TEXT, '\0'},
    {"login", "capa", AT(login), FLAG, '\0'},
    {"netrc", NULL, AT(netrc), TEXT, '\0'},
    {"no-pipelining", NULL, AT(no_pipelining), FLAG, '\0'},
    {"password-command", NULL, AT(password_command), TEXT, '\0'},
    {"pin", NULL, AT(pin), TEXT, '\0'},
    {"quiet", NULL, AT(quiet), FLAG, 'q'},
    {"timeout", NULL, AT(timeout_ms), SECONDS, '\0'},
    {"verbose", NULL, AT(verbose), FLAG, 'v'},
    {"version", NULL, AT(version), FLAG, '\0'},
};

enum { ROWS = sizeof rows / sizeof *rows };

static const struct row *find_long(const char *name, size_t length)
{
    size_t i;

    for (i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == length &&
            memcmp(rows[i].name, name, length) == 0)
            return &rows[i];
    return NULL;
}

static const struct row *find_short(char letter)
{
    size_t i;

    for (i = 0; i < ROWS; i++)
        if (rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

/* The first error stays. */
static void blame(struct options *o, const char *error, const char *culprit,
                  size_t length)
{
    if (o->error)
        return;
    o->error = error;
    o->culprit = culprit;
    o->culprit_length = length < INT_MAX ? (int)length : INT_MAX;
}

int options_number(const char *text, uint64_t *out)
{
    uint64_t n = 0;

    if (!*text)
        return 0;
    for (; *text; text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return 0;
        n = n * 10 + digit;
    }
    *out = n;
    return 1;
}

/* Seconds, with a fraction or without ("60", "2.5"), as milliseconds. What is
 * less than one of these is one, for 0 means none. */
static int milliseconds(const char *text, int *out)
{
    size_t whole = strspn(text, "0123456789");
    const char *p = text + whole;
    int ms = 0;
    int unit;
    size_t i;

    for (i = 0; i < whole; i++) {
        ms = ms * 10 + (text[i] - '0');
        if (ms > LONGEST_TIMEOUT_S)
            return 0;
    }
    ms *= 1000;
    if (*p == '.')
        for (p++, unit = 100; *p >= '0' && *p <= '9'; p++, unit /= 10)
            ms += unit * (*p - '0');
    if (*p || !whole)
        return 0;
    *out = ms || !strpbrk(text, "123456789") ? ms : 1;
    return 1;
}

static void *member(struct options *o, const struct row *row)
{
    return (char *)o + row->at;
}

static void set_flag(struct options *o, const struct row *row)
{
    int *flag = member(o, row);

    if (*flag < INT_MAX)
        ++*flag;
}

static void set_value(struct options *o, const struct row *row,
                      const char *value)
{
    if (row->kind == TEXT)
        *(const char **)member(o, row) = value;
    else if (!milliseconds(value, member(o, row)))
        blame(o, "not a number of seconds", value, strlen(value));
}

/* "--name", "--name=VALUE" or "--name VALUE": how many arguments it took. What
 * stands behind an unknown option's "=" is not repeated, it may be secret. */
static int take_long(struct options *o, const char *arg, const char *next)
{
    size_t length = strcspn(arg, "=");
    const char *value = arg[length] ? arg + length + 1 : NULL;
    const struct row *row = find_long(arg + 2, length - 2);

    if (!row) {
        blame(o, "unknown option", arg, length);
    } else if (row->kind == FLAG) {
        set_flag(o, row);
        if (value)
            blame(o, "this option takes no value", arg, length);
    } else if (value) {
        set_value(o, row, value);
    } else if (next) {
        set_value(o, row, next);
        return 2;
    } else {
        blame(o, "this option needs a value", arg, length);
    }
    return 1;
}

/* "-q", "-vv", "-qv": flags all of them. */
static int take_short(struct options *o, const char *arg)
{
    const char *p;

    for (p = arg + 1; *p; p++) {
        const struct row *row = find_short(*p);

        if (row)
            set_flag(o, row);
        else
            blame(o, "unknown option", arg, strlen(arg));
    }
    return 1;
}

static int is_option(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0';
}

void options_parse(struct options *o, int argc, char **argv)
{
    int literal = 0; /* behind "--" */
    int i = 1;

    memset(o, 0, sizeof *o);
    o->timeout_ms = DEFAULT_TIMEOUT_MS;
    o->args = (const char **)argv;
    while (i < argc) {
        if (literal || !is_option(argv[i]))
            o->args[o->count++] = argv[i++];
        else if (strcmp(argv[i], "--") == 0)
            literal = ++i;
        else if (argv[i][1] == '-')
            i += take_long(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        else
            i += take_short(o, argv[i]);
    }
    o->args[o->count] = NULL;
}

/* Whether word is one of the words of list. */
static int has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    const char *p;

    for (p = list; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");

        if (n == length && memcmp(p, word, n) == 0)
            return 1;
        p += n;
    }
    return 0;
}

const char *options_misplaced(const struct options *o, const char *command)
{
    size_t i;

    for (i = 0; i < ROWS; i++) {
        const char *at = (const char *)o + rows[i].at;

        if (rows[i].only && *(const int *)(const void *)at &&
            !has_word(rows[i].only, command))
            return rows[i].name;
    }
    return NULL;
}
