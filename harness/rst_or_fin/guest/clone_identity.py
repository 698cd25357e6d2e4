"""Gives a clone of a snapshot this container's identity: a shell script that the restored guest runs.

Clones share everything that was in memory: the clock, the state of the random numbers, names and addresses.
The script replaces all of it before the network cards come up. (TCP's secrets are not drawn by then: see
`snapshot`.)
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .bridge import Interface

# The sysctls that testbeds pin (`scenario.sysctls`): what they are in the container they become
# in the guest. All others keep the defaults of the guest's kernel.
SYSCTLS = (
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_window_scaling",
    "net.ipv4.tcp_ecn",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_orphan_retries",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
    "net.ipv4.ip_local_port_range",
)

_SEED_LEN = 64

# clock_settime(CLOCK_REALTIME), then RNDADDENTROPY with the seed, and RNDRESEEDCRNG so that it counts at once
# (x86-64; linux/random.h, Linux 6.12; random(4)). What is only written to /dev/urandom waits for the next
# reseeding.
_CLOCK_AND_SEED = """\
my ($s, $ns, $seed) = @ARGV;
my $now = pack("qq", $s, $ns);
syscall(227, 0, $now) == 0 or die "clock: $!";
open(my $random, ">", "/dev/urandom") or die "urandom: $!";
my $entropy = pack("iiH*", 4 * length($seed), length($seed) / 2, $seed);
ioctl($random, 0x40085203, $entropy) or die "seed: $!";
ioctl($random, 0x5207, my $unused = 0) or die "reseed: $!";
"""


@dataclass(frozen=True)
class Identity:
    """Everything that tells this clone from the others. `seed` is in hexadecimal."""

    hostname: str
    seed: str
    cookie: str
    backend: str
    sysctls: Mapping[str, str]
    interfaces: Sequence[Interface]


def path(sysctl: str) -> Path:
    """Return where a sysctl stands, in the container as in the guest."""
    return Path("/proc/sys", *sysctl.split("."))


def script(identity: Identity, now_ns: int) -> str:
    """Write the script for the guest's BusyBox shell; it ends at the first command that fails.

    `now_ns` is the time since the epoch. The node is told its cookie before the cards come up, so that it
    never refuses a controller for a cookie that came late. Raises ValueError for a seed of the wrong length.
    """
    if len(identity.seed) < 2 * _SEED_LEN:
        raise ValueError(f"a seed has {_SEED_LEN} bytes")
    seconds, nanoseconds = divmod(now_ns, 1_000_000_000)
    lines = [
        "set -e",
        f"hostname {shlex.quote(identity.hostname)}",
        f"perl -e {shlex.quote(_CLOCK_AND_SEED)} {seconds} {nanoseconds} {identity.seed}",
        *(f"echo {shlex.quote(value)} >{path(name)}" for name, value in identity.sysctls.items()),
        f"printf '%s\\n' {shlex.quote(identity.cookie)} {shlex.quote(identity.backend)} >/tmp/told",
        "read -r _ <&4",
        "ip link set lo up",
    ]
    for number, interface in enumerate(identity.interfaces):
        lines += _card(f"eth{number}", interface)
    return "\n".join(lines) + "\n"


def _card(name: str, interface: Interface) -> Iterator[str]:
    if any(":" in address for address in interface.addresses):
        # Without a second of duplicate address detection, in which the address could not be used.
        yield f"echo 0 >/proc/sys/net/ipv6/conf/{name}/accept_dad"
    yield f"ip link set {name} address {interface.mac} up"
    for address in interface.addresses:
        yield f"ip addr add {address} dev {name}"
    if interface.gateway:
        yield f"ip route add default via {interface.gateway}"
