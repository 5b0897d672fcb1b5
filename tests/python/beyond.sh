#!/bin/sh
# beyond.sh - what the drop-in has beyond poplib (beyond.py)
# SPDX-License-Identifier: MIT
set -u
# shellcheck source=common.sh source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

exec "$python" "$srcdir/tests/python/beyond.py"
