#!/bin/sh
# cpython.sh - Python's own tests of poplib, on the drop-in (cpython.py)
# SPDX-License-Identifier: MIT
set -u
# shellcheck source=common.sh source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

exec "$python" "$srcdir/tests/python/cpython.py"
