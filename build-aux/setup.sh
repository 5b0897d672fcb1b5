#!/bin/sh
# setup.sh - installs what building a git checkout needs, where it may
# SPDX-License-Identifier: MIT
#
#   setup.sh [--with check] [--with bench] [--with ci]
#
# Looks for each tool and library itself and says nothing where all are there.
# Installs with apt-get as root or through sudo without a password; elsewhere it
# prints the command that would, and fails if a needed package is missing.
# To add one: a line in needs() or likes(), with the package of Debian.

missing=''
optional=''

# needs PACKAGE TEST...: PACKAGE is missing unless the command TEST succeeds.
needs() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

# likes PACKAGE TEST...: the same, but only tried when something is needed.
likes() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || optional="$optional $package"
}

compiler() {
    command -v "${CC:-cc}" || command -v gcc
}

program() {
    command -v "$1" || test -x "/usr/sbin/$1"
}

library() {
    pkg-config --exists "$1"
}

group_base() {
    needs gcc compiler
    needs libc6-dev test -e /usr/include/stdio.h
    needs make program make
    needs autoconf program autoconf
    needs automake program automake
    needs libtool program libtoolize
    needs pkg-config program pkg-config
    needs libssl-dev library 'openssl >= 3.0'
    likes libgmime-3.0-dev library gmime-3.0
    likes libgsasl-dev library libgsasl
}

group_check() {
    needs check library check
    needs openssl program openssl
}

group_bench() {
    needs libcurl4-openssl-dev library libcurl
    needs mpop program mpop
    needs fetchmail program fetchmail
}

group_ci() {
    group_check
    group_bench
    needs libgmime-3.0-dev library gmime-3.0
    needs libgsasl-dev library libgsasl
    needs clang program clang
    needs clang-format program clang-format
    needs clang-tidy program clang-tidy
    needs libclang-rt-14-dev clang_sanitizers
    needs g++ program g++
    needs valgrind program valgrind
    # Without it valgrind cannot start on Debian: the names in ld.so.
    needs libc6-dbg test -d /usr/lib/debug/.build-id
    needs gcovr program gcovr
    needs dovecot-pop3d test -x /usr/lib/dovecot/pop3
    needs mandoc program mandoc
    needs man-db program man
    needs python3 program python3
    needs "$(python_tests)" system_python test.test_poplib
    needs python3-pip system_python pip
    needs python3-setuptools system_python setuptools
    needs python3-wheel system_python wheel
    needs mypy program mypy
    # The bindings, and what else reads pop3.h or describes the ABI.
    needs luajit program luajit
    needs ruby ruby -r fiddle -e ''
    needs libffi-platypus-perl perl -M'FFI::Platypus 2.00' -e ''
    needs php-cli php -r 'exit((int) !extension_loaded("ffi"));'
    needs guile-3.0 program guile
    needs nodejs program node
    needs npm program npm
    needs python3-cffi /usr/bin/python3 -c 'import cffi'
    needs abigail-tools program abidiff
}

# Packages are for the system's own Python, whichever comes first in PATH.
system_python() {
    /usr/bin/python3 -W ignore -c "import $1"
}

# Of the Python that Debian 12 has, where there is none yet.
python_tests() {
    version=$(/usr/bin/python3 -c \
        'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
    echo "libpython${version:-3.11}-testsuite"
}

# The runtime of ASan, which clang's package only recommends.
clang_sanitizers() {
    test -e "$(clang -print-file-name="libclang_rt.asan-$(uname -m).a")"
}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# The command that runs another one as root, into $root; false where none does.
find_root() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if test "$(id -u)" = 0; then
        root=''
    else
        sudo -n true 2>/dev/null || return 1
        root='sudo -n'
    fi
}

apt() {
    $root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null
}

# install PACKAGE...: the lists of packages are fetched only if they do not
# know one, or name a file that is no longer there.
install() {
    if apt-cache show "$@" >/dev/null 2>&1 &&
        apt install -y --no-install-recommends "$@" >"$log" 2>&1; then
        return 0
    fi
    apt update >"$log" 2>&1 &&
        apt install -y --no-install-recommends "$@" >"$log" 2>&1
}

group_base
while test $# -gt 0; do
    case "$1 ${2-}" in
    '--with check' | '--with bench' | '--with ci') "group_$2" ;;
    *) fail "unknown: $1 ${2-}" ;;
    esac
    shift 2
done

test -n "$missing" || exit 0

if ! find_root; then
    command -v apt-get >/dev/null 2>&1 || fail "missing, by Debian's names:$missing"
    fail "missing packages; this installs them:
    sudo apt-get install --no-install-recommends$missing$optional"
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
echo "setup: installing$missing$optional"
# shellcheck disable=SC2086
if ! install $missing; then
    cat "$log" >&2
    fail "apt-get could not install$missing"
fi
# shellcheck disable=SC2086
test -z "$optional" || install $optional ||
    echo "setup: going on without$optional" >&2
