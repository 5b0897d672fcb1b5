#!/bin/sh
# dovecot.sh - the library and the program against a real Dovecot
# SPDX-License-Identifier: MIT
#
# Owns a Dovecot of its own: installed by apt-get where it is missing and this
# is root (else the test is skipped, 77), run by an ordinary user on loopback
# and free high ports, all of it below one temporary directory, and ended by its
# pid. Its mailboxes hold tests/samples and messages made to be nasty.
#   $POP3         the program; empty: its part is left out
#   $BUILDDIR     where tests/interop/session was built ($SESSION: or that one)
#   $CERTS        as make_certs.sh makes them; empty: made here
#   $OPENSSL      the openssl command, for tokens and pins
# Prints "ok ..." or "not ok ..." a check, and "N passed, N failed" at the end.
set -u
umask 077
LC_ALL=C
export LC_ALL

srcdir=${SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
absolute() # PATH
{
    case $1 in
    '' | /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
    esac
}
session=${SESSION:-${BUILDDIR:-$srcdir/build}/tests/interop/session}
session=$(absolute "$session")
POP3=$(absolute "${POP3-}")
CERTS=$(absolute "${CERTS-}")
OPENSSL=${OPENSSL:-openssl}
passed=0
failed=0
dir=
server=
holder=
policy=

skip()
{
    echo "dovecot.sh: skipped: $*"
    exit 77
}

die()
{
    echo "dovecot.sh: $*" >&2
    test ! -s "$dir/dovecot.log" || tail -n 20 "$dir/dovecot.log" >&2
    exit 1
}

pause()
{
    sleep 0.1 2>/dev/null || sleep 1
}

# Waits for a process of ours that was told to end; kills it at last.
reap() # PID
{
    tries=0
    while kill -0 "$1" 2>/dev/null && test $tries -lt 50; do
        tries=$((tries + 1))
        pause
    done
    kill -9 "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

clean_up()
{
    trap '' HUP INT TERM
    test -z "$policy" || rm -f "$policy"
    if test -n "$holder"; then
        kill "$holder" 2>/dev/null && reap "$holder"
    fi
    if test -n "$server"; then
        kill "$server" 2>/dev/null && reap "$server"
    fi
    if test -n "$dir"; then
        cd / && rm -rf "$dir"
    fi
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- Dovecot ----

find_dovecot()
{
    dovecot=$(command -v dovecot || echo /usr/sbin/dovecot)
    test -x "$dovecot" && { test -x /usr/lib/dovecot/pop3 ||
        test -x /usr/libexec/dovecot/pop3 ||
        test -x /usr/lib64/dovecot/pop3; }
}

apt()
{
    DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null >"$dir/apt" 2>&1
}

# As root, on Debian and its kin; and no service is started.
install_dovecot()
{
    if test "$(id -u)" != 0 || ! command -v apt-get >/dev/null; then
        skip "Dovecot is not installed (Debian, Ubuntu:" \
            "apt-get install dovecot-pop3d)"
    fi
    if test ! -e /usr/sbin/policy-rc.d; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
    fi
    echo "dovecot.sh: installing dovecot-pop3d"
    apt install -y --no-install-recommends dovecot-pop3d ||
        { apt update &&
            apt install -y --no-install-recommends dovecot-pop3d; } ||
        skip "apt-get cannot install dovecot-pop3d: $(tail -n 1 "$dir/apt")"
    test -z "$policy" || rm -f "$policy"
    policy=
}

# Dovecot refuses to read mail as root.
choose_user()
{
    me=$(id -un)
    group=$(id -gn)
    as_user=
    test "$(id -u)" = 0 || return 0
    command -v setpriv >/dev/null || skip "root needs setpriv to leave itself"
    me=nobody
    group=$(id -gn nobody)
    as_user="setpriv --reuid $me --regid $group --clear-groups --"
    chown "$me:$group" "$dir"
}

configure() # PLAIN SSL
{
    cat >"$dir/dovecot.conf" <<END
protocols = pop3
listen = 127.0.0.1
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/dovecot.log
default_internal_user = $me
default_internal_group = $group
default_login_user = $me
mail_location = maildir:$dir/mail/%u/Maildir
ssl = yes
ssl_cert = <$dir/certs/server.pem
ssl_key = <$dir/certs/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login apop cram-md5 digest-md5 scram-sha-1 \
  scram-sha-256 xoauth2 oauthbearer
auth_failure_delay = 0 secs
pop3_lock_session = yes
pop3_uidl_format = %f
passdb {
  driver = passwd-file
  args = username_format=%u $dir/users
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = $dir/oauth2.conf
}
userdb {
  driver = static
  args = uid=$me gid=$group home=$dir/mail/%u
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = $1
  }
  inet_listener pop3s {
    port = $2
    ssl = yes
  }
}
END
}

running()
{
    kill -0 "$server" 2>/dev/null
}

# Ports may be taken, so others are tried.
start_dovecot()
{
    for try in 0 1 2 3 4 5 6 7; do
        plain=$((20000 + ($$ * 16 + try * 2) % 20000))
        ssl=$((plain + 1))
        configure $plain $ssl
        test -z "$as_user" || chown "$me:$group" dovecot.conf
        $as_user "$dovecot" -F -c "$dir/dovecot.conf" >"$dir/said" 2>&1 &
        server=$!
        tries=0
        while running && test $tries -lt 100; do
            if "$session" ready $plain 2>/dev/null && running; then
                return 0
            fi
            tries=$((tries + 1))
            pause
        done
        kill "$server" 2>/dev/null
        reap "$server"
        server=
    done
    cat "$dir/said" >&2
    die "Dovecot does not start"
}

# ---- Mailboxes ----

# Each file of sent/ is a message; its name becomes its unique-id.
# shellcheck disable=SC2059
make_messages()
{
    mkdir sent
    n=0
    for sample in "$srcdir"/tests/samples/*.eml; do
        n=$((n + 1))
        cp "$sample" "sent/176760000$n.P$n.sample" || die "cp failed"
    done
    head='From: a@example.org\nTo: b@example.org\nSubject: nasty\n'
    {
        printf "$head\n.\n..\n...\n.x\n. \n\n.\n\n.."
        printf '\n.\r\nafter a dot\n\r.\n'
    } >sent/1767600011.P11.dots
    printf "$head\n\303\244 \344\366\374 \377\376\001\177\n" \
        >sent/1767600012.P12.8bit
    {
        printf "$head\n"
        awk 'BEGIN { for (i = 0; i < 10000; i++) s = s "0123456789"
                     print s; print "." s; print ".." substr(s, 3) }'
    } >sent/1767600013.P13.long-lines
    printf "$head\nno newline at the end" >sent/1767600014.P14.no-newline
    printf "$head\n" >sent/1767600015.P15.empty-body
    {
        printf "$head\n"
        awk 'BEGIN { for (i = 0; i < 72000; i++)
            printf "%s%08d the quick brown fox jumps over the lazy dog, " \
                "again and again\n", i % 97 ? "" : ".", i }'
    } >sent/1767600016.P16.5-megabytes
    printf "$head\nblanks at the end  \n\t\n \n\n\n" >sent/1767600017.P17.blanks
    # What comes of it with LF line ends: one behind the last line, too.
    mkdir expected
    for file in sent/*; do
        awk '{ sub(/\r$/, ""); print }' "$file" >"expected/${file#sent/}"
    done
    count=$(find sent -type f | wc -l)
    count=$((count))
}

# Two thousand, as different in size as mail is.
make_many()
{
    mkdir many
    awk 'BEGIN {
        for (n = 1; n <= 2000; n++) {
            file = sprintf("many/17676%05d.M%d.many", n, n)
            printf "From: a@example.org\nSubject: %d\n\n", n >file
            for (i = n % 50 * (n % 40); i >= 0; i--)
                printf "%sline %d of %d\n", i % 7 ? "" : "..", i, n >file
            close(file)
        }
    }'
}

# ---- Tokens ----

base64_url()
{
    "$OPENSSL" base64 -A | tr '+/' '-_' | tr -d '='
}

# A JSON web token, signed with the key that Dovecot knows (RFC 7515).
token() # USER EXPIRES KEY
{
    signed=$(printf '{"alg":"HS256","typ":"JWT","kid":"default"}' |
        base64_url).$(printf '{"sub":"%s","iat":%s,"nbf":%s,"exp":%s}' \
            "$1" 1700000000 1700000000 "$2" | base64_url)
    printf '%s.%s\n' "$signed" "$(printf %s "$signed" |
        "$OPENSSL" dgst -sha256 -hmac "$3" -binary | base64_url)"
}

make_tokens()
{
    key='what signs a token of this test'
    mkdir -p keys/default/HS256
    printf %s "$key" | "$OPENSSL" base64 -A >keys/default/HS256/default
    cat >oauth2.conf <<END
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=$dir/keys/
username_attribute = sub
END
    token alice 4000000000 "$key" >token
    token alice 1700000001 "$key" >token.expired
    token alice 4000000000 'another key' >token.forged
    token carol 4000000000 "$key" >token.carol
}

# ---- Accounts ----

account() # USER PASSWORD [FOLDER of its mail]
{
    echo "$1:{PLAIN}$2" >>users
    mkdir -p "mail/$1/Maildir/new" "mail/$1/Maildir/cur" "mail/$1/Maildir/tmp"
    test $# -lt 3 || cp "$3"/* "mail/$1/Maildir/new"
}

prepare()
{
    # Its sockets need a short path that every user can reach.
    dir=$(mktemp -d /tmp/p3-dovecot.XXXXXX) || die "mktemp failed"
    cd "$dir" || die "cannot enter $dir"
    find_dovecot || install_dovecot
    find_dovecot || skip "Dovecot has no POP3 server here"
    case $("$dovecot" --version) in
    2.[23].*) ;;
    *) skip "this is written for Dovecot 2.3, here is" \
        "$("$dovecot" --version)" ;;
    esac
    test -x "$session" || die "$session is not built"
    mkdir certs
    test ! -e "$CERTS/stamp" || cp "$CERTS"/*.pem "$CERTS"/*.key certs
    test -s certs/ca.pem || { rmdir certs &&
        sh "$srcdir/tests/make_certs.sh" certs; } || die "no certificates"
    sh "$srcdir/tests/make_certs.sh" other || die "no other certificates"
    make_messages
    make_many
    make_tokens
    account alice 'wonder land' sent
    account bob 'three "quoted\ wörds' sent
    account carol secret
    account dora secret
    account frank secret many
    account grace secret many
    cat >netrc <<'END'
machine localhost login alice password "wonder land"
machine localhost login bob password "three \"quoted\\ wörds"
machine localhost login carol password secret
machine localhost login dora password secret
machine localhost login eve password wrong
machine localhost login frank password secret
machine localhost login grace password secret
END
    choose_user
    mkdir run state
    test -z "$as_user" || chown -R "$me:$group" run state mail users certs \
        keys oauth2.conf
    start_dovecot
}

# ---- Checks ----

report() # STATUS TEXT
{
    if test "$1" -eq 0; then
        passed=$((passed + 1))
        echo "ok $2"
    else
        failed=$((failed + 1))
        echo "not ok $2"
        sed 's/^/    /' err 2>/dev/null
    fi
}

check() # TEXT COMMAND...
{
    text=$1
    shift
    "$@" >/dev/null 2>>err
    report $? "$text"
}

# Runs the program, its output in out and err.
run() # STATUS TEXT ARG...
{
    wanted=$1
    text=$2
    shift 2
    "$POP3" --timeout 40 "$@" >out 2>err </dev/null
    got=$?
    test $got -eq "$wanted" || echo "exit status $got, not $wanted" >>err
    test $got -eq "$wanted"
    report $? "$text"
}

# ---- The library ----

library() # MODE PORT DIR, or logins MODE PORT TOKEN
{
    what="library, $1"
    kind=
    if test "$1" = logins; then
        what="library, logins, $2"
        kind=$1
        shift
    fi
    # shellcheck disable=SC2086 # $kind is a word or none
    "$session" $kind "$1" "$2" certs/ca.pem alice 'wonder land' "$3" \
        >lines 2>err
    status=$?
    grep -e '^not ok' -e '^skipped' lines
    sed -n '$s/^/    the last: /p' lines >>err
    good=$(grep -c '^ok' lines)
    bad=$(grep -c '^not ok' lines)
    passed=$((passed + good))
    failed=$((failed + bad))
    echo "ok $what: $good checks"
    test $status -eq 0 || test "$bad" -ne 0 ||
        report 1 "$what: ended with status $status"
}

# ---- The program ----

# The rows of out: "NUMBER OCTETS UID"; the mailbox as the server orders it.
expect_all() # in: out; makes: wanted
{
    sed 's/.* //' out | while read -r uid; do
        cat "expected/$uid" || echo "nobody sent $uid" >&2
    done >wanted 2>>err
}

read_only() # SPEC NAME [OPTION...]
{
    spec=$1
    name=$2
    shift 2
    run 0 "$name: check" check "$spec" "$@"
    check "$name: check counts all" grep -q "^$count messages, " out
    run 0 "$name: capa" capa "$spec" "$@"
    check "$name: capa knows UIDL" grep -qx UIDL out
    run 0 "$name: list" list "$spec" "$@"
    check "$name: list has every message" \
        test "$(grep -c '^[0-9]* [0-9]* 17676' out)" -eq "$count"
    expect_all
    numbers=$(cut -d' ' -f1 out)
    # shellcheck disable=SC2086
    run 0 "$name: retr" retr "$spec" $numbers "$@"
    check "$name: retr is what was sent, byte for byte" cmp wanted out
    run 0 "$name: top" top "$spec" 1 2 "$@"
    head -c "$(wc -c <out)" wanted >begin
    check "$name: top is the beginning of it" cmp begin out
    run 0 "$name: list of one" list "$spec" 2 "$@"
    check "$name: list of one has one" test "$(wc -l <out)" -eq 1
    run 65 "$name: no such message" retr "$spec" 9999 "$@"
}

refusals()
{
    run 77 "tcp: a wrong password is 77" check "tcp:eve@localhost:$plain"
    run 77 "ssl: a wrong password is 77" check "ssl:eve@localhost:$ssl" \
        --cacert certs/ca.pem
    run 77 "ssl: another CA is 77" check "ssl:alice@localhost:$ssl" \
        --cacert other/ca.pem
    run 77 "stls: another CA is 77" check "stls:alice@localhost:$plain" \
        --cacert other/ca.pem
    run 77 "ssl: the system's CAs do not know this one" \
        check "ssl:alice@localhost:$ssl"
    run 77 "ssl: another name is 77" \
        check "ssl:alice@localhost!other.example:$ssl" \
        --password-command 'echo none' --cacert certs/ca.pem
    run 1 "no mail is 1" check "tcp:carol@localhost:$plain"
}

# Whether the program has that mechanism; port 1 is nobody's.
has_mechanism() # MECHANISM
{
    "$POP3" check tcp:alice@localhost:1 --auth "$1" 2>/dev/null
    test $? -ne 64
}

mechanism() # SPEC NAME MECHANISM
{
    secret='printf "wonder land\n"'
    wrong='echo wrong'
    case $3 in
    XOAUTH2 | OAUTHBEARER) secret='cat token' wrong='cat token.forged' ;;
    esac
    run 0 "$2: --auth $3" check "$1" --cacert certs/ca.pem --auth "$3" \
        --password-command "$secret"
    check "$2: --auth $3 is logged in" grep -q "^$count messages, " out
    run 77 "$2: --auth $3, a wrong password is 77" check "$1" \
        --cacert certs/ca.pem --auth "$3" --password-command "$wrong"
}

mechanisms() # SPEC NAME
{
    for name in user PLAIN login CRAM-MD5 scram-sha-1 SCRAM-SHA-256 \
        Digest-MD5 XOAUTH2 OAUTHBEARER; do
        if has_mechanism $name; then
            mechanism "$1" "$2" $name
        else
            echo "skipped $2: this program lacks $name"
        fi
    done
}

tokens()
{
    for name in XOAUTH2 OAUTHBEARER; do
        for bad in expired forged carol; do
            run 77 "$name: a token that is none of alice's ($bad) is 77" \
                check "ssl:alice@localhost:$ssl" --cacert certs/ca.pem \
                --auth $name --password-command "cat token.$bad"
            check "$name: and is not shown" \
                test -z "$(grep -F "$(cat token.$bad)" err)"
        done
        run 77 "$name: a bad token is 77" check "ssl:alice@localhost:$ssl" \
            --cacert certs/ca.pem --auth $name --password-command 'echo bad'
        check "$name: with the server's complaint" grep -q '"status":' err
    done
}

pins()
{
    pin=sha256//$("$OPENSSL" x509 -in certs/server.pem -noout -pubkey |
        "$OPENSSL" pkey -pubin -outform DER |
        "$OPENSSL" dgst -sha256 -binary | "$OPENSSL" base64 -A)
    no_pin=sha256//$(printf '%043d=' 7)
    for spec in "stls:alice@localhost:$plain" "ssl:alice@localhost:$ssl"; do
        run 0 "${spec%%:*}: the pinned key" check "$spec" \
            --cacert certs/ca.pem --pin "$no_pin;$pin"
        run 77 "${spec%%:*}: another key than the pinned one is 77" \
            check "$spec" --cacert certs/ca.pem --pin "$no_pin"
        check "${spec%%:*}: and its pin is told" grep -q -F "$pin" err
    done
}

logins()
{
    mechanisms "tcp:alice@localhost:$plain" tcp
    mechanisms "stls:alice@localhost:$plain" stls
    mechanisms "ssl:alice@localhost:$ssl" ssl
    run 0 "tcp: --auth apop" check "tcp:alice@localhost:$plain" --auth apop
    run 77 "stls: --auth APOP finds no timestamp it could believe" \
        check "stls:alice@localhost:$plain" --auth APOP --cacert certs/ca.pem
    run 77 "ssl: --auth EXTERNAL, which this server lacks, is 77" \
        check "ssl:alice@localhost:$ssl" --auth EXTERNAL --cacert certs/ca.pem
    tokens
    pins
}

deletions()
{
    bob=ssl:bob@localhost:$ssl
    run 0 "list before dele" list "$bob" --cacert certs/ca.pem
    gone=$(sed -n '2s/.* //p' out)
    sed 2d out | sed 's/.* //' | sort >uids-wanted
    run 0 "dele" dele "$bob" 2 --cacert certs/ca.pem
    run 0 "list after dele" list "$bob" --cacert certs/ca.pem
    sed 's/.* //' out | sort >uids
    check "dele deletes that one alone" cmp uids-wanted uids
    check "the Maildir has it no longer" \
        test -z "$(find mail/bob -name "$gone*")"
}

# What is in a Maildir, in an order that names do not change.
sums() # FILE...
{
    for file in "$@"; do
        cksum <"$file"
    done | sort
}

downloads_kept()
{
    run 0 "dl --keep" dl "$stls" kept --keep --cacert certs/ca.pem
    check "dl --keep fetches what is left" \
        grep -q "^$((count - 1)) messages, " out
    sums kept/new/* >sums
    check "dl --keep stores every message byte for byte" cmp sums-wanted sums
    run 0 "dl --keep again" dl "$stls" kept --keep --cacert certs/ca.pem
    check "dl --keep fetches nothing twice" grep -q '^0 messages, ' out
}

downloads()
{
    stls=stls:bob@localhost:$plain
    while read -r uid; do
        cksum <"expected/$uid"
    done <uids | sort >sums-wanted
    if "$POP3" help dl | grep -q -e --keep; then
        downloads_kept
    else
        echo "skipped: this program has no dl --keep"
    fi
    run 0 "dl" dl "$stls" taken --cacert certs/ca.pem
    check "dl counts them" grep -q "^$((count - 1)) messages, " out
    sums taken/new/* >sums
    check "dl stores every message byte for byte" cmp sums-wanted sums
    run 1 "dl leaves no mail" check "$stls" --cacert certs/ca.pem
    check "nor any file" test -z "$(find mail/bob -name '1767*')"
}

# The same of so many that they are too many for a command line.
sums_in() # FOLDER...
{
    find "$@" -type f -exec cksum {} + | cut -d' ' -f1,2 | sort
}

# Against what the server has, moved to cur/ or not; its line ends are LF, too.
download_many() # USER SPEC [OPTION...]
{
    user=$1
    many=$2
    shift 2
    sums_in "mail/$user/Maildir/new" "mail/$user/Maildir/cur" >sums-wanted
    run 0 "${many%%:*}: dl of 2,000" dl "$many" "taken-$user" "$@"
    check "${many%%:*}: dl of 2,000 counts them" grep -q '^2000 messages, ' out
    sums_in "taken-$user/new" >sums
    check "${many%%:*}: each is stored byte for byte as the server had it" \
        cmp sums-wanted sums
    run 1 "${many%%:*}: no mail is left" check "$many" "$@"
    check "${many%%:*}: nor any file" \
        test -z "$(find "mail/$user" -name '17676*')"
}

# Dovecot makes the second session wait for some 10 seconds, so it is begun
# early and asked about late.
begin_in_use()
{
    mkfifo gate
    "$session" hold $plain dora secret <gate >held 2>&1 &
    holder=$!
    exec 9>gate
    tries=0
    until grep -qx held held || test $tries -ge 50; do
        tries=$((tries + 1))
        pause
    done
    "$POP3" check "tcp:dora@localhost:$plain" --timeout 40 9>&- \
        >in-use-out 2>in-use &
    second=$!
}

end_in_use()
{
    wait $second
    status=$?
    cp in-use err
    test $status -eq 75
    report $? "a mailbox in use is 75 ($(head -n 1 in-use))"
    check "with the server's own words" grep -qi 'in use\|locked' in-use
    exec 9>&-
    wait $holder
    report $? "the session that held it ends well"
    holder=
}

program()
{
    NETRC=$dir/netrc
    export NETRC
    begin_in_use
    read_only "tcp:alice@localhost:$plain" tcp
    read_only "stls:alice@localhost:$plain" stls --cacert certs/ca.pem
    read_only "ssl:alice@localhost:$ssl" ssl --cacert certs/ca.pem
    refusals
    logins
    deletions
    downloads
    download_many frank "tcp:frank@localhost:$plain"
    download_many grace "ssl:grace@localhost:$ssl" --cacert certs/ca.pem
    end_in_use
}

prepare
: >err
library tcp "$plain" expected
library stls "$plain" expected
library ssl "$ssl" expected
library logins tcp "$plain" "$(cat token)"
library logins stls "$plain" "$(cat token)"
library logins ssl "$ssl" "$(cat token)"
test -z "$POP3" || program
running || report 1 "Dovecot is still there"
echo
echo "$passed passed, $failed failed"
test $failed -eq 0
