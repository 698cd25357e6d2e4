"""Joins a container's host to a wire without one of the engine's networks: by a veth pair.

The wire's program makes both pairs, in its own network namespace, and puts the far end of each into that of a
host: it finds the process that waits for it there by its command line, in the PID namespace that all three
share. Then that process gives its end an address. No bridge is between them, and so no packet filter.
"""

from __future__ import annotations

import os
import socket
import time

from .netlink import Netlink

INTERFACE = "wire"
_PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.01


def join(address: str) -> None:
    """Wait for this host's end of the wire, and give it an address such as "198.18.0.3/24".

    Raises OSError if it does not come in time.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while not _is_there(INTERFACE):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no wire came within {_PATIENCE_S:.0f} s")
        time.sleep(_LOOK_EVERY_S)
    with Netlink() as link:
        link.add_address(INTERFACE, address)
        link.up(INTERFACE)


def reach(name: str, address: str) -> None:
    """Create the veth pair to the host that waits in `join` with that address. Raises OSError."""
    deadline = time.monotonic() + _PATIENCE_S
    while (pid := _waiting(address)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no host waits for a wire with the address {address}")
        time.sleep(_LOOK_EVERY_S)
    with Netlink() as link:
        link.make_veth_to(name, INTERFACE, pid)
        link.up(name)


def _waiting(address: str) -> int | None:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if b"--join" in words and address.encode() in words:
                return int(entry)
    return None


def _is_there(name: str) -> bool:
    return any(each == name for _, each in socket.if_nameindex())
