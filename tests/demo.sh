#!/bin/sh
# demo.sh [BUILDDIR] [SPEC [OPTION...]] - shows what the pop3 program does
# SPDX-License-Identifier: MIT
#
# Owns what `make demo` shows. Without SPEC: each command against popd with a
# mailbox made of tests/samples, over ssl: and tcp:, every exit status checked.
# With SPEC: check and list on an account of yours; nothing is deleted there.
# BUILDDIR may stand in the environment instead; so may POP3 and POPD, where
# the programs are not BUILDDIR/tools/pop3 and BUILDDIR/tests/popd.
set -u

fail()
{
    echo "demo: $*" >&2
    exit 1
}

absolute() # FILE
{
    echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
}

show() # ARG... : runs the program as a reader would type it
{
    printf '\n$ pop3'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_.,:@!/=-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    echo
    "$pop3" "$@"
}

run() # STATUS ARG...
{
    expected=$1
    shift
    show "$@"
    status=$?
    test $status -eq "$expected" ||
        fail "pop3 $1 ended with status $status, not $expected"
    test $status -eq 0 || echo "(exit status $status, as it should be)"
}

# ---- an account of your own ----

own_account() # SPEC [OPTION...]
{
    show check "$@"
    status=$?
    echo "(exit status $status)"
    # 1 is no error: there is no mail.
    test $status -le 1 || exit $status
    show list "$@"
    status=$?
    echo "(exit status $status)"
    exit $status
}

# ---- a small server of our own ----

clean_up()
{
    if test -n "$server"; then
        kill "$server" 2>/dev/null
        wait "$server" 2>/dev/null
    fi
    if test -n "$dir"; then
        cd / && rm -rf "$dir"
    fi
}

fill_mailbox()
{
    n=0
    for sample in "$tests"/samples/*.eml; do
        n=$((n + 1))
        cp "$sample" "Maildir/new/176760000$n.P$n.demo" || fail "cp failed"
    done
}

prepare()
{
    dir=$(mktemp -d "${TMPDIR:-/tmp}/pop3-demo.XXXXXX") || fail "mktemp failed"
    cd "$dir" || fail "cannot enter $dir"
    sh "$tests/make_certs.sh" certs || fail "make_certs.sh failed"
    mkdir -p Maildir/new Maildir/cur Maildir/tmp || fail "mkdir failed"
    umask 077
    echo "machine localhost login demo password harbour" >netrc ||
        fail "cannot write netrc"
    NETRC=$dir/netrc
    export NETRC
}

wait_for_ports()
{
    tries=0
    while test ! -s ports; do
        tries=$((tries + 1))
        test $tries -le 100 || fail "popd does not start"
        kill -0 "$server" 2>/dev/null || fail "popd ended"
        # A fraction is more than POSIX promises.
        sleep 0.1 2>/dev/null || sleep 1
    done
}

start_server()
{
    "$popd" --user demo:harbour:Maildir --ssl-port 0 --lifetime 300 \
        --cert certs/server.pem --key certs/server.key --port-file ports &
    server=$!
    wait_for_ports
    plain=$(sed -n 's/^plain //p' ports)
    ssl=$(sed -n 's/^ssl //p' ports)
}

# ---- what there is to see ----

tour() # MAILDIR SPEC [OPTION...]
{
    inbox=$1
    shift
    fill_mailbox
    run 0 check "$@"
    run 0 capa "$@"
    run 0 list --headers "$@"
    run 0 top "$@" 3 1
    run 0 retr "$@" 4
    run 0 dl "$@" "$inbox"
    printf '\n$ ls %s/new\n' "$inbox"
    ls "$inbox/new" || fail "dl made no $inbox"
    stored=$(find "$inbox/new" -type f | wc -l)
    test "$stored" -eq "$n" || fail "$((stored)) of $n messages are stored"
    run 1 check "$@"
}

heading()
{
    printf '\n==== %s\n' "$*"
}

# make gives it in the environment; who calls this by hand, as an argument.
if test -z "${BUILDDIR-}" || test "${1-}" = "$BUILDDIR"; then
    test $# -ge 1 || { echo "usage: demo.sh BUILDDIR [SPEC]" >&2; exit 64; }
    BUILDDIR=$1
    shift
fi
build=$(cd "$BUILDDIR" && pwd) || fail "$BUILDDIR is no directory"
pop3=${POP3:-$build/tools/pop3}
test -x "$pop3" || fail "$pop3 is not there: build it first"
pop3=$(absolute "$pop3")
test $# -eq 0 || own_account "$@"

tests=$(cd "$(dirname "$0")" && pwd)
popd=${POPD:-$build/tests/popd}
test -x "$popd" || fail "$popd is not there: build it first"
popd=$(absolute "$popd")
server=
dir=
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
prepare
start_server
echo "A mailbox with some mail, at a small server on this machine. The password"
echo "stands in a netrc file: $(cat netrc)"
heading "TLS from the first byte"
tour inbox "ssl:demo@localhost:$ssl" --cacert certs/ca.pem
heading "Cleartext, as through an ssh port forward"
tour inbox-tcp "tcp:demo@localhost:$plain"
heading "All as it should be."
