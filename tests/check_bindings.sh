#!/bin/sh
# check_bindings.sh [LANGUAGE...] - libpop3 called from other languages
# SPDX-License-Identifier: MIT
#
# Owns the server, popd, that each language's example and exercise run against
# (bindings/LANGUAGE/check.* and test.*), and what comes of them: every example
# prints the same, also where the server says NUL or octets beyond ASCII; what is
# deleted is gone, and what a session without QUIT deleted is not. Then threads
# that call through ctypes. A language that is not installed is left out; 77 if
# all are.
#
# Node.js needs koffi: where NODE_PATH says, or in BUILDDIR/tests/npm, where
# POP3_NPM=yes has npm put it; nothing is fetched without that.
#
# Given by the build (Makefile.am): SRCDIR, BUILDDIR and, where they are
# elsewhere, POPD, SCRIPTD, CERTS, LIBPOP3_DIR; NM. By hand:
#   BUILDDIR=build sh tests/check_bindings.sh lua ruby
set -u

: "${BUILDDIR:?}" "${SRCDIR:=$(cd "$(dirname "$0")/.." && pwd)}" "${NM:=nm}"
BUILDDIR=$(cd "$BUILDDIR" && pwd)
POPD=${POPD:-$BUILDDIR/tests/popd}
SCRIPTD=${SCRIPTD:-$BUILDDIR/tests/scriptd}
CERTS=${CERTS:-$BUILDDIR/tests/certs}
LIBPOP3=${LIBPOP3_DIR:-$BUILDDIR/lib/.libs}/libpop3.so.0
LIBPOP3_H=$SRCDIR/include/pop3.h
POP3_PASSWORD=harbour
NODE_PATH=${NODE_PATH:+$NODE_PATH:}$BUILDDIR/tests/npm/node_modules
# Nothing is written beside the sources, or to a home.
PYTHONDONTWRITEBYTECODE=1
GUILE_AUTO_COMPILE=0
LC_ALL=C.UTF-8
export LIBPOP3 LIBPOP3_H POP3_PASSWORD NODE_PATH PYTHONDONTWRITEBYTECODE \
    GUILE_AUTO_COMPILE LC_ALL

bindings=$SRCDIR/bindings
languages=${*:-lua ruby perl node php guile python}
ran=0
failed=0
servers=

dir=$(mktemp -d "${TMPDIR:-/tmp}/check_bindings.XXXXXX") || exit 99

clean_up()
{
    for pid in $servers; do
        kill "$pid" 2>/dev/null
    done
    cd / && rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir" || exit 99

fail()
{
    echo "check_bindings: $*" >&2
    exit 1
}

left_out()
{
    echo "left out: $*"
}

check() # SENTENCE COMMAND...: the command must succeed
{
    sentence=$1
    shift
    if "$@" >said 2>&1; then
        echo "ok - $sentence"
    else
        failed=$((failed + 1))
        echo "not ok - $sentence"
        sed 's/^/#   /' said | head -n 20
    fi
}

# ---- The languages --------------------------------------------------------

fetch_koffi()
{
    test "${POP3_NPM-}" = yes || return 1
    mkdir -p "$BUILDDIR/tests/npm" &&
        cp "$bindings/node/package.json" "$BUILDDIR/tests/npm" &&
        (cd "$BUILDDIR/tests/npm" && timeout 120 npm install --silent \
            --ignore-scripts --no-package-lock --no-audit --no-fund)
}

has_koffi()
{
    node -e 'require("koffi")' 2>/dev/null
}

probe() # LANGUAGE
{
    case $1 in
    lua) luajit -v ;;
    ruby) ruby -r fiddle/import -e '' ;;
    perl) perl -M'FFI::Platypus 2.00' -e '' ;;
    node) node -v && { has_koffi || { fetch_koffi && has_koffi; }; } ;;
    php) php -r 'exit((int) !extension_loaded("ffi"));' ;;
    guile) guile -v ;;
    python) python3 -c 'import ctypes' && test -f "$bindings/python/check.py" ;;
    *) false ;;
    esac
}

needs() # LANGUAGE
{
    case $1 in
    lua) echo 'luajit' ;;
    ruby) echo 'ruby with fiddle' ;;
    perl) echo 'FFI::Platypus 2' ;;
    node) echo 'node with koffi (POP3_NPM=yes has npm fetch it)' ;;
    php) echo 'php with FFI' ;;
    guile) echo 'guile 3' ;;
    python) echo 'python3, and bindings/python' ;;
    *) echo 'to be known here' ;;
    esac
}

run() # LANGUAGE SCRIPT ARG...: bindings/LANGUAGE/SCRIPT.*
{
    language=$1
    script=$bindings/$1/$2
    shift 2
    case $language in
    lua) set -- luajit "$script.lua" "$@" ;;
    ruby) set -- ruby -w "$script.rb" "$@" ;;
    perl) set -- perl "$script.pl" "$@" ;;
    node) set -- node "$script.js" "$@" ;;
    php) set -- php "$script.php" "$@" ;;
    guile) set -- guile -L "$bindings/guile" "$script.scm" "$@" ;;
    python) set -- python3 "$script.py" "$@" ;;
    esac
    timed "$@"
}

# ---- The servers ----------------------------------------------------------

wait_for_line() # FILE PATTERN: ten seconds at most
{
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        test $tries -le 100 || return 1
        sleep 0.1
    done
}

# Three messages, the first with NUL, dots, 8-bit octets, and of many pieces.
write_messages()
{
    mkdir messages
    {
        printf 'From: a@example.org\r\nSubject:  One, \303\251 and \351 \r\n'
        printf 'X-Nul: a\000b\r\n\r\n.dot\r\n..two\r\n.\r\ncaf\351\r\n\r\n'
        awk 'BEGIN {
            for (i = 0; i < 4000; i++)
                printf "line %d of a message of many pieces\r\n", i
        }'
        printf 'the end\000\r\n'
    } >messages/1.one
    printf 'Subject: two\r\n\r\nbody\r\n' >messages/2.two
    printf 'Subject: three\r\n\r\n' >messages/3.three
}

octets_of() # FILE...
{
    cat "$@" | wc -c | tr -d ' '
}

write_expected()
{
    echo "3 messages, $(octets_of messages/*) octets"
    for message in messages/*; do
        name=${message#messages/}
        echo "${name%.*} $(octets_of "$message") $name"
    done
    printf 'Subject:  One, \303\251 and \351 \n'
}

start_popd() # ACCOUNT...: with those messages in each
{
    for account in "$@"; do
        mkdir -p "boxes/$account/new" "boxes/$account/cur" "boxes/$account/tmp"
        cp messages/* "boxes/$account/new"
        shift
        set -- "$@" --user "$account:harbour:$dir/boxes/$account"
    done
    "$POPD" "$@" --no-stls --ssl-port 0 --cert "$CERTS/server.pem" \
        --key "$CERTS/server.key" --port-file ports --lifetime 900 &
    servers="$servers $!"
    wait_for_line ports plain || fail 'popd does not start'
    plain=$(sed -n 's/^plain //p' ports)
    ssl=$(sed -n 's/^ssl //p' ports)
}

# A server that says NUL and octets beyond ASCII within a unique-id and a line.
start_scriptd()
{
    cat >script <<'END'
S: +OK hello
C: CAPA
S: -ERR
C: USER demo
S: +OK
C: PASS harbour
S: +OK
C: STAT
S: +OK 1 10
C: UIDL
S: +OK
S: 1 a\0b\xe9
S: .
C: LIST
S: +OK
S: 1 10
S: .
C: TOP 1 0
S: +OK
S: SUBJECT:c\0d\xc3\xa9\xff
S: Subject: another
S:
S: .
C: QUIT
S: +OK
END
    rm -f port
    "$SCRIPTD" --port-file port --lifetime 60 script 2>scriptd.err &
    servers="$servers $!"
    wait_for_line port plain || fail 'scriptd does not start'
    {
        printf '1 messages, 10 octets\n1 10 a\000b\351\n'
        printf 'SUBJECT:c\000d\303\251\377\n'
    } >nul.expected
}

# ---- What is to be seen ---------------------------------------------------

timed()
{
    timeout 120 "$@" </dev/null
}

prints() # FILE COMMAND...: exactly what is in the file
{
    expected=$1
    shift
    "$@" >out && cmp "$expected" out
}

says_ok()
{
    "$@" >out && test "$(cat out)" = ok
}

left_in() # ACCOUNT FILE...: is all that is left there
{
    box=$dir/boxes/$1
    shift
    test "$(cd "$box" && find . -type f | sed 's|.*/||' | sort | tr '\n' ' ')" \
        = "$* "
}

exercise() # LANGUAGE
{
    check "$1: the example" \
        prints expected run "$1" check 127.0.0.1 "$plain" demo
    check "$1: the example, with no mail" \
        prints empty.expected run "$1" check 127.0.0.1 "$plain" empty
    start_scriptd
    check "$1: the example, with odd octets in a unique-id and a line" \
        prints nul.expected \
        run "$1" check 127.0.0.1 "$(sed 's/.* //' port)" demo
    if test "$1" = python; then return; fi # has tests of its own
    check "$1: the exercise" says_ok run "$1" test 127.0.0.1 \
        "$plain" "$ssl" "$CERTS/ca.pem" "$CERTS/other.pem" messages/1.one
    check "$1: QUIT deleted what was to go, and nothing else did" \
        left_in "$1" 1.one 3.three
}

# ---- All of it ------------------------------------------------------------

# NM may have an option in it.
# shellcheck disable=SC2086
if test ! -f "$LIBPOP3" ||
    $NM -D "$LIBPOP3" | grep -q '__[amt]san_init\|__ubsan_handle'
then
    left_out 'all: no shared library, or one with a sanitizer in it'
    exit 77
fi

write_messages
write_expected >expected
echo '0 messages, 0 octets' >empty.expected
start_popd empty demo lua ruby perl php guile node node1 node2 node3 node4 \
    python1 python2 python3 python4
rm boxes/empty/new/*

for each in $languages; do
    if probe "$each" >/dev/null 2>&1; then
        ran=$((ran + 1))
        exercise "$each"
    else
        left_out "$each: needs $(needs "$each")"
    fi
done

if python3 -c 'import ctypes' 2>/dev/null; then
    ran=$((ran + 1))
    check "python: threads that call through ctypes" says_ok timed python3 \
        "$SRCDIR/tests/threads.py" 127.0.0.1 "$plain" messages/1.one
fi

test $ran -gt 0 || exit 77
echo "$ran ran, $failed checks failed"
test $failed -eq 0
