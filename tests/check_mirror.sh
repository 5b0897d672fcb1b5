#!/bin/sh
# check_mirror.sh - what doc/mirror.md says is there, and nothing is left out
# SPDX-License-Identifier: MIT
#
# Every pop3_ name in it is declared in pop3.h, and a function is exported too.
# Every `FILE: TEST` names a file of tests/ and a test in it: of a suite the name
# in START_TEST, of a script a sentence of its own. Every name of poplib listed
# below has a row. SRCDIR is the source tree, the parent of this folder if unset.
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
    for name in $(grep -o '\<pop3_[a-z0-9_]*\|\<POP3_ERROR_[A-Z_]*\|\<POP3_LIMIT_[A-Z_]*' \
        $mirror | sort -u); do
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
    grep -o '`check_[a-z]*\.[a-z]*: [^`]*`' $mirror | tr -d '`' | sort -u
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
    bare=$(grep '^| ' $mirror | grep -v -e '^| poplib |' -e '^| --- |' |
        grep -v -e '| `check_[^|]*|$' -e '| none[:,] [^|]*|$')
    if test -z "$bare"; then
        ok
    else
        not_ok "a row that names no test: $bare"
    fi
}

# ---- poplib -----------------------------------------------------------------

check_poplib()
{
    for name in $poplib; do
        if grep -q "^| \`${name}[\`( ]" $mirror; then
            ok
        else
            not_ok "poplib's $name has no row"
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
check_poplib
echo "$passed passed, $failed failed"
test $failed -eq 0 && test $passed -gt 100
