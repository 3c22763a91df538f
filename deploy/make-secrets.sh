#!/usr/bin/env bash
# Makes what a cluster over a network needs before it starts, into one directory: an authority and a
# certificate for each machine, a key for each replica, the owner's key, and the list of replicas.
# What is there already stays. Nothing here protects the keys but the directory's permissions, unless
# CAPSULE_PASSPHRASE is set: then the owner's and the replicas' keys are encrypted under it.
#
#   deploy/make-secrets.sh DIR SERVER_HOST REPLICA_HOST...
#   CAPSULE=…   the program, bin/capsule beside this directory if not set
#   PORT=…      where replicas listen, 7400 if not set
#   ROUTERS=…   hosts that get a certificate for a router, with spaces between
set -euo pipefail
umask 077

if (($# < 3)); then
  sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
capsule=${CAPSULE:-$here/../bin/capsule}
port=${PORT:-7400}
mkdir -p -- "$1"
cd -- "$1"
server=$2
replicas=("${@:3}")
days=3650

if [[ ! -f ca.pem ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" \
    -subj "/CN=capsule cluster" -addext "basicConstraints=critical,CA:TRUE" \
    -addext "keyUsage=critical,keyCertSign" -keyout ca-key.pem -out ca.pem 2>/dev/null
fi

# certificate HOST: for both ends of a connection, with the host's name or address.
certificate() {
  local host=$1 name
  [[ -f $host.pem ]] && return
  if [[ $host =~ ^[0-9.]+$|: ]]; then name=IP:$host; else name=DNS:$host; fi
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$host" \
    -keyout "$host-key.pem" -out "$host.csr" 2>/dev/null
  openssl x509 -req -in "$host.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days "$days" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$name") \
    -out "$host.pem" 2>/dev/null
  rm -f -- "$host.csr"
}

# key FILE: makes a key file and prints its public key.
key() {
  local -a how=()
  [[ -n ${CAPSULE_PASSPHRASE:-} ]] || how=(--development)
  [[ -f $1 ]] || "$capsule" keys new "$1" "${how[@]}" >/dev/null
  "$capsule" keys show "$1" | sed -n 's/^ownerPublicKey: //p'
}

certificate "$server"
for host in ${ROUTERS:-}; do
  certificate "$host"
done
owner=$(key owner.key)
printf '%s\n' "$owner" >owner.public
{
  printf '# Replicas: where they are, and the key that each has to prove.\n'
  for host in "${replicas[@]}"; do
    certificate "$host"
    printf '%s:%s=%s\n' "$host" "$port" "$(key "$host.key")"
  done
} >replicas.txt.new
mv -- replicas.txt.new replicas.txt
for host in "${replicas[@]}"; do
  {
    printf 'listen = "0.0.0.0:%s"\n' "$port"
    printf 'key = "%s.key"\n' "$host"
    printf 'owner = "%s"\n' "$owner"
    printf 'transport = "tls"\ntls-cert = "%s.pem"\ntls-key = "%s-key.pem"\ntls-ca = "ca.pem"\n' \
      "$host" "$host"
    printf 'peers = ['
    separator=''
    while IFS= read -r line; do
      [[ $line == \#* || $line == "$host:"* ]] && continue
      printf '%s"%s"' "$separator" "$line"
      separator=', '
    done <replicas.txt
    printf ']\n'
  } >"$host.toml"
done
{
  printf 'replicas = "@replicas.txt"\nreplica-transport = "tls"\n'
  printf 'replica-tls-cert = "%s.pem"\nreplica-tls-key = "%s-key.pem"\nreplica-tls-ca = "ca.pem"\n' \
    "$server" "$server"
} >serve.toml
printf 'made in %s: the owner is %s\n' "$PWD" "$owner" >&2
