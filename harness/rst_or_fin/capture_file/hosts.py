"""Hosts as numbers: an IPv4 address is one, an IPv6 address gets the next one of its file."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import numpy as np

from rst_or_fin.capture_file.batches import Column
from rst_or_fin.capture_file.numbering import Numbering, keys_of

_IPV4_END = 1 << 32  # from here on the numbers are those of IPv6 addresses
_HALF = 64


class Hosts:
    """The hosts of one file. `has_collision`: two IPv6 addresses share a number: trust none."""

    def __init__(self) -> None:
        self.has_collision = False
        self._ipv6 = Numbering()

    def ipv6(self, addresses: Column) -> Column:
        """Return the numbers of IPv6 addresses, each given as two halves in a row."""
        one, other = addresses.astype(np.uint64).T
        keys = keys_of(one, other)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        is_first = np.ones(len(keys), dtype=bool)
        is_first[1:] = keys[1:] != keys[:-1]
        first = order[is_first]
        numbers = self._ipv6.numbers(keys[is_first], one[first], other[first])
        found = np.empty(len(keys), dtype=np.uint32)
        found[order] = numbers[np.cumsum(is_first) - 1]
        is_same = (self._ipv6.one[found] == one) & (self._ipv6.other[found] == other)
        self.has_collision |= not is_same.all()
        hosts: Column = found + np.uint64(_IPV4_END)
        return hosts

    def number(self, address: str) -> int | None:
        """Return a host's number; None for an IPv6 address that never came."""
        parsed = ip_address(address)
        if isinstance(parsed, IPv4Address):
            return int(parsed)
        halves = (int(parsed) >> _HALF, int(parsed) & (1 << _HALF) - 1)
        one, other = np.array(halves, dtype=np.uint64)[:, np.newaxis]
        found = self._ipv6.known(keys_of(one, other))
        is_there = len(found) and self._ipv6.one[found] == one and self._ipv6.other[found] == other
        return _IPV4_END + int(found[0]) if is_there else None
