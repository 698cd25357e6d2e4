"""Passes messages between driver and holder over a SOCK_SEQPACKET socket: one object a packet.

Marshalled, not JSON: both ends are the same interpreter, and the import of json is time that the node waits.

driver -> holder: one HolderConfig. End of file: end everything.
holder -> driver, each with its `event`:
    "wired"    the wire is there, the capture runs, the server was started: `facts`; carries the file
               descriptors [tap, server's log, server's standard input, the socket tables of the node's and of
               the server's host (agents.socket_table), and of the node's host /proc/net/netstat,
               /proc/net/snmp, /proc/net/snmp6 and /proc/net/sockstat]; with a program on the wire also
               [the tap of the server's host, that program's log, its standard input].
    "linked"   the node listens; carries [a socket connected to its distribution port].
    "ended"    a program ended: `who`, `status` (as os.waitstatus_to_exitcode gives it), and `output`, its
               last words.
    "failed"   the set-up failed: `step`, `errno` (0: none), `error`. Nothing follows it.
"""

from __future__ import annotations

import marshal
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

_PACKET_MAX = 65536
_FDS_MAX = 16


class HolderConfig(NamedTuple):
    """What the holder is to set up: two hosts, each with its addresses ("198.18.0.3/24"), and their programs.

    `node` is the node's command line, run in `node_folder` with `node_environment` and nothing else; it will
    listen on 127.0.0.1:`node_port`; empty: no node. It has to reach `node_files`, and little else is there
    (`confinement`); its cookie lies in a file. `server` is a module with a `main(arguments)`, or empty;
    `server_path` is where it finds what it imports. Each host has sysctls of its own. `wire` is such a
    module, too, which passes frames between the two hosts; empty: nothing stands between them.
    """

    node_addresses: Sequence[str]
    server_addresses: Sequence[str]
    node: list[str]
    node_folder: str
    node_environment: dict[str, str]
    node_files: Sequence[str]
    node_cookie: str
    node_port: int
    server: str
    server_arguments: Sequence[str]
    server_path: Sequence[str]
    node_sysctls: dict[str, str]
    server_sysctls: dict[str, str]
    wire: str = ""


def send_config(channel: socket.socket, config: HolderConfig) -> None:
    """Send the configuration."""
    channel.send(marshal.dumps([*config]))


def receive_config(channel: socket.socket) -> HolderConfig | None:
    """Receive the configuration; None if the driver is already gone."""
    packet = channel.recv(_PACKET_MAX)
    return HolderConfig(*marshal.loads(packet)) if packet else None


def send(channel: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send a message with these file descriptors."""
    socket.send_fds(channel, [marshal.dumps(message)], fds)


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Receive the next message and its file descriptors; None at the end of file."""
    packet, fds, _, _ = socket.recv_fds(channel, _PACKET_MAX, _FDS_MAX, socket.MSG_CMSG_CLOEXEC)
    return (marshal.loads(packet), fds) if packet else None
