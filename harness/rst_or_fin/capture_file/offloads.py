"""Recognises checksums that no network card had filled in when they were captured. Pure.

A host that leaves checksums to its card hands them to a capture on itself as they are: wrong, all of them.
One wrong checksum among right ones is damage: no receiver took that segment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from rst_or_fin.tcp.segment import Checksum, Segment


class Offloads:
    """Forgives such hosts their wrong checksums, segment by segment.

    `known` are the hosts that an earlier reading of the same capture has found. None: it cannot be read
    twice, and a host is forgiven as long as none of its checksums was right. `is_right` knows hosts that sent
    a right one on segments that do not come by here.
    """

    def __init__(
        self, known: Collection[str] | None = None, is_right: Callable[[str], bool] | None = None
    ) -> None:
        self._known = known
        self._is_right = is_right
        self._right: set[str] = set()
        self._wrong: set[str] = set()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that sent nothing but wrong checksums, as far as the capture was read."""
        return tuple(sorted(self._offloading))

    @property
    def is_settled(self) -> bool:
        """Whether what was forgiven is what the whole capture says."""
        return self._known is None or set(self._known) == self._offloading

    @property
    def _offloading(self) -> set[str]:
        found = self._wrong - self._right
        return found if self._is_right is None else {host for host in found if not self._is_right(host)}

    def forgiven(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield the segments, those whose checksum was left to a card marked as such."""
        right, wrong = self._right, self._wrong
        for segment in segments:
            if segment.checksum is Checksum.GOOD:
                right.add(segment.src.address)
            elif segment.checksum is Checksum.BAD:
                address = segment.src.address
                wrong.add(address)
                if address in self._known if self._known is not None else address not in right:
                    yield msgspec.structs.replace(segment, checksum=Checksum.PARTIAL)
                    continue
            yield segment
