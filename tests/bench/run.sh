#!/bin/sh
# run.sh - what libpop3 costs, beside libcurl and poplib, in one run
# SPDX-License-Identifier: MIT
#
# Owns `make bench`: popd serves mailboxes made up in memory on this machine's
# loopback; each pair of clients runs in turn (A B A B ...), so that whatever
# else the machine does falls on both. Ratios carry over to other machines,
# seconds do not. Takes two minutes or less.
#   $BENCH, $POPD, $CERTS, $POP3, $LIBPOP3_DIR   given by the build
#   $RUNS                                        counted runs of each (5)
set -u

: "${BENCH:?}" "${POPD:?}" "${CERTS:?}"
runs=${RUNS:-5}
dir=
server=

stop_server()
{
    test -z "$server" || { kill "$server" && wait "$server"; } 2>/dev/null
    server=
}

clean_up()
{
    stop_server
    test -z "$dir" || { cd / && rm -rf "$dir"; }
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
    echo "bench: $*" >&2
    exit 1
}

serve() # COUNT SIZE
{
    stop_server
    rm -f ports
    "$POPD" --user bench:bench: --synthetic "$1:$2" --ssl-port 0 \
        --cert "$CERTS/server.pem" --key "$CERTS/server.key" \
        --port-file ports --lifetime 300 &
    server=$!
    tries=0
    while test ! -s ports; do
        tries=$((tries + 1))
        test $tries -le 100 || fail "popd does not start"
        sleep 0.1 2>/dev/null || sleep 1
    done
    tcp=$(sed -n 's/^plain //p' ports)
    ssl=$(sed -n 's/^ssl //p' ports)
}

# The programs themselves, not libtool's scripts around them, whose shell would
# count too.
real() # PROGRAM
{
    if test -x "${1%/*}/.libs/${1##*/}"; then
        echo "${1%/*}/.libs/${1##*/}"
    else
        echo "$1"
    fi
}

failures=0
measure() # ARG...
{
    "$BENCH/measure" "$@" || failures=$((failures + 1))
}

heading()
{
    printf '\n%s\n' "$*"
}

# ---- Against libcurl ----

pair() # tcp|ssl PORT COUNT OCTETS
{
    if test -x "$curl"; then
        measure -n "$runs" libpop3 "$drain" "$@" "$CERTS/ca.pem" \
            -- libcurl "$curl" "$@" "$CERTS/ca.pem"
    else
        measure -n "$runs" libpop3 "$drain" "$@" "$CERTS/ca.pem"
    fi
}

# ---- Against poplib ----

poplib_drain='
import poplib, sys
c = poplib.POP3("127.0.0.1", int(sys.argv[1]))
c.user("bench")
c.pass_("bench")
for n in range(1, int(sys.argv[2]) + 1):
    c.retr(n)
c.quit()'

against_poplib() # COUNT OCTETS
{
    python3 -c 'import poplib' 2>/dev/null || return 0
    heading "The same, beside Python's poplib"
    measure -n 2 libpop3 "$drain" tcp "$tcp" "$@" \
        -- poplib python3 -c "$poplib_drain" "$tcp" "$1"
}

# ---- The program ----

program()
{
    NETRC=$dir/netrc
    export NETRC
    (umask 077 && echo 'machine localhost login bench password bench' >netrc)
    serve 1 1000000000
    heading "pop3 retr of one message of 1 GB into /dev/null"
    measure -n 1 retr "$pop3" retr "tcp:bench@localhost:$tcp" 1
    peak=$("$BENCH/measure" -p "$pop3" retr "tcp:bench@localhost:$tcp" 1) ||
        failures=$((failures + 1))
    test "$peak" -lt 10240 || {
        echo "  more than 10 MiB: $peak KiB"
        failures=$((failures + 1))
    }
    serve 200000 1000
    small=$tcp
    two=$server
    server=
    serve 100000 1000
    heading "pop3 list of 200,000 messages and of 100,000 (linear: 2)"
    measure -n "$runs" 200,000 "$pop3" list "tcp:bench@localhost:$small" \
        -- 100,000 "$pop3" list "tcp:bench@localhost:$tcp"
    kill "$two" && wait "$two" 2>/dev/null
}

drain=$(real "$BENCH/drain")
curl=$BENCH/drain_curl
pop3=$(real "${POP3:-none}")
LD_LIBRARY_PATH=${LIBPOP3_DIR-}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/pop3-bench.XXXXXX") || fail "mktemp failed"
cd "$dir" || fail "cannot enter $dir"

test -x "$curl" || echo "bench: libcurl is not there: measured alone"
serve 20000 4096
heading "20,000 messages of 4 KB, one by one, plain"
pair tcp "$tcp" 20000 81920000
heading "20,000 messages of 4 KB, one by one, TLS"
pair ssl "$ssl" 20000 81920000
against_poplib 20000 81920000
serve 50 20000000
heading "50 messages of 20 MB, plain"
pair tcp "$tcp" 50 1000000000
heading "50 messages of 20 MB, TLS"
pair ssl "$ssl" 50 1000000000
test ! -x "$pop3" || program
echo
test $failures -eq 0 || fail "$failures measurements failed"
