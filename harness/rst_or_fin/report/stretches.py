"""Finds what a long connection's listing may leave out: the middle of long stretches of plain segments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby

from rst_or_fin.tcp.connection import Connection

_LONG = 14  # plain ones in a row before the middle is left out
_KEPT = 4  # of a long stretch, at either end


def middles(plain: Sequence[bool]) -> Iterator[range]:
    """Yield the places that may be left out, as ranges in order."""
    for is_plain, members in groupby(range(len(plain)), key=plain.__getitem__):
        places = list(members)
        if is_plain and len(places) > _LONG:
            yield range(places[_KEPT], places[-_KEPT])


def left_out(connection: Connection, telling: Collection[int]) -> list[range]:
    """Return the index ranges of segments that open and end nothing and are not `telling`."""
    segments = connection.segments
    return list(
        middles([not (s.syn or s.fin or s.rst) and index not in telling for index, s in enumerate(segments)])
    )
