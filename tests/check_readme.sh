#!/bin/sh
# check_readme.sh PREFIX - what README.md shows works as it is printed there
# SPDX-License-Identifier: MIT
#
# Takes the examples out of README.md and runs them against popd, with libpop3
# as it is installed in PREFIX. In README.md the first block ```c is count.c, the
# second fetch.c, ```python first.py and ```netrc ~/.netrc; the lines of the blocks
# ```sh are run one by one, but for those that build libpop3 itself (make,
# ./configure); before ./fetch the mailbox is filled again. One thing in them is
# replaced: mail.example.org by localhost:PORT. HOME is a folder made for this,
# and SSL_CERT_FILE names the authority of popd's certificate.
#
# The environment may have SRCDIR, BUILDDIR, POPD and CERTS as Makefile.am gives
# them to scripts; else they are looked for in SRCDIR/build, and made where they
# are not there. No wait is longer than `limit` seconds.
set -u

limit=60
passed=0
failed=0
server=
dir=

fail()
{
    echo "check_readme: $*" >&2
    exit 1
}

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

absolute() # PATH
{
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
    esac
}

# ---- A server ---------------------------------------------------------------

find_server()
{
    popd=$(absolute "${POPD:-$build/tests/popd}")
    certs=$(absolute "${CERTS:-$build/tests/certs}")
    if test ! -x "$popd"; then
        popd=$dir/popd
        # shellcheck disable=SC2046
        ${CC:-cc} -o "$popd" "$source/tests/popd.c" \
            $(pkg-config --cflags --libs openssl) -lpthread ||
            fail "popd cannot be compiled"
    fi
    if test ! -e "$certs/stamp"; then
        certs=$dir/certs
        sh "$source/tests/make_certs.sh" "$certs" || fail "no certificates"
    fi
}

fill_mailbox()
{
    mkdir -p mail/new mail/cur mail/tmp || fail "mkdir failed"
    printf 'Subject: High water\nFrom: Tide gauge <gauge@example.org>\n%s\n' \
        'Date: Fri, 09 Jan 2026 03:12:40 +0000

At 03:10, 4.2 m.' >mail/new/1.1.demo
    printf 'Subject: Night orders\n\nKeep a lookout.\n' >mail/new/2.2.demo
}

wait_for_ports()
{
    tries=0
    while test ! -s ports; do
        tries=$((tries + 1))
        test $tries -le $limit || fail "popd does not start"
        kill -0 "$server" 2>/dev/null || fail "popd ended"
        # A fraction is more than POSIX promises.
        sleep 0.1 2>/dev/null || sleep 1
    done
}

start_server()
{
    find_server
    fill_mailbox
    "$popd" --user me:harbour:mail --ssl-port 0 --lifetime $((limit * 10)) \
        --cert "$certs/server.pem" --key "$certs/server.key" \
        --port-file ports </dev/null &
    server=$!
    wait_for_ports
    port=$(sed -n 's/^ssl //p' ports)
    SSL_CERT_FILE=$certs/ca.pem
    export SSL_CERT_FILE
}

# ---- What README.md has -----------------------------------------------------

block() # LANGUAGE [N]: all the blocks of it, one after another, or the N-th
{
    awk -v fence="\`\`\`$1" -v wanted="${2:-0}" '
        /^```/ {
            inside = !inside && $0 == fence
            count += inside
            next
        }
        inside && (!wanted || count == wanted)' "$source/README.md" |
        sed "s/mail\\.example\\.org/localhost:$port/g"
}

take_examples()
{
    HOME=$dir
    export HOME
    unset NETRC
    block c 1 >count.c
    block c 2 >fetch.c
    block python >first.py
    (umask 077 && block netrc >.netrc)
    block sh | grep -v -e '^make' -e '^\./configure' >lines
}

# ---- Running them -----------------------------------------------------------

bounded() # COMMAND...: 124 when it takes too long
{
    "$@" </dev/null &
    running=$!
    (
        waited=0
        while test $waited -lt $limit && kill -0 $running 2>/dev/null; do
            sleep 1
            waited=$((waited + 1))
        done
        test $waited -lt $limit || kill -KILL $running 2>/dev/null
    ) &
    watch=$!
    wait $running
    ended=$?
    kill $watch 2>/dev/null
    wait $watch 2>/dev/null
    test $ended -ne 137 || ended=124
    return $ended
}

check() # SENTENCE COMMAND...: the command must succeed
{
    sentence=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok: $sentence"
    else
        failed=$((failed + 1))
        echo "not ok: $sentence"
        echo "    status $status; output and errors:"
        sed 's/^/    /' out err
    fi
}

run() # LINE: as somebody would type it
{
    status=0
    bounded sh -c "$1" >out 2>err || status=$?
}

done_well()
{
    test $status -eq 0 && test ! -s err
}

said() # TEXT
{
    done_well && test "$(cat out)" = "$1"
}

showed() # LINE...: each of them is a line of the output
{
    done_well || return 1
    for shown in "$@"; do
        grep -q -x -F "$shown" out || return 1
    done
}

listed()
{
    done_well && test "$(grep -c '' out)" -eq 2 &&
        grep -q '^1 [0-9]* 1\.1\.demo	.*	.*	High water$' out &&
        grep -q '^2 [0-9]* 2\.2\.demo	.*	.*	Night orders$' out
}

stored() # COUNT
{
    test "$(find Maildir/new -type f | grep -c '')" -eq "$1" &&
        grep -q -r '^Keep a lookout\.$' Maildir/new
}

copied()
{
    said "2 messages, $octets octets" && stored 2 && test -s mail/new/2.2.demo
}

# What was copied before is only deleted.
downloaded()
{
    said '0 messages, 0 octets' && stored 2 && test ! -e mail/new/2.2.demo
}

fetched()
{
    said '2 messages' && stored 4 && test ! -e mail/new/2.2.demo
}

run_line() # LINE: and look at what came of it
{
    case $1 in
    python3\ *)
        command -v python3 >/dev/null 2>&1 || {
            echo "skipped, no python3: $1"
            return
        }
        ;;
    ./fetch\ *) fill_mailbox ;;
    esac
    run "$1"
    case $1 in
    cc\ *) check "it compiles without a warning: $1" said '' ;;
    ./count\ *) check "it counts: $1" said '2 messages' ;;
    python3\ *) check "it shows the first message: $1" \
        showed 'Subject: High water' 'At 03:10, 4.2 m.' ;;
    'pop3 check'*) check "$1" said "2 messages, $octets octets" ;;
    'pop3 list'*) check "$1" listed ;;
    ./fetch\ *) check "it downloads: $1" fetched ;;
    'pop3 dl --keep'*) check "$1" copied ;;
    'pop3 dl'*) check "$1" downloaded ;;
    *) check "$1" done_well ;;
    esac
}

if test $# -ne 1 || test ! -d "$1"; then
    echo "usage: check_readme.sh PREFIX" >&2
    exit 64
fi
prefix=$(absolute "$1")
PATH=$prefix/bin:$PATH
LD_LIBRARY_PATH=$prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PKG_CONFIG_PATH=$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PATH LD_LIBRARY_PATH PKG_CONFIG_PATH

source=$(absolute "${SRCDIR:-$(dirname "$0")/..}")
build=$(absolute "${BUILDDIR:-$source/build}")
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
dir=$(mktemp -d "${TMPDIR:-/tmp}/check_readme.XXXXXX") || fail "mktemp failed"
cd "$dir" || fail "cannot enter $dir"
start_server
take_examples
octets=$(cat mail/new/* | awk '{ n += length($0) + 2 } END { print n }')

status=0
: >out
: >err
# A README.md that has lost its examples proves nothing.
check "README.md has the examples" \
    test -s count.c -a -s fetch.c -a -s first.py -a -s .netrc \
    -a "$(grep -c '' lines)" -ge 9
while read -r line <&3; do
    run_line "$line"
done 3<lines
echo "$passed passed, $failed failed"
test $failed -eq 0
