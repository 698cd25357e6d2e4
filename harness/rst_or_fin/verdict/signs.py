"""Finds further signs that rule out causes of a RST or point to one. None of them is a proof.

Every sign is a sentence about one end, in the words of the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rst_or_fin.escaping import preview
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.options import options
from rst_or_fin.tcp.segment import Segment
from rst_or_fin.verdict.aborts import abort_index, abort_of

_TEXT_LEN = 60
_IDLE_NS = 10_000_000_000
_TIMESTAMPS, _MPTCP = 8, 30  # kinds of TCP options (IANA)
_FASTCLOSE, _TCPRST = 7, 8  # subtypes of MPTCP (RFC 8684 section 8)
_MPTCP_REASONS = {  # RFC 8684 section 3.6
    0: "unspecified error",
    1: "MPTCP-specific error",
    2: "lack of resources",
    3: "administratively prohibited",
    4: "too much outstanding data",
    5: "unacceptable performance",
    6: "middlebox interference",
}
_ALERT = 21  # a TLS record's content type (RFC 8446 section 5.1)
_ALERTS = {  # RFC 8446 section 6
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}


def signs(connection: Connection) -> list[str]:
    """Return what speaks for and against causes, for every end that reset the connection."""
    found = [sign for role in Role for sign in _of_end(connection, role)]
    return [*found, *(sign for role in Role for sign in _alerts(connection, role))]


def _of_end(connection: Connection, role: Role) -> Iterator[str]:
    index = abort_index(connection, role)
    abort = abort_of(connection, role)
    if index is None or abort is None:
        return
    reset, name = connection.segments[index], _the(connection, role)
    before = connection.segments[:index]
    own = [s for s in before if connection.role(s) is role]
    if reset.has_ack and not abort.heard:
        yield f"{name} had received no data before its RST: it was not unread data"
    if abort.probes:
        yield f"{abort.probes} keepalive probes of {name} went unanswered before its RST"
    if abort.resent:
        yield f"{abort.resent} retransmissions of {name} went unanswered before its RST"
    yield from _windows(connection, role, before, reset)
    if not reset.has_ack and not abort.after_fin and own:
        yield from _forgotten(connection, role, before, reset)
    yield from _carried(reset, name)
    if reset.has_ack and _lacks_timestamps(own, reset):
        yield f"the RST of {name} lacks the timestamps of its other segments: look for a middlebox"


def _windows(connection: Connection, role: Role, before: Sequence[Segment], reset: Segment) -> Iterator[str]:
    """Yield a window that was closed when the RST left: whoever offered it had not read."""
    for end, meaning in ((role, "its receive buffer was full"), (role.other, "its peer had stopped reading")):
        last = next((s for s in reversed(before) if connection.role(s) is end and not s.syn), None)
        if last is not None and last.window == 0 and last.has_ack and not last.rst and not last.fin:
            seconds = (reset.t_ns - last.t_ns) / 1e9
            yield f"{_the(connection, end)} had advertised a zero window {seconds:.3f} s before: {meaning}"


def _forgotten(
    connection: Connection, role: Role, before: Sequence[Segment], reset: Segment
) -> Iterator[str]:
    """Yield a bare RST that answers a segment of a connection that its sender no longer knows."""
    asked = next((s for s in reversed(before) if connection.role(s) is not role and s.ack == reset.seq), None)
    if asked is None:
        return
    earlier = [s.t_ns for s in before if s is not asked]
    idle_ns = asked.t_ns - max(earlier) if earlier else 0
    idle = f", after {idle_ns / 1e9:.0f} s without a segment" if idle_ns >= _IDLE_NS else ""
    yield (
        f"{_the(connection, role)} answers {connection.notation(asked)} with a bare RST{idle}:"
        " it no longer knew the connection"
    )


def _carried(reset: Segment, name: str) -> Iterator[str]:
    """Yield the text inside a RST (RFC 9293 section 3.5.3 allows it), and what MPTCP says in one."""
    if reset.payload_len:
        text = preview(reset.payload, _TEXT_LEN)
        yield f"the RST of {name} carries {reset.payload_len} bytes" + (f": {text}" if text else "")
    for kind, value in options(reset.options):
        if kind != _MPTCP or not value:
            continue
        if value[0] >> 4 == _TCPRST and len(value) >= 2:
            reason = _MPTCP_REASONS.get(value[1], f"reason {value[1]}")
            yield f"the RST of {name} ends an MPTCP subflow: {reason}"
        elif value[0] >> 4 == _FASTCLOSE:
            yield f"the RST of {name} is MPTCP's fast close: the whole connection ends, not one path"


def _lacks_timestamps(own: Sequence[Segment], reset: Segment) -> bool:
    """Return whether an abort lacks what its end agreed to send with every segment.

    Source: RFC 7323 section 3.2.
    """
    plain = [s for s in own if not s.syn and not s.rst]
    return len(plain) > 1 and all(_has(s, _TIMESTAMPS) for s in plain) and not _has(reset, _TIMESTAMPS)


def _alerts(connection: Connection, role: Role) -> Iterator[str]:
    """Yield the last TLS alert of an end that closed; of an encrypted one only that there was one."""
    if connection.reading.end(connection.endpoint(role)).reset() is None and not _is_closed(connection, role):
        return
    own = [s for s in connection.segments if connection.role(s) is role and s.payload_len]
    last = own[-1].payload if own else b""
    if len(last) < 5 or last[0] != _ALERT or last[1] != 3:
        return
    name, length = _the(connection, role), last[3] << 8 | last[4]
    if length == 2 and len(last) >= 7:
        level = "fatal" if last[5] == 2 else "warning"
        yield f"the last data that {name} sent is a TLS alert: {_ALERTS.get(last[6], f'{last[6]}')} ({level})"
    else:
        yield f"the last data that {name} sent is an encrypted TLS alert, usually close_notify"


def _is_closed(connection: Connection, role: Role) -> bool:
    return connection.reading.end(connection.endpoint(role)).fin is not None


def _has(segment: Segment, kind: int) -> bool:
    return any(found == kind for found, _ in options(segment.options))


def _the(connection: Connection, role: Role) -> str:
    name = connection.name(role)
    return f"the {name}" if name in tuple(Role) else name
