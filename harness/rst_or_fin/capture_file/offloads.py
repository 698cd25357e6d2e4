"""Checksums that no network card had filled in yet when they were captured. Pure.

A host that leaves checksums to its card hands them to a capture on itself as they are: wrong, all of them.
One wrong checksum among right ones is damage: nobody received that segment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from rst_or_fin.tcp.segment import Checksum, Segment


def without_offloaded(segments: Iterable[Segment]) -> tuple[list[Segment], tuple[str, ...]]:
    """Return the segments with the wrong checksums of such hosts forgiven, and these hosts' addresses."""
    found = list(segments)
    wrong = Counter(s.src.address for s in found if s.checksum is Checksum.BAD)
    right = {s.src.address for s in found if s.checksum is Checksum.GOOD} if wrong else set()
    hosts = wrong.keys() - right
    if not hosts:
        return found, ()
    forgiven = [
        msgspec.structs.replace(s, checksum=Checksum.PARTIAL)
        if s.checksum is Checksum.BAD and s.src.address in hosts
        else s
        for s in found
    ]
    return forgiven, tuple(sorted(hosts))
