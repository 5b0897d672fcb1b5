/*
 * check_files.c - the suite over spec, netrc, sink, maildir and open
 * SPDX-License-Identifier: MIT
 *
 * Owns a folder of its own under $TMPDIR, new for each test; the server is the
 * peer. Not here: bodies that go elsewhere (check_command.c), real servers
 * (interop/).
 */
#include "conn.h"
#include "local.h"
#include "maildir.h"
#include "netrc.h"
#include "peer.h"
#include "spec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

enum { NOBODY = 65534 };

/* ---- A folder of its own for each test ---------------------------------- */

static char folder[256];

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

    snprintf(folder, sizeof folder, "%s/check_files.XXXXXX",
             tmp && *tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    unsetenv("NETRC");
    peer_setup();
}

static void tear_down(void)
{
    peer_teardown();
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- Helpers over files ------------------------------------------------- */

/* name within the folder; good until it was called four times more. */
static const char *in_folder(const char *name)
{
    static char paths[4][1024];
    static unsigned n;
    char *path = paths[n++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const char *text, size_t len,
                              mode_t mode)
{
    const char *path = in_folder(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

/* The whole of a file, to be freed. */
static char *read_file(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    text = malloc((size_t)st.st_size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    *len = (size_t)st.st_size;
    return text;
}

static void check_content(const char *path, const char *want, size_t want_len)
{
    size_t len;
    char *text = read_file(path, &len);

    ck_assert_uint_eq(len, want_len);
    ck_assert_mem_eq(text, want, len);
    free(text);
}

/* How many files a folder within ours has; name is given the last one's. */
static int count_files(const char *where, char *name)
{
    DIR *dir = opendir(in_folder(where));
    struct dirent *entry;
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (name)
            snprintf(name, P3_MAILDIR_NAME, "%.255s", entry->d_name);
        n++;
    }
    closedir(dir);
    return n;
}

/* Root may do anything, so that what is refused is tried as nobody. */
static void become_nobody(void)
{
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(NOBODY), 0);
}

static void become_again(void)
{
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
}

static int open_descriptors(void)
{
    int n = 0;
    int fd;

    for (fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- Specifications ----------------------------------------------------- */

static const struct {
    const char *text;
    pop3_mode mode;
    const char *user, *tcp_host, *server_name;
    int port;
} good_specs[] = {
    {"mail.example", POP3_MODE_SSL, NULL, "mail.example", "mail.example", 995},
    {"ssl:mail.example", POP3_MODE_SSL, NULL, "mail.example", "mail.example",
     995},
    {"stls:mail.example", POP3_MODE_STLS, NULL, "mail.example", "mail.example",
     110},
    {"tcp:mail.example", POP3_MODE_TCP, NULL, "mail.example", "mail.example",
     110},
    {"tcp:localhost:1110", POP3_MODE_TCP, NULL, "localhost", "localhost", 1110},
    {"me@mail.example", POP3_MODE_SSL, "me", "mail.example", "mail.example",
     995},
    {"me@corp.example@mail.example", POP3_MODE_SSL, "me@corp.example",
     "mail.example", "mail.example", 995},
    {"@me@mail.example", POP3_MODE_SSL, "@me", "mail.example", "mail.example",
     995},
    {"me:you@mail.example:99", POP3_MODE_SSL, "me:you", "mail.example",
     "mail.example", 99},
    {"a!b@mail.example", POP3_MODE_SSL, "a!b", "mail.example", "mail.example",
     995},
    {"ssl:ssl:me@mail.example", POP3_MODE_SSL, "ssl:me", "mail.example",
     "mail.example", 995},
    {"ssl:tcp:me@mail.example", POP3_MODE_SSL, "tcp:me", "mail.example",
     "mail.example", 995},
    {"m\xC3\xA9@mail.example", POP3_MODE_SSL, "m\xC3\xA9", "mail.example",
     "mail.example", 995},
    {"a b@mail.example", POP3_MODE_SSL, "a b", "mail.example", "mail.example",
     995},
    {"me@localhost!mail.example:1995", POP3_MODE_SSL, "me", "localhost",
     "mail.example", 1995},
    {"stls:[::1]!mail.example", POP3_MODE_STLS, NULL, "::1", "mail.example",
     110},
    {"tcp:[::1]:1110", POP3_MODE_TCP, NULL, "::1", "::1", 1110},
    {"tcp:me@[::1]", POP3_MODE_TCP, "me", "::1", "::1", 110},
    {"[fe80::1%eth0]", POP3_MODE_SSL, NULL, "fe80::1%eth0", "fe80::1%eth0",
     995},
    {"127.0.0.1:1", POP3_MODE_SSL, NULL, "127.0.0.1", "127.0.0.1", 1},
    {"h:65535", POP3_MODE_SSL, NULL, "h", "h", 65535},
    {"h:00110", POP3_MODE_SSL, NULL, "h", "h", 110},
};

static void check_text(const char *got, const char *want)
{
    if (want)
        ck_assert_str_eq(got, want);
    else
        ck_assert_ptr_null(got);
}

START_TEST(a_specification_is_parsed)
{
    pop3_spec *spec;

    ck_assert_int_eq(pop3_spec_parse(c, good_specs[_i].text, NULL, &spec),
                     POP3_OK);
    ck_assert_int_eq(spec->mode, good_specs[_i].mode);
    check_text(spec->user, good_specs[_i].user);
    check_text(spec->tcp_host, good_specs[_i].tcp_host);
    check_text(spec->server_name, good_specs[_i].server_name);
    ck_assert_int_eq(spec->port, good_specs[_i].port);
    ck_assert_ptr_null(spec->account);
    ck_assert_str_eq(pop3_error(c), "");
    pop3_spec_free(spec);
}
END_TEST

/* The text, and what its message must tell. */
static const struct {
    const char *text, *message;
} bad_specs[] = {
    {"", "host name is missing"},
    {"ssl:", "host name is missing"},
    {"me@", "host name is missing"},
    {"@mail.example", "user before the \"@\" is missing"},
    {"tcp:@h", "user before the \"@\" is missing"},
    {"!mail.example", "host name is missing"},
    {"localhost!", "host name is missing"},
    {":110", "host name is missing"},
    {"a!b!c", "a character that none has"},
    {"mail example", "a character that none has"},
    {"pop3s://mail.example", "the port is not a number"},
    {"mail.example/INBOX", "a character that none has"},
    {"mail]", "a character that none has"},
    {"mail[1]", "a character that none has"},
    {"mail.example:", "the port is not a number from 1 to 65535"},
    {"mail.example:0", "the port is not a number"},
    {"mail.example:65536", "the port is not a number"},
    {"mail.example:99999999999999999999", "the port is not a number"},
    {"mail.example:+1", "the port is not a number"},
    {"mail.example:-1", "the port is not a number"},
    {"mail.example: 1", "the port is not a number"},
    {"mail.example:1 ", "the port is not a number"},
    {"mail.example:0x1", "the port is not a number"},
    {"mail.example:pop3", "the port is not a number"},
    {"localhost:1110!mail.example", "not before the \"!\""},
    {"::1", "stands in brackets"},
    {"::1!mail.example", "stands in brackets"},
    {"fe80::1:995", "stands in brackets"},
    {"[::1", "closing bracket is missing"},
    {"[::1]110", "may follow the bracket"},
    {"[::1]x!mail.example", "not before the \"!\""},
    {"[]", "only an IPv6 address"},
    {"[mail.example]", "only an IPv6 address"},
    {"[::1]:", "the port is not a number"},
    {"me\n@mail.example", "control character"},
    {"mail.example\r", "control character"},
    {"mail\x7F.example", "control character"},
    {"\x1B[2J@mail.example", "control character"},
};

START_TEST(a_malformed_specification_is_explained)
{
    pop3_spec *spec = NULL;
    pop3_code rc = pop3_spec_parse(c, bad_specs[_i].text, NULL, &spec);

    ck_assert_int_eq(rc, POP3_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), bad_specs[_i].message));
    ck_assert_ptr_null(strpbrk(pop3_error(c), "\r\n\x1B\x7F"));
    ck_assert_ptr_null(spec);
}
END_TEST

/* ---- Netrc -------------------------------------------------------------- */

/* The netrc of that text, to be freed. */
static pop3_netrc *netrc_of(const char *text)
{
    struct p3_error e;
    pop3_netrc *netrc = NULL;

    p3_error_clear(&e);
    if (p3_netrc_parse("netrc", text, strlen(text), &e, &netrc))
        ck_abort_msg("%s", e.text);
    return netrc;
}

/* A specification, and the account's entry that it is the name of. */
static const struct {
    const char *entry, *text;
    pop3_mode mode;
    const char *user, *tcp_host, *server_name;
    int port;
} accounts[] = {
    {"machine mail.example login me account work", "work", POP3_MODE_SSL, "me",
     "mail.example", "mail.example", 995},
    {"machine you@mail.example login me account work", "work", POP3_MODE_SSL,
     "you", "mail.example", "mail.example", 995},
    {"machine localhost:1110 account me@mail.example", "tcp:me@mail.example",
     POP3_MODE_TCP, "me", "localhost", "mail.example", 1110},
    {"machine you@localhost:1995 account me@mail.example", "me@mail.example",
     POP3_MODE_SSL, "you", "localhost", "mail.example", 1995},
    {"machine localhost account me@corp@mail.example", "me@corp@mail.example",
     POP3_MODE_SSL, "me@corp", "localhost", "mail.example", 995},
    {"machine localhost login me account work", "stls:work", POP3_MODE_STLS,
     "me", "localhost", "localhost", 110},
    {"machine [::1]:1110 account \"my mail\"", "tcp:my mail", POP3_MODE_TCP,
     NULL, "::1", "::1", 1110},
    {"machine a!b account me@x", "me@x", POP3_MODE_SSL, "me", "a", "b", 995},
    {"machine mail.example account other.example", "other.example",
     POP3_MODE_SSL, NULL, "mail.example", "mail.example", 995},
};

START_TEST(the_name_of_an_account_stands_for_its_machine)
{
    pop3_netrc *netrc = netrc_of(accounts[_i].entry);
    pop3_spec *spec;

    ck_assert_int_eq(pop3_spec_parse(c, accounts[_i].text, netrc, &spec),
                     POP3_OK);
    ck_assert_int_eq(spec->mode, accounts[_i].mode);
    check_text(spec->user, accounts[_i].user);
    check_text(spec->tcp_host, accounts[_i].tcp_host);
    check_text(spec->server_name, accounts[_i].server_name);
    ck_assert_int_eq(spec->port, accounts[_i].port);
    ck_assert_ptr_eq(pop3_netrc_for_spec(netrc, spec),
                     pop3_netrc_account(netrc, spec->account));
    pop3_netrc_free(netrc); /* the specification stands alone */
    ck_assert_ptr_nonnull(strstr(accounts[_i].text, spec->account));
    pop3_spec_free(spec);
}
END_TEST

START_TEST(an_account_without_a_usable_machine_is_explained)
{
    pop3_netrc *netrc = netrc_of("default account none\n"
                                 "machine mail:x account bad\n");
    pop3_spec *spec = NULL;

    ck_assert_int_eq(pop3_spec_parse(c, "none", netrc, &spec),
                     POP3_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "has no machine"));
    ck_assert_int_eq(pop3_spec_parse(c, "bad", netrc, &spec),
                     POP3_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "\"mail:x\": the port"));
    ck_assert_ptr_null(spec);
    pop3_netrc_free(netrc);
}
END_TEST

/* A netrc, and machine, login, account and password of the entry of machine m;
 * of default, where there is no such machine. */
static const struct {
    const char *text;
    pop3_netrc_entry want;
} netrcs[] = {
    {"machine m login me account a password p", {"m", "me", "a", "p"}},
    {"machine m", {"m", NULL, NULL, NULL}},
    {"default login me", {NULL, "me", NULL, NULL}},
    {"machine m\r\n\tlogin me\r\n\tpassword p\r\n", {"m", "me", NULL, "p"}},
    {"machine\nm\nlogin\n me\npassword\n\np\n", {"m", "me", NULL, "p"}},
    {"machine m password p login me", {"m", "me", NULL, "p"}},
    {"machine m password a\\b\"c\\", {"m", NULL, NULL, "a\\b\"c\\"}},
    {"machine m password \"a b\"", {"m", NULL, NULL, "a b"}},
    {"machine m password \"a\\\"\\\\b\\n\"", {"m", NULL, NULL, "a\"\\b\\n"}},
    {"machine m password \"\" login me", {"m", "me", NULL, ""}},
    {"machine m password \"#1\"", {"m", NULL, NULL, "#1"}},
    {"machine m password p#1", {"m", NULL, NULL, "p#1"}},
    {"machine m password \"password\"", {"m", NULL, NULL, "password"}},
    {"machine m login password password p", {"m", "password", NULL, "p"}},
    {"machine m login \"m\xC3\xA9\" password \xFF",
     {"m", "m\xC3\xA9", NULL, "\xFF"}},
    {"# machine m login you\nmachine m login me # password p\n",
     {"m", "me", NULL, NULL}},
    {"#\n#machine m\nmachine m\n#login\n", {"m", NULL, NULL, NULL}},
    {"machine m port 110 login me", {"m", "me", NULL, NULL}},
    {"machine m \"login\" login me", {"m", "me", NULL, NULL}},
    {"machine m login me login you", {"m", "you", NULL, NULL}},
    {"machine m login me\nmachine m login you", {"m", "me", NULL, NULL}},
    {"machine n macdef init\ncd /\nmachine m login you\n\nmachine m login me",
     {"m", "me", NULL, NULL}},
    {"macdef a\r\nmachine m\r\n\r\nmachine m login me\r\n",
     {"m", "me", NULL, NULL}},
    {"machine m macdef a\n\nlogin me", {"m", "me", NULL, NULL}},
    {"machine m macdef a\nlogin me", {"m", NULL, NULL, NULL}},
    {"machine m macdef a", {"m", NULL, NULL, NULL}},
};

START_TEST(a_netrc_is_parsed)
{
    const pop3_netrc_entry *want = &netrcs[_i].want;
    pop3_netrc *netrc = netrc_of(netrcs[_i].text);
    pop3_spec any = {.server_name = "m", .tcp_host = "m", .port = 995};
    const pop3_netrc_entry *got = want->machine
                                      ? pop3_netrc_machine(netrc, "m")
                                      : pop3_netrc_for_spec(netrc, &any);

    ck_assert_ptr_nonnull(got);
    check_text(got->machine, want->machine);
    check_text(got->login, want->login);
    check_text(got->account, want->account);
    check_text(got->password, want->password);
    pop3_netrc_free(netrc);
}
END_TEST

#define TEXT(s) s, sizeof(s) - 1

static const struct {
    const char *text;
    size_t len;
    const char *message;
} bad_netrcs[] = {
    {TEXT("machine"), "line 1: \"machine\" without a value"},
    {TEXT("machine m\nlogin"), "line 2: \"login\" without a value"},
    {TEXT("machine m login\npassword p\n"), "line 1: \"login\" without"},
    {TEXT("machine m password #1\nmachine n\n"), "line 1: \"password\" without "
                                                 "a value; quote"},
    {TEXT("machine m password #1\nsecret\n"), "line 1: \"password\" without"},
    {TEXT("macdef\n\n"), "line 1: \"macdef\" without a value"},
    {TEXT("machine m\n\npassword \"p\nlogin \"me\"\n"),
     "line 3: the closing quote is missing"},
    {TEXT("machine m password \"p\\\""),
     "line 1: the closing quote is missing"},
    {TEXT("machine m password \""), "line 1: the closing quote is missing"},
    {TEXT("machine m password \"p\"q"), "line 1: a space is missing"},
    {TEXT("# mine\nlogin me"), "line 2: \"machine\" is missing"},
    {TEXT("machine m\npassword p\0q"), "line 2: a NUL"},
    {TEXT("machine a macdef b\nx\ny\n\n\npassword \"\n"),
     "line 6: the closing"},
};

START_TEST(a_malformed_netrc_is_explained_with_its_line)
{
    const char *path = write_file("netrc", bad_netrcs[_i].text,
                                  bad_netrcs[_i].len, 0600);
    pop3_netrc *netrc = NULL;

    ck_assert_int_eq(pop3_netrc_load(c, path, &netrc), POP3_ERROR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), path));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), bad_netrcs[_i].message));
    ck_assert_ptr_null(netrc);
}
END_TEST

/* A netrc, a specification, and the password that is found. */
static const struct {
    const char *text, *spec, *password;
} lookups[] = {
    {"machine h password 1", "me@h", "1"},
    {"machine h login me password 1", "me@h", "1"},
    {"machine h login you password 1", "me@h", NULL},
    {"machine h login you password 1 machine h password 2", "me@h", "2"},
    {"machine h password 1 machine h login me password 2", "me@h", "1"},
    {"machine h password 1 machine me@h password 2", "me@h", "2"},
    {"machine me@h password 1 machine me@h:995 password 2", "me@h", "2"},
    {"machine me@h password 1 machine me@h:995 password 2", "tcp:me@h", "1"},
    {"machine me@h:995 password 1", "me@h:996", NULL},
    {"machine me@h:9 password 1", "me@h:99", NULL},
    {"machine me@h:99 password 1", "me@h:9", NULL},
    {"machine you@h password 1", "me@h", NULL},
    {"default password 1 machine h password 2", "me@h", "2"},
    {"default password 1 machine g password 2", "me@h", "1"},
    {"default login you password 1 default password 2", "me@h", "2"},
    {"default login me password 1", "me@h", "1"},
    {"default login you password 1", "me@h", NULL},
    {"machine h.example password 1", "me@h", NULL},
    {"machine h password 1", "me@h.example", NULL},
    {"machine h password 1 machine x password 2", "me@x!h", "1"},
    {"machine me@a@h password 1", "me@a@h", "1"},
    {"machine h login you password 1", "h", "1"},
    {"machine h password 1", "h", "1"},
    {"default login you password 1", "h", "1"},
    {"machine me@h password 1", "h", NULL},
    {"machine ::1 password 1", "tcp:me@[::1]:9", "1"},
    {"machine [::1] password 1", "tcp:me@[::1]:9", "1"},
    {"machine me@[::1]:9 password 1", "tcp:me@[::1]:9", "1"},
    {"machine [::1 password 1", "tcp:me@[::1]:9", NULL},
    {"machine h account a password 1 machine h password 2", "a", "1"},
    {"machine h password 1 machine g account h password 2", "h", "2"},
    {"", "me@h", NULL},
};

START_TEST(the_entry_for_a_specification_is_found)
{
    pop3_netrc *netrc = netrc_of(lookups[_i].text);
    const pop3_netrc_entry *entry;
    pop3_spec *spec;

    ck_assert_int_eq(pop3_spec_parse(c, lookups[_i].spec, netrc, &spec),
                     POP3_OK);
    entry = pop3_netrc_for_spec(netrc, spec);
    check_text(entry ? entry->password : NULL, lookups[_i].password);
    pop3_spec_free(spec);
    pop3_netrc_free(netrc);
}
END_TEST

/* What stands before the local user's name in a netrc, and behind it. */
static const struct {
    const char *before, *behind, *password;
} local_lookups[] = {
    {"machine ", "@h password 1", "1"},
    {"machine h password 1 machine ", "@h password 2", "2"},
    {"default password 1 machine ", "@h:995 password 2", "2"},
    {"machine ", "@h password 1 machine h login you password 2", "2"},
};

START_TEST(without_a_user_the_local_one_is_looked_up)
{
    pop3_spec spec = {.server_name = "h", .tcp_host = "h", .port = 995};
    char local[128], text[512];
    pop3_netrc *netrc;

    if (p3_local_user(local, sizeof local) != 0)
        return;
    snprintf(text, sizeof text, "%s%s%s", local_lookups[_i].before, local,
             local_lookups[_i].behind);
    netrc = netrc_of(text);
    ck_assert_str_eq(pop3_netrc_for_spec(netrc, &spec)->password,
                     local_lookups[_i].password);
    pop3_netrc_free(netrc);
}
END_TEST

START_TEST(machines_and_accounts_are_looked_up_by_whole_names)
{
    pop3_netrc *netrc = netrc_of("machine a.b account me\n"
                                 "machine a account m\n"
                                 "machine a account you\n");

    ck_assert_str_eq(pop3_netrc_machine(netrc, "a")->account, "m");
    ck_assert_str_eq(pop3_netrc_account(netrc, "you")->machine, "a");
    ck_assert_ptr_null(pop3_netrc_machine(netrc, "A"));
    ck_assert_ptr_null(pop3_netrc_machine(netrc, "a."));
    ck_assert_ptr_null(pop3_netrc_account(netrc, ""));
    ck_assert_ptr_null(pop3_netrc_machine(NULL, "a"));
    ck_assert_ptr_null(pop3_netrc_account(NULL, "me"));
    pop3_netrc_free(netrc);
}
END_TEST

START_TEST(many_entries_are_kept)
{
    struct p3_buf text;
    pop3_netrc *netrc;
    int i;

    p3_buf_init(&text, 0, 0);
    for (i = 0; i < 1000; i++)
        ck_assert(p3_buf_addf(&text, "machine m%d password p%d\n", i, i));
    netrc = netrc_of(p3_buf_text(&text));
    ck_assert_str_eq(pop3_netrc_machine(netrc, "m0")->password, "p0");
    ck_assert_str_eq(pop3_netrc_machine(netrc, "m999")->password, "p999");
    pop3_netrc_free(netrc);
    p3_buf_release(&text);
}
END_TEST

static const struct {
    mode_t mode;
    int is_private;
} netrc_modes[] = {
    {0600, 1}, {0400, 1}, {0700, 1}, {0640, 0}, {0604, 0},
    {0644, 0}, {0620, 0}, {0602, 0}, {0610, 0},
};

START_TEST(a_netrc_is_private_where_others_have_no_part_in_it)
{
    const char *path = write_file("netrc", "machine m", 9,
                                  netrc_modes[_i].mode);
    pop3_netrc *netrc;

    ck_assert_int_eq(pop3_netrc_load(c, path, &netrc), POP3_OK);
    ck_assert_int_eq(pop3_netrc_is_private(netrc), netrc_modes[_i].is_private);
    pop3_netrc_free(netrc);
}
END_TEST

static void check_unreadable(const char *path, const char *why)
{
    pop3_netrc *netrc = NULL;

    ck_assert_int_eq(pop3_netrc_load(c, path, &netrc), POP3_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), path));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), why));
    ck_assert_ptr_null(netrc);
}

START_TEST(a_netrc_that_cannot_be_read_is_an_error_with_its_path)
{
    const char *path = write_file("netrc", "", 0, 0000);
    int before = open_descriptors();

    check_unreadable(in_folder("missing"), "No such file");
    check_unreadable(in_folder("netrc/x"), "Not a directory");
    check_unreadable(folder, "Is a directory");
    become_nobody();
    check_unreadable(path, "Permission denied");
    become_again();
    if (access("/dev/zero", R_OK) == 0)
        check_unreadable("/dev/zero", "too large");
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

/* Which of the three files is there, and whose machine is found. */
static void check_default_netrc(const char *machine)
{
    pop3_netrc *netrc;

    ck_assert_int_eq(pop3_netrc_load(c, NULL, &netrc), POP3_OK);
    if (machine)
        ck_assert_ptr_nonnull(pop3_netrc_machine(netrc, machine));
    ck_assert_int_eq(pop3_netrc_is_private(netrc), 1);
    pop3_netrc_free(netrc);
}

START_TEST(the_netrc_is_that_of_the_environment_or_of_the_home)
{
    setenv("HOME", folder, 1);
    check_default_netrc(NULL);
    write_file(".netrc", "machine home", 12, 0600);
    check_default_netrc("home");
    setenv("NETRC", "", 1);
    check_default_netrc("home");
    setenv("NETRC", write_file("n", "machine named", 13, 0600), 1);
    check_default_netrc("named");
    setenv("NETRC", in_folder("missing"), 1);
    check_default_netrc(NULL);
    unsetenv("NETRC");
}
END_TEST

START_TEST(a_netrc_may_come_through_a_pipe)
{
    pop3_netrc *netrc;
    char path[64];
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "machine m", 9), 9);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    ck_assert_int_eq(pop3_netrc_load(c, path, &netrc), POP3_OK);
    ck_assert_ptr_nonnull(pop3_netrc_machine(netrc, "m"));
    pop3_netrc_free(netrc);
    close(ends[0]);
}
END_TEST

/* ---- The sink ----------------------------------------------------------- */

/* What goes in, and what comes out with LF line ends. */
static const struct {
    const char *text;
    size_t len;
    const char *lf;
    size_t lf_len;
} sinks[] = {
    {TEXT(""), TEXT("")},
    {TEXT("a\r\nb\r\n"), TEXT("a\nb\n")},
    {TEXT("\r\n\r\n\r\n"), TEXT("\n\n\n")},
    {TEXT("a\r\nb"), TEXT("a\nb")},
    {TEXT("a\nb\n"), TEXT("a\nb\n")},
    {TEXT("a\rb\r"), TEXT("a\rb\r")},
    {TEXT("\r"), TEXT("\r")},
    {TEXT("\r\r\r"), TEXT("\r\r\r")},
    {TEXT("\r\r\n"), TEXT("\r\n")},
    {TEXT("a\r\r\n\r\r\r\nb\n\r\n\r"), TEXT("a\r\n\r\r\nb\n\n\r")},
    {TEXT("\n\r"), TEXT("\n\r")},
    {TEXT("a\0b\r\0\r\n\0"), TEXT("a\0b\r\0\n\0")},
    {TEXT("\xFF\r\n\x80"), TEXT("\xFF\n\x80")},
};

/* A new file of that name to write to. */
static int new_file(const char *name)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                  0600);

    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Writes text through a sink, at first `first` octets, then step at a time. */
static void sink_in_pieces(const char *text, size_t len, pop3_line_end ends,
                           size_t first, size_t step)
{
    struct p3_sink s;
    int fd = new_file("sink");
    size_t at = first;
    int err;

    p3_sink_init(&s, fd, ends);
    err = p3_sink_write(&s, text, first);
    for (; at < len && !err; at += step)
        err = p3_sink_write(&s, text + at, len - at < step ? len - at : step);
    ck_assert_int_eq(err, 0);
    ck_assert_int_eq(p3_sink_finish(&s), 0);
    close(fd);
}

START_TEST(line_ends_do_not_depend_on_where_slices_are_cut)
{
    const char *path = in_folder("sink");
    size_t len = sinks[_i].len;
    size_t cut;

    for (cut = 0; cut <= len; cut++) {
        sink_in_pieces(sinks[_i].text, len, POP3_LF, cut, len + 1);
        check_content(path, sinks[_i].lf, sinks[_i].lf_len);
        sink_in_pieces(sinks[_i].text, len, POP3_CRLF, cut, len + 1);
        check_content(path, sinks[_i].text, len);
    }
    sink_in_pieces(sinks[_i].text, len, POP3_LF, 0, 1);
    check_content(path, sinks[_i].lf, sinks[_i].lf_len);
}
END_TEST

enum { BIG = 1 << 20 };

/* Lines of all lengths, ended by CRLF, with CRs among them. */
static void make_big(char *wire, char *lf, size_t *lf_len)
{
    size_t i = 0, n = 0, line = 0;

    while (i < BIG) {
        if (i + 1 < BIG && i % (line + 2) == line) {
            wire[i++] = '\r';
            wire[i++] = lf[n++] = '\n';
            line = (line + 7) % 1000;
        } else {
            wire[i] = lf[n++] = i % 977 ? 'x' : '\r';
            i++;
        }
    }
    if (wire[BIG - 1] == '\r')
        wire[BIG - 1] = lf[n - 1] = 'x';
    *lf_len = n;
}

static const size_t steps[] = {1,     2,     3,     1000,  16383, 16384,
                               16385, 32767, 32768, 32769, BIG};

START_TEST(a_large_text_is_written_whole_in_pieces_of_any_size)
{
    static char wire[BIG], lf[BIG];
    const char *path = in_folder("sink");
    size_t lf_len;

    make_big(wire, lf, &lf_len);
    sink_in_pieces(wire, BIG, POP3_LF, 0, steps[_i]);
    check_content(path, lf, lf_len);
    sink_in_pieces(wire, BIG, POP3_CRLF, 0, steps[_i]);
    check_content(path, wire, BIG);
}
END_TEST

static const size_t full_sizes[] = {1, P3_SINK_ROOM, P3_SINK_ROOM + 1, BIG};

START_TEST(a_full_disk_is_told_at_the_latest_at_the_end)
{
    static char text[BIG];
    struct p3_sink s;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    memset(text, 'x', sizeof text);
    p3_sink_init(&s, fd, (pop3_line_end)(_i % 2));
    (void)p3_sink_write(&s, text, full_sizes[_i / 2]);
    ck_assert_int_eq(p3_sink_finish(&s), ENOSPC);
    close(fd);
}
END_TEST

START_TEST(after_a_failed_write_the_same_error_comes_back)
{
    static char text[BIG];
    struct p3_sink s;

    p3_sink_init(&s, -1, POP3_CRLF);
    ck_assert_int_eq(p3_sink_write(&s, text, sizeof text), EBADF);
    ck_assert_int_eq(p3_sink_write(&s, text, 1), EBADF);
    ck_assert_int_eq(p3_sink_finish(&s), EBADF);
}
END_TEST

static int is_blocked(int signal)
{
    sigset_t mask;

    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    return sigismember(&mask, signal);
}

static int is_pending(int signal)
{
    sigset_t pending;

    ck_assert_int_eq(sigpending(&pending), 0);
    return sigismember(&pending, signal);
}

/* The writing end of a pipe that nobody reads. */
static int broken_pipe(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    return ends[1];
}

START_TEST(a_broken_pipe_raises_no_signal)
{
    struct p3_sink s;
    int fd = broken_pipe();

    ck_assert_int_eq(is_blocked(SIGPIPE), 0);
    p3_sink_init(&s, fd, POP3_LF);
    ck_assert_int_eq(is_blocked(SIGPIPE), 1);
    ck_assert_int_eq(p3_sink_write(&s, "a\r\n", 3), 0);
    ck_assert_int_eq(p3_sink_finish(&s), EPIPE);
    ck_assert_int_eq(is_blocked(SIGPIPE), 0);
    ck_assert_int_eq(is_pending(SIGPIPE), 0);
    close(fd);
}
END_TEST

START_TEST(a_sink_that_is_dropped_restores_the_mask)
{
    struct p3_sink s;
    int fd = broken_pipe();

    p3_sink_init(&s, fd, POP3_LF);
    ck_assert_int_eq(p3_sink_write(&s, "a\r\n", 3), 0);
    p3_sink_drop(&s);
    ck_assert_int_eq(is_blocked(SIGPIPE), 0);
    close(fd);
}
END_TEST

START_TEST(a_signal_that_was_pending_before_stays)
{
    struct p3_sink s;
    sigset_t set;
    int fd = broken_pipe();
    int taken;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_kill(pthread_self(), SIGPIPE);
    p3_sink_init(&s, fd, POP3_CRLF);
    ck_assert_int_eq(p3_sink_write(&s, "a", 1), 0);
    ck_assert_int_eq(p3_sink_finish(&s), EPIPE);
    ck_assert_int_eq(is_blocked(SIGPIPE), 1);
    ck_assert_int_eq(is_pending(SIGPIPE), 1);
    ck_assert_int_eq(sigwait(&set, &taken), 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    close(fd);
}
END_TEST

/* Counts what comes out of a descriptor until its end. */
static void *count_octets(void *arg)
{
    static char data[4096];
    int fd = *(int *)arg;
    ssize_t n;
    size_t total = 0;

    while ((n = read(fd, data, sizeof data)) > 0)
        total += (size_t)n;
    return (void *)total;
}

START_TEST(a_descriptor_that_does_not_block_is_waited_for)
{
    static char text[BIG];
    struct p3_sink s;
    pthread_t reader;
    void *total;
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, count_octets, &ends[0]), 0);
    p3_sink_init(&s, ends[1], POP3_CRLF);
    ck_assert_int_eq(p3_sink_write(&s, text, sizeof text), 0);
    ck_assert_int_eq(p3_sink_write(&s, text, 1), 0);
    ck_assert_int_eq(p3_sink_finish(&s), 0);
    close(ends[1]);
    ck_assert_int_eq(pthread_join(reader, &total), 0);
    ck_assert_uint_eq((size_t)total, BIG + 1);
    close(ends[0]);
}
END_TEST

/* ---- A Maildir: opening ------------------------------------------------- */

static pop3_maildir *open_maildir(void)
{
    pop3_maildir *m;

    if (pop3_maildir_open(c, in_folder("mail"), &m))
        ck_abort_msg("%s", pop3_error(c));
    return m;
}

static int mode_of(const char *name)
{
    struct stat st;

    ck_assert_int_eq(stat(in_folder(name), &st), 0);
    return (int)(st.st_mode & 07777);
}

START_TEST(a_missing_maildir_is_made)
{
    int before = open_descriptors();

    pop3_maildir_close(open_maildir());
    ck_assert_int_eq(mode_of("mail"), 0700);
    ck_assert_int_eq(mode_of("mail/cur"), 0700);
    ck_assert_int_eq(mode_of("mail/new"), 0700);
    ck_assert_int_eq(mode_of("mail/tmp"), 0700);
    pop3_maildir_close(open_maildir()); /* and used when it is there */
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(missing_folders_of_a_maildir_are_made)
{
    ck_assert_int_eq(mkdir(in_folder("mail"), 0755), 0);
    ck_assert_int_eq(mkdir(in_folder("mail/new"), 0750), 0);
    pop3_maildir_close(open_maildir());
    ck_assert_int_eq(mode_of("mail"), 0755);
    ck_assert_int_eq(mode_of("mail/new"), 0750);
    ck_assert_int_eq(mode_of("mail/cur"), 0700);
}
END_TEST

START_TEST(its_descriptors_are_not_inherited)
{
    pop3_maildir *m = open_maildir();

    ck_assert_int_eq(fcntl(m->tmp_dir, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(m->new_dir, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(m->cur_dir, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(m->folder, F_GETFD), FD_CLOEXEC);
    pop3_maildir_close(m);
}
END_TEST

static void check_no_maildir(const char *path, const char *why)
{
    pop3_maildir *m = NULL;
    int before = open_descriptors();

    ck_assert_int_eq(pop3_maildir_open(c, path, &m), POP3_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), path));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), why));
    ck_assert_ptr_null(m);
    ck_assert_int_eq(open_descriptors(), before);
}

START_TEST(where_no_maildir_can_be_is_an_error_with_its_path)
{
    write_file("file", "", 0, 0600);
    mkdir(in_folder("mail"), 0700);
    write_file("mail/tmp", "", 0, 0600);
    check_no_maildir("", "No such file");
    check_no_maildir(in_folder("missing/mail"), "No such file");
    check_no_maildir(in_folder("file"), "Not a directory");
    check_no_maildir(in_folder("mail"), "Not a directory");
}
END_TEST

START_TEST(a_maildir_that_is_not_writable_is_an_error)
{
    pop3_maildir_close(open_maildir());
    chmod(in_folder("mail"), 0755);
    chmod(in_folder("mail/cur"), 0755);
    chmod(in_folder("mail/tmp"), 0777);
    chmod(in_folder("mail/new"), 0555);
    chmod(folder, 0555);
    become_nobody();
    check_no_maildir(in_folder("mail"), "Permission denied");
    check_no_maildir(in_folder("other"), "Permission denied");
    become_again();
    chmod(folder, 0700);
}
END_TEST

/* A host, the room there is, and what becomes of it. */
static const struct {
    const char *host;
    size_t room;
    const char *escaped;
} hosts[] = {
    {"mail.example", 64, "mail.example"},
    {"a/b:c", 64, "a\\057b\\072c"},
    {"/", 64, "\\057"},
    {"", 64, ""},
    {"12345678", 9, "12345"}, /* cut early, but never within an escape */
    {"12345/", 9, "12345"},
    {"1234/5", 9, "1234\\057"},
};

START_TEST(a_host_is_escaped_as_maildirs_ask)
{
    char out[64];

    p3_maildir_escape_host(hosts[_i].host, out, hosts[_i].room);
    ck_assert_str_eq(out, hosts[_i].escaped);
}
END_TEST

START_TEST(names_differ_and_are_of_the_usual_form)
{
    pop3_maildir *m = open_maildir();
    char first[P3_MAILDIR_NAME], second[P3_MAILDIR_NAME], process[32];

    m->next_name(m, first);
    m->next_name(m, second);
    snprintf(process, sizeof process, "P%ldQ1R", (long)getpid());
    ck_assert_ptr_nonnull(strstr(first, process));
    ck_assert_ptr_nonnull(strstr(first, m->host));
    ck_assert_str_ne(first, second);
    ck_assert_uint_eq(strspn(first, "0123456789"), 10);
    ck_assert_int_eq(strncmp(first + 10, ".M", 2), 0);
    ck_assert_ptr_null(strpbrk(first, "/:"));
    pop3_maildir_close(m);
}
END_TEST

/* ---- A Maildir: delivery ------------------------------------------------ */

/* What RETR is answered with, and the message as it is stored. */
static const struct {
    const char *wire;
    size_t wire_len;
    const char *stored;
    size_t stored_len;
    uint64_t octets;
} deliveries[] = {
    {TEXT("a: b\r\n\r\nc\r\n.\r\n"), TEXT("a: b\n\nc\n"), 11},
    {TEXT(".\r\n"), TEXT(""), 0},
    {TEXT("\r\n.\r\n"), TEXT("\n"), 2},
    {TEXT("..\r\n...a\r\n.\r\n"), TEXT(".\n..a\n"), 8},
    {TEXT("a\rb\r\r\n\nc\r\n.\r\n"), TEXT("a\rb\r\n\nc\n"), 10},
    {TEXT("a\0b\r\n\0\r\n.\r\n"), TEXT("a\0b\n\0\n"), 8},
    {TEXT("a\n.\nb\r\n.\r\n"), TEXT("a\n.\nb\n"), 7},
};

/* Answers RETR with wire, and the next command with +OK. */
static void server_sends(const char *wire, size_t len)
{
    peer_says("+OK\r\n");
    peer_says_bytes(wire, len);
    peer_says("+OK\r\n");
}

/* The same with a large message, which needs an end. */
static void server_sends_big(char *wire)
{
    static const char end[] = "\r\n.\r\n";

    memcpy(wire + BIG, end, sizeof end);
    server_sends(wire, BIG + sizeof end - 1);
}

static void check_stored(const char *want, size_t len)
{
    char name[P3_MAILDIR_NAME], path[512];

    ck_assert_int_eq(count_files("mail/tmp", NULL), 0);
    ck_assert_int_eq(count_files("mail/new", name), 1);
    snprintf(path, sizeof path, "mail/new/%.255s", name);
    check_content(in_folder(path), want, len);
    ck_assert_int_eq(mode_of(path), 0600);
}

START_TEST(a_message_is_stored_with_lf_line_ends)
{
    pop3_maildir *m = open_maildir();
    uint64_t octets = 99;
    int before;

    server_sends(deliveries[_i / 2].wire, deliveries[_i / 2].wire_len);
    peer_chunk((size_t)_i % 2);
    before = open_descriptors();
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_maildir(c, m, &octets), POP3_OK);
    ck_assert_uint_eq(octets, deliveries[_i / 2].octets);
    check_stored(deliveries[_i / 2].stored, deliveries[_i / 2].stored_len);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    ck_assert_int_eq(open_descriptors(), before);
    pop3_maildir_close(m);
}
END_TEST

START_TEST(a_message_of_a_megabyte_is_stored_whole)
{
    static char wire[BIG + 16], lf[BIG];
    pop3_maildir *m = open_maildir();
    size_t lf_len;

    make_big(wire, lf, &lf_len);
    lf[lf_len++] = '\n';
    server_sends_big(wire);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_OK);
    check_stored(lf, lf_len);
    pop3_maildir_close(m);
}
END_TEST

#define MESSAGE "+OK\r\na: b\r\n\r\nc\r\n.\r\n"

START_TEST(the_umask_is_respected)
{
    pop3_maildir *m = open_maildir();
    char name[P3_MAILDIR_NAME], path[512];
    mode_t before = umask(0277);

    peer_says(MESSAGE);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_OK);
    umask(before);
    count_files("mail/new", name);
    snprintf(path, sizeof path, "mail/new/%.255s", name);
    ck_assert_int_eq(mode_of(path), 0400);
    pop3_maildir_close(m);
}
END_TEST

START_TEST(each_message_gets_a_name_of_its_own)
{
    pop3_maildir *m = open_maildir();
    int i;

    for (i = 0; i < 50; i++) {
        peer_says(MESSAGE);
        ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
        ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_OK);
    }
    ck_assert_int_eq(count_files("mail/new", NULL), 50);
    ck_assert_int_eq(count_files("mail/tmp", NULL), 0);
    pop3_maildir_close(m);
}
END_TEST

/* A namer that gives "taken" twice, then names that are free. */
static void taken_twice(pop3_maildir *m, char *name)
{
    if (++m->count <= 2)
        snprintf(name, P3_MAILDIR_NAME, "taken");
    else
        snprintf(name, P3_MAILDIR_NAME, "free%d", (int)m->count);
}

static void always_taken(pop3_maildir *m, char *name)
{
    m->count++;
    snprintf(name, P3_MAILDIR_NAME, "taken");
}

static const char *const folders[] = {"mail/tmp", "mail/new"};

/* A message named "taken" in that folder, which must stay as it is. */
static const char *put_taken(const char *where)
{
    char name[32];

    snprintf(name, sizeof name, "%s/taken", where);
    return write_file(name, "old", 3, 0600);
}

START_TEST(a_name_that_is_taken_is_left_alone_and_another_tried)
{
    pop3_maildir *m = open_maildir();
    const char *taken = put_taken(folders[_i]);

    m->next_name = taken_twice;
    peer_says(MESSAGE);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_OK);
    check_content(taken, "old", 3);
    check_content(in_folder("mail/new/free3"), "a: b\n\nc\n", 8);
    ck_assert_int_eq(count_files("mail/tmp", NULL), _i == 0 ? 1 : 0);
    pop3_maildir_close(m);
}
END_TEST

START_TEST(where_every_name_is_taken_nothing_is_overwritten)
{
    pop3_maildir *m = open_maildir();
    const char *taken = put_taken(folders[_i]);

    m->next_name = always_taken;
    peer_says(MESSAGE);
    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_ERROR_IO);
    ck_assert_uint_lt(m->count, 100);
    check_content(taken, "old", 3);
    ck_assert_int_eq(
        count_files("mail/tmp", NULL) + count_files("mail/new", NULL), 1);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
    pop3_maildir_close(m);
}
END_TEST

static void check_nothing_stored(void)
{
    ck_assert_int_eq(count_files("mail/tmp", NULL), 0);
    ck_assert_int_eq(count_files("mail/new", NULL), 0);
}

static const char *const lost[] = {
    "", "a", "a\r\n", "a\r\n.", "a\r\n.\r", "a\r\n.a\r\n", "a\r\n.\r\nb", "\r",
};

START_TEST(a_message_that_is_cut_off_leaves_nothing)
{
    pop3_maildir *m = open_maildir();
    uint64_t octets = 99;
    int before = open_descriptors();

    peer_says("+OK\r\n");
    peer_says(lost[_i]);
    peer_closes();
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    if (strcmp(lost[_i], "a\r\n.\r\nb") == 0) { /* this one is whole */
        ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_OK);
    } else {
        ck_assert_int_eq(pop3_body_maildir(c, m, &octets), POP3_ERROR_CLOSED);
        ck_assert_uint_eq(octets, 99);
        check_nothing_stored();
    }
    ck_assert_int_eq(open_descriptors(), before);
    pop3_maildir_close(m);
}
END_TEST

/* Delivers what cannot be stored: told so, and the session goes on. */
static void check_io_error(pop3_maildir *m, const char *why)
{
    uint64_t octets = 99;

    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_maildir(c, m, &octets), POP3_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), in_folder("mail")));
    ck_assert_ptr_nonnull(strstr(pop3_error(c), why));
    ck_assert_uint_eq(octets, 99);
    ck_assert_int_eq(pop3_awaiting(c), POP3_AWAITING_NOTHING);
    ck_assert_int_eq(pop3_noop(c), POP3_OK);
}

START_TEST(a_folder_that_has_gone_is_an_error_and_the_session_goes_on)
{
    pop3_maildir *m = open_maildir();
    const char *gone = in_folder(folders[_i]);

    ck_assert_int_eq(rmdir(gone), 0);
    peer_says(MESSAGE);
    peer_says("+OK\r\n");
    check_io_error(m, "No such file");
    ck_assert_int_eq(mkdir(gone, 0700), 0);
    check_nothing_stored();
    pop3_maildir_close(m);
}
END_TEST

static const size_t limits[] = {0, 1, 1000, P3_SINK_ROOM, 300000};

START_TEST(a_write_that_fails_leaves_nothing_and_the_session_goes_on)
{
    static char wire[BIG + 16], lf[BIG];
    struct rlimit before, limit;
    pop3_maildir *m = open_maildir();
    size_t lf_len;

    make_big(wire, lf, &lf_len);
    server_sends_big(wire);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = limits[_i];
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    check_io_error(m, "too large");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    check_nothing_stored();
    pop3_maildir_close(m);
}
END_TEST

#ifdef __linux__
/* Mounts a small disk over the Maildir, which only this process sees. */
static int mount_small_disk(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", "", MS_REC | MS_PRIVATE, "") == 0 &&
           mount("none", in_folder("mail"), "tmpfs", 0, "size=128k") == 0;
}

START_TEST(a_full_disk_leaves_nothing_and_the_session_goes_on)
{
    static char wire[BIG + 16], lf[BIG];
    pop3_maildir *m;
    size_t lf_len;

    ck_assert_int_eq(mkdir(in_folder("mail"), 0700), 0);
    if (!mount_small_disk())
        return;
    m = open_maildir();
    make_big(wire, lf, &lf_len);
    server_sends_big(wire);
    check_io_error(m, "No space left");
    check_nothing_stored();
    pop3_maildir_close(m);
    ck_assert_int_eq(umount2(in_folder("mail"), MNT_DETACH), 0);
}
END_TEST
#endif

START_TEST(without_a_body_no_file_is_made)
{
    pop3_maildir *m = open_maildir();

    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_ERROR_STATE);
    peer_says("-ERR no such message\r\n");
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_ERROR_STATE);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_ERROR_STATE);
    pop3_close(c);
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_ERROR_STATE);
    check_nothing_stored();
    pop3_maildir_close(m);
}
END_TEST

START_TEST(a_body_over_its_limit_leaves_nothing)
{
    pop3_maildir *m = open_maildir();

    peer_says(MESSAGE);
    pop3_set_limit(c, POP3_LIMIT_BODY, 5);
    ck_assert_int_eq(pop3_retr_begin(c, 1), POP3_OK);
    ck_assert_int_eq(pop3_body_maildir(c, m, NULL), POP3_ERROR_TOO_LONG);
    check_nothing_stored();
    pop3_maildir_close(m);
}
END_TEST

/* ---- A Maildir: batches ------------------------------------------------- */

/* Another whole message in the batch. */
static void put(struct p3_batch *b)
{
    ck_assert_int_eq(p3_batch_begin(b), 0);
    ck_assert_int_eq(p3_batch_write(b, "a: b\r", 5), 0);
    ck_assert_int_eq(p3_batch_write(b, "\n\r\nc\r\n", 6), 0);
    ck_assert_int_eq(p3_batch_end(b), 0);
}

static void put_many(struct p3_batch *b, int n)
{
    while (n--)
        put(b);
}

/* With syncfs and without, a batch of one, of as many as are synced one by one,
 * of more, and as many as there may be. */
static const struct {
    int messages, has_syncfs;
} batches[] = {
    {0, 1}, {1, 1}, {3, 1}, {4, 1}, {256, 1}, {1, 0}, {3, 0}, {4, 0}, {256, 0},
};

START_TEST(a_batch_is_delivered_together)
{
    int messages = batches[_i].messages, before = open_descriptors();
    pop3_maildir *m = open_maildir();
    struct p3_batch b;
    char path[512];
    int i;

    m->has_syncfs &= batches[_i].has_syncfs;
    p3_batch_init(&b, m);
    put_many(&b, messages);
    ck_assert_int_le(open_descriptors(), before + 4 + P3_BATCH_FEW);
    ck_assert_int_eq(p3_batch_sync(&b), 0);
    ck_assert_int_eq(count_files("mail/tmp", NULL), messages);
    ck_assert_int_eq(count_files("mail/new", NULL), 0);
    ck_assert_int_eq(p3_batch_publish(&b), 0);
    ck_assert_int_eq(count_files("mail/tmp", NULL), 0);
    ck_assert_int_eq(count_files("mail/new", NULL), messages);
    for (i = 0; i < messages; i++) {
        snprintf(path, sizeof path, "mail/new/%.255s",
                 p3_batch_name(&b, (size_t)i));
        check_content(in_folder(path), "a: b\n\nc\n", 8);
        ck_assert_int_eq(p3_batch_error(&b, (size_t)i), 0);
    }
    p3_batch_release(&b);
    pop3_maildir_close(m);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_batch_is_full_by_count_by_octets_or_by_time)
{
    static char megabyte[1 << 20];
    pop3_maildir *m = open_maildir();
    struct p3_batch b;
    int i;

    p3_batch_init(&b, m);
    ck_assert_int_eq(p3_batch_is_full(&b), 0);
    put(&b);
    ck_assert_int_eq(p3_batch_is_full(&b), 0);
    b.begun_ms -= P3_BATCH_MS;
    ck_assert_int_eq(p3_batch_is_full(&b), 1);
    p3_batch_clear(&b);
    ck_assert_int_eq(p3_batch_is_full(&b), 0);
    ck_assert_int_eq(p3_batch_begin(&b), 0);
    for (i = 0; i < 16; i++)
        ck_assert_int_eq(p3_batch_write(&b, megabyte, sizeof megabyte), 0);
    ck_assert_int_eq(p3_batch_is_full(&b), 0); /* of nothing whole */
    ck_assert_int_eq(p3_batch_end(&b), 0);
    ck_assert_int_eq(p3_batch_is_full(&b), 1);
    p3_batch_clear(&b);
    put_many(&b, P3_BATCH_MESSAGES);
    ck_assert_int_eq(p3_batch_is_full(&b), 1);
    ck_assert_int_eq(p3_batch_begin(&b), ENOBUFS);
    p3_batch_release(&b);
    check_nothing_stored();
    pop3_maildir_close(m);
}
END_TEST

START_TEST(what_is_dropped_or_cleared_leaves_nothing)
{
    int before;
    pop3_maildir *m = open_maildir();
    struct p3_batch b;

    before = open_descriptors();
    p3_batch_init(&b, m);
    put_many(&b, 2);
    ck_assert_int_eq(p3_batch_begin(&b), 0);
    p3_batch_drop(&b);
    p3_batch_drop(&b);
    ck_assert_uint_eq(b.count, 2);
    ck_assert_int_eq(count_files("mail/tmp", NULL), 2);
    p3_batch_clear(&b);
    check_nothing_stored();
    put_many(&b, 5);
    ck_assert_int_eq(p3_batch_begin(&b), 0);
    ck_assert_int_eq(p3_batch_write(&b, "a", 1), 0);
    p3_batch_release(&b);
    check_nothing_stored();
    ck_assert_int_eq(open_descriptors(), before);
    pop3_maildir_close(m);
}
END_TEST

START_TEST(what_a_record_has_stays_in_tmp)
{
    pop3_maildir *m = open_maildir();
    struct p3_batch b;
    char name[P3_MAILDIR_NAME], in_new[P3_MAILDIR_NAME];

    p3_batch_init(&b, m);
    put(&b);
    b.kept = 1;
    p3_batch_release(&b);
    ck_assert_int_eq(count_files("mail/tmp", name), 1);
    ck_assert_int_eq(p3_maildir_deliver(m, name, in_new), 0);
    ck_assert_str_eq(name, in_new);
    ck_assert_int_eq(count_files("mail/new", NULL), 1);
    ck_assert_int_eq(p3_maildir_deliver(m, name, in_new), ENOENT);
    pop3_maildir_close(m);
}
END_TEST

START_TEST(of_a_batch_only_what_cannot_be_moved_fails)
{
    pop3_maildir *m = open_maildir();
    struct p3_batch b;

    p3_batch_init(&b, m);
    put_many(&b, 2);
    m->next_name = always_taken;
    put(&b);
    m->next_name = p3_maildir_next_name;
    put(&b);
    m->next_name = always_taken;
    put_taken("mail/new");
    ck_assert_int_eq(p3_batch_sync(&b), 0);
    ck_assert_int_eq(p3_batch_publish(&b), EEXIST);
    ck_assert_int_eq(p3_batch_error(&b, 0), 0);
    ck_assert_int_eq(p3_batch_error(&b, 2), EEXIST);
    ck_assert_int_eq(p3_batch_error(&b, 3), 0);
    ck_assert_int_eq(p3_batch_fail(c, &b, EEXIST), POP3_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "cannot move a message"));
    p3_batch_release(&b);
    ck_assert_int_eq(count_files("mail/new", NULL), 4);
    ck_assert_int_eq(count_files("mail/tmp", NULL), 0);
    pop3_maildir_close(m);
}
END_TEST

/* Of the few, as of many. */
static const int unsynced[] = {1, 3};

START_TEST(a_batch_that_cannot_be_synced_leaves_nothing)
{
    pop3_maildir *m = open_maildir();
    struct p3_batch b;
    int ends[2];

    if (!m->has_syncfs) {
        pop3_maildir_close(m);
        return;
    }
    ck_assert_int_eq(pipe(ends), 0);
    p3_batch_init(&b, m);
    put_many(&b, unsynced[_i]);
    ck_assert_int_ge(dup2(ends[1], b.fds[0]), 0);
    ck_assert_int_eq(p3_batch_sync(&b), EINVAL); /* nobody can sync a pipe */
    ck_assert_int_eq(p3_batch_fail(c, &b, EINVAL), POP3_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), "cannot sync a message"));
    ck_assert_int_eq(p3_batch_fail(c, &b, ENOMEM), POP3_ERROR_MEMORY);
    p3_batch_release(&b);
    close(ends[0]);
    close(ends[1]);
    check_nothing_stored();
    pop3_maildir_close(m);
}
END_TEST

/* After none, as after the few whose descriptors stay open. */
START_TEST(a_message_that_cannot_be_closed_is_none)
{
    pop3_maildir *m = open_maildir();
    struct p3_batch b;

    m->has_syncfs &= _i;
    p3_batch_init(&b, m);
    put_many(&b, P3_BATCH_FEW * _i);
    ck_assert_int_eq(p3_batch_begin(&b), 0);
    close(b.fd);
    ck_assert_int_eq(p3_batch_end(&b), EBADF);
    ck_assert_int_eq(b.fd, -1);
    ck_assert_uint_eq(b.count, (size_t)(P3_BATCH_FEW * _i));
    ck_assert_int_eq(count_files("mail/tmp", NULL), P3_BATCH_FEW * _i);
    p3_batch_release(&b);
    pop3_maildir_close(m);
}
END_TEST

#ifdef O_PATH
/* new/ by a descriptor that names can be moved through, and that nobody can
 * sync. */
static void make_new_unsyncable(pop3_maildir *m)
{
    close(m->new_dir);
    m->new_dir = open(in_folder("mail/new"), O_PATH | O_CLOEXEC);
    ck_assert_int_ge(m->new_dir, 0);
}

START_TEST(where_new_cannot_be_synced_nothing_is_delivered)
{
    pop3_maildir *m = open_maildir();
    struct p3_batch b;

    put_taken("mail/new");
    make_new_unsyncable(m);
    m->next_name = taken_twice; /* so that one gets another name in new/ */
    p3_batch_init(&b, m);
    put_many(&b, 2);
    ck_assert_int_eq(p3_batch_sync(&b), 0);
    ck_assert_int_eq(p3_batch_publish(&b), EBADF);
    ck_assert_int_eq(p3_batch_error(&b, 0), EBADF);
    ck_assert_int_eq(p3_batch_error(&b, 1), EBADF);
    p3_batch_release(&b);
    peer_says(MESSAGE);
    peer_says("+OK\r\n");
    check_io_error(m, "cannot sync new/ of");
    ck_assert_int_eq(count_files("mail/tmp", NULL), 0);
    ck_assert_int_eq(count_files("mail/new", NULL), 1);
    check_content(in_folder("mail/new/taken"), "old", 3);
    pop3_maildir_close(m);
}
END_TEST
#endif

/* Releases of Linux, and whether their syncfs tells of errors. */
static const struct {
    const char *release;
    int trusted;
} releases[] = {
    {"5.8", 1},
    {"5.8.0-rc1", 1},
    {"5.10.0-21-amd64", 1},
    {"6.1.0", 1},
    {"10.0", 1},
    {"6", 1},
    {"5.7.19", 0},
    {"5", 0},
    {"4.19.0", 0},
    {"2.6.32", 0},
    {"", 0},
    {"unknown", 0},
    {"99999999999999999999.1", 1},
};

START_TEST(syncfs_is_trusted_where_it_tells_of_errors)
{
    ck_assert_int_eq(p3_maildir_trusts_syncfs(releases[_i].release),
                     releases[_i].trusted);
}
END_TEST

/* Files in tmp/ by their age in hours, and what becomes of them. */
static const struct {
    const char *name;
    int written, read; /* hours ago */
    int stays;
} leftovers[] = {
    {"mail/tmp/old", 37, 37, 0},       {"mail/tmp/new", 0, 0, 1},
    {"mail/tmp/nearly", 35, 37, 1},    {"mail/tmp/read", 100, 35, 1},
    {"mail/tmp/.hidden", 100, 100, 1}, {"mail/tmp/ancient", 9999, 9999, 0},
    {"mail/new/delivered", 99, 99, 1}, {"mail/cur/seen:2,S", 99, 99, 1},
};

static void make_old(const char *path, int written, int read)
{
    struct timespec times[2];

    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[1] = times[0];
    times[0].tv_sec -= read * 3600;
    times[1].tv_sec -= written * 3600;
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

START_TEST(what_nobody_wrote_for_36_hours_is_swept_from_tmp)
{
    pop3_maildir *m = open_maildir();
    int i;

    for (i = 0; i < COUNT(leftovers); i++)
        make_old(write_file(leftovers[i].name, "a", 1, 0600),
                 leftovers[i].written, leftovers[i].read);
    ck_assert_int_eq(mkdir(in_folder("mail/tmp/folder"), 0700), 0);
    ck_assert_int_eq(symlink("nowhere", in_folder("mail/tmp/link")), 0);
    make_old(in_folder("mail/tmp/folder"), 99, 99);
    make_old(in_folder("mail/tmp/link"), 99, 99);
    p3_maildir_sweep(m);
    for (i = 0; i < COUNT(leftovers); i++)
        ck_assert_int_eq(access(in_folder(leftovers[i].name), F_OK) == 0,
                         leftovers[i].stays);
    ck_assert_int_eq(count_files("mail/tmp", NULL), 5);
    pop3_maildir_close(m);
}
END_TEST

START_TEST(a_tmp_that_cannot_be_read_is_not_swept)
{
    int before;
    pop3_maildir *m = open_maildir();

    before = open_descriptors();
    close(m->tmp_dir);
    m->tmp_dir = open("/dev/null", O_RDONLY | O_CLOEXEC);
    p3_maildir_sweep(m);
    ck_assert_int_eq(open_descriptors(), before);
    pop3_maildir_close(m);
}
END_TEST

/* ---- From a specification to a session ---------------------------------- */

START_TEST(the_user_is_the_specifications_or_the_entrys_or_the_local_one)
{
    pop3_netrc_entry entry = {.login = "you"};
    pop3_spec spec = {.user = "me"};
    const char *user = NULL;
    char local[128];

    ck_assert_int_eq(pop3_spec_user(c, &spec, &entry, &user), POP3_OK);
    ck_assert_str_eq(user, "me");
    spec.user = NULL;
    ck_assert_int_eq(pop3_spec_user(c, &spec, &entry, &user), POP3_OK);
    ck_assert_str_eq(user, "you");
    entry.login = NULL;
    if (p3_local_user(local, sizeof local) != 0)
        return;
    ck_assert_int_eq(pop3_spec_user(c, &spec, &entry, &user), POP3_OK);
    ck_assert_str_eq(user, local);
    ck_assert_int_eq(pop3_spec_user(c, &spec, NULL, &user), POP3_OK);
    ck_assert_str_eq(user, local);
}
END_TEST

START_TEST(a_specification_leaves_no_name_for_tls_behind)
{
    pop3_spec spec = {.mode = POP3_MODE_SSL,
                      .tcp_host = "localhost",
                      .server_name = "mail.example",
                      .port = 995};

    peer_says("+OK\r\n");
    ck_assert_int_eq(pop3_connect_spec(c, &spec), POP3_ERROR_STATE);
    ck_assert_ptr_null(c->server_name);
    pop3_set_server_name(c, "mine.example");
    ck_assert_int_eq(pop3_connect_spec(c, &spec), POP3_ERROR_STATE);
    ck_assert_str_eq(c->server_name, "mine.example");
    ck_assert_int_eq(pop3_noop(c), POP3_OK); /* what was open stays open */
}
END_TEST

static const struct {
    const char *spec, *netrc;
    mode_t mode;
    pop3_code code;
    const char *message;
} unopened[] = {
    {"tcp:me@h:x", "", 0600, POP3_ERROR_ARGUMENT, "the port is not"},
    {"tcp:me@h", "", 0600, POP3_ERROR_ARGUMENT, "no password for \"me\""},
    {"tcp:me@h", "machine h login you password p", 0600, POP3_ERROR_ARGUMENT,
     "no password for \"me\" at \"h\""},
    {"tcp:me@h", "machine h login me", 0600, POP3_ERROR_ARGUMENT,
     "no password for"},
    {"tcp:me@h", "machine h password p", 0644, POP3_ERROR_INSECURE,
     "make its mode 600"},
    {"tcp:me@h", "machine g password p", 0644, POP3_ERROR_ARGUMENT,
     "no password for"},
    {"tcp:me@h", "machine", 0600, POP3_ERROR_ARGUMENT, "line 1"},
};

START_TEST(what_cannot_be_opened_is_told_before_connecting)
{
    const char *netrc = unopened[_i].netrc;
    const char *path = write_file(".netrc", netrc, strlen(netrc),
                                  unopened[_i].mode);

    pop3_close(c);
    setenv("NETRC", path, 1);
    ck_assert_int_eq(pop3_open(c, unopened[_i].spec, NULL), unopened[_i].code);
    ck_assert_ptr_nonnull(strstr(pop3_error(c), unopened[_i].message));
    ck_assert_int_eq(pop3_error_code(c), unopened[_i].code);
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    unsetenv("NETRC");
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

static void add_spec(Suite *suite)
{
    TCase *tc = add_case(suite, "spec");

    tcase_add_loop_test(tc, a_specification_is_parsed, 0, COUNT(good_specs));
    tcase_add_loop_test(tc, a_malformed_specification_is_explained, 0,
                        COUNT(bad_specs));
    tcase_add_loop_test(tc, the_name_of_an_account_stands_for_its_machine, 0,
                        COUNT(accounts));
    tcase_add_test(tc, an_account_without_a_usable_machine_is_explained);
}

static void add_netrc(Suite *suite)
{
    TCase *tc = add_case(suite, "netrc");

    tcase_add_loop_test(tc, a_netrc_is_parsed, 0, COUNT(netrcs));
    tcase_add_loop_test(tc, a_malformed_netrc_is_explained_with_its_line, 0,
                        COUNT(bad_netrcs));
    tcase_add_loop_test(tc, the_entry_for_a_specification_is_found, 0,
                        COUNT(lookups));
    tcase_add_loop_test(tc, without_a_user_the_local_one_is_looked_up, 0,
                        COUNT(local_lookups));
    tcase_add_test(tc, machines_and_accounts_are_looked_up_by_whole_names);
    tcase_add_test(tc, many_entries_are_kept);
    tcase_add_loop_test(tc, a_netrc_is_private_where_others_have_no_part_in_it,
                        0, COUNT(netrc_modes));
    tcase_add_test(tc, a_netrc_that_cannot_be_read_is_an_error_with_its_path);
    tcase_add_test(tc, the_netrc_is_that_of_the_environment_or_of_the_home);
    tcase_add_test(tc, a_netrc_may_come_through_a_pipe);
}

static void add_sink(Suite *suite)
{
    TCase *tc = add_case(suite, "sink");

    tcase_add_loop_test(tc, line_ends_do_not_depend_on_where_slices_are_cut, 0,
                        COUNT(sinks));
    tcase_add_loop_test(tc, a_large_text_is_written_whole_in_pieces_of_any_size,
                        0, COUNT(steps));
    tcase_add_loop_test(tc, a_full_disk_is_told_at_the_latest_at_the_end, 0,
                        2 * COUNT(full_sizes));
    tcase_add_test(tc, after_a_failed_write_the_same_error_comes_back);
    tcase_add_test(tc, a_broken_pipe_raises_no_signal);
    tcase_add_test(tc, a_sink_that_is_dropped_restores_the_mask);
    tcase_add_test(tc, a_signal_that_was_pending_before_stays);
    tcase_add_test(tc, a_descriptor_that_does_not_block_is_waited_for);
}

static void add_maildir(Suite *suite)
{
    TCase *tc = add_case(suite, "maildir");

    tcase_add_test(tc, a_missing_maildir_is_made);
    tcase_add_test(tc, missing_folders_of_a_maildir_are_made);
    tcase_add_test(tc, its_descriptors_are_not_inherited);
    tcase_add_test(tc, where_no_maildir_can_be_is_an_error_with_its_path);
    tcase_add_test(tc, a_maildir_that_is_not_writable_is_an_error);
    tcase_add_loop_test(tc, a_host_is_escaped_as_maildirs_ask, 0, COUNT(hosts));
    tcase_add_test(tc, names_differ_and_are_of_the_usual_form);
}

static void add_delivery(Suite *suite)
{
    TCase *tc = add_case(suite, "delivery");

    tcase_add_loop_test(tc, a_message_is_stored_with_lf_line_ends, 0,
                        2 * COUNT(deliveries));
    tcase_add_test(tc, a_message_of_a_megabyte_is_stored_whole);
    tcase_add_test(tc, the_umask_is_respected);
    tcase_add_test(tc, each_message_gets_a_name_of_its_own);
    tcase_add_loop_test(tc,
                        a_name_that_is_taken_is_left_alone_and_another_tried, 0,
                        COUNT(folders));
    tcase_add_loop_test(tc, where_every_name_is_taken_nothing_is_overwritten, 0,
                        COUNT(folders));
    tcase_add_loop_test(tc, a_message_that_is_cut_off_leaves_nothing, 0,
                        COUNT(lost));
    tcase_add_loop_test(
        tc, a_folder_that_has_gone_is_an_error_and_the_session_goes_on, 0,
        COUNT(folders));
    tcase_add_loop_test(
        tc, a_write_that_fails_leaves_nothing_and_the_session_goes_on, 0,
        COUNT(limits));
#ifdef __linux__
    tcase_add_test(tc, a_full_disk_leaves_nothing_and_the_session_goes_on);
#endif
    tcase_add_test(tc, without_a_body_no_file_is_made);
    tcase_add_test(tc, a_body_over_its_limit_leaves_nothing);
}

static void add_batch(Suite *suite)
{
    TCase *tc = add_case(suite, "batch");

    tcase_add_loop_test(tc, a_batch_is_delivered_together, 0, COUNT(batches));
    tcase_add_test(tc, a_batch_is_full_by_count_by_octets_or_by_time);
    tcase_add_test(tc, what_is_dropped_or_cleared_leaves_nothing);
    tcase_add_test(tc, what_a_record_has_stays_in_tmp);
    tcase_add_test(tc, of_a_batch_only_what_cannot_be_moved_fails);
    tcase_add_loop_test(tc, a_batch_that_cannot_be_synced_leaves_nothing, 0,
                        COUNT(unsynced));
    tcase_add_loop_test(tc, a_message_that_cannot_be_closed_is_none, 0, 2);
#ifdef O_PATH
    tcase_add_test(tc, where_new_cannot_be_synced_nothing_is_delivered);
#endif
    tcase_add_loop_test(tc, syncfs_is_trusted_where_it_tells_of_errors, 0,
                        COUNT(releases));
    tcase_add_test(tc, what_nobody_wrote_for_36_hours_is_swept_from_tmp);
    tcase_add_test(tc, a_tmp_that_cannot_be_read_is_not_swept);
}

static void add_open(Suite *suite)
{
    TCase *tc = add_case(suite, "open");

    tcase_add_test(
        tc, the_user_is_the_specifications_or_the_entrys_or_the_local_one);
    tcase_add_test(tc, a_specification_leaves_no_name_for_tls_behind);
    tcase_add_loop_test(tc, what_cannot_be_opened_is_told_before_connecting, 0,
                        COUNT(unopened));
}

Suite *files_suite(void)
{
    Suite *suite = suite_create("files");

    add_spec(suite);
    add_netrc(suite);
    add_sink(suite);
    add_maildir(suite);
    add_delivery(suite);
    add_batch(suite);
    add_open(suite);
    return suite;
}
