"""Measures a lower bound for `bench`: a plain socket client that does what the published sessions do.

It stands where the node stands. Whoever connects to its port and says "go" gets, when it is done, one JSON
line with the seconds that its replays took: {"unread": 0.12, "drained": 0.15}.
"""

from __future__ import annotations

import array
import fcntl
import json
import select
import socket
import sys
import termios
import time
from collections.abc import Sequence

_REQUEST = b"GET / HTTP/1.1\r\n\r\n"
_RESPONSE_LEN = 485
_PATIENCE_S = 5.0


def replay(server: tuple[str, int], *, drain: bool) -> None:
    """Connect, send, wait for the whole response, read it if `drain`, and close."""
    with socket.create_connection(server, _PATIENCE_S) as sock:
        sock.sendall(_REQUEST)
        unread = array.array("i", [0])
        deadline = time.monotonic() + _PATIENCE_S
        while unread[0] < _RESPONSE_LEN:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{unread[0]} of {_RESPONSE_LEN} bytes came")
            select.select([sock], [], [], _PATIENCE_S)
            fcntl.ioctl(sock, termios.FIONREAD, unread)
        if drain:
            sock.recv(_RESPONSE_LEN)


def main(arguments: Sequence[str]) -> int:
    """Replay when told to, and send the seconds that it took."""
    address, port, listen_on, repeat = arguments
    with socket.create_server(("127.0.0.1", int(listen_on))) as listener:
        driver, _ = listener.accept()
        with driver:
            driver.recv(2)  # the server listens
            spent = {}
            for name, drain in (("unread", False), ("drained", True)):
                started = time.monotonic()
                for _ in range(int(repeat)):
                    replay((address, int(port)), drain=drain)
                spent[name] = time.monotonic() - started
            driver.sendall(json.dumps(spent).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
