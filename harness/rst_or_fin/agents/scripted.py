"""A TCP peer that sends exactly the segments of a script (see `script`), from an address without a kernel.

It listens on an AF_PACKET socket of the interface that carries --clean-offloads, the host's own address, and
speaks for --bind, which must be a spare address of the same network. Nothing else answers there, so nothing
interferes. Unlike its siblings it needs a library beside the standard one: dpkt.

It writes one JSON line to stdout when it listens, and one for every connection when its script is over:
    {"event": "listening", "address": "10.0.0.5", "port": 80}
    {"event": "ended", "peer": ["10.0.0.2", 40000], "received": 18, "sent": 1000, "end": "script played",
     "trouble": "", "t_ns": ...}
`peer` is the end that connected. `end` is "script not played" where the other end did something else;
`trouble` then says at which line and what. After its script's end it is silent. It leaves when its stdin
reaches end of file: its driver is gone.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence

from . import command_line
from .interfaces import interface_of, switch_off_offloads
from .packets import Host, Packet
from .script import ScriptError, Send, Step, canonical, parse
from .script_player import NOT_PLAYED, PLAYED, Player, Received

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_PROMISC = 1
_PACKET_OUTGOING = 4
_MAX_FRAME_LEN = 65536 + 64
_FIRST_WINDOW = 65535
_SPACE = 1 << 32
_HALF = 1 << 31
_PATTERN = b"0123456789abcdef"
_ASK_AGAIN_S = 0.2
_EPHEMERAL, _EPHEMERAL_COUNT = 49_152, 16_384  # RFC 6335 section 6


def open_wire(interface: str) -> socket.socket:
    """Open a packet socket for every frame of an interface, also to other hardware addresses."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        membership = struct.pack("@iHH8s", socket.if_nametoindex(interface), _PACKET_MR_PROMISC, 0, b"")
        wire.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        wire.bind((interface, _ETH_P_ALL))
    except OSError:
        wire.close()
        raise
    return wire


class _Connection:
    """One connection: its script, and the translation between relative and absolute numbers."""

    def __init__(
        self, client: tuple[str, int], far: tuple[str, int], far_isn: int | None, steps: Sequence[Step]
    ) -> None:
        self.client = client
        self.far = far
        self.far_isn = far_isn  # None: it has not answered yet
        self.player = Player(steps)
        self._isn = secrets.randbits(32)
        self._window = _FIRST_WINDOW

    def received(self, packet: Packet) -> Received:
        return Received(
            flags=canonical(packet.flags),
            seq=0 if self.far_isn is None else _relative(packet.seq, self.far_isn),
            payload_len=len(packet.payload),
            ack=_relative(packet.ack, self._isn) if "." in packet.flags else None,
        )

    def packet(self, order: Send) -> Packet:
        if order.window is not None:
            self._window = order.window
        first, end = order.range
        return Packet(
            far=self.far,
            flags=order.flags,
            seq=(self._isn + first) % _SPACE,
            ack=0 if order.ack is None else ((self.far_isn or 0) + order.ack) % _SPACE,
            window=self._window,
            payload=content(first, end),
            mss=order.mss,
        )


def content(first: int, end: int) -> bytes:
    """Return the payload for that range: each number always carries the same byte, also when re-sent."""
    offset = first % len(_PATTERN)
    count = end - first
    return (_PATTERN * (count // len(_PATTERN) + 2))[offset : offset + count]


def _relative(number: int, isn: int) -> int:
    return (number - isn + _HALF) % _SPACE - _HALF


class Scripted:
    """Plays the script on every connection, each from its own beginning.

    `target` is whom it connects to, once for every line of `orders`; None: it waits to be connected to.
    """

    def __init__(
        self,
        wire: socket.socket,
        host: Host,
        steps: Sequence[Step],
        orders: int,
        log: int,
        target: tuple[str, int] | None = None,
    ) -> None:
        self._wire = wire
        self._host = host
        self._steps = steps
        self._orders = orders
        self._log = log
        self._target = target
        self._asked_s: float | None = None  # when the target's hardware address was last asked for
        self._playing: dict[tuple[str, int], _Connection] = {}

    def serve(self, address: str, port: int) -> None:
        """Play until `orders` reaches end of file."""
        self._address = address
        poll = select.poll()
        poll.register(self._orders, select.POLLIN)
        poll.register(self._wire, select.POLLIN)
        self._say({"event": "listening", "address": address, "port": port})
        while True:
            for fd, _ in poll.poll(self._patience_ms()):
                if fd != self._orders:
                    self._receive()
                elif not os.read(fd, 4096):
                    return
                elif self._target is not None:
                    self._ask(self._target[0])
            now_s = time.monotonic()
            self._connect(now_s)
            for connection in list(self._playing.values()):
                self._go_on(connection, connection.player.tick(now_s))

    def _patience_ms(self) -> float | None:
        due = [c.player.due_s for c in self._playing.values() if c.player.due_s is not None]
        if self._asked_s is not None:
            due.append(self._asked_s + _ASK_AGAIN_S)
        return max(0.0, min(due) - time.monotonic()) * 1000 + 1 if due else None

    def _ask(self, address: str) -> None:
        self._asked_s = time.monotonic()
        self._wire.send(self._host.question(address))

    def _connect(self, now_s: float) -> None:
        """Begin with the script once the address to send to is known."""
        if self._asked_s is None or self._target is None:
            return
        if not self._host.knows(self._target[0]):
            if now_s >= self._asked_s + _ASK_AGAIN_S:
                self._ask(self._target[0])
            return
        self._asked_s = None
        self._host.port = _EPHEMERAL + secrets.randbelow(_EPHEMERAL_COUNT)
        own = (self._address, self._host.port)
        self._playing[self._target] = _Connection(own, self._target, None, self._steps)

    def _receive(self) -> None:
        while True:
            try:
                frame, sender = self._wire.recvfrom(_MAX_FRAME_LEN)
            except BlockingIOError:
                return
            if sender[2] == _PACKET_OUTGOING:
                continue
            answer = self._host.answer(frame)
            if answer is not None:
                self._wire.send(answer)
                continue
            packet = self._host.hear(frame)
            if packet is not None:
                self._hear(packet)
            elif self._asked_s is not None:
                self._host.learn(frame)

    def _hear(self, packet: Packet) -> None:
        connection = self._playing.get(packet.far)
        if connection is not None and connection.far_isn is None and "S" in packet.flags:
            connection.far_isn = packet.seq
        new = connection is None or connection.far_isn != packet.seq
        if self._target is None and "S" in packet.flags and new:
            connection = _Connection(packet.far, packet.far, packet.seq, self._steps)
            self._playing[packet.far] = connection
        if connection is not None:
            self._go_on(connection, connection.player.receive(connection.received(packet), time.monotonic()))

    def _go_on(self, connection: _Connection, orders: Sequence[Send]) -> None:
        for order in orders:
            self._wire.send(self._host.say(connection.packet(order)))
        player = connection.player
        if player.over:
            del self._playing[connection.far]
            self._say(
                {
                    "event": "ended",
                    "peer": connection.client,
                    "received": player.received,
                    "sent": player.sent,
                    "end": NOT_PLAYED if player.trouble else PLAYED,
                    "trouble": player.trouble,
                    "t_ns": time.time_ns(),
                }
            )

    def _say(self, event: dict[str, object]) -> None:
        view = memoryview(json.dumps(event).encode() + b"\n")
        while view:
            view = view[os.write(self._log, view) :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the peer with these arguments (default: the command line's); return the exit status."""
    return play("scripted", arguments)


def play(kind: str, arguments: Sequence[str] | None) -> int:
    """Run as that kind of peer: `scripted`, or `scripted-client`, which takes a --target as well."""
    connects = kind == "scripted-client"
    program = command_line.parser(kind, "A TCP peer that follows a script.", 8080 if connects else 80)
    if connects:
        program.add_argument("--target", required=True, metavar="ADDRESS", help="where the server is")
    options = command_line.parse(program, kind, arguments)
    try:
        steps = parse(options.script, connects=connects)
    except ScriptError as error:
        program.error(str(error))
    target = (options.target, options.port) if connects else None
    interface = interface_of(options.clean_offloads)
    switch_off_offloads(interface)
    with open_wire(interface) as wire:
        if options.drop_to_uid is not None:
            from .privileges import drop_to

            drop_to(options.drop_to_uid)
        host = Host(options.bind, options.port)
        peer = Scripted(wire, host, steps, sys.stdin.fileno(), sys.stdout.fileno(), target)
        peer.serve(options.bind, options.port)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
