"""Reassembles IP datagrams from their fragments as a receiver does: bounded, never from overlaps."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from rst_or_fin.capture_file.packet import CONTRADICTED, CUT_SHORT, IP_PROTOCOL, MALFORMED, WAITS, Packet

_PATIENCE_NS = 30_000_000_000  # Linux 6.12's net.ipv4.ipfrag_time
_MOST_BYTES = 4 * 1024 * 1024  # Linux 6.12's net.ipv4.ipfrag_high_thresh
_MOST_DATAGRAMS = 1_024
_LARGEST_DATAGRAM = 65_535
_Key = tuple[bytes, int, int]


@dataclass(slots=True, kw_only=True)
class _Datagram:
    """The fragments of one datagram so far, by where they begin; `starts` holds that in order."""

    t_ns: int
    starts: list[int] = field(default_factory=list)
    pieces: dict[int, bytes] = field(default_factory=dict)
    held: int = 0  # bytes
    length: int | None = None  # bytes; known with the last fragment
    protocol: int = -1  # known with the first one

    @property
    def whole(self) -> bool:
        return self.held == self.length

    def add(self, start: int, piece: bytes, *, last: bool) -> bool:
        """Add a fragment; return False if it contradicts another (RFC 5722; Linux since 4.19)."""
        end = start + len(piece)
        at = bisect_left(self.starts, start)
        if self.pieces.get(start) == piece:
            return True  # a copy
        if at and self.starts[at - 1] + len(self.pieces[self.starts[at - 1]]) > start:
            return False
        if at < len(self.starts) and (last or self.starts[at] < end):
            return False
        if self.length is not None and (last or end > self.length):
            return False
        self.starts.insert(at, start)
        self.pieces[start] = piece
        self.held += len(piece)
        if last:
            self.length = end
        return True

    def payload(self) -> bytes:
        return b"".join(self.pieces[start] for start in self.starts)


class Reassembly:
    """The datagrams whose fragments are not all there yet; `lost` counts fragments given up."""

    def __init__(self) -> None:
        self.lost = 0
        self._waiting: dict[_Key, _Datagram] = {}  # the one that waits longest is the first
        self._held = 0

    @property
    def incomplete(self) -> int:
        """The number of fragments given up, or still waiting for the rest of their datagram."""
        return self.lost + sum(len(datagram.starts) for datagram in self._waiting.values())

    def join(self, packet: Packet) -> int:
        """Keep a fragment; once the last one is there, put the whole in its place and return its kind."""
        ident, protocol, start, more = packet.fragment
        piece = packet.data[packet.at : packet.end]
        if len(piece) < packet.end - packet.at:
            return CUT_SHORT
        if not piece or start + len(piece) > _LARGEST_DATAGRAM or (more and len(piece) % 8):
            return MALFORMED
        self._make_room(packet.t_ns)
        # IPv6 tells datagrams apart without the protocol (RFC 8200, section 4.5)
        key = (packet.addresses, protocol if packet.ip_id is not None else -1, ident)
        datagram = self._waiting.setdefault(key, _Datagram(t_ns=packet.t_ns))
        before = datagram.held
        agrees = datagram.add(start, piece, last=not more)
        self._held += datagram.held - before
        if start == 0:
            datagram.protocol = protocol
        if agrees and not datagram.whole:
            return WAITS
        self._forget(key, lost=not agrees)
        if not agrees:
            return CONTRADICTED
        packet.data, packet.at, packet.end = datagram.payload(), 0, datagram.held
        return IP_PROTOCOL | datagram.protocol

    def _make_room(self, now_ns: int) -> None:
        """Drop what has waited too long, and the oldest if there is too much."""
        while self._waiting:
            key, oldest = next(iter(self._waiting.items()))
            crowded = self._held > _MOST_BYTES or len(self._waiting) >= _MOST_DATAGRAMS
            if not crowded and now_ns - oldest.t_ns <= _PATIENCE_NS:
                return
            self._forget(key, lost=True)

    def _forget(self, key: _Key, *, lost: bool) -> None:
        datagram = self._waiting.pop(key)
        self._held -= datagram.held
        if lost:
            self.lost += len(datagram.starts)
