#!/usr/bin/env bash
# Make /etc/pentrap: settings, keys, token, a certificate to begin with: prepare.sh FOLDER HOSTNAME
#
# FOLDER is /etc/pentrap for the container and the unit, any folder for a trial; HOSTNAME is the name that partners pull from. What is
# there already is left alone, so it may be run again. Everything belongs to the collector's user by number, 10001: the image's, and the
# one that deploy/systemd/pentrap.sysusers makes. Wants root, ssh-keygen and openssl.
set -euo pipefail
folder=${1:?prepare.sh FOLDER HOSTNAME} host=${2:?prepare.sh FOLDER HOSTNAME, the name that partners pull from}
here=$(cd "$(dirname "$0")" && pwd)
owner=10001
[ "$(id -u)" = 0 ] || { echo "prepare.sh: files for another user want root" >&2; exit 2; }

install -d -m 0750 -o root -g $owner "$folder" "$folder/operations"
install -d -m 0750 -o $owner -g $owner "$folder/secrets"
[ -e "$folder/pentrap.toml" ] || install -m 0640 -o root -g $owner "$here/pentrap.production.toml" "$folder/pentrap.toml"

umask 0077
secrets=$folder/secrets
[ -e "$secrets/signing.key" ] || ssh-keygen -q -t ed25519 -N '' -C pentrap -f "$secrets/signing.key"
[ -e "$secrets/manage.token" ] || openssl rand -hex 32 > "$secrets/manage.token"
if [ ! -e "$secrets/pull.key" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$host" \
    -addext "subjectAltName=DNS:$host" -keyout "$secrets/pull.key" -out "$secrets/pull.crt" 2> /dev/null
  echo "prepare.sh: $secrets/pull.crt signs itself, for 90 days: put one there that partners trust"
fi
chown $owner:$owner "$secrets"/*
# Prometheus, in the collector's group, shows the token.
chmod 0600 "$secrets"/*.key && chmod 0640 "$secrets/manage.token"
echo "prepare.sh: $folder stands; put operations (and schedules) into $folder/operations, partners into $folder/partners.toml (config/example.py $folder writes some)"
