"""Turns a captured connection into scenarios: a session that closes as the end did, a script for its peer.

Where the capture leaves the cause of a RST open there is one scenario for each candidate, each of which is to
give the same segments. What the capture cannot carry is refused. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from rst_or_fin.analysis.captured import Case
from rst_or_fin.analysis.overview import causes_of
from rst_or_fin.analysis.steps import (
    Own,
    Peers,
    ReplaySteps,
    Step,
    StepKind,
    is_plain_http,
    replay_steps,
    unread_from,
)
from rst_or_fin.errors import InconclusiveError, UsageError
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.tcp.segment import SPACE, Flags, Segment
from rst_or_fin.verdict.judge import closing_segments

MOST_LINES = 2_000  # of a script: a longer one does not fit a command line
_SEGMENT_LEN = 1_400  # bytes of one send: a segment of its own with IPv6 and an MSS of 1460 as well
_PAYLOAD_LEN = 1_460
_RESETS = (Ending.RST, Ending.FIN_THEN_RST)
# How a session brings a cause about; the others are timers, or no act of the session's at all.
_PLAYED = (Cause.UNREAD_DATA, Cause.ZERO_LINGER, Cause.LISTENER_CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One scenario: the cause that it plays, None for an orderly end, and its file's text."""

    cause: Cause | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSource:
    """Where a case comes from: `where` names the capture, `when` the time of its first segment."""

    case: Case
    where: str
    when: str


def end_to_play(case: Case) -> Role:
    """Return the end to explain: the one that reset the connection, else the one that closed first."""
    found = case.verdict
    resetting = [role for role in Role if _ending(case, role) in _RESETS]
    if len(resetting) == 1:
        return resetting[0]
    return found.active_closer or Role.CLIENT


def imported(source: CaseSource, own: Role, *, payload: bool | None) -> list[Imported]:
    """Write the scenarios of a case. `payload`: keep it or not; None: keep it if it is plain HTTP.

    Raises InconclusiveError if the verdict is in doubt, UsageError if nothing that a session does gives
    this ending.
    """
    case = source.case
    _check(case, own)
    told = replay_steps(case.connection, own)
    if any(step.first < 0 or (step.ack or 0) < 0 for step in told.steps):
        raise UsageError(
            f"connection {case.number} has sequence numbers below its SYN's", "import a similar connection"
        )
    keep = is_plain_http(told.steps) if payload is None else payload
    found = [
        Imported(cause=cause, text=_Writer(source, own, told, cause, keep).text())
        for cause in _causes(case, own, told)
    ]
    if not found:
        names = " or ".join(causes_of(case.verdict, own)[1]) or "a RST without a FIN before it"
        raise UsageError(f"no session can play this: {names}", "docs/importing.md says what can be imported")
    return found


def _check(case: Case, own: Role) -> None:
    found = case.verdict
    if found.doubts:
        raise InconclusiveError(
            f"connection {case.number} is not imported: {found.doubts[0]}",
            "import from a capture that holds the whole connection, from its SYN on",
        )
    if _ending(case, own) is Ending.NONE:
        raise UsageError(
            f"the {own} of connection {case.number} sent neither FIN nor RST",
            f"import the other end: --end {own.other}",
        )


def _causes(case: Case, own: Role, told: ReplaySteps) -> list[Cause | None]:
    """Return the causes to play: the proved one, or each candidate that a session can bring about."""
    cause, candidates, _ = causes_of(case.verdict, own)
    if _ending(case, own) is Ending.FIN:
        return [None]
    if cause is Cause.DATA_AFTER_CLOSE:
        return [cause]
    open_ = (cause,) if cause is not Cause.UNKNOWN else candidates
    found: list[Cause | None] = [c for c in open_ if c in _PLAYED]
    if not told.own_received and Cause.UNREAD_DATA in found:
        found.remove(Cause.UNREAD_DATA)
    return found


def _ending(case: Case, role: Role) -> Ending:
    return case.verdict.client if role is Role.CLIENT else case.verdict.server


class _Writer:
    """Writes one scenario: session and script side by side, step by step."""

    def __init__(
        self, source: CaseSource, own: Role, told: ReplaySteps, cause: Cause | None, keep: bool
    ) -> None:
        self._source, self._own, self._told, self._cause, self._keep = source, own, told, cause, keep
        self._mss = min(told.mss or 536, _PAYLOAD_LEN)
        self._segment_len = min(_SEGMENT_LEN, self._mss)
        self._session: list[str] = []
        self._script: list[str] = []
        self._received = self._read = 0  # bytes of the peer that the session has waited for, and read
        self._peer_fin = False
        self._window = told.window
        self._open = True  # the socket is the session's

    def text(self) -> str:
        """Write the file."""
        self._begin()
        steps = self._told.steps
        for place, step in enumerate(steps):
            if isinstance(step, Peers):
                self._script += self._sends(step)
            else:
                self._expect(step)
                self._do(step, steps[place + 1 :])
        if self._open:
            self._close()
        if len(self._script) > MOST_LINES:
            raise UsageError(
                f"the script would have {len(self._script)} lines; {MOST_LINES} is the limit",
                "import a shorter connection of the same kind",
            )
        return _file(self._head(), self._session, self._precondition(), self._server(), self._expectation())

    # The opening

    def _begin(self) -> None:
        window = f" win {self._window}" if self._window != 65_535 else ""
        if self._own is Role.CLIENT:
            self._script += ["expect S", f"send S. 0:0(0) ack 1{window} mss {self._mss}"]
            options = "[{active, false}, {nodelay, true}]"
            self._session.append(f"{{ok, Sock}} = gen_tcp:connect(Server, Port, {options}).")
        else:
            self._script += [f"send S 0:0(0){window} mss {self._mss}", "expect S. 0:0(0) ack 1"]
            options = "[{ip, Self}, {active, false}, {nodelay, true}, {reuseaddr, true}]"
            self._session.append(f"{{ok, Listener}} = gen_tcp:listen(Port, {options}).")
            if self._cause is not Cause.LISTENER_CLOSED:
                self._session.append("{ok, Sock} = gen_tcp:accept(Listener).")

    # The script's part

    def _expect(self, step: Own) -> None:
        if step.kind is StepKind.DATA:
            for first, end in _chunks(step.first, step.end, self._segment_len):
                self._script.append(f"expect P. {first}:{end}({end - first}) ack {step.ack}")
            return
        ack = "" if step.ack is None else f" ack {step.ack}"
        self._script.append(f"expect {_bare(step.flags)} {step.end}:{step.end}(0){ack}")

    def _sends(self, step: Peers) -> Iterator[str]:
        ack = "" if step.ack is None else f" ack {step.ack}"
        window = f" win {step.window}" if step.window != self._window else ""
        self._window = step.window
        chunks = _chunks(step.first, step.end, _PAYLOAD_LEN) or [(step.first, step.end)]
        for first, end in chunks:
            flags = step.flags if end == step.end else step.flags.replace("F", "").replace("P", "")
            yield f"send {flags} {first}:{end}({end - first}){ack}{window}"

    # The session's part

    def _do(self, step: Own, later: Sequence[Step]) -> None:
        if not self._open:
            return  # what the kernel sends by itself
        self._wait(step)
        if step.kind is StepKind.DATA:
            self._read_to(self._readable(step))
            for first, end in _chunks(step.first, step.end, self._segment_len):
                data = step.payload[first - step.first : end - step.first]
                self._session.append(f"ok = gen_tcp:send(Sock, {self._data(data, end - first)}).")
        elif step.kind is StepKind.FIN and _goes_on(step, later):
            self._read_to(self._readable(step))
            self._session.append("ok = gen_tcp:shutdown(Sock, write).")
        else:
            self._read_to(self._readable(step))
            self._close()

    def _wait(self, step: Own) -> None:
        received = step.received or 0
        if received > self._received and self._cause is not Cause.LISTENER_CLOSED:
            self._session.append(f"await_received(Sock, {received}).")
            self._received = received
        if step.peer_fin and not self._peer_fin:
            self._session.append("await_peer_fin(Sock).")
            self._peer_fin = True

    def _readable(self, step: Own) -> int:
        """Return how far the session has read at a step: all of it, except what is unread at the close."""
        received = step.received or 0
        if self._cause is not Cause.UNREAD_DATA:
            return received
        answered = unread_from(self._told.steps)
        return min(received, answered if answered < self._told.own_received else 0)

    def _read_to(self, number: int) -> None:
        if number > self._read:
            self._session.append(f"{{ok, _}} = gen_tcp:recv(Sock, {number - self._read}).")
            self._read = number

    def _close(self) -> None:
        self._open = False
        if self._cause is Cause.LISTENER_CLOSED:  # nothing tells a session who waits in its accept queue
            self._session.append("timer:sleep(1000).")
        if self._cause is Cause.ZERO_LINGER:
            self._session.append("ok = inet:setopts(Sock, [{linger, {true, 0}}]).")
        socket = "Listener" if self._cause is Cause.LISTENER_CLOSED else "Sock"
        self._session.append(f"gen_tcp:close({socket}).")

    def _data(self, data: bytes, length: int) -> str:
        if self._keep and len(data) == length:
            return f'"{_escaped(data)}"'
        return f'binary:copy(<<"x">>, {length})'

    # What stands around them

    def _head(self) -> list[str]:
        case = self._source.case
        own = _ending(case, self._own)
        why = f", {self._cause}" if self._cause is not None else ""
        segments = case.connection.segments
        frames = f"frames {segments[0].frame_no} to {segments[-1].frame_no}"
        where = f"{self._source.where}, connection {case.number} ({frames}), {self._source.when} UTC"
        lines = []
        cause, candidates, _ = causes_of(case.verdict, self._own)
        if cause is Cause.UNKNOWN and self._cause is not None:
            others = " or ".join(candidates)
            lines += [
                f"# The capture leaves the cause open: {others}.",
                "# This is one of them, and gives the same segments.",
            ]
        if self._keep:
            lines.append(
                "# What the end under test sends is what was captured: look for secrets before you share it."
            )
        return [
            "# Imported from a capture. Fill in claim and sources: what does it show, and who says so?",
            *lines,
            f"claim = {_string(f'The {self._own} ends with {own}{why}.')}",
            f"sources = [{_string(where)}]",
        ]

    def _precondition(self) -> list[str]:
        if self._cause is Cause.LISTENER_CLOSED:
            return []
        return ["[precondition]", f"unread = {self._received - self._read}", f"received = {self._received}"]

    def _server(self) -> list[str]:
        kind = "scripted" if self._own is Role.CLIENT else "scripted-client"
        start = [] if self._own is Role.CLIENT else ["start_after_line = 1"]
        return [
            "[server]",
            f'kind = "{kind}"',
            *start,
            "",
            "[server.options]",
            'script = """',
            *self._script,
            '"""',
        ]

    def _expectation(self) -> list[str]:
        case, connection = self._source.case, self._source.case.connection
        first = closing_segments(connection, self._own)[0]
        lines = [
            "[expect]",
            f'ending = "{_ending(case, self._own)}"',
            f'peer_ending = "{_ending(case, self._own.other)}"',
        ]
        if self._cause is not None:
            lines.append(f'cause = "{self._cause}"')
        segment = connection.segments[first]
        lines.append(f'closing_segment = "{connection.notation(_without_payload(segment))}"')
        return [*lines, 'peer_sees = "script played"', f'conn_state = "{case.verdict.conn_state}"']


def _goes_on(fin: Own, later: Sequence[Step]) -> bool:
    """Return whether the end still receives, or aborts, after its FIN: then it was not closed yet."""
    resets = [step for step in later if isinstance(step, Own) and step.kind is StepKind.RST]
    if resets:
        return resets[0].ack is not None
    return _is_taken(fin, later)


def _is_taken(fin: Own, later: Sequence[Step]) -> bool:
    """Return whether the peer sent data after the FIN that no RST answers."""
    return any(
        isinstance(step, Peers) and step.end > step.first and step.end > (fin.ack or 0) for step in later
    )


def _chunks(first: int, end: int, length: int) -> list[tuple[int, int]]:
    return [(at, min(at + length, end)) for at in range(first, end, length)]


def _bare(flags: str) -> str:
    """Return the control bits of a closing segment without those that its data brought in."""
    return flags.replace("P", "").replace("E", "").replace("W", "")


def _without_payload(segment: Segment) -> Segment:
    """Return a closing segment as if its data were a segment of its own, sent before."""
    if not segment.payload_len:
        return segment
    return msgspec.structs.replace(
        segment,
        seq=(segment.seq + segment.payload_len) % SPACE,
        flags=segment.flags & ~Flags.PSH,
        payload_len=0,
        payload=b"",
    )


def _escaped(data: bytes) -> str:
    """Write bytes as an Erlang string, in a TOML literal string."""
    short = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\"}
    plain = (
        short.get(byte) or (chr(byte) if 32 <= byte < 127 and byte != 0x27 else f"\\x{{{byte:x}}}")
        for byte in data
    )
    return "".join(plain)


def _string(text: str) -> str:
    """Write text as a TOML basic string."""
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in text) + '"'


def _file(
    head: Sequence[str],
    session: Sequence[str],
    precondition: Sequence[str],
    server: Sequence[str],
    expect: Sequence[str],
) -> str:
    blocks = [[*head], ["session = '''", *session, "'''"], [*precondition], [*server], [*expect]]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
