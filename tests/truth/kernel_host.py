"""Play one script on this machine's own kernel, in a network namespace that is wired to the caller alone.

Started by `kernel_wire` in a namespace of its own. The first argument is the number of an open datagram
socket over which IP packets come and go, the second a JSON object: `address` and `peer` (IPv4), `script`
(steps as in `app`), `lport` and `rport`; `times` and `pause_ns` of a client; `listens`, `accepts` (how many)
and `unlisten_ns` of a server. Prints "ready" once packets can come, and begins when a line comes in.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SYSCTL = {"tcp_fin_timeout": "1", "tcp_retries2": "6", "tcp_tw_reuse": "1"}


def main() -> None:
    """Wire this namespace up and play."""
    wire = socket.socket(fileno=int(sys.argv[1]))
    wanted = json.loads(sys.argv[2])
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH14x", b"tun0", _IFF_TUN | _IFF_NO_PI))
    for command in (f"addr add {wanted['address']}/24 dev tun0", "link set tun0 up mtu 1040"):
        subprocess.run(["ip", *command.split()], check=True)
    for name, value in _SYSCTL.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)
    for source, sink in ((lambda: os.read(tun, 2048), wire.send), (lambda: wire.recv(2048), _into(tun))):
        threading.Thread(target=_pump, args=(source, sink), daemon=True).start()
    listener = _listen(wanted) if wanted.get("listens") else None
    print("ready", flush=True)
    sys.stdin.readline()
    if listener is not None:
        _serve(listener, wanted)
    elif wanted["script"]:
        _connect(wanted)
    sys.stdin.readline()  # the namespace lives until the caller has seen enough


def _into(tun: int) -> Callable[[bytes], object]:
    return lambda packet: os.write(tun, packet)


def _pump(source: Callable[[], bytes], sink: Callable[[bytes], object]) -> None:
    while True:
        with contextlib.suppress(ConnectionError):
            sink(source())


def _listen(wanted: dict[str, Any]) -> socket.socket:
    listener = socket.create_server((wanted["address"], wanted["lport"]))
    listener.listen()
    return listener


def _serve(listener: socket.socket, wanted: dict[str, Any]) -> None:
    if wanted["unlisten_ns"]:
        time.sleep(wanted["unlisten_ns"] / 1e9)
        listener.close()
        return
    while wanted["accepts"]:
        connection, _ = listener.accept()
        threading.Thread(target=_take, args=(connection, wanted["script"]), daemon=True).start()
        wanted["accepts"] -= 1


def _connect(wanted: dict[str, Any]) -> None:
    for again in range(wanted.get("times", 1)):
        time.sleep(wanted.get("pause_ns", 0) * (again > 0) / 1e9)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((wanted["address"], wanted["lport"]))
        with contextlib.suppress(OSError):
            client.connect((wanted["peer"], wanted["rport"]))
            _take(client, wanted["script"])


def _take(connection: socket.socket, steps: Sequence[tuple[str, int]]) -> None:
    for word, number in steps:
        with contextlib.suppress(OSError):
            _STEPS[word](connection, number)


def _receive(connection: socket.socket, length: int) -> None:
    while length > 0 and (piece := connection.recv(length)):
        length -= len(piece)


def _linger(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


_STEPS: dict[str, Callable[[socket.socket, int], None]] = {
    "send": lambda connection, length: connection.sendall(bytes(length)),
    "recv": _receive,
    "eof": lambda connection, _: _receive(connection, 1 << 30),
    "sleep": lambda _, time_ns: time.sleep(time_ns / 1e9),
    "shutdown": lambda connection, _: connection.shutdown(socket.SHUT_WR),
    "close": lambda connection, _: connection.close(),
    "linger": lambda connection, _: _linger(connection),
}


if __name__ == "__main__":
    main()
