"""Finds the network interface that carries an address, and switches its offloads off.

With offloads on, a capture shows segments that never crossed a wire and checksums that are not computed yet.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import ipaddress
import socket
import struct

_SIOCGIFADDR = 0x8915
_SIOCETHTOOL = 0x8946

# (get, set) commands of linux/ethtool.h (Linux 6.12), named as `ethtool -k` names them.
_OFFLOADS = {
    "rx-checksumming": (0x14, 0x15),
    "tx-checksumming": (0x16, 0x17),
    "tcp-segmentation-offload": (0x1E, 0x1F),
    "generic-segmentation-offload": (0x23, 0x24),
    "generic-receive-offload": (0x2B, 0x2C),
}


def interface_of(address: str) -> str:
    """Return the interface that carries `address` (IPv4 or IPv6). Raises LookupError for none."""
    wanted = ipaddress.ip_address(address)
    found = _carrying_v6(wanted.packed) if wanted.version == 6 else _carrying_v4(wanted.packed)
    if found is None:
        raise LookupError(f"no interface of this host carries {address}")
    return found


def _carrying_v4(packed: bytes) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an IPv4 address
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("16s24x", name.encode()))
                if answer[20:24] == packed:
                    return name
    return None


def _carrying_v6(packed: bytes) -> str | None:
    with open("/proc/net/if_inet6", encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if bytes.fromhex(fields[0]) == packed:
                return fields[5]
    return None


def switch_off_offloads(interface: str) -> dict[str, bool]:
    """Switch off every offload that would distort a capture; return what is left: name -> still on.

    An interface that does not know an offload, or does not let it be changed, keeps it as it is: look at the
    answer. Raises PermissionError without CAP_NET_ADMIN.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for _, set_command in _OFFLOADS.values():
            try:
                _ethtool(control, interface, set_command, 0)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
        return offloads(interface)


def offloads(interface: str) -> dict[str, bool]:
    """Return the offloads of an interface as they are: name -> on. An unknown one is off."""
    state = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, (get_command, _) in _OFFLOADS.items():
            try:
                state[name] = bool(_ethtool(control, interface, get_command, 0))
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP:
                    raise
                state[name] = False
    return state


def _ethtool(control: socket.socket, interface: str, command: int, value: int) -> int:
    request = array.array("I", [command, value])
    place, _ = request.buffer_info()
    fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), place))
    return request[1]
