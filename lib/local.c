/*
 * local.c - what the local system says: errno's words, who runs this, where
 * SPDX-License-Identifier: MIT
 *
 * Owns strerror_r and the password database. Knows nothing of mail. Not here:
 * files (netrc.c, sink.c, maildir.c).
 */
#include "local.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A record of the password database with all its strings; more than any has. */
enum { RECORD_ROOM = 8192 };

/* strerror_r returns an int by POSIX and a text by glibc; whichever of these
 * two fits its type is the one that is called. */
static const char *posix_text(int rc, const char *buf)
{
    return rc ? "unknown error" : buf;
}

static const char *gnu_text(const char *text, const char *buf)
{
    (void)buf;
    return text;
}

const char *p3_errno_text(int err, char *buf, size_t size)
{
    return _Generic(strerror_r(err, buf, size),
        int: posix_text,
        char *: gnu_text)(strerror_r(err, buf, size), buf);
}

static int copy(const char *from, char *to, size_t size)
{
    if (!from || !*from)
        return ENOENT;
    if (strlen(from) >= size)
        return ERANGE;
    memcpy(to, from, strlen(from) + 1);
    return 0;
}

/* The record of the effective user; ENOENT where there is none. */
static int my_record(struct passwd *record, char *room, size_t size)
{
    struct passwd *found = NULL;
    int err;

    do
        err = getpwuid_r(geteuid(), record, room, size, &found);
    while (err == EINTR);
    return err || found ? err : ENOENT;
}

int p3_local_user(char *name, size_t size)
{
    struct passwd record;
    char room[RECORD_ROOM];
    int err = my_record(&record, room, sizeof room);

    return err ? err : copy(record.pw_name, name, size);
}

int p3_local_home(char *path, size_t size)
{
    const char *home = getenv("HOME");
    struct passwd record;
    char room[RECORD_ROOM];
    int err;

    if (home && *home)
        return copy(home, path, size);
    err = my_record(&record, room, sizeof room);
    return err ? err : copy(record.pw_dir, path, size);
}
