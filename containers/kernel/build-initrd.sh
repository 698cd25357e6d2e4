#!/bin/sh
# pack NODE MODULES INITRD: a root file system for the guest out of a plain node image's: its Erlang, the libraries that
# it needs, Perl for what a shell cannot ask the kernel, BusyBox for the rest.
# shellcheck disable=SC2046,SC2086 # the paths that `find` and `ls` find here have no spaces, and are several
set -eu
node=$1 modules=$2 initrd=$3
build=$(dirname "$0")
root=$(mktemp -d)
chmod 755 "$root"
cd "$root"
mkdir -p dev etc modules opt proc sys tmp usr/bin usr/lib usr/lib64
for merged in bin lib lib64; do ln -s "usr/$merged" "$merged"; done
printf 'root:x:0:0::/tmp:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group

cp "$(command -v busybox)" usr/bin/busybox
for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "usr/bin/$applet"
done
cp "$node/usr/bin/perl" usr/bin/perl

# The node's own folders, but for what no node needs at run time.
(
    cd "$node"
    found=$(ls -d opt/rst-or-fin opt/wheel usr/bin/erl usr/lib/erlang 2>/dev/null) || true
    tar -c --exclude=src --exclude=include --exclude=doc --exclude=examples --exclude=man \
        --exclude='compiler-*' --exclude='erl_interface-*' --exclude='lib/erts-*' --exclude='sasl-*' \
        --exclude=epmd --exclude=run_erl --exclude=to_erl --exclude=heart --exclude=erlc \
        --exclude=erl_call --exclude=yielding_c_fun $found
) | tar -x
for program in usr/bin/perl $(find opt usr/lib -name beam.smp -o -name erlexec -o -name erl_child_setup -o -name inet_gethost); do
    chroot "$node" ldd "/$program" | grep -o '/[^ ]*'
done | sort -u | while read -r library; do
    [ ! -e ".$library" ] || continue
    mkdir -p ".$(dirname "$library")"
    # From in there, because a link may be absolute: from here it would lead to this image's own library.
    chroot "$node" cat "$library" >".$library"
    chmod 755 ".$library"
done
PYTHONPATH=$build python3 -m guest.strip_elf $(find opt usr/lib -name beam.smp)

# What drives a virtual network card, in an order that changed over time: each module names what it needs. A module that
# is not there is built in, or this kernel has no use for it.
for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci dimlib failover net_failover virtio_net; do
    for file in "$modules/$module".ko*; do
        case $file in
            *.ko) cat "$file" ;;
            *.xz) busybox unxz -c "$file" ;;
            *.zst) zstd -dcq "$file" ;;
            *) continue ;;
        esac >"modules/$module.ko"
        echo "$module $module"
        for needed in $(tr '\0' '\n' <"modules/$module.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do
            echo "$needed $module"
        done
    done
done | tsort >modules/order

cp "$build/init" init
mkdir node
cp "$build/node" "$build/warm-up.erl" "$build/arguments" node/
# gzip, because every kernel can read that.
find . | busybox cpio -o -H newc | gzip -1 >"$initrd"
