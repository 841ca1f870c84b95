#!/bin/sh
# Made once: a CA, a server and a client that it vouches for, and a client of another CA. For tests on loopback only.
set -eu
ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" \
    -addext keyUsage=critical,keyCertSign,cRLSign
}
leaf() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$2.key" -out "$2.csr"
  printf 'basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n' > leaf.ext
  openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 36500 -extfile leaf.ext -out "$2.pem"
}
ca ca
ca stranger-ca
leaf ca server
leaf ca client
leaf stranger-ca stranger
rm -f ./*.csr ./*.srl leaf.ext ca.key stranger-ca.key
