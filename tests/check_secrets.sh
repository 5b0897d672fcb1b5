#!/bin/sh
# check_secrets.sh - a password is nowhere but on the wire
# SPDX-License-Identifier: MIT
#
# Owns two promises, for each way to log in. The program's output at -v and -vv,
# its arguments and its environment show neither the password nor what it is
# encoded into. And after the login the memory holds it no more, of the program
# and of one that logs in by the library alone (scan_memory); not after a login
# that was refused, either. Given by the build: POP3, POPD, SCRIPTD, CERTS,
# BUILDDIR. Skipped (77) where a process may not read another's memory; under
# sanitizers, which keep what was freed, memory is not looked through.
set -u

: "${POP3:?}" "${POPD:?}" "${SCRIPTD:?}" "${CERTS:?}" "${BUILDDIR:?}"
scan=${SCAN:-$BUILDDIR/tests/scan_memory}
passed=0
failed=0
servers=
LC_ALL=C
export LC_ALL

dir=$(mktemp -d "${TMPDIR:-/tmp}/check_secrets.XXXXXX") || exit 99

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

ok()
{
    passed=$((passed + 1))
    echo "ok - $1"
}

not_ok()
{
    failed=$((failed + 1))
    echo "not ok - $1"
    for file in out err; do
        head -n 5 $file 2>/dev/null | sed "s/^/#   $file: /"
    done
}

# ---- The program itself, not libtool's script ------------------------------

program=$POP3
if test -x "${POP3%/*}/.libs/${POP3##*/}"; then
    program=${POP3%/*}/.libs/${POP3##*/}
    LD_LIBRARY_PATH=$BUILDDIR/lib/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
fi
test ! -x "${scan%/*}/.libs/${scan##*/}" || scan=${scan%/*}/.libs/${scan##*/}
memory=yes
# NM may have an option in it.
# shellcheck disable=SC2086
if ${NM:-nm} "$program" 2>/dev/null |
    grep -q '__asan_init\|__msan_init\|__tsan_init\|__ubsan_handle'
then
    memory=
fi

# ---- The secret --------------------------------------------------------------

# Put together here, so that no file of the system holds it; longer than what
# free() overwrites of a block.
cd "$dir" || exit 99
umask 077
user=demo
secret=Zq7kelpWharf93
secret=${secret}TideXv52morrowGannet81
secret=${secret}QuayUb64Reef0
# Sent as it is, encoded (LOGIN), and with the name before it (PLAIN).
{
    echo "$secret"
    printf '%s' "$secret" | "${OPENSSL:-openssl}" base64 -A
    echo
    printf '\0%s\0%s' $user "$secret" | "${OPENSSL:-openssl}" base64 -A
    echo
} >secrets
cut -c 1-12 secrets >beginnings
echo "$secret" >password
printf 'machine localhost login %s password %s\n' $user "$secret" >netrc
: >empty
NETRC=$dir/netrc
export NETRC
unset secret

# ---- Servers -------------------------------------------------------------------

wait_for_line() # FILE PATTERN: ten seconds at most
{
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        test $tries -le 100 || return 1
        sleep 0.1
    done
}

dialogue() # METHOD REPLY: how a script logs in
{
    case $1 in
    USER) printf '%s\n' 'C: USER demo' 'S: +OK' 'C*' "S: $2" ;;
    APOP) printf '%s\n' 'C*' "S: $2" ;;
    *)
        printf '%s\n' 'C: CAPA' 'S: +OK' 'S: SASL PLAIN LOGIN CRAM-MD5' 'S: .'
        case $1 in
        PLAIN) echo 'C*' ;;
        LOGIN)
            printf '%s\n' 'C: AUTH LOGIN' 'S: + VXNlcm5hbWU6' 'C*' \
                'S: + UGFzc3dvcmQ6' 'C*'
            ;;
        CRAM-MD5)
            printf '%s\n' 'C: AUTH CRAM-MD5' 'S: + PDE4OTYuNjk3QGV4YW1wbGU+' \
                'C*'
            ;;
        esac
        echo "S: $2"
        ;;
    esac
}

play() # ssl or tcp; standard input is what follows the greeting
{
    { echo 'S: +OK <1.2@example.org>'; cat; } >script
    rm -f port heard
    tls=
    test "$1" = tcp ||
        tls="--ssl --cert $CERTS/server.pem --key $CERTS/server.key"
    # shellcheck disable=SC2086 # $tls is words
    "$SCRIPTD" --port-file port --heard heard --lifetime 60 $tls script \
        2>scriptd.err &
    servers="$servers $!"
    wait_for_line port ' ' || { not_ok "scriptd starts"; exit 1; }
    spec=$1:$user@localhost:$(sed 's/.* //' port)
}

# ---- What is shown ---------------------------------------------------------------

shows_nothing() # SENTENCE
{
    if test "$st" -ne 0; then not_ok "$1: status $st"
    elif ! test -s err || grep -q -F -f beginnings out err; then not_ok "$1"
    else ok "$1"; fi
}

from_command() # ARG...
{
    st=0
    NETRC=$dir/empty timeout 30 "$program" "$@" \
        --password-command "cat $dir/password" >out 2>err </dev/null || st=$?
}

from_netrc() # ARG...
{
    st=0
    timeout 30 "$program" "$@" >out 2>err </dev/null || st=$?
}

mkdir -p Mail/new Mail/cur Mail/tmp
printf 'Subject: one\n\nbody\n' >Mail/new/1
"$POPD" --port-file ports --lifetime 300 --ssl-port 0 --cert "$CERTS/server.pem" \
    --key "$CERTS/server.key" --user "$user:$(cat password):$dir/Mail" \
    2>popd.err &
servers="$servers $!"
wait_for_line ports ssl || { not_ok "popd starts"; exit 1; }
plain=tcp:$user@localhost:$(sed -n 's/^plain //p' ports)
ssl=ssl:$user@localhost:$(sed -n 's/^ssl //p' ports)

for level in -v -vv; do
    for source in command netrc; do
        from_$source check "$plain" --auth USER $level
        shows_nothing "$level shows no password: USER, $source"
        from_$source check "$plain" --auth APOP $level
        shows_nothing "$level shows no password: APOP, $source"
        from_$source check "$ssl" --cacert "$CERTS/ca.pem" $level
        shows_nothing "$level shows no password: TLS, $source"
    done
    for method in PLAIN LOGIN CRAM-MD5; do
        { dialogue $method +OK
          printf '%s\n' 'C: STAT' 'S: +OK 1 1' 'C: QUIT' 'S: +OK'
        } | play tcp
        spec=tcp:$user@localhost:$(sed 's/.* //' port)
        from_netrc check "$spec" --auth $method $level
        shows_nothing "$level shows no password: $method"
    done
done

# ---- What is left in memory ------------------------------------------------------

if test -z "$memory"; then
    echo "# built with a sanitizer: memory is not looked through"
    echo "$passed passed, $failed failed"
    test $failed -eq 0
    exit
fi

look() # TEXT COMMAND [ARG...]: st 0: nothing is found once the server heard it
{
    text=$1
    shift
    st=0
    "$scan" watch secrets heard "$text" "$@" >out 2>err <password || st=$?
}

found() # SENTENCE
{
    if test $st -eq 1; then ok "$1"; else not_ok "$1"; fi
}

not_found() # SENTENCE
{
    if test $st -eq 0; then ok "$1"; else not_ok "$1"; fi
}

stalls() # WAY METHOD REPLY TEXT: at TEXT
{
    { dialogue "$2" "$3"
      printf '%s\n' "C: $4" 'sleep 20000'
    } | play "$1"
    spec=$1:$user@localhost:$(sed 's/.* //' port)
}

# The scanner finds what is there.
printf '%s\n' 'C: USER demo' 'S: +OK' 'C*' 'sleep 20000' | play tcp
spec=tcp:$user@localhost:$(sed 's/.* //' port)
look PASS "$program" check "$spec" --auth USER
test $st -ne 77 || { echo "check_secrets: skipped: no memory to read"; exit 77; }
found "while it logs in, the password is in memory"

for way in tcp ssl; do
    for method in USER APOP PLAIN LOGIN CRAM-MD5; do
        stalls $way $method +OK STAT
        look STAT "$program" check "$spec" --auth $method \
            --cacert "$CERTS/ca.pem"
        not_found "after the login it is not: $way, $method, netrc"
        stalls $way $method +OK STAT
        look STAT "$program" check "$spec" --auth $method \
            --cacert "$CERTS/ca.pem" --netrc empty \
            --password-command "cat $dir/password"
        not_found "nor: $way, $method, password command"
        stalls $way $method '-ERR no' QUIT
        look QUIT "$program" check "$spec" --auth $method \
            --cacert "$CERTS/ca.pem"
        not_found "nor after a refusal: $way, $method"
        stalls $way $method +OK STAT
        look STAT "$scan" login "$spec" $method "$CERTS/ca.pem"
        not_found "nor by the library alone: $way, $method"
    done
done

for method in SCRAM-SHA-1 SCRAM-SHA-256; do
    rm -f port heard
    "$scan" scram $method password port heard 2>scram.err &
    server=$!
    wait_for_line port plain || {
        st=0
        wait $server || st=$?
        if test $st -eq 77; then echo "# no libgsasl"; break; fi
        not_ok "the server for SCRAM starts"
        break
    }
    servers="$servers $server"
    spec=tcp:$user@localhost:$(sed 's/.* //' port)
    look STAT "$scan" login "$spec" $method
    not_found "nor by the library alone: $method"
done

echo
echo "$passed passed, $failed failed"
test $failed -eq 0
