#!/bin/sh
# run.sh - fuzzes each target with libFuzzer, under ASan and UBSan
# SPDX-License-Identifier: MIT
#
# Called as run.sh FOLDER [SECONDS]: builds in FOLDER with clang, spends SECONDS
# (60) on each target, and leaves what it found there. New inputs are kept in
# FOLDER; what breaks something goes into the corpus by hand.
set -eu

folder=$1
seconds=${2:-60}
libraries=$(pkg-config --libs openssl)
flags=
if pkg-config --exists libgsasl; then
    flags=-DHAVE_GSASL
    libraries="$libraries $(pkg-config --libs libgsasl)"
fi

for target in session text; do
    mkdir -p "$folder/$target"
    # shellcheck disable=SC2086
    clang -g -O1 -std=c11 -D_GNU_SOURCE $flags \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        -Iinclude -Ilib -Itests/fuzz tests/fuzz/$target.c lib/*.c \
        $libraries -o "$folder/fuzz_$target"
    "$folder/fuzz_$target" -max_total_time="$seconds" -max_len=4096 \
        -artifact_prefix="$folder/" -print_final_stats=1 -verbosity=0 \
        "$folder/$target" "tests/fuzz/corpus/$target"
done
