#!/bin/sh
# python.sh - what pop3.py costs beside Python's poplib
# SPDX-License-Identifier: MIT
#
# Owns that part of `make bench`: both drain the same mailbox of popd in turn,
# start of Python and import included.  CPU time counts, of which pop3.py should
# take at most half of what poplib takes; the measure's first run, which does not
# count, compiles what is imported.
#   $BENCH, $POPD, $LIBPOP3_DIR   given by the build
#   $PYTHON                       python3, if not set
#   $RUNS                         counted runs of each (5)
set -u

: "${BENCH:?}" "${POPD:?}"
# shellcheck source=../python/common.sh source-path=SCRIPTDIR
. "$(dirname "$0")/../python/common.sh"
messages=5000
size=10240

dir=$(mktemp -d "${TMPDIR:-/tmp}/pop3-bench.XXXXXX") || exit 1
server=
clean_up()
{
    test -z "$server" || { kill "$server" && wait "$server"; } 2>/dev/null
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

"$POPD" --user bench:bench: --synthetic $messages:$size \
    --port-file "$dir/ports" --lifetime 300 &
server=$!
tries=0
while test ! -s "$dir/ports"; do
    tries=$((tries + 1))
    test $tries -le 100 || { echo "bench: popd does not start" >&2; exit 1; }
    sleep 0.1 2>/dev/null || sleep 1
done
port=$(sed -n 's/^plain //p' "$dir/ports")

# The interpreter itself: what chooses between several costs time of its own.
python=$($python -c 'import sys; print(sys.executable)')
unset PYTHONDONTWRITEBYTECODE
PYTHONPYCACHEPREFIX=$dir/cache
export PYTHONPYCACHEPREFIX
printf "\nPython's poplib and its drop-in, %s messages of %s octets, plain\n" \
    $messages $size
drain=$srcdir/tests/bench/python.py
"$BENCH/measure" -n "${RUNS:-5}" \
    pop3.py "$python" "$drain" pop3 "$port" $messages $((messages * size)) \
    -- poplib "$python" "$drain" poplib "$port" $messages $((messages * size)) ||
    exit 1
echo 'The same, with retr_many, which pipelines'
"$BENCH/measure" -n "${RUNS:-5}" \
    pop3.py "$python" "$drain" pop3 "$port" $messages $((messages * size)) many \
    -- poplib "$python" "$drain" poplib "$port" $messages $((messages * size))
