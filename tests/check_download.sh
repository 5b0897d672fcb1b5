#!/bin/sh
# check_download.sh - what pop3 dl promises: quick on a long link, and never a
# message lost, half or twice
# SPDX-License-Identifier: MIT
#
# Owns the promises about many messages at once: round trips, links that die at
# each octet, kill -9, full disks, --keep, refusals, servers that lie, signals.
# What one message more or less shows is check_program.sh's. Against popd, whose
# head tells of its faults. Given by the build: POP3, POPD, BUILDDIR, CERTS and
# OPENSSL. By hand, and a part alone:
#   BUILDDIR=build POP3=build/tools/pop3 sh tests/check_download.sh cut kill
#
#   DOWNLOAD_STEP=N   links are cut after every N octets (7; 1: every one)
#   DOWNLOAD_KILLS=N  how many runs are killed (200)
#   DOWNLOAD_SEED=N   at which moments (by the clock, and printed)
#   DOWNLOAD_BIG=1    a message of 2 GB, else of 200 MB, where there is room
#
# A new promise: a line in its part, or a part_NAME and its name in all_parts.
set -u

: "${BUILDDIR:?}" "${POP3:?}"
POPD=${POPD:-$BUILDDIR/tests/popd}
CERTS=${CERTS:-$BUILDDIR/tests/certs}
OPENSSL=${OPENSSL:-openssl}
STEP=${DOWNLOAD_STEP:-7}
KILLS=${DOWNLOAD_KILLS:-200}
SEED=${DOWNLOAD_SEED:-$(date +%s)}
BIG=${DOWNLOAD_BIG:-}
LC_ALL=C
TZ=UTC
export LC_ALL TZ

all_parts='popd trips window cut kill full keep refused twice liar signals'
all_parts="$all_parts memory progress"
parts=${*:-$all_parts}

passed=0
failed=0
servers=
mounted=
here=$(pwd)

# In memory where that can be had: thousands of runs, each with its syncs.
home=${TMPDIR:-/tmp}
if test -z "${TMPDIR-}" && test -w /dev/shm; then home=/dev/shm; fi
dir=$(mktemp -d "$home/check_download.XXXXXX") || exit 99

end_servers()
{
    for pid in $servers; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    servers=
}

unmount()
{
    test -z "$mounted" || umount "$mounted"
    mounted=
}

clean_up()
{
    end_servers
    cd / && unmount && rm -rf "$dir"
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
BUILDDIR=$(absolute "$BUILDDIR")
POP3=$(absolute "$POP3")
POPD=$(absolute "$POPD")
CERTS=$(absolute "$CERTS")
cd "$dir" || exit 99

# The program itself, not libtool's script around it, whose process would get
# the signals.
pop3=$POP3
if test -x "${POP3%/*}/.libs/${POP3##*/}"; then
    pop3=${POP3%/*}/.libs/${POP3##*/}
    LD_LIBRARY_PATH=$BUILDDIR/lib/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
fi

# ---- What is said of a run ------------------------------------------------

ok()
{
    passed=$((passed + 1))
    echo "ok - $part: $1"
}

not_ok()
{
    failed=$((failed + 1))
    echo "not ok - $part: $1"
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

left_out()
{
    echo "# left out: $part: $1"
}

patience=20 # seconds that the program waits for anything
dl() # ARG...: downloads; st, out and err are what comes of it
{
    st=0
    timeout 60 "$pop3" dl --timeout $patience "$@" >out 2>err </dev/null ||
        st=$?
}

ends() # STATUS SENTENCE: of the last run
{
    check "$2" test "$st" -eq "$1"
}

is() # STATUS TEXT SENTENCE: of the last run; standard error must be empty
{
    if test "$st" -eq "$1" && test "$(cat out)" = "$2" && test ! -s err
    then ok "$3"; else not_ok "$3"; fi
}

counted() # STATUS COUNT SENTENCE: so many messages, whatever their octets
{
    if test "$st" -eq "$1" && grep -q "^$2 messages, [0-9]* octets\$" out
    then ok "$3"; else not_ok "$3"; fi
}

fails() # STATUS SENTENCE: of the last run, with one line that says why
{
    if test "$st" -eq "$1" && test "$(wc -l <err)" -eq 1 &&
        grep -q '^pop3: [^:].*: .' err
    then ok "$2"; else not_ok "$2"; fi
}

is_empty() # FOLDER
{
    set -- "$1"/*
    test ! -e "$1"
}

files_in() # FOLDER: how many
{
    set -- "$1"/*
    if test -e "$1"; then echo $#; else echo 0; fi
}

count_of() # PATTERN FILE
{
    grep -c -e "$1" "$2" 2>/dev/null || :
}

sums() # FOLDER...: a line a message: checksum and size
{
    find "$@" -type f -exec cksum {} + 2>/dev/null | cut -d' ' -f1,2 | sort
}

# Compares what was stored with what was sent: messages that nobody sent (half
# ones, too), those that are missing and, for "once", those that are there more
# often than they were sent.
same_messages() # once|least SENT STORED: files made by sums
{
    awk -v once="$1" -v first="$2" '
        FILENAME == first { sent[$0]++; next }
        { stored[$0]++ }
        END {
            for (m in stored)
                strange += !(m in sent)
            for (m in sent) {
                missing += stored[m] < sent[m]
                twice += once == "once" && stored[m] > sent[m]
            }
            if (strange + missing + twice == 0)
                exit 0
            printf "%d strange, %d missing, %d twice\n", strange, missing,
                twice >"/dev/stderr"
            exit 1
        }' "$2" "$3"
}

whole() # once|least MAILDIR...: the messages of Box are there, and no others
{
    often=$1
    shift
    for maildir in "$@"; do
        is_empty "$maildir/tmp" || { echo "tmp/ is not empty" >>err
            return 1; }
    done
    for maildir in "$@"; do
        sums "$maildir/new"
    done | sort >stored
    same_messages "$often" sent stored 2>>err
}

is_whole() # once|least SENTENCE MAILDIR...
{
    often=$1
    sentence=$2
    shift 2
    if whole "$often" "$@"; then ok "$sentence"; else not_ok "$sentence"; fi
}

nothing_lost() # MAILDIR SENTENCE: each message is there, or on the server
{
    sums "$1/new" >stored
    sums Mail/new Mail/cur >left
    sort stored left >both
    if is_empty "$1/tmp" && same_messages least sent both 2>>err
    then ok "$2"; else not_ok "$2"; fi
}

all_gone() # SENTENCE: from the server
{
    check "$1" is_empty Mail/new
}

# ---- Mailboxes --------------------------------------------------------------

make_box() # COUNT LINES: messages that no two of are the same
{
    rm -rf Box Mail
    mkdir -p Box Mail/new Mail/cur Mail/tmp
    awk -v count="$1" -v lines="$2" 'BEGIN {
        for (n = 1; n <= count; n++) {
            file = sprintf("Box/%05d.m", n)
            printf "Subject: %d\n\n", n >file
            for (i = 1; i <= lines; i++)
                printf "%sline %d of %d\n", i % 3 ? "" : ".", i, n >file
            close(file)
        }
    }'
    sums Box >sent
}

refill() # the server's mailbox, with all of Box
{
    ln -f Box/* Mail/new/
}

# ---- Servers ----------------------------------------------------------------

wait_for_line() # FILE PATTERN: ten seconds at most
{
    tries=0
    until grep -q "$2" "$1" 2>/dev/null; do
        tries=$((tries + 1))
        test $tries -le 200 || return 1
        sleep 0.05
    done
}

serve() # OPTION...: starts popd anew; its ports are in plain and ssl
{
    end_servers
    rm -f ports log trace
    start "$@"
}

start() # OPTION...
{
    "$POPD" --port-file ports --lifetime 900 --log log --trace trace \
        --no-apop --ssl-port 0 --cert "$CERTS/server.pem" \
        --key "$CERTS/server.key" "$@" 2>popd.err &
    servers="$servers $!"
    wait_for_line ports plain || { not_ok "popd starts"; exit 1; }
    plain=$(sed -n 's/^plain //p' ports)
    ssl=$(sed -n 's/^ssl //p' ports)
    tcp=tcp:demo@localhost:$plain
}

serve_mail() # OPTION...: with the mailbox Mail
{
    serve --user "demo:harbour:$dir/$part/Mail" "$@"
}

# The same port, so that the account is the same to the client.
serve_again() # OPTION...
{
    serve_mail --port "$plain" "$@"
}

of_log() # FIELD LINE: what the session of that line had
{
    sed -n "${2}s/.*$1=\\([^ ]*\\).*/\\1/p" log
}

# popd has logged so many sessions: their mailboxes are free again.
sessions_are_over() # COUNT
{
    tries=0
    until test "$(count_of user= log)" -ge "$1"; do
        tries=$((tries + 1))
        test $tries -le 200 || return 1
        sleep 0.05
    done
}

# ---- popd: its faults are those that it says --------------------------------

# All lines at once, over TLS, for s_client is there. What popd says, without CR.
says() # LINE...
{
    printf '%s\r\n' "$@" | timeout 20 "$OPENSSL" s_client -quiet -connect \
        "localhost:$ssl" 2>/dev/null | tr -d '\r' >out
}

said() # SENTENCE: standard input is what popd must have said
{
    cat >wanted
    check "$1" cmp wanted out
}

part_popd()
{
    make_box 3 1
    refill
    serve_mail --out-of-step --uid-prefix 'x.' --no-uid 2
    says 'USER demo' 'PASS harbour' 'RETR 1' 'RETR 3' QUIT
    said "--out-of-step has the status line before the dot" <<'END'
+OK popd ready
+OK password, please
+OK 3 messages
+OK 27 octets
Subject: 1

line 1 of 1
+OK 27 octets
.
Subject: 3

line 1 of 3
.
+OK bye
END
    says 'USER demo' 'PASS harbour' 'RETR 1' NOOP UIDL QUIT
    said "a RETR alone does well; --uid-prefix, --no-uid" <<'END'
+OK popd ready
+OK password, please
+OK 3 messages
+OK 27 octets
Subject: 1

line 1 of 1
.
+OK
+OK
1 x.00001.m
3 x.00003.m
.
+OK bye
END
    serve_mail --refuse RETR:1,3 --refuse DELE --refuse QUIT
    says 'USER demo' 'PASS harbour' 'RETR 3' 'TOP 2 0' 'DELE 2' QUIT
    said "--refuse refuses, and a QUIT refused is the end" <<'END'
+OK popd ready
+OK password, please
+OK 3 messages
-ERR refused
+OK 27 octets
Subject: 2

.
-ERR refused
-ERR refused
END
    serve_mail --cut 30
    says 'USER demo' 'PASS harbour'
    check "--cut cuts after so many octets" \
        test "$(cat out)" = "$(printf '+OK popd ready\n+OK password, ')"
    serve_mail --drop-behind PASS --autologout 1
    says 'USER demo' 'PASS harbour' QUIT
    check "--drop-behind drops what is behind" \
        test "$(sed -n '$p' out)" = '+OK 3 messages' -a \
        "$(of_log end 1)" = autologout
    serve_mail --cut-file cut.at
    echo in:31 >cut.at
    says 'USER demo' 'PASS harbour' 'DELE 1' QUIT
    check "in: of --cut-file cuts what is received" \
        test "$(wc -l <out)" -eq 3 -a "$(of_log end 1)" = cut
    rm -f cut.at
    says 'USER demo' 'PASS harbour' 'DELE 1' QUIT
    check "without that file nothing is cut" \
        test "$(wc -l <out)" -eq 5 -a "$(of_log end 2)" = quit
    cp Box/00002.m Mail/new/00004.m
    serve_mail --same-uids
    says 'USER demo' 'PASS harbour' UIDL QUIT
    check "--same-uids gives the same to the same" test \
        "$(sed -n 's/^[123] //p' out | sort | uniq -c | sort |
            sed 's/^ *\([0-9]*\) .*/\1/' | tr -d '\n')" = 12
}

# ---- trips: round trips do not grow with the mailbox -------------------------

few_trips() # MODE COUNT MOST: in n how many popd has counted
{
    serve --user demo:harbour: --synthetic "$2:700" --delay 120
    rm -rf In
    case $1 in
    tcp) dl "$tcp" In ;;
    keep) dl --keep "$tcp" In ;;
    ssl) dl "ssl:demo@localhost:$ssl" In --cacert "$CERTS/ca.pem" ;;
    stls) dl "stls:demo@localhost:$plain" In --cacert "$CERTS/ca.pem" ;;
    esac
    n=$(of_log round_trips '$')
    echo "# $1, $2 messages: ${n:-no} round trips"
    counted 0 "$2" "$1, $2 messages: all of them come"
    check "$1, $2 messages: at most $3 round trips" test "${n:-999}" -le "$3"
}

same_trips() # MODE MOST
{
    ns=
    for count in 1 100 1000; do
        few_trips "$1" $count "$2"
        ns="$ns $n"
    done
    # shellcheck disable=SC2086 # they are words
    check "$1: as many for 1 as for 1,000" \
        test "$(printf '%s\n' $ns | sort -u | wc -l)" -eq 1
}

# The delay makes counting exact: what is under way already is no round trip.
part_trips()
{
    same_trips ssl 7
    # The capabilities, STLS, the handshake: three more.
    same_trips stls 9
    same_trips tcp 6
    few_trips tcp 10000 $((n + 7))
    few_trips keep 100 6
    dl "$tcp" In
    counted 0 0 "a run that only deletes"
    check "a run that only deletes takes no more" \
        test "$(of_log round_trips '$')" -le 6
}

# ---- window: how much may be on its way --------------------------------------

one_by_one() # OPTION SENTENCE
{
    rm -rf In
    refill
    serve_mail "$1"
    dl "$tcp" In
    counted 0 50 "$2: all messages come"
    is_whole once "$2: each whole, and once" In
    all_gone "$2: and none is left"
    check "$2: one command at a time" test "$(of_log pipelined 1)" = 0
}

part_window()
{
    make_box 50 3
    one_by_one --no-pipelining "without PIPELINING"
    one_by_one --no-capa "without CAPA"
    rm -rf In
    refill
    serve_mail
    dl "$tcp" In
    check "with PIPELINING commands are on their way together" \
        test "$(of_log pipelined 1)" -gt 50
    rm -rf In
    refill
    dl --no-pipelining "$tcp" In
    ends 0 "--no-pipelining downloads as well"
    check "and no command goes before the reply to the one before" \
        test "$(of_log pipelined 2)" -eq 0
    # A server that reads nothing while it writes, and has no room for commands.
    serve --user demo:harbour: --synthetic 20000:300 --small-buffers
    rm -rf In
    dl "$tcp" In
    counted 0 20000 "a server with small buffers is no deadlock"
}

# ---- cut: the link dies at each octet -------------------------------------------

# What comes of a link that dies there, and of another run after it.
cut_pair() # once|least SIDE POINT
{
    rm -rf In
    refill
    # Every other time by RST; the step may be even, so by the runs.
    reset=$((1 - reset))
    if test $reset -eq 1; then echo "$2$3:reset"; else echo "$2$3"; fi >cut.at
    dl "$tcp" In
    cut_status=$st
    : >cut.at
    dl "$tcp" In
    if test $st -eq 0 && whole "$1" In && is_empty Mail/new; then return 0; fi
    bad=$((bad + 1))
    not_ok "cut after $2$3 (status $cut_status): nothing lost, half or twice"
}

# Goes on until the cut comes after the end of the session.
cut_everywhere() # once|least SIDE STEP SENTENCE
{
    bad=0
    pairs=0
    reset=0
    point=0
    strange=
    cut_status=69
    while test $cut_status -ne 0 && test $point -lt 20000 && test $bad -lt 5
    do
        cut_pair "$1" "$2" $point
        case $cut_status in 0 | 69) ;; *) strange="$strange $point" ;; esac
        point=$((point + $3))
        pairs=$((pairs + 1))
    done
    check "$4 ($pairs pairs of runs, up to octet $point)" \
        test $bad -eq 0 -a $cut_status -eq 0
    check "$4: a link that dies is 69 (others at:$strange)" \
        test -z "$strange"
}

part_cut()
{
    make_box 20 2
    : >cut.at
    serve_mail --cut-file cut.at
    cut_everywhere once '' "$STEP" "once where there is UIDL"
    cut_everywhere once in: "$STEP" "once, commands cut"
    serve_mail --cut-file cut.at --no-pipelining
    cut_everywhere once '' $((STEP * 5)) "once, one by one"
    serve_mail --cut-file cut.at --no-uidl
    cut_everywhere least '' $((STEP * 3)) "at least once without UIDL"
    cut_everywhere least in: $((STEP * 3)) "at least once, commands cut"
}

# ---- kill: kill -9 whenever it may be --------------------------------------------

# Seconds, as sleep takes them; each run's share of how long a whole one takes.
random_moments() # COUNT MILLISECONDS
{
    awk -v seed="$SEED" -v count="$1" -v most="$2" 'BEGIN {
        srand(seed)
        while (count-- > 0)
            printf "%.4f\n", rand() * most / 1000
    }'
}

milliseconds()
{
    now=$(date +%s%N)
    case $now in
    *N) echo $((${now%N} * 1000)) ;;
    *) echo $((now / 1000000)) ;;
    esac
}

# One that is killed at that moment, or has ended well before; one that finds
# the mailbox in use, for popd has not seen the last one's end, is run again.
run_killed() # SECONDS
{
    "$pop3" dl --timeout 20 "$tcp" In >out 2>err </dev/null &
    pid=$!
    sleep "$1"
    kill -9 $pid 2>/dev/null
    st=0
    wait $pid 2>/dev/null || st=$?
}

# What was killed may leave something in tmp/, for two days, as is the custom of
# Maildirs.
whole_round()
{
    sums In/new >stored
    same_messages once sent stored 2>>err && is_empty Mail/new
}

# Rounds of killed runs, each until one has ended and the mailbox is empty.
part_kill()
{
    make_box 300 20
    refill
    serve_mail
    began=$(milliseconds)
    dl "$tcp" In
    took=$(($(milliseconds) - began))
    counted 0 300 "one that is not killed downloads all"
    echo "# DOWNLOAD_SEED=$SEED, a whole run takes $took ms"
    random_moments $((KILLS * 4)) $((took + 2)) >moments
    killed=0
    rounds=0
    bad=0
    st=0
    while test $killed -lt "$KILLS" && read -r moment; do
        if test $st -eq 0; then
            rm -rf In
            refill
            rounds=$((rounds + 1))
        fi
        run_killed "$moment"
        case $st in
        137) killed=$((killed + 1)) ;;
        0)
            if ! whole_round; then
                bad=$((bad + 1))
                not_ok "round $rounds, DOWNLOAD_SEED=$SEED"
            fi
            ;;
        75) sleep 0.05 ;;
        *) bad=$((bad + 1)); not_ok "a run after a killed one" ;;
        esac
    done <moments
    # At the end one that nobody kills.
    dl "$tcp" In
    whole_round || bad=$((bad + 1))
    check "$killed runs killed in $rounds rounds: each message once, and whole" \
        test $bad -eq 0 -a $killed -ge $((KILLS / 2))
}

# ---- full: no room -----------------------------------------------------------------

no_room() # MAILDIR WHAT: what must be true of the last run
{
    fails 73 "$2: no room is 73"
    nothing_lost "$1" "$2: nothing half is stored, nothing lost"
}

room_again() # MAILDIR WHAT
{
    dl "$tcp" "$1"
    ends 0 "$2: with room the rest comes"
    is_whole once "$2: each message is there, and once" "$1"
    all_gone "$2: and none is left"
}

# Each size fills up at another point: in a message, in the record of UIDs.
full_disk()
{
    mkdir disk
    mount -t tmpfs -o size=4m none "$PWD/disk" 2>/dev/null || return 1
    mounted=$PWD/disk
    for size in 16 64 100 200 404 600; do
        refill
        rm -rf disk/In
        mount -o remount,size=${size}k "$mounted"
        dl "$tcp" disk/In
        no_room disk/In "a disk of $size KB"
        mount -o remount,size=8m "$mounted"
        room_again disk/In "a disk of $size KB"
    done
    unmount
}

part_full()
{
    make_box 100 300
    serve_mail
    full_disk || left_out "a full disk: no tmpfs may be mounted here"
    # A file that may not grow as large as the message that is to go into it.
    awk 'BEGIN { print "Subject: big\n"
        for (i = 0; i < 60000; i++) print "a line of a big message", i
    }' >Box/00050.m
    sums Box >sent
    rm -f Mail/new/*
    refill
    st=0
    (ulimit -f 1024 && exec timeout 60 "$pop3" dl "$tcp" In) \
        >out 2>err </dev/null || st=$?
    no_room In "a limit on files"
    room_again In "a limit on files"
}

# ---- keep: what is on the server stays, and is not fetched again --------------------

fetched() # COUNT SENTENCE: so many RETRs since popd was started, or trace emptied
{
    check "$2" test "$(count_of '^RETR' trace)" -eq "$1"
    : >trace
}

keep_and_again()
{
    serve_mail
    dl --keep "$tcp" In
    counted 0 20 "--keep downloads all"
    is_whole once "--keep stores each whole, and once" In
    fetched 20 "--keep fetches each once"
    dl --keep "$tcp" In
    is 0 "0 messages, 0 octets" "a second --keep has nothing to do"
    fetched 0 "and fetches nothing"
    printf 'Subject: new\n\nnew\n' >Box/00021.m
    sums Box >sent
    ln Box/00021.m Mail/new/
    dl --keep "$tcp" In
    counted 0 1 "--keep fetches what is new"
    fetched 1 "and that alone"
    is_whole once "and has each message once" In
    dl "$tcp" In
    is 0 "0 messages, 0 octets" "without --keep nothing is fetched again"
    check "but deleted, the commands on their way together" test \
        "$(count_of '^DELE' trace)" -eq 21 -a "$(of_log pipelined '$')" -ge 20
    fetched 0 "without a RETR"
    all_gone "and the server has none of them"
    is_whole once "the Maildir each one" In
}

keep_without_uidl()
{
    rm -rf In
    refill
    serve_mail --no-uidl
    dl --keep "$tcp" In
    fails 65 "--keep without UIDL is 65"
    fetched 0 "before anything is fetched"
    check "or stored" test ! -e In/new -o "$(files_in In/new)" -eq 0
}

# Two and two are the same, and have the same UID.
keep_same_uids()
{
    rm -rf In Box Mail/new/*
    mkdir Box
    for n in 1 2 3 4; do
        printf 'Subject: %s\n\nbody\n' $((n / 3)) >Box/$n.m
    done
    sums Box >sent
    refill
    serve_mail --same-uids
    dl --keep "$tcp" In
    counted 0 4 "messages with the same UID are all fetched"
    is_whole once "and stored once each" In
    dl --keep "$tcp" In
    is 0 "0 messages, 0 octets" "and not again"
    dl "$tcp" In
    is_whole once "nor by the run that deletes them" In
    all_gone "which leaves none"
}

keep_incomplete()
{
    rm -rf In
    refill
    serve_mail --no-uid 2
    for time in first second; do
        dl --keep "$tcp" In
        fails 76 "a message that UIDL leaves out is 76, the $time time"
        check "and is not fetched" test "$(count_of '^RETR 2' trace)" -eq 0
        nothing_lost In "but stays on the server"
    done
    fetched 3 "the others are fetched once"
    dl "$tcp" In
    counted 0 1 "without --keep it is fetched, too"
    is_whole once "and stored once, as are the others" In
    all_gone "and none is left"
}

keep_other_uids()
{
    rm -rf In
    refill
    serve_mail
    dl --keep "$tcp" In
    counted 0 4 "from one server"
    serve_again --uid-prefix 'other/'
    dl --keep "$tcp" In
    counted 0 4 "a server with other UIDs has other messages"
    dl --keep "$tcp" In
    counted 0 0 "which are not fetched again"
}

# The same UIDs in another account are other messages.
keep_accounts()
{
    rm -rf In
    serve --user demo:harbour: --user eve:harbour: --synthetic 3:700
    (umask 077
    echo "machine localhost login eve password harbour" >eve.netrc)
    dl --keep "$tcp" In
    counted 0 3 "one account"
    dl --keep "tcp:eve@localhost:$plain" In --netrc eve.netrc
    counted 0 3 "another user has messages of his own"
    dl --keep "ssl:demo@localhost:$ssl" In --cacert "$CERTS/ca.pem"
    counted 0 3 "another port has"
    dl --keep "tcp:demo@127.0.0.1:$plain" In
    counted 0 3 "another server has"
    for spec in "$tcp" "tcp:demo@127.0.0.1:$plain"; do
        dl --keep "$spec" In
        counted 0 0 "and each is remembered"
    done
}

part_keep()
{
    make_box 20 3
    refill
    keep_and_again
    keep_without_uidl
    keep_same_uids
    keep_incomplete
    keep_other_uids
    keep_accounts
}

# ---- refused: one message does not hold back the others ------------------------------

refusal() # COUNT SENTENCE OPTION...: those that the server must have then
{
    rm -rf In
    refill
    left=$1
    what=$2
    shift 2
    serve_mail "$@"
    dl "$tcp" In
    fails 65 "$what is 65"
    nothing_lost In "$what: nothing is lost"
    check "$what: the server has $left of them" \
        test "$(files_in Mail/new)" -eq "$left"
    serve_again
    dl "$tcp" In
    ends 0 "$what: the next run ends well"
    is_whole once "$what: and has stored nothing twice" In
    all_gone "$what: and leaves nothing"
}

part_refused()
{
    make_box 30 3
    refusal 1 "a RETR refused" --refuse RETR:7
    fetched 1 "and that alone is fetched later"
    refusal 1 "a DELE refused" --refuse DELE:30
    fetched 0 "and not fetched again"
    refusal 30 "a QUIT refused" --refuse QUIT
    fetched 0 "and nothing is fetched again"
    refusal 1 "a RETR refused, one by one" --refuse RETR:1 --no-pipelining
    serve_mail --refuse RETR:2,3
    rm -rf In
    refill
    dl "$tcp" In
    check "a line for each refused message" \
        test $st -eq 65 -a "$(grep -c '^pop3: .*: ' err)" = 2
}

# ---- twice: two runs at once -----------------------------------------------------------

both() # SPEC SPEC: two at once; st and other are how they end
{
    timeout 60 "$pop3" dl --timeout 30 "$1" In >out.1 2>err.1 </dev/null &
    first=$!
    timeout 60 "$pop3" dl --timeout 30 "$2" In >out 2>err </dev/null &
    second=$!
    st=0
    other=0
    wait $second || st=$?
    wait $first || other=$?
}

part_twice()
{
    make_box 300 5
    for time in 1 2 3 4 5; do
        rm -rf In
        refill
        serve_mail --no-lock
        both "$tcp" "$tcp"
        check "the same account, time $time: one at least ends well" \
            test $st -eq 0 -o $other -eq 0
        check "the same account, time $time: the other not worse than refused" \
            test $((st + other)) -le 75
        dl "$tcp" In
        is_whole once "the same account, time $time: each message once" In
        all_gone "the same account, time $time: none is left"
    done
    rm -rf In Mail2
    refill
    mkdir Mail2
    mv Mail/new Mail2/new
    mkdir -p Mail/new Mail2/cur Mail2/tmp
    for n in 00001 00002 00003; do
        mv Mail2/new/$n.m Mail/new
    done
    serve_mail --user "eve:harbour:$PWD/Mail2"
    both "$tcp" "tcp:eve@localhost:$plain"
    check "different accounts: both end well" \
        test $st -eq 0 -a $other -eq 0
    is_whole once "different accounts: each message once" In
    all_gone "different accounts: none is left"
}

# ---- liar: servers that announce PIPELINING ---------------------------------------------

# What came in one read behind that command is never answered.
dropped() # VERB STORED: at least so many of 40
{
    rm -rf In
    refill
    serve_mail --drop-behind "$1"
    patience=1
    dl "$tcp" In
    patience=20
    fails 75 "commands dropped behind $1: a timeout"
    check "commands dropped behind $1: at least $2 stored" \
        test "$(files_in In/new)" -ge "$2"
    nothing_lost In "commands dropped behind $1: nothing is lost"
    serve_again
    dl "$tcp" In
    ends 0 "commands dropped behind $1: the next run ends well"
    is_whole once "commands dropped behind $1: and has each message once" In
}

# The second session may begin before popd has seen the end of the first.
serve_out_of_step() # OPTION...
{
    serve_mail --out-of-step --no-lock "$@"
}

part_liar()
{
    make_box 40 5
    refill
    serve_out_of_step
    dl -v "$tcp" In
    ends 0 "replies out of step: it ends well"
    check "out of step: it says so" grep -qi 'pipelin\|one by one\|one at a time' err
    is_whole once "out of step: each message whole, and once" In
    all_gone "out of step: none is left"
    sessions_are_over 2
    check "out of step: the second session goes one by one, and is the last" \
        test "$(of_log pipelined 2)" = 0 -a "$(wc -l <log)" -eq 2

    rm -rf In
    refill
    serve_out_of_step
    dl --keep "$tcp" In
    ends 0 "out of step, --keep: it ends well"
    is_whole once "out of step, --keep: each message whole, and once" In

    rm -rf In
    refill
    serve_mail --drop-behind PASS --drop-behind STLS
    dl "$tcp" In
    counted 0 40 "what would be dropped behind PASS is not sent"

    # What ends right behind the dot must not be taken for a whole message.
    make_box 5 2
    rm -f Mail/new/*
    : >cut.at
    serve_out_of_step --cut-file cut.at
    cut_everywhere once '' "$STEP" "out of step, and cut"

    make_box 40 5
    rm -f Mail/new/*
    # All of them end by a timeout, and what had arrived whole is stored. (Of one
    # message that is only so when the next reply has begun.)
    dropped any 0
    dropped LIST 0
    dropped RETR 0
    dropped DELE 40
}

# ---- signals: the end comes soon, and in order -------------------------------------------

part_signals()
{
    make_box 60 100
    for signal in INT:130 TERM:143 HUP:129; do
        rm -rf In
        refill
        serve_mail --rate 25000
        # Not by timeout, which gets no signal here; and not ignoring SIGINT, as
        # what a shell starts in the background does.
        (
            trap - INT
            exec "$pop3" dl --timeout 20 "$tcp" In >out 2>err </dev/null
        ) &
        pid=$!
        wait_for_line trace '^RETR'
        sleep 1.2
        began=$(milliseconds)
        kill "-${signal%:*}" $pid
        st=0
        wait $pid 2>/dev/null || st=$?
        took=$(($(milliseconds) - began))
        check "SIG${signal%:*}: ends within two seconds, $took ms" \
            test $took -le 2100
        ends "${signal#*:}" "SIG${signal%:*}: dies of that signal"
        kept=$(files_in In/new)
        echo "# SIG${signal%:*}: $kept stored"
        check "SIG${signal%:*}: what has arrived is stored, but not all" \
            test "$kept" -gt 0 -a "$kept" -lt 60
        nothing_lost In "SIG${signal%:*}: nothing half is stored, nothing lost"
        sessions_are_over 1
        serve_again
        dl "$tcp" In
        ends 0 "SIG${signal%:*}: the next run ends well"
        fetched $((60 - kept)) "SIG${signal%:*}: and fetches what is missing"
        is_whole once "SIG${signal%:*}: and has each message once" In
    done
    deaf_reader
}

# Nobody reads what is written, so that the program waits there.
deaf_reader()
{
    rm -rf In
    serve --user demo:harbour: --synthetic 3000:300
    mkfifo fifo
    exec 9<>fifo
    "$pop3" dl --json "$tcp" In >fifo 2>err </dev/null 9<&- &
    pid=$!
    tries=0
    while test "$(files_in In/new 2>/dev/null)" -lt 1 -a $tries -lt 100; do
        tries=$((tries + 1))
        sleep 0.1
    done
    sleep 0.5
    began=$(milliseconds)
    kill -TERM $pid
    st=0
    wait $pid 2>/dev/null || st=$?
    took=$(($(milliseconds) - began))
    exec 9<&-
    rm -f fifo
    check "SIGTERM ends it where nobody reads its output, too, $took ms" \
        test $st -eq 143 -a $took -le 2100
}

# ---- memory: it does not grow with the mail -----------------------------------------------

has_sanitizer()
{
    # NM may have an option in it.
    # shellcheck disable=SC2086
    ${NM:-nm} "$pop3" 2>/dev/null |
        grep -q '__asan_init\|__msan_init\|__tsan_init\|__ubsan_handle'
}

room_for() # KILOBYTES: there is, where we are
{
    test "$(df -Pk . | awk 'NR == 2 { print $4 }')" -gt "$1"
}

peak_of() # COUNT SIZE MOST
{
    if ! room_for $(($1 * ($2 / 1024 + 5))); then
        left_out "$1 messages of $2 octets: no room"
        return
    fi
    rm -rf In
    serve --user demo:harbour: --synthetic "$1:$2"
    st=0
    "$BUILDDIR/tests/bench/measure" -p "$pop3" dl "$tcp" In >out 2>err ||
        st=$?
    ends 0 "$1 messages of $2 octets are downloaded"
    echo "# $1 messages of $2 octets: $(cat out) KiB"
    check "within $3 KiB" test "$(cat out)" -le "$3"
    check "all of them" \
        test "$(find In/new -type f | wc -l)" -eq "$1"
    rm -rf In
}

part_memory()
{
    if has_sanitizer; then
        left_out "a sanitizer's own memory would be counted"
        return
    fi
    big=200000000
    test -z "$BIG" || big=2147483648
    peak_of 100000 300 16384
    peak_of 1 "$big" 16384
}

# ---- progress: for people, at a terminal -----------------------------------------------------

part_progress()
{
    make_box 60 100
    refill
    serve_mail --rate 60000
    dl "$tcp" In
    check "without a terminal there is no progress" \
        test $st -eq 0 -a ! -s err -a "$(wc -l <out)" -eq 1
    check "and no control character" test \
        "$(tr -d '\n\040-\176' <out | wc -c)" -eq 0
    if ! command -v script >/dev/null 2>&1; then
        left_out "at a terminal: there is no script(1)"
        return
    fi
    for quiet in '' -q; do
        rm -rf In
        refill
        # The quotes are the shell's that script starts.
        timeout 60 script -qec \
            "'$pop3' dl $quiet --timeout 20 '$tcp' In" /dev/null \
            >out 2>err </dev/null
        : >err
        if test -n "$quiet"; then
            check "-q shows none at a terminal" test ! -s out
        else
            check "at a terminal there is" grep -q "$(printf '\r')." out
            check "and it goes before the result comes" \
                grep -qF "$(printf '\r\033[K60 messages')" out
            check "and what is left to see is the result" test \
                "$(seen out)" = "$(printf '60 messages, %s octets' \
                    "$(sed -n 's/.*60 messages, \([0-9]*\) octets.*/\1/p' \
                        out)")"
        fi
    done
}

# What stays on the screen: of each line what comes behind the last CR that does
# not end it, or behind the last order to clear the line.
seen() # FILE
{
    esc=$(printf '\033')
    cr=$(printf '\r')
    sed "s/$cr*\$//; s/.*$cr//; s/.*$esc\\[[0-2]*[KJ]//" "$1" |
        grep -v '^ *$'
}

# ---- All of it --------------------------------------------------------------------------------

(umask 077
{
    printf 'machine localhost login demo password harbour\n'
    printf 'machine localhost login eve password harbour\n'
    printf 'machine 127.0.0.1 login demo password harbour\n'
} >netrc)
NETRC=$dir/netrc
HOME=$dir
export NETRC HOME

for part in $parts; do
    case " $all_parts " in
    *" $part "*) ;;
    *) echo "check_download: no part $part; there are: $all_parts" >&2
        exit 64 ;;
    esac
    part_began=$(date +%s)
    mkdir -p "$dir/$part"
    cd "$dir/$part" || exit 99
    "part_$part"
    end_servers
    cd "$dir" && rm -rf "${dir:?}/$part"
    echo "# $part: $(($(date +%s) - part_began)) s"
done

echo
echo "$passed passed, $failed failed"
test $failed -eq 0
