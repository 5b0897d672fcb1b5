#!/bin/sh
# check_source.sh - what the sources promise of themselves
# SPDX-License-Identifier: MIT
#
# Says what is wrong, a line each, and exits 1 if anything is. Given by the
# environment: SRCDIR; LIBPOP3_DIR, where the built libraries are (without it
# what needs them is left out); CC, CXX and NM, or cc, c++ and nm.
#
# A new file of lib/ has to be put into its layer here, in layer_of.

set -u
: "${SRCDIR:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${LIBPOP3_DIR:=}" "${CC:=cc}" "${CXX:=c++}" "${NM:=nm}"
LC_ALL=C
export LC_ALL

cd "$SRCDIR" || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/libpop3.XXXXXX") || exit 1
trap 'rm -rf "$work"' 0
trap 'exit 1' 1 2 15

# Every complaint is a line there: pipelines run in shells of their own.
wrong() {
    printf '%s\n' "$*" | tee -a "$work/wrong"
}

left_out() {
    printf 'left out: %s\n' "$*"
}

# Complains of each line that comes in.
wrong_each() {
    while IFS= read -r line; do
        wrong "$line"
    done
}

# Complains of what is in one sorted file and not in the other.
wrong_difference() {
    comm -23 "$1" "$2" | sed "s|\$| is in $3, but not in $4|" | wrong_each
    comm -13 "$1" "$2" | sed "s|\$| is in $4, but not in $3|" | wrong_each
}

# C without comments, and with empty strings, line for line.
code_of() {
    awk '
    function text(ch) { if (!quote && !comment) out = out ch }
    {
        out = ""
        n = length($0)
        for (i = 1; i <= n; i++) {
            ch = substr($0, i, 1)
            two = substr($0, i, 2)
            if (comment) {
                if (two == "*/") { comment = 0; i++ }
            } else if (quote) {
                if (ch == "\\") i++
                else if (ch == quote) { quote = ""; text(ch) }
            } else if (two == "/*") { comment = 1; i++ }
            else {
                text(ch)
                if (ch == "\"" || ch == "\047") quote = ch
            }
        }
        print out
    }' "$1"
}

# -- Layers --------------------------------------------------------------------

# A file's layer, or nothing for one that is not known.
layer_of() {
    case $1 in
    error | buf | local | idn | tally | netrc | spec) echo 0 ;;
    stream | dial | tls | sink | journal) echo 1 ;;
    reader) echo 2 ;;
    reply) echo 3 ;;
    conn | queue | settings | gather | body | record) echo 4 ;;
    command | listing) echo 5 ;;
    sasl | gsasl | auth | login) echo 6 ;;
    maildir | batch | stored | storing | recover | compact | plan | selection | store | download | open) echo 7 ;;
    esac
}

includes_of() {
    sed -n 's/^[ 	]*#[ 	]*include[ 	]*"\([^"]*\)".*/\1/p' "$1"
}

check_layers_of() {
    base=$(basename "$1" | sed 's/\.[ch]$//')
    layer=$(layer_of "$base")
    if [ -z "$layer" ]; then
        wrong "$1: of no layer: put it into layer_of of check_source.sh"
        return
    fi
    for header in $(includes_of "$1"); do
        [ "$header" = pop3.h ] && continue
        [ -f "lib/$header" ] || wrong "$1: includes $header, not of lib/"
        below=$(layer_of "${header%.h}")
        if [ "${below:-9}" -gt "$layer" ]; then
            wrong "$1: of layer $layer includes $header of layer ${below:-?}"
        fi
    done
}

# Outside lib/ there is the public header, and what is one's own.
check_includes_outside() {
    for header in $(includes_of "$1"); do
        [ "$header" = pop3.h ] || [ -f "$(dirname "$1")/$header" ] ||
            [ -f "$2/$header" ] || wrong "$1: includes $header, not $2/'s own"
    done
}

check_includes() {
    for file in lib/*.c lib/*.h; do
        check_layers_of "$file"
    done
    for folder in tools examples bindings; do
        [ -d $folder ] || continue
        find $folder -name '*.[ch]' >"$work/files"
        while IFS= read -r file; do
            check_includes_outside "$file" $folder
        done <"$work/files"
    done
}

# -- What only one file may do, and what none may --------------------------------

# forbid WHAT PATTERN FILE...: no call, no name of that pattern in the code.
forbid() {
    what=$1 pattern=$2
    shift 2
    for file; do
        code_of "$file" | grep -nE "(^|[^A-Za-z0-9_])($pattern)" |
            sed "s|^\([0-9]*\):.*|$file:\1: $what|" | wrong_each
    done
}

# Files of lib/ but for those.
lib_without() {
    for file in lib/*.c lib/*.h; do
        case " $* " in
        *" $(basename "$file") "*) ;;
        *) echo "$file" ;;
        esac
    done
}

# The names have no blanks in them.
# shellcheck disable=SC2046
check_calls() {
    forbid 'SSL_ is of tls.c and settings.c alone' 'SSL_' \
        $(lib_without tls.c settings.c)
    forbid 'sockets are of stream.c and dial.c alone' \
        '(socket|connect|accept|recv|send|getaddrinfo)[ ]*\(' \
        $(lib_without stream.c dial.c)
    forbid 'a number is parsed by p3_reply_number or as strictly' \
        '(strto[a-z]+|ato[fil]+|v?s?f?scanf)[ ]*\(' lib/*.[ch]
    forbid 'writes without a limit' \
        '(strcpy|stpcpy|strcat|v?sprintf|gets|alloca)[ ]*\(' lib/*.[ch]
    forbid 'a library prints nothing' \
        '(v?f?printf|f?puts|f?putc|putchar|perror|fwrite)[ ]*\(|stdout|stderr' \
        lib/*.[ch]
    forbid 'a library does not end its caller' \
        '(_?exit|_Exit|abort|assert|raise|kill)[ ]*\(' lib/*.[ch]
    forbid 'is not for threads' \
        '(strtok|gethostbyname|getpwuid|getpwnam|localtime|gmtime|ctime)[ ]*\(' \
        lib/*.[ch]
    forbid 'changes the process' \
        '(setlocale|signal|sigaction|chdir|umask|setenv|putenv)[ ]*\(' \
        lib/*.[ch]
}

check_visibility() {
    for file in lib/*.h; do
        grep -q '^#pragma GCC visibility push(hidden)$' "$file" ||
            wrong "$file: its names are not hidden by the visibility pragma"
    done
}

# -- Every source -----------------------------------------------------------------

# All that is written by hand, of what is there.
list_sources() {
    for folder in include lib tools tests examples bindings build-aux; do
        [ -d $folder ] || continue
        find $folder -name certs -prune -o -name node_modules -prune -o \
            -name samples -prune -o -name tmp -prune -o \
            -name ltmain.sh -prune -o -type f \( \
            -name '*.[ch]' -o -name '*.sh' -o -name '*.map' -o \
            -name '*.py' -o -name '*.lua' -o -name '*.rb' -o -name '*.p[lm]' \
            -o -name '*.js' -o -name '*.php' -o -name '*.scm' \) -print
    done
    find doc -name '*.[13]'
    for file in Makefile.am configure.ac .ci/run; do
        [ -f $file ] && echo $file
    done
}

# The markers are spelt so that this file is not found.
check_sources() {
    list_sources >"$work/sources"
    [ "$(grep -c . "$work/sources")" -gt 40 ] ||
        wrong "only $(grep -c . "$work/sources") sources found"
    while IFS= read -r file; do
        head -n 5 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
            wrong "$file: no SPDX line at its head"
        grep -nE '(^|[^A-Z])(TO''DO|FIX''ME|X''XX)([^A-Z]|$)' "$file" |
            sed "s|^\([0-9]*\):.*|$file:\1: something is left to do|" |
            wrong_each
    done <"$work/sources"
}

# -- The public header ------------------------------------------------------------

check_header_includes() {
    sed -n 's/^[ 	]*#[ 	]*include[ 	]*//p' include/pop3.h | sort \
        >"$work/included"
    printf '<stddef.h>\n<stdint.h>\n' >"$work/allowed"
    cmp -s "$work/included" "$work/allowed" ||
        wrong "include/pop3.h: includes $(tr "\n" " " <"$work/included")"
}

# compiles WHAT COMMAND...: complains with the compiler's words. CC is a command
# with its arguments.
compiles() {
    what=$1
    shift
    if ! "$@" >"$work/said" 2>&1; then
        wrong "include/pop3.h: no $what:"
        sed 's/^/    /' "$work/said"
    fi
}

# The header as an FFI parser wants it: no line of the preprocessor, and what
# stands for C++ alone gone with its condition.
strip_header() {
    code_of include/pop3.h |
        sed -e '/^#ifdef __cplusplus$/,/^#endif$/d' -e '/^[ 	]*#/d'
}

# shellcheck disable=SC2086
check_header() {
    check_header_includes
    printf '#include "pop3.h"\nint main(void) { return 0; }\n' >"$work/alone.c"
    cp "$work/alone.c" "$work/alone.cc"
    compiles 'strict C11' $CC -std=c11 -pedantic-errors -Wall -Wextra -Werror \
        -Iinclude -fsyntax-only "$work/alone.c"
    if command -v ${CXX%% *} >/dev/null 2>&1; then
        compiles 'C++' $CXX -std=c++11 -pedantic-errors -Wall -Wextra -Werror \
            -Iinclude -fsyntax-only "$work/alone.cc"
    else
        left_out "pop3.h as C++: no $CXX"
    fi
    {
        echo 'typedef unsigned long size_t, uint64_t;'
        echo 'typedef long int64_t;'
        strip_header
    } >"$work/stripped.c"
    compiles 'C without its # lines' $CC -std=c11 -Wall -Werror -fsyntax-only \
        "$work/stripped.c"
    if python3 -c 'import pycparser' 2>/dev/null; then
        compiles 'C to pycparser' python3 -c \
            'import pycparser, sys; pycparser.parse_file(sys.argv[1])' \
            "$work/stripped.c"
    else
        left_out 'pop3.h and pycparser: not installed'
    fi
}

# -- One list of functions ----------------------------------------------------------

in_header() {
    strip_header | tr '\n' ' ' | grep -oE 'pop3_[a-z0-9_]+\(' | tr -d '(' | sort
}

in_map() {
    sed -n 's/^ *\(pop3_[a-z0-9_]*\);$/\1/p' lib/libpop3.map | sort
}

in_manual() {
    sed -n 's/^\.F[no] "\{0,1\}\(pop3_[a-z0-9_]*\).*/\1/p' doc/libpop3.3 |
        sort -u
}

# The version's own name is among the symbols, as an absolute one.
# shellcheck disable=SC2086
in_library() {
    $NM -D --defined-only "$1" | awk '$2 != "A" { print $3 }' |
        sed 's/@.*//' | sort
}

check_exports() {
    in_header >"$work/header"
    in_map >"$work/map"
    [ "$(grep -c . "$work/header")" -gt 50 ] ||
        wrong 'include/pop3.h: hardly a function found'
    wrong_difference "$work/header" "$work/map" include/pop3.h lib/libpop3.map
    if [ -n "$LIBPOP3_DIR" ] && [ -f "$LIBPOP3_DIR/libpop3.so" ]; then
        in_library "$LIBPOP3_DIR/libpop3.so" >"$work/library"
        wrong_difference "$work/header" "$work/library" include/pop3.h \
            libpop3.so
    else
        left_out 'the exported symbols: no libpop3.so'
    fi
}

check_manual() {
    if [ ! -f doc/libpop3.3 ]; then
        left_out 'the manual: no doc/libpop3.3'
        return
    fi
    in_manual >"$work/manual"
    wrong_difference "$work/header" "$work/manual" include/pop3.h doc/libpop3.3
    strip_header | grep -oE 'POP3_[A-Z0-9_]+' | sort -u |
        while IFS= read -r name; do
            grep -qE "(^|[^A-Z0-9_])$name([^A-Z0-9_]|\$)" doc/libpop3.3 ||
                wrong "$name is in include/pop3.h, but not in doc/libpop3.3"
        done
}

# -- State ----------------------------------------------------------------------------

# What compilers add for coverage and sanitizers is not the library's.
# shellcheck disable=SC2086
check_state() {
    archive=$LIBPOP3_DIR/libpop3-internal.a
    if [ -z "$LIBPOP3_DIR" ] || [ ! -f "$archive" ]; then
        left_out 'static state: no libpop3-internal.a'
        return
    fi
    $NM -f sysv "$archive" >"$work/symbols" 2>/dev/null
    grep -q '|\.text' "$work/symbols" ||
        wrong "$archive: $NM -f sysv shows no function in it"
    awk -F'|' '{
        name = $1
        section = $NF
        gsub(/[ \t]/, "", name)
        gsub(/[ \t]/, "", section)
        if (section ~ /^(\.t?(data|bss)(\..*)?|COMMON|\*COM\*)$/ &&
            section !~ /^\.data\.rel\.ro/ &&
            name !~ /^(\.|__gcov|__asan|__unnamed|__odr_asan|__san|__llvm|__prof)/)
            print name ": mutable state in " section
    }' "$work/symbols" | wrong_each
}

check_includes
check_calls
check_visibility
check_sources
check_header
check_exports
check_manual
check_state

if [ -s "$work/wrong" ]; then
    printf '%d wrong\n' "$(grep -c . "$work/wrong")"
    exit 1
fi
echo 'the sources are as they promise'
