"""Reads the pcapng format (draft-ietf-opsawg-pcapng): interfaces, packets and drops.

Read are section headers, interfaces, packets in all three kinds of block, drop counters and comments. Names,
secrets, journal entries and custom blocks are skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.damage import CaptureError, Damage, DamageError
from rst_or_fin.capture_file.pcapng_blocks import (
    OPTION_COMMENT,
    SECTION_HEADER,
    Blocks,
    number,
    options,
    text,
)
from rst_or_fin.capture_file.records import FileNotes, Record, without_fcs

_INTERFACE = 1
_PACKET = 2  # obsolete since 2009; old files hold it
_SIMPLE_PACKET = 3
_STATISTICS = 5
ENHANCED_PACKET = 6

# Interface, time stamp in two halves, captured length, length on the wire
_STAMPED = {order: struct.Struct(order + "IIIII") for order in "<>"}
_MOST_INTERFACES = 65_536
_DROPS_UNKNOWN = 0xFFFF
_LONGEST_FCS = 8  # bytes; earlier drafts of the format counted bits
_IF_TSRESOL = 9
_IF_FCSLEN = 13
_IF_TSOFFSET = 14
_EPB_DROPCOUNT = 4
_ISB_IFDROP = 5
_ISB_OSDROP = 7


@dataclass(slots=True, kw_only=True)
class Interface:
    """One interface of a section: how its packets are read, and how many it has missed so far."""

    link_type: int
    snap_len: int
    ticks_per_s: int = 1_000_000
    offset_ns: int = 0
    fcs_len: int = 0
    dropped: int = 0
    gaps: int = 0  # the same drops, where packets tell them one by one


def records(stream: ByteStream, notes: FileNotes) -> Iterator[Record]:
    """Read the first section header, then yield every record.

    Raises CaptureError, at once, if that header is not valid.
    """
    reader = Reader(stream, notes)
    reader.begin()
    return reader.records()


class Reader:
    """Where the reading of one file stands: the section's interfaces, the time of the last packet.

    Others may read packets from the stream in between, whole blocks at a time.
    """

    def __init__(self, stream: ByteStream, notes: FileNotes) -> None:
        self._take: dict[int, Callable[[bytes], Record | None]] = {
            SECTION_HEADER: self._section,
            _INTERFACE: self._interface,
            _PACKET: self._packet,
            _SIMPLE_PACKET: self._simple_packet,
            _STATISTICS: self._statistics,
            ENHANCED_PACKET: self.packet,
        }
        self._notes = notes
        self._blocks = Blocks(stream, self._take)
        self._unread = iter(self._blocks)
        self.interfaces: list[Interface] = []
        self._t_ns = 0

    def begin(self) -> None:
        """Read the first section header. Raises CaptureError if it is cut off or unknown."""
        try:
            _, body = next(self._unread)
            self._section(body)
        except (StopIteration, DamageError, struct.error) as error:
            what = self._blocks.damage or error
            raise CaptureError(
                f"the pcapng capture's header cannot be read: {what}", "capture it again"
            ) from error

    @property
    def order(self) -> str:
        """The section's byte order, as for `struct`."""
        return self._blocks.order

    def reads(self, kind: int) -> bool:
        """Return whether this reader uses blocks of that type."""
        return kind in self._take

    def describe(self) -> None:
        """Read on while interfaces are described. Raises DamageError, or struct.error."""
        while self._blocks.next_kind() == _INTERFACE and (block := next(self._unread, None)) is not None:
            self._interface(block[1])

    def records(self) -> Iterator[Record]:
        """Yield every record up to the end, or up to where the bytes make no sense."""
        try:
            for kind, body in self._unread:
                record = self._take[kind](body)
                if record is not None:
                    yield record
            self._notes.damage = self._blocks.damage
        except DamageError as error:
            self._notes.damage = Damage(what=str(error), at=self._blocks.at)
        except struct.error:
            self._notes.damage = Damage(what="damaged: a block that is too short", at=self._blocks.at)

    # Sections and interfaces

    def _section(self, body: bytes) -> None:
        major, minor = struct.unpack_from(self._blocks.order + "4xHH8x", body)
        if major != 1:
            raise DamageError(f"a section in pcapng version {major}.{minor}, which is not known")
        self.interfaces = []
        self._notes.comments.add(self._comments(body, 16))

    def _interface(self, body: bytes) -> None:
        if len(self.interfaces) == _MOST_INTERFACES:
            raise DamageError(f"damaged: more than {_MOST_INTERFACES} interfaces")
        link_type, snap_len = struct.unpack_from(self._blocks.order + "HxxI", body)
        interface = Interface(link_type=link_type, snap_len=snap_len)
        for code, value in self._options(body, 8):
            if code == _IF_TSRESOL and value:
                power = value[0] & 0x7F
                interface.ticks_per_s = 1 << power if value[0] & 0x80 else 10**power
            elif code == _IF_TSOFFSET:
                seconds = number(self._blocks.order, value, signed=True)
                interface.offset_ns = seconds * 1_000_000_000
            elif code == _IF_FCSLEN and value:
                interface.fcs_len = value[0] // 8 if value[0] > _LONGEST_FCS else value[0]
        self.interfaces.append(interface)
        self._notes.comments.add(self._comments(body, 8))

    def _statistics(self, body: bytes) -> None:
        (index,) = struct.unpack_from(self._blocks.order + "I8x", body)
        counted = [
            number(self._blocks.order, value)
            for code, value in self._options(body, 12)
            if code in (_ISB_IFDROP, _ISB_OSDROP)
        ]
        if counted:
            self._drops(self._at(index), sum(counted))
        self._notes.comments.add(self._comments(body, 12))

    # Packets

    def packet(self, body: bytes) -> Record:
        """Read the body of an Enhanced Packet Block. Raises DamageError, or struct.error."""
        head = _STAMPED[self._blocks.order].unpack_from(body)
        return self._stamped(self._at(head[0]), head, body)

    def _packet(self, body: bytes) -> Record:
        index, gap = struct.unpack_from(self._blocks.order + "HH", body)
        interface = self._at(index)
        if gap != _DROPS_UNKNOWN:
            self._gap(interface, gap)
        return self._stamped(interface, _STAMPED[self._blocks.order].unpack_from(body), body)

    def _stamped(self, interface: Interface, head: tuple[int, ...], body: bytes) -> Record:
        """Read what both kinds of packet with a time stamp have in common."""
        _, high, low, captured_len, wire_len = head
        self._t_ns = (high << 32 | low) * 1_000_000_000 // interface.ticks_per_s + interface.offset_ns
        options_at = 20 + captured_len + -captured_len % 4
        comments: tuple[str, ...] = ()
        if options_at < len(body):
            comments = tuple(self._comments(body, options_at))
            for code, value in self._options(body, options_at):
                if code == _EPB_DROPCOUNT:
                    self._gap(interface, number(self._blocks.order, value))
        return self._record(interface, body[20 : 20 + captured_len], captured_len, wire_len, comments)

    def _simple_packet(self, body: bytes) -> Record:
        """Read a packet of the first interface, without a time stamp: it gets the last packet's."""
        interface = self._at(0)
        (wire_len,) = struct.unpack_from(self._blocks.order + "I", body)
        captured_len = min(wire_len, interface.snap_len or wire_len)
        return self._record(interface, body[4 : 4 + captured_len], captured_len, wire_len, ())

    def _record(
        self, interface: Interface, data: bytes, captured_len: int, wire_len: int, comments: tuple[str, ...]
    ) -> Record:
        if len(data) < captured_len:
            raise DamageError(f"damaged: a packet of {captured_len} bytes in a block that holds {len(data)}")
        wire_len = max(wire_len, captured_len)
        if interface.fcs_len:
            data, wire_len = without_fcs(data, wire_len, interface.fcs_len)
        return Record(self._t_ns, interface.link_type, data, wire_len, comments)

    # What several kinds of block share

    def _at(self, index: int) -> Interface:
        if index >= len(self.interfaces):
            raise DamageError(f"damaged: a packet of interface {index}, of {len(self.interfaces)} described")
        return self.interfaces[index]

    def _options(self, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        return options(self._blocks.order, body, at)

    def _comments(self, body: bytes, at: int) -> Iterator[str]:
        return (text(value) for code, value in self._options(body, at) if code == OPTION_COMMENT)

    def _gap(self, interface: Interface, missed: int) -> None:
        """Count what is missing between two packets."""
        interface.gaps += missed
        self._drops(interface, interface.gaps)

    def _drops(self, interface: Interface, so_far: int) -> None:
        """Note how many frames an interface has missed; packets and statistics count the same ones."""
        more = max(so_far - interface.dropped, 0)
        interface.dropped += more
        self._notes.dropped = (self._notes.dropped or 0) + more
