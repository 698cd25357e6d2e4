"""Frames as columns of numbers: TCP over IPv4 over a plain link layer, many frames at a time.

A frame that is anything else is left to `decoding`, which knows every layer: fragments, options of IP,
headers that were captured in part. What is said here of a frame is what `decoding` says of it. numpy computes
a column at a tenth of what Python takes for its numbers one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rst_or_fin.capture_file.batches import Batch, Column, Layout

_IP_LEN = _TCP_LEN = 20  # without options
_PROTOCOL = 6
_ONES = 0xFFFF
_MORE_OR_OFFSET = 0x3FFF


class _Link(NamedTuple):
    """A link type's header: its length, and where an EtherType stands in it (nowhere: IP follows)."""

    length: int
    ethertype_at: int | None


_LINKS = {
    1: _Link(14, 12),
    12: _Link(0, None),
    14: _Link(0, None),
    101: _Link(0, None),
    228: _Link(0, None),
    113: _Link(16, 14),
    276: _Link(20, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The segments of a batch, a column for each of their fields. `frame` counts from 0 within the batch.

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


def are_known(link_type: int) -> bool:
    """Return whether frames of that link type can be read here."""
    return link_type in _LINKS


def columns(batch: Batch, layout: Layout) -> Columns | None:
    """Find the simple frames of a batch; None where a record claims what cannot be."""
    link = _LINKS[layout.link_type]
    found = batch.rows(layout.head.itemsize + link.length + _IP_LEN + _TCP_LEN)
    found = found.view(_fields(layout, link))[:, 0]
    if not layout.are_sound(found):
        return None
    frame = np.flatnonzero(_is_simple(found, link) & layout.are_bare(found))
    if len(frame) < len(found):
        found = found[frame]
    source = found["source"].astype(np.uint64) << np.uint64(16) | found["source_port"]
    target = found["target"].astype(np.uint64) << np.uint64(16) | found["target_port"]
    from_low = source < target
    bits = found["bits"].astype(np.uint16)
    total_len = found["total_len"].astype(np.int64)
    is_whole = found["captured"] >= link.length + total_len
    ip_at = batch.starts[frame] + (layout.head.itemsize + link.length)
    is_good, is_bad = _verified(batch.padded, ip_at, total_len, is_whole, found)
    return Columns(
        frame=frame,
        t_ns=layout.times_ns(found),
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


def _fields(layout: Layout, link: _Link) -> np.dtype[Any]:
    """Where the fields stand from the beginning of a record on."""
    ip = layout.head.itemsize + link.length
    tcp = ip + _IP_LEN
    places: dict[str, tuple[Any, int]] = {
        **{name: (kind, at) for name, (kind, at, *_) in (layout.head.fields or {}).items()},
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
    if link.ethertype_at is not None:
        places["ethertype"] = (">u2", layout.head.itemsize + link.ethertype_at)
    return np.dtype(
        {
            "names": list(places),
            "formats": [kind for kind, _ in places.values()],
            "offsets": [at for _, at in places.values()],
            "itemsize": tcp + _TCP_LEN,
        }
    )


def _is_simple(found: Column, link: _Link) -> Column:
    """Return which frames hold TCP under a plain IPv4 header, captured at least up to the payload."""
    header_len = found["bits"].astype(np.int64) >> 12 << 2
    simple: Column = (
        (found["captured"] >= link.length + _IP_LEN + header_len)
        & (found["version"] == 0x45)
        & (found["protocol"] == _PROTOCOL)
        & (found["fragment"] & _MORE_OR_OFFSET == 0)
        & (header_len >= _TCP_LEN)
        & (found["total_len"] >= _IP_LEN + header_len)
    )
    return simple & (found["ethertype"] == 0x0800) if link.ethertype_at is not None else simple


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
