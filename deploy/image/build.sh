#!/usr/bin/env bash
# Build the image: build.sh NAME. `make image` calls it.
#
#   BASE      the image that the first stage stands on; the Containerfile's own unless set
#   BUILDER   what builds: "buildah" unless set; "podman" and "docker" do too. With options where its storage is elsewhere
#   PIP_CONF  pip's settings for the build; made of this machine's own (`pip config list`) unless set
#   BUILD_OPTIONS  more for the builder, such as --volume /srv/wheels:/srv/wheels:ro
#
# An index that this machine's pip uses is used in the build as well, and no layer remembers it: pip's settings go in as one
# secret, the authorities that this machine trusts as another.
set -euo pipefail
name=${1:?build.sh NAME, such as localhost/pentrap:0.1.0}
cd "$(dirname "$0")/../.."
read -ra builder <<< "${BUILDER:-buildah}"
command -v "${builder[0]}" > /dev/null || { echo "build.sh: ${builder[0]} is not installed; apt-get install buildah" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra options <<< "${BUILD_OPTIONS:-}"
if [ -n "${PIP_CONF:-}" ]; then
  cp "$PIP_CONF" "$work/pip.conf"
else
  python3 deploy/image/pip_settings.py > "$work/pip.conf"
fi
authorities=/etc/ssl/certs/ca-certificates.crt
if [ -r "$authorities" ]; then
  echo "cert = /run/secrets/ca" >> "$work/pip.conf"
  options+=(--secret "id=ca,src=$authorities")
fi
options+=(--secret "id=pip,src=$work/pip.conf")
# Where the kernel lets no container be made inside of this machine, a build needs no more than chroot.
[ "${builder[0]}" = buildah ] && options+=(--isolation "${BUILDAH_ISOLATION:-chroot}")
[ "${builder[0]}" != docker ] && options+=(--format docker)   # OCI's own format has no place for a health check

revision=$(git rev-parse HEAD 2> /dev/null || true)
[ -n "$revision" ] && [ -n "$(git status --porcelain collector pyproject.toml setup.py requirements.lock deploy/Containerfile deploy/image)" ] && revision+=+
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
epoch=$(git log -1 --format=%ct 2> /dev/null || date +%s)

"${builder[@]}" build "${options[@]}" ${BASE:+--build-arg "BASE=$BASE"} \
  --build-arg "REVISION=$revision" --build-arg "VERSION=$version" --build-arg "SOURCE_DATE_EPOCH=$epoch" \
  --build-arg "CREATED=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" --tag "$name" --file deploy/Containerfile .
echo "build.sh: $name, version $version, revision ${revision:-not known}"
