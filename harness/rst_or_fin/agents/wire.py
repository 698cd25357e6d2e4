"""The wire between two hosts, where a scenario has rules for it: every frame of one side goes to the other.

Two interfaces of this network namespace lead to the two hosts; this program passes frames between them, and
does to each what its rules say (see `faults`). It speaks JSON lines. On stdout first {"event": "ready"}, or
{"event": "failed", "error": "..."}; then what it is asked for on stdin:

    {"do": "play", "rules": [...], "random": {...} or null, "replay": 3}
        From now on these rules, for connections that begin from now on. Answered {"event": "playing"}.
    {"do": "fence"}
        Answered, once nothing lies in either interface's queue any more, with
        {"event": "fenced", "pending": 1, "dropped": 0}: how many frames still wait for their time, and how
        many the kernel had no room for since the start. What was done comes before it, an event each:
        {"event": "did", "rule": 0, "did": "drop", "from": "server", "segment": "P. 1:486(485) ack 19",
         "ends": "c6120003c612000480000050", "t_ns": 1790000000000000000}
        `rule` is -1 for random faults; `ends` the client's and the server's address and port, as on the wire.

It leaves when its stdin ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable, Sequence

from . import fault_rules, interfaces
from .faults import NODE, PEER, Faults, Out

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_STATISTICS = 6
_PACKET_IGNORE_OUTGOING = 23  # Linux 4.20
_PACKET_OUTGOING = 4
_PACKET_MR_PROMISC = 1
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER_LEN = 8 << 20
_MAX_FRAME_LEN = 65536 + 64
_BATCH = 64  # frames of one side before the other is looked at
_STEP_NS = 1_000_000  # poll(2) takes milliseconds
# A wire does not wait for a processor: behind a busy program a frame is late by up to 3 ms (Linux 6.18).
NICENESS = -15


def open_port(interface: str) -> socket.socket:
    """Open a packet socket for every frame that comes in at an interface, and to send frames there."""
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        with contextlib.suppress(OSError):
            port.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_LEN)
        with contextlib.suppress(OSError):
            port.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        index = socket.if_nametoindex(interface)
        membership = struct.pack("@iHH8s", index, _PACKET_MR_PROMISC, 0, b"")
        port.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        port.bind((interface, _ETH_P_ALL))
    except OSError:
        port.close()
        raise
    return port


class Wire:
    """Passes frames between two ports, the node's and the peer's, until `orders` ends."""

    def __init__(self, ports: Sequence[socket.socket], orders: int, log: int) -> None:
        self._ports = tuple(ports)
        self._orders = orders
        self._log = log
        self._faults = Faults()
        self._rest = b""
        self._dropped = 0

    def serve(self) -> None:
        """Pass frames until the orders end."""
        poll = select.poll()
        sides = {port.fileno(): side for side, port in enumerate(self._ports)}
        for fd in (self._orders, *sides):
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll(self._patience_ms()):
                if fd in sides:
                    self._carry(sides[fd])
                elif not self._obey(os.read(fd, 65536)):
                    return
            if self._faults.due_ns is not None:
                self._send(self._faults.tick(time.monotonic_ns()))
            if self._faults.events:
                self._report()

    def _patience_ms(self) -> int | None:
        due_ns = self._faults.due_ns
        if due_ns is None:
            return None
        return max(0, -(-(due_ns - time.monotonic_ns()) // _STEP_NS))

    def _carry(self, side: int) -> int:
        """Pass on what is in one port's queue, a batch at most; return how many frames that were."""
        port, take = self._ports[side], self._faults.take
        for count in range(_BATCH):
            try:
                frame, sender = port.recvfrom(_MAX_FRAME_LEN)
            except BlockingIOError:
                return count
            except OSError:  # the interface is down: ENETDOWN is told once
                return count
            if sender[2] != _PACKET_OUTGOING:
                self._send(take(side, frame, time.monotonic_ns()))
        return _BATCH

    def _send(self, out: Iterable[Out]) -> None:
        for side, frame in out:
            try:
                self._ports[side].send(frame)
            except OSError:  # no room, or no interface any more: a wire has no way to tell but to lose it
                self._dropped += 1

    def _obey(self, said: bytes) -> bool:
        """Carry out the driver's orders; return False once they have ended."""
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if order["do"] == "play":
                self._play(order)
            else:
                self._fence()
        return bool(said)

    def _play(self, order: dict[str, object]) -> None:
        while self._carry(NODE) + self._carry(PEER):
            pass
        self._report()
        rules, random = order["rules"], order["random"]
        assert isinstance(rules, list)
        chance = fault_rules.random(random) if isinstance(random, dict) else None
        self._faults = Faults(fault_rules.rules(rules), chance, f"replay {order['replay']}")
        self._say({"event": "playing"})

    def _fence(self) -> None:
        while self._carry(NODE) + self._carry(PEER):
            pass
        self._report()
        for port in self._ports:
            self._dropped += struct.unpack("@II", port.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
        self._say({"event": "fenced", "pending": self._faults.pending, "dropped": self._dropped})

    def _report(self) -> None:
        events, self._faults.events = self._faults.events, []
        for event in events:
            self._say({"event": "did", **event, "t_ns": time.time_ns()})

    def _say(self, event: dict[str, object]) -> None:
        view = memoryview(json.dumps(event).encode() + b"\n")
        while view:
            view = view[os.write(self._log, view) :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the wire with these arguments (default: the command line's); return the exit status."""
    parser = argparse.ArgumentParser(
        prog="wire", description="Pass frames between two interfaces.", allow_abbrev=False
    )
    parser.add_argument("--node", required=True, metavar="INTERFACE", help="where the node's host is")
    parser.add_argument("--peer", required=True, metavar="INTERFACE", help="where the peer's host is")
    parser.add_argument(
        "--reach",
        nargs=2,
        metavar="ADDRESS/LENGTH",
        help="make both interfaces, to the hosts that wait to join with these addresses",
    )
    parser.add_argument("--drop-to-uid", type=int, metavar="UID", help="become this user once it is ready")
    options = parser.parse_args(arguments)
    names = (options.node, options.peer)
    try:
        if options.reach:
            from .joining import reach

            for name, address in zip(names, options.reach):  # noqa: B905 (hosts run Python 3.9)
                reach(name, address)
        for name in names:
            interfaces.switch_off_offloads(name)
        ports = [open_port(name) for name in names]
        with contextlib.suppress(PermissionError):  # takes CAP_SYS_NICE in the first user namespace
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        if options.drop_to_uid is not None:
            from .privileges import drop_to

            drop_to(options.drop_to_uid)
    except OSError as error:
        print(json.dumps({"event": "failed", "error": f"the wire could not start: {error}"}), flush=True)
        return 1
    wire = Wire(ports, sys.stdin.fileno(), sys.stdout.fileno())
    print(json.dumps({"event": "ready"}), flush=True)
    wire.serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
