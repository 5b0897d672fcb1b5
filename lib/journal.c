/*
 * journal.c - a file of lines, written in blocks that are there whole or not
 * SPDX-License-Identifier: MIT
 *
 * Owns the blocks and their checksum. Knows nothing of what the lines say, nor
 * of the file's name and lock (stored.c).
 *
 * The checksum goes on from block to block, so that no block can stand anywhere
 * but where it was written. It is to find what a crash tore, not to keep anybody
 * out: FNV-1a does, which no change of one octet gets past.
 */
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static const char commit_word[] = "commit ";

/* Room for "commit COUNT SUM", its LF and a NUL. */
enum { COMMIT_ROOM = 64 };

static uint64_t add_to_sum(uint64_t sum, const char *data, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        sum = (sum ^ (unsigned char)data[i]) * FNV_PRIME;
    return sum;
}

/* The line that ends a block of so many lines. */
static size_t make_commit(char *out, uint64_t lines, uint64_t sum)
{
    return (size_t)snprintf(out, COMMIT_ROOM, "%s%" PRIu64 " %016" PRIx64 "\n",
                            commit_word, lines, sum);
}

static int is_commit(const char *line, size_t len)
{
    return len >= sizeof commit_word - 1 &&
           memcmp(line, commit_word, sizeof commit_word - 1) == 0;
}

void p3_journal_init(struct p3_journal *j, int fd)
{
    j->fd = fd;
    j->end = 0;
    j->sum = FNV_BASIS;
    j->lines = 0;
    p3_buf_init(&j->block, 0, 0);
}

void p3_journal_release(struct p3_journal *j)
{
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
    p3_buf_release(&j->block);
}

/* ---- Reading ----------------------------------------------------------- */

/* Lines from the start of the file on. */
struct cursor {
    int fd;
    off_t next;        /* of the file, to be read */
    size_t start, end; /* of what was read and not given */
    char room[P3_JOURNAL_ROOM];
};

static void cursor_init(struct cursor *cur, int fd)
{
    cur->fd = fd;
    cur->next = 0;
    cur->start = cur->end = 0;
}

static off_t cursor_at(const struct cursor *cur)
{
    return cur->next - (off_t)(cur->end - cur->start);
}

/* Reads more behind what is there: how much, 0 at the end, or -errno. */
static int fill(struct cursor *cur)
{
    ssize_t n;

    memmove(cur->room, cur->room + cur->start, cur->end - cur->start);
    cur->end -= cur->start;
    cur->start = 0;
    do
        n = pread(cur->fd, cur->room + cur->end, sizeof cur->room - cur->end,
                  cur->next);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    cur->end += (size_t)n;
    cur->next += n;
    return (int)n;
}

/* The next line with its LF: its length; 0 where there is none, for the end has
 * come first, or an endless line; or -errno. */
static int next_line(struct cursor *cur, const char **line)
{
    size_t looked = 0;

    for (;;) {
        size_t len = cur->end - cur->start;
        const char *lf = memchr(cur->room + cur->start + looked, '\n',
                                len - looked);
        int n;

        if (lf) {
            *line = cur->room + cur->start;
            cur->start = (size_t)(lf + 1 - cur->room);
            return (int)(lf + 1 - *line);
        }
        looked = len;
        if (len == sizeof cur->room)
            return 0;
        n = fill(cur);
        if (n <= 0)
            return n;
    }
}

/* Whether that line ends a block of what was read. */
static int ends_block(const char *line, size_t len, uint64_t lines,
                      uint64_t sum)
{
    char want[COMMIT_ROOM];

    return make_commit(want, lines, sum) == len && memcmp(line, want, len) == 0;
}

int p3_journal_load(struct p3_journal *j)
{
    struct cursor cur;
    const char *line;
    uint64_t lines = 0, sum = FNV_BASIS;
    int len;

    cursor_init(&cur, j->fd);
    while ((len = next_line(&cur, &line)) > 0) {
        int commit = is_commit(line, (size_t)len);

        if (commit && !ends_block(line, (size_t)len, lines, sum))
            return 0;
        sum = add_to_sum(sum, line, (size_t)len);
        lines = commit ? 0 : lines + 1;
        if (commit) {
            j->end = cursor_at(&cur);
            j->sum = sum;
        }
    }
    return -len;
}

int p3_journal_each(const struct p3_journal *j, p3_journal_line each, void *arg)
{
    struct cursor cur;
    const char *line;
    int len = 0, rc = 0;

    cursor_init(&cur, j->fd);
    while (!rc && cursor_at(&cur) < j->end &&
           (len = next_line(&cur, &line)) > 0)
        if (!is_commit(line, (size_t)len))
            rc = each(arg, line, (size_t)len - 1);
    return rc || len >= 0 ? rc : -len;
}

/* ---- Writing ----------------------------------------------------------- */

int p3_journal_add(struct p3_journal *j, const char *text, size_t len)
{
    if (len > P3_JOURNAL_LINE)
        return ENAMETOOLONG; /* it could not be read again */
    if (!p3_buf_add(&j->block, text, len))
        return ENOMEM;
    j->lines++;
    return 0;
}

void p3_journal_drop(struct p3_journal *j)
{
    p3_buf_truncate(&j->block, 0);
    j->lines = 0;
}

static int write_at(int fd, const char *data, size_t len, off_t at)
{
    while (len) {
        ssize_t n = pwrite(fd, data, len, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? errno : EIO;
        data += n;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int p3_journal_sync(const struct p3_journal *j)
{
    while (fdatasync(j->fd) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

int p3_journal_cut(struct p3_journal *j)
{
    while (ftruncate(j->fd, j->end) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

/* The end of the block, whose lines are summed up already. */
static int add_commit(struct p3_journal *j, uint64_t *sum)
{
    char line[COMMIT_ROOM];
    size_t len;

    *sum = add_to_sum(j->sum, p3_buf_text(&j->block), j->block.len);
    len = make_commit(line, j->lines, *sum);
    *sum = add_to_sum(*sum, line, len);
    return p3_buf_add(&j->block, line, len) ? 0 : ENOMEM;
}

int p3_journal_commit(struct p3_journal *j, int durably)
{
    uint64_t sum = j->sum;
    int err = j->lines ? add_commit(j, &sum) : 0;

    if (!err && j->lines)
        err = write_at(j->fd, j->block.data, j->block.len, j->end);
    if (!err && durably)
        err = p3_journal_sync(j);
    if (err) {
        (void)p3_journal_cut(j);
    } else if (j->lines) {
        j->end += (off_t)j->block.len;
        j->sum = sum;
    }
    p3_journal_drop(j);
    return err;
}
