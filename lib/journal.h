/*
 * journal.h - a file of lines, written in blocks that are there whole or not
 * SPDX-License-Identifier: MIT
 *
 * Layer 1. Each block ends with a line of its own, "commit COUNT SUM": how many
 * lines it has, and a checksum of all of the file before. Where a crash tore a
 * block, or anything was changed later, what stands from there on does not
 * count; p3_journal_load finds that place.
 *
 * A line holds no LF and is not "commit ..."; at most P3_JOURNAL_LINE octets.
 * The descriptor belongs to the journal. Functions return 0 or an errno.
 */
#ifndef P3_JOURNAL_H
#define P3_JOURNAL_H

#include "buf.h"

#include <sys/types.h>

#pragma GCC visibility push(hidden)

enum { P3_JOURNAL_LINE = 8192, P3_JOURNAL_ROOM = 32768 };

struct p3_journal {
    int fd;              /* -1: none */
    off_t end;           /* of the last block that is whole */
    uint64_t sum;        /* of the file up to there */
    struct p3_buf block; /* the lines in the making, each with its LF */
    uint64_t lines;      /* in it */
};

/* A line, without its LF, which is good until it returns; else than 0 ends the
 * reading. */
typedef int (*p3_journal_line)(void *arg, const char *line, size_t len);

/* With nothing in it, and an open file, empty or to be loaded. */
void p3_journal_init(struct p3_journal *j, int fd);

/* Closes the file. */
void p3_journal_release(struct p3_journal *j);

/* Finds the end of the last whole block: 0, or an errno; an empty file has
 * none, and end 0. Nothing is changed. */
int p3_journal_load(struct p3_journal *j);

/* Cuts off what stands behind the last whole block. */
int p3_journal_cut(struct p3_journal *j);

/* Gives all lines of whole blocks, without the commits, to a function; what it
 * returned, where that is not 0. */
int p3_journal_each(const struct p3_journal *j, p3_journal_line each,
                    void *arg);

/* Adds a line to the block in the making; text: whole, with its LF. ENOMEM, or
 * ENAMETOOLONG. */
int p3_journal_add(struct p3_journal *j, const char *text, size_t len);

/* Forgets the block in the making. */
void p3_journal_drop(struct p3_journal *j);

/*
 * Writes the block in the making, if it has any lines, durably where asked. Where
 * this fails the file is as it was. The block is empty then in any case.
 */
int p3_journal_commit(struct p3_journal *j, int durably);

/* What was written is durable. */
int p3_journal_sync(const struct p3_journal *j);

#pragma GCC visibility pop

#endif
