#!/bin/sh
# check_threads.sh - many threads, and processes that fork, at popd
# SPDX-License-Identifier: MIT
#
# Owns the server for threads.c and forks.c, and their rounds: $ROUNDS sessions a
# thread, 6 if unset. Given by the build (Makefile.am): BUILDDIR and, where they
# are elsewhere, POPD, CERTS, LIBPOP3_DIR. With a build that has ThreadSanitizer
# in it, `make tsan`, a race is a failure.
set -u

: "${BUILDDIR:?}"
POPD=${POPD:-$BUILDDIR/tests/popd}
CERTS=${CERTS:-$BUILDDIR/tests/certs}
ROUNDS=${ROUNDS:-6}
server=

dir=$(mktemp -d "${TMPDIR:-/tmp}/check_threads.XXXXXX") || exit 99

# ThreadSanitizer keeps SIGTERM back from a process that waits in pselect.
clean_up()
{
    test -z "$server" || kill -KILL "$server" 2>/dev/null
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
    echo "check_threads: $*" >&2
    exit 1
}

wait_for_ports() # ten seconds at most
{
    tries=0
    until grep -q plain "$dir/ports" 2>/dev/null; do
        tries=$((tries + 1))
        test $tries -le 100 || fail "popd does not start"
        sleep 0.1
    done
}

start_server()
{
    set --
    n=0
    while test $n -lt 16; do
        set -- "$@" --user "t$n:harbour:"
        n=$((n + 1))
    done
    "$POPD" "$@" --synthetic 6:30000 --port-file "$dir/ports" --lifetime 600 \
        --ssl-port 0 --cert "$CERTS/server.pem" --key "$CERTS/server.key" &
    server=$!
    wait_for_ports
    plain=$(sed -n 's/^plain //p' "$dir/ports")
    ssl=$(sed -n 's/^ssl //p' "$dir/ports")
}

start_server
failed=0
timeout 300 "$BUILDDIR/tests/threads" localhost "$plain" "$ssl" \
    "$CERTS/ca.pem" "$ROUNDS" || failed=1
timeout 120 "$BUILDDIR/tests/forks" localhost "$plain" "$ssl" \
    "$CERTS/ca.pem" || failed=1
test $failed -eq 0
