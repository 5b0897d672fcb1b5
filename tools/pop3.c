/*
 * pop3.c - main, the table of commands and that of exit statuses
 * SPDX-License-Identifier: MIT
 *
 * To add a command: the table here and its function in commands.c. Not here:
 * options (options.c), what the commands do (commands.c).
 */
#include "commands.h"
#include "signals.h"

#include <string.h>

/* ---- Exit statuses ----------------------------------------------------- */

/* By default. What is not here can not be, and is 74. */
static const enum status by_code[] = {
    [POP3_OK] = STATUS_DONE,
    [POP3_ERROR_PROTO] = STATUS_REFUSED,
    [POP3_ERROR_MALFORMED] = STATUS_PROTOCOL,
    [POP3_ERROR_TOO_LONG] = STATUS_PROTOCOL,
    [POP3_ERROR_CLOSED] = STATUS_NO_SERVICE,
    [POP3_ERROR_TIMEOUT] = STATUS_TRY_LATER,
    [POP3_ERROR_RESOLVE] = STATUS_NO_HOST,
    [POP3_ERROR_CONNECT] = STATUS_NO_SERVICE,
    [POP3_ERROR_TLS] = STATUS_PROTOCOL,
    [POP3_ERROR_CERTIFICATE] = STATUS_NO_LOGIN,
    [POP3_ERROR_INSECURE] = STATUS_NO_LOGIN,
    [POP3_ERROR_UNSUPPORTED] = STATUS_USAGE,
    [POP3_ERROR_ARGUMENT] = STATUS_USAGE,
    [POP3_ERROR_STATE] = STATUS_IO,
    [POP3_ERROR_MEMORY] = STATUS_IO,
    [POP3_ERROR_IO] = STATUS_IO,
    [POP3_ERROR_STOPPED] = STATUS_IO,
};

/* Where a stage makes another thing of a code. */
static const struct {
    enum stage stage;
    pop3_code code;
    enum status status;
} by_stage[] = {
    {STAGE_CONNECT, POP3_ERROR_PROTO, STATUS_NO_SERVICE},
    {STAGE_TLS, POP3_ERROR_PROTO, STATUS_PROTOCOL},
    {STAGE_TLS, POP3_ERROR_UNSUPPORTED, STATUS_PROTOCOL},
    {STAGE_LOGIN, POP3_ERROR_PROTO, STATUS_NO_LOGIN},
    {STAGE_LOGIN, POP3_ERROR_UNSUPPORTED, STATUS_NO_LOGIN},
    {STAGE_MAILDIR, POP3_ERROR_IO, STATUS_MAILDIR},
};

/* Response codes that say: later (RFC 2449, 8.1; RFC 3206, 4). */
static int says_later(pop3_resp_kind resp)
{
    return resp == POP3_RESP_IN_USE || resp == POP3_RESP_LOGIN_DELAY ||
           resp == POP3_RESP_SYS_TEMP;
}

enum status status_of(pop3_code code, enum stage stage, pop3_resp_kind resp)
{
    size_t i;

    if (code == POP3_ERROR_PROTO && says_later(resp))
        return STATUS_TRY_LATER;
    for (i = 0; i < sizeof by_stage / sizeof *by_stage; i++)
        if (by_stage[i].stage == stage && by_stage[i].code == code)
            return by_stage[i].status;
    return (size_t)code < sizeof by_code / sizeof *by_code ? by_code[code]
                                                           : STATUS_IO;
}

/* ---- Commands ---------------------------------------------------------- */

static const struct command commands[] = {
    {"check", cmd_check, 1, 1, "SPEC",
     "Tells how much mail there is: N messages, S octets. Ends with 1 where\n"
     "there is none.\n"},
    {"list", cmd_list, 1, 2, "[--headers] SPEC [N]",
     "Lists the messages, or message N: NUMBER OCTETS UID; the UID is - where\n"
     "the server has none.\n"
     "  --headers  adds date, from and subject, a tab before each, decoded "
     "(or\n"
     "             raw, where the module headers_gmime is not installed)\n"},
    {"retr", cmd_retr, 2, -1, "[--crlf] SPEC N...",
     "Shows messages one after another as they are, with or without --json.\n"
     "  --crlf     line ends as on the wire, not as LF\n"},
    {"top", cmd_top, 3, 3, "[--crlf] SPEC N LINES",
     "Shows the header of message N and LINES lines of its body, likewise.\n"},
    {"capa", cmd_capa, 1, 1, "[--login] SPEC",
     "Lists what the server can do, a line a capability: NAME ARG...\n"
     "  --login    asks after the login, not before it\n"},
    {"dele", cmd_dele, 2, -1, "SPEC N...", "Deletes messages.\n"},
    {"dl", cmd_dl, 2, 2, "[--keep] SPEC MAILDIR",
     "Downloads all messages into MAILDIR, deletes each from the server once\n"
     "it is safely stored, and tells N messages, S octets. What an earlier "
     "run\n"
     "has stored is not fetched again.\n"
     "  --keep     leaves them there; the next run with it fetches what is "
     "new\n"},
    {"help", cmd_help, 0, -1, "[COMMAND...]",
     "Shows the help of those commands, or of all.\n"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

const struct command *command_find(const char *name)
{
    size_t i;

    for (i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* ---- Help -------------------------------------------------------------- */

/* Strings of C11 may have 4095 characters: a text a part. */
static const char *const general[] = {
    "SPEC is [tcp:|ssl:|stls:][user@][tcp_host!]server_name[:port], or the\n"
    "account name of a netrc entry, with the same optional prefix.\n"
    "  ssl:   TLS from the first byte, port 995; where nothing is said\n"
    "  stls:  TLS by STLS, required, port 110\n"
    "  tcp:   cleartext, port 110\n\n",
    "The password is what --password-command prints, or else in the netrc\n"
    "file, or else asked for on the terminal. For XOAUTH2 and OAUTHBEARER it\n"
    "is the token; EXTERNAL needs none.\n\n",
    "Options, anywhere on the line:\n"
    "  --netrc FILE            instead of $NETRC or ~/.netrc\n"
    "  --password-command CMD  run by sh -c; its first line is the password\n"
    "  --auth MECH             log in by USER, APOP or that SASL mechanism,\n"
    "                          and no other way: PLAIN, LOGIN, CRAM-MD5,\n"
    "                          EXTERNAL, XOAUTH2, OAUTHBEARER; SCRAM-SHA-1,\n"
    "                          SCRAM-SHA-256 and more, if built with "
    "libgsasl\n"
    "  --cacert FILE           authorities to believe, instead of the "
    "system's\n"
    "  --capath DIR            the same, a folder as c_rehash makes it\n"
    "  --cert FILE             client certificate\n"
    "  --key FILE              its key, where it is not in FILE of --cert\n"
    "  --pin sha256//BASE64    the server's key must be this one, too\n"
    "  --timeout SECONDS       for each wait; 60 at first, 0: for ever\n"
    "  --allow-insecure-login  let the password cross cleartext\n"
    "  --no-pipelining         one command at a time, whatever the server "
    "offers\n"
    "  --json                  one JSON object a line; dl: one a message, too\n"
    "  -q, --quiet             check and dl: no result, no progress\n"
    "  -v, --verbose           a line a command; twice: every line\n"
    "  --version, -h, --help\n\n",
    "Exit status:\n"
    "   0  done; check: there is mail\n"
    "   1  check: there is no mail\n"
    "  64  wrong usage\n"
    "  65  the server refused a command\n"
    "  68  the host name does not resolve\n"
    "  69  no service: no connection, or lost\n"
    "  73  the Maildir, or its record, cannot be written\n"
    "  74  a local error: input, output, memory\n"
    "  75  try again later: a timeout, a mailbox or a record in use\n"
    "  76  the server broke the protocol, TLS's too, or does not offer it\n"
    "  77  not logged in: refused, no password, insecure, bad certificate\n",
};

static void show_command(struct show *out, const struct command *command)
{
    const char *p = command->help;

    show_format(out, "pop3 %s %s\n", command->name, command->arguments);
    while (*p) {
        size_t n = strcspn(p, "\n") + 1;

        show_format(out, "    %.*s", (int)n, p);
        p += n;
    }
}

void command_help(struct show *out, const struct command *command)
{
    size_t i;

    if (command) {
        show_command(out, command);
        return;
    }
    show_format(out, "Usage: pop3 [OPTION...] COMMAND SPEC [ARG...]\n\n");
    for (i = 0; i < COMMANDS; i++)
        show_command(out, &commands[i]);
    show_format(out, "\n");
    for (i = 0; i < sizeof general / sizeof *general; i++)
        show_format(out, "%s", general[i]);
}

/* ---- The run ----------------------------------------------------------- */

static enum status usage_error(const char *what, const char *why)
{
    show_error(what, "%s", why);
    return STATUS_USAGE;
}

/* --help and --version, with anything else on the line. */
static int asks_for_help(const struct options *o, struct show *out)
{
    if (o->help)
        command_help(out, o->count ? command_find(o->args[0]) : NULL);
    else if (o->version)
        show_format(out, "pop3 %s\n", pop3_version());
    return o->help || o->version;
}

static enum status check_usage(const struct options *o,
                               const struct command *command)
{
    const char *misplaced;

    if (!command)
        return usage_error(o->args[0], "no such command, see pop3 --help");
    misplaced = options_misplaced(o, command->name);
    if (misplaced)
        return usage_error(misplaced, "no option of this command");
    if (o->count - 1 < command->least ||
        (command->most >= 0 && o->count - 1 > command->most)) {
        show_error(command->name, "usage: pop3 %s %s", command->name,
                   command->arguments);
        return STATUS_USAGE;
    }
    return STATUS_DONE;
}

static enum status run_command(const struct options *o, struct show *out,
                               const struct command *command)
{
    struct session s;

    if (session_init(&s, o, out) == 0) {
        command->run(&s);
        session_quit(&s);
    }
    session_release(&s);
    return s.status;
}

static enum status run(const struct options *o, struct show *out)
{
    const struct command *command;
    enum status status;
    char culprit[80];

    if (asks_for_help(o, out))
        return STATUS_DONE;
    if (o->error) {
        snprintf(culprit, sizeof culprit, "%.*s", o->culprit_length,
                 o->culprit);
        return usage_error(culprit, o->error);
    }
    if (!o->count)
        return usage_error("usage", "no command given, see pop3 --help");
    command = command_find(o->args[0]);
    status = check_usage(o, command);
    return status ? status : run_command(o, out, command);
}

int main(int argc, char **argv)
{
    struct options o;
    struct show out;
    enum status status;

    signals_prepare();
    show_open(&out);
    options_parse(&o, argc, argv);
    status = run(&o, &out);
    if (show_close(&out) && status < STATUS_USAGE)
        status = STATUS_IO;
    return (int)status;
}
