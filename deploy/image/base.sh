#!/usr/bin/env bash
# A base image without a registry: Debian 12 by debootstrap, as an image that `make image` takes: base.sh NAME
#
# Wants root, debootstrap and buildah (Debian's packages). MIRROR: a Debian mirror, debootstrap's own unless set.
# BUILDAH: the command, with options where its storage is elsewhere.
set -euo pipefail
name=${1:?base.sh NAME, such as localhost/debian:bookworm}
read -ra buildah <<< "${BUILDAH:-buildah}"

for program in debootstrap "${buildah[0]}"; do
  command -v "$program" > /dev/null || { echo "base.sh: $program is not installed; apt-get install debootstrap buildah" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "base.sh: debootstrap makes a system's files and wants root" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
debootstrap --variant=minbase bookworm "$work/root" ${MIRROR:+"$MIRROR"} > "$work/log" 2>&1 || { tail -5 "$work/log" >&2; exit 1; }
mirror=$(awk '$1 == "deb" { print $2; exit }' "$work/root/etc/apt/sources.list")
cat > "$work/root/etc/apt/sources.list" <<SOURCES
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb ${mirror%/debian}/debian-security bookworm-security main
SOURCES
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*

container=$("${buildah[@]}" from scratch)
"${buildah[@]}" copy --quiet "$container" "$work/root" / > /dev/null
"${buildah[@]}" commit --quiet --rm "$container" "$name" > /dev/null
echo "base.sh: $name stands"
