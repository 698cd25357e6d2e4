"""Our own reading of a capture in tshark's terms, to be held against the oracle's."""

from __future__ import annotations

from rst_or_fin.tcp import connection as trace
from rst_or_fin.tcp import tracker
from rst_or_fin.tcp.segment import SPACE, Segment

from tests.support.decoding import segments_of
from tests.support.oracle import Seen


def as_we_read_it(data: bytes) -> list[Seen]:
    """What we say of a capture; streams are numbered in the order of their first segments.

    An end that sent nothing but a RST has no initial number; tshark then calls the RST's own number 1. Its
    numbers are relative modulo 2**32.
    """
    found: list[Segment] = list(segments_of(data))
    place: dict[int, tuple[int, trace.Connection]] = {}
    for stream, connection in enumerate(tracker.connections(found)):
        place |= {id(segment): (stream, connection) for segment in connection.segments}
    reading = []
    for segment in found:
        stream, connection = place[id(segment)]
        seq, ack = connection.relative(segment)
        isn = connection.client_isn if segment.src == connection.client else connection.server_isn
        seen = 1 if isn is None else seq % SPACE
        reading.append(Seen(stream, segment.flags, seen, ack % SPACE, segment.payload_len))
    return reading
