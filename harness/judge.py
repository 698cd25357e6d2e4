"""One connection and its witnesses in, one verdict out. No kernels, no expectations, no clocks.

The wire decides; the other witnesses corroborate. A witness that contradicts the wire makes the verdict
inconclusive: it is reported, never averaged away. What packets cannot say (unread data and a zero linger
look alike) is taken from the closing host's own counters, or left unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.conn_state import conn_state
from harness.evidence import CaptureFacts, Gate, Replay, SessionEnd, SocketState, Testimony
from harness.system_calls import closing as closing_calls
from harness.tcp import Cause, Ending, Role, Validity
from harness.trace import Connection, distance

# A RST of the closing host, told apart by the counter that the kernel raised with it
# (tcp_close and tcp_disconnect, Linux 6.12: LINUX_MIB_TCPABORTONCLOSE, LINUX_MIB_TCPABORTONDATA).
_CAUSE_BY_COUNTER = {
    "TcpExt:TCPAbortOnClose": Cause.UNREAD_DATA,
    "TcpExt:TCPAbortOnData": Cause.ZERO_LINGER,
}
# What the tracepoint's reason for a RST says of its cause; of any other reason nothing follows. A zero linger
# disconnects, and that gives the socket's state, or its unsent data, as the reason (__tcp_close,
# tcp_disconnect and tcp_rcv_state_process, Linux 6.12).
_CAUSE_BY_REASON = {
    "TCP_ABORT_ON_CLOSE": Cause.UNREAD_DATA,
    "TCP_STATE": Cause.ZERO_LINGER,
    "TCP_DISCONNECT_WITH_DATA": Cause.ZERO_LINGER,
    "TCP_ABORT_ON_DATA": Cause.DATA_AFTER_CLOSE,
    "NO_SOCKET": Cause.DATA_AFTER_CLOSE,
}
_OUT_RSTS = "Tcp:OutRsts"
_RESET_ERRORS = ("ECONNRESET", "EPIPE")
_END_OF_FILE = "end of file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one witness says; `agrees` with the wire, or None where it cannot tell."""

    name: str
    says: str
    agrees: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a connection ended, and how far that can be relied on.

    `subject` is the end under test; `deciding` are indices into the connection's segments: the active
    closer's first closing segment, then what follows it; `closing_segment` is the first of the subject's
    in tcpdump's notation. `cause` explains the subject's RST (None where it sent none), `peer_cause` the
    peer's. `doubts` are the reasons why the verdict is inconclusive; it is conclusive when there are none.
    """

    subject: Role
    client: Ending
    server: Ending
    active_closer: Role | None
    cause: Cause | None
    peer_cause: Cause | None
    closing_segment: str
    deciding: tuple[int, ...]
    conn_state: str
    witnesses: tuple[Witness, ...]
    doubts: tuple[str, ...]

    @property
    def validity(self) -> Validity:
        return Validity.INCONCLUSIVE if self.doubts else Validity.CONCLUSIVE

    @property
    def ending(self) -> Ending:
        """How the end under test ended."""
        return self.client if self.subject is Role.CLIENT else self.server

    @property
    def peer_ending(self) -> Ending:
        return self.server if self.subject is Role.CLIENT else self.client


def judge(
    connection: Connection | None,
    *,
    capture: CaptureFacts,
    replay: Replay | None = None,
    testimony: Testimony | None = None,
    gate: Gate | None = None,
    must_testify: bool = False,
) -> Verdict:
    """Judge one connection.

    `replay` is what the closing host told (None for somebody else's capture), `testimony` what its peer's
    application saw, `gate` what must have been true of the receive buffer right before the close.
    `must_testify`: nothing can be concluded where the peer's application was not heard.
    """
    state = replay.subject if replay else None
    doubts = [
        *_doubts_of_capture(capture),
        *_doubts_of_replay(replay, state, gate or Gate()),
        *_doubts_of_peer(testimony, must_testify),
    ]
    if connection is None:
        doubts.append("no segment of the connection was captured")
        return _nothing_seen(doubts)
    subject = _subject(connection, state)
    endings = {role: _ending(connection, role) for role in Role}
    closing = {role: _closing(connection, role) for role in Role}
    delta = _delta(replay)
    reasons = _reasons(replay)
    cause = _cause(connection, subject, delta, reasons)
    if not _handshake_seen(connection):
        doubts.append("the connection's opening (SYN, SYN ACK) is not in the capture")
    doubts += _doubts_of_wire(connection)
    if state is not None and {state.local, state.remote} != {connection.client, connection.server}:
        doubts.append(f"the closed socket ({state.local}) is not of this connection")
    witnesses = (
        _wire(connection, subject, endings[subject], closing[subject]),
        *_own_witnesses(connection, replay, gate or Gate(), delta, endings[subject], closing[subject]),
        *_tracepoint(reasons, endings[subject], cause),
        _peer(testimony, endings[subject]),
    )
    doubts += [f"{w.name} contradicts the wire: {w.says}" for w in witnesses if w.agrees is False]
    first = (
        min((indices[0], role) for role, indices in closing.items() if indices)
        if any(closing.values())
        else None
    )
    return Verdict(
        subject=subject,
        client=endings[Role.CLIENT],
        server=endings[Role.SERVER],
        active_closer=first[1] if first else None,
        cause=cause,
        peer_cause=_cause(connection, subject.other),
        closing_segment=_notation(connection, closing[subject]),
        deciding=_deciding(closing, first[1] if first else subject, subject),
        conn_state=conn_state(connection),
        witnesses=witnesses,
        doubts=tuple(doubts),
    )


# What makes a verdict inconclusive before the wire is even looked at


def _doubts_of_capture(capture: CaptureFacts) -> list[str]:
    doubts = []
    if capture.dropped:
        doubts.append(f"the capture is incomplete: the kernel dropped {capture.dropped} frames")
    if not capture.fenced:
        doubts.append("the capture's end was not fenced: the last frames may be missing")
    return doubts


def _doubts_of_replay(replay: Replay | None, state: SocketState | None, gate: Gate) -> list[str]:
    if replay is None:
        return [] if gate == Gate() else ["nobody told what the receive buffer held at the close"]
    doubts = []
    died_at_close = replay.end is SessionEnd.NODE_GONE and len(replay.calls) == replay.close_line
    if replay.end is not SessionEnd.DONE and not died_at_close:
        doubts.append(f"the session ended early: {replay.end}, line {len(replay.calls)}: {replay.error}")
    for what, wanted in (("unread", gate.unread), ("received", gate.received)):
        if wanted is None:
            continue
        if state is None:
            doubts.append(f"how many bytes were {what} at the close is not known ({wanted} wanted)")
        elif not _holds(wanted, measured := getattr(state, what), state.received):
            doubts.append(f"{measured} bytes were {what} at the close, not {wanted}")
    return doubts


def _holds(wanted: int | str, measured: int, received: int) -> bool:
    if wanted == "all":
        return 0 < measured == received
    if wanted == "some":
        return measured > 0
    return measured == wanted


def _doubts_of_peer(testimony: Testimony | None, must_testify: bool) -> list[str]:
    if testimony is None:
        return ["the peer's application was not heard"] if must_testify else []
    return [f"the peer could not do its part: {testimony.trouble}"] if testimony.trouble else []


def _handshake_seen(connection: Connection) -> bool:
    refused = any(connection.role(s) is Role.SERVER and s.rst for s in connection.segments)
    opened = any(s.syn and not s.has_ack for s in connection.segments)
    answered = any(s.syn and s.has_ack for s in connection.segments)
    return opened and (answered or (refused and not any(s.payload_len for s in connection.segments)))


def _doubts_of_wire(connection: Connection) -> list[str]:
    """A byte that was acknowledged but never captured betrays a hole, whatever the drop count says."""
    whole = {Role.CLIENT: 0, Role.SERVER: 0}  # every number below was captured
    beyond: dict[Role, list[tuple[int, int]]] = {Role.CLIENT: [], Role.SERVER: []}
    for segment in connection.segments:
        role = connection.role(segment)
        seq, ack = connection.relative(segment)
        if ack > whole[role.other]:
            return [
                f"the capture has a hole: {connection.notation(segment)} acknowledges what was never captured"
            ]
        beyond[role].append((seq, seq + segment.payload_len + segment.syn + segment.fin))
        for first, end in sorted(beyond[role]):
            if first <= whole[role]:
                whole[role] = max(whole[role], end)
        beyond[role] = [piece for piece in beyond[role] if piece[1] > whole[role]]
    return []


# What the wire shows


def _subject(connection: Connection, state: SocketState | None) -> Role:
    return Role.SERVER if state is not None and state.local == connection.server else Role.CLIENT


def _closing(connection: Connection, role: Role) -> list[int]:
    """Indices of this end's FIN and RST, each as first sent: a retransmission decides nothing."""
    found: list[int] = []
    # A RST before this end's (repeated) SYN cleared an older connection: RFC 9293 section 3.5.1, figure 9.
    own_syns = (i for i, s in enumerate(connection.segments) if s.syn and connection.role(s) is role)
    opened = max(own_syns, default=0)
    for index, segment in enumerate(connection.segments):
        if index < opened or connection.role(segment) is not role:
            continue
        if segment.rst or (segment.fin and not any(connection.segments[i].fin for i in found)):
            found.append(index)
    return found


def _ending(connection: Connection, role: Role) -> Ending:
    closing = [connection.segments[index] for index in _closing(connection, role)]
    if not closing:
        return Ending.NONE
    if closing[0].rst:
        return Ending.RST
    return Ending.FIN_THEN_RST if any(segment.rst for segment in closing) else Ending.FIN


def _deciding(closing: Mapping[Role, Sequence[int]], closer: Role, subject: Role) -> tuple[int, ...]:
    """What the active closer and the end under test closed with: the first segment, and a RST after it."""
    own = list(closing[closer][:2]) or list(closing[closer.other][:1])
    return tuple(sorted({*own, *closing[subject][:2]}))


def _notation(connection: Connection, closing: Sequence[int]) -> str:
    return connection.notation(connection.segments[closing[0]]) if closing else ""


def _cause(
    connection: Connection,
    role: Role,
    delta: Mapping[str, int] | None = None,
    reasons: Sequence[str] | None = None,
) -> Cause | None:
    """Why this end sent its first RST; of an abort whose RST was overtaken, why it aborted.

    `delta` are the counters that its own kernel raised at the close, `reasons` those that it gave.
    """
    resets = [index for index in _closing(connection, role) if connection.segments[index].rst]
    if not resets:
        return None
    at = _abort(connection, role, resets) or resets[0]
    before = connection.segments[:at]
    own = [s for s in before if connection.role(s) is role]
    others = [s for s in before if connection.role(s) is not role]
    reset = connection.segments[at]
    if not own and any(s.syn and not s.has_ack for s in others):
        return Cause.CLOSED_PORT
    if not reset.has_ack:
        # RFC 9293 section 3.5.2, group 1: the answer to a segment for a connection that is gone takes
        # its sequence number from that segment's ACK field.
        answered = any(s.payload_len and s.has_ack and s.ack == reset.seq for s in others)
        return Cause.DATA_AFTER_CLOSE if answered and any(s.fin for s in own) else Cause.UNKNOWN
    raised = [cause for counter, cause in _CAUSE_BY_COUNTER.items() if delta and delta.get(counter, 0) > 0]
    if len(raised) == 1:
        return raised[0]
    # Counters are those of a whole namespace; a reason is this connection's own.
    # A late segment is answered without an ACK (RFC 9293 section 3.5.2): that is no reason for this RST.
    told = [cause for cause in _told(reasons) if cause is not Cause.DATA_AFTER_CLOSE]
    return told[0] if told else Cause.UNKNOWN


def _abort(connection: Connection, role: Role, resets: Sequence[int]) -> int | None:
    """The RST of an abort behind bare ones that no FIN came before.

    The socket is gone before the abort's RST leaves (__tcp_close, Linux 6.12: tcp_set_state, then
    tcp_send_active_reset): a segment that comes in between is answered at once, and that answer is first.
    """
    first = connection.segments[resets[0]]
    closed = any(s.fin and connection.role(s) is role for s in connection.segments[: resets[0]])
    if first.has_ack or closed:
        return None
    return next((index for index in resets if connection.segments[index].has_ack), None)


# What the others say


def _reasons(replay: Replay | None) -> tuple[str, ...] | None:
    """The kernel's reasons for each RST of the tested socket; None where it gives none."""
    if replay is None or replay.resets is None:
        return None
    return tuple(reset.reason for reset in replay.resets)


def _delta(replay: Replay | None) -> Mapping[str, int] | None:
    if replay is None or replay.counters_before is None or replay.counters_after is None:
        return None
    before = replay.counters_before
    return {name: after - before[name] for name, after in replay.counters_after.items() if name in before}


def _wire(connection: Connection, subject: Role, ending: Ending, closing: Sequence[int]) -> Witness:
    says = ", then ".join(connection.notation(connection.segments[index]) for index in closing)
    return Witness(name="the wire", says=f"{subject} sent {says or 'neither FIN nor RST'}", agrees=True)


def _own_witnesses(
    connection: Connection,
    replay: Replay | None,
    gate: Gate,
    delta: Mapping[str, int] | None,
    ending: Ending,
    closing: Sequence[int],
) -> list[Witness]:
    if replay is None:
        return []
    return [
        _counters(delta, ending),
        _buffer(connection, replay.subject, gate, closing),
        _calls(replay),
        *_system_calls(replay),
    ]


def _counters(delta: Mapping[str, int] | None, ending: Ending) -> Witness:
    name = "the kernel's counters"
    if delta is None:
        return Witness(name=name, says="not read", agrees=None)
    says = (
        ", ".join(f"{key.partition(':')[2]} +{value}" for key, value in delta.items() if value) or "unchanged"
    )
    aborted = delta.get("TcpExt:TCPAbortOnClose", 0) > 0
    reset_sent = delta.get(_OUT_RSTS, 0) > 0
    agrees: bool | None
    if ending is Ending.RST:
        agrees = reset_sent if _OUT_RSTS in delta else None
    elif ending is Ending.FIN_THEN_RST:
        agrees = None if not (aborted or reset_sent) else True
    else:
        agrees = not (aborted or reset_sent)
    return Witness(name=name, says=says, agrees=agrees)


def _buffer(connection: Connection, state: SocketState | None, gate: Gate, closing: Sequence[int]) -> Witness:
    """The buffer's witness also checks the gate's instant: what the close acknowledged had been counted.

    Where the gate names no number, more may have come in between: then the buffer is no witness of the close.
    """
    name = "the receive buffer"
    if state is None:
        return Witness(name=name, says="not read before the close", agrees=None)
    says = f"{state.unread} of {state.received} bytes unread at the close"
    first = connection.segments[closing[0]] if closing else None
    if first is None or not first.has_ack:
        return Witness(name=name, says=says, agrees=None)
    role = connection.role(first)
    _, acknowledged = connection.relative(first)
    peer_fin = any(
        s.fin and connection.role(s) is not role and distance(first.ack, s.seq + s.payload_len) > 0
        for s in connection.segments[: closing[0]]
    )
    arrived = acknowledged - 1 - (1 if peer_fin else 0)
    # A FIN may have left before the close line (a shutdown), and data may have come in between.
    if arrived == state.received or (first.fin and arrived < state.received):
        return Witness(name=name, says=says, agrees=True)
    return Witness(
        name=name,
        says=f"{says}, but the close acknowledges {arrived}",
        agrees=None if gate.received is None and gate.unread in (None, "some") else False,
    )


def _calls(replay: Replay) -> Witness:
    if not 0 < replay.close_line <= len(replay.calls):
        return Witness(name="the closing call", says=f"was never reached: {replay.end}", agrees=None)
    call = replay.calls[replay.close_line - 1]
    return Witness(name="the closing call", says=f"{call.source} -> {call.result}", agrees=None)


def _system_calls(replay: Replay) -> list[Witness]:
    """What strace saw. It cannot tell a RST from a FIN: both are a plain close(2); that is the point."""
    if replay.system_calls is None:
        return []
    return [Witness(name="the system call", says=closing_calls(replay.system_calls), agrees=None)]


def _told(reasons: Sequence[str] | None) -> list[Cause]:
    return [_CAUSE_BY_REASON[reason] for reason in reasons or () if reason in _CAUSE_BY_REASON]


def _tracepoint(reasons: Sequence[str] | None, ending: Ending, cause: Cause | None) -> list[Witness]:
    """The kernel's own word for why it sent a RST, or that it sent none."""
    if reasons is None:
        return []
    says = f"RST sent: {', then '.join(reasons)}" if reasons else "no RST sent"
    told = _told(reasons)
    sent = bool(reasons) == (ending in (Ending.RST, Ending.FIN_THEN_RST))
    fits = not told or cause is Cause.UNKNOWN or cause in told
    return [Witness(name="the tracepoint", says=says, agrees=sent and fits)]


def _peer(testimony: Testimony | None, ending: Ending) -> Witness:
    """A peer's end of file needs a FIN, a peer's reset needs a RST; nothing more can be asked of it."""
    name = "the peer's application"
    if testimony is None:
        return Witness(name=name, says="not heard", agrees=None)
    says = f"{testimony.end} after {testimony.received} bytes read, {testimony.sent} sent"
    agrees: bool | None = None
    if testimony.end == _END_OF_FILE:
        agrees = ending in (Ending.FIN, Ending.FIN_THEN_RST)
    elif testimony.end in _RESET_ERRORS:
        agrees = ending in (Ending.RST, Ending.FIN_THEN_RST)
    return Witness(name=name, says=says, agrees=agrees)


def _nothing_seen(doubts: Sequence[str]) -> Verdict:
    return Verdict(
        subject=Role.CLIENT,
        client=Ending.NONE,
        server=Ending.NONE,
        active_closer=None,
        cause=None,
        peer_cause=None,
        closing_segment="",
        deciding=(),
        conn_state="OTH",
        witnesses=(),
        doubts=tuple(doubts),
    )
