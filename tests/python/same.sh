#!/bin/sh
# same.sh - the drop-in beside poplib, before the same server (same.py)
# SPDX-License-Identifier: MIT
set -u
# shellcheck source=common.sh source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

exec "$python" "$srcdir/tests/python/same.py"
