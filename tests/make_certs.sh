#!/bin/sh
# make_certs.sh DIR - the certificates that the tests and the demo need
# SPDX-License-Identifier: MIT
#
# Owns DIR: ca, and signed by it server (localhost and the loopback addresses),
# other (another name) and expired; each NAME.pem with its NAME.key. EC keys,
# because they take no time. Does nothing when DIR/stamp is there. $OPENSSL is
# the openssl command, where it has another name or place.
set -eu
umask 077
openssl=${OPENSSL:-openssl}

test $# -eq 1 || { echo "usage: make_certs.sh DIR" >&2; exit 64; }
mkdir -p "$1"
cd "$1"
test ! -e stamp || exit 0

# Made aside, then moved: who looks on meanwhile sees whole files.
work=$(mktemp -d ./making.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
export work

# Only what is written here counts, not the system's openssl.cnf.
cat >"$work/conf" <<'END'
[req]
prompt = no
distinguished_name = name
[name]
CN = libpop3 test
[v3_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $ENV::san
[ca]
default_ca = test
[test]
database = $ENV::work/index
new_certs_dir = $ENV::work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = anything
[anything]
commonName = supplied
END
: >"$work/index"
san=DNS:none
export san

quietly()
{
    "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
}

request() # NAME SUBJECT
{
    quietly "$openssl" req -new -config "$work/conf" -newkey ec \
        -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
        -keyout "$work/$1.key" -out "$work/$1.csr"
}

# openssl ca, for it alone sets both dates in every release.
sign() # NAME SAN FROM TO
{
    san=$2
    request "$1" "/CN=$1"
    quietly "$openssl" ca -batch -notext -config "$work/conf" -extensions leaf \
        -cert "$work/ca.pem" -keyfile "$work/ca.key" \
        -startdate "$3" -enddate "$4" -in "$work/$1.csr" -out "$work/$1.pem"
}

from=20200101000000Z
to=20491231235959Z
request ca "/CN=libpop3 test CA"
quietly "$openssl" ca -batch -notext -selfsign -config "$work/conf" \
    -extensions v3_ca -keyfile "$work/ca.key" -startdate $from -enddate $to \
    -in "$work/ca.csr" -out "$work/ca.pem"
sign server "DNS:localhost,IP:127.0.0.1,IP:::1" $from $to
sign other "DNS:other.example" $from $to
sign expired "DNS:localhost,IP:127.0.0.1,IP:::1" $from 20200201000000Z

for name in ca server other expired; do
    mv "$work/$name.key" "$work/$name.pem" .
done
: >stamp
