"""Finds connections with an undisturbed life from SYN to last ACK, in numpy columns of segments.

Plain is: a SYN, its SYN ACK, then segments with ACK, in each direction every number once and in order; every
ACK names what was captured before it; one FIN of each end, both acknowledged. No RST, no wrong checksum. The
verdict of such a connection is always the same: FIN by both ends, conclusive, no remark
(`tests/truth/test_sifting.py` compares that with the judge). Every other connection is left to the judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rst_or_fin.tcp.sender_state import SLACK_LEN

_Column: TypeAlias = npt.NDArray[Any]
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_LONGEST = 1 << 31  # bytes of one connection: beyond half the numbers' space one number says two things


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Segments sorted by pair of ends, of each pair as captured. `from_low`: which of the ends sent it."""

    pair: _Column
    from_low: _Column
    flags: _Column
    seq: _Column
    ack: _Column
    payload_len: _Column
    is_bad: _Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The connections, each from one SYN of a pair up to the next: the first segment, and how many it has.

    `is_open`: plain so far, and it has not come to its end.
    """

    first: _Column
    count: _Column
    is_plain: _Column
    is_open: _Column


def find(among: Segments) -> Found:
    """Split the segments (at least one) into connections, and find those that are plain."""
    syn, fin, ack = ((among.flags & bit) != 0 for bit in (_SYN, _FIN, _ACK))
    opens = syn & ~ack
    opens[0] = True
    opens[1:] |= among.pair[1:] != among.pair[:-1]
    index = np.arange(len(opens), dtype=np.int32)
    first = index[opens]
    count = np.diff(first, append=np.int32(len(opens)))
    of = np.cumsum(opens, dtype=np.int32) - np.int32(1)  # which connection a segment is of
    begin = first[of]
    place = index - begin
    from_client = among.from_low == among.from_low[begin]
    end = among.seq + among.payload_len + syn + fin  # modulo 2^32, as the numbers are
    by_client = np.maximum.accumulate(np.where(from_client, index, np.int32(-1)))
    by_server = np.maximum.accumulate(np.where(from_client, np.int32(-1), index))
    own = np.where(from_client, _before(by_client), _before(by_server))
    peer = np.where(from_client, _before(by_server), _before(by_client))

    is_opening = place <= 1
    fine = ~among.is_bad & ((among.flags & _RST) == 0)
    fine &= (ack == (place > 0)) & (syn == is_opening)
    fine &= ~is_opening | ((among.payload_len == 0) & ~fin & (from_client == (place == 0)))
    fine &= is_opening | ((own >= begin) & (peer >= begin) & (among.seq == end[own]))
    acked = among.ack.copy()
    several = first[count > 1]
    acked[several] = end[several + 1]  # a client's first ACK must not fall behind the SYN ACK's number
    fine &= is_opening | (_distance(among.ack, acked[own]) >= 0)
    behind = _distance(end[peer], among.ack)
    fine &= (place == 0) | ((behind >= 0) & (behind <= np.where(is_opening, 0, SLACK_LEN)))

    is_sound = np.logical_and.reduceat(fine, first)
    is_sound &= np.add.reduceat(among.payload_len, first, dtype=np.int64) < _LONGEST
    last = first + count - 1
    last_of_client, last_of_server = by_client[last], by_server[last]
    is_plain = among.ack[last_of_client] == end[last_of_server]
    is_plain &= among.ack[last_of_server] == end[last_of_client]
    for by in (from_client, ~from_client):
        fins = index[fin & by]
        number = np.bincount(of[fins], minlength=len(first))
        closed = np.full(len(first), len(opens), dtype=np.int32)
        closed[of[fins]] = fins
        late = by & (index > closed[of]) & (among.payload_len > 0)
        is_sound &= (number <= 1) & ~np.logical_or.reduceat(late, first)
        is_plain &= number == 1
    return Found(first=first, count=count, is_plain=is_sound & is_plain, is_open=is_sound & ~is_plain)


def _before(latest: _Column) -> _Column:
    """Return the index of the latest segment before each; `latest` includes the segment itself."""
    return np.concatenate((np.array([-1], dtype=np.int32), latest[:-1]))


def _distance(later: _Column, earlier: _Column) -> _Column:
    """Return `later - earlier` in sequence space, signed."""
    return (later - earlier).view(np.int32)
