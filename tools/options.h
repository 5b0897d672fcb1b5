/*
 * options.h - the arguments of a run, sorted into options and operands
 * SPDX-License-Identifier: MIT
 *
 * Knows nothing of POP3. Not here: what the operands mean (commands.c).
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

/* The strings are argv's own. A flag counts how often it was given. */
struct options {
    const char *netrc;
    const char *password_command;
    const char *auth;
    const char *cacert;
    const char *capath;
    const char *cert;
    const char *key;
    const char *pin;
    int timeout_ms; /* 0: none */
    int allow_insecure_login;
    int no_pipelining;
    int json;
    int quiet;
    int verbose;
    int version;
    int help;
    int crlf;
    int headers;
    int keep;
    int login;
    int count;         /* of args */
    const char **args; /* command, SPEC and so on; then NULL */

    /* The first thing wrong with the line, or NULL. */
    const char *error;
    const char *culprit; /* the argument to blame, of so many bytes */
    int culprit_length;
};

/* Sorts argv, whose entries it moves. What is wrong with it is in o->error;
 * the rest is sorted all the same, so that --help is found anywhere. */
void options_parse(struct options *o, int argc, char **argv);

/* The name of an option that was given and is not for that command; NULL for
 * none. */
const char *options_misplaced(const struct options *o, const char *command);

/* Digits alone, up to 2^64 - 1: 1, or 0 where it is no such number. */
int options_number(const char *text, uint64_t *out);

#endif
