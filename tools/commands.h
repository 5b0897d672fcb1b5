/*
 * commands.h - what the program can do
 * SPDX-License-Identifier: MIT
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "session.h"

/* A command of the command line. */
struct command {
    const char *name;
    void (*run)(struct session *s);
    int least, most;       /* arguments behind the name; most -1: any */
    const char *arguments; /* for people */
    const char *help;
};

/* The table in pop3.c; the entry of that name, NULL for none. */
const struct command *command_find(const char *name);

/* Shows the help of a command, of NULL: of all. */
void command_help(struct show *out, const struct command *command);

/* "N messages, S octets", or the same in JSON, unless it is to be quiet. */
void show_totals(struct session *s, uint64_t messages, uint64_t octets);

/* Each does its work, tells what goes wrong and keeps it in s->status. */
void cmd_check(struct session *s);
void cmd_list(struct session *s);
void cmd_retr(struct session *s);
void cmd_top(struct session *s);
void cmd_capa(struct session *s);
void cmd_dele(struct session *s);
void cmd_dl(struct session *s);
void cmd_help(struct session *s);

#endif
