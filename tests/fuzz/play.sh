#!/bin/sh
# play.sh - the corpus of each fuzz target, played once
# SPDX-License-Identifier: MIT
#
# A crash is a failure. An input that once broke something stays in the corpus
# as a file. Given by the build: SRCDIR, BUILDDIR.
set -eu

for target in session text; do
    "$BUILDDIR/tests/fuzz/$target" "$SRCDIR/tests/fuzz/corpus/$target"/*
done
