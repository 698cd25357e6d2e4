"""The classic pcap format, as libpcap writes it (draft-ietf-opsawg-pcap): a header, then records.

Both byte orders, micro- and nanosecond time stamps, and the longer record headers of Alexey Kuznetzov's
patched libpcap, which old Linux distributions shipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.damage import CaptureError, lying_lengths, the_end
from rst_or_fin.capture_file.records import SNAP_LENGTH, FileNotes, Record, without_fcs

HEADER_LEN = 24
_RECORD = "IIII"  # seconds, fraction, captured length, length on the wire
_PATCHED_RECORD = "IIII8x"  # and interface index, protocol, packet type
# The magic number in big-endian: (record header, nanoseconds in a unit of the fraction)
_KINDS = {0xA1B2C3D4: (_RECORD, 1000), 0xA1B23C4D: (_RECORD, 1), 0xA1B2CD34: (_PATCHED_RECORD, 1000)}
MAGICS = {struct.pack(order + "I", magic): (order, *kind) for magic, kind in _KINDS.items() for order in "<>"}
_FCS_LEN_GIVEN = 0x0400_0000  # in the link type's word; the length is in its upper four bits, in 16-bit words


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file's header says about its records."""

    record: struct.Struct
    unit_ns: int
    link_type: int
    fcs_len: int
    swapped: bool  # before version 2.4 the two lengths may stand the other way round (libpcap's sf-pcap.c)


def records(stream: ByteStream, notes: FileNotes) -> Iterator[Record]:
    """Read the header, then yield every record. Raises CaptureError, at once, for a header cut off."""
    return behind_header(stream, header(stream), notes)


def header(stream: ByteStream) -> Header:
    """Read the header. Raises CaptureError if it is cut off."""
    if not stream.fill(HEADER_LEN):
        raise CaptureError(
            f"the capture is cut off inside its header ({stream.available} of {HEADER_LEN} bytes)",
            "capture it again",
        )
    data = stream.data[stream.at : stream.at + HEADER_LEN]
    stream.at += HEADER_LEN
    order, record, unit_ns = MAGICS[data[:4]]
    major, minor, link = struct.unpack(order + "4xHH12xI", data)
    return Header(
        record=struct.Struct(order + record),
        unit_ns=unit_ns,
        link_type=link & 0xFFFF,
        fcs_len=(link >> 28) * 2 if link & _FCS_LEN_GIVEN else 0,
        swapped=major == 2 and minor < 4,
    )


def behind_header(stream: ByteStream, header: Header, notes: FileNotes) -> Iterator[Record]:
    """Yield every record from the stream's position on; the notes get what is wrong with the file's end."""
    unpack, head_len, unit_ns = header.record.unpack_from, header.record.size, header.unit_ns
    link_type, fcs_len, swapped = header.link_type, header.fcs_len, header.swapped
    while stream.fill(head_len):
        seconds, fraction, captured_len, wire_len = unpack(stream.data, stream.at)
        if swapped and captured_len > wire_len:
            captured_len, wire_len = wire_len, captured_len
        if captured_len > wire_len or captured_len > SNAP_LENGTH:
            notes.damage = lying_lengths(stream.position, captured_len, wire_len)
            return
        if not stream.fill(head_len + captured_len):
            break
        start = stream.at + head_len
        stream.at = start + captured_len
        data = stream.data[start : stream.at]
        if fcs_len:
            data, wire_len = without_fcs(data, wire_len, fcs_len)
        yield Record(seconds * 1_000_000_000 + fraction * unit_ns, link_type, data, wire_len)
    notes.damage = the_end(stream.position, stream.available, stream.broken)
