/*
 * check_stored.c - the suite over stored: what counts, whatever crashes
 * SPDX-License-Identifier: MIT
 *
 * Owns a folder of its own under $TMPDIR, new for each test. A crash is a child
 * that ends in the middle; a power failure is a file that is cut, or changed.
 * Not here: the Maildir alone (check_files.c), downloads.
 */
#include "faults.h"
#include "journal.h"
#include "peer.h"
#include "stored.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* The account of these tests. */
#define ACCOUNT "me", "mail.example", 995

static char folder[256];
static pop3_maildir *m;

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%s/check_stored.XXXXXX",
             tmp && *tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    peer_setup();
    ck_assert_int_eq(pop3_maildir_open(c, folder, &m), POP3_OK);
}

static void tear_down(void)
{
    pop3_maildir_close(m);
    peer_teardown();
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- Helpers ------------------------------------------------------------ */

static pop3_stored *open_record(void)
{
    pop3_stored *s;

    if (pop3_stored_open(c, m, ACCOUNT, &s))
        ck_abort_msg("%s", pop3_error(c));
    return s;
}

/* A record that cannot be opened, and why. */
static void check_unopened(pop3_code want, const char *why)
{
    pop3_stored *s = NULL;

    ck_assert_int_eq(pop3_stored_open(c, m, ACCOUNT, &s), want);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), why));
    ck_assert_ptr_null(s);
}

/* The path of the only record there is; static. */
static const char *record_path(void)
{
    static char path[512];
    DIR *dir = p3_maildir_list(m->folder);
    const struct dirent *entry;
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "libpop3-", 8) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        n++;
    }
    closedir(dir);
    ck_assert_int_eq(n, 1);
    return path;
}

static off_t size_of(const char *path)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

static char *read_record(size_t *len)
{
    const char *path = record_path();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text;

    *len = (size_t)size_of(path);
    text = malloc(*len + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(read(fd, text, *len), (ssize_t)*len);
    text[*len] = '\0';
    close(fd);
    return text;
}

static void write_record(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static int count_in(int dir_fd)
{
    DIR *dir = p3_maildir_list(dir_fd);
    const struct dirent *entry;
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static uint64_t count(pop3_stored *s, const char *uid)
{
    return p3_stored_count(s, uid, strlen(uid));
}

static int meet(pop3_stored *s, const char *uid)
{
    return p3_stored_meet(s, uid, strlen(uid));
}

static int gone(pop3_stored *s, const char *uid)
{
    return p3_stored_gone(s, uid, strlen(uid));
}

/* A message in the batch and in the next commit: 0 or an errno. */
static int put(struct p3_batch *b, pop3_stored *s, const char *uid, size_t len)
{
    int err = p3_batch_begin(b);

    if (!err)
        err = p3_batch_write(b, "a: b\r\n\r\nc\r\n", 11);
    if (!err)
        err = p3_batch_end(b);
    return err ? err
               : p3_stored_add(s, uid, len, p3_batch_name(b, b->count - 1));
}

/* What is in the batch, from tmp/ to new/: 0 or the first errno. */
static int settle(struct p3_batch *b, pop3_stored *s)
{
    int err = p3_batch_sync(b);

    if (!err)
        err = p3_stored_commit(s, b);
    if (!err)
        err = p3_batch_publish(b);
    if (!err)
        err = p3_stored_done(s, b);
    return err;
}

static void store_bytes(pop3_stored *s, const char *uid, size_t len)
{
    struct p3_batch b;

    p3_batch_init(&b, m);
    ck_assert_int_eq(put(&b, s, uid, len), 0);
    ck_assert_int_eq(settle(&b, s), 0);
    p3_batch_release(&b);
}

static void store(pop3_stored *s, const char *uid)
{
    store_bytes(s, uid, strlen(uid));
}

/* ---- What counts -------------------------------------------------------- */

START_TEST(what_was_stored_counts_in_the_next_run)
{
    pop3_stored *s = open_record();

    ck_assert_uint_eq(p3_stored_total(s), 0);
    store(s, "one");
    ck_assert_uint_eq(count(s, "one"), 1);
    pop3_stored_close(s);
    s = open_record();
    p3_stored_begin_listing(s);
    ck_assert_int_eq(meet(s, "one"), 1);
    ck_assert_int_eq(meet(s, "two"), 0);
    ck_assert_int_eq(meet(s, "on"), 0);
    ck_assert_uint_eq(p3_stored_total(s), 1);
    pop3_stored_close(s);
    ck_assert_int_eq(count_in(m->new_dir), 1);
}
END_TEST

START_TEST(of_equal_uids_as_many_count_as_were_stored)
{
    pop3_stored *s = open_record();
    int i;

    store(s, "same");
    store(s, "same");
    for (i = 0; i < 2; i++) {
        p3_stored_begin_listing(s);
        ck_assert_int_eq(meet(s, "same"), 1);
        ck_assert_int_eq(meet(s, "same"), 1);
        ck_assert_int_eq(meet(s, "same"), 0);
        pop3_stored_close(s);
        s = open_record();
    }
    pop3_stored_close(s);
}
END_TEST

#define TEXT(s) s, sizeof(s) - 1

static const struct {
    const char *uid;
    size_t len;
} odd_uids[] = {
    {TEXT("a b")},  {TEXT(" ")},         {TEXT("\t")},     {TEXT("%")},
    {TEXT("%41")},  {TEXT("\0")},        {TEXT("a\0b")},   {TEXT("\r")},
    {TEXT("\xFF")}, {TEXT("m\xC3\xA9")}, {TEXT("stored")}, {TEXT("commit 1")},
    {TEXT("a\nb")},
};

START_TEST(a_uid_is_any_octets)
{
    pop3_stored *s = open_record();

    store_bytes(s, odd_uids[_i].uid, odd_uids[_i].len);
    store(s, "A");
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_count(s, odd_uids[_i].uid, odd_uids[_i].len),
                      1);
    ck_assert_uint_eq(p3_stored_total(s), 2);
    pop3_stored_close(s);
}
END_TEST

START_TEST(a_uid_has_up_to_2048_octets)
{
    static char uid[2049];
    pop3_stored *s = open_record();

    memset(uid, 0xE9, sizeof uid);
    store_bytes(s, uid, 2048);
    ck_assert_int_eq(p3_stored_add(s, uid, 2049, "name"), EINVAL);
    ck_assert_int_eq(p3_stored_add(s, uid, 0, "name"), EINVAL);
    ck_assert_int_eq(p3_stored_add(s, uid, 1, ""), EINVAL);
    ck_assert_int_eq(p3_stored_add(s, uid, 1, "../name"), EINVAL);
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_count(s, uid, 2048), 1);
    ck_assert_uint_eq(p3_stored_count(s, uid, 2047), 0);
    pop3_stored_close(s);
}
END_TEST

START_TEST(what_is_gone_counts_no_more)
{
    pop3_stored *s = open_record();

    store(s, "same");
    store(s, "same");
    store(s, "other");
    ck_assert_int_eq(gone(s, "same"), 0);
    ck_assert_int_eq(gone(s, "never stored"), 0);
    ck_assert_uint_eq(count(s, "same"), 2); /* until it is written */
    ck_assert_int_eq(p3_stored_commit_gone(s), 0);
    ck_assert_uint_eq(count(s, "same"), 1);
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(count(s, "same"), 1);
    ck_assert_uint_eq(count(s, "other"), 1);
    ck_assert_uint_eq(count(s, "never stored"), 0);
    pop3_stored_close(s);
}
END_TEST

START_TEST(what_is_gone_is_not_met)
{
    pop3_stored *s = open_record();

    store(s, "one");
    p3_stored_begin_listing(s);
    ck_assert_int_eq(meet(s, "one"), 1);
    ck_assert_int_eq(gone(s, "one"), 0);
    ck_assert_int_eq(p3_stored_commit_gone(s), 0);
    ck_assert_int_eq(meet(s, "one"), 0);
    pop3_stored_close(s);
}
END_TEST

/* So that an equal UID further down is taken for another message. */
START_TEST(what_is_stored_during_a_listing_was_met)
{
    pop3_stored *s = open_record();

    p3_stored_begin_listing(s);
    ck_assert_int_eq(meet(s, "same"), 0);
    store(s, "same");
    ck_assert_int_eq(meet(s, "same"), 0);
    store(s, "same");
    ck_assert_int_eq(p3_stored_compact(s), 0);
    ck_assert_uint_eq(count(s, "same"), 2);
    pop3_stored_close(s);
}
END_TEST

START_TEST(many_may_be_gone_at_once)
{
    pop3_stored *s = open_record();
    char uid[32];
    int i;

    for (i = 0; i < 3000; i++) {
        snprintf(uid, sizeof uid, "uid %d", i);
        ck_assert_int_eq(gone(s, uid), 0);
    }
    ck_assert_int_eq(p3_stored_commit_gone(s), 0);
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_total(s), 0);
    pop3_stored_close(s);
}
END_TEST

START_TEST(what_was_dropped_was_never_added)
{
    struct p3_batch b;
    pop3_stored *s = open_record();

    p3_batch_init(&b, m);
    ck_assert_int_eq(put(&b, s, "one", 3), 0);
    ck_assert_int_eq(gone(s, "one"), EINVAL);
    ck_assert_int_eq(p3_stored_commit_gone(s), EINVAL);
    ck_assert_int_eq(p3_stored_done(s, &b), EINVAL);
    p3_stored_drop(s);
    ck_assert_int_eq(p3_stored_commit(s, &b), EINVAL); /* b has one more */
    p3_batch_clear(&b);
    ck_assert_int_eq(settle(&b, s), 0); /* of nothing */
    p3_batch_release(&b);
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_total(s), 0);
    ck_assert_int_eq(count_in(m->tmp_dir), 0);
    pop3_stored_close(s);
}
END_TEST

/* ---- Accounts ----------------------------------------------------------- */

static const struct {
    const char *user, *server;
    int port;
    int same; /* as "me" at "mail.example", 995 */
} others[] = {
    {"me", "MAIL.Example", 995, 1},
    {"me", "mail.example", 995, 1},
    {"Me", "mail.example", 995, 0},
    {"me", "mail.example", 110, 0},
    {"me", "mail.exampl", 995, 0},
    {"m", "e\1mail.example", 995, 0},
    {"", "", 0, 0},
};

START_TEST(each_account_has_a_record_of_its_own)
{
    pop3_stored *s = open_record();

    store(s, "one");
    pop3_stored_close(s);
    ck_assert_int_eq(pop3_stored_open(c, m, others[_i].user, others[_i].server,
                                      others[_i].port, &s),
                     POP3_OK);
    ck_assert_uint_eq(count(s, "one"), (uint64_t)others[_i].same);
    pop3_stored_close(s);
}
END_TEST

START_TEST(the_file_is_private_and_says_whose_it_is)
{
    static const char first[] = "libpop3 stored 1 m%20%C3%A9 h.example 110\n";
    int before = open_descriptors();
    struct stat st;
    pop3_stored *s;
    char *text;
    size_t len;

    ck_assert_int_eq(pop3_stored_open(c, m, "m \xC3\xA9", "H.example", 110, &s),
                     POP3_OK);
    pop3_stored_close(s);
    ck_assert_int_eq(open_descriptors(), before);
    ck_assert_int_eq(stat(record_path(), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_uint_eq(strlen(strrchr(record_path(), '/')), 1 + 8 + 16);
    text = read_record(&len);
    ck_assert_mem_eq(text, first, sizeof first - 1);
    free(text);
}
END_TEST

START_TEST(an_account_without_a_user_or_a_server_is_an_error)
{
    pop3_stored *s = NULL;

    ck_assert_int_eq(pop3_stored_open(c, m, NULL, "h", 110, &s),
                     POP3_ERROR_ARGUMENT);
    ck_assert_int_eq(pop3_stored_open(c, m, "me", NULL, 110, &s),
                     POP3_ERROR_ARGUMENT);
    ck_assert_ptr_null(s);
    pop3_stored_close(NULL);
}
END_TEST

START_TEST(a_user_that_fits_in_no_line_is_an_error)
{
    static char user[10000];
    pop3_stored *s = NULL;

    memset(user, 'u', sizeof user - 1);
    ck_assert_int_eq(pop3_stored_open(c, m, user, "h", 110, &s), POP3_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "too long"));
    ck_assert_ptr_null(s);
}
END_TEST

/* ---- Crashes ------------------------------------------------------------ */

/* The steps of a run that stores a batch, each followed by a crash once. */
enum {
    BEGIN,
    WRITE,
    END,
    ADD,
    SYNC,
    COMMIT,
    MOVE,
    MOVE_ALL,
    PUBLISH,
    DONE,
    CLEAR,
    STEPS
};

/* What a crash leaves in memory, so that valgrind finds it lost by nobody. */
static struct p3_batch left_batch;
static pop3_stored *volatile left_record;

/* A message begun and, where all goes on, in the batch and the next commit. */
static int stops_before_sync(struct p3_batch *b, pop3_stored *s, int last)
{
    return p3_batch_begin(b) || last == BEGIN ||
           p3_batch_write(b, "c\r\n", 3) || last == WRITE || p3_batch_end(b) ||
           last == END ||
           p3_stored_add(s, "same", 4, p3_batch_name(b, b->count - 1)) ||
           last == ADD;
}

static int stops_before_moving(struct p3_batch *b, pop3_stored *s, int last)
{
    return p3_batch_sync(b) || last == SYNC || p3_stored_commit(s, b) ||
           last == COMMIT;
}

/* A batch of that many, until that step was taken. */
static void run_until(int last, int messages)
{
    struct p3_batch *b = &left_batch;
    pop3_stored *s = left_record = open_record();
    char name[P3_MAILDIR_NAME];
    int i;

    p3_batch_init(b, m);
    for (i = 0; i < messages - 1; i++)
        if (put(b, s, "same", 4))
            return;
    if (stops_before_sync(b, s, last) || stops_before_moving(b, s, last))
        return;
    for (i = 0; last < PUBLISH && i < messages; i++)
        if (p3_maildir_deliver(m, p3_batch_name(b, (size_t)i), name) ||
            last == MOVE)
            return;
    if (last == MOVE_ALL || p3_batch_publish(b) || last == PUBLISH ||
        p3_stored_done(s, b) || last == DONE)
        return;
    p3_batch_clear(b);
}

static void crash_after(int last, int messages)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        run_until(last, messages);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static const int batch_sizes[] = {1, 3, 4, 7};

START_TEST(whatever_crashes_a_message_is_stored_once_or_not_at_all)
{
    int messages = batch_sizes[_i / STEPS];
    int last = _i % STEPS;
    int want = last < COMMIT ? 0 : messages;
    pop3_stored *s;
    int i;

    crash_after(last, messages);
    for (i = 0; i < 2; i++) { /* and it stays so */
        s = open_record();
        ck_assert_uint_eq(count(s, "same"), (uint64_t)want);
        ck_assert_int_eq(count_in(m->new_dir), want);
        if (want)
            ck_assert_int_eq(count_in(m->tmp_dir), 0);
        pop3_stored_close(s);
    }
}
END_TEST

/* The name of the only file in new/ or tmp/. */
static void only_name(int dir_fd, char *name)
{
    DIR *dir = p3_maildir_list(dir_fd);
    const struct dirent *entry;

    *name = '\0';
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            snprintf(name, P3_MAILDIR_NAME, "%s", entry->d_name);
    closedir(dir);
}

/* What a mail reader made of the name before the next run; whether that is the
 * message still. */
static const struct {
    const char *flags;
    int is_it;
} read_names[] = {
    {"", 1},     {":2,", 1},  {":2,S", 1}, {":2,FRS", 1},
    {";2,S", 1}, {",S=1", 1}, {"x", 0},    {".x:2,S", 0},
};

START_TEST(what_was_read_before_the_next_run_counts)
{
    char name[P3_MAILDIR_NAME], in_cur[P3_MAILDIR_NAME + 16];
    pop3_stored *s;

    crash_after(MOVE, 1);
    only_name(m->new_dir, name);
    snprintf(in_cur, sizeof in_cur, "%s%s", name, read_names[_i].flags);
    ck_assert_int_eq(renameat(m->new_dir, name, m->cur_dir, in_cur), 0);
    s = open_record();
    ck_assert_uint_eq(count(s, "same"), (uint64_t)read_names[_i].is_it);
    pop3_stored_close(s);
    unlinkat(m->cur_dir, in_cur, 0); /* which was deleted, and counts on */
    s = open_record();
    ck_assert_uint_eq(count(s, "same"), (uint64_t)read_names[_i].is_it);
    pop3_stored_close(s);
}
END_TEST

START_TEST(what_was_swept_from_tmp_is_fetched_again)
{
    char name[P3_MAILDIR_NAME];
    pop3_stored *s;

    crash_after(COMMIT, 1);
    only_name(m->tmp_dir, name);
    ck_assert_int_eq(unlinkat(m->tmp_dir, name, 0), 0);
    s = open_record();
    p3_stored_begin_listing(s);
    ck_assert_int_eq(meet(s, "same"), 0);
    store(s, "same");
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(count(s, "same"), 1);
    pop3_stored_close(s);
}
END_TEST

START_TEST(a_crash_between_link_and_unlink_delivers_once)
{
    char name[P3_MAILDIR_NAME];
    pop3_stored *s;

    crash_after(COMMIT, 1);
    only_name(m->tmp_dir, name);
    ck_assert_int_eq(linkat(m->tmp_dir, name, m->new_dir, name, 0), 0);
    s = open_record();
    ck_assert_uint_eq(count(s, "same"), 1);
    ck_assert_int_eq(count_in(m->new_dir), 1);
    ck_assert_int_eq(count_in(m->tmp_dir), 0);
    pop3_stored_close(s);
}
END_TEST

START_TEST(a_delivery_that_cannot_be_finished_is_told)
{
    pop3_stored *s;

    crash_after(COMMIT, 1);
    ck_assert_int_eq(count_in(m->tmp_dir), 1);
    close(m->new_dir);
    m->new_dir = open(record_path(), O_RDONLY | O_CLOEXEC);
    check_unopened(POP3_ERROR_IO, "Not a directory");
    close(m->new_dir);
    m->new_dir = openat(m->folder, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s = open_record();
    ck_assert_uint_eq(count(s, "same"), 1);
    ck_assert_int_eq(count_in(m->new_dir), 1);
    pop3_stored_close(s);
}
END_TEST

/* ---- Power failures ----------------------------------------------------- */

/* How many blocks of text are whole within len, the first one, which is no
 * commit of messages, left out; end: where the last of them ends. */
static int commits_within(const char *text, size_t len, size_t *end)
{
    const char *at = text;
    int n = -1;

    *end = 0;
    while ((at = strstr(at, "\ncommit ")) != NULL) {
        at = strchr(at + 1, '\n');
        if (!at || at >= text + len)
            break;
        *end = (size_t)(at + 1 - text);
        n++;
    }
    return n;
}

/* A record in which as many messages count as blocks are whole. */
static char *make_record(size_t *len)
{
    pop3_stored *s = open_record();
    struct p3_journal j;
    char line[64];
    int i;

    pop3_stored_close(s);
    p3_journal_init(&j, open(record_path(), O_RDWR | O_CLOEXEC));
    ck_assert_int_eq(p3_journal_load(&j), 0);
    for (i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "stored uid%d\n", i);
        ck_assert_int_eq(p3_journal_add(&j, line, strlen(line)), 0);
        ck_assert_int_eq(p3_journal_commit(&j, 0), 0);
    }
    p3_journal_release(&j);
    return read_record(len);
}

static void check_total(int want, size_t at)
{
    pop3_stored *s = open_record();

    ck_assert_msg(p3_stored_total(s) == (uint64_t)want,
                  "octet %zu: %d messages, not %d", at, (int)p3_stored_total(s),
                  want);
    pop3_stored_close(s);
}

START_TEST(a_record_cut_anywhere_has_the_whole_commits_before)
{
    size_t len, end, i;
    char *text = make_record(&len);

    for (i = 0; i <= len; i++) {
        int whole = commits_within(text, i, &end);

        write_record(record_path(), text, i);
        check_total(whole > 0 ? whole : 0, i);
        if (whole >= 0) /* the rest was cut off, too */
            ck_assert_int_eq(size_of(record_path()), (off_t)end);
    }
    free(text);
}
END_TEST

START_TEST(a_record_that_ends_in_zeros_has_the_whole_commits_before)
{
    size_t len, end, i;
    char *text = make_record(&len);
    char *torn = calloc(1, len);

    ck_assert_ptr_nonnull(torn);
    for (i = 0; i < len; i++) {
        int whole = commits_within(text, i, &end);

        write_record(record_path(), torn, len);
        if (whole >= 0)
            check_total(whole, i);
        else
            check_unopened(POP3_ERROR_IO, "damaged");
        torn[i] = text[i];
    }
    free(torn);
    free(text);
}
END_TEST

/* Nothing of the first block was written, whatever its size says. */
START_TEST(a_record_of_zeros_alone_is_begun_anew)
{
    static const char zeros[60];
    pop3_stored *s = open_record();

    pop3_stored_close(s);
    write_record(record_path(), zeros, sizeof zeros);
    s = open_record();
    store(s, "one");
    pop3_stored_close(s);
    check_total(1, 0);
}
END_TEST

START_TEST(a_changed_octet_ends_what_counts)
{
    size_t len, end, i;
    char *text = make_record(&len);

    for (i = 0; i < len; i++) {
        int whole = commits_within(text, i, &end);

        text[i] ^= (char)(1 << (i % 8));
        write_record(record_path(), text, len);
        text[i] ^= (char)(1 << (i % 8));
        if (whole < 0)
            check_unopened(POP3_ERROR_IO, "damaged");
        else
            check_total(whole, i);
    }
    free(text);
}
END_TEST

START_TEST(behind_what_was_cut_off_the_record_goes_on)
{
    size_t len;
    char *text = make_record(&len);
    pop3_stored *s;

    write_record(record_path(), text, len - 1);
    s = open_record();
    store(s, "new");
    pop3_stored_close(s);
    check_total(4, len);
    free(text);
}
END_TEST

static const char *const foreign[] = {
    "Dear diary\n",
    "libpop3 stored 2 me mail.example 995\ncommit 1 0123456789abcdef\n",
    "libpop3 stored 1 you mail.example 995\n",
    "\n",
};

START_TEST(a_file_that_is_no_record_of_ours_is_left_alone)
{
    size_t len;
    char *text;

    pop3_stored_close(open_record());
    write_record(record_path(), foreign[_i], strlen(foreign[_i]));
    check_unopened(POP3_ERROR_IO, record_path());
    text = read_record(&len);
    ck_assert_str_eq(text, foreign[_i]);
    free(text);
}
END_TEST

static const char *const bad_lines[] = {
    "stored\n",        "stored %4\n", "stored a ..%2F\n",
    "stored a b%00\n", "gone\n",      "gone 01\n",
    "other a\n",       "\n",          "done a\n",
};

START_TEST(a_line_of_another_kind_is_not_guessed_at)
{
    struct p3_journal j;

    pop3_stored_close(open_record());
    p3_journal_init(&j, open(record_path(), O_RDWR | O_CLOEXEC));
    ck_assert_int_eq(p3_journal_load(&j), 0);
    ck_assert_int_eq(p3_journal_add(&j, bad_lines[_i], strlen(bad_lines[_i])),
                     0);
    ck_assert_int_eq(p3_journal_commit(&j, 0), 0);
    p3_journal_release(&j);
    check_unopened(POP3_ERROR_IO, "damaged");
}
END_TEST

START_TEST(what_is_no_file_is_no_record)
{
    char path[512];

    pop3_stored_close(open_record());
    snprintf(path, sizeof path, "%s", record_path());
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("elsewhere", path), 0);
    check_unopened(POP3_ERROR_IO, path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    check_unopened(POP3_ERROR_IO, "Is a directory");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    check_unopened(POP3_ERROR_IO, "no record");
}
END_TEST

/* ---- A full disk -------------------------------------------------------- */

static struct rlimit no_limit;

/* Files may grow to that size only. */
static void limit_files(off_t size)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &no_limit), 0);
    limit = no_limit;
    limit.rlim_cur = (rlim_t)size;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void limit_no_more(void)
{
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &no_limit), 0);
    signal(SIGXFSZ, SIG_DFL);
}

START_TEST(a_full_disk_leaves_the_record_as_it_was)
{
    struct p3_batch b;
    pop3_stored *s = open_record();
    off_t before;

    store(s, "one");
    before = size_of(record_path());
    p3_batch_init(&b, m);
    ck_assert_int_eq(put(&b, s, "two", 3), 0);
    limit_files(before + _i * 10);
    ck_assert_int_eq(settle(&b, s), EFBIG);
    ck_assert_int_eq(p3_stored_fail(c, s, EFBIG), POP3_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "too large"));
    p3_batch_release(&b);
    ck_assert_int_eq(gone(s, "one"), 0);
    ck_assert_int_eq(p3_stored_commit_gone(s), EFBIG);
    limit_no_more();
    ck_assert_int_eq(size_of(record_path()), before);
    ck_assert_uint_eq(count(s, "one"), 1);
    ck_assert_uint_eq(count(s, "two"), 0);
    ck_assert_int_eq(count_in(m->tmp_dir), 0);
    store(s, "three"); /* as if nothing had happened */
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_total(s), 2);
    ck_assert_int_eq(count_in(m->new_dir), 2);
    pop3_stored_close(s);
}
END_TEST

START_TEST(where_done_cannot_be_written_the_next_run_sees_to_it)
{
    struct p3_batch b;
    pop3_stored *s = open_record();

    p3_batch_init(&b, m);
    ck_assert_int_eq(put(&b, s, "one", 3), 0);
    ck_assert_int_eq(p3_batch_sync(&b), 0);
    ck_assert_int_eq(p3_stored_commit(s, &b), 0);
    limit_files(size_of(record_path()));
    ck_assert_int_eq(p3_batch_publish(&b), 0);
    b.errors[0] = EIO; /* as if the move had failed, with the file in tmp/ */
    ck_assert_int_eq(renameat(m->new_dir, p3_batch_name(&b, 0), m->tmp_dir,
                              p3_batch_name(&b, 0)),
                     0);
    ck_assert_int_eq(p3_stored_done(s, &b), EFBIG);
    limit_no_more();
    p3_batch_clear(&b);
    ck_assert_int_eq(count_in(m->tmp_dir), 1);
    store(s, "two"); /* whose done is none of "one" */
    p3_batch_release(&b);
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_total(s), 2);
    ck_assert_int_eq(count_in(m->new_dir), 2);
    pop3_stored_close(s);
}
END_TEST

/* ---- Moving that fails -------------------------------------------------- */

static void always_taken(pop3_maildir *mail, char *name)
{
    mail->count++;
    snprintf(name, P3_MAILDIR_NAME, "taken");
}

static void make_taken(void)
{
    close(openat(m->new_dir, "taken", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

START_TEST(a_message_that_cannot_be_moved_does_not_count)
{
    struct p3_batch b;
    pop3_stored *s = open_record();

    p3_batch_init(&b, m);
    ck_assert_int_eq(put(&b, s, "one", 3), 0);
    m->next_name = always_taken;
    ck_assert_int_eq(put(&b, s, "two", 3), 0);
    make_taken();
    ck_assert_int_eq(settle(&b, s), EEXIST);
    ck_assert_int_eq(p3_batch_error(&b, 0), 0);
    ck_assert_int_eq(p3_batch_error(&b, 1), EEXIST);
    ck_assert_int_eq(count_in(m->tmp_dir), 1); /* as long as it counts */
    ck_assert_int_eq(p3_stored_done(s, &b), 0);
    p3_batch_release(&b);
    ck_assert_int_eq(count_in(m->tmp_dir), 0);
    ck_assert_uint_eq(count(s, "one"), 1);
    ck_assert_uint_eq(count(s, "two"), 0);
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(count(s, "one"), 1);
    ck_assert_uint_eq(count(s, "two"), 0);
    pop3_stored_close(s);
}
END_TEST

#ifdef O_PATH
/* new/ by a descriptor that names can be moved through, and that nobody can
 * sync. */
static void make_new_unsyncable(void)
{
    int fd = openat(m->folder, "new", O_PATH | O_CLOEXEC);

    close(m->new_dir);
    m->new_dir = fd;
}

static void make_new_syncable(void)
{
    int fd = openat(m->folder, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    close(m->new_dir);
    m->new_dir = fd;
}

START_TEST(where_new_cannot_be_synced_the_next_run_looks_for_all)
{
    struct p3_batch b;
    pop3_stored *s = open_record();

    p3_batch_init(&b, m);
    ck_assert_int_eq(put(&b, s, "one", 3), 0);
    ck_assert_int_eq(put(&b, s, "two", 3), 0);
    ck_assert_int_eq(p3_batch_sync(&b), 0);
    ck_assert_int_eq(p3_stored_commit(s, &b), 0);
    make_new_unsyncable();
    ck_assert_int_eq(p3_batch_publish(&b), EBADF);
    ck_assert_int_eq(p3_stored_done(s, &b), 0);
    /* The power fails, and one of the names is lost. */
    ck_assert_int_eq(unlinkat(m->new_dir, p3_batch_name(&b, 1), 0), 0);
    p3_batch_release(&b);
    pop3_stored_close(s);
    check_unopened(POP3_ERROR_IO, "Bad file descriptor");
    make_new_syncable();
    s = open_record();
    ck_assert_uint_eq(count(s, "one"), 1);
    ck_assert_uint_eq(count(s, "two"), 0);
    pop3_stored_close(s);
}
END_TEST
#endif

/* ---- The lock ----------------------------------------------------------- */

START_TEST(only_one_has_the_record_at_a_time)
{
    pop3_stored *s = open_record();

    pop3_set_timeout(c, 20);
    check_unopened(POP3_ERROR_TIMEOUT, "is locked");
    pop3_stored_close(s);
    pop3_stored_close(open_record());
}
END_TEST

/* Another process, which says on a pipe that it has the record; it keeps it
 * until the other pipe is closed. */
struct holder {
    pid_t pid;
    int says, hears;
};

static struct holder start_holder(void)
{
    struct holder h;
    int up[2], down[2];
    char byte = 0;

    ck_assert_int_eq(pipe(up), 0);
    ck_assert_int_eq(pipe(down), 0);
    h.pid = fork();
    ck_assert_int_ge(h.pid, 0);
    if (h.pid == 0) {
        pop3_stored *s = open_record();

        close(down[1]);
        if (write(up[1], "", 1) != 1 || read(down[0], &byte, 1) != 0)
            _exit(1);
        usleep(20000); /* so that the other one waits */
        store(s, "theirs");
        pop3_stored_close(s);
        _exit(0);
    }
    close(up[1]);
    close(down[0]);
    h.says = up[0];
    h.hears = down[1];
    ck_assert_int_eq(read(h.says, &byte, 1), 1);
    return h;
}

static void end_holder(struct holder *h)
{
    int status;

    close(h->says);
    ck_assert_int_eq(waitpid(h->pid, &status, 0), h->pid);
    ck_assert_int_eq(status, 0);
}

static const int timeouts[] = {60000, 0, -1};

START_TEST(another_process_is_waited_for)
{
    struct holder h = start_holder();
    pop3_stored *s;

    pop3_set_timeout(c, 5);
    check_unopened(POP3_ERROR_TIMEOUT, "is locked");
    pop3_set_timeout(c, timeouts[_i]);
    close(h.hears);
    s = open_record();
    ck_assert_uint_eq(count(s, "theirs"), 1);
    pop3_stored_close(s);
    end_holder(&h);
}
END_TEST

/* A thread that waits for the record, then stores. */
static void *wait_and_store(void *arg)
{
    pop3 *other = pop3_new();
    pop3_stored *s = NULL;
    struct p3_batch b;

    (void)arg;
    if (!other || pop3_stored_open(other, m, ACCOUNT, &s))
        return "not opened";
    p3_batch_init(&b, m);
    if (put(&b, s, "theirs", 6) || settle(&b, s))
        return "not stored";
    p3_batch_release(&b);
    pop3_stored_close(s);
    pop3_free(other);
    return NULL;
}

START_TEST(who_waits_while_the_record_is_written_anew_gets_the_new_one)
{
    pop3_stored *s = open_record();
    pthread_t other;
    void *wrong;
    ino_t before = 0;
    struct stat st;

    store(s, "old");
    ck_assert_int_eq(stat(record_path(), &st), 0);
    before = st.st_ino;
    ck_assert_int_eq(pthread_create(&other, NULL, wait_and_store, NULL), 0);
    usleep(20000); /* it waits, most likely; if not, all is well too */
    p3_stored_begin_listing(s);
    ck_assert_int_eq(p3_stored_compact(s), 0);
    ck_assert_int_eq(stat(record_path(), &st), 0);
    ck_assert_uint_ne(st.st_ino, before);
    usleep(20000);
    store(s, "ours");
    pop3_stored_close(s);
    ck_assert_int_eq(pthread_join(other, &wrong), 0);
    ck_assert_msg(!wrong, "%s", (char *)wrong);
    s = open_record();
    ck_assert_uint_eq(count(s, "ours"), 1);
    ck_assert_uint_eq(count(s, "theirs"), 1);
    ck_assert_uint_eq(p3_stored_total(s), 2);
    pop3_stored_close(s);
}
END_TEST

/* ---- The end of a listing ----------------------------------------------- */

START_TEST(what_the_server_lists_no_more_is_forgotten)
{
    pop3_stored *s = open_record();
    int i;

    store(s, "stays");
    store(s, "same");
    store(s, "same");
    store(s, "goes");
    p3_stored_begin_listing(s);
    ck_assert_int_eq(meet(s, "stays"), 1);
    ck_assert_int_eq(meet(s, "new"), 0);
    ck_assert_int_eq(meet(s, "same"), 1);
    store(s, "new"); /* of this listing */
    ck_assert_int_eq(p3_stored_compact(s), 0);
    ck_assert_int_eq(p3_stored_compact(s), EINVAL); /* without a listing */
    for (i = 0; i < 2; i++) {
        ck_assert_uint_eq(count(s, "stays"), 1);
        ck_assert_uint_eq(count(s, "same"), 1);
        ck_assert_uint_eq(count(s, "goes"), 0);
        ck_assert_uint_eq(count(s, "new"), 1);
        pop3_stored_close(s);
        s = open_record();
    }
    pop3_stored_close(s);
}
END_TEST

/* So many messages, stored in an earlier run. */
static void fill_record(int n)
{
    struct p3_journal j;
    char line[128];
    int i;

    pop3_stored_close(open_record());
    p3_journal_init(&j, open(record_path(), O_RDWR | O_CLOEXEC));
    ck_assert_int_eq(p3_journal_load(&j), 0);
    for (i = 0; i < n; i++) {
        int len = snprintf(line, sizeof line, "stored uid%d\n", i);

        if (p3_journal_add(&j, line, (size_t)len))
            ck_abort_msg("out of memory");
        if (i % 1000 == 999)
            ck_assert_int_eq(p3_journal_commit(&j, 0), 0);
    }
    ck_assert_int_eq(p3_journal_commit(&j, 0), 0);
    p3_journal_release(&j);
}

static int meet_number(pop3_stored *s, int i)
{
    char uid[32];

    snprintf(uid, sizeof uid, "uid%d", i);
    return meet(s, uid);
}

/* How many are stored, the last how many are still listed, and whether that is
 * worth a new file. */
static const struct {
    int stored, listed, is_new;
} listings[] = {
    {10, 0, 1},      {0, 0, 0},       {10, 1, 0},
    {10, 10, 0},     {600, 1, 1},     {3000, 2000, 0},
    {3000, 1000, 1}, {3000, 3000, 0}, {3000, 0, 1},
};

START_TEST(a_record_mostly_of_no_use_is_written_anew)
{
    int stored = listings[_i].stored, listed = listings[_i].listed, i;
    struct stat before, after;
    pop3_stored *s;

    fill_record(stored);
    ck_assert_int_eq(stat(record_path(), &before), 0);
    s = open_record();
    p3_stored_begin_listing(s);
    for (i = stored - listed; i < stored; i++)
        ck_assert_int_eq(meet_number(s, i), 1);
    ck_assert_int_eq(p3_stored_compact(s), 0);
    ck_assert_int_eq(stat(record_path(), &after), 0);
    ck_assert_int_eq(before.st_ino != after.st_ino, listings[_i].is_new);
    if (listings[_i].is_new)
        ck_assert_int_lt(after.st_size, before.st_size);
    store(s, "new");
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_total(s), (uint64_t)listed + 1);
    for (i = 0; i < stored; i++)
        ck_assert_int_eq(meet_number(s, i), i >= stored - listed);
    pop3_stored_close(s);
}
END_TEST

/* The name of the file that would take the record's place. */
static void next_file(char *name, size_t size)
{
    snprintf(name, size, "%s.new", strrchr(record_path(), '/') + 1);
}

START_TEST(where_it_cannot_be_written_anew_the_record_stays)
{
    pop3_stored *s;
    char name[64];
    int i;

    fill_record(3000);
    next_file(name, sizeof name);
    ck_assert_int_eq(mkdirat(m->folder, name, 0700), 0);
    s = open_record();
    p3_stored_begin_listing(s);
    for (i = 0; i < 1000; i++)
        meet_number(s, i);
    ck_assert_int_eq(p3_stored_compact(s), EISDIR);
    ck_assert_int_eq(unlinkat(m->folder, name, AT_REMOVEDIR), 0);
    store(s, "new");
    pop3_stored_close(s);
    s = open_record();
    ck_assert_uint_eq(p3_stored_total(s), 1001);
    pop3_stored_close(s);
}
END_TEST

START_TEST(a_full_disk_leaves_no_new_file_behind)
{
    struct stat before, after;
    char uid[32], name[64];
    pop3_stored *s;
    int i;

    fill_record(6000);
    s = open_record();
    p3_stored_begin_listing(s);
    for (i = 0; i < 6000; i++) {
        snprintf(uid, sizeof uid, "uid%d", i);
        ck_assert_int_eq(i < 3100 ? gone(s, uid) : !meet(s, uid), 0);
    }
    ck_assert_int_eq(p3_stored_commit_gone(s), 0);
    ck_assert_int_eq(stat(record_path(), &before), 0);
    limit_files(10000);
    ck_assert_int_eq(p3_stored_compact(s), EFBIG);
    limit_no_more();
    next_file(name, sizeof name);
    ck_assert_int_ne(faccessat(m->folder, name, F_OK, 0), 0);
    ck_assert_int_eq(stat(record_path(), &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_int_eq(before.st_size, after.st_size);
    ck_assert_uint_eq(p3_stored_total(s), 2900);
    pop3_stored_close(s);
}
END_TEST

START_TEST(while_a_delivery_is_on_its_way_the_file_stays)
{
    struct p3_batch b;
    pop3_stored *s;

    fill_record(2000); /* of no use any more */
    s = open_record();
    p3_batch_init(&b, m);
    p3_stored_begin_listing(s);
    ck_assert_int_eq(put(&b, s, "one", 3), 0);
    ck_assert_int_eq(p3_stored_compact(s), EINVAL);
    ck_assert_int_eq(p3_batch_sync(&b), 0);
    ck_assert_int_eq(p3_stored_commit(s, &b), 0);
    ck_assert_int_eq(p3_stored_compact(s), 0);
    pop3_stored_close(s);
    s = open_record();
    ck_assert_int_eq(count_in(m->new_dir), 1);
    ck_assert_uint_eq(p3_stored_total(s), 1);
    p3_batch_release(&b);
    pop3_stored_close(s);
}
END_TEST

/* ---- Many --------------------------------------------------------------- */

enum { MANY = 1000000 };

START_TEST(a_million_messages_are_no_trouble)
{
    pop3_stored *s;
    int i;

    fill_record(MANY);
    s = open_record();
    ck_assert_uint_eq(p3_stored_total(s), MANY);
    p3_stored_begin_listing(s);
    for (i = 0; i < MANY; i += 1000)
        ck_assert_int_eq(meet_number(s, i), 1);
    ck_assert_int_eq(meet_number(s, MANY), 0);
    pop3_stored_close(s);
}
END_TEST

/* One stays all the time; the others come and go. */
START_TEST(what_counts_no_more_takes_no_room)
{
    struct p3_tally_key key = {1, 1}, stays = {2, 2};
    struct p3_tally t;
    int i;

    p3_tally_init(&t);
    ck_assert_ptr_null(p3_tally_find(&t, stays));
    ck_assert_int_eq(p3_tally_raise(&t, stays), 1);
    for (i = 0; i < 10000; i++) {
        key.low++;
        key.high *= 3;
        ck_assert_int_eq(p3_tally_raise(&t, key), 1);
        p3_tally_lower(&t, key);
        p3_tally_lower(&t, key);
    }
    ck_assert_uint_le(t.size, 256);
    ck_assert_uint_eq(t.total, 1);
    ck_assert_uint_eq(p3_tally_find(&t, stays)->stored, 1);
    p3_tally_release(&t);
}
END_TEST

START_TEST(keys_in_one_place_are_told_apart)
{
    struct p3_tally_key key = {7, 0};
    struct p3_tally t;
    uint32_t i;

    p3_tally_init(&t);
    for (key.low = 0; key.low < 500; key.low++)
        for (i = 0; i <= key.low % 3; i++)
            ck_assert_int_eq(p3_tally_raise(&t, key), 1);
    for (key.low = 0; key.low < 500; key.low++)
        ck_assert_uint_eq(p3_tally_find(&t, key)->stored, key.low % 3 + 1);
    ck_assert_ptr_null(p3_tally_find(&t, key));
    ck_assert_int_eq(p3_tally_reserve(&t, SIZE_MAX), 0);
    p3_tally_release(&t);
}
END_TEST

/* ---- Memory that runs out ----------------------------------------------- */

/* A run with all there is to do: 0, or the errno of what failed. */
static int whole_run(pop3_stored *s)
{
    struct p3_batch b;
    int err = 0;
    int i;

    p3_stored_begin_listing(s);
    p3_batch_init(&b, m);
    for (i = 0; i < 4 && !err; i++)
        err = put(&b, s, i % 2 ? "one" : "a rather long UID \xFF", 3);
    if (err)
        p3_stored_drop(s);
    if (!err)
        err = settle(&b, s);
    p3_batch_release(&b);
    if (!err)
        err = gone(s, "one");
    if (!err)
        err = p3_stored_commit_gone(s);
    return err ? err : p3_stored_compact(s);
}

static pop3_code open_and_run(void)
{
    pop3_stored *s;
    pop3_code rc = pop3_stored_open(c, m, ACCOUNT, &s);
    int err;

    if (rc)
        return rc;
    err = whole_run(s);
    rc = err ? p3_stored_fail(c, s, err) : POP3_OK;
    pop3_stored_close(s);
    return rc;
}

/* As many files as count, and nothing left behind. */
static void check_consistency(void)
{
    pop3_stored *s = open_record();

    ck_assert_uint_le(p3_stored_total(s), (uint64_t)count_in(m->new_dir));
    ck_assert_int_eq(count_in(m->tmp_dir), 0);
    pop3_stored_close(s);
}

START_TEST(every_failed_allocation_is_survived)
{
    int descriptors = open_descriptors();
    long n = 0;
    int met;

    do {
        pop3_code rc;

        fail_nth_allocation(++n);
        rc = open_and_run();
        fail_no_more();
        met = failure_met();
        ck_assert_int_eq(live_blocks(), 0);
        stop_counting();
        ck_assert_int_eq(rc, met ? POP3_ERROR_MEMORY : POP3_OK);
        ck_assert_int_eq(open_descriptors(), descriptors);
        check_consistency();
    } while (met);
    ck_assert_int_gt(n, allocations_can_fail() ? 10 : 0);
}
END_TEST

/* ---- The suite ---------------------------------------------------------- */

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return tc;
}

static void add_counting(Suite *suite)
{
    TCase *tc = add_case(suite, "counting");

    tcase_add_test(tc, what_was_stored_counts_in_the_next_run);
    tcase_add_test(tc, of_equal_uids_as_many_count_as_were_stored);
    tcase_add_loop_test(tc, a_uid_is_any_octets, 0, COUNT(odd_uids));
    tcase_add_test(tc, a_uid_has_up_to_2048_octets);
    tcase_add_test(tc, what_is_gone_counts_no_more);
    tcase_add_test(tc, what_is_gone_is_not_met);
    tcase_add_test(tc, what_is_stored_during_a_listing_was_met);
    tcase_add_test(tc, many_may_be_gone_at_once);
    tcase_add_test(tc, what_was_dropped_was_never_added);
    tcase_add_loop_test(tc, each_account_has_a_record_of_its_own, 0,
                        COUNT(others));
    tcase_add_test(tc, the_file_is_private_and_says_whose_it_is);
    tcase_add_test(tc, an_account_without_a_user_or_a_server_is_an_error);
    tcase_add_test(tc, a_user_that_fits_in_no_line_is_an_error);
    tcase_add_test(tc, what_counts_no_more_takes_no_room);
    tcase_add_test(tc, keys_in_one_place_are_told_apart);
    tcase_add_test(tc, a_million_messages_are_no_trouble);
    tcase_add_test(tc, every_failed_allocation_is_survived);
}

static void add_crashes(Suite *suite)
{
    TCase *tc = add_case(suite, "crashes");

    tcase_add_loop_test(tc,
                        whatever_crashes_a_message_is_stored_once_or_not_at_all,
                        0, STEPS * COUNT(batch_sizes));
    tcase_add_loop_test(tc, what_was_read_before_the_next_run_counts, 0,
                        COUNT(read_names));
    tcase_add_test(tc, what_was_swept_from_tmp_is_fetched_again);
    tcase_add_test(tc, a_crash_between_link_and_unlink_delivers_once);
    tcase_add_test(tc, a_delivery_that_cannot_be_finished_is_told);
    tcase_add_test(tc, a_message_that_cannot_be_moved_does_not_count);
#ifdef O_PATH
    tcase_add_test(tc, where_new_cannot_be_synced_the_next_run_looks_for_all);
#endif
}

static void add_file(Suite *suite)
{
    TCase *tc = add_case(suite, "file");

    tcase_add_test(tc, a_record_cut_anywhere_has_the_whole_commits_before);
    tcase_add_test(tc,
                   a_record_that_ends_in_zeros_has_the_whole_commits_before);
    tcase_add_test(tc, a_record_of_zeros_alone_is_begun_anew);
    tcase_add_test(tc, a_changed_octet_ends_what_counts);
    tcase_add_test(tc, behind_what_was_cut_off_the_record_goes_on);
    tcase_add_loop_test(tc, a_file_that_is_no_record_of_ours_is_left_alone, 0,
                        COUNT(foreign));
    tcase_add_loop_test(tc, a_line_of_another_kind_is_not_guessed_at, 0,
                        COUNT(bad_lines));
    tcase_add_test(tc, what_is_no_file_is_no_record);
    tcase_add_loop_test(tc, a_full_disk_leaves_the_record_as_it_was, 0, 5);
    tcase_add_test(tc, where_done_cannot_be_written_the_next_run_sees_to_it);
}

static void add_lock(Suite *suite)
{
    TCase *tc = add_case(suite, "lock");

    tcase_add_test(tc, only_one_has_the_record_at_a_time);
    tcase_add_loop_test(tc, another_process_is_waited_for, 0, COUNT(timeouts));
    tcase_add_test(tc,
                   who_waits_while_the_record_is_written_anew_gets_the_new_one);
}

static void add_listing(Suite *suite)
{
    TCase *tc = add_case(suite, "listing");

    tcase_add_test(tc, what_the_server_lists_no_more_is_forgotten);
    tcase_add_loop_test(tc, a_record_mostly_of_no_use_is_written_anew, 0,
                        COUNT(listings));
    tcase_add_test(tc, where_it_cannot_be_written_anew_the_record_stays);
    tcase_add_test(tc, a_full_disk_leaves_no_new_file_behind);
    tcase_add_test(tc, while_a_delivery_is_on_its_way_the_file_stays);
}

Suite *stored_suite(void)
{
    Suite *suite = suite_create("stored");

    add_counting(suite);
    add_crashes(suite);
    add_file(suite);
    add_lock(suite);
    add_listing(suite);
    return suite;
}
