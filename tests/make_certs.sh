#!/bin/sh
# make_certs.sh DIR - the certificates that the tests and the demo need
# SPDX-License-Identifier: MIT
#
# Owns DIR: ca, and signed by it server (localhost and the loopback addresses),
# other (another name) and expired; each NAME.pem with its NAME.key. Then the
# matrix at the end, one for each thing that can be right or wrong, all of them
# with the one key leaf.key; locked.pem and locked.key, encrypted by "sesame".
# EC keys, because they take no time. Does nothing when DIR/stamp is there.
# $OPENSSL is the openssl command, where it has another name or place.
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
[no_san]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
subjectAltName = $ENV::san
[alone]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
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
issue() # NAME ISSUER CSR EXTENSIONS FROM TO MORE...
{
    issued=$1
    issuer=$2
    csr=$3
    extensions=$4
    first=$5
    last=$6
    shift 6
    quietly "$openssl" ca -batch -notext -config "$work/conf" \
        -extensions "$extensions" -keyfile "$work/$issuer.key" \
        -startdate "$first" -enddate "$last" "$@" \
        -in "$work/$csr.csr" -out "$work/$issued.pem"
}

sign() # NAME SAN FROM TO
{
    san=$2
    request "$1" "/CN=$1"
    issue "$1" ca "$1" leaf "$3" "$4" -cert "$work/ca.pem"
}

authority() # NAME SUBJECT
{
    request "$1" "$2"
    issue "$1" "$1" "$1" v3_ca $from $to -selfsign
}

leaf() # NAME SAN [EXTENSIONS [ISSUER [FROM TO]]]: with the one key
{
    san=$2
    issue "$1" "${4:-ca}" leaf "${3:-leaf}" "${5:-$from}" "${6:-$to}" \
        -cert "$work/${4:-ca}.pem" -subj "/CN=mail.example.org"
    names="$names $1"
}

from=20200101000000Z
to=20491231235959Z
authority ca "/CN=libpop3 test CA"
sign server "DNS:localhost,IP:127.0.0.1,IP:::1" $from $to
sign other "DNS:other.example" $from $to
sign expired "DNS:localhost,IP:127.0.0.1,IP:::1" $from 20200201000000Z

# The matrix.
names=
mail=DNS:mail.example.org
request leaf "/CN=mail.example.org"
authority stranger "/CN=stranger CA"
request inner "/CN=inner CA"
issue inner ca inner v3_ca $from $to -cert "$work/ca.pem"
leaf valid $mail
leaf past $mail leaf ca $from 20200201000000Z
leaf future $mail leaf ca 20480101000000Z $to
leaf two_names "$mail,DNS:pop.example.org"
leaf wild "DNS:*.example.org"
leaf wild_top "DNS:*.org"
leaf wild_all "DNS:*"
leaf wild_partial "DNS:m*.example.org"
leaf wild_inner "DNS:mail.*.org"
leaf wild_both "DNS:*.*.org"
leaf cn_only none no_san
leaf address "IP:192.0.2.1,IP:2001:db8::1"
leaf address_as_name "DNS:192.0.2.1,DNS:2001:db8::1"
leaf idn "DNS:xn--bcher-kva.example"
leaf client_only $mail client
leaf unknown $mail leaf stranger
leaf by_leaf $mail leaf server
leaf unchained $mail leaf inner
# Names that end early for who takes them for C strings: the name asked for,
# NUL, ".evil.example"; and an address of five octets.
leaf nul DER:3020821e6d61696c2e6578616d706c652e6f7267002e6576696c2e6578616d706c65
leaf short_address DER:30078705c000020101
san=$mail
issue self leaf leaf alone $from $to -selfsign
cat "$work/unchained.pem" "$work/inner.pem" >"$work/chained.pem"
cat "$work/by_leaf.pem" "$work/server.pem" >"$work/by_leaf2.pem"
mv "$work/by_leaf2.pem" "$work/by_leaf.pem"
cp "$work/other.pem" "$work/locked.pem"
quietly "$openssl" pkey -in "$work/other.key" -aes128 -passout pass:sesame \
    -out "$work/locked.key"

for name in ca server other expired locked; do
    mv "$work/$name.key" "$work/$name.pem" .
done
for name in $names self chained; do
    mv "$work/$name.pem" .
done
mv "$work/leaf.key" .
: >stamp
