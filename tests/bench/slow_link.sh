#!/bin/sh
# slow_link.sh - what pop3 dl costs on a long link, beside others, in one run
# SPDX-License-Identifier: MIT
#
# Owns the second part of `make bench`: a mailbox of 100 messages, downloaded
# and deleted over a link whose round trip takes 600 ms, 300 each way. All
# clients run at once, each with an account of its own, for they do nothing but
# wait: as long as the slowest of them, some three minutes. What is not
# installed is left out.
#   $BENCH, $POPD, $POP3, $LIBPOP3_DIR   given by the build
# Fails if pop3 takes longer than its round trips do and 15 % more, or is not 25
# times as quick as poplib, which waits for the reply to each command.
set -u

: "${BENCH:?}" "${POPD:?}" "${POP3:?}"
messages=100
round_trip=600 # ms
dir=
server=

clean_up()
{
    # What still runs has lost its server, and ends itself.
    test -z "$server" || { kill "$server" && wait "$server"; } 2>/dev/null
    wait
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

# popd holds back what it sends, and that by the whole round trip.
serve() # USER...
{
    for user in "$@"; do
        shift
        set -- "$@" --user "$user:bench:"
    done
    "$POPD" "$@" --synthetic "$messages:2000" --delay $round_trip --no-apop \
        --port-file ports --log log --lifetime 600 &
    server=$!
    tries=0
    while test ! -s ports; do
        tries=$((tries + 1))
        test $tries -le 100 || fail "popd does not start"
        sleep 0.1 2>/dev/null || sleep 1
    done
    port=$(sed -n 's/^plain //p' ports)
}

# ---- The clients ----

clock() # ms
{
    now=$(date +%s%N)
    case $now in
    *N) echo $((${now%N} * 1000)) ;;
    *) echo $((now / 1000000)) ;;
    esac
}

client() # NAME COMMAND...: in the background
{
    name=$1
    shift
    clients="$clients $name"
    {
        began=$(clock)
        timeout 500 "$@" >"$name.out" 2>&1 </dev/null
        echo "$? $(($(clock) - began))" >"$name.took"
    } &
}

there() # COMMAND...: says so if it is not
{
    "$@" >/dev/null 2>&1 || { echo "  left out: $1 is not there"
        return 1; }
}

begin_pop3()
{
    program=$POP3
    if test -x "${POP3%/*}/.libs/${POP3##*/}"; then
        program=${POP3%/*}/.libs/${POP3##*/}
        LD_LIBRARY_PATH=${LIBPOP3_DIR-}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
        export LD_LIBRARY_PATH
    fi
    client pop3 "$program" dl "tcp:pop3@localhost:$port" Maildir \
        --password-command 'echo bench'
}

begin_mpop()
{
    there mpop --version || return 0
    mkdir -p mpop/new mpop/cur mpop/tmp
    client mpop mpop --host=localhost --port="$port" --user=mpop \
        --passwordeval='echo bench' --auth=user --tls=off --keep=off \
        --uidls-file=mpop.uidls --delivery="maildir,$dir/mpop"
}

begin_fetchmail()
{
    there fetchmail --version || return 0
    (umask 077
    cat >fetchmailrc <<END
poll localhost protocol pop3 port $port auth password
    user fetchmail password bench
    fetchall nokeep sslproto '' mda "cat >>$dir/fetchmail.mail"
END
    )
    FETCHMAILHOME=$dir
    export FETCHMAILHOME
    client fetchmail fetchmail -f "$dir/fetchmailrc" --nosyslog
}

poplib_dl='
import poplib, sys
c = poplib.POP3("127.0.0.1", int(sys.argv[1]))
c.user("poplib")
c.pass_("bench")
for n in range(1, c.stat()[0] + 1):
    c.retr(n)
    c.dele(n)
c.quit()'

begin_poplib()
{
    there python3 -c 'import poplib' || return 0
    client poplib python3 -c "$poplib_dl" "$port"
}

# It cannot delete what it fetches.
begin_libcurl()
{
    there test -x "$BENCH/drain_curl" || return 0
    client bench "$BENCH/drain_curl" tcp "$port" "$messages" \
        $((messages * 2000))
}

# ---- What comes of it ----

took() # NAME: ms
{
    sed 's/.* //' "$1.took"
}

tenths() # MS: seconds
{
    echo $(($1 / 1000)).$(($1 % 1000 / 100))
}

trips() # NAME: as popd counts them
{
    sed -n "s/^user=$1 .*round_trips=\\([0-9]*\\).*/\\1/p" log | tail -n 1
}

failures=0
complain()
{
    echo "  $*"
    failures=$((failures + 1))
}

result() # NAME
{
    label=$1
    test "$label" != bench || label="libcurl (RETR)"
    case $(cat "$1.took") in
    '0 '*) ;;
    *)
        complain "$label failed: $(tail -n 1 "$1.out")"
        return
        ;;
    esac
    printf '  %-15s %4d round trips %7s s   wall, of pop3'"'"'s: %s\n' \
        "$label" "$(trips "$1")" "$(tenths "$(took "$1")")" \
        "$(tenths $(($(took "$1") * 1000 / $(took pop3))))"
}

# popd does not count the way of the first reply or of the last one: together
# one more.
quick_enough()
{
    least=$((($(trips pop3) + 1) * round_trip))
    test $(($(took pop3) * 100)) -le $((least * 115)) ||
        complain "pop3 takes $(took pop3) ms for round trips of $least ms"
    test ! -s poplib.took ||
        test "$(took poplib)" -ge $(($(took pop3) * 25)) ||
        complain "pop3 is not 25 times as quick as poplib"
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/pop3-slow.XXXXXX") || fail "mktemp failed"
cd "$dir" || fail "cannot enter $dir"
HOME=$dir
export HOME
clients=
printf '\n%d messages over a link of %d ms a round trip, %s\n' \
    "$messages" "$round_trip" "downloaded and deleted"
serve pop3 mpop fetchmail poplib bench
begin_pop3
begin_mpop
begin_fetchmail
begin_poplib
begin_libcurl
for name in $clients; do
    until test -s "$name.took"; do
        sleep 1
    done
done
for name in $clients; do
    result "$name"
done
test ! -s pop3.took || quick_enough
echo
test $failures -eq 0 || fail "$failures measurements failed"
