"""Reads frames as columns of numbers: TCP over IP over a plain link layer, many frames at a time.

A frame that is anything else is left to `decoding`, which knows every layer: fragments, options of IPv4,
extension headers of IPv6, headers that were captured in part. Of the others both read the same. numpy takes
a tenth of the time that Python takes for one number after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rst_or_fin.capture_file.batches import Batch, Column, Layout
from rst_or_fin.capture_file.hosts import Hosts
from rst_or_fin.capture_file.ip_columns import ONES, TCP, UDP, VERSIONS, IpVersion
from rst_or_fin.capture_file.tunnels import PORTS as TUNNELS

_TCP_LEN = 20  # without options
_PORTS_LEN = 4
_LONGEST = max(version.length for version in VERSIONS) + _TCP_LEN
_TCP_FIELDS = {
    "source_port": (">u2", 0),
    "target_port": (">u2", 2),
    "seq": (">u4", 4),
    "ack": (">u4", 8),
    "bits": (">u2", 12),
    "checksum": (">u2", 16),
}
_IS_TUNNEL = np.zeros(1 << 16, dtype=bool)
_IS_TUNNEL[list(TUNNELS)] = True


class _Link(NamedTuple):
    """A link type's header: its length, and the offset of its EtherType (None: IP follows)."""

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

    `low` and `high` are both ends, each as host and port in one number, the smaller first, so that both
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


def columns(batch: Batch, layout: Layout, hosts: Hosts) -> Iterator[Columns]:
    """Find the simple frames of a batch of sound records, separately for each version of IP."""
    link = _LINKS[layout.link_type]
    rows = batch.rows(layout.head.itemsize + link.length + _LONGEST)
    for version in VERSIONS:
        fields = _fields(layout, link, version)
        every = rows.view(fields)[:, 0]
        frame = np.flatnonzero(_is_simple(every, link, version) & layout.are_bare(every))
        found = rows[frame].view(fields)[:, 0] if len(frame) < len(every) else every
        ip_at = batch.starts[frame] + (layout.head.itemsize + link.length)
        is_whole = found["captured"] >= link.length + version.length + version.tcp_len(found)
        is_good, is_bad = _verified(batch.padded, ip_at, is_whole, found, version)
        source, target = (
            host << np.uint64(16) | found[port]
            for host, port in zip(version.hosts(found, hosts), ("source_port", "target_port"), strict=True)
        )
        bits = found["bits"].astype(np.uint16)
        yield Columns(
            frame=frame,
            t_ns=layout.times_ns(found),
            low=np.minimum(source, target),
            high=np.maximum(source, target),
            from_low=source < target,
            seq=found["seq"].astype(np.uint32),
            ack=found["ack"].astype(np.uint32),
            flags=(bits & 0xFF).astype(np.uint8),
            payload_len=(version.tcp_len(found) - 4 * (bits >> 12)).astype(np.uint32),
            is_good=is_good,
            is_bad=is_bad,
        )


def datagrams(batch: Batch, layout: Layout, among: Column) -> Column:
    """Return which of these frames hold only a UDP datagram that is not a tunnel's."""
    link = _LINKS[layout.link_type]
    rows = batch.rows(layout.head.itemsize + link.length + _LONGEST, among)
    found = np.zeros(len(among), dtype=bool)
    for version in VERSIONS:
        every = rows.view(_fields(layout, link, version))[:, 0]
        holds = _holds(every, link, version, UDP) & layout.are_bare(every)
        holds &= every["captured"] >= link.length + version.length + _PORTS_LEN
        found |= holds & ~_IS_TUNNEL[every["source_port"]] & ~_IS_TUNNEL[every["target_port"]]
    numbers: Column = among[found]
    return numbers


def _fields(layout: Layout, link: _Link, version: IpVersion) -> np.dtype[Any]:
    """Return the dtype of a record: the offsets of header, link, IP and TCP fields from its start."""
    ip = layout.head.itemsize + link.length
    tcp = ip + version.length
    places: dict[str, tuple[Any, int]] = {
        **{name: (kind, at) for name, (kind, at, *_) in (layout.head.fields or {}).items()},
        **{name: (kind, ip + at) for name, (kind, at) in version.fields.items()},
        **{name: (kind, tcp + at) for name, (kind, at) in _TCP_FIELDS.items()},
    }
    if link.ethertype_at is not None:
        places["ethertype"] = (">u2", layout.head.itemsize + link.ethertype_at)
    return np.dtype(
        {
            "names": list(places),
            "formats": [kind for kind, _ in places.values()],
            "offsets": [at for _, at in places.values()],
            "itemsize": ip + _LONGEST,
        }
    )


def _is_simple(found: Column, link: _Link, version: IpVersion) -> Column:
    """Return which frames hold TCP under a plain IP header, captured at least up to the payload."""
    header_len = found["bits"].astype(np.int64) >> 12 << 2
    simple: Column = (
        _holds(found, link, version, TCP)
        & (found["captured"] >= link.length + version.length + header_len)
        & (header_len >= _TCP_LEN)
        & (version.tcp_len(found) >= header_len)
    )
    return simple


def _holds(found: Column, link: _Link, version: IpVersion, protocol: int) -> Column:
    """Return which frames hold that protocol right after a plain IP header."""
    holds = version.holds(found, protocol)
    return holds & (found["ethertype"] == version.ethertype) if link.ethertype_at is not None else holds


def _verified(
    padded: Column, ip_at: Column, is_whole: Column, found: Column, version: IpVersion
) -> tuple[Column, Column]:
    """Return which checksums are right, and which are wrong for another reason than offloading.

    See `checksums`. The ones' complement sum is the same in either byte order, only swapped (RFC 1071
    section 2): words are summed up in their own order, and the pseudo header's sum is swapped.
    """
    tcp_at, length = ip_at + version.length, version.tcp_len(found)
    ip_sum, tcp_sum = _sums(
        padded, ip_at + version.summed_from, tcp_at, tcp_at + np.where(is_whole, length, _TCP_LEN)
    )
    pseudo = version.pseudo_sum(found, ip_sum)
    is_header_good = version.is_good(found, ip_sum)
    is_good = is_whole & ((tcp_sum + (pseudo + length) * 256) % ONES == 0)
    if is_good.all():
        return is_good & is_header_good, ~is_header_good
    field = found["checksum"].astype(np.int64)
    is_partial = (field % ONES == (pseudo + length) % ONES) | (field % ONES == pseudo)
    is_bad = is_whole & ~is_good & (field != 0) & ~is_partial
    return is_good & is_header_good, is_bad | ~is_header_good


def _sums(padded: Column, at: Column, tcp_at: Column, end: Column) -> tuple[Column, Column]:
    """Sum up the little-endian words from `at` to `tcp_at`, an even number of bytes, and from there to `end`.

    Words are taken at even offsets. Data that begins at an odd one is byte-swapped in them; a surplus byte at
    either end is subtracted again.
    """
    odd = at & 1
    edges = np.stack((at >> 1, tcp_at >> 1, (end + 1) >> 1), axis=1).ravel()
    total = np.add.reduceat(padded.view("<u2"), edges, dtype=np.uint32).astype(np.int64)
    turned = np.where(odd, 256, 1)
    before_tcp = padded[tcp_at - 1] * odd
    ip = total[::3] - padded[at - 1] * odd + before_tcp
    tcp = total[1::3] - before_tcp - padded[end] * ((end & 1) << 8)
    return ip * turned, tcp * turned
