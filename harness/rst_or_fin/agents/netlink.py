"""Just enough rtnetlink(7): a veth pair, addresses, links up. It takes 1 ms, importing a library 300."""

from __future__ import annotations

import os
import socket
import struct
from types import TracebackType

_NLMSG_ERROR = 2
_RTM_NEWLINK, _RTM_NEWADDR = 16, 20
_REQUEST_ACK = 0x1 | 0x4
_CREATE_EXCL = 0x400 | 0x200
_IFF_UP = 1
_IFA_F_NODAD = 0x02

# Attributes (linux/if_link.h, linux/if_addr.h, linux/veth.h; Linux 6.12)
_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_NET_NS_PID, _IFLA_NET_NS_FD = 3, 18, 19, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_VETH_INFO_PEER = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index


class Netlink:
    """A conversation with the kernel about the network namespace in which it was opened.

    Every method raises OSError with the kernel's errno.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def make_veth(self, name: str, peer_name: str, peer_namespace: int) -> None:
        """Make a veth pair: `name` here, `peer_name` in the network namespace behind that fd."""
        self._make_veth(name, peer_name, _attribute(_IFLA_NET_NS_FD, struct.pack("=I", peer_namespace)))

    def make_veth_to(self, name: str, peer_name: str, pid: int) -> None:
        """Make a veth pair: `name` here, `peer_name` in that process's network namespace."""
        self._make_veth(name, peer_name, _attribute(_IFLA_NET_NS_PID, struct.pack("=I", pid)))

    def _make_veth(self, name: str, peer_name: str, where: bytes) -> None:
        peer = _LINK.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, peer_name) + where
        kind = _text(_IFLA_INFO_KIND, "veth")
        kind += _attribute(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, peer))
        body = _LINK.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name) + _attribute(_IFLA_LINKINFO, kind)
        self._ask(_RTM_NEWLINK, _CREATE_EXCL, body)

    def up(self, name: str) -> None:
        """Bring the interface up."""
        self._ask(_RTM_NEWLINK, 0, _LINK.pack(0, 0, socket.if_nametoindex(name), _IFF_UP, _IFF_UP))

    def add_address(self, name: str, address: str) -> None:
        """Give the interface an address such as "198.18.0.3/24"; an IPv6 one is usable at once (no DAD)."""
        text, _, prefix_len = address.partition("/")
        family, flags = (socket.AF_INET6, _IFA_F_NODAD) if ":" in text else (socket.AF_INET, 0)
        packed = socket.inet_pton(family, text)
        body = _ADDRESS.pack(family, int(prefix_len), flags, 0, socket.if_nametoindex(name))
        body += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
        self._ask(_RTM_NEWADDR, _CREATE_EXCL, body)

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        length = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(length, kind, _REQUEST_ACK | flags, self._sequence, 0) + body)
        answer = self._socket.recv(65536)
        _, answered, _, _, _ = _HEADER.unpack_from(answer)
        if answered != _NLMSG_ERROR:  # which is also what an acknowledgement is called
            raise OSError(f"rtnetlink answered with message type {answered}")
        (number,) = struct.unpack_from("=i", answer, _HEADER.size)
        if number != 0:
            raise OSError(-number, os.strerror(-number))


def _attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * padding


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")
