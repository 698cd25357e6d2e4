"""Finds in the segments what an end sent when it gave a connection up. Knows no counters.

The result is the part of a `causes.Abort` that the wire alone can fill in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rst_or_fin.tcp.causes import Abort, Answered, Form
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.segment import Checksum, Segment
from rst_or_fin.tcp.sender_state import End


def abort_index(connection: Connection, role: Role) -> int | None:
    """Return the index of the RST to explain; None if this end sent none that counts.

    If an abort's RST was overtaken, it is the abort's own: the socket is gone before it leaves
    (__tcp_close, Linux 6.12: tcp_set_state, then tcp_send_active_reset), and a segment that comes in between
    is answered at once, without ACK.
    """
    end = connection.reading.end(connection.endpoint(role))
    reset = end.reset()
    if reset is None:
        return None
    if reset.has_ack or reset.refuses:
        return reset.index
    later = range(reset.index + 1, len(connection.segments))
    segments = connection.segments
    overtaken = (i for i in later if segments[i].rst and segments[i].has_ack and _is_of(connection, i, role))
    return next(overtaken, reset.index)


def abort_of(connection: Connection, role: Role) -> Abort | None:
    """Return what this end sent when it gave up; None if it did not, as far as was captured."""
    index = abort_index(connection, role)
    reading = connection.reading
    if index is None and reading.over:
        return None
    own, peer = (reading.end(connection.endpoint(each)) for each in (role, role.other))
    before = connection.segments[: index if index is not None else len(connection.segments)]
    heard = _payload_len(peer) if peer.syn is not None and reading.hole() is None else 1
    probes, resent = _unanswered(connection, role, before)
    if index is None:
        if not resent:
            return None
        form = Form.NOTHING
    else:
        form = _form(connection, index, own)
    return Abort(
        form=form,
        after_fin=own.fin is not None and (index is None or own.fin < index),
        answered=_answered(connection, index, own) if index is not None and form is Form.BARE else None,
        heard=heard,
        sent=_payload_len(own) if own.syn is not None else 1,
        is_server=role is Role.SERVER,
        probes=probes,
        resent=resent,
    )


def _is_of(connection: Connection, index: int, role: Role) -> bool:
    return connection.role(connection.segments[index]) is role


def _form(connection: Connection, index: int, own: End) -> Form:
    reset = own.reset()
    if reset is not None and reset.index == index and reset.refuses:
        # RFC 9293 section 3.10.7.1: the answer to a SYN for which there is no socket has sequence number 0.
        return Form.REFUSAL if connection.segments[index].seq == 0 else Form.OTHER_REFUSAL
    return Form.WITH_ACK if connection.segments[index].has_ack else Form.BARE


def _payload_len(end: End) -> int:
    """Count the payload bytes that this end has sent, as far as was captured without a gap."""
    if end.start is None:
        return 0
    controls = (end.isn is not None) + (end.fin_end is not None and end.whole_to >= end.fin_end)
    return max(0, end.whole_to - end.start - controls)


def _answered(connection: Connection, index: int, own: End) -> Answered | None:
    """Return what the segment carried that a bare RST answers, found by its ACK number.

    That number is the RST's sequence number (RFC 9293 section 3.5.2, group 1). The first of several such RSTs
    is decisive: the others answer what came in after it. None if that segment is unknown.
    """
    segments = connection.segments
    src, closed_at = segments[index].src, own.fin or 0
    resets = [i for i, s in enumerate(segments) if i > closed_at and s.src == src and s.rst and not s.has_ack]
    first = resets[0] if resets else index
    numbers = Counter(segments[i].seq for i in resets)
    heard = [
        (i, s.ack, is_new)
        for i, s in enumerate(segments)
        if s.src != src and _may_be_answered(s) and ((is_new := _is_new(connection, s, own)) or i > closed_at)
    ]
    number = segments[first].seq
    if segments[index].seq != number:
        return None  # the one that counts answers something else
    here = [is_new for _, ack, is_new in heard if ack == number]
    new_to = {ack for _, ack, is_new in heard if is_new}
    if any(here) and not set(numbers) <= new_to:
        return None  # another one answers what was nothing new: had something else ended the socket before?
    if any(here):
        # A socket that is gone answers every one of them: the last ones were answered.
        return Answered.NEW_DATA if here[-min(numbers[number], len(here))] else None
    is_unclear = first != index or any(is_new and (i < first or ack in numbers) for i, ack, is_new in heard)
    return Answered.NOTHING_NEW if here and not is_unclear else None


def _may_be_answered(segment: Segment) -> bool:
    return segment.has_ack and not segment.rst and segment.checksum is not Checksum.BAD


def _is_new(connection: Connection, segment: Segment, own: End) -> bool:
    """Return whether a segment carries data that this end never acknowledged."""
    end = connection.reading.end(segment.src).unwrap(segment.seq) + segment.payload_len
    return segment.payload_len > 0 and (own.acks_to is None or end > own.acks_to)


def _unanswered(connection: Connection, role: Role, before: Sequence[Segment]) -> tuple[int, int]:
    """Count this end's keepalive probes and retransmissions after the other end's last segment.

    A probe carries the number before the next one, and at most one byte (RFC 9293 section 3.8.4).
    """
    own = connection.reading.end(connection.endpoint(role))
    last = max((i for i, s in enumerate(before) if connection.role(s) is not role), default=-1)
    probes = resent = 0
    sent_to: int | None = None
    for index, segment in enumerate(before):
        if connection.role(segment) is not role or segment.rst:
            continue
        first = own.unwrap(segment.seq)
        repeated = sent_to is not None and first < sent_to
        if index > last and repeated:
            is_probe = first == own.sent_to - 1 if own.sent_to is not None else False
            probes += is_probe and segment.payload_len <= 1 and not segment.fin
            resent += not is_probe or segment.fin
        end = first + segment.payload_len + segment.syn + segment.fin
        sent_to = end if sent_to is None else max(sent_to, end)
    return probes, resent
