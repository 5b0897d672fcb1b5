/*
 * check_faults.c - the suite of whole sessions in which one call fails
 * SPDX-License-Identifier: MIT
 *
 * The first allocation of a session fails, then the second of another, until
 * none is left to fail; the same with every read, write and wait of its stream.
 * After each: the right code, the connection in a state that is documented, no
 * block and no descriptor left, and no secret freed unwiped. A new function of
 * the library gets a step here.
 */
#include "buf.h"
#include "faults.h"
#include "peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const char password[] = "correct horse battery staple";

/* ---- A server that answers ------------------------------------------------------ */

/* A message as it is on the wire and in a Maildir: with and without a dot that
 * stuffing put in, in CRLF and LF. */
#define LINE60(eol) \
    "sixty octets, for memory to grow under: 123456789 12345678" eol
#define LINES(eol) \
    LINE60(eol)    \
    LINE60(eol)    \
    LINE60(eol) LINE60(eol) LINE60(eol) LINE60(eol) LINE60(eol) LINE60(eol)
#define MESSAGE(dot, eol)                                               \
    "Subject: faults" eol eol dot "." eol ".not stuffed" eol eol LINES( \
        eol) "a bare \n.\r and \n.\n within" eol                        \
    LINES(eol)

static const char in_file[] = MESSAGE("", "\n");
static const char short_file[] = ".\nshort\n";

/* The first that a command begins with is its reply. */
static const struct {
    const char *command;
    const char *reply;
} answers[] = {
    {"CAPA", "+OK this is it\r\nTOP\r\nUIDL\r\nSASL PLAIN CRAM-MD5\r\n"
             "PIPELINING\r\nEXPIRE 60 USER\r\nIMPLEMENTATION peer of the "
             "tests\r\n.\r\n"},
    {"NOOP", "+OK still here\r\n"},
    {"STAT", "+OK 3 321\r\n"},
    {"LIST 1", "+OK 1 120\r\n"},
    {"LIST", "+OK\r\n1 120\r\nbad row\r\n2 200\r\n4 1\r\n.\r\n"},
    {"UIDL 1", "+OK 1 whqtswO00WBw418f9t5JxYwZ\r\n"},
    {"UIDL", "+OK\r\n1 whqtswO00WBw418f9t5JxYwZ\r\nbad\r\n2 QhdPYR:00WBw1Ph7x7"
             "\r\n4 a\r\n.\r\n"},
    {"RETR 1", "+OK\r\n..\r\nshort\r\n.\r\n"},
    {"RETR 9", "-ERR [SYS/TEMP] no such message\r\n"},
    {"RETR", "+OK\r\n" MESSAGE(".", "\r\n") ".\r\n"},
    {"TOP", "+OK\r\nSubject: faults\r\n\r\n.\r\n"},
    {"AUTH", "+ \r\n"},
    {"", "+OK\r\n"},
};

/* What a download is told first: 1 is short, 2 and 4 are not, 9 is refused. */
static const struct {
    const char *command;
    const char *reply;
} mailbox[] = {
    {"LIST", "+OK\r\n1 120\r\n2 200\r\n4 1\r\n9 10\r\n.\r\n"},
    {"UIDL", "+OK\r\n1 whqtswO00WBw418f9t5JxYwZ\r\n2 QhdPYR:00WBw1Ph7x7\r\n"
             "4 a\r\n9 b\r\n.\r\n"},
};

static char command[512];
static size_t command_len;
static int replied; /* since the last wait */
static int opened, closed;
static int downloads;         /* the mailbox is told of */
static int silent;            /* what failed cannot say so */
static int deleted[10], left; /* DELE of a number was heard, and QUIT */

static const char *listing(void)
{
    size_t i;

    for (i = 0; downloads && i < COUNT(mailbox); i++)
        if (!strncmp(command, mailbox[i].command, 4))
            return mailbox[i].reply;
    return NULL;
}

static void note_command(void)
{
    if (!strncmp(command, "DELE ", 5))
        deleted[(command[5] - '0') % 10] = 1;
    left |= !strncmp(command, "QUIT", 4);
}

static void answer(void)
{
    const char *rows = listing();
    size_t i = 0;

    note_command();
    if (rows) {
        peer_says(rows);
        command_len = 0;
        replied = 1;
        return;
    }
    while (strncmp(command, answers[i].command, strlen(answers[i].command)))
        i++;
    peer_says(answers[i].reply);
    command_len = 0;
    replied = 1;
}

static void hear(const char *data, size_t len)
{
    for (; len; len--, data++) {
        if (command_len < sizeof command - 1)
            command[command_len++] = *data;
        command[command_len] = '\0';
        if (*data == '\n')
            answer();
    }
}

/* ---- Its stream, of which a call fails ------------------------------------------- */

enum call { READ, WRITE, WAIT };

static enum call fault_in;
static int64_t fault_value;
static long fault_at, stream_calls; /* fault_at 0: nothing fails */
static int fault_met;

static int fails(enum call call)
{
    if (!fault_at || call != fault_in || ++stream_calls != fault_at)
        return 0;
    fault_met = 1;
    return 1;
}

/* A reply is never there at once, so that it is waited for. */
static int64_t server_read(void *arg, void *data, size_t size)
{
    if (fails(READ))
        return fault_value;
    return replied ? POP3_STREAM_WANT_READ : peer_stream.read(arg, data, size);
}

static int64_t server_write(void *arg, const void *data, size_t size)
{
    int64_t n = fails(WRITE) ? fault_value : peer_stream.write(arg, data, size);

    if (n > 0)
        hear(data, (size_t)n);
    return n;
}

static int server_wait(void *arg, int want, int timeout_ms)
{
    replied = 0;
    if (fails(WAIT))
        return (int)fault_value;
    return peer_stream.wait(arg, want, timeout_ms);
}

static void server_close(void *arg)
{
    (void)arg;
    closed++;
}

/* ---- The steps of a session --------------------------------------------------------- */

static size_t chunk, accepts;
static char folder[128], netrc_path[160], maildir_path[160], file_path[160];

/* A result that is to stay what it was where a call fails. */
static int touched;
static char untouched;
#define UNTOUCHED ((void *)&untouched)

static pop3_code seen(pop3_code rc, const void *out)
{
    touched += rc && out != UNTOUCHED;
    return rc;
}

static pop3_code do_settings(void)
{
    pop3_code rc = pop3_set_ca_file(c, "/etc/ssl/ca.pem");

    if (!rc)
        rc = pop3_set_ca_path(c, "/etc/ssl/certs");
    if (!rc)
        rc = pop3_set_cert(c, "chain.pem", "key.pem");
    if (!rc)
        rc = pop3_set_server_name(c, "mail.example.org");
    return rc ? rc : pop3_set_limit(c, POP3_LIMIT_COMMAND, 255);
}

static pop3_code do_connect(void)
{
    pop3_stream stream = {.read = server_read,
                          .write = server_write,
                          .wait = server_wait,
                          .close = server_close,
                          .is_private = 1};

    peer_reset();
    peer_chunk(chunk);
    peer_accepts(accepts);
    peer_says("+OK ready <1896.697170952@dbc.example.org>\r\n");
    command_len = 0;
    replied = 1;
    downloads = 0;
    opened++;
    return pop3_connect_stream(c, &stream, NULL, "mail.example.org", 0);
}

static pop3_code do_capa(void)
{
    pop3_capas *out = UNTOUCHED;
    pop3_code rc = seen(pop3_capa(c, &out), out);

    if (!rc)
        pop3_capas_free(out);
    return rc;
}

static pop3_code do_capa_refresh(void)
{
    pop3_capas *out = UNTOUCHED;
    pop3_code rc = seen(pop3_capa_refresh(c, &out), out);

    if (!rc)
        pop3_capas_free(out);
    return rc;
}

static pop3_code do_login(void)
{
    return pop3_login(c, "me", password);
}

static pop3_code do_login_by_user(void)
{
    pop3_code rc = pop3_set_login_method(c, "USER");

    return rc ? rc : pop3_login(c, "me", password);
}

static pop3_code do_rpop(void)
{
    return pop3_rpop(c, "me");
}

static pop3_code do_utf8(void)
{
    return pop3_utf8(c);
}

static pop3_code do_stat(void)
{
    pop3_totals t;

    return pop3_stat(c, &t);
}

static pop3_code do_list(void)
{
    pop3_sizes *out = UNTOUCHED;
    pop3_code rc = seen(pop3_list(c, &out), out);

    if (!rc)
        pop3_sizes_free(out);
    return rc;
}

static pop3_code do_list_one(void)
{
    pop3_size row;

    return pop3_list_one(c, 1, &row);
}

static pop3_code do_uidl(void)
{
    pop3_uids *out = UNTOUCHED;
    pop3_code rc = seen(pop3_uidl(c, &out), out);

    if (!rc)
        pop3_uids_free(out);
    return rc;
}

static pop3_code do_uidl_one(void)
{
    pop3_uid row = {0, 0, UNTOUCHED};

    return seen(pop3_uidl_one(c, 1, &row), row.uid);
}

static int take_size(void *arg, const pop3_size *row)
{
    (void)arg;
    return row->number == 0;
}

static int take_uid(void *arg, const pop3_uid *row)
{
    (void)arg;
    return row->length == 0;
}

static int take_line(void *arg, const pop3_line *line)
{
    (void)arg;
    return line->octets == 0;
}

static pop3_code do_each_size(void)
{
    return pop3_each_size(c, take_size, NULL);
}

static pop3_code do_each_uid(void)
{
    return pop3_each_uid(c, take_uid, NULL);
}

static pop3_code do_retr(void)
{
    pop3_lines *out = UNTOUCHED;
    pop3_code rc = seen(pop3_retr(c, 2, &out), out);

    if (!rc)
        pop3_lines_free(out);
    return rc;
}

static pop3_code do_short_retr(void)
{
    pop3_lines *out = UNTOUCHED;
    pop3_code rc = seen(pop3_retr(c, 1, &out), out);

    if (!rc)
        pop3_lines_free(out);
    return rc;
}

static pop3_code do_top(void)
{
    pop3_lines *out = UNTOUCHED;
    pop3_code rc = seen(pop3_top(c, 2, 0, &out), out);

    if (!rc)
        pop3_lines_free(out);
    return rc;
}

static pop3_code do_slices(void)
{
    const char *data = NULL;
    size_t len;
    pop3_code rc = pop3_retr_begin(c, 2);

    if (rc)
        return rc;
    do
        rc = pop3_next_slice(c, &data, &len);
    while (!rc && data);
    return rc;
}

static pop3_code do_lines(void)
{
    pop3_line line;
    pop3_code rc = pop3_retr_begin(c, 2);

    if (rc)
        return rc;
    do
        rc = pop3_next_line(c, &line);
    while (!rc && line.text);
    return rc;
}

static pop3_code do_each_line(void)
{
    pop3_code rc = pop3_top_begin(c, 2, 5);

    return rc ? rc : pop3_each_line(c, take_line, NULL);
}

/* Half of a body, which the next command skips. */
static pop3_code do_half_a_body(void)
{
    pop3_line line;
    pop3_code rc = pop3_retr_begin(c, 2);

    return rc ? rc : pop3_next_line(c, &line);
}

static pop3_code do_body_fd(void)
{
    uint64_t octets;
    int fd = open(file_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    pop3_code rc;

    rc = pop3_retr_begin(c, 2);
    if (!rc)
        rc = pop3_body_fd(c, fd, POP3_LF, &octets);
    close(fd);
    return rc;
}

static pop3_code do_body_maildir(void)
{
    pop3_maildir *maildir = UNTOUCHED;
    uint64_t octets;
    pop3_code rc = seen(pop3_maildir_open(c, maildir_path, &maildir), maildir);

    if (rc)
        return rc;
    rc = pop3_retr_begin(c, 2);
    if (!rc)
        rc = pop3_body_maildir(c, maildir, &octets);
    pop3_maildir_close(maildir);
    return rc;
}

/* A refusal is what is wanted here, and in do_open no password. */
static pop3_code wanted(pop3_code rc, pop3_code code)
{
    return rc == code ? POP3_OK : rc;
}

static pop3_code do_refused(void)
{
    return wanted(pop3_retr_begin(c, 9), POP3_ERROR_PROTO);
}

static pop3_code do_dele(void)
{
    return pop3_dele(c, 1);
}

static pop3_code do_rset(void)
{
    return pop3_rset(c);
}

static pop3_code do_noop(void)
{
    return pop3_noop(c);
}

static pop3_code do_command(void)
{
    pop3_code rc = pop3_command(c, "XTND XMIT", POP3_SHORT);

    return rc ? rc : pop3_command(c, "LIST", POP3_LONG);
}

static pop3_code do_dialogue(void)
{
    pop3_line line;
    pop3_code rc = pop3_send_line(c, "AUTH PLAIN");

    if (!rc)
        rc = pop3_read_line(c, &line);
    if (!rc)
        rc = pop3_send_line(c, password);
    return rc ? rc : pop3_read_line(c, &line);
}

static pop3_code use_netrc(const pop3_netrc *netrc)
{
    pop3_spec *spec = UNTOUCHED;
    const char *user = UNTOUCHED;
    pop3_code rc = seen(
        pop3_spec_parse(c, "stls:a@b@tcp.example.org![::1]:110", netrc, &spec),
        spec);

    if (rc)
        return rc;
    pop3_spec_free(spec);
    rc = pop3_spec_parse(c, "mail.example.org", netrc, &spec);
    if (rc)
        return rc;
    rc = seen(pop3_spec_user(c, spec, NULL, &user), user);
    pop3_spec_free(spec);
    return rc;
}

static pop3_code do_netrc(void)
{
    pop3_netrc *netrc = UNTOUCHED;
    pop3_code rc = seen(pop3_netrc_load(c, netrc_path, &netrc), netrc);

    if (rc)
        return rc;
    rc = use_netrc(netrc);
    if (!rc)
        rc = wanted(pop3_open(c, "tcp:nobody@nowhere.example.org", netrc),
                    POP3_ERROR_ARGUMENT);
    pop3_netrc_free(netrc);
    return rc;
}

static pop3_code do_quit(void)
{
    return pop3_quit(c);
}

/* ---- Many commands at once ---- */

struct taker {
    pop3_code (*take)(void);
};

static pop3_code take_totals(void)
{
    pop3_totals t;

    return pop3_reply_totals(c, &t);
}

static pop3_code take_one_size(void)
{
    pop3_size row;

    return pop3_reply_size(c, &row);
}

static pop3_code take_one_uid(void)
{
    pop3_uid row = {0, 0, UNTOUCHED};

    return seen(pop3_reply_uid(c, 1, &row), row.uid);
}

static pop3_code take_sizes(void)
{
    pop3_sizes *out = UNTOUCHED;
    pop3_code rc = seen(pop3_body_sizes(c, &out), out);

    if (!rc)
        pop3_sizes_free(out);
    return rc;
}

static pop3_code take_uids(void)
{
    pop3_uids *out = UNTOUCHED;
    pop3_code rc = seen(pop3_body_uids(c, &out), out);

    if (!rc)
        pop3_uids_free(out);
    return rc;
}

static pop3_code take_capas(void)
{
    pop3_capas *out = UNTOUCHED;
    pop3_code rc = seen(pop3_body_capas(c, &out), out);

    if (!rc)
        pop3_capas_free(out);
    return rc;
}

static pop3_code take_lines(void)
{
    pop3_lines *out = UNTOUCHED;
    pop3_code rc = seen(pop3_body_lines(c, &out), out);

    if (!rc)
        pop3_lines_free(out);
    return rc;
}

static struct taker totals = {take_totals}, one_size = {take_one_size},
                    one_uid = {take_one_uid}, sizes = {take_sizes},
                    uids = {take_uids}, capas = {take_capas},
                    lines = {take_lines};

static pop3_code queue_batch(void)
{
    pop3_code rc = pop3_queue_stat(c, &totals);

    if (!rc)
        rc = pop3_queue_list(c, &sizes);
    if (!rc)
        rc = pop3_queue_list_one(c, 1, &one_size);
    if (!rc)
        rc = pop3_queue_uidl(c, &uids);
    if (!rc)
        rc = pop3_queue_uidl_one(c, 1, &one_uid);
    if (!rc)
        rc = pop3_queue_retr(c, 2, 1000, &lines);
    if (!rc)
        rc = pop3_queue_retr(c, 2, 1000, NULL);
    if (!rc)
        rc = pop3_queue_retr(c, 9, 0, &lines);
    if (!rc)
        rc = pop3_queue_top(c, 2, 5, &lines);
    if (!rc)
        rc = pop3_queue_dele(c, 1, NULL);
    if (!rc)
        rc = pop3_queue_rset(c, NULL);
    if (!rc)
        rc = pop3_queue_noop(c, NULL);
    if (!rc)
        rc = pop3_queue_capa(c, &capas);
    return rc ? rc : pop3_queue_command(c, "LIST", POP3_LONG, NULL);
}

static pop3_code do_batch(void)
{
    struct taker *taker;
    void *tag;
    pop3_code rc = queue_batch();

    if (!rc)
        rc = pop3_flush(c);
    while (!rc && pop3_pending(c)) {
        rc = pop3_next_reply(c, &tag);
        taker = tag;
        if (!rc && taker)
            rc = taker->take();
        rc = wanted(rc, POP3_ERROR_PROTO);
    }
    return rc;
}

static pop3_code do_batch_by_one(void)
{
    pop3_code rc = pop3_set_window(c, 1, 0);

    return rc ? rc : do_batch();
}

static pop3_code do_batch_by_few(void)
{
    pop3_code rc = pop3_set_window(c, 3, 1500);

    return rc ? rc : do_batch();
}

static pop3_code do_queued_quit(void)
{
    pop3_code rc = pop3_queue_noop(c, NULL);

    if (!rc)
        rc = pop3_queue_quit(c, NULL);
    if (!rc)
        rc = pop3_flush(c);
    while (!rc && pop3_pending(c))
        rc = pop3_next_reply(c, NULL);
    return rc;
}

static pop3_code do_login_at_once(void)
{
    pop3_code rc = do_capa();

    return rc ? rc : do_login_by_user();
}

static const uint64_t numbers[] = {4, 2, 1, 9};

/* A plan has no handle to tell of an error; silent: it is one of that. Octet by
 * octet the two short answers will do. */
static pop3_code make_plan(pop3_plan *plan)
{
    pop3_code rc = plan ? POP3_OK : POP3_ERROR_MEMORY;
    size_t i;

    for (i = chunk == 1 ? 2 : 0; !rc && i < COUNT(numbers); i++)
        rc = pop3_plan_number(plan, numbers[i]);
    silent = rc != POP3_OK;
    return rc;
}

static pop3_code run_plan(pop3_maildir *maildir, pop3_stored *stored,
                          int deletes)
{
    pop3_plan *plan = pop3_plan_new();
    pop3_downloaded result;
    pop3_code rc = make_plan(plan);

    if (!rc) {
        pop3_plan_maildir(plan, maildir, stored);
        pop3_plan_delete(plan, deletes);
        pop3_plan_quit(plan, deletes);
        rc = pop3_download(c, plan, &result);
    }
    pop3_plan_free(plan);
    return rc;
}

/* Whatever is opened is closed by whoever opened it. */
static pop3_code download(int deletes)
{
    pop3_maildir *maildir = UNTOUCHED;
    pop3_stored *stored = UNTOUCHED;
    pop3_code rc = seen(pop3_maildir_open(c, maildir_path, &maildir), maildir);

    downloads = 1;
    if (rc)
        return rc;
    rc = seen(
        pop3_stored_open(c, maildir, "me", "mail.example.org", 110, &stored),
        stored);
    if (!rc) {
        rc = run_plan(maildir, stored, deletes);
        pop3_stored_close(stored);
    }
    pop3_maildir_close(maildir);
    return rc;
}

static pop3_code do_download_and_keep(void)
{
    return download(0);
}

static pop3_code do_download_and_delete(void)
{
    return download(1);
}

/* Nobody listens there, and no name is resolved. */
static pop3_code do_dial(void)
{
    return wanted(pop3_connect(c, "127.0.0.1", 1), POP3_ERROR_CONNECT);
}

static pop3_code do_connect_fd(void)
{
    static const char greeting[] = "+OK ready\r\n";
    int fd[2];
    pop3_code rc;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0 ||
        write(fd[1], greeting, sizeof greeting - 1) < 0)
        abort();
    rc = pop3_connect_fd(c, fd[0], "mail.example.org", 0);
    if (!rc)
        pop3_close(c);
    close(fd[1]);
    return rc;
}

/* A server that speaks no TLS. */
static pop3_code do_connect_tls(void)
{
    pop3_stream stream = peer_stream;

    stream.close = server_close;
    peer_reset();
    peer_says("+OK no TLS here\r\n");
    opened++;
    return wanted(pop3_connect_stream(c, &stream, NULL, "mail.example.org", 1),
                  POP3_ERROR_TLS);
}

typedef pop3_code (*step)(void);

static const step whole_session[] = {
    do_settings,      do_netrc,     do_connect,     do_capa, do_login,
    do_login_by_user, do_rpop,      do_utf8,        do_stat, do_capa_refresh,
    do_capa,          do_list,      do_list_one,    do_uidl, do_uidl_one,
    do_each_size,     do_each_uid,  do_retr,        do_top,  do_slices,
    do_lines,         do_each_line, do_half_a_body, do_noop, do_body_fd,
    do_body_maildir,  do_refused,   do_dele,        do_rset, do_half_a_body,
    do_command,       do_dialogue,  do_quit,        NULL};

static const step short_session[] = {do_connect,    do_capa, do_login, do_list,
                                     do_short_retr, do_dele, do_quit,  NULL};

static const step batches[] = {do_connect, do_login_at_once, do_capa_refresh,
                               do_batch,   do_batch_by_one,  do_half_a_body,
                               do_batch,   do_queued_quit,   NULL};

/* The library asks for capabilities itself, and can do without. */
static const step unprepared[] = {do_connect, do_batch,        do_login_by_user,
                                  do_batch,   do_batch_by_few, do_queued_quit,
                                  NULL};

static const step downloaded[] = {do_connect, do_login_by_user,
                                  do_download_and_delete, NULL};

static const step kept_first[] = {do_connect, do_login, do_download_and_keep,
                                  do_download_and_delete, NULL};

static const step fetched_again[] = {do_connect, do_login, do_download_and_keep,
                                     NULL};

static const step connections[] = {do_dial, do_connect_fd, do_connect_tls,
                                   NULL};

/* ---- A session, and what is left of it ----------------------------------------------- */

struct outcome {
    pop3_code rc;
    pop3_code kept;        /* what pop3_error_code said */
    int has_message;       /* and pop3_error */
    size_t step;           /* that failed */
    pop3_conn_state state; /* after it */
    pop3_code next;        /* what the next call gave */
    int in_sync;           /* and it had an answer of its own */
};

static void look_after(struct outcome *o)
{
    o->kept = pop3_error_code(c);
    o->has_message = *pop3_error(c) != '\0';
    while (pop3_pending(c))
        pop3_next_reply(c, NULL);
    o->state = pop3_state(c);
    if (o->state == POP3_STATE_CLOSED)
        o->next = do_connect();
    if (!o->next)
        o->next = pop3_noop(c);
    if (!o->next)
        o->next = pop3_queue_noop(c, NULL);
    if (!o->next)
        o->next = pop3_next_reply(c, NULL);
    o->in_sync = !strcmp(pop3_reply_text(c, NULL), "still here");
}

/* Nothing asserts in here, for Check allocates. */
static struct outcome run(const step *steps)
{
    struct outcome o;
    size_t i;

    memset(&o, 0, sizeof o);
    opened = closed = touched = silent = 0;
    c = pop3_new();
    for (i = 0; c && steps[i] && !o.rc; i++) {
        o.rc = steps[i]();
        o.step = i;
    }
    fail_no_more();
    fault_at = 0;
    if (!c)
        o = (struct outcome){.rc = POP3_ERROR_MEMORY,
                             .kept = POP3_ERROR_MEMORY,
                             .has_message = 1,
                             .in_sync = 1};
    else if (o.rc)
        look_after(&o);
    pop3_free(c);
    c = NULL;
    return o;
}

static void check_outcome(const struct outcome *o, pop3_code want, long n)
{
    ck_assert_msg(o->rc == want, "call %ld, step %zu: %s, not %s", n, o->step,
                  pop3_code_name(o->rc), pop3_code_name(want));
    ck_assert_int_eq(closed, opened);
    ck_assert_int_eq(touched, 0);
    if (!want)
        return;
    if (!silent) {
        ck_assert_int_eq(o->kept, want);
        ck_assert_int_eq(o->has_message, 1);
    }
    if (o->state == POP3_STATE_DEAD) {
        ck_assert_int_eq(o->next, want);
        return;
    }
    ck_assert_msg(!o->next && o->in_sync, "call %ld, step %zu: then %s", n,
                  o->step, pop3_code_name(o->next));
}

/* ---- The folder ----------------------------------------------------------------------- */

/* 1: the short one. */
static int check_message(int fd)
{
    char text[sizeof in_file + 1];
    ssize_t len = read(fd, text, sizeof text);

    if (len == sizeof short_file - 1) {
        ck_assert_mem_eq(text, short_file, sizeof short_file - 1);
        return 1;
    }
    ck_assert_int_eq(len, sizeof in_file - 1);
    ck_assert_mem_eq(text, in_file, sizeof in_file - 1);
    return 0;
}

static int short_ones; /* of the messages seen last */

/* The messages there, which have to be whole. */
static int see_messages(const char *which, int remove)
{
    char path[512];
    struct dirent *entry;
    DIR *dir;
    int fd, n = 0;

    short_ones = 0;

    snprintf(path, sizeof path, "%s/%s", maildir_path, which);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
        short_ones += check_message(fd);
        close(fd);
        if (remove)
            unlinkat(dirfd(dir), entry->d_name, 0);
        n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* And they are removed. */
static int take_messages(const char *which)
{
    return see_messages(which, 1);
}

static void remove_record(void)
{
    DIR *dir = opendir(maildir_path);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (!strncmp(entry->d_name, "libpop3-", 8))
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static void forget_commands(void)
{
    memset(deleted, 0, sizeof deleted);
    left = 0;
}

static void make_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    FILE *netrc;

    snprintf(folder, sizeof folder, "%s/libpop3.XXXXXX",
             tmp && *tmp && strlen(tmp) < 64 ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(netrc_path, sizeof netrc_path, "%s/netrc", folder);
    snprintf(maildir_path, sizeof maildir_path, "%s/maildir", folder);
    snprintf(file_path, sizeof file_path, "%s/file", folder);
    netrc = fopen(netrc_path, "w");
    ck_assert_ptr_nonnull(netrc);
    fprintf(netrc,
            "machine mail.example.org login me account work password \"%s\"\n"
            "machine b login you # and no password\nmacdef init\n x\n\n"
            "default login anonymous password \"%s\"\n",
            password, password);
    ck_assert_int_eq(fclose(netrc), 0);
    ck_assert_int_eq(chmod(netrc_path, 0600), 0);
}

static void remove_folder(void)
{
    static const char *const folders[] = {"cur", "new", "tmp", ""};
    char path[512];
    size_t i;

    remove_record();
    for (i = 0; i < COUNT(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", maildir_path, folders[i]);
        rmdir(path);
    }
    unlink(netrc_path);
    unlink(file_path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void setup(void)
{
    chunk = accepts = 0;
    fault_at = 0;
    forget_commands();
    make_folder();
}

static void teardown(void)
{
    watch_for_secret(NULL);
    stop_counting();
    remove_folder();
}

/* ---- Faults --------------------------------------------------------------------------- */

START_TEST(a_session_goes_well_where_nothing_fails)
{
    static const struct {
        const step *session;
        int messages;
    } sessions[] = {{whole_session, 1}, {short_session, 0}, {connections, 0},
                    {batches, 0},       {unprepared, 0},    {downloaded, 3},
                    {kept_first, 3}};
    struct outcome o = run(sessions[_i].session);

    check_outcome(&o, POP3_OK, 0);
    ck_assert_int_eq(take_messages("new"), sessions[_i].messages);
    ck_assert_int_eq(take_messages("tmp"), 0);
}
END_TEST

/* What a test of faults would not see, were it so. */
START_TEST(the_instruments_see_what_they_are_for)
{
    char *volatile first, *volatile second, *volatile third;
    void *(*volatile copy)(void *, const void *, size_t) = memcpy;
    long live[3], met[2], seen_live;

    watch_for_secret(password);
    fail_nth_allocation(2);
    first = malloc(100);
    live[0] = live_blocks();
    met[0] = failure_met();
    second = calloc(1, 1);
    met[1] = failure_met();
    third = realloc(NULL, 1);
    live[1] = live_blocks();
    if (first)
        copy(first + 10, password, sizeof password);
    seen_live = secrets_live();
    free(first);
    free(third);
    live[2] = live_blocks();
    stop_counting();
    ck_assert(first && !second && third);
    ck_assert(live[0] == 1 && live[1] == 2 && live[2] == 0);
    ck_assert(!met[0] && met[1]);
    ck_assert_int_eq(seen_live, 1);
    ck_assert_int_eq(secrets_freed(), 1);
    free(second);
}
END_TEST

/* A plain buffer beside it shows that it would be seen. */
START_TEST(secret_memory_is_wiped_before_it_is_freed)
{
    struct p3_buf b;
    int i;

    watch_for_secret(password);
    fail_nth_allocation(0);
    p3_buf_init(&b, 0, _i);
    p3_buf_add_str(&b, password);
    for (i = 0; i < 100; i++)
        p3_buf_add_str(&b, "and so much more that it moves");
    p3_buf_release(&b);
    stop_counting();
    ck_assert_int_eq(secrets_freed() == 0, _i);
}
END_TEST

START_TEST(a_secret_string_is_wiped_before_it_is_freed)
{
    char *volatile copy;

    watch_for_secret(password);
    fail_nth_allocation(0);
    copy = p3_strdup(password);
    p3_free_secret(copy);
    stop_counting();
    ck_assert_int_eq(secrets_freed(), 0);
}
END_TEST

static pop3_code (*const logins[])(void) = {do_login, do_login_by_user,
                                            do_login_at_once, do_dialogue};

START_TEST(no_memory_holds_the_password_after_login)
{
    pop3_code rc;
    long held, freed;

    watch_for_secret(password);
    fail_nth_allocation(0);
    accepts = 1;
    c = pop3_new();
    rc = do_connect();
    if (!rc)
        rc = logins[_i]();
    held = secrets_live();
    freed = secrets_freed();
    pop3_free(c);
    stop_counting();
    ck_assert_int_eq(rc, POP3_OK);
    ck_assert_int_eq(held, 0);
    ck_assert_int_eq(freed, 0);
}
END_TEST

START_TEST(memory_that_is_out_stays_out)
{
    char *volatile p[4];
    int i;

    fail_from_nth_allocation(2);
    for (i = 0; i < 4; i++)
        p[i] = malloc(1);
    fail_no_more();
    stop_counting();
    ck_assert(p[0] && !p[1] && !p[2] && !p[3]);
    free(p[0]);
}
END_TEST

static int is_download(const step *session)
{
    return session == downloaded || session == kept_first;
}

/* Nothing is deleted that is not stored; and unless the session came to its end
 * the next one has each message there once, whatever this one left. */
static void check_download(const step *session, long n)
{
    size_t chunk_before = chunk, accepts_before = accepts;
    struct outcome o;
    int all = see_messages("new", 0);

    if (!is_download(session))
        return;
    ck_assert_int_ge(short_ones, deleted[1]);
    ck_assert_int_ge(all - short_ones, deleted[2] + deleted[4]);
    ck_assert_int_eq(deleted[9], 0);
    if (!left) {
        chunk = accepts = 0;
        o = run(fetched_again);
        check_outcome(&o, POP3_OK, n);
        ck_assert_int_eq(take_messages("tmp"), 0);
        all = see_messages("new", 0);
        ck_assert_msg(all == 3 && short_ones == 1,
                      "call %ld: %d messages, %d short", n, all, short_ones);
        chunk = chunk_before;
        accepts = accepts_before;
    }
    forget_commands();
    remove_record();
}

/* Alone, or the first of many; all at once or octet by octet. */
static const struct {
    const step *session;
    void (*arm)(long n);
    size_t chunk;
    long fewest; /* allocations that such a session makes at least */
} memory_faults[] = {
    {whole_session, fail_nth_allocation, 0, 100},
    {whole_session, fail_from_nth_allocation, 0, 100},
    {short_session, fail_nth_allocation, 1, 20},
    {batches, fail_nth_allocation, 0, 100},
    {batches, fail_from_nth_allocation, 0, 100},
    {unprepared, fail_nth_allocation, 0, 100},
    {unprepared, fail_from_nth_allocation, 0, 100},
    {connections, fail_nth_allocation, 0, 8},
    {connections, fail_from_nth_allocation, 0, 8},
    {downloaded, fail_nth_allocation, 0, 50},
    {downloaded, fail_from_nth_allocation, 0, 50},
    {downloaded, fail_nth_allocation, 1, 40},
    {kept_first, fail_nth_allocation, 0, 80},
    {kept_first, fail_from_nth_allocation, 0, 80},
};

/* Some memory these can do without: what it was for is slower, or later. */
static int can_do_without(const step *session)
{
    return session == unprepared || is_download(session);
}

START_TEST(every_failed_allocation_is_survived)
{
    int descriptors = open_descriptors();
    struct outcome o;
    long n = 0;

    chunk = memory_faults[_i].chunk;
    watch_for_secret(password);
    do {
        memory_faults[_i].arm(++n);
        o = run(memory_faults[_i].session);
        ck_assert_msg(!live_blocks(), "call %ld, step %zu: %ld blocks left", n,
                      o.step, live_blocks());
        if (o.rc || !can_do_without(memory_faults[_i].session))
            check_outcome(&o, failure_met() ? POP3_ERROR_MEMORY : POP3_OK, n);
        ck_assert_msg(!secrets_freed(), "call %ld, step %zu: not wiped", n,
                      o.step);
        ck_assert_int_eq(open_descriptors(), descriptors);
        if (memory_faults[_i].arm == fail_nth_allocation)
            ck_assert_int_eq(take_messages("tmp"), 0);
        check_download(memory_faults[_i].session, n);
        ck_assert_int_eq(take_messages("tmp"), 0);
        take_messages("new");
    } while (failure_met());
    ck_assert_int_gt(n, memory_faults[_i].fewest);
}
END_TEST

/* A name so long that memory is needed for its line alone. */
START_TEST(without_memory_for_user_pass_is_not_sent_either)
{
    char user[200] = "";
    pop3_code rc;
    const char *heard;
    long n = 0;

    memset(user, 'x', sizeof user - 1);
    do {
        c = pop3_new();
        rc = do_connect();
        if (!rc)
            rc = do_capa();
        if (!rc)
            rc = pop3_set_login_method(c, "USER");
        fail_nth_allocation(++n);
        if (!rc)
            rc = pop3_login(c, user, password);
        stop_counting();
        heard = peer_heard();
        ck_assert(!strstr(heard, "PASS ") || strstr(heard, "USER "));
        ck_assert(!rc || (rc == POP3_ERROR_MEMORY && failure_met()));
        ck_assert_uint_eq(pop3_pending(c), 0);
        if (pop3_state(c) != POP3_STATE_DEAD)
            ck_assert_int_eq(pop3_noop(c), POP3_OK);
        pop3_free(c);
        c = NULL;
    } while (failure_met());
    ck_assert_int_gt(n, 2);
}
END_TEST

/* Two in flight, and memory for the lines of the others is there or not. */
static pop3_code refill_where_memory_fails(long n)
{
    char line[400] = "XTND ";
    pop3_code rc, worst = do_connect();
    int i;

    memset(line + 5, 'x', sizeof line - 6);
    if (!worst)
        worst = do_capa();
    if (!worst)
        worst = pop3_set_window(c, 2, 0);
    for (i = 0; i < 8 && !worst; i++)
        worst = pop3_queue_command(c, i < 3 ? "NOOP" : line, POP3_SHORT, NULL);
    if (!worst)
        worst = pop3_flush(c);
    fail_nth_allocation(n);
    while (pop3_pending(c)) {
        rc = pop3_next_reply(c, NULL);
        worst = worst ? worst : rc;
    }
    stop_counting();
    return worst;
}

START_TEST(without_memory_for_more_what_was_sent_is_answered)
{
    pop3_code rc;
    int unharmed = 0;
    long n = 0;

    do {
        c = pop3_new();
        rc = refill_where_memory_fails(++n);
        ck_assert(!rc || (rc == POP3_ERROR_MEMORY && failure_met()));
        unharmed += !rc && failure_met();
        if (pop3_state(c) != POP3_STATE_DEAD) {
            ck_assert_int_eq(pop3_noop(c), POP3_OK);
            ck_assert_str_eq(pop3_reply_text(c, NULL), "still here");
        }
        pop3_free(c);
        c = NULL;
    } while (failure_met());
    ck_assert_int_gt(unharmed, 0);
}
END_TEST

static const struct {
    enum call in;
    int64_t value;
    pop3_code code;
} stream_faults[] = {
    {READ, POP3_STREAM_FAILED, POP3_ERROR_IO},
    {READ, POP3_STREAM_TIMED_OUT, POP3_ERROR_TIMEOUT},
    {READ, 0, POP3_ERROR_CLOSED},
    {WRITE, POP3_STREAM_FAILED, POP3_ERROR_IO},
    {WRITE, POP3_STREAM_TIMED_OUT, POP3_ERROR_TIMEOUT},
    {WAIT, POP3_STREAM_FAILED, POP3_ERROR_IO},
    {WAIT, 0, POP3_ERROR_TIMEOUT},
};

/* Fails the first call of that kind, then the second, ... */
static void fail_every_call(const step *session, int which)
{
    int descriptors = open_descriptors();
    struct outcome o;
    long n = 0;

    fault_in = stream_faults[which].in;
    fault_value = stream_faults[which].value;
    do {
        fault_at = ++n;
        stream_calls = 0;
        fault_met = 0;
        fail_nth_allocation(0);
        o = run(session);
        ck_assert_msg(!live_blocks(), "call %ld, step %zu: %ld blocks left", n,
                      o.step, live_blocks());
        check_outcome(&o, fault_met ? stream_faults[which].code : POP3_OK, n);
        ck_assert(!fault_met || o.state == POP3_STATE_DEAD ||
                  o.state == POP3_STATE_CLOSED);
        ck_assert_int_eq(open_descriptors(), descriptors);
        ck_assert_int_eq(take_messages("tmp"), 0);
        check_download(session, n);
        take_messages("new");
    } while (fault_met);
    ck_assert_int_gt(n, 6);
}

START_TEST(so_it_is_of_a_download)
{
    fail_every_call(_i % 2 ? downloaded : kept_first, _i / 2);
}
END_TEST

START_TEST(every_failed_call_of_the_stream_is_survived)
{
    fail_every_call(whole_session, _i);
}
END_TEST

START_TEST(so_it_is_of_many_commands_at_once)
{
    fail_every_call(_i % 2 ? batches : unprepared, _i / 2);
}
END_TEST

START_TEST(a_download_whose_octets_come_and_go_one_by_one)
{
    chunk = accepts = 1;
    fail_every_call(downloaded, _i);
}
END_TEST

/* A message comes in several reads. */
START_TEST(so_it_is_in_the_middle_of_a_message)
{
    chunk = 100;
    fail_every_call(whole_session, _i);
}
END_TEST

START_TEST(so_it_is_where_octets_come_and_go_one_by_one)
{
    chunk = accepts = 1;
    fail_every_call(short_session, _i);
}
END_TEST

static const struct {
    size_t chunk, accepts;
} drips[] = {{1, 0}, {0, 1}, {1, 1}, {2, 3}, {3, 2}, {7, 0}, {1000, 5}};

START_TEST(a_session_goes_well_however_octets_come_and_go)
{
    struct outcome o;

    chunk = drips[_i].chunk;
    accepts = drips[_i].accepts;
    o = run(batches);
    check_outcome(&o, POP3_OK, 0);
    o = run(whole_session);
    check_outcome(&o, POP3_OK, 0);
    ck_assert_int_eq(take_messages("new"), 1);
}
END_TEST

/* ---- The suite ---- */

static void add_memory_tests(TCase *t)
{
    tcase_add_test(t, the_instruments_see_what_they_are_for);
    tcase_add_test(t, memory_that_is_out_stays_out);
    tcase_add_loop_test(t, secret_memory_is_wiped_before_it_is_freed, 0, 2);
    tcase_add_test(t, a_secret_string_is_wiped_before_it_is_freed);
    tcase_add_loop_test(t, no_memory_holds_the_password_after_login, 0,
                        (int)COUNT(logins));
    tcase_add_test(t, without_memory_for_user_pass_is_not_sent_either);
    tcase_add_test(t, without_memory_for_more_what_was_sent_is_answered);
    tcase_add_loop_test(t, every_failed_allocation_is_survived, 0,
                        (int)COUNT(memory_faults));
}

Suite *faults_suite(void)
{
    Suite *suite = suite_create("faults");
    TCase *t = tcase_create("faults");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, a_session_goes_well_where_nothing_fails, 0, 7);
    tcase_add_loop_test(t, a_session_goes_well_however_octets_come_and_go, 0,
                        (int)COUNT(drips));
    tcase_add_loop_test(t, every_failed_call_of_the_stream_is_survived, 0,
                        (int)COUNT(stream_faults));
    tcase_add_loop_test(t, so_it_is_of_many_commands_at_once, 0,
                        2 * (int)COUNT(stream_faults));
    tcase_add_loop_test(t, so_it_is_of_a_download, 0,
                        2 * (int)COUNT(stream_faults));
    tcase_add_loop_test(t, a_download_whose_octets_come_and_go_one_by_one, 0,
                        (int)COUNT(stream_faults));
    tcase_add_loop_test(t, so_it_is_in_the_middle_of_a_message, 0,
                        (int)COUNT(stream_faults));
    tcase_add_loop_test(t, so_it_is_where_octets_come_and_go_one_by_one, 0,
                        (int)COUNT(stream_faults));
    if (allocations_can_fail())
        add_memory_tests(t);
    suite_add_tcase(suite, t);
    return suite;
}
