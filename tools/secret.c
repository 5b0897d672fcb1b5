/*
 * secret.c - where a password comes from
 * SPDX-License-Identifier: MIT
 *
 * Owns the password command's process, the terminal while it does not echo, and
 * the copies of passwords, which are wiped. Not here: which source is asked
 * (session.c), netrc's format (the library).
 */
#include "secret.h"

#include "show.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* The longest password, far beyond what a command line of POP3 carries. */
enum { LONGEST = 16384 };

/* Through a volatile pointer, so that no compiler drops it. */
static void wipe(void *data, size_t size)
{
    volatile unsigned char *p = data;

    while (size--)
        *p++ = 0;
}

void secret_free(char *secret)
{
    if (secret)
        wipe(secret, strlen(secret));
    free(secret);
}

/* ---- Lines ------------------------------------------------------------- */

/* A first line, as it is read. */
struct line {
    char text[LONGEST + 1];
    size_t length;
    int ended;
    int bad; /* too long, or a NUL in it */
};

/* Takes what was read; what stands behind the first line is dropped. */
static void add_to_line(struct line *line, const char *data, size_t length)
{
    const char *lf = memchr(data, '\n', length);
    size_t n = lf ? (size_t)(lf - data) : length;

    if (line->ended)
        return;
    line->ended = lf != NULL;
    if (n > LONGEST - line->length || memchr(data, '\0', n)) {
        line->bad = 1;
        return;
    }
    memcpy(line->text + line->length, data, n);
    line->length += n;
    line->text[line->length] = '\0';
}

/* A line as a secret; NULL, and says so, where it is none. */
static char *secret_of_line(const struct line *line, const char *what)
{
    char *secret;

    if (line->bad) {
        show_error(what, "no password can be so long or have a NUL");
        return NULL;
    }
    if (!line->length) {
        show_error(what, "it gave no password");
        return NULL;
    }
    secret = strdup(line->text);
    if (!secret)
        show_error(what, "out of memory");
    return secret;
}

/* ---- The password command ---------------------------------------------- */

static const char command_name[] = "password command";

static void run_shell(const char *command, int out)
{
    signals_restore();
    if (dup2(out, STDOUT_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Starts the command; gives its process and the end of the pipe to read. */
static pid_t start(const char *command, int *from)
{
    int ends[2];
    pid_t pid;

    if (pipe(ends))
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid = fork();
    if (pid == 0)
        run_shell(command, ends[1]);
    close(ends[1]);
    if (pid < 0)
        close(ends[0]);
    *from = ends[0];
    return pid;
}

/* Reads to the end, so that the command never writes to a closed pipe. */
static void read_line(int fd, struct line *line)
{
    char data[512];
    ssize_t n;

    do {
        n = read(fd, data, sizeof data);
        if (n > 0)
            add_to_line(line, data, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0)
        line->bad = 1;
    wipe(data, sizeof data);
}

/* Whether it ended well; says so if not. */
static int ended_well(pid_t pid)
{
    int status = -1;
    pid_t got;

    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 1;
    if (got == pid && WIFSIGNALED(status))
        show_error(command_name, "it died of signal %d", WTERMSIG(status));
    else
        show_error(command_name, "it ended with status %d",
                   got == pid ? WEXITSTATUS(status) : -1);
    return 0;
}

char *secret_from_command(const char *command)
{
    struct line line;
    char *secret = NULL;
    int from;
    pid_t pid = start(command, &from);

    if (pid < 0) {
        show_error(command_name, "%s", strerror(errno));
        return NULL;
    }
    memset(&line, 0, sizeof line);
    read_line(from, &line);
    close(from);
    if (ended_well(pid))
        secret = secret_of_line(&line, command_name);
    wipe(&line, sizeof line);
    return secret;
}

/* ---- netrc ------------------------------------------------------------- */

char *secret_from_netrc(const pop3_netrc *netrc, const pop3_netrc_entry *entry,
                        const char *name)
{
    char *secret;

    if (!pop3_netrc_is_private(netrc)) {
        show_error(name, "others can read the password in it; chmod 600 it");
        return NULL;
    }
    if (!*entry->password) {
        show_error(name, "its password is empty");
        return NULL;
    }
    secret = strdup(entry->password);
    if (!secret)
        show_error(name, "out of memory");
    return secret;
}

/* ---- The terminal ------------------------------------------------------ */

static const int interrupting[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

enum { INTERRUPTING = sizeof interrupting / sizeof *interrupting };

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    interrupted = signal_number;
}

/* The terminal's state and the signals', as they were before. */
struct prompt {
    int tty;
    struct termios modes;
    struct sigaction actions[INTERRUPTING];
    sigset_t mask;
};

/* The signals come in while pselect waits, and nowhere else. */
static void hold_signals(struct prompt *p)
{
    struct sigaction action;
    sigset_t held;
    size_t i;

    interrupted = 0;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigemptyset(&held);
    for (i = 0; i < INTERRUPTING; i++)
        sigaddset(&held, interrupting[i]);
    sigprocmask(SIG_BLOCK, &held, &p->mask);
    for (i = 0; i < INTERRUPTING; i++) {
        sigaction(interrupting[i], NULL, &p->actions[i]);
        if (p->actions[i].sa_handler != SIG_IGN)
            sigaction(interrupting[i], &action, NULL);
    }
}

/* What came in meanwhile acts now; after a stop the run goes on from here. */
static void release_signals(struct prompt *p)
{
    size_t i;

    for (i = 0; i < INTERRUPTING; i++)
        sigaction(interrupting[i], &p->actions[i], NULL);
    if (interrupted)
        raise((int)interrupted);
    sigprocmask(SIG_SETMASK, &p->mask, NULL);
}

/* 0; or -1 where it is no terminal that could be silenced. */
static int echo_off(struct prompt *p)
{
    struct termios silent;

    if (tcgetattr(p->tty, &p->modes))
        return -1;
    silent = p->modes;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    silent.c_lflag |= ICANON;
    return tcsetattr(p->tty, TCSAFLUSH, &silent);
}

static void echo_on(struct prompt *p)
{
    while (tcsetattr(p->tty, TCSAFLUSH, &p->modes) && errno == EINTR)
        ;
}

/* Waits for input: 1; or 0, a signal came instead. */
static int wait_for_input(const struct prompt *p)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(p->tty, &set);
    return pselect(p->tty + 1, &set, NULL, NULL, NULL, &p->mask) > 0;
}

static void type_line(const struct prompt *p, struct line *line)
{
    char data[512];
    ssize_t n = 1;

    while (!line->ended && n > 0 && wait_for_input(p)) {
        n = read(p->tty, data, sizeof data);
        if (n > 0)
            add_to_line(line, data, (size_t)n);
    }
    wipe(data, sizeof data);
}

static void put_prompt(int tty, const char *user, const char *server)
{
    struct show s = {fdopen(dup(tty), "w"), 0, 0};

    if (!s.file)
        return;
    show_format(&s, "Password for ");
    show_text(&s, user, strlen(user));
    show_format(&s, " at ");
    show_text(&s, server, strlen(server));
    show_format(&s, ": ");
    fclose(s.file);
}

/* Asks once: 1; or 0, stopped and continued meanwhile, so ask again. */
static int ask(struct prompt *p, const char *user, const char *server,
               struct line *line)
{
    ssize_t ignored;

    memset(line, 0, sizeof *line);
    hold_signals(p);
    if (echo_off(p) == 0) {
        put_prompt(p->tty, user, server);
        type_line(p, line);
        ignored = write(p->tty, "\n", 1);
        (void)ignored;
        echo_on(p);
    }
    release_signals(p);
    return !interrupted;
}

char *secret_from_terminal(const char *user, const char *server)
{
    struct prompt p;
    struct line line;
    char *secret;

    p.tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (p.tty < 0) {
        show_error("password",
                   "not in netrc, and there is no terminal to ask on");
        return NULL;
    }
    while (!ask(&p, user, server, &line))
        ;
    close(p.tty);
    secret = secret_of_line(&line, "password");
    wipe(&line, sizeof line);
    return secret;
}
