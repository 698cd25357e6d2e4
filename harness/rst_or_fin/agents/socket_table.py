"""Asks the kernel's own table of TCP sockets for one connection at a time, over sock_diag(7).

An open table belongs to the network namespace that it was opened in, whoever asks it afterwards.
"""

from __future__ import annotations

import socket
import struct

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_STATE_AT = _HEADER.size + 1  # struct inet_diag_msg: family, state, ...
_ANSWER_S = 1.0
# Numbers of include/net/tcp_states.h. A connection is gone in TIME_WAIT and CLOSE; LISTEN is what the kernel
# falls back on where it has no such connection (inet_diag_find_one_icsk, Linux 6.12).
_GONE = (6, 7, 10)


def open_table() -> socket.socket:
    """Open a socket to ask this namespace's kernel by."""
    table = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
    table.settimeout(_ANSWER_S)
    return table


def holds(table: socket.socket, local: tuple[str, int], remote: tuple[str, int]) -> bool:
    """Return whether the kernel still has a connection between these two. Raises OSError."""
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    request = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES)
    request += (
        struct.pack("!HH", local[1], remote[1]) + _packed(family, local[0]) + _packed(family, remote[0])
    )
    request += struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    length = _HEADER.size + len(request)
    table.send(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + request)
    answer = table.recv(4096)
    kind = _HEADER.unpack_from(answer)[1]
    return kind != _NLMSG_ERROR and answer[_STATE_AT] not in _GONE


def _packed(family: int, address: str) -> bytes:
    return socket.inet_pton(family, address).ljust(16, b"\0")
