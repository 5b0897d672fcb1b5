/*
 * check_download.c - the suite over pop3_download: many messages, none lost
 * SPDX-License-Identifier: MIT
 *
 * Owns a folder of its own under $TMPDIR, new for each test, and a stream that
 * writes down what goes in which segment. What the server says is told before
 * the call (peer.c); where a whole mailbox is to be emptied, and the link may be
 * cut anywhere, a small server answers by itself. Not here: allocations that fail
 * (check_faults.c), the program (check_download.sh).
 */
#include "peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* ---- A stream that writes down what goes ---------------------------------- */

/* "LIST;UIDL;|RETR 1;|": a bar behind each segment. */
static char wire[1 << 20];
static size_t wire_len;

static int serves; /* the server answers by itself */
static void serve(char octet);

static void write_down(char octet)
{
    if (octet == '\r')
        return;
    if (wire_len + 1 == sizeof wire)
        ck_abort_msg("too much to write down");
    wire[wire_len++] = octet;
    wire[wire_len] = '\0';
}

static int64_t write_and_note(void *arg, const void *data, size_t size)
{
    const char *text = data;
    size_t i;

    (void)arg;
    for (i = 0; i < size; i++) {
        write_down(text[i] == '\n' ? ';' : text[i]);
        if (serves)
            serve(text[i]);
    }
    write_down('|');
    return (int64_t)size;
}

static void forget_wire(void)
{
    wire_len = 0;
    wire[0] = '\0';
}

/* The numbers of the commands of that name, each with a blank before it. */
static const char *asked(const char *verb)
{
    static char numbers[1 << 16];
    size_t len = 0, n = strlen(verb);
    const char *at = wire;

    numbers[0] = '\0';
    while ((at = strstr(at, verb)) != NULL) {
        at += n;
        len += (size_t)snprintf(numbers + len, sizeof numbers - len, "%.*s",
                                (int)strcspn(at, ";"), at);
    }
    return numbers;
}

/* ---- Sessions -------------------------------------------------------------- */

static const char pipelines[] = "+OK\r\nPIPELINING\r\nUIDL\r\n.\r\n";
static const char goes_one_by_one[] = "+OK\r\nUIDL\r\n.\r\n";

static int piped; /* the server's capability */
static int opened, closed;

static void count_closing(void *arg)
{
    (void)arg;
    closed++;
}

/* A line a segment: no server says what it was not asked for yet. */
static void says(const char *lines)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");

        n += lines[n] == '\n';
        peer_says_bytes(lines, n);
        lines += n;
    }
}

static void connect_anew(void)
{
    pop3_stream stream = {.read = peer_stream.read,
                          .write = write_and_note,
                          .wait = peer_stream.wait,
                          .close = count_closing,
                          .is_private = 1};

    pop3_close(c);
    peer_reset();
    says("+OK ready\r\n");
    opened++;
    ck_assert_int_eq(pop3_connect_stream(c, &stream, NULL, "mail", 0), POP3_OK);
}

/* Connected to a server whose capabilities are known. */
static void begin_session(void)
{
    pop3_capas *capas;
    int before = serves;

    serves = 0;
    connect_anew();
    says(piped ? pipelines : goes_one_by_one);
    ck_assert_int_eq(pop3_capa(c, &capas), POP3_OK);
    pop3_capas_free(capas);
    forget_wire();
    serves = before;
}

static void check_usable(void)
{
    pop3_totals t;

    ck_assert_uint_eq(pop3_pending(c), 0);
    serves = 0;
    forget_wire();
    says("+OK 2 320\r\n");
    ck_assert_int_eq(pop3_stat(c, &t), POP3_OK);
    ck_assert_uint_eq(t.octets, 320);
    ck_assert_str_eq(wire, "STAT;|");
}

/* ---- What is downloaded, and what came of it -------------------------------- */

static char folder[256];
static pop3_maildir *maildir;
static pop3_stored *stored;
static pop3_plan *plan;
static pop3_downloaded done;
static char events[1 << 16]; /* "s1 r2 d1 ": outcome and number */
static size_t events_len;
static char uids[4096]; /* of the messages that were told of */
static int is_limited;  /* files are, so that Check cannot write its own */

static const char letters[] = {
    [POP3_OUTCOME_STORED] = 's',       [POP3_OUTCOME_REFUSED] = 'r',
    [POP3_OUTCOME_NOT_STORED] = 'n',   [POP3_OUTCOME_DELETED] = 'd',
    [POP3_OUTCOME_DELE_REFUSED] = 'x', [POP3_OUTCOME_NO_UID] = 'u',
    [POP3_OUTCOME_DOUBTFUL] = 'm',
};

static void note_event(char what, uint64_t number)
{
    events_len += (size_t)snprintf(events + events_len,
                                   sizeof events - events_len, "%c%llu ", what,
                                   (unsigned long long)number);
    ck_assert_uint_lt(events_len, sizeof events);
}

static void take_outcome(void *arg, const pop3_message *m, pop3_outcome outcome)
{
    (void)arg;
    if (is_limited)
        return;
    note_event(letters[outcome], m->number);
    if (m->uid)
        ck_assert_uint_eq(strlen(m->uid), m->uid_length);
    if (strlen(uids) < sizeof uids - 100)
        snprintf(uids + strlen(uids), 100, "%.80s ", m->uid ? m->uid : "-");
    if (outcome == POP3_OUTCOME_REFUSED || outcome == POP3_OUTCOME_NOT_STORED ||
        outcome == POP3_OUTCOME_DELE_REFUSED)
        ck_assert_str_ne(pop3_error(c), "");
}

static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static unsigned n;
    char *path = paths[n++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void close_record(void)
{
    pop3_stored_close(stored);
    stored = NULL;
}

static void open_record(void)
{
    close_record();
    if (pop3_stored_open(c, maildir, "me", "mail.example", 110, &stored))
        ck_abort_msg("%s", pop3_error(c));
    pop3_plan_maildir(plan, maildir, stored);
}

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%s/check_download.XXXXXX",
             tmp && *tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    opened = closed = serves = 0;
    c = pop3_new();
    ck_assert_ptr_nonnull(c);
    plan = pop3_plan_new();
    ck_assert_ptr_nonnull(plan);
    pop3_plan_on_outcome(plan, take_outcome, NULL);
    ck_assert_int_eq(pop3_maildir_open(c, in_folder("mail"), &maildir),
                     POP3_OK);
    pop3_plan_maildir(plan, maildir, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void tear_down(void)
{
    close_record();
    pop3_maildir_close(maildir);
    pop3_plan_free(plan);
    pop3_free(c);
    c = NULL;
    ck_assert_int_eq(closed, opened);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static pop3_code download(void)
{
    pop3_code rc;

    memset(&done, 0x55, sizeof done);
    events_len = 0;
    events[0] = uids[0] = '\0';
    rc = pop3_download(c, plan, &done);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_int_eq(pop3_error_code(c), rc);
    return rc;
}

static void add_count(char *out, const char *what, uint64_t n)
{
    if (n)
        snprintf(out + strlen(out), 40, "%s %llu, ", what,
                 (unsigned long long)n);
}

/* What is not zero in the result, but for octets. */
static const char *result(void)
{
    static char text[400];

    text[0] = '\0';
    add_count(text, "stored", done.messages);
    add_count(text, "known", done.known);
    add_count(text, "deleted", done.deleted);
    add_count(text, "refused", done.refused);
    add_count(text, "not stored", done.not_stored);
    add_count(text, "DELE refused", done.dele_refused);
    add_count(text, "no UID", done.no_uid);
    add_count(text, "skipped", done.skipped);
    add_count(text, "quit", (uint64_t)done.quit);
    return text;
}

static void keep(void)
{
    pop3_plan_delete(plan, 0);
    pop3_plan_quit(plan, 1);
}

static void delete_all(void)
{
    pop3_plan_delete(plan, 1);
    pop3_plan_quit(plan, 1);
}

/* ---- Messages ---------------------------------------------------------------- */

/* The n-th, as on the wire, with a dot stuffed, or as it is stored. */
static const char *text_of(unsigned n, const char *dot, const char *eol)
{
    static char texts[4][128];
    static unsigned turn;
    char *text = texts[turn++ % 4];

    snprintf(text, sizeof texts[0], "Subject: %u%s%s%s.and body %u%s", n, eol,
             eol, dot, n, eol);
    return text;
}

static size_t octets_of(unsigned n)
{
    return strlen(text_of(n, "", "\r\n"));
}

static const char *retr_reply(unsigned n)
{
    static char reply[256];

    snprintf(reply, sizeof reply, "+OK\r\n%s.\r\n", text_of(n, ".", "\r\n"));
    return reply;
}

static void says_list(unsigned n)
{
    char row[64];
    unsigned i;

    says("+OK\r\n");
    for (i = 1; i <= n; i++) {
        snprintf(row, sizeof row, "%u %zu\r\n", i, octets_of(i));
        says(row);
    }
    says(".\r\n");
}

static void says_uidl(unsigned n)
{
    char row[64];
    unsigned i;

    says("+OK\r\n");
    for (i = 1; i <= n; i++) {
        snprintf(row, sizeof row, "%u uid-%u\r\n", i, i);
        says(row);
    }
    says(".\r\n");
}

static void says_message(unsigned n)
{
    says(retr_reply(n));
}

static void says_messages(unsigned first, unsigned last)
{
    for (; first <= last; first++)
        says_message(first);
}

static void says_oks(unsigned n)
{
    while (n--)
        says("+OK\r\n");
}

/* A session with that many messages, all well. */
static void says_all(unsigned n)
{
    says_list(n);
    says_uidl(n);
    says_messages(1, n);
}

static unsigned number_in(int at, const char *name)
{
    char text[256] = "";
    unsigned n;
    int fd = openat(at, name, O_RDONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(read(fd, text, sizeof text - 1), 0);
    close(fd);
    ck_assert_msg(sscanf(text, "Subject: %u", &n) == 1, "in a file: %s", text);
    ck_assert_str_eq(text, text_of(n, "", "\n"));
    return n;
}

enum { MOST = 4096 };

/* The messages in a folder of the Maildir, each of which must be whole: how often
 * each, as " 1 2 2x2", ascending. */
static const char *messages_in(const char *where)
{
    static char list[1 << 16];
    unsigned times[MOST] = {0}, n;
    DIR *dir = opendir(in_folder(where));
    struct dirent *entry;
    size_t len = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') {
            n = number_in(dirfd(dir), entry->d_name);
            ck_assert_uint_lt(n, MOST);
            times[n]++;
        }
    closedir(dir);
    list[0] = '\0';
    for (n = 0; n < MOST; n++)
        if (times[n])
            len += (size_t)snprintf(list + len, sizeof list - len,
                                    times[n] > 1 ? " %ux%u" : " %u", n,
                                    times[n]);
    return list;
}

static void check_stored(const char *numbers)
{
    ck_assert_str_eq(messages_in("mail/new"), numbers);
    ck_assert_str_eq(messages_in("mail/tmp"), "");
}

/* Another session into the same Maildir with the same record, of a server that
 * has those messages: what it fetches, without deleting. */
static void check_next_run_fetches(unsigned n, const char *numbers)
{
    const char *at = numbers;

    open_record();
    keep();
    begin_session();
    says_list(n);
    says_uidl(n);
    for (; *at; at += strcspn(at + 1, " ") + 1)
        says_message((unsigned)atoi(at));
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(asked("RETR"), numbers);
}

/* ---- The order on the wire --------------------------------------------------- */

START_TEST(three_messages_go_in_three_segments)
{
    open_record();
    delete_all();
    piped = 1;
    begin_session();
    says("+OK\r\n+OK\r\n");
    ck_assert_int_eq(pop3_user(c, "me"), POP3_OK);
    ck_assert_int_eq(pop3_pass(c, "secret"), POP3_OK);
    forget_wire();
    says(pipelines);
    says_all(3);
    says_oks(4);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(wire, "CAPA;LIST;UIDL;|RETR 1;RETR 2;RETR 3;|"
                           "DELE 1;DELE 2;DELE 3;QUIT;|");
    ck_assert_str_eq(result(), "stored 3, deleted 3, quit 1, ");
    ck_assert_uint_eq(done.octets, 3 * octets_of(1));
    ck_assert_str_eq(events, "s1 s2 s3 d1 d2 d3 ");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    check_stored(" 1 2 3");
}
END_TEST

START_TEST(without_pipelining_each_command_waits_for_its_answer)
{
    open_record();
    delete_all();
    piped = 0;
    begin_session();
    says_all(2);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(wire,
                     "LIST;|UIDL;|RETR 1;|RETR 2;|DELE 1;|DELE 2;|QUIT;|");
    ck_assert_str_eq(result(), "stored 2, deleted 2, quit 1, ");
    check_stored(" 1 2");
}
END_TEST

/* Nobody asked for the capabilities, and nobody is told of UIDs. */
START_TEST(what_the_server_can_do_is_asked_for_first)
{
    pop3_plan_on_outcome(plan, NULL, NULL);
    connect_anew();
    forget_wire();
    says(pipelines);
    says_all(2);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(wire, "CAPA;|LIST;UIDL;|RETR 1;RETR 2;|");
    check_stored(" 1 2");
}
END_TEST

START_TEST(without_quit_and_deletion_the_session_goes_on)
{
    piped = _i;
    begin_session();
    says_all(2);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, ");
    ck_assert_str_eq(asked("DELE"), "");
    ck_assert_ptr_null(strstr(wire, "QUIT"));
    check_stored(" 1 2");
    check_usable();
}
END_TEST

START_TEST(an_empty_mailbox_is_listed_and_left)
{
    piped = 1;
    open_record();
    delete_all();
    begin_session();
    says_all(0);
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(wire, "LIST;UIDL;|QUIT;|");
    ck_assert_str_eq(result(), "quit 1, ");
    check_stored("");
}
END_TEST

/* ---- What is refused before anything goes ------------------------------------ */

START_TEST(a_plan_has_to_say_where_to)
{
    pop3_plan *empty = pop3_plan_new();

    begin_session();
    ck_assert_int_eq(pop3_download(c, empty, &done), POP3_ERROR_ARGUMENT);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_str_eq(result(), "");
    ck_assert_str_eq(wire, "");
    pop3_plan_free(empty);
    pop3_plan_free(NULL);
    check_usable();
}
END_TEST

START_TEST(it_wants_a_connection_with_nothing_queued)
{
    ck_assert_int_eq(download(), POP3_ERROR_STATE);
    ck_assert_str_eq(result(), "");
    begin_session();
    ck_assert_int_eq(pop3_queue_noop(c, NULL), POP3_OK);
    ck_assert_int_eq(pop3_download(c, plan, &done), POP3_ERROR_STATE);
    ck_assert_uint_eq(pop3_pending(c), 1);
    says("+OK\r\n");
    ck_assert_int_eq(pop3_next_reply(c, NULL), POP3_OK);
    check_usable();
}
END_TEST

START_TEST(a_number_counts_from_one)
{
    ck_assert_int_eq(pop3_plan_number(plan, 0), POP3_ERROR_ARGUMENT);
}
END_TEST

/* ---- Selection ---------------------------------------------------------------- */

static char selected[256]; /* what select was asked */

static int wants_odd(void *arg, const pop3_message *m)
{
    (void)arg;
    ck_assert_uint_eq(m->octets, m->number * 10);
    ck_assert_uint_eq(strlen(m->uid), m->uid_length);
    snprintf(selected + strlen(selected), 40, " %llu:%s",
             (unsigned long long)m->number, m->uid);
    return m->number % 2 == 1;
}

/* Of messages 1 to 5 with 10 to 50 octets. */
static const struct {
    uint64_t numbers[8];
    uint64_t newest, max_octets;
    int odd;
    const char *fetched;
    const char *asked; /* for */
} selections[] = {
    {{0}, 0, 0, 0, " 1 2 3 4 5", ""},
    {{3}, 0, 0, 0, " 3", ""},
    {{4, 2, 4, 2}, 0, 0, 0, " 2 4", ""},
    {{9, 5, 6, UINT64_MAX}, 0, 0, 0, " 5", ""},
    {{7}, 0, 0, 0, "", ""},
    {{0}, 2, 0, 0, " 4 5", ""},
    {{0}, 5, 0, 0, " 1 2 3 4 5", ""},
    {{0}, 6, 0, 0, " 1 2 3 4 5", ""},
    {{0}, UINT64_MAX, 0, 0, " 1 2 3 4 5", ""},
    {{0}, 0, 30, 0, " 1 2 3", ""},
    {{0}, 0, 29, 0, " 1 2", ""},
    {{0}, 0, 9, 0, "", ""},
    {{0}, 0, UINT64_MAX, 0, " 1 2 3 4 5", ""},
    {{0}, 0, 0, 1, " 1 3 5", " 1:a 2:b 3:c 4:d 5:e"},
    {{1, 2, 3}, 2, 0, 0, " 2 3", ""},
    {{1, 5, 3, 9}, 2, 0, 0, " 3 5", ""},
    {{1, 3}, 4, 0, 0, " 1 3", ""},
    {{0}, 3, 40, 0, " 3 4", ""},
    {{0}, 3, 40, 1, " 3", " 3:c 4:d"},
    {{5, 4, 3, 2}, 3, 40, 1, " 3", " 3:c 4:d"},
};

START_TEST(what_is_wanted_is_fetched_and_nothing_else)
{
    const char *at;
    size_t i;

    piped = _i % 2;
    _i /= 2;
    for (i = 0; i < 8 && selections[_i].numbers[i]; i++)
        ck_assert_int_eq(pop3_plan_number(plan, selections[_i].numbers[i]),
                         POP3_OK);
    pop3_plan_newest(plan, selections[_i].newest);
    pop3_plan_max_octets(plan, selections[_i].max_octets);
    if (selections[_i].odd)
        pop3_plan_on_select(plan, wants_odd, NULL);
    selected[0] = '\0';
    delete_all();
    begin_session();
    says("+OK\r\n1 10\r\n2 20\r\n3 30\r\n4 40\r\n5 50\r\n.\r\n"
         "+OK\r\n1 a\r\n2 b\r\n3 c\r\n4 d\r\n5 e\r\n.\r\n");
    for (at = selections[_i].fetched; *at; at += 2)
        says_message((unsigned)atoi(at));
    says_oks(6);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(asked("RETR"), selections[_i].fetched);
    ck_assert_str_eq(asked("DELE"), selections[_i].fetched);
    ck_assert_str_eq(selected, selections[_i].asked);
    check_stored(selections[_i].fetched);
}
END_TEST

START_TEST(a_plan_can_be_used_again)
{
    unsigned i;

    ck_assert_int_eq(pop3_plan_number(plan, 2), POP3_OK);
    for (i = 0; i < 2; i++) {
        begin_session();
        says_list(3);
        says_uidl(3);
        says_message(2);
        ck_assert_int_eq(download(), POP3_OK);
        ck_assert_str_eq(asked("RETR"), " 2");
    }
    check_stored(" 2x2");
}
END_TEST

/* A known message that is not selected stays where it is. */
START_TEST(what_is_not_wanted_is_not_deleted_either)
{
    check_next_run_fetches(3, " 1 2 3");
    delete_all();
    pop3_plan_newest(plan, 1);
    begin_session();
    says_list(3);
    says_uidl(3);
    says_oks(2);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(asked("DELE"), " 3");
    ck_assert_str_eq(result(), "known 1, deleted 1, quit 1, ");
    pop3_plan_newest(plan, 0);
    check_next_run_fetches(2, "");
}
END_TEST

/* ---- Refusals ------------------------------------------------------------------ */

START_TEST(one_message_refused_holds_back_no_other)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_list(3);
    says_uidl(3);
    says_message(1);
    says("-ERR [SYS/TEMP] not now\r\n");
    says_message(3);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, deleted 2, refused 1, quit 1, ");
    ck_assert_str_eq(asked("DELE"), " 1 3");
    ck_assert_str_eq(events, "r2 s1 s3 d1 d3 ");
    ck_assert_str_eq(uids, "uid-2 uid-1 uid-3 uid-1 uid-3 ");
    check_stored(" 1 3");
    check_next_run_fetches(3, " 1 2 3"); /* the server has new ones */
}
END_TEST

START_TEST(where_dele_is_refused_the_next_run_deletes)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_all(3);
    says("+OK\r\n-ERR no\r\n+OK\r\n+OK\r\n");
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 3, deleted 2, DELE refused 1, quit 1, ");
    ck_assert_str_eq(events, "s1 s2 s3 d1 x2 d3 ");
    open_record();
    begin_session();
    says("+OK\r\n1 20\r\n2 20\r\n.\r\n+OK\r\n1 uid-2\r\n2 uid-4\r\n.\r\n");
    says_oks(piped ? 1 : 0); /* DELE 1 goes along with RETR 2 */
    says_message(4);
    says_oks(piped ? 2 : 3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 1, known 1, deleted 2, quit 1, ");
    ck_assert_str_eq(asked("RETR"), " 2");
    ck_assert_str_eq(asked("DELE"), " 1 2");
    check_stored(" 1 2 3 4");
}
END_TEST

START_TEST(where_quit_is_refused_nothing_is_forgotten)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_all(2);
    says("+OK\r\n+OK\r\n-ERR some messages not removed\r\n");
    ck_assert_int_eq(download(), POP3_ERROR_PROTO);
    ck_assert_str_eq(result(), "stored 2, deleted 2, ");
    ck_assert_int_eq(pop3_state(c), POP3_STATE_CLOSED);
    check_next_run_fetches(2, "");
    ck_assert_str_eq(result(), "known 2, quit 1, ");
}
END_TEST

START_TEST(where_list_is_refused_nothing_happens)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says("-ERR no list\r\n");
    says_uidl(2);
    ck_assert_int_eq(download(), POP3_ERROR_PROTO);
    ck_assert_str_eq(result(), "");
    ck_assert_str_eq(asked("RETR"), "");
    if (_i)
        check_usable();
}
END_TEST

static const char unknown_command[] = "-ERR unknown command\r\n";
static const char later[] = "-ERR [SYS/TEMP] try again\r\n";

START_TEST(without_uidl_nobody_knows_what_is_new)
{
    piped = _i % 2;
    open_record();
    begin_session();
    says_list(2);
    says(_i < 2 ? unknown_command : later);
    ck_assert_int_eq(download(), POP3_ERROR_PROTO);
    ck_assert_str_eq(result(), "");
    ck_assert_str_eq(asked("RETR"), "");
    check_usable();
}
END_TEST

START_TEST(without_uidl_all_can_be_fetched_and_deleted)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_list(2);
    says(unknown_command);
    says_messages(1, 2);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, deleted 2, quit 1, ");
    ck_assert_str_eq(uids, "- - - - ");
    check_stored(" 1 2");
}
END_TEST

/* Else what an earlier run stored would be fetched again. */
START_TEST(where_uidl_is_refused_for_now_it_is_tried_later)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_list(2);
    says(later);
    ck_assert_int_eq(download(), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_SYS_TEMP);
    ck_assert_str_eq(result(), "");
    check_usable();
}
END_TEST

/* UIDL's answer is read, too, but it is not what the caller asks about. */
START_TEST(what_list_is_refused_with_is_what_is_told)
{
    piped = _i;
    begin_session();
    says(later);
    if (piped)
        says_uidl(2);
    ck_assert_int_eq(download(), POP3_ERROR_PROTO);
    ck_assert_int_eq(pop3_resp(c), POP3_RESP_SYS_TEMP);
    ck_assert_str_eq(pop3_reply(c, NULL), "-ERR [SYS/TEMP] try again");
    check_usable();
}
END_TEST

START_TEST(where_nothing_depends_on_uidl_its_refusal_is_nothing)
{
    piped = _i;
    begin_session();
    says_list(1);
    says(later);
    says_message(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 1, ");
    check_stored(" 1");
}
END_TEST

/* ---- Listings that are strange --------------------------------------------------- */

START_TEST(a_list_in_any_order_with_doubles_and_bad_rows_is_used)
{
    piped = _i;
    delete_all();
    begin_session();
    says("+OK\r\n3 30\r\nbad\r\n1 20\r\n3 30\r\n0 20\r\n2\r\n.\r\n");
    says_uidl(3);
    says_message(1);
    says_message(3);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, deleted 2, skipped 3, quit 1, ");
    ck_assert_str_eq(asked("RETR"), " 1 3");
    ck_assert_str_eq(asked("DELE"), " 1 3");
    check_stored(" 1 3");
}
END_TEST

/* Nobody knows whether the one left out is new. */
START_TEST(with_keep_what_uidl_leaves_out_is_not_fetched)
{
    piped = _i;
    open_record();
    keep();
    begin_session();
    says_list(3);
    says("+OK\r\n1 uid-1\r\n3 uid-3\r\n.\r\n");
    says_message(1);
    says_message(3);
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, no UID 1, quit 1, ");
    ck_assert_str_eq(events, "u2 s1 s3 ");
    check_stored(" 1 3");
    check_next_run_fetches(3, " 2");
    check_stored(" 1 2 3");
}
END_TEST

START_TEST(with_deletion_what_uidl_leaves_out_is_fetched_and_deleted)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_list(3);
    says("+OK\r\n1 uid-1\r\n3 uid-3\r\n.\r\n");
    says_messages(1, 3);
    says_oks(4);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 3, deleted 3, quit 1, ");
    check_stored(" 1 2 3");
}
END_TEST

/* A listing that is no whole one, after which nothing may be forgotten. */
static const struct {
    const char *list, *uidl;
} odd_listings[] = {
    {"2 20\r\n", "1 uid-1\r\n2 uid-2\r\n"}, /* more than LIST */
    {"2 20\r\n", "2 uid-2\r\nbad\r\n"},     {"2 20\r\nbad\r\n", "2 uid-2\r\n"},
    {"2 20\r\n", "2 uid-2\r\n2 uid-1\r\n"}, /* the second of them is lost */
    {"1 20\r\n2 20\r\n", "2 uid-2\r\n"},
};

START_TEST(after_a_strange_listing_nothing_is_forgotten)
{
    piped = _i % 2;
    _i /= 2;
    check_next_run_fetches(2, " 1 2");
    open_record();
    begin_session();
    says("+OK\r\n");
    says(odd_listings[_i].list);
    says(".\r\n+OK\r\n");
    says(odd_listings[_i].uidl);
    says(".\r\n+OK\r\n");
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(asked("RETR"), "");
    check_next_run_fetches(2, "");
    check_stored(" 1 2");
}
END_TEST

START_TEST(after_a_whole_listing_what_is_gone_is_forgotten)
{
    check_next_run_fetches(2, " 1 2");
    check_next_run_fetches(1, "");
    check_next_run_fetches(2, " 2");
    check_stored(" 1 2x2");
}
END_TEST

/* RFC 1939, 7: equal messages may share one. */
START_TEST(of_equal_uids_so_many_are_known_as_were_stored)
{
    piped = _i;
    open_record();
    keep();
    begin_session();
    says("+OK\r\n1 20\r\n.\r\n+OK\r\n1 same\r\n.\r\n");
    says_message(1);
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    open_record();
    begin_session();
    says("+OK\r\n1 20\r\n2 20\r\n3 20\r\n.\r\n"
         "+OK\r\n1 same\r\n2 same\r\n3 same\r\n.\r\n");
    says_messages(2, 3);
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, known 1, quit 1, ");
    open_record();
    delete_all();
    begin_session();
    says("+OK\r\n1 20\r\n2 20\r\n3 20\r\n.\r\n"
         "+OK\r\n1 same\r\n2 same\r\n3 same\r\n.\r\n");
    says_oks(4);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "known 3, deleted 3, quit 1, ");
    check_stored(" 1 2 3");
}
END_TEST

START_TEST(a_uid_that_was_deleted_may_be_given_again)
{
    unsigned run;

    open_record();
    delete_all();
    for (run = 1; run <= 2; run++) {
        begin_session();
        says("+OK\r\n1 20\r\n.\r\n+OK\r\n1 again\r\n.\r\n");
        says_message(run);
        says_oks(2);
        ck_assert_int_eq(download(), POP3_OK);
        ck_assert_str_eq(result(), "stored 1, deleted 1, quit 1, ");
    }
    check_stored(" 1 2");
}
END_TEST

START_TEST(uids_that_changed_are_new_messages)
{
    check_next_run_fetches(1, " 1");
    open_record();
    begin_session();
    says("+OK\r\n1 20\r\n.\r\n+OK\r\n1 renamed\r\n.\r\n");
    says_message(1);
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 1, quit 1, ");
    check_stored(" 1x2");
}
END_TEST

/* It could not be written down, and would be fetched again and again. */
START_TEST(a_uid_that_is_too_long_is_none)
{
    char uid[3000];

    memset(uid, 'u', sizeof uid - 1);
    uid[sizeof uid - 1] = '\0';
    open_record();
    keep();
    begin_session();
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_REPLY, 8192), POP3_OK);
    says_list(2);
    says("+OK\r\n1 ");
    says(uid);
    says("\r\n2 uid-2\r\n.\r\n");
    says_message(2);
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 1, no UID 1, skipped 1, quit 1, ");
    check_stored(" 2");
}
END_TEST

/* They come back where the session ends without QUIT. */
START_TEST(what_is_marked_only_is_not_forgotten)
{
    piped = _i;
    open_record();
    pop3_plan_delete(plan, 1);
    begin_session();
    says_all(2);
    says_oks(2);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, deleted 2, ");
    says_list(0);
    says_uidl(0);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "");
    check_next_run_fetches(2, "");
    check_stored(" 1 2");
}
END_TEST

/* ---- Progress ----------------------------------------------------------------------- */

static pop3_progress last_progress;
static unsigned reports, stop_at;

static int watch(void *arg, const pop3_progress *p)
{
    (void)arg;
    ck_assert_uint_ge(p->messages, last_progress.messages);
    ck_assert_uint_ge(p->octets, last_progress.octets);
    last_progress = *p;
    return ++reports == stop_at;
}

static void watch_progress(unsigned stop)
{
    memset(&last_progress, 0, sizeof last_progress);
    reports = 0;
    stop_at = stop;
    pop3_plan_on_progress(plan, watch, NULL);
}

START_TEST(progress_only_grows_and_ends_with_all)
{
    piped = _i % 2;
    watch_progress(0);
    begin_session();
    if (_i > 1)
        peer_chunk(3);
    says_all(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_uint_eq(last_progress.messages, 3);
    ck_assert_uint_eq(last_progress.octets, 3 * octets_of(1));
    ck_assert_uint_eq(last_progress.all_messages, 3);
    ck_assert_uint_eq(last_progress.all_octets, 3 * octets_of(1));
    ck_assert_uint_ge(reports, _i > 1 ? 30 : 6);
}
END_TEST

START_TEST(stopped_without_quit_the_session_goes_on)
{
    piped = _i;
    watch_progress(1);
    begin_session();
    says_list(3);
    says_uidl(3);
    says_messages(1, _i ? 3 : 1);
    ck_assert_int_eq(download(), POP3_ERROR_STOPPED);
    ck_assert_uint_eq(done.messages, _i ? 3 : 1);
    ck_assert_str_eq(asked("DELE"), "");
    check_stored(_i ? " 1 2 3" : " 1");
    check_usable();
}
END_TEST

/* ---- A descriptor --------------------------------------------------------------------- */

static int fd;

static void into_file(int flags, pop3_line_end ends)
{
    fd = open(in_folder("file"), O_RDWR | O_CREAT | flags, 0600);
    ck_assert_int_ge(fd, 0);
    pop3_plan_fd(plan, fd, ends);
}

static void check_file(const char *want)
{
    char text[4096] = "";
    int in = open(in_folder("file"), O_RDONLY);

    ck_assert_int_ge(in, 0);
    ck_assert_int_ge(read(in, text, sizeof text - 1), 0);
    close(in);
    close(fd);
    ck_assert_str_eq(text, want);
}

START_TEST(a_descriptor_gets_one_message_behind_the_other)
{
    const char *eol = _i > 1 ? "\n" : "\r\n";
    char want[512];

    piped = _i % 2;
    into_file(0, _i > 1 ? POP3_LF : POP3_CRLF);
    delete_all();
    begin_session();
    says_all(2);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, deleted 2, quit 1, ");
    snprintf(want, sizeof want, "%s%s", text_of(1, "", eol),
             text_of(2, "", eol));
    check_file(want);
}
END_TEST

START_TEST(a_pipe_is_a_descriptor_too)
{
    char got[512] = "", want[512];
    int ends[2];

    piped = _i;
    ck_assert_int_eq(pipe(ends), 0);
    pop3_plan_fd(plan, ends[1], POP3_LF);
    delete_all();
    begin_session();
    says_all(2);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    close(ends[1]);
    ck_assert_int_gt(read(ends[0], got, sizeof got - 1), 0);
    close(ends[0]);
    snprintf(want, sizeof want, "%s%s", text_of(1, "", "\n"),
             text_of(2, "", "\n"));
    ck_assert_str_eq(got, want);
    ck_assert_str_eq(result(), "stored 2, deleted 2, quit 1, ");
}
END_TEST

START_TEST(a_broken_pipe_is_an_error_and_the_session_goes_on)
{
    int ends[2];

    piped = _i;
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    pop3_plan_fd(plan, ends[1], POP3_LF);
    pop3_plan_delete(plan, 1);
    begin_session();
    says_all(2);
    ck_assert_int_eq(download(), POP3_ERROR_IO);
    close(ends[1]);
    ck_assert_str_eq(asked("DELE"), "");
    ck_assert_uint_ge(done.not_stored, 1);
    ck_assert_uint_eq(done.messages, 0);
    if (_i)
        check_usable();
}
END_TEST

/* What was there before stays, whatever way the descriptor writes. */
START_TEST(half_a_message_is_taken_away_again_from_a_file)
{
    char want[512];

    piped = _i % 2;
    into_file(0, POP3_CRLF);
    ck_assert_int_eq(write(fd, "before\n", 7), 7);
    if (_i > 1) {
        close(fd);
        into_file(O_APPEND, POP3_CRLF);
    }
    begin_session();
    says_list(2);
    says_uidl(2);
    says_message(1);
    says("+OK\r\nSubject: 2\r\n\r\nhalf");
    peer_closes();
    ck_assert_int_eq(download(), POP3_ERROR_CLOSED);
    ck_assert_str_eq(result(), "stored 1, ");
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), lseek(fd, 0, SEEK_END));
    snprintf(want, sizeof want, "before\n%s", text_of(1, "", "\r\n"));
    check_file(want);
}
END_TEST

START_TEST(what_stands_behind_in_a_file_is_not_cut_off)
{
    into_file(0, POP3_CRLF);
    ck_assert_int_eq(write(fd, "before and behind\n", 18), 18);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    begin_session();
    says_list(1);
    says_uidl(1);
    says("+OK\r\nhalf");
    peer_closes();
    ck_assert_int_eq(download(), POP3_ERROR_CLOSED);
    check_file("before and behind\n");
}
END_TEST

START_TEST(a_file_has_nothing_of_doubtful_messages)
{
    piped = 1;
    into_file(0, POP3_LF);
    delete_all();
    begin_session();
    says_list(3);
    says_uidl(3);
    says_message(1);
    says_message(2);
    says("a line of 1\r\n.\r\n");
    ck_assert_int_eq(download(), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_out_of_step(c), 1);
    ck_assert_str_eq(result(), "");
    check_file("");
}
END_TEST

/* ---- A caller's functions ---------------------------------------------------------------- */

enum { NEVER, AT_BEGIN, AT_SLICE, AT_END, AT_SYNC };

static struct {
    int fails; /* where, at the message of that number */
    uint64_t number;
    uint64_t now;
    char calls[512];  /* "b1 e1 S ": begin, end, drop, sync */
    char text[1024];  /* of what was whole */
    char piece[1024]; /* in the making */
    int dele_before_sync;
} place;

static void note_call(char what)
{
    snprintf(place.calls + strlen(place.calls), 40, "%c%llu ", what,
             (unsigned long long)place.now);
}

static int fails_at(int where)
{
    return place.fails == where && place.now == place.number ? 7 : 0;
}

static int place_begin(void *arg, const pop3_message *m)
{
    char uid[32];

    ck_assert_ptr_eq(arg, &place);
    place.now = m->number;
    snprintf(uid, sizeof uid, "uid-%llu", (unsigned long long)m->number);
    ck_assert_str_eq(m->uid, uid);
    ck_assert_uint_eq(m->uid_length, strlen(uid));
    ck_assert_uint_eq(m->octets, octets_of(1));
    note_call('b');
    place.piece[0] = '\0';
    return fails_at(AT_BEGIN);
}

static int place_slice(void *arg, const char *data, size_t length)
{
    (void)arg;
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_lt(strlen(place.piece) + length, sizeof place.piece);
    strncat(place.piece, data, length);
    return fails_at(AT_SLICE);
}

static int place_end(void *arg, int whole)
{
    (void)arg;
    note_call(whole ? 'e' : 'd');
    if (whole && !fails_at(AT_END))
        memcpy(place.text + strlen(place.text), place.piece,
               strlen(place.piece) + 1);
    return whole ? fails_at(AT_END) : 0;
}

static int place_sync(void *arg)
{
    (void)arg;
    strcat(place.calls, "S ");
    place.dele_before_sync |= strstr(wire, "DELE") != NULL;
    return place.fails == AT_SYNC ? -1 : 0;
}

static const pop3_sink whole_sink = {place_begin, place_slice, place_end,
                                     place_sync};
static const pop3_sink least_sink = {NULL, place_slice, place_end, NULL};

static void into_place(const pop3_sink *sink, int fails, uint64_t number)
{
    pop3_sink copy = *sink;

    memset(&place, 0, sizeof place);
    place.fails = fails;
    place.number = number;
    pop3_plan_sink(plan, &copy, &place);
    memset(&copy, 0, sizeof copy);
}

START_TEST(a_sink_gets_each_message_whole_and_syncs_before_any_deletion)
{
    char want[512];

    piped = _i % 2;
    into_place(&whole_sink, NEVER, 0);
    delete_all();
    begin_session();
    if (_i > 1)
        peer_chunk(1);
    says_all(2);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(place.calls, "b1 e1 b2 e2 S ");
    ck_assert_int_eq(place.dele_before_sync, 0);
    snprintf(want, sizeof want, "%s%s", text_of(1, "", "\r\n"),
             text_of(2, "", "\r\n"));
    ck_assert_str_eq(place.text, want);
    ck_assert_str_eq(result(), "stored 2, deleted 2, quit 1, ");
}
END_TEST

START_TEST(a_sink_may_do_without_begin_and_sync)
{
    piped = _i;
    into_place(&least_sink, NEVER, 0);
    begin_session();
    says_all(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(place.text, text_of(1, "", "\r\n"));
    ck_assert_str_eq(place.calls, "e0 ");
    check_usable();
}
END_TEST

static const struct {
    int fails;
    const char *calls;
} failing_sinks[] = {
    {AT_BEGIN, "b1 e1 b2 b3 e3 S "},
    {AT_SLICE, "b1 e1 b2 d2 b3 e3 S "},
    {AT_END, "b1 e1 b2 e2 b3 e3 S "},
};

START_TEST(a_message_that_a_sink_does_not_take_holds_back_no_other)
{
    piped = _i % 2;
    _i /= 2;
    into_place(&whole_sink, failing_sinks[_i].fails, 2);
    delete_all();
    begin_session();
    says_all(3);
    says_oks(3);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(place.calls, failing_sinks[_i].calls);
    ck_assert_str_eq(result(), "stored 2, deleted 2, not stored 1, quit 1, ");
    ck_assert_str_eq(events, "n2 s1 s3 d1 d3 ");
    ck_assert_str_eq(asked("DELE"), " 1 3");
}
END_TEST

START_TEST(where_a_sink_cannot_sync_nothing_is_deleted)
{
    piped = _i;
    into_place(&whole_sink, AT_SYNC, 0);
    delete_all();
    begin_session();
    says_all(2);
    says_oks(1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(asked("DELE"), "");
    ck_assert_str_eq(result(), "not stored 2, quit 1, ");
}
END_TEST

START_TEST(a_sink_is_told_of_a_message_that_is_cut_off)
{
    piped = _i;
    into_place(&whole_sink, NEVER, 0);
    delete_all();
    begin_session();
    says_list(2);
    says_uidl(2);
    says_message(1);
    says("+OK\r\nhalf");
    peer_closes();
    ck_assert_int_eq(download(), POP3_ERROR_CLOSED);
    ck_assert_str_eq(place.calls, "b1 e1 b2 d2 S ");
    ck_assert_str_eq(result(), "stored 1, ");
}
END_TEST

/* ---- Answers out of step ------------------------------------------------------------------- */

/* A server that begins the second answer within the first: what came is no
 * message, and the rest of the first is no reply. */
static void says_out_of_step(void)
{
    says("+OK\r\nSubject: 1\r\n\r\n");
    says_message(2);
    says(".and body 1\r\n.\r\n");
    says_message(3);
}

START_TEST(nothing_doubtful_is_stored_or_deleted)
{
    piped = 1;
    open_record();
    if (_i)
        delete_all();
    else
        keep();
    begin_session();
    says_list(3);
    says_uidl(3);
    says_out_of_step();
    ck_assert_int_eq(download(), POP3_ERROR_MALFORMED);
    ck_assert_int_eq(pop3_out_of_step(c), 1);
    ck_assert_str_eq(result(), "");
    ck_assert_str_eq(events, "m1 ");
    ck_assert_str_eq(asked("DELE"), "");
    check_stored("");
    piped = 0;
    check_next_run_fetches(3, " 1 2 3");
    check_stored(" 1 2 3");
}
END_TEST

START_TEST(what_is_doubtful_is_never_synced)
{
    piped = 1;
    into_place(&whole_sink, NEVER, 0);
    delete_all();
    begin_session();
    says_list(3);
    says_uidl(3);
    says_out_of_step();
    ck_assert_int_eq(download(), POP3_ERROR_MALFORMED);
    ck_assert_ptr_null(strchr(place.calls, 'S'));
    ck_assert_str_eq(result(), "");
}
END_TEST

START_TEST(where_the_link_is_cut_what_has_come_whole_is_kept)
{
    piped = _i;
    open_record();
    keep();
    begin_session();
    says_list(3);
    says_uidl(3);
    says_message(1);
    says_message(2);
    peer_closes();
    ck_assert_int_eq(download(), POP3_ERROR_CLOSED);
    ck_assert_str_eq(events, "s1 s2 ");
    check_stored(" 1 2");
    piped = 0;
    check_next_run_fetches(3, " 3");
    check_stored(" 1 2 3");
}
END_TEST

/* Nobody can say then whether the reply behind would have been one; a message
 * without such a line is kept, and without PIPELINING any is. */
START_TEST(where_the_link_is_cut_a_message_with_a_reply_in_it_is_not_believed)
{
    piped = _i;
    open_record();
    keep();
    begin_session();
    says_list(3);
    says_uidl(3);
    says_message(1);
    if (piped)
        says("+OK\r\nSubject: 2\r\n\r\n");
    says_message(piped ? 3 : 2); /* the second, with the third's reply in it */
    peer_closes();
    ck_assert_int_eq(download(), POP3_ERROR_CLOSED);
    ck_assert_str_eq(events, piped ? "s1 m2 " : "s1 s2 ");
    check_stored(piped ? " 1" : " 1 2");
    piped = 0;
    check_next_run_fetches(3, _i ? " 2 3" : " 3");
    check_stored(" 1 2 3");
}
END_TEST

/* The reply that begins within a message may be a refusal, and the link's end a
 * wait that is over. */
START_TEST(a_refusal_within_a_message_casts_doubt_on_it)
{
    piped = 1;
    open_record();
    delete_all();
    begin_session();
    says_list(2);
    says_uidl(2);
    says("+OK\r\nSubject: 1\r\n\r\n-ERR [SYS/TEMP] not now\r\n.\r\n");
    ck_assert_int_eq(download(), POP3_ERROR_TIMEOUT);
    ck_assert_int_eq(pop3_out_of_step(c), 1);
    ck_assert_str_eq(events, "m1 ");
    ck_assert_str_eq(asked("DELE"), "");
    check_stored("");
}
END_TEST

START_TEST(a_line_that_is_too_long_for_a_reply_is_out_of_step_too)
{
    char line[5000];

    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    piped = 1;
    open_record();
    begin_session();
    says_list(2);
    says_uidl(2);
    says_message(1);
    says(line);
    says("\r\n.\r\n");
    ck_assert_int_eq(download(), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_out_of_step(c), 1);
    check_stored("");
    check_next_run_fetches(2, " 1 2");
}
END_TEST

/* A server that does not stuff dots ends a message in its middle. */
START_TEST(a_last_message_with_something_behind_it_is_doubtful)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_list(1);
    says_uidl(1);
    peer_says("+OK\r\nSubject: 1\r\n.\r\nand more\r\n.\r\n");
    ck_assert_int_eq(download(), POP3_ERROR_MALFORMED);
    ck_assert_str_eq(result(), "");
    ck_assert_str_eq(asked("DELE"), "");
    check_stored("");
    check_next_run_fetches(1, " 1");
}
END_TEST

/* It says nothing about the messages before, whose next reply began well. */
START_TEST(a_message_over_its_limit_casts_no_doubt)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 100), POP3_OK);
    says_list(3);
    says_uidl(3);
    says_messages(1, 2);
    says("+OK\r\n");
    says("many octets many octets many octets many octets\r\n");
    says("many octets many octets many octets many octets\r\n");
    says("many octets many octets many octets many octets\r\n.\r\n");
    ck_assert_int_eq(download(), POP3_ERROR_TOO_LONG);
    ck_assert_int_eq(pop3_out_of_step(c), 0);
    ck_assert_str_eq(result(), "stored 2, ");
    check_stored(" 1 2");
    ck_assert_int_eq(pop3_set_limit(c, POP3_LIMIT_BODY, 0), POP3_OK);
    check_next_run_fetches(3, " 3");
    check_stored(" 1 2 3");
}
END_TEST

/* ---- Disks ------------------------------------------------------------------------------------ */

static pop3_code download_where_files_end_at(rlim_t octets)
{
    struct rlimit before, limit;
    pop3_code rc;
    int limited, unlimited;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = octets;
    signal(SIGXFSZ, SIG_IGN);
    is_limited = 1;
    limited = setrlimit(RLIMIT_FSIZE, &limit);
    rc = pop3_download(c, plan, &done);
    unlimited = setrlimit(RLIMIT_FSIZE, &before);
    is_limited = 0;
    signal(SIGXFSZ, SIG_DFL);
    ck_assert(!limited && !unlimited);
    ck_assert_uint_eq(pop3_pending(c), 0);
    ck_assert_int_eq(pop3_error_code(c), rc);
    return rc;
}

/* Each of the first two is stored; the third is too large for the disk. */
START_TEST(a_full_disk_ends_it_and_what_was_stored_is_deleted)
{
    piped = _i;
    pop3_plan_delete(plan, 1);
    begin_session();
    says_list(4);
    says_uidl(4);
    says_messages(1, 2);
    says("+OK\r\nSubject: 3\r\n\r\n");
    says("more than there is room for, more than there is room for, "
         "more than there is room for, more than there is room for\r\n");
    says(".\r\n");
    if (_i)
        says_message(4);
    says_oks(_i ? 3 : 2);
    ck_assert_int_eq(download_where_files_end_at(64), POP3_ERROR_IO);
    ck_assert_str_ne(pop3_error(c), "");
    ck_assert_uint_eq(done.not_stored, 1);
    ck_assert_str_eq(asked("DELE"), _i ? " 1 2 4" : " 1 2");
    ck_assert_str_eq(asked("RETR"), _i ? " 1 2 3 4" : " 1 2 3");
    check_stored(_i ? " 1 2 4" : " 1 2");
    check_usable();
}
END_TEST

/* tmp/ or new/ is gone: at the first message, or when all are to be moved. */
START_TEST(a_folder_that_is_gone_is_an_error_and_nothing_is_deleted)
{
    const char *gone = in_folder(_i / 2 ? "mail/new" : "mail/tmp");

    piped = _i % 2;
    open_record();
    pop3_plan_delete(plan, 1);
    begin_session();
    says_all(2);
    ck_assert_int_eq(rmdir(gone), 0);
    ck_assert_int_eq(download(), POP3_ERROR_IO);
    ck_assert_str_eq(asked("DELE"), "");
    ck_assert_uint_eq(done.messages, 0);
    ck_assert_uint_ge(done.not_stored, 1);
    ck_assert_int_eq(mkdir(in_folder(_i / 2 ? "mail/new" : "mail/tmp"), 0700),
                     0);
    check_stored("");
    if (piped || _i / 2)
        check_usable();
    pop3_maildir_close(maildir);
    close_record();
    ck_assert_int_eq(pop3_maildir_open(c, in_folder("mail"), &maildir),
                     POP3_OK);
    check_next_run_fetches(2, " 1 2");
    check_stored(" 1 2");
}
END_TEST

/* The messages fit, the record does not. */
START_TEST(what_cannot_be_recorded_is_not_stored)
{
    piped = _i;
    open_record();
    pop3_plan_delete(plan, 1);
    begin_session();
    says_all(2);
    ck_assert_int_eq(download_where_files_end_at(64), POP3_ERROR_IO);
    ck_assert_str_eq(asked("DELE"), "");
    ck_assert_str_eq(result(), "not stored 2, ");
    check_stored("");
    check_usable();
    check_next_run_fetches(2, " 1 2");
    check_stored(" 1 2");
}
END_TEST

START_TEST(what_a_file_has_no_room_for_is_taken_away_again)
{
    piped = _i;
    into_file(0, POP3_CRLF);
    pop3_plan_delete(plan, 1);
    begin_session();
    says_all(3);
    says_oks(1);
    ck_assert_int_eq(download_where_files_end_at(48), POP3_ERROR_IO);
    ck_assert_uint_eq(done.messages, 1);
    ck_assert_str_eq(asked("DELE"), " 1");
    check_file(text_of(1, "", "\r\n"));
}
END_TEST

/* ---- A server that answers, and whose link is cut anywhere ------------------------------------- */

static struct {
    unsigned count;     /* messages in the mailbox, the i-th being i + 1 */
    char gone[MOST];    /* from the mailbox */
    char marked[MOST];  /* in this session */
    unsigned at[MOST];  /* number in this session to place */
    unsigned listed;    /* so many of them */
    long left;          /* octets until the link is cut; negative: never */
    int quits_silently; /* the deletions happen though the link is cut */
    char line[64];
    size_t len;
} server;

static void say(const char *text)
{
    size_t n = strlen(text);

    if (server.left < 0) {
        peer_says(text);
        return;
    }
    if (n > (size_t)server.left)
        n = (size_t)server.left;
    peer_says_bytes(text, n);
    server.left -= (long)n;
    if (!server.left)
        peer_closes();
}

static void say_listing(int is_uidl)
{
    char row[64];
    unsigned i;

    say("+OK\r\n");
    for (i = 0; i < server.listed; i++) {
        snprintf(
            row, sizeof row, is_uidl ? "%u uid-%zu\r\n" : "%u %zu\r\n", i + 1,
            is_uidl ? server.at[i] + (size_t)1 : octets_of(server.at[i] + 1));
        say(row);
    }
    say(".\r\n");
}

static void remove_marked(void)
{
    unsigned i;

    for (i = 0; i < server.count; i++)
        server.gone[i] |= server.marked[i];
}

static void answer(const char *line)
{
    unsigned n = strlen(line) > 5 ? (unsigned)atoi(line + 5) : 0;

    if (!server.left && !server.quits_silently)
        return;
    if (!strncmp(line, "RETR", 4)) {
        say(retr_reply(server.at[n - 1] + 1));
    } else if (!strncmp(line, "LIST", 4) || !strncmp(line, "UIDL", 4)) {
        say_listing(*line == 'U');
    } else {
        if (!strncmp(line, "DELE", 4))
            server.marked[server.at[n - 1]] = 1;
        else if (!strncmp(line, "QUIT", 4))
            remove_marked();
        say("+OK\r\n");
    }
}

static void serve(char octet)
{
    if (octet != '\n') {
        if (octet != '\r' && server.len < sizeof server.line - 1)
            server.line[server.len++] = octet;
        return;
    }
    server.line[server.len] = '\0';
    server.len = 0;
    answer(server.line);
}

static void begin_service(long cut_after)
{
    unsigned i;

    server.listed = 0;
    server.len = 0;
    memset(server.marked, 0, sizeof server.marked);
    for (i = 0; i < server.count; i++)
        if (!server.gone[i])
            server.at[server.listed++] = i;
    server.left = -1;
    begin_session();
    server.left = cut_after;
    serves = 1;
    if (!cut_after)
        peer_closes();
}

static void fill_mailbox(unsigned n)
{
    memset(&server, 0, sizeof server);
    server.count = n;
}

static const char *all_of(unsigned n)
{
    static char list[1 << 16];
    size_t len = 0;
    unsigned i;

    list[0] = '\0';
    for (i = 1; i <= n; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, " %u", i);
    return list;
}

static void empty_maildir(void)
{
    close_record();
    pop3_maildir_close(maildir);
    nftw(in_folder("mail"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    ck_assert_int_eq(pop3_maildir_open(c, in_folder("mail"), &maildir),
                     POP3_OK);
}

/* Cut after so many octets, and then whole: each message is there once. */
static pop3_code cut_and_run_again(long octets, int deletes, int silently)
{
    pop3_code rc;

    fill_mailbox(3);
    server.quits_silently = silently;
    empty_maildir();
    open_record();
    if (deletes)
        delete_all();
    else
        keep();
    begin_service(octets);
    rc = download();
    ck_assert_str_eq(messages_in("mail/tmp"), "");
    ck_assert_msg(!rc || rc == POP3_ERROR_CLOSED, "cut after %ld: %s", octets,
                  pop3_error(c));
    ck_assert_int_eq(done.quit, !rc);
    open_record();
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_msg(!strcmp(messages_in("mail/new"), " 1 2 3"),
                  "cut after %ld:%s", octets, messages_in("mail/new"));
    ck_assert_int_eq(server.gone[0] && server.gone[1] && server.gone[2],
                     deletes);
    return rc;
}

START_TEST(wherever_the_link_is_cut_each_message_is_there_once)
{
    long octets = 0;

    piped = _i & 1;
    while (cut_and_run_again(octets, (_i & 2) != 0, (_i & 4) != 0))
        octets++;
    ck_assert_int_gt(octets, 170);
}
END_TEST

/* At any report: nothing more is asked for; what was is stored and deleted. */
START_TEST(what_is_on_its_way_when_stopped_is_stored_and_deleted)
{
    piped = _i % 2;
    watch_progress((unsigned)_i / 2 + 1);
    fill_mailbox(6);
    open_record();
    delete_all();
    ck_assert_int_eq(pop3_set_window(c, 2, 0), POP3_OK);
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_ERROR_STOPPED);
    ck_assert_uint_ge(done.messages, 1);
    ck_assert_uint_lt(done.messages, 6);
    ck_assert_uint_eq(done.deleted, done.messages);
    ck_assert_int_eq(done.quit, 1);
    ck_assert_str_eq(asked("RETR"), all_of((unsigned)done.messages));
    check_stored(all_of((unsigned)done.messages));
    watch_progress(0);
    open_record();
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_OK);
    check_stored(all_of(6));
}
END_TEST

START_TEST(what_came_whole_before_the_cut_is_stored_and_remembered)
{
    piped = _i;
    open_record();
    delete_all();
    begin_session();
    says_list(3);
    says_uidl(3);
    says_messages(1, 2);
    says("+OK\r\nSubject: 3\r\n");
    peer_closes();
    ck_assert_int_eq(download(), POP3_ERROR_CLOSED);
    ck_assert_str_eq(result(), "stored 2, ");
    ck_assert_str_eq(events, "s1 s2 ");
    check_stored(" 1 2");
    check_next_run_fetches(3, " 3");
    check_stored(" 1 2 3");
}
END_TEST

/* Several windows and batches; the deletions go along with what is asked for. */
START_TEST(many_messages_go_in_few_segments_and_in_batches)
{
    static const unsigned counts[] = {1, 255, 256, 257, 1024, 1025, 3000};
    unsigned n = counts[_i / 2];
    const char *at;
    unsigned segments = 0;

    piped = _i % 2;
    fill_mailbox(n);
    open_record();
    delete_all();
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_uint_eq(done.messages, n);
    ck_assert_uint_eq(done.deleted, n);
    ck_assert_int_eq(done.quit, 1);
    for (at = wire; (at = strchr(at, '|')) != NULL; at++)
        segments++;
    ck_assert_uint_le(segments, piped ? (n > 1024 ? 9 : 3) : 2 * n + 3);
    ck_assert_str_eq(asked("RETR"), all_of(n));
    ck_assert_str_eq(asked("DELE"), all_of(n));
    check_stored(all_of(n));
}
END_TEST

/* Of commands, or of octets; smaller than a message, too. */
static const struct {
    size_t commands;
    uint64_t octets;
} windows[] = {{1, 0}, {2, 0}, {3, 50}, {1024, 1}, {1024, 100}, {7, 1 << 20}};

START_TEST(a_window_of_any_size_loses_nothing)
{
    piped = 1;
    ck_assert_int_eq(
        pop3_set_window(c, windows[_i].commands, windows[_i].octets), POP3_OK);
    fill_mailbox(40);
    open_record();
    delete_all();
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 40, deleted 40, quit 1, ");
    ck_assert_str_eq(asked("RETR"), all_of(40));
    ck_assert_str_eq(asked("DELE"), all_of(40));
    check_stored(all_of(40));
}
END_TEST

/* What they said of UIDs is nothing, then. */
static int wants_the_second(void *arg, const pop3_message *m)
{
    (void)arg;
    ck_assert_ptr_null(m->uid);
    return m->number == 2;
}

START_TEST(without_uidl_messages_are_selected_by_what_is_known)
{
    piped = _i;
    pop3_plan_on_select(plan, wants_the_second, NULL);
    begin_session();
    says_list(2);
    says(unknown_command);
    says_message(2);
    ck_assert_int_eq(download(), POP3_OK);
    check_stored(" 2");
}
END_TEST

/* A second run with a new record's handle finds nothing, whatever was kept. */
START_TEST(with_keep_the_next_run_fetches_only_what_is_new)
{
    piped = _i;
    fill_mailbox(600);
    open_record();
    keep();
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 600, quit 1, ");
    open_record();
    server.count = 602;
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "stored 2, known 600, quit 1, ");
    ck_assert_str_eq(asked("RETR"), " 601 602");
    open_record();
    delete_all();
    begin_service(-1);
    ck_assert_int_eq(download(), POP3_OK);
    ck_assert_str_eq(result(), "known 602, deleted 602, quit 1, ");
    ck_assert_str_eq(asked("RETR"), "");
    check_stored(all_of(602));
}
END_TEST

/* ---- The suite ------------------------------------------------------------------ */

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *t = tcase_create(name);

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 120);
    suite_add_tcase(suite, t);
    return t;
}

static void add_plans(Suite *suite)
{
    TCase *t = add_case(suite, "plans");

    tcase_add_test(t, three_messages_go_in_three_segments);
    tcase_add_test(t, without_pipelining_each_command_waits_for_its_answer);
    tcase_add_test(t, what_the_server_can_do_is_asked_for_first);
    tcase_add_loop_test(t, without_quit_and_deletion_the_session_goes_on, 0, 2);
    tcase_add_test(t, an_empty_mailbox_is_listed_and_left);
    tcase_add_test(t, a_plan_has_to_say_where_to);
    tcase_add_test(t, it_wants_a_connection_with_nothing_queued);
    tcase_add_test(t, a_number_counts_from_one);
    tcase_add_loop_test(t, what_is_wanted_is_fetched_and_nothing_else, 0,
                        2 * COUNT(selections));
    tcase_add_test(t, a_plan_can_be_used_again);
    tcase_add_test(t, what_is_not_wanted_is_not_deleted_either);
}

static void add_refusals(Suite *suite)
{
    TCase *t = add_case(suite, "refusals");

    tcase_add_loop_test(t, one_message_refused_holds_back_no_other, 0, 2);
    tcase_add_loop_test(t, where_dele_is_refused_the_next_run_deletes, 0, 2);
    tcase_add_loop_test(t, where_quit_is_refused_nothing_is_forgotten, 0, 2);
    tcase_add_loop_test(t, where_list_is_refused_nothing_happens, 0, 2);
    tcase_add_loop_test(t, without_uidl_nobody_knows_what_is_new, 0, 4);
    tcase_add_loop_test(t, without_uidl_all_can_be_fetched_and_deleted, 0, 2);
    tcase_add_loop_test(t, what_list_is_refused_with_is_what_is_told, 0, 2);
    tcase_add_loop_test(t, where_uidl_is_refused_for_now_it_is_tried_later, 0,
                        2);
    tcase_add_loop_test(t, where_nothing_depends_on_uidl_its_refusal_is_nothing,
                        0, 2);
}

static void add_listings(Suite *suite)
{
    TCase *t = add_case(suite, "listings");

    tcase_add_loop_test(
        t, a_list_in_any_order_with_doubles_and_bad_rows_is_used, 0, 2);
    tcase_add_loop_test(t, with_keep_what_uidl_leaves_out_is_not_fetched, 0, 2);
    tcase_add_loop_test(
        t, with_deletion_what_uidl_leaves_out_is_fetched_and_deleted, 0, 2);
    tcase_add_loop_test(t, after_a_strange_listing_nothing_is_forgotten, 0,
                        2 * COUNT(odd_listings));
    tcase_add_test(t, after_a_whole_listing_what_is_gone_is_forgotten);
    tcase_add_loop_test(t, of_equal_uids_so_many_are_known_as_were_stored, 0,
                        2);
    tcase_add_test(t, a_uid_that_was_deleted_may_be_given_again);
    tcase_add_test(t, uids_that_changed_are_new_messages);
    tcase_add_test(t, a_uid_that_is_too_long_is_none);
    tcase_add_loop_test(t, what_is_marked_only_is_not_forgotten, 0, 2);
}

static void add_progress(Suite *suite)
{
    TCase *t = add_case(suite, "progress");

    tcase_add_loop_test(t, progress_only_grows_and_ends_with_all, 0, 4);
    tcase_add_loop_test(
        t, what_is_on_its_way_when_stopped_is_stored_and_deleted, 0, 8);
    tcase_add_loop_test(t, stopped_without_quit_the_session_goes_on, 0, 2);
}

static void add_places(Suite *suite)
{
    TCase *t = add_case(suite, "places");

    tcase_add_loop_test(t, a_descriptor_gets_one_message_behind_the_other, 0,
                        4);
    tcase_add_loop_test(t, a_pipe_is_a_descriptor_too, 0, 2);
    tcase_add_loop_test(t, a_broken_pipe_is_an_error_and_the_session_goes_on, 0,
                        2);
    tcase_add_loop_test(t, half_a_message_is_taken_away_again_from_a_file, 0,
                        4);
    tcase_add_test(t, what_stands_behind_in_a_file_is_not_cut_off);
    tcase_add_test(t, a_file_has_nothing_of_doubtful_messages);
    tcase_add_loop_test(
        t, a_sink_gets_each_message_whole_and_syncs_before_any_deletion, 0, 4);
    tcase_add_loop_test(t, a_sink_may_do_without_begin_and_sync, 0, 2);
    tcase_add_loop_test(t,
                        a_message_that_a_sink_does_not_take_holds_back_no_other,
                        0, 2 * COUNT(failing_sinks));
    tcase_add_loop_test(t, where_a_sink_cannot_sync_nothing_is_deleted, 0, 2);
    tcase_add_loop_test(t, a_sink_is_told_of_a_message_that_is_cut_off, 0, 2);
}

static void add_doubts(Suite *suite)
{
    TCase *t = add_case(suite, "doubts");

    tcase_add_loop_test(t, nothing_doubtful_is_stored_or_deleted, 0, 2);
    tcase_add_test(t, what_is_doubtful_is_never_synced);
    tcase_add_loop_test(t, where_the_link_is_cut_what_has_come_whole_is_kept, 0,
                        2);
    tcase_add_test(t, a_refusal_within_a_message_casts_doubt_on_it);
    tcase_add_loop_test(
        t, where_the_link_is_cut_a_message_with_a_reply_in_it_is_not_believed,
        0, 2);
    tcase_add_test(t, a_line_that_is_too_long_for_a_reply_is_out_of_step_too);
    tcase_add_loop_test(t, a_last_message_with_something_behind_it_is_doubtful,
                        0, 2);
    tcase_add_loop_test(t, a_message_over_its_limit_casts_no_doubt, 0, 2);
}

static void add_disks(Suite *suite)
{
    TCase *t = add_case(suite, "disks");

    tcase_add_loop_test(t, a_full_disk_ends_it_and_what_was_stored_is_deleted,
                        0, 2);
    tcase_add_loop_test(
        t, a_folder_that_is_gone_is_an_error_and_nothing_is_deleted, 0, 4);
    tcase_add_loop_test(t, what_cannot_be_recorded_is_not_stored, 0, 2);
    tcase_add_loop_test(t, what_a_file_has_no_room_for_is_taken_away_again, 0,
                        2);
}

static void add_links(Suite *suite)
{
    TCase *t = add_case(suite, "links");

    tcase_add_loop_test(t, wherever_the_link_is_cut_each_message_is_there_once,
                        0, 8);
    tcase_add_loop_test(
        t, what_came_whole_before_the_cut_is_stored_and_remembered, 0, 2);
    tcase_add_loop_test(t, many_messages_go_in_few_segments_and_in_batches, 0,
                        14);
    tcase_add_loop_test(t, a_window_of_any_size_loses_nothing, 0,
                        COUNT(windows));
    tcase_add_loop_test(t, without_uidl_messages_are_selected_by_what_is_known,
                        0, 2);
    tcase_add_loop_test(t, with_keep_the_next_run_fetches_only_what_is_new, 0,
                        2);
}

Suite *download_suite(void)
{
    Suite *suite = suite_create("download");

    add_plans(suite);
    add_refusals(suite);
    add_listings(suite);
    add_progress(suite);
    add_places(suite);
    add_doubts(suite);
    add_disks(suite);
    add_links(suite);
    return suite;
}
