#!/bin/sh
# wheel.sh - a wheel with the library in it, built without a network, works
# SPDX-License-Identifier: MIT
#
# Builds it from a copy of bindings/python, unpacks it elsewhere, and runs the
# example of it against popd without $LIBPOP3.  Where mypy is installed, it has to
# see the types.  Needs pip, setuptools and wheel (Debian: python3-pip,
# python3-setuptools, python3-wheel).
#   $VERSION   given by the build: which the wheel has to bear
set -u
# shellcheck source=common.sh source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

server=
dir=$(mktemp -d "${TMPDIR:-/tmp}/wheel.XXXXXX") || exit 99
clean_up()
{
    test -z "$server" || { kill "$server" && wait "$server"; } 2>/dev/null
    cd / && rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
    echo "not ok - $*"
    test ! -s "$dir/log" || tail -n 20 "$dir/log"
    exit 1
}

can_build() # PYTHON
{
    "$1" -c '
import setuptools, pip
try:
    import setuptools.command.bdist_wheel
except ImportError:
    import wheel.bdist_wheel' 2>/dev/null
}
can_build "$python" || python=/usr/bin/python3
can_build "$python" || skip "Python cannot build wheels (Debian: python3-pip," \
    "python3-setuptools, python3-wheel)"

cp -R "$srcdir/bindings/python" "$dir/source" && chmod -R u+w "$dir/source" &&
    cd "$dir" || exit 99
unset PYTHONPATH
"$python" -m pip --disable-pip-version-check wheel --no-build-isolation \
    --no-deps --no-index --wheel-dir . ./source >log 2>&1 ||
    fail "the wheel cannot be built"
wheel=$(echo libpop3-*.whl)
case $wheel in
*-py3-none-any.whl) fail "$wheel: is for any machine, with a library in it" ;;
libpop3-*-py3-none-*.whl) ;;
*) fail "$wheel: no such name" ;;
esac
test -z "${VERSION-}" || case $wheel in
libpop3-"$VERSION"-*) ;;
*) fail "$wheel: not of version $VERSION" ;;
esac
echo "ok - $wheel is built"

"$python" -m zipfile -e "$wheel" installed >log 2>&1 || fail "it is no zip file"
PYTHONPATH=$dir/installed
export PYTHONPATH
unset LIBPOP3
"$python" -c 'import pop3, sys
sys.exit(not pop3._lib._name.startswith(sys.argv[1]))' "$dir/installed" \
    >log 2>&1 || fail "it does not take the library that it holds"
echo "ok - it takes the library that it holds"

if test -x "$POPD"; then
    "$POPD" --user me:secret: --synthetic 2:1000 --port-file ports \
        --lifetime 60 &
    server=$!
    tries=0
    while test ! -s ports; do
        tries=$((tries + 1))
        test $tries -le 100 || fail "popd does not start"
        sleep 0.1 2>/dev/null || sleep 1
    done
    cp source/check.py . # whose folder Python looks into before any other
    POP3_PASSWORD=secret "$python" check.py 127.0.0.1 \
        "$(sed -n 's/^plain //p' ports)" me >out 2>log || fail "check.py fails"
    printf '%s\n' '2 messages, 2000 octets' '1 1000 synthetic.1' \
        '2 1000 synthetic.2' 'Subject: message 1' >expected
    cmp -s out expected || { cp out log; fail "check.py says something else"; }
    echo "ok - the example tells what is in a maildrop"
fi

if command -v mypy >/dev/null 2>&1; then
    cat >typed.py <<'END'
import pop3
with pop3.POP3("localhost", timeout=5, strict=True) as c:
    total: int = c.retr(1)[2]
    wrong: str = c.retr(1)[2]
END
    MYPYPATH=$dir/installed mypy --strict --cache-dir "$dir/cache" typed.py >log 2>&1
    if test "$(grep -c 'error:' log)" != 1 ||
        ! grep -q '^typed.py:4:.*"int".*"str"' log; then
        fail "a type checker does not see the types"
    fi
    echo "ok - a type checker sees the types"
else
    echo "mypy is not installed: whether it sees the types was not tried"
fi
