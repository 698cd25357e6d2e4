"""Let two network namespaces of this machine meet over a wire that delays and loses what it is told to."""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import IO, Any

from tests.truth.wire import checksum

NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")
ADDRESSES = ("10.9.0.1", "10.9.0.2")
_LETTERS = ((0x01, "F"), (0x02, "S"), (0x04, "R"), (0x08, "P"), (0x10, "."))


class NoNamespaceError(Exception):
    """Network namespaces, or TUN devices in them, are refused here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged:
    """A segment that somebody at A makes up in the name of the other end of `victim`.

    It follows the `nth` segment, counted from 1 as they pass A; `seq` and `ack` count from the initial ones.
    """

    nth: int
    victim: int
    flags: int
    seq: int
    ack: int = 0


@dataclass(slots=True, eq=False)
class Wire:
    """The wire between the namespaces; side 0 is A, and the tap is at A.

    `lost` are the segments that do not arrive: (side, how many that side had sent before).
    """

    delay_s: float
    lost: Sequence[tuple[int, int]] = ()
    forged: Sequence[Forged] = ()
    seen: list[bytes] = field(default_factory=list)
    _sent: list[int] = field(default_factory=lambda: [0, 0])
    _opening: list[bytes] = field(default_factory=lambda: [b"", b""])  # each side's SYN
    _passed: int = 0
    _count: int = 0
    _under_way: list[tuple[float, int, int, bytes, bool]] = field(default_factory=list)

    def carry(self, ends: Sequence[socket.socket], until: float) -> None:
        """Carry packets between the two sockets until a time of the monotonic clock."""
        with selectors.DefaultSelector() as selector:
            for side, end in enumerate(ends):
                selector.register(end, selectors.EVENT_READ, side)
            while (now := time.monotonic()) < until:
                due = self._under_way[0][0] if self._under_way else until
                for key, _ in selector.select(max(min(due, until) - now, 0)):
                    self._take(key.data, ends[key.data].recv(2048))
                self._deliver(ends)

    def _take(self, side: int, packet: bytes) -> None:
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return
        lost = (side, self._sent[side]) in self.lost
        self._sent[side] += 1
        if not lost:
            self._push(side, packet, self.delay_s, real=True)
        if side == 0:
            self._pass(side, packet)

    def _push(self, side: int, packet: bytes, delay_s: float, *, real: bool) -> None:
        self._count += 1
        heappush(self._under_way, (time.monotonic() + delay_s, self._count, side, packet, real))

    def _pass(self, side: int, packet: bytes) -> None:
        """See a segment pass A, and make up what is to follow it."""
        self.seen.append(packet)
        self._passed += 1
        if packet[33] & 0x02:
            self._opening[side] = packet
        for forged in self.forged:
            if forged.nth == self._passed:
                delay_s = self.delay_s * forged.victim
                self._push(1 - forged.victim, self._forge(forged), delay_s, real=False)

    def _forge(self, forged: Forged) -> bytes:
        own, other = self._opening[1 - forged.victim], self._opening[forged.victim]
        ends = own[12:20] + own[20:24] if own else other[16:20] + other[12:16] + other[22:24] + other[20:22]
        seq, ack = ((int.from_bytes(syn[24:28], "big") if syn else 0) for syn in (own, other))
        numbers = ((seq + forged.seq) % (1 << 32), (ack + forged.ack) % (1 << 32) * bool(forged.flags & 0x10))
        tcp = ends[8:] + struct.pack("!IIBBHHH", *numbers, 5 << 4, forged.flags, 1000, 0, 0)
        right = checksum(ends[:8] + struct.pack("!II", len(tcp), 6) + tcp)
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + ends[:8]
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return ip + tcp[:16] + struct.pack("!H", right) + tcp[18:]

    def _deliver(self, ends: Sequence[socket.socket]) -> None:
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, _, side, packet, real = heappop(self._under_way)
            if side == 1 and real:
                self._pass(side, packet)
            ends[1 - side].send(packet)


def play(
    scripts: Sequence[dict[str, Any]],
    *,
    delay_s: float,
    lasts_s: float,
    lost: Sequence[tuple[int, int]] = (),
    forged: Sequence[Forged] = (),
) -> list[str]:
    """Return the wire between two hosts that play their scripts, in tcpdump's notation.

    Raises NoNamespaceError where this machine does not let a namespace be made.
    """
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in scripts]
    hosts: list[subprocess.Popen[str]] = []
    try:
        for side, script in enumerate(scripts):
            hosts.append(_start(script, side, pairs[side][1]))
        for host in hosts:
            _await_ready(host)
        wire = Wire(delay_s, lost, forged)
        for host in hosts:
            _pipe(host.stdin).write("go\n")
            _pipe(host.stdin).flush()
        wire.carry([ours for ours, _ in pairs], time.monotonic() + lasts_s)
        return lines(wire.seen)
    finally:
        for host in hosts:
            host.kill()
            host.communicate()
        for pair in pairs:
            for end in pair:
                end.close()


def _start(script: dict[str, Any], side: int, wire: socket.socket) -> subprocess.Popen[str]:
    document = {"address": ADDRESSES[side], "peer": ADDRESSES[1 - side], **script}
    return subprocess.Popen(
        [
            *NAMESPACE,
            sys.executable,
            "-m",
            "tests.truth.kernel_host",
            str(wire.fileno()),
            json.dumps(document),
        ],
        pass_fds=(wire.fileno(),),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _await_ready(host: subprocess.Popen[str]) -> None:
    if _pipe(host.stdout).readline() != "ready\n":
        host.kill()
        raise NoNamespaceError(host.communicate()[1].strip()[-300:])


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def lines(packets: Sequence[bytes]) -> list[str]:
    """Return IPv4 packets in tcpdump's notation, `>` from the first address."""
    isns: dict[bytes, int] = {}
    found = []
    for data in packets:
        header_len = (data[0] & 15) * 4
        seq, ack, words, flags = struct.unpack("!IIBB", data[header_len + 4 : header_len + 14])
        length = struct.unpack("!H", data[2:4])[0] - header_len - (words >> 4) * 4
        source, target = data[12:16], data[16:20]
        if flags & 0x02:
            isns[source] = seq
        first = (seq - isns.get(source, 0)) % (1 << 32)
        acked = f" ack {(ack - isns.get(target, 0)) % (1 << 32)}" if flags & 0x10 else ""
        letters = "".join(letter for bit, letter in _LETTERS if flags & bit)
        way = ">" if source == socket.inet_aton(ADDRESSES[0]) else "<"
        found.append(f"{way} {letters} {first}:{first + length}({length}){acked}")
    return found
