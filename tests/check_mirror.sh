#!/bin/sh
# check_mirror.sh - what doc/mirror.md says is there, and nothing is left out
# SPDX-License-Identifier: MIT
#
# Of it and of doc/security.md: every pop3_ or POP3_ name is declared in pop3.h,
# and a function is exported too. Every `FILE: TEST` names a file of tests/ and a
# test in it: of a suite the name in START_TEST, of a script a sentence of its
# own. Every name of poplib, of Twisted's POP3Client and of cs.pop3 listed below has
# a row.
# SRCDIR is the source tree, the parent of this folder if unset.
set -u

passed=0
failed=0

ok()
{
    passed=$((passed + 1))
}

not_ok() # SENTENCE
{
    failed=$((failed + 1))
    echo "not ok: $1"
}

source=${SRCDIR:-$(dirname "$0")/..}
cd "$source" || exit 1
mirror=doc/mirror.md
documents="$mirror doc/security.md"

# What `dir` shows of poplib, its classes, and their objects, but for imported
# modules and private names that nobody outside reaches for.
poplib='
POP3 POP3_SSL error_proto error_proto.args error_proto.with_traceback
CR LF CRLF HAVE_SSL POP3_PORT POP3_SSL_PORT _MAXLINE
POP3.encoding POP3.timestamp POP3.welcome POP3.host POP3.port POP3.sock
POP3.file POP3._shortcmd POP3._longcmd
POP3.apop POP3.capa POP3.close POP3.dele POP3.getwelcome POP3.list POP3.noop
POP3.pass_ POP3.quit POP3.retr POP3.rpop POP3.rset POP3.set_debuglevel
POP3.stat POP3.stls POP3.top POP3.uidl POP3.user POP3.utf8
POP3_SSL.context POP3_SSL.keyfile POP3_SSL.certfile POP3_SSL.stls
'

# What its documentation shows of POP3Client, inherited attributes and all, the
# names of its states, and what its login fails with. Of the names with an
# underscore those that somebody may miss.
twisted='
InsecureAuthenticationDisallowed TLSError TLSNotSupportedError
ServerErrorResponse
POP3Client.apop POP3Client.capabilities POP3Client.connectionLost
POP3Client.connectionMade POP3Client.delete POP3Client.lineLengthExceeded
POP3Client.lineReceived POP3Client.listSize POP3Client.listUID POP3Client.login
POP3Client.noop POP3Client.password POP3Client.quit POP3Client.reset
POP3Client.retrieve POP3Client.sendLong POP3Client.sendShort
POP3Client.serverGreeting POP3Client.startTLS POP3Client.stat
POP3Client.state_LONG POP3Client.state_LONG_INITIAL POP3Client.state_SHORT
POP3Client.state_WAITING POP3Client.state_WELCOME POP3Client.timeoutConnection
POP3Client.user
POP3Client.allowInsecureLogin POP3Client.serverChallenge POP3Client.startedTLS
POP3Client.state POP3Client.timeout POP3Client.transport
POP3Client._blockedQueue POP3Client._capCache POP3Client._challengeMagicRe
POP3Client._consumer POP3Client._greetingError POP3Client._timedOut
POP3Client._waiting POP3Client._xform
POP3Client.dataReceived POP3Client.sendLine POP3Client.MAX_LENGTH
POP3Client.delimiter POP3Client._buffer
POP3Client.logPrefix POP3Client.factory
POP3Client.makeConnection POP3Client.connected
POP3Client.callLater POP3Client.resetTimeout POP3Client.setTimeout
POP3Client.timeOut
'
twisted_states='WELCOME WAITING SHORT LONG_INITIAL LONG'

# What its documentation shows of cs.pop3 and, of its source, the attributes of its
# objects. Its class POP3 has another name here, for poplib has one, too.
cs_pop3='
ConnectionSpec ConnectionSpec.connect ConnectionSpec.from_spec
ConnectionSpec.netrc_entry ConnectionSpec.password ConnectionSpec.user
ConnectionSpec.host ConnectionSpec.tcp_host ConnectionSpec.sni_host
ConnectionSpec.port ConnectionSpec.ssl
NetrcEntry NetrcEntry.by_account NetrcEntry.get NetrcEntry.machine
NetrcEntry.login NetrcEntry.account NetrcEntry.password NetrcEntry.NO_ENTRY
cs.pop3.POP3 POP3.conn_spec POP3.recvf POP3.sendf POP3._sock
POP3._result_queue POP3._client_worker POP3._lock
POP3.client_auth POP3.client_begin POP3.client_bg POP3.client_dele_bg
POP3.client_quit_bg POP3.client_retr_bg POP3.client_uidl POP3.dl_bg
POP3.flush POP3.get_multiline POP3.get_ok POP3.get_response POP3.readline
POP3.readlines POP3.sendline POP3.shutdown POP3.startup
POP3Command POP3Command.cmd_dl
username@mail.example.com mail.example.com tcp:username@localhost:1110
username@localhost!mail.example.com:1995 tcp:username@mail.example.com
'
cs_pop3_subcommands='dl help'

# ---- Names ------------------------------------------------------------------

declared() # NAME
{
    grep -q -w "$1" include/pop3.h
}

is_function() # NAME
{
    grep -q "\\<$1(" include/pop3.h
}

exported() # NAME
{
    grep -q "^ *$1;" lib/libpop3.map
}

check_names()
{
    # shellcheck disable=SC2086 # names of files
    for name in $(grep -h -o '\<pop3_[a-z0-9_]*\|\<POP3_[A-Z0-9_]*' $documents |
        grep -v -x POP3_SSL | sort -u); do # the one is a class of poplib
        if ! declared "$name"; then
            not_ok "$name is not in pop3.h"
        elif is_function "$name" && ! exported "$name"; then
            not_ok "$name is not in libpop3.map"
        else
            ok
        fi
    done
}

# ---- Tests ------------------------------------------------------------------

has_test() # FILE TEST
{
    case $1 in
    *.c) grep -q "^START_TEST($2)" "tests/$1" ;;
    *) grep -q -F -e "\"$2\"" "tests/$1" ;;
    esac
}

tests_named()
{
    # shellcheck disable=SC2086 # names of files
    grep -h -o '`check_[a-z]*\.[a-z]*: [^`]*`' $documents | tr -d '`' | sort -u
}

check_tests()
{
    tests_named >"$list"
    while read -r line; do
        file=${line%%: *}
        test=${line#*: }
        if test ! -f "tests/$file"; then
            not_ok "tests/$file is not there"
        elif has_test "$file" "$test"; then
            ok
        else
            not_ok "tests/$file has no test \"$test\""
        fi
    done <"$list"
}

# A row without a test says why.
check_columns()
{
    # shellcheck disable=SC2086 # names of files
    bare=$(grep -h '^| ' $documents | grep -v -e '^| poplib |' \
        -e '^| Twisted |' -e '^| cs.pop3 |' -e '^| promise |' -e '^| --- |' |
        grep -v -e '| `check_[^|]*|$' -e '| none[:,] [^|]*|$')
    if test -z "$bare"; then
        ok
    else
        not_ok "a row that names no test: $bare"
    fi
}

# ---- What is mirrored -------------------------------------------------------

check_rows() # NAME...
{
    for name in "$@"; do
        if grep -q "^| \`${name}[\`( ]" $mirror; then
            ok
        else
            not_ok "$name has no row"
        fi
    done
}

list=$(mktemp "${TMPDIR:-/tmp}/check_mirror.XXXXXX") || exit 1
trap 'rm -f "$list"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
check_names
check_tests
check_columns
# shellcheck disable=SC2086 # lists of words
check_rows $poplib $twisted $cs_pop3
for name in $twisted_states; do
    check_rows "'$name'"
done
for name in $cs_pop3_subcommands; do
    check_rows "pop3 $name"
done
echo "$passed passed, $failed failed"
test $failed -eq 0 && test $passed -gt 450
