"""Turns records into TCP segments: takes off one layer after the other until TCP is there."""

from __future__ import annotations

import struct
from collections import Counter

from rst_or_fin.capture_file import icmp_errors, ip, link_layers, names, tcp_header, tunnels
from rst_or_fin.capture_file.icmp_errors import IcmpError
from rst_or_fin.capture_file.packet import (
    CUT_SHORT,
    FRAGMENT,
    LINK_TYPE,
    MALFORMED,
    OTHER_UDP,
    TCP,
    TOO_DEEP,
    WAITS,
    Layer,
    Packet,
)
from rst_or_fin.capture_file.reassembly import Reassembly
from rst_or_fin.capture_file.records import SNAP_LENGTH, Record
from rst_or_fin.tcp.segment import Segment

_ICMP = (icmp_errors.ICMP, icmp_errors.ICMP6)
LARGEST_PAYLOAD = SNAP_LENGTH
_DEPTHS = range(32)  # what has more layers was made to
_LAYERS = link_layers.LAYERS | ip.LAYERS | tunnels.LAYERS


class Decoder:
    """Finds the innermost TCP segment of each record; remembers fragments, and counts what it passes over.

    `payload_kept` bytes of each payload are kept.
    """

    def __init__(self, payload_kept: int = LARGEST_PAYLOAD) -> None:
        self._payload_kept = payload_kept
        self._packet = Packet()
        self._fragments = Reassembly()
        self._layers: dict[int, Layer] = _LAYERS | {FRAGMENT: self._fragments.join}
        self._passed_over: Counter[int] = Counter()
        self.icmp_errors: list[IcmpError] = []  # the first that quote a segment

    @property
    def passed_over(self) -> Counter[str]:
        """How many frames held no segment, by what they were instead."""
        counted: Counter[str] = Counter()
        for kind, number in self._passed_over.items():
            counted[names.name(kind)] += number
        if self._fragments.incomplete:
            counted[names.INCOMPLETE] = self._fragments.incomplete
        return counted

    def pass_over_datagrams(self, number: int) -> None:
        """Count frames that are known to hold a UDP datagram and no more, without decoding them."""
        if number:
            self._passed_over[OTHER_UDP] += number

    def segment(self, record: Record, frame_no: int = 0) -> Segment | None:
        """Find the TCP segment in a record; None if there is none, or not yet."""
        packet = self._packet
        packet.data, packet.at, packet.end, packet.t_ns = record.data, 0, record.wire_len, record.t_ns
        try:
            kind = self._unwrapped(packet, LINK_TYPE | record.link_type)
            if kind == TCP:
                found = tcp_header.segment(packet, frame_no, self._payload_kept)
                if found is not None:
                    return found
                kind = MALFORMED
        except (IndexError, struct.error):  # a header that was not captured to its end
            kind = CUT_SHORT if len(record.data) < record.wire_len else MALFORMED
        if kind != WAITS:
            self._passed_over[kind] += 1
            if kind in _ICMP and len(self.icmp_errors) < icmp_errors.ERRORS_MAX:
                self._note_error(packet, kind, frame_no)
        return None

    def _note_error(self, packet: Packet, kind: int, frame_no: int) -> None:
        error = icmp_errors.read(packet, kind, frame_no)
        if error is not None:
            self.icmp_errors.append(error)

    def _unwrapped(self, packet: Packet, kind: int) -> int:
        """Take off layers down to one that is unknown here, above all TCP; return its kind."""
        layers = self._layers
        for _ in _DEPTHS:
            if kind not in layers:
                return kind
            kind = layers[kind](packet)
        return TOO_DEEP
