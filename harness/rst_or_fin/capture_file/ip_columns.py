"""Reads IP headers of both versions, many at a time, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np

from rst_or_fin.capture_file.batches import Column
from rst_or_fin.capture_file.hosts import Hosts

TCP, UDP = 6, 17
ONES = 0xFFFF
_MORE_OR_OFFSET = 0x3FFF


class IpVersion(Protocol):
    """A version of IP. `fields` are dtypes and offsets in its header, which is `length` bytes long.

    `summed_from` is the offset from which the header is summed up: that of its addresses at the latest.
    """

    ethertype: int
    length: int
    summed_from: int
    fields: ClassVar[Mapping[str, tuple[str, int]]]

    def holds(self, found: Column, protocol: int) -> Column:
        """Return which headers are of this version and carry `protocol` directly.

        That is, without options, extension headers or fragments.
        """

    def tcp_len(self, found: Column) -> Column:
        """Return the payload length in bytes that each header announces."""

    def hosts(self, found: Column, hosts: Hosts) -> tuple[Column, Column]:
        """Return source and destination as numbers."""

    def is_good(self, found: Column, summed: Column) -> Column:
        """Return which headers fit their own checksum, by the little-endian sum of what is summed up."""

    def pseudo_sum(self, found: Column, summed: Column) -> Column:
        """Return the sum of TCP's pseudo header without the length (RFC 9293 section 3.1)."""


class _Ipv4(IpVersion):
    ethertype = 0x0800
    length = 20  # without options
    summed_from = 0
    fields: ClassVar = {
        "version": ("u1", 0),
        "ip_len": (">u2", 2),
        "fragment": (">u2", 6),
        "protocol": ("u1", 9),
        "ip_checksum": (">u2", 10),
        "source": (">u4", 12),
        "target": (">u4", 16),
    }

    def holds(self, found: Column, protocol: int) -> Column:
        holds: Column = (found["version"] == 0x45) & (found["protocol"] == protocol)
        holds &= found["fragment"] & _MORE_OR_OFFSET == 0
        return holds

    def tcp_len(self, found: Column) -> Column:
        length: Column = found["ip_len"].astype(np.int64) - self.length
        return length

    def hosts(self, found: Column, hosts: Hosts) -> tuple[Column, Column]:
        return found["source"].astype(np.uint64), found["target"].astype(np.uint64)

    def is_good(self, found: Column, summed: Column) -> Column:
        good: Column = (found["ip_checksum"] == 0) | (summed % ONES == 0)
        return good

    def pseudo_sum(self, found: Column, summed: Column) -> Column:
        source, target = found["source"].astype(np.int64), found["target"].astype(np.int64)
        halves: Column = (source >> 16) + (source & ONES) + (target >> 16) + (target & ONES)
        return (halves + TCP) % ONES


class _Ipv6(IpVersion):
    ethertype = 0x86DD
    length = 40
    summed_from = 8  # the addresses: there is no checksum
    fields: ClassVar = {
        "version": ("u1", 0),
        "ip_len": (">u2", 4),
        "protocol": ("u1", 6),
        "source": ("(2,)>u8", 8),
        "target": ("(2,)>u8", 24),
    }

    def holds(self, found: Column, protocol: int) -> Column:
        holds: Column = (found["version"] >> 4 == 6) & (found["protocol"] == protocol)
        return holds

    def tcp_len(self, found: Column) -> Column:
        length: Column = found["ip_len"].astype(np.int64)
        return length

    def hosts(self, found: Column, hosts: Hosts) -> tuple[Column, Column]:
        return hosts.ipv6(found["source"]), hosts.ipv6(found["target"])

    def is_good(self, found: Column, summed: Column) -> Column:
        return np.ones(len(found), dtype=bool)

    def pseudo_sum(self, found: Column, summed: Column) -> Column:
        total: Column = (summed * 256 + TCP) % ONES
        return total


VERSIONS: tuple[IpVersion, ...] = (_Ipv4(), _Ipv6())
