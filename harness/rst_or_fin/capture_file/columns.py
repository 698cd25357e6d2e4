"""A classic capture file as columns of numbers: TCP over IPv4 over a plain link layer, many frames at a time.

A frame that is anything else is left to `decoding`, which knows every layer: fragments, options of IP,
headers that were captured in part. What is said here of a frame is what `decoding` says of it. numpy computes
a column at a tenth of what Python takes for its numbers one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.records import SNAP_LENGTH, Record

Column: TypeAlias = npt.NDArray[Any]

HEADER_LEN = 24
RECORD_LEN = 16
_BLOCK_LEN = 2_097_152  # bytes read at a time: what is computed from them fits into a processor's cache
_IP_LEN = _TCP_LEN = 20  # without options
_PROTOCOL = 6
_ONES = 0xFFFF
_MORE_OR_OFFSET = 0x3FFF
_PADDING = 256  # bytes: more than headers take
_HEAD = np.dtype([(name, "<u4") for name in ("seconds", "fraction", "captured", "wire")])
# By link type: the length of its header, and where an EtherType stands in it (nowhere: IP follows)
_LINKS = {
    1: (14, 12),
    12: (0, None),
    14: (0, None),
    101: (0, None),
    228: (0, None),
    113: (16, 14),
    276: (20, 0),
}
_UNITS_NS = {b"\xd4\xc3\xb2\xa1": 1000, b"\x4d\x3c\xb2\xa1": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is laid out: what its unit of time is, and how far into a frame its IP header stands."""

    unit_ns: int
    link_type: int
    ip_at: int
    ethertype_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some records in a row: their bytes, and where each of them begins."""

    data: bytes
    padded: Column  # the same as numbers, and some zeros behind
    starts: Column

    def times_ns(self, layout: Layout) -> Column:
        """Read when each of them was captured."""
        return _times_ns(_rows(self, RECORD_LEN).view(_HEAD)[:, 0], layout)

    def record(self, number: int, layout: Layout) -> Record:
        """Read one of them."""
        at = int(self.starts[number])
        seconds, fraction, captured_len, wire_len = struct.unpack_from("<IIII", self.data, at)
        at += RECORD_LEN
        t_ns = seconds * 1_000_000_000 + fraction * layout.unit_ns
        return Record(t_ns, layout.link_type, self.data[at : at + captured_len], wire_len)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The segments of a block, a column for each of their fields. `frame` counts from 0 within the block.

    `low` and `high` are both ends, each as address and port in one number, the smaller first, so that both
    directions are one pair. `from_low` says which of them sent it. `is_good`: its checksum is right;
    `is_bad`: nobody received it. Neither: it was captured before a network card filled it in, or not to its
    end.
    """

    frame: Column
    t_ns: Column
    low: Column
    high: Column
    from_low: Column
    seq: Column
    ack: Column
    flags: Column
    payload_len: Column
    is_good: Column
    is_bad: Column


def layout(header: bytes) -> Layout | None:
    """Read a file's header; None where the file is laid out in any other way."""
    unit_ns = _UNITS_NS.get(header[:4])
    if unit_ns is None or len(header) < HEADER_LEN:
        return None
    major, minor, link = struct.unpack("<4xHH12xI", header)
    if (major, minor) != (2, 4) or link not in _LINKS:  # a link type's upper bits announce a check sequence
        return None
    ip_at, ethertype_at = _LINKS[link]
    return Layout(unit_ns=unit_ns, link_type=link, ip_at=ip_at, ethertype_at=ethertype_at)


def blocks(stream: ByteStream) -> Iterator[Block]:
    """Give the records of a file from behind its header on, as many at a time as make a block.

    Ends where a record is not there to its end, or where its length is none.
    """
    while stream.fill(_BLOCK_LEN) or stream.available >= RECORD_LEN:
        data = stream.data
        starts, stream.at = _walked(data, stream.at)
        if not len(starts):
            return
        yield block_of(data, starts)


def block_of(data: bytes, starts: Column) -> Block:
    """Return a block of the records that begin there."""
    padded = np.frombuffer(data + bytes(_PADDING + len(data) % 2), dtype=np.uint8)
    return Block(data=data, padded=padded, starts=starts)


def _walked(data: bytes, at: int) -> tuple[Column, int]:
    """Go from record to record; give where each whole one begins, and where the last of them ends.

    To follow every length is slow. So what looks like a header is looked up first, all at once, and only
    where one of these does not lead to the next is a step taken by itself.
    """
    likely, after = _likely(data, at)
    breaks = np.append(np.flatnonzero(after[:-1] != likely[1:]), len(likely) - 1)
    pieces = [np.empty(0, dtype=np.int64)]
    while at + RECORD_LEN <= len(data):
        place = int(np.searchsorted(likely, at))
        if place < len(likely) and likely[place] == at:
            last = int(breaks[np.searchsorted(breaks, place)])
            run, following = likely[place : last + 1], int(after[last])
        else:
            run, following = np.array([at]), at + RECORD_LEN + struct.unpack_from("<8xI", data, at)[0]
        if following > len(data):
            pieces.append(run[:-1])
            at = int(run[-1])
            break
        pieces.append(run)
        at = following
    return np.concatenate(pieces), at


def _likely(data: bytes, at: int) -> tuple[Column, Column]:
    """Find what looks like a header of the day of the one at `at`: where it begins, and its record ends."""
    day = int.from_bytes(data[at + 2 : at + 4], "little")  # or rather 18 hours: the upper half of the seconds
    end = len(data)
    halves = (np.frombuffer(data, dtype="<u2", count=(end - odd) // 2, offset=odd) for odd in (0, 1))
    found = [np.flatnonzero(half == day) * 2 + odd - 2 for odd, half in enumerate(halves)]
    begins = np.sort(np.concatenate(found), kind="stable")
    begins = begins[(begins >= at) & (begins <= end - RECORD_LEN)]
    words = np.ndarray((end - 3,), dtype="<u4", buffer=data, strides=(1,))  # at every byte
    captured, wire = words[begins + 8].astype(np.int64), words[begins + 12]
    is_likely = (captured <= wire) & (captured <= SNAP_LENGTH)
    begins = begins[is_likely]
    return begins, begins + RECORD_LEN + captured[is_likely]


def is_whole(block: Block) -> bool:
    """Return whether no record lies about its lengths."""
    return _is_whole(_rows(block, RECORD_LEN).view(_HEAD)[:, 0])


def _is_whole(found: Column) -> bool:
    return not bool(((found["captured"] > found["wire"]) | (found["captured"] > SNAP_LENGTH)).any())


def columns(block: Block, how: Layout) -> Columns | None:
    """Find the simple frames of a block; None where a record lies about its lengths."""
    found = _rows(block, RECORD_LEN + how.ip_at + _IP_LEN + _TCP_LEN).view(_fields(how))[:, 0]
    if not _is_whole(found):
        return None
    is_simple = _is_simple(found, how)
    frame = np.flatnonzero(is_simple)
    if len(frame) < len(found):
        found = found[frame]
    source = found["source"].astype(np.uint64) << np.uint64(16) | found["source_port"]
    target = found["target"].astype(np.uint64) << np.uint64(16) | found["target_port"]
    from_low = source < target
    bits = found["bits"].astype(np.uint16)
    total_len = found["total_len"].astype(np.int64)
    is_whole = found["captured"] >= how.ip_at + total_len
    ip_at = block.starts[frame] + (RECORD_LEN + how.ip_at)
    is_good, is_bad = _verified(block.padded, ip_at, total_len, is_whole, found)
    return Columns(
        frame=frame,
        t_ns=found["seconds"].astype(np.int64) * 1_000_000_000
        + found["fraction"].astype(np.int64) * how.unit_ns,
        low=np.minimum(source, target),
        high=np.maximum(source, target),
        from_low=from_low,
        seq=found["seq"].astype(np.uint32),
        ack=found["ack"].astype(np.uint32),
        flags=(bits & 0xFF).astype(np.uint8),
        payload_len=(total_len - _IP_LEN - 4 * (bits >> 12)).astype(np.uint32),
        is_good=is_good,
        is_bad=is_bad,
    )


def _times_ns(found: Column, how: Layout) -> Column:
    times: Column = found["seconds"].astype(np.int64) * 1_000_000_000
    times += found["fraction"].astype(np.int64) * how.unit_ns
    return times


def _rows(block: Block, length: int) -> Column:
    """Return the first bytes of every record, as many of each, whatever follows it."""
    return np.lib.stride_tricks.sliding_window_view(block.padded, length)[block.starts]


def _fields(how: Layout) -> np.dtype[Any]:
    """Where the fields stand from the beginning of a record on."""
    ip = RECORD_LEN + how.ip_at
    tcp = ip + _IP_LEN
    places = {
        "seconds": ("<u4", 0),
        "fraction": ("<u4", 4),
        "captured": ("<u4", 8),
        "wire": ("<u4", 12),
        "version": ("u1", ip),
        "total_len": (">u2", ip + 2),
        "fragment": (">u2", ip + 6),
        "protocol": ("u1", ip + 9),
        "ip_checksum": (">u2", ip + 10),
        "source": (">u4", ip + 12),
        "target": (">u4", ip + 16),
        "source_port": (">u2", tcp),
        "target_port": (">u2", tcp + 2),
        "seq": (">u4", tcp + 4),
        "ack": (">u4", tcp + 8),
        "bits": (">u2", tcp + 12),
        "checksum": (">u2", tcp + 16),
    }
    if how.ethertype_at is not None:
        places["ethertype"] = (">u2", RECORD_LEN + how.ethertype_at)
    return np.dtype(
        {
            "names": list(places),
            "formats": [kind for kind, _ in places.values()],
            "offsets": [at for _, at in places.values()],
            "itemsize": tcp + _TCP_LEN,
        }
    )


def _is_simple(found: Column, how: Layout) -> Column:
    """Return which frames hold TCP under a plain IPv4 header, captured at least up to the payload."""
    header_len = found["bits"].astype(np.int64) >> 12 << 2
    simple: Column = (
        (found["captured"] >= how.ip_at + _IP_LEN + header_len)
        & (found["version"] == 0x45)
        & (found["protocol"] == _PROTOCOL)
        & (found["fragment"] & _MORE_OR_OFFSET == 0)
        & (header_len >= _TCP_LEN)
        & (found["total_len"] >= _IP_LEN + header_len)
    )
    return simple & (found["ethertype"] == 0x0800) if how.ethertype_at is not None else simple


def _verified(
    padded: Column, ip_at: Column, total_len: Column, is_whole: Column, found: Column
) -> tuple[Column, Column]:
    """Which checksums are right, and which are wrong and no network card's (see `checksums`).

    The ones' complement sum does not depend on the order of bytes, but that it comes out in that order
    (RFC 1071 section 2): words are summed up as they lie there, and the pseudo header is turned round.
    """
    source, target = found["source"].astype(np.int64), found["target"].astype(np.int64)
    pseudo = ((source >> 16) + (source & _ONES) + (target >> 16) + (target & _ONES) + _PROTOCOL) % _ONES
    length = total_len - _IP_LEN
    ip_sum, tcp_sum = _sums(padded, ip_at, np.where(is_whole, total_len, _IP_LEN + _TCP_LEN))
    is_header_good = (found["ip_checksum"] == 0) | (ip_sum % _ONES == 0)
    is_good = is_whole & ((tcp_sum + (pseudo + length) * 256) % _ONES == 0)
    if is_good.all():
        return is_good & is_header_good, ~is_header_good
    field = found["checksum"].astype(np.int64)
    is_partial = (field % _ONES == (pseudo + length) % _ONES) | (field % _ONES == pseudo)
    is_bad = is_whole & ~is_good & (field != 0) & ~is_partial
    return is_good & is_header_good, is_bad | ~is_header_good


def _sums(padded: Column, at: Column, length: Column) -> tuple[Column, Column]:
    """Sum up the little-endian words of IP headers of 20 bytes, and of what follows each in its packet.

    Words are taken at even places. What begins at an odd one lies the other way round in these; a byte too
    many at either end is taken off again.
    """
    odd, tcp_at, end = at & 1, at + _IP_LEN, at + length
    edges = np.stack((at >> 1, tcp_at >> 1, (end + 1) >> 1), axis=1).ravel()
    total = np.add.reduceat(padded.view("<u2"), edges, dtype=np.uint32).astype(np.int64)
    turned = np.where(odd, 256, 1)
    before_tcp = padded[tcp_at - 1] * odd
    ip = total[::3] - padded[at - 1] * odd + before_tcp
    tcp = total[1::3] - before_tcp - padded[end] * ((end & 1) << 8)
    return ip * turned, tcp * turned
