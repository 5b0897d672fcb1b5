#!/bin/sh
# check_memory.sh - the program's memory does not grow with the mail
# SPDX-License-Identifier: MIT
#
# Owns two promises, measured by peak memory alone, never by time: a message of
# 1 GB goes through pop3 retr within 10 MiB, and what pop3 list needs grows no
# faster than the mailbox does. Given by the build: POP3, POPD, BUILDDIR.
# Skipped (77) under sanitizers, whose own memory would be counted.
set -u

: "${POP3:?}" "${POPD:?}" "${BUILDDIR:?}"
measure=${MEASURE:-$BUILDDIR/tests/bench/measure}
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
    echo "check_memory: $*" >&2
    exit 1
}

# The program itself: libtool's script has no symbols and a shell's memory.
program=$POP3
if test -x "${POP3%/*}/.libs/${POP3##*/}"; then
    program=${POP3%/*}/.libs/${POP3##*/}
    LD_LIBRARY_PATH=$BUILDDIR/lib/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
fi
# NM may have an option in it.
# shellcheck disable=SC2086
if ${NM:-nm} "$program" 2>/dev/null |
    grep -q '__asan_init\|__msan_init\|__tsan_init\|__ubsan_handle'
then
    echo "check_memory: skipped: built with a sanitizer"
    exit 77
fi

serve() # COUNT SIZE
{
    stop_server
    rm -f ports
    "$POPD" --user demo:harbour: --synthetic "$1:$2" --port-file ports \
        --lifetime 300 &
    server=$!
    tries=0
    while test ! -s ports; do
        tries=$((tries + 1))
        test $tries -le 100 || fail "popd does not start"
        sleep 0.1 2>/dev/null || sleep 1
    done
    spec=tcp:demo@localhost:$(sed -n 's/^plain //p' ports)
}

peak() # ARG... : KiB
{
    "$measure" -p "$program" "$@" || fail "pop3 $1 failed"
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/check_memory.XXXXXX") || fail "mktemp failed"
cd "$dir" || fail "cannot enter $dir"
(umask 077 && echo 'machine localhost login demo password harbour' >netrc)
NETRC=$dir/netrc
export NETRC

serve 1 1000000000
retr=$(peak retr "$spec" 1) || exit 1
echo "retr of 1 GB: $retr KiB"
test "$retr" -lt 10240 || fail "retr of 1 GB takes more than 10 MiB: $retr KiB"

# What a mailbox of 200 needs is not the mailbox's.
serve 200 1000
none=$(peak list "$spec") || exit 1
serve 100000 1000
half=$(peak list "$spec") || exit 1
serve 200000 1000
full=$(peak list "$spec") || exit 1
echo "list of 200, 100,000 and 200,000 messages: $none, $half, $full KiB"
# Twice as much, and a quarter over it for buffers that grow in steps.
test $(((full - none) * 4)) -le $(((half - none) * 10 + 1024)) ||
    fail "list grows faster than the mailbox"
# 200,000 rows of 100 octets would be 20 MB; twice that is a leak or a fault.
test $((full - none)) -le 65536 ||
    fail "list of 200,000 messages takes $full KiB"
