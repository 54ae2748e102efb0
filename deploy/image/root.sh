#!/bin/sh
# Unpack Debian packages into a root of their own, without running their scripts: root.sh PACKAGES.TXT ROOT
#
# What a package's scripts would have made and a process needs is made here: /usr as one tree, certificates in one file,
# the collector's user. ROOT/var/lib/dpkg/status.d/PACKAGE is each package's control file: image scanners read them there.
set -eu
packages=$1 root=$2

mkdir -p "$root" && cd "$root"
mkdir -p etc opt run tmp usr/bin usr/lib usr/lib64 usr/sbin usr/share/pentrap var/lib/dpkg/status.d var/lib/pentrap
ln -s usr/bin bin && ln -s usr/lib lib && ln -s usr/lib64 lib64 && ln -s usr/sbin sbin

scratch=$(mktemp -d)
cd "$scratch"
# shellcheck disable=SC2046 - one word a package
apt-get download -q $(grep -v '^#' "$packages")
for file in ./*.deb; do
  # Through tar, since dpkg would put a directory in the place of the links above.
  dpkg-deb --fsys-tarfile "$file" | tar -x --keep-directory-symlink -C "$root"
  dpkg-deb --field "$file" > "$root/var/lib/dpkg/status.d/$(dpkg-deb --field "$file" Package)"
done

cd "$root"
find usr/share/ca-certificates/mozilla -name '*.crt' | LC_ALL=C sort | xargs cat > "$scratch/certificates"
mkdir -p etc/ssl/certs && mv "$scratch/certificates" etc/ssl/certs/ca-certificates.crt
# Texts for people at a machine; copyright notices stay, as their licences ask.
rm -rf usr/share/man usr/share/info usr/share/lintian usr/share/bug usr/share/ca-certificates usr/share/locale usr/share/python3 \
  usr/lib/python3.11/ensurepip usr/lib/python3.11/idlelib usr/lib/python3.11/lib2to3 usr/lib/python3.11/pydoc_data \
  usr/lib/python3.11/turtledemo usr/sbin/update-ca-certificates etc/update-motd.d etc/default etc/dpkg etc/profile.d
find usr/share/doc -type f ! -name copyright -delete
find usr/share/doc -type d -empty -delete
find usr/lib -path '*/gconv/*' ! -name 'UTF-*' -type f -delete

printf 'root:x:0:0:root:/nonexistent:/nonexistent\npentrap:x:10001:10001:pentrap:/var/lib/pentrap:/nonexistent\n' > etc/passwd
printf 'root:x:0:\npentrap:x:10001:\n' > etc/group
printf 'passwd: files\ngroup: files\nhosts: files dns\n' > etc/nsswitch.conf
# Where settings and secrets are mounted: a read-only root must have the folders.
mkdir -p etc/pentrap/operations etc/pentrap/partners etc/pentrap/secrets
chown 10001:10001 var/lib/pentrap && chmod 0700 var/lib/pentrap
chmod 1777 tmp
rm -rf "$scratch"
