"""The sysctls that bear on how a connection ends, and what every testbed pins them to. Data.

A host's own tuning cannot change a verdict; a scenario can have other values for its node's host. The values
are Linux 6.12's defaults.
"""

from __future__ import annotations

from collections.abc import Mapping

PINNED_SYSCTLS = {
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_sack": "1",
    "net.ipv4.tcp_window_scaling": "1",
    "net.ipv4.tcp_ecn": "2",
    "net.ipv4.tcp_fin_timeout": "60",
    "net.ipv4.tcp_orphan_retries": "0",
    "net.ipv4.tcp_retries2": "15",
    "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
    "net.ipv4.ip_local_port_range": "32768\t60999",
}


def pinned_with(wanted: Mapping[str, str | int]) -> dict[str, str]:
    """Return what the node's host is pinned to: every sysctl above, with a scenario's own values.

    Numbers of one sysctl are parted by a tab, as the kernel prints them.
    """
    own = {name: "\t".join(str(value).split()) for name, value in wanted.items()}
    return {**PINNED_SYSCTLS, **own}
