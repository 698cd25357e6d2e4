"""Recognises checksum offload: checksums that the network card had yet to fill in. Pure.

In a capture taken on a host that offloads checksums, all checksums that it sent are wrong. One wrong checksum
among right ones is damage: no receiver accepted that segment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from rst_or_fin.tcp.segment import Checksum, Segment


class Offloads:
    """Marks the wrong checksums of hosts that offload them as PARTIAL, segment by segment.

    `known` are the hosts that an earlier reading of the same capture has found. None: it cannot be read
    twice, and a host counts as offloading as long as none of its checksums was right. `is_right` returns
    whether a host sent a right checksum on a segment that this class does not see.
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
        """The hosts that sent only wrong checksums, as far as the capture was read."""
        return tuple(sorted(self._offloading))

    @property
    def is_settled(self) -> bool:
        """Whether `known` is what the whole capture shows."""
        return self._known is None or set(self._known) == self._offloading

    @property
    def _offloading(self) -> set[str]:
        found = self._wrong - self._right
        return found if self._is_right is None else {host for host in found if not self._is_right(host)}

    def forgiven(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield the segments, those whose checksum was offloaded marked as PARTIAL."""
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
