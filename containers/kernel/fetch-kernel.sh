#!/bin/sh
# Leaves bzImage, modules/ and source (where they are from) in this folder: from Debian's PACKAGE, VERSION, SUITE;
# or from what lies here already, the user's own.
# shellcheck disable=SC2086,SC2153 # OPTIONS are several words; PACKAGE is a build argument
set -eu
cd "$(dirname "$0")"
mkdir -p modules
if [ -e bzImage ]; then
    echo "own" >source
    exit
fi

. ./apt-sources.sh
configure "$SUITE"
apt-get $OPTIONS update
packages=$PACKAGE
# From 7.2 on the modules are in a package of their own.
modules=linux-modules-${PACKAGE#linux-binary-}
[ -z "$(apt-cache madison "$modules")" ] || packages="$packages $modules"
mkdir unpacked
for package in $packages; do
    apt-get $OPTIONS download "$package=$VERSION"
    dpkg-deb -x "$package"_*.deb unpacked
    rm "$package"_*.deb
done
# vmlinuz lies in /boot, from 7.2 on beside the modules. Of those only what a virtual network card needs is wanted.
find unpacked -name 'vmlinuz*' -exec mv {} bzImage ';'
find unpacked \( -name 'virtio*.ko*' -o -name '*failover.ko*' -o -name 'dimlib.ko*' \) -exec mv {} modules/ ';'
rm -r unpacked
echo "$SUITE $PACKAGE $VERSION" >source
