"""Numbers pairs of 64-bit values, many at a time: halves of IPv6 addresses, the two ends of a connection."""

from __future__ import annotations

import numpy as np

from rst_or_fin.capture_file.batches import Column


def keys_of(one: Column, other: Column) -> Column:
    """Return a hash of each pair (Fibonacci hashing); collisions are possible, but unlikely."""
    mixed = (one * np.uint64(0x9E3779B97F4A7C15)) ^ (other * np.uint64(0xC2B2AE3D27D4EB4F))
    found: Column = mixed ^ (mixed >> np.uint64(29))
    return found


class Numbering:
    """Numbers pairs from 0 in order of appearance: `one[n]` and `other[n]` are the pair of number n.

    Pairs are looked up by their hash. Pairs with the same hash share a number, so compare with `one` and
    `other`.
    """

    def __init__(self) -> None:
        self.one = self.other = np.empty(0, dtype=np.uint64)
        self._keys = np.empty(0, dtype=np.uint64)  # sorted
        self._numbers = np.empty(0, dtype=np.uint32)

    def __len__(self) -> int:
        return len(self.one)

    def numbers(self, keys: Column, one: Column, other: Column) -> Column:
        """Return the number of each pair, assigning new ones as needed. `keys` must be sorted and unique."""
        is_known, at = self._find(keys)
        fresh = ~is_known
        found = np.empty(len(keys), dtype=np.uint32)
        found[is_known] = self._numbers[at[is_known]]
        found[fresh] = np.arange(len(self), len(self) + fresh.sum(), dtype=np.uint32)
        self._keys = np.insert(self._keys, at[fresh], keys[fresh])
        self._numbers = np.insert(self._numbers, at[fresh], found[fresh])
        self.one, self.other = np.append(self.one, one[fresh]), np.append(self.other, other[fresh])
        return found

    def known(self, keys: Column) -> Column:
        """Return the numbers of those `keys` that have one."""
        is_known, at = self._find(keys)
        found: Column = self._numbers[at[is_known]]
        return found

    def _find(self, keys: Column) -> tuple[Column, Column]:
        at = np.searchsorted(self._keys, keys)
        is_known = np.zeros(len(keys), dtype=bool)
        inside = at < len(self._keys)
        is_known[inside] = self._keys[at[inside]] == keys[inside]
        return is_known, at
