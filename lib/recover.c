/*
 * recover.c - deliveries that a crash interrupted
 * SPDX-License-Identifier: MIT
 *
 * Owns what becomes of messages that a record has, and of which it does not say
 * that they are delivered: those in tmp/ are delivered now; those in new/ or
 * cur/ are, whoever moved them; any other is not, and will be fetched again.
 */
#include "stored.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct p3_delivery *delivery_at(const pop3_stored *s, size_t i)
{
    return (struct p3_delivery *)(void *)s->on_way.data + i;
}

static size_t count_deliveries(const pop3_stored *s)
{
    return s->on_way.len / sizeof(struct p3_delivery);
}

static int is_in_new(const pop3_stored *s, const char *name)
{
    struct stat st;

    return fstatat(s->maildir->new_dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Moves what is in tmp/ still. missing: how many are not in new/ either. */
static int finish_deliveries(pop3_stored *s, size_t *missing)
{
    size_t n = count_deliveries(s);
    size_t i;

    *missing = 0;
    for (i = 0; i < n; i++) {
        struct p3_delivery *d = delivery_at(s, i);
        char name[P3_MAILDIR_NAME];
        int err = p3_maildir_deliver(s->maildir, d->name, name);

        if (err && err != ENOENT)
            return err;
        d->found = !err || is_in_new(s, d->name);
        *missing += (size_t)!d->found;
    }
    return p3_maildir_sync(s->maildir->new_dir);
}

/* A mail reader adds flags to a name when it moves the message to cur/. */
static int is_name_with_flags(const char *entry, const char *name)
{
    size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 &&
           (entry[len] == '\0' || strchr(":;,", entry[len]));
}

static void find_entry(pop3_stored *s, const char *entry)
{
    size_t n = count_deliveries(s);
    size_t i;

    for (i = 0; i < n; i++) {
        struct p3_delivery *d = delivery_at(s, i);

        if (!d->found && is_name_with_flags(entry, d->name))
            d->found = 1;
    }
}

static int find_in_cur(pop3_stored *s)
{
    DIR *dir = p3_maildir_list(s->maildir->cur_dir);
    const struct dirent *entry;
    int err;

    if (!dir)
        return errno;
    while (errno = 0, (entry = readdir(dir)) != NULL)
        find_entry(s, entry->d_name);
    err = errno;
    closedir(dir);
    return err;
}

/* What is nowhere does not count; whatever it was, the server has it still. */
static int settle_deliveries(pop3_stored *s)
{
    size_t n = count_deliveries(s);
    size_t i;
    int err = 0;

    for (i = 0; i < n && !err; i++)
        if (!delivery_at(s, i)->found)
            err = p3_stored_put_gone(s, delivery_at(s, i)->key);
    if (!err)
        err = p3_stored_put_done(s);
    if (!err)
        err = p3_stored_write_gone(s, 0);
    p3_stored_drop(s);
    return err;
}

int p3_stored_recover(pop3_stored *s)
{
    size_t missing;
    int err;

    if (!s->on_way.len)
        return 0;
    err = finish_deliveries(s, &missing);
    if (!err && missing)
        err = find_in_cur(s);
    if (!err)
        err = settle_deliveries(s);
    p3_buf_release(&s->on_way);
    return err;
}
