#!/bin/sh
# check_abi.sh [--write] - the header as foreign parsers read it, and the ABI
# SPDX-License-Identifier: MIT
#
# Owns two promises: that pop3.h, without its # lines and its extern "C" pair, is
# read by what LuaJIT, PHP and Python's cffi have for that, by clang too, and that
# they find every exported function; and that the library's ABI is that of
# lib/libpop3.abi, or more: what is added passes, what is changed or gone does
# not. Changed copies show that it is seen. Not here: exports, manual, C++
# (check_source.sh). What is not installed is left out; 77 if all of it is.
#
# --write, which is `make abi`, writes lib/libpop3.abi anew: after an addition,
# and after a break, which also counts up libpop3_version in Makefile.am.
#
# Given by the build: SRCDIR; LIBPOP3_DIR, where the library is, built with -g;
# CC and NM, or cc and nm. By hand:
#   LIBPOP3_DIR=build/lib/.libs sh tests/check_abi.sh
set -u

: "${SRCDIR:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${LIBPOP3_DIR:?}" "${CC:=cc}" "${NM:=nm}"
LC_ALL=C
export LC_ALL

library=$(cd "$LIBPOP3_DIR" && pwd)/libpop3.so.0
described=$SRCDIR/lib/libpop3.abi
checked=0
failed=0

dir=$(mktemp -d "${TMPDIR:-/tmp}/check_abi.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir" || exit 99

installed() # COMMAND...
{
    for command in "$@"; do
        command -v "$command" >/dev/null 2>&1 || {
            left_out "$command: not installed"
            return 1
        }
    done
}

left_out()
{
    echo "left out: $*"
}

check() # SENTENCE COMMAND...: the command must succeed
{
    sentence=$1
    shift
    checked=$((checked + 1))
    if "$@" >said 2>&1; then
        echo "ok - $sentence"
    else
        failed=$((failed + 1))
        echo "not ok - $sentence"
        sed 's/^/#   /' said | head -n 20
    fi
}

# ---- The header -----------------------------------------------------------

exported()
{
    sed -n 's/^ *\(pop3_[a-z0-9_]*\);$/\1/p' "$SRCDIR/lib/libpop3.map"
}

cat >read.lua <<'END'
local ffi = require "ffi"
ffi.cdef(io.open(arg[1]):read "*a")
local lib = ffi.load(arg[2])
for name in io.lines(arg[3]) do assert(lib[name]) end
END

cat >read.php <<'END'
<?php
$lib = FFI::cdef(file_get_contents($argv[1]), $argv[2]);
foreach (file($argv[3], FILE_IGNORE_NEW_LINES) as $name) {
    $lib->$name;
}
END

cat >read.py <<'END'
import cffi, sys
ffi = cffi.FFI()
ffi.cdef(open(sys.argv[1]).read())
lib = ffi.dlopen(sys.argv[2])
for name in open(sys.argv[3]):
    getattr(lib, name.strip())
END

read_by_clang()
{
    clang -std=c11 -fsyntax-only -Xclang -ast-dump=json -x c \
        "$SRCDIR/include/pop3.h" >ast || return 1
    while read -r name; do
        grep -q "\"name\": \"$name\"" ast || { echo "no $name"; return 1; }
    done <functions
}

# The first Python that has it: that of the PATH, else that of the system.
python_with_cffi()
{
    for python in python3 /usr/bin/python3; do
        "$python" -c 'import cffi' 2>/dev/null && echo "$python" && return
    done
}

can_be_loaded()
{
    # NM may have an option in it.
    # shellcheck disable=SC2086
    ! $NM -D "$library" | grep -q '__[amt]san_init\|__ubsan_handle'
}

check_parsers()
{
    exported >functions
    sed -e '/^#ifdef __cplusplus$/,/^#endif$/d' -e '/^#/d' \
        "$SRCDIR/include/pop3.h" >pop3.cdef
    if installed clang; then check "clang reads pop3.h" read_by_clang; fi
    if ! can_be_loaded; then
        left_out 'other parsers: the library is built with a sanitizer'
        return
    fi
    if installed luajit; then
        check "LuaJIT reads it and finds every function" \
            luajit read.lua pop3.cdef "$library" functions
    fi
    if php -r 'exit((int) !extension_loaded("ffi"));' 2>/dev/null; then
        check "PHP does" php read.php pop3.cdef "$library" functions
    else
        left_out 'PHP: not installed, or without FFI'
    fi
    python=$(python_with_cffi)
    if test -n "$python"; then
        check "cffi does" "$python" read.py pop3.cdef "$library" functions
    else
        left_out 'cffi: not installed'
    fi
}

# ---- The ABI --------------------------------------------------------------

# Nothing of where and with what it was built; opaque types stay opaque, because
# pop3.h, in HEADERS, does not define them.
describe() # LIBRARY HEADERS FILE
{
    abidw --headers-dir "$2" --drop-private-types --exported-interfaces-only \
        --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed \
        --no-write-default-sizes --no-parameter-names --out-file described "$1" &&
        sed "s|path='[^']*/lib/|path='lib/|" described >"$3"
}

# True where the second has all of the first as it was. abidiff itself tells an
# addition from a change by what it is made to show alone.
keeps() # DESCRIPTION DESCRIPTION
{
    abidiff --no-added-syms "$1" "$2"
}

# Its status is of bits: 1 and 2 are its own failures, 4 is a change.
breaks()
{
    keeps "$@"
    test $(($? & 7)) -eq 4
}

architecture() # DESCRIPTION
{
    sed -n "s/^<abi-corpus.* architecture='\([^']*\)'.*/\1/p" "$1"
}

# What can be described, into library.abi.
described_library()
{
    installed abidw abidiff || return 1
    describe "$library" "$SRCDIR/include" library.abi || return 1
    if ! grep -q '<function-decl' library.abi; then
        left_out 'the ABI: the library is built without -g'
        return 1
    fi
}

# A copy of the sources, changed there by a command, compiled and described.
# shellcheck disable=SC2046,SC2086
variant() # NAME COMMAND...
{
    name=$1
    shift
    mkdir "$name" && cp -R "$SRCDIR/lib" "$SRCDIR/include" "$name" || return 1
    chmod -R u+w "$name"
    (cd "$name" && "$@" &&
        $CC -std=gnu11 -D_GNU_SOURCE -w -g -O0 -fPIC -shared -Iinclude -Ilib \
            $(pkg-config --cflags openssl 2>/dev/null) lib/*.c \
            -Wl,--version-script=lib/libpop3.map \
            -Wl,-soname,libpop3.so.0 -o variant.so) >said 2>&1 &&
        describe "$name/variant.so" "$name/include" "$name.abi"
}

edit() # SCRIPT FILE
{
    sed "$1" "$2" >edited && ! cmp -s edited "$2" && mv edited "$2"
}

a_longer_struct()
{
    edit 's/^} pop3_totals;/    uint64_t more;\
&/' include/pop3.h
}

another_number()
{
    edit 's/POP3_ERROR_IO = 15/POP3_ERROR_IO = 17/' include/pop3.h
}

one_function_less()
{
    edit '/^ *pop3_noop;$/d' lib/libpop3.map
}

one_function_more()
{
    edit 's/^pop3_code pop3_noop(.*/&\
pop3_code pop3_added(pop3 *c);/' include/pop3.h &&
        edit 's/^ *pop3_noop;$/& pop3_added;/' lib/libpop3.map &&
        echo 'pop3_code pop3_added(pop3 *c) { return pop3_noop(c); }' \
            >>lib/command.c
}

# Each is compared with what the same compiler makes of the unchanged sources.
check_that_it_is_seen()
{
    if ! variant same true; then
        left_out "changed copies: they do not compile with $CC"
        return
    fi
    check "the same sources keep the ABI" keeps library.abi same.abi
    for change in a_longer_struct another_number one_function_less; do
        check "$change: described" variant $change $change
        check "$change breaks it" breaks same.abi $change.abi
    done
    check "one_function_more: described" \
        variant one_function_more one_function_more
    check "one_function_more keeps it" keeps same.abi one_function_more.abi
}

check_abi()
{
    described_library || return
    if test "$(architecture library.abi)" != "$(architecture "$described")"
    then
        left_out "the ABI: not that of $(architecture "$described")"
        return
    fi
    check "the library has the ABI of lib/libpop3.abi" \
        keeps "$described" library.abi
    abidiff --deleted-fns --added-fns "$described" library.abi |
        sed -n "s/^ *\[A\] 'function /added, for make abi to write: '/p"
    check_that_it_is_seen
}

case ${1-} in
--write)
    described_library && cp library.abi "$described" || exit 1
    echo "lib/libpop3.abi is written"
    exit
    ;;
esac

check_parsers
check_abi
test $checked -gt 0 || exit 77
echo "$checked checks, $failed failed"
test $failed -eq 0
