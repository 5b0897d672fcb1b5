#!/bin/sh
# check_program.sh - what the pop3 program promises, sentence by sentence
# SPDX-License-Identifier: MIT
#
# Owns the promises: output and exit status of every command, against popd,
# which is a true server, and scriptd, which plays whatever a script says. Not
# here: how it is done. Given by the build (Makefile.am): POP3, BUILDDIR and,
# where they are elsewhere, POPD, SCRIPTD, CERTS, POP3_HEADERS_MODULE (empty:
# not built), VERSION, OPENSSL. By hand:
#   BUILDDIR=build POP3=build/tools/pop3 sh tests/check_program.sh
# A new promise: a line or a scene in the section where it belongs.
set -u

: "${BUILDDIR:?}" "${POP3:?}"
POPD=${POPD:-$BUILDDIR/tests/popd}
SCRIPTD=${SCRIPTD:-$BUILDDIR/tests/scriptd}
CERTS=${CERTS:-$BUILDDIR/tests/certs}
OPENSSL=${OPENSSL:-openssl}
POP3_HEADERS_MODULE=${POP3_HEADERS_MODULE:-}
LC_ALL=C
TZ=UTC
export POP3_HEADERS_MODULE LC_ALL TZ

passed=0
failed=0
servers=
tab=$(printf '\t')
here=$(pwd)

dir=$(mktemp -d "${TMPDIR:-/tmp}/check_program.XXXXXX") || exit 99

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

absolute() # PATH
{
    case $1 in
    /*) echo "$1" ;;
    *) echo "$here/$1" ;;
    esac
}
POP3=$(absolute "$POP3")
POPD=$(absolute "$POPD")
SCRIPTD=$(absolute "$SCRIPTD")
CERTS=$(absolute "$CERTS")
cd "$dir" || exit 99

# Without a terminal, where that can be had, so that nothing is asked for.
setsid=
if command -v setsid >/dev/null 2>&1; then setsid=setsid; fi

# ---- What is said of a run ------------------------------------------------

ok()
{
    passed=$((passed + 1))
    echo "ok - $1"
}

not_ok()
{
    failed=$((failed + 1))
    echo "not ok - $1"
    echo "#   status: ${st-}"
    sed 's/^/#   out: /' out 2>/dev/null | head -n 5
    sed 's/^/#   err: /' err 2>/dev/null | head -n 5
}

check() # SENTENCE COMMAND...: the command must succeed
{
    sentence=$1
    shift
    if "$@" >/dev/null 2>&1; then ok "$sentence"; else not_ok "$sentence"; fi
}

run() # ARG...: runs the program; st, out and err are what comes of it
{
    st=0
    $setsid timeout 30 "$POP3" "$@" >out 2>err </dev/null || st=$?
}

is() # STATUS TEXT SENTENCE: of the last run; standard error must be empty
{
    if test "$st" -eq "$1" && test "$(cat out)" = "$2" && test ! -s err
    then ok "$3"; else not_ok "$3"; fi
}

one_line_of_error()
{
    test "$(wc -l <err)" -eq 1 && grep -q '^pop3: [^:].*: .' err
}

fails() # STATUS SENTENCE: of the last run, with one line that says why
{
    if test "$st" -eq "$1" && one_line_of_error; then ok "$2"
    else not_ok "$2"; fi
}

refuses() # STATUS SENTENCE ARG...: runs and expects that, and no output
{
    wanted=$1
    sentence=$2
    shift 2
    run "$@"
    if test "$st" -eq "$wanted" && one_line_of_error && test ! -s out
    then ok "$sentence"; else not_ok "$sentence"; fi
}

same() # FILE STATUS SENTENCE: the last run's output is that, octet by octet
{
    if test "$st" -eq "$2" && cmp -s "$1" out; then ok "$3"
    else not_ok "$3"; fi
}

files() # FOLDER COUNT
{
    test "$(find "$1" -type f | wc -l)" -eq "$2"
}

stored() # MAILDIR COUNT SENTENCE: so many messages, and nothing half-stored
{
    if files "$1/new" "$2" && files "$1/tmp" 0; then ok "$3"
    else not_ok "$3"; fi
}

absent() # PATTERN FILE SENTENCE
{
    if grep -q -e "$1" "$2"; then not_ok "$3"; else ok "$3"; fi
}

# ---- Servers --------------------------------------------------------------

wait_for_line() # FILE PATTERN: ten seconds at most
{
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        test $tries -le 100 || return 1
        sleep 0.1
    done
}

serve() # NAME OPTION...: starts popd; its ports are in plain and ssl
{
    name=$1
    shift
    "$POPD" --port-file "$name.ports" --lifetime 600 "$@" 2>"$name.err" &
    servers="$servers $!"
    wait_for_line "$name.ports" plain || { not_ok "popd starts"; exit 1; }
    ports "$name"
}

ports() # NAME: those of one that was started earlier
{
    plain=$(sed -n 's/^plain //p' "$1.ports")
    ssl=$(sed -n 's/^ssl //p' "$1.ports")
    tcp=tcp:localhost:$plain
}

play() # scriptd plays the file script; port, and spec for it
{
    rm -f port heard
    "$SCRIPTD" --port-file port --heard heard --lifetime 60 script \
        2>scriptd.err &
    server=$!
    servers="$servers $server"
    wait_for_line port plain || { not_ok "scriptd starts"; exit 1; }
    port=$(sed 's/.* //' port)
    spec=tcp:127.0.0.1:$port
}

scene() # standard input is the script
{
    cat >script
    play
}

after_login() # standard input is the rest of it
{
    {
        printf '%s\n' 'S: +OK hello' 'C: CAPA' 'S: -ERR' \
            'C: USER demo' 'S: +OK' 'C: PASS harbour' 'S: +OK'
        cat
    } >script
    play
}

as_scripted() # SENTENCE: the client said what the script expects
{
    if wait "$server"; then ok "$1"; else not_ok "$1"; fi
}

# ---- The beginning --------------------------------------------------------

(umask 077
printf 'machine localhost login demo password harbour\n' >netrc
printf 'machine 127.0.0.1 login demo password harbour\n' >>netrc)
NETRC=$dir/netrc
HOME=$dir
export NETRC HOME

mkdir -p Box/new Box/cur Box/tmp Empty/new Empty/cur Empty/tmp
printf '%s\n' 'Date: Sun, 1 Mar 2026 12:00:00 +0100' \
    'From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>' \
    'Subject: =?iso-8859-1?q?caf=E9?=' ' folded' '' 'one' '.two' '' \
    >Box/new/1.one
printf '%s\n' 'Subject: second' '' 'body' >Box/new/2.two

fill() # what is in the server's mailbox, afresh
{
    rm -rf Mail && cp -R Box Mail
}

on_wire() # FILE...: octets, line ends as CRLF
{
    awk '{ n += length($0) + 2 } END { print n }' "$@"
}

fill
serve main --user "demo:harbour:$dir/Mail" --user "none:harbour:$dir/Empty" \
    --ssl-port 0 --cert "$CERTS/server.pem" --key "$CERTS/server.key"
ca=$CERTS/ca.pem
octets=$(on_wire Box/new/*)
totals="2 messages, $octets octets"
one="1 $(on_wire Box/new/1.one)"
two="2 $(on_wire Box/new/2.two)"

echo "# usage"

sevens=$(printf '%043d' 7) # as long as a SHA-256 in base64 without its =

refuses 64 "no command is wrong usage"
refuses 64 "an unknown command is" frobnicate "$tcp"
refuses 64 "an unknown option is" --frobnicate check "$tcp"
refuses 64 "a command without SPEC is" check
refuses 64 "too many arguments are" check "$tcp" 1
refuses 64 "a message number that is none is" retr "$tcp" x
refuses 64 "message number 0 is" retr "$tcp" 0
refuses 64 "a message number over 2^64 is" dele "$tcp" 18446744073709551616
refuses 64 "an option of another command is" check --headers "$tcp"
refuses 64 "an option without its value is" check "$tcp" --netrc
refuses 64 "a flag with a value is" check "$tcp" --json=1
refuses 64 "a timeout that is no number is" check "$tcp" --timeout soon
refuses 64 "a malformed SPEC is" check "tcp:localhost:99999"
refuses 64 "an empty SPEC is" check ""
refuses 64 "an unknown mechanism is" check "$tcp" --auth FROBNICATE
for pin in '' AAAA sha256//AAAA sha1//AAAA "sha256//$sevens" \
    "sha256//$sevens;" "sha256//$sevens=;" "sha256//$sevens==" \
    "sha256//$sevens=,sha256//$sevens="; do
    refuses 64 "a pin that is none is: $pin" check "$tcp" --pin "$pin"
done
refuses 64 "a SPEC with control characters is" check "$(printf 'tcp:a\033b')"
refuses 64 "a user name with control characters is" \
    check "$(printf 'tcp:a\001b@localhost:1')"
long=$(printf '%0249d' 7)
refuses 64 "a user name too long for a line is" check "tcp:$long@localhost:1"
run --password=sesame check "$tcp"
absent sesame err "an unknown option's value is not repeated"

echo "# help"

run --version
is 0 "pop3 ${VERSION:-0.1.0}" "--version tells the version"
run check bogus --help --bogus
check "--help helps anywhere on the line" test $st = 0 -a -s out -a ! -s err
run help
check "help shows all commands" test $st = 0 -a "$(grep -c '^pop3 ' out)" = 8
run help list dl
check "help shows those asked for" test $st = 0 -a "$(grep -c '^pop3 ' out)" = 2
refuses 64 "help for an unknown command is wrong usage" help list frobnicate

echo "# check"

run check "$tcp"
is 0 "$totals" "check tells messages and octets"
run check "tcp:none@localhost:$plain" --password-command 'echo harbour'
is 1 "0 messages, 0 octets" "check ends with 1 where there is no mail"
run check --json "$tcp"
is 0 "{\"messages\":2,\"octets\":$octets}" "check --json"
run check -q "$tcp"
is 0 "" "check -q prints nothing"
run "--timeout=5" -- check "$tcp"
is 0 "$totals" "options take = and end at --"
run check "$tcp" --timeout 2.5 -v
check "-v shows a line a command" grep -q '^> STAT$' err
absent harbour err "-v shows no password"
run -vv check "$tcp" --auth USER
check "-vv shows replies" grep -q '^< +OK' err
absent harbour err "-vv shows no password"

echo "# modes"

run check "ssl:localhost:$ssl" --cacert "$ca"
is 0 "$totals" "ssl: is TLS from the first byte"
tries=0
while test $tries -lt 12 && test $st = 0; do
    run check "ssl:localhost:$ssl" --cacert "$ca"
    tries=$((tries + 1))
done
is 0 "$totals" "each time, whenever TLS's session tickets come"
run check "localhost:$ssl" --cacert "$ca"
is 0 "$totals" "ssl: is the default"
run check "stls:localhost:$plain" --cacert "$ca"
is 0 "$totals" "stls: goes over to TLS"
run check "stls:127.0.0.1!localhost:$plain" --cacert "$ca"
is 0 "$totals" "tcp_host! is connected to"
run check "tcp:de@mo@localhost:$plain" --password-command 'echo x' \
    --auth USER -v
check "the last @ ends the user" grep -q '^> USER de@mo$' err
refuses 77 "a certificate of an unknown authority is refused" \
    check "ssl:localhost:$ssl"
refuses 77 "a certificate of another name is refused" \
    check "ssl:localhost!other.example:$ssl" --cacert "$ca" \
    --password-command 'echo harbour'
refuses 74 "a CA file that is not there is an error" \
    check "ssl:localhost:$ssl" --cacert nowhere.pem
refuses 74 "a folder of CAs that is not there is an error" \
    check "ssl:localhost:$ssl" --capath nowhere
refuses 76 "ssl: to a server without TLS is a broken protocol" \
    check "ssl:localhost:$plain" --cacert "$ca"

echo "# stls: and nothing else"

no_login() # SENTENCE: nothing that logs in, or comes after it, was heard
{
    absent '^C: \(USER\|PASS\|APOP\|AUTH\|STAT\)' heard "$1"
}
for answer in '-ERR what' '+OK\r\nUSER\r\n.' '+OK\r\nSASL PLAIN\r\n.'; do
    scene <<END
S: +OK <1.2@example> hello
C: CAPA
S: $answer
C*
END
    run check "stls:127.0.0.1:$port"
    fails 76 "stls: where it is not offered is 76 (CAPA: $answer)"
    no_login "and no login is sent"
done
stls() # STATUS SENTENCE REPLY [OPTION...]
{
    wanted=$1
    sentence=$2
    scene <<END
S: +OK <1.2@example> hello
C: CAPA
S: +OK
S: STLS
S: USER
S: SASL PLAIN CRAM-MD5
S: .
C: STLS
$3
C*
END
    shift 3
    run check "stls:127.0.0.1:$port" --cacert "$ca" --timeout 1 "$@"
    fails "$wanted" "$sentence"
    no_login "and no login is sent"
}
stls 76 "STLS refused is 76" 'S: -ERR no'
stls 76 "refused so is STLS, too" 'S: -ERR no' --auth CRAM-MD5
stls 75 "STLS refused for now is 75" 'S: -ERR [SYS/TEMP] no'
stls 76 "another answer to STLS is 76" 'S: hello'
stls 69 "a connection closed at STLS is 69" close
stls 76 "bytes behind the reply to STLS are 76" 'S: +OK go\r\n+OK injected'
check "and nothing at all is said any more" test "$(grep -c '^C:' heard)" -eq 2
stls 76 "so is a single one" 'S- +OK go\r\n+'
stls 76 "a handshake in cleartext is 76" 'S: +OK go
sleep 200
S: -ERR no key'
stls 75 "a handshake that does not come is 75" 'S: +OK go
sleep 3000'
scene <<'END'
sleep 3000
END
run check "ssl:127.0.0.1:$port" --timeout 1
fails 75 "nor one of ssl:, though there is a connection"

echo "# --pin"

pin=$("$OPENSSL" x509 -in "$CERTS/server.pem" -noout -pubkey |
    "$OPENSSL" pkey -pubin -outform DER | "$OPENSSL" dgst -sha256 -binary |
    "$OPENSSL" base64 -A)
run check "ssl:localhost:$ssl" --cacert "$ca" --pin "sha256//$pin"
is 0 "$totals" "the pinned key is accepted"
run check "stls:localhost:$plain" --cacert "$ca" \
    --pin "sha256//$sevens=;sha256//$pin"
is 0 "$totals" "so is one of several, and behind STLS"
serve pinned --user "demo:harbour:$dir/Mail" --ssl-port 0 --trace trace \
    --cert "$CERTS/server.pem" --key "$CERTS/server.key"
refuses 77 "another key is refused" check "ssl:localhost:$ssl" \
    --cacert "$ca" --pin "sha256//$sevens="
check "and its own pin is told" grep -q -F "sha256//$pin" err
refuses 77 "behind STLS, too" check "stls:localhost:$plain" \
    --cacert "$ca" --pin "sha256//$sevens="
check "and no login is sent" test "$(grep -v -x -e CAPA -e STLS trace)" = ""
refuses 77 "a pin is no authority" check "ssl:localhost:$ssl" \
    --pin "sha256//$pin"
ports main

echo "# credentials"

run check "$tcp" --password-command 'echo harbour; echo more'
is 0 "$totals" "the password command's first line is it"
refuses 77 "a password command that ends badly is 77" \
    check "$tcp" --password-command 'echo harbour; exit 3'
check "and its status is told" grep -q 'status 3' err
refuses 77 "one that prints nothing is" check "$tcp" --password-command true
refuses 77 "a wrong password is" check "$tcp" --password-command 'echo sesame'
absent sesame err "and it is nowhere in the message"
cp netrc open.netrc && chmod 644 open.netrc
refuses 77 "a netrc that others can read is refused" \
    check "$tcp" --netrc open.netrc
run check "$tcp" --netrc open.netrc --password-command 'echo harbour'
is 0 "$totals" "but not where its password is not used"
(umask 077
cat >accounts <<END
default login demo password worse
machine localhost login demo password wrong
machine demo@localhost:$plain account work password harbour
END
)
run check tcp:work --netrc accounts
is 0 "$totals" "SPEC may be the account of a netrc entry"
run check "tcp:demo@localhost:$plain" --netrc accounts
is 0 "$totals" "the most exact machine counts, wherever it stands"
refuses 74 "a --netrc that is not there is an error" \
    check "$tcp" --netrc nowhere
: >empty.netrc
if test -n "$setsid"; then
    refuses 77 "no password and no terminal is 77" \
        check "$tcp" --netrc empty.netrc
fi
if command -v script >/dev/null 2>&1; then
    # The quotes are the shell's that script starts.
    (sleep 2; echo harbour) | timeout 20 script -qec \
        "'$POP3' check 'tcp:demo@localhost:$plain' --netrc empty.netrc" \
        /dev/null >out 2>err
    check "the terminal is asked" grep -q 'Password for demo at localhost: ' out
    check "and it is used" grep -q "$totals" out
    absent harbour out "but not shown"
fi
run check "$tcp" --auth apop -v
check "--auth takes APOP in any case of letters" \
    test $st = 0 -a "$(grep -c '^> APOP' err)" = 1
run check "$tcp" --auth uSER -v
check "and USER" test $st = 0 -a "$(grep -c '^> USER' err)" = 1
scene <<'END'
S: +OK hello
C: QUIT
S: +OK
END
run check "$spec" --auth APOP
fails 77 "APOP where there is no timestamp is 77"
scene <<'END'
S: +OK <1.2@example>
C: CAPA
S: -ERR what
C*
S: -ERR no
C*
END
run check "$spec"
fails 77 "a refused login is 77"
absent 'USER\|PASS' heard "APOP refused is never followed by PASS"
pass=$(printf '%0300d' 7)
scene <<'END'
S: +OK hello
C: CAPA
S: -ERR what
C*
END
run check "$spec" --password-command "echo $pass"
fails 77 "a password too long for a line is not sent"
absent PASS heard "not in part either"

echo "# --auth"

base64_of() # FORMAT ARG...: as printf has them
{
    # shellcheck disable=SC2059 # it is a format
    printf "$@" | "$OPENSSL" base64 -A
}
auth() # MECHANISM...: standard input is what follows the capabilities
{
    {
        printf '%s\n' 'S: +OK hello' 'C: CAPA' 'S: +OK' 'S: USER' \
            "S: SASL $*" 'S: .'
        cat
    } >script
    play
}
logged_in='S: +OK
C: STAT
S: +OK 2 320
C: QUIT
S: +OK'
logs_in() # SENTENCE OPTION...: to what was set up last
{
    sentence=$1
    shift
    run check "$spec" "$@"
    is 0 "2 messages, 320 octets" "$sentence"
    as_scripted "and the server hears what it should"
}

plain_login=$(base64_of '\000demo\000harbour')
for name in PLAIN plain pLaIn; do
    auth PLAIN <<END
C: AUTH PLAIN $plain_login
$logged_in
END
    logs_in "--auth $name" --auth $name
done
scene <<END
S: +OK hello
C: CAPA
S: -ERR what
C: AUTH PLAIN
S: +\x20
C: $plain_login
$logged_in
END
logs_in "without the SASL capability it waits to be asked" --auth PLAIN
auth LOGIN <<END
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C: $(base64_of demo)
S: + UGFzc3dvcmQ6
C: $(base64_of harbour)
$logged_in
END
logs_in "--auth login" --auth login
stamp='<17.1@example.org>'
digest=$(printf %s "$stamp" | "$OPENSSL" dgst -md5 -hmac harbour |
    sed 's/.* //')
for name in --auth=Cram-Md5 -q; do
    auth CRAM-MD5 PLAIN <<END
C: AUTH CRAM-MD5
S: + $(base64_of %s "$stamp")
C: $(base64_of 'demo %s' "$digest")
S: +OK
C*
S: +OK 2 320
C*
S: +OK
END
    run check "$spec" $name
    as_scripted "CRAM-MD5 is taken when asked for, and before PLAIN ($name)"
done
for name in external EXTERNAL; do
    auth EXTERNAL <<END
C: AUTH EXTERNAL $(base64_of demo)
$logged_in
END
    spec=tcp:demo@127.0.0.1:$port
    logs_in "--auth $name, and no password is asked for" --auth $name \
        --netrc empty.netrc
done
auth XOAUTH2 <<END
C: AUTH XOAUTH2
S: +\x20
C: $(base64_of 'user=demo\001auth=Bearer t0ken.x\001\001')
$logged_in
END
logs_in "--auth xoauth2, the token in place of the password" --auth xoauth2 \
    --password-command 'echo t0ken.x'
auth OAUTHBEARER <<END
C: AUTH OAUTHBEARER
S: +\x20
C*
$logged_in
END
logs_in "--auth OAuthBearer, likewise" --auth OAuthBearer \
    --password-command 'echo t0ken.x'
sed -n 's/^C: \(bi.*\)/\1/p' heard | "$OPENSSL" base64 -d -A >said
check "with user, host, port and token, as RFC 7628 has them" \
    test "$(tr '\001' ' ' <said)" = \
    "n,a=demo, host=127.0.0.1 port=$port auth=Bearer t0ken.x  "
token=$(printf '%05000d' 7)
auth XOAUTH2 <<END
C: AUTH XOAUTH2
S: +\x20
C: $(base64_of 'user=demo\001auth=Bearer %s\001\001' "$token")
$logged_in
END
logs_in "a token may be longer than a command line" --auth XOAUTH2 \
    --password-command "echo $token"

auth PLAIN <<END
C: AUTH PLAIN $plain_login
$logged_in
END
run check "$spec" --auth PLAIN -vv
check "-vv shows that there is a login by AUTH" grep -q '^> AUTH ' err
absent "harbour\|$plain_login" err "and nothing of what it says"
auth LOGIN <<END
C: AUTH LOGIN
S: + VXNlcm5hbWU6
C*
S: + UGFzc3dvcmQ6
C*
$logged_in
END
run check "$spec" --auth LOGIN -vv
absent "harbour\|$(base64_of harbour)" err "nor of what it answers"

# The server's no is heard once, and nothing weaker follows.
refused() # STATUS MECHANISM REPLY [OPTION...]
{
    wanted=$1
    mechanism=$2
    reply=$3
    auth "$mechanism" PLAIN LOGIN <<END
C*
$reply
C*
END
    shift 3
    run check "$spec" "$@"
    fails "$wanted" "$mechanism answered by $reply is $wanted"
    check "and no other login follows" test "$(grep -c \
        '^C: \(USER\|PASS\|APOP\|AUTH\|STAT\)' heard)" -eq 1
    check "nor went before" grep -q "^C: AUTH $mechanism" heard
}
refused 77 CRAM-MD5 'S: -ERR no'
refused 77 CRAM-MD5 'S: -ERR [AUTH] no' --auth cram-md5
refused 77 CRAM-MD5 'S: + PDE3LjFAZXhhbXBsZS5vcmc+
C*
S: -ERR no'
refused 75 CRAM-MD5 'S: -ERR [IN-USE] locked'
refused 75 CRAM-MD5 'S: -ERR [sys/temp/full] later'
refused 77 CRAM-MD5 'S: -ERR [SYS/PERM] never'
refused 77 EXTERNAL 'S: -ERR no' --auth EXTERNAL
refused 76 CRAM-MD5 'S: + no*base64
C: *
S: -ERR cancelled'
refused 76 CRAM-MD5 'S: what'
refused 69 CRAM-MD5 close
refused 75 CRAM-MD5 'sleep 3000' --timeout 1
run check tcp:demo@localhost:1 --auth SCRAM-SHA-256
if test $st -ne 64; then
    refused 77 SCRAM-SHA-256 'S: -ERR no'
    refused 77 SCRAM-SHA-1 'S: -ERR [AUTH] no'
    refused 76 SCRAM-SHA-256 'S: + cj1hbm90aGVyLG5vbmNlLHM9YWJjZCxpPTQwOTY=
C: *
S: -ERR cancelled'
    refused 76 SCRAM-SHA-256 'S: +OK without a proof'
else
    echo "# left out: SCRAM, which this library was built without"
fi
for name in PLAIN LOGIN XOAUTH2 CRAM-MD5; do
    auth NONE <<'END'
C*
S: -ERR no such mechanism
C: QUIT
S: +OK
END
    run check "$spec" --auth $name
    fails 77 "a mechanism that the server refuses is 77: $name"
    check "with its own words" grep -q 'no such mechanism' err
done
for name in XOAUTH2 OAUTHBEARER; do
    auth $name <<END
C: AUTH $name
S: +\x20
C*
S: + $(base64_of '{"status":"401","scope":"\033"}')
C*
S: -ERR no
C: QUIT
S: +OK
END
    run check "$spec" --auth $name --password-command 'echo t0ken.x'
    fails 77 "a token that $name refuses is 77"
    as_scripted "and the server is heard to the end"
    check "with what it complains of" grep -q '"status":"401"' err
    check "made harmless" test "$(tr -d '\n\040-\176' <err | wc -c)" -eq 0
    absent 't0ken' err "and without the token"
done
auth PLAIN <<'END'
C*
END
run check "$spec" --auth PLAIN --password-command "printf 'har\tbour\n'"
fails 77 "a password with a control character is not sent"
absent AUTH heard "by any mechanism"

echo "# list"

run list "$tcp"
uid1=$(sed -n '1s/.* //p' out)
uid2=$(sed -n '2s/.* //p' out)
is 0 "$one $uid1
$two $uid2" "list shows number, octets, UID"
run list "$tcp" 2
is 0 "$two $uid2" "list N shows one message"
refuses 65 "list N where there is no N is 65" list "$tcp" 7
run list --json "$tcp" 2
is 0 "{\"number\":2,\"octets\":${two#2 },\"uid\":\"$uid2\"}" "list --json"
if test -n "$POP3_HEADERS_MODULE"; then
    joerg=$(printf 'J\303\266rg')
    cafe=$(printf 'caf\303\251')
    run list --headers "$tcp"
    is 0 "$one $uid1${tab}2026-03-01T12:00:00+01:00$tab$joerg \
<joerg@example.org>$tab$cafe folded
$two $uid2$tab-$tab-${tab}second" "--headers adds them, decoded"
    run list --headers --json "$tcp" 2
    is 0 "{\"number\":2,\"octets\":${two#2 },\"uid\":\"$uid2\",\"date\":null,\
\"from\":null,\"subject\":\"second\"}" "--headers --json has null for none"
fi
module=$POP3_HEADERS_MODULE
POP3_HEADERS_MODULE=/nowhere
run list --headers "$tcp" 2
is 0 "$two $uid2$tab-$tab-${tab}second" "without its module they are raw"
POP3_HEADERS_MODULE=$module
serve poor --user "demo:harbour:$dir/Mail" --no-uidl --no-top
run list "$tcp"
is 0 "$one -
$two -" "a UID is - where the server has none"
run list --headers "$tcp"
check "without TOP headers are - and the status 65" test "$st $(cat out)" = \
    "65 $one -$tab-$tab-$tab-
$two -$tab-$tab-$tab-"
run list --json "$tcp" 2
is 0 "{\"number\":2,\"octets\":${two#2 },\"uid\":null}" "or null in JSON"
ports main

after_login <<'END'
C: LIST
S: +OK
S: 1 10
S: what is this
S: 3\t\t30 and more
S: .
C: UIDL
S: +OK
S: 1 a\x01\xff"b
S: 3 ok
S: .
C: QUIT
S: +OK
END
run list "$spec"
fails 76 "a line that does not parse makes it 76"
check "what follows it is used" test "$(cat out)" = '1 10 a??"b
3 30 ok'
after_login <<'END'
C: LIST
S: +OK
S: 1 10
S: .
C: UIDL
S: +OK
S: 1 a\x01\xff"b
S: .
C: QUIT
S: +OK
END
run list --json "$spec"
is 0 "{\"number\":1,\"octets\":10,\"uid\":\"a\\u0001$(printf \
'\357\277\275')\\\"b\"}" "JSON is JSON whatever a server sends"
after_login <<'END'
C: LIST
S: +OK
S: 1 10
S: .
C: UIDL
S: +OK
S: 1 a
S: .
C: TOP 1 0
S: +OK
S: subject: a\x1b[31m\tb\xffc\xc2\x9bd
S: SUBJECT: second
S:
S: From: body
S: .
C: QUIT
S: +OK
END
POP3_HEADERS_MODULE=/nowhere
run list --headers "$spec"
is 0 "1 10 a$tab-$tab-${tab}a?[31m b?c?d" "header fields are made harmless"
POP3_HEADERS_MODULE=$module

echo "# retr, top"

cat Box/new/2.two Box/new/1.one >both
run retr "$tcp" 2 1
same both 0 "retr shows messages as they are, one after another"
awk '{ printf "%s\r\n", $0 }' both >both.crlf
run retr --crlf "$tcp" 2 1
same both.crlf 0 "--crlf as on the wire"
cat Box/new/1.one Box/new/2.two >both
run retr "$tcp" 1 9 2 8
same both 65 "retr goes on after a refused message and ends with 65"
check "a line for each refused message" test "$(grep -c '^pop3: .*: ' err)" = 2
sed 6q Box/new/1.one >wanted
run top "$tcp" 1 1
same wanted 0 "top shows the header and so many lines"
sed 5q Box/new/1.one >wanted
run top "$tcp" 1 0
same wanted 0 "top with no lines shows the header"
if test -w /dev/full; then
    for command in "retr $tcp 1" "list $tcp" "check $tcp" "capa $tcp" help; do
        st=0
        : >out
        # shellcheck disable=SC2086 # $command is words
        timeout 30 "$POP3" $command >/dev/full 2>err </dev/null || st=$?
        fails 74 "a full disk is 74: ${command%% *}"
    done
fi
serve big --user big:harbour: --synthetic 1:2000000
big=$plain
rm -f status
{
    timeout 30 "$POP3" retr "tcp:big@localhost:$plain" 1 2>err </dev/null \
        --password-command 'echo harbour'
    echo $? >status
} | dd bs=1 count=1 2>/dev/null >/dev/null
wait_for_line status .
st=$(cat status)
fails 74 "a reader that goes away is 74, no silent death"
ports main
after_login <<'END'
C: RETR 1
S: +OK
S: half a mess
close
END
run retr "$spec" 1
fails 69 "a message that is cut off is 69"

echo "# capa"

run capa "$tcp" --netrc empty.netrc
check "capa needs no password" test $st = 0 -a "$(grep -c '^UIDL$' out)" = 1
run capa --login "$tcp" -v
check "capa --login asks after the login" \
    test $st = 0 -a "$(sed -n '/PASS\|APOP/,$p' err | grep -c CAPA)" = 1
scene <<'END'
S: +OK hello
C: CAPA
S: +OK
S: SASL \t PLAIN\x1b  LOGIN\xff
S: UIDL
S: .
C: QUIT
S: +OK
END
run capa "$spec"
is 0 'SASL PLAIN? LOGIN?
UIDL' "capa shows words apart by one blank, harmless"
scene <<'END'
S: +OK hello
C: CAPA
S: +OK
S: SASL PLAIN LOGIN\xff
S: UIDL
S: .
C: QUIT
S: +OK
END
run capa --json "$spec"
is 0 "{\"name\":\"SASL\",\"args\":[\"PLAIN\",\"LOGIN$(printf '\357\277\275')\"]}
{\"name\":\"UIDL\",\"args\":[]}" "capa --json"
scene <<'END'
S: +OK hello
C: CAPA
S: -ERR what
C: QUIT
S: +OK
END
run capa "$spec"
fails 65 "no CAPA is 65"

echo "# dele"

run dele "$tcp" 2 9 1
fails 65 "dele goes on after a refused message and ends with 65"
run check "$tcp"
is 1 "0 messages, 0 octets" "and has deleted the others"
fill
run dele "$tcp" 2
is 0 "" "dele prints nothing"
for end in 'S: -ERR some stay:65' 'close:69' 'reset:69'; do
    after_login <<END
C: DELE 1
S: +OK
C: QUIT
${end%:*}
END
    run dele "$spec" 1
    fails "${end##*:}" "QUIT answered by ${end%:*} is ${end##*:}"
done

echo "# dl"

fill
run dl "$tcp" In
is 0 "$totals" "dl tells what it has stored"
check "a missing Maildir is made, mode 700" \
    test -d In/cur -a "$(find In -prune -perm 700)" = In
stored In 2 "the messages are in new/, nothing is in tmp/"
cat In/new/* | sort >stored
cat Box/new/* | sort >sent
check "whole" cmp stored sent
run check "$tcp"
is 1 "0 messages, 0 octets" "and nothing is on the server"
fill
run dl --json "$tcp" In
check "dl --json tells the totals last" \
    test $st = 0 -a "$(tail -n 1 out)" = "{\"messages\":2,\"octets\":$octets}"
check "and before them what became of each message" \
    test "$(grep -c '^{"number":[12],"octets":[0-9]*,"uid":"[^"]*","outcome":"stored"}$' out)" = 2 -a \
    "$(grep -c '"outcome":"deleted"}$' out)" = 2 -a "$(wc -l <out)" = 5
fill
run dl -q "$tcp" In
is 0 "" "dl -q prints nothing"
run dl "$tcp" In
is 0 "0 messages, 0 octets" "dl of an empty mailbox ends with 0"
fill
run dl "$tcp" nowhere/In
check "a Maildir without a parent is 73" test $st = 73
: >file
run dl "$tcp" file
check "a file is no Maildir" test $st = 73
run check "$tcp"
is 0 "$totals" "and nothing was deleted"

st=0
rm -rf Full
# Far more than what a build that counts its coverage writes at its end.
(ulimit -f 1024 && exec timeout 30 "$POP3" dl "tcp:big@localhost:$big" Full \
    --password-command 'echo harbour') >out 2>err </dev/null || st=$?
fails 73 "a message that cannot be written whole is 73"
stored Full 0 "and not there at all"

three='C: LIST
S: +OK
S: 1 10
S: 2 10
S: 4 10
S: .
C: UIDL
S: -ERR no such thing
C: RETR 1
S: +OK'
rm -rf In
after_login <<END
$three
S: one\r\n\r\n..x\r\n.
C: RETR 2
S: -ERR bad one
C: RETR 4
S: +OK
S: four\r\n.
C: DELE 1
S: +OK
C: DELE 4
S: +OK
C: QUIT
S: +OK
END
run dl "$spec" In
fails 65 "dl goes on after a refused message and ends with 65"
check "and tells what it has stored" test "$(cat out)" = '2 messages, 17 octets'
as_scripted "what is stored, and that alone, is deleted"
stored In 2 "and the others are stored"
for end in 'S: -ERR no:65' 'close:69'; do
    rm -rf In
    after_login <<END
C: LIST
S: +OK
S: 1 10
S: .
C: UIDL
S: -ERR no such thing
C: RETR 1
S: +OK
S: one\r\n.
C: DELE 1
S: +OK
C: QUIT
${end%:*}
END
    run dl "$spec" In
    fails "${end##*:}" "dl whose QUIT is answered by ${end%:*} is ${end##*:}"
    stored In 1 "and its message is stored"
done
rm -rf In
after_login <<END
$three
S: one\r\n.
C: RETR 2
S: +OK
S: half
close
END
run dl "$spec" In
fails 69 "a message cut off ends dl with 69"
stored In 1 "it is neither in new/ nor in tmp/"

for signal in INT:130 TERM:143 HUP:129; do
    rm -rf In
    after_login <<END
$three
S: one\r\n.
C: RETR 2
S: +OK
S: half
sleep 20000
END
    "$POP3" dl "$spec" In >out 2>err </dev/null &
    pid=$!
    wait_for_line heard 'RETR 2'
    sleep 0.2
    began=$(date +%s)
    kill "-${signal%:*}" $pid
    st=0
    wait $pid 2>/dev/null || st=$?
    took=$(($(date +%s) - began))
    check "SIG${signal%:*} ends dl within two seconds, of that signal" \
        test $st = "${signal#*:}" -a $took -le 2
    stored In 1 "nothing is half-stored then"
    kill "$server" 2>/dev/null
done
rm -rf In
after_login <<END
$three
S: one
sleep 500
S: .
C: DELE 1
S: +OK
C: QUIT
S: +OK
END
"$POP3" dl "$spec" In >out 2>err </dev/null &
pid=$!
wait_for_line heard 'RETR 1'
sleep 0.2
kill -TERM $pid
st=0
wait $pid 2>/dev/null || st=$?
check "a download that can end in time dies of the signal, too" test $st = 143
stored In 1 "its message is stored"
as_scripted "and deleted by QUIT"
scene <<'END'
sleep 20000
END
"$POP3" check "$spec" >out 2>err </dev/null &
pid=$!
sleep 1
kill -TERM $pid
began=$(date +%s)
st=0
wait $pid 2>/dev/null || st=$?
check "SIGTERM ends a check that waits, too" \
    test $st = 143 -a $(($(date +%s) - began)) -le 2
kill "$server" 2>/dev/null

echo "# what servers may do"

greeting() # STATUS LINE
{
    scene <<END
$2
C*
END
    run check "$spec" --timeout 1
    fails "$1" "a greeting of $2 is $1"
}
greeting 69 'S: -ERR go away'
greeting 75 'S: -ERR [IN-USE] locked'
greeting 75 'S: -ERR [SYS/TEMP] later'
greeting 76 'S: +OKAY'
greeting 76 'S: +ok'
greeting 76 'S: * OK IMAP4rev1'
greeting 69 'close'
greeting 69 'reset'
greeting 75 'sleep 3000'
greeting 76 'repeat 300 S- +OK long'
login() # STATUS REPLY
{
    scene <<END
S: +OK hello
C: CAPA
S: -ERR what
C: USER demo
S: +OK
C: PASS harbour
$2
C*
END
    run check "$spec" --timeout 1
    fails "$1" "PASS answered by $2 is $1"
}
login 77 'S: -ERR no'
login 77 'S: -ERR [AUTH] no'
login 75 'S: -ERR [IN-USE] locked'
login 75 'S: -ERR [LOGIN-DELAY] wait'
login 75 'S: -ERR [sys/temp] wait'
login 75 'S: -ERR [SYS/TEMP/DISK] wait'
login 77 'S: -ERR [SYS/PERM] no'
login 77 'S: -ERR [SYS/TEMPER] no'
login 77 'S: -ERR no [IN-USE] here'
login 76 'S: what'
login 69 'close'
login 75 'sleep 3000'
stat() # STATUS REPLY
{
    after_login <<END
C: STAT
$2
C: QUIT
S: +OK
END
    run check "$spec" --timeout 1
    fails "$1" "STAT answered by $2 is $1"
}
stat 65 'S: -ERR no'
stat 75 'S: -ERR [SYS/TEMP] no'
stat 76 'S: +OK'
stat 76 'S: +OK 1 99999999999999999999'
stat 69 'reset'
after_login <<'END'
C: STAT
S: -ERR \x1b[31mred\x07\x9b
C: QUIT
S: +OK
END
run check "$spec"
fails 65 "a refusal is told"
check "with the server's own words" grep -q '[[]31mred' err
check "made harmless" \
    test "$(LC_ALL=C tr -d '\n\040-\176' <err | wc -c)" -eq 0
after_login <<'END'
C: STAT
S: +OK   2\t 320  and so on
C: QUIT
S: +OK
END
run check "$spec"
is 0 "2 messages, 320 octets" "words are apart by any run of blanks and tabs"
refuses 68 "a host that does not resolve is 68" check tcp:demo@nowhere.invalid \
    --password-command 'echo harbour'
refuses 69 "a refused connection is 69" check "tcp:localhost:1"

echo "# surroundings"

fill
st=0
timeout 30 "$POP3" dl "$tcp" Closed <&- >&- 2>&- || st=$?
: >out
: >err
check "closed standard descriptors do no harm but to what is written" \
    test $st = 74
stored Closed 2 "to what is stored, neither"
cat Closed/new/* | sort >stored
check "nor to what is in it" cmp stored sent

echo
echo "$passed passed, $failed failed"
test $failed -eq 0
