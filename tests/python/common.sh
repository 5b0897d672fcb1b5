# common.sh - what the tests of the binding for Python need; read by them
# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sets srcdir, python, PYTHONPATH and LIBPOP3, the library that was built.
#   $SRCDIR, $BUILDDIR, $LIBPOP3_DIR, $CERTS, $POPD   given by the build
#   $PYTHON                                           python3, if not set
# By hand, after `make`: sh tests/python/same.sh

skip()
{
    echo "$0: skipped: $*"
    exit 77
}

srcdir=${SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILDDIR=${BUILDDIR:-$srcdir/build}
CERTS=${CERTS:-$BUILDDIR/tests/certs}
POPD=${POPD:-$BUILDDIR/tests/popd}
libraries=${LIBPOP3_DIR:-$BUILDDIR/lib/.libs}
python=${PYTHON:-python3}

LIBPOP3=
for name in libpop3.so.0 libpop3.so libpop3.0.dylib; do
    test -n "$LIBPOP3" || test ! -e "$libraries/$name" ||
        LIBPOP3=$libraries/$name
done
test -n "$LIBPOP3" || skip "no shared library in $libraries"
test -e "$CERTS/stamp" || CERTS=
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
    skip "no Python 3.9 or later (Debian: python3)"
# An instrumented library wants its runtime to be loaded first of all.
"$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$LIBPOP3" \
    2>/dev/null || skip "Python cannot load $LIBPOP3"

PYTHONPATH=$srcdir/bindings/python:$srcdir/tests/python
PYTHONDONTWRITEBYTECODE=1
export LIBPOP3 CERTS POPD PYTHONPATH PYTHONDONTWRITEBYTECODE
