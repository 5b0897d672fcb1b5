#!/bin/sh
# coverage.sh - the share of the library's lines that the tests have reached
# SPDX-License-Identifier: MIT
#
#   coverage.sh BUILDDIR PERCENT
#
# Run at the top of the source, after the tests of a build with
# --enable-coverage. Ends with 1 where less than PERCENT was reached.

build=$1
least=$2

if command -v gcovr >/dev/null 2>&1; then
    exec gcovr --root . --filter 'lib/' --exclude-unreachable-branches \
        --fail-under-line "$least" --print-summary "$build"
fi

# Without gcovr: gcov, which tells of each file in turn.
find "$build/lib" -name '*.gcda' | while read -r data; do
    gcov --no-output "$data" 2>/dev/null
done | awk -v least="$least" '
    /^File / { ours = $0 ~ /lib\/[a-z_]+\.c\047$/; file = $2 }
    /^Lines executed:/ && ours {
        split($0, part, /[:% ]+/)    # Lines executed:12.50% of 8
        reached += part[3] * part[5] / 100
        lines += part[5]
        print file, part[3] "%"
        ours = 0
    }
    END {
        share = lines ? 100 * reached / lines : 0
        printf "lines: %.1f%% (%d out of %d)\n", share, reached + 0.5, lines
        exit share < least
    }'
