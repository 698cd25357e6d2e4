"""The ladder: one connection as rows between two hosts, top to bottom in time. Layout as data, no drawing.

Left is the end under test with its Erlang session, right its peer with what it saw. `ladder_svg`,
`ladder_mermaid` and `ladder_text` draw the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from rst_or_fin.escaping import clipped, preview, visible
from rst_or_fin.evidence.records import PeerReport, unread_share
from rst_or_fin.report.explanations import marked
from rst_or_fin.report.stretches import middles
from rst_or_fin.report.terminal import headline
from rst_or_fin.report.timeline import Timeline, timeline
from rst_or_fin.report.trace_text import passed
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.segment import Segment
from rst_or_fin.tcp.two_ends import Fate
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.verdict import NODE, PEER

PREVIEW_LEN = 60
NOTE_LEN = 300
_LINE_BREAK = re.compile(r"\s*\n\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One side of the ladder."""

    name: str
    role: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """A session line as it begins; `result` is there where nothing happened before it returned.

    `t_ns` counts from the first segment; None if the time was deduced rather than measured.
    """

    t_ns: int | None
    number: int
    source: str
    result: str | None
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRow:
    """A session line as it returns."""

    t_ns: int | None
    number: int
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferRow:
    """The moment of the close: what lay in the receive buffer of the end under test, in bytes."""

    unread: int
    received: int

    @property
    def text(self) -> str:
        """Return `right before the close: 485 of 485 bytes unread`."""
        return f"right before the close: {unread_share(self.unread, self.received)} unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """A segment. `meaning` is not empty for those that decide; `payload` is the first line of its data.

    `passed` says in words what became of it on its way, where both ends were captured and it did not simply
    arrive: `never arrived`. `leaves` and `arrives`: it was seen at its sender's end, and at the other.
    """

    t_ns: int
    rightward: bool
    notation: str
    reset: bool
    ends: bool
    payload: str
    payload_len: int
    meaning: str
    passed: str = ""
    leaves: bool = True
    arrives: bool = True

    @property
    def label(self) -> str:
        """Return what stands on its arrow; of a RST that ends nothing (late, or not acceptable) that too."""
        said = f"{self.notation} ({self.passed})" if self.passed else self.notation
        return f"{said}: decides nothing" if self.reset and not self.meaning else said


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRow:
    """What the peer's application saw in the end."""

    t_ns: int | None
    says: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRow:
    """Plain segments that were left out, and the payload bytes in them."""

    count: int
    rightward_len: int
    leftward_len: int


_LATE_NS = 5_000_000  # on its way; what a wire without faults takes is far less


class _Passed(TypedDict):
    passed: str
    leaves: bool
    arrives: bool


Row = CallRow | ReturnRow | BufferRow | SegmentRow | PeerRow | FoldRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Everything that a drawing needs. Strings are visible (no control characters), but not yet escaped."""

    title: str
    description: str
    left: Host
    right: Host
    rows: tuple[Row, ...]
    verdict: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """A row with its place. At the same instant a segment comes first; calls keep the session's order."""

    t_ns: int
    rank: int
    row: Row


_ON_THE_WIRE, _AT_A_HOST = range(2)


def ladder(
    scenario: Scenario, judged: Assessment, *, everything: bool = False, key_log: bytes = b""
) -> Ladder:
    """Lay out one replay; of long runs of plain segments only the ends, unless `everything` is wanted.

    `key_log` holds the secrets of its TLS connections, in NSS's format.
    """
    verdict, connection = judged.verdict, judged.connection
    calls = timeline(judged.replay, connection, verdict.subject, judged.socket)
    start_ns = connection.segments[0].t_ns if connection else 0
    events = list(_calls(judged, calls, start_ns))
    if connection is not None:
        events += _segments(judged, connection, key_log)
        if judged.peer_report is not None:
            events.append(_peer(judged.peer_report, connection, verdict.subject))
    events.sort(key=lambda event: (event.t_ns, event.rank))
    rows = [*_joined([event.row for event in events])]
    said = visible(headline(judged))
    name = visible(scenario.name) or "a session"
    return Ladder(
        title=f"{name}: {said}",
        description=f"{visible(' '.join(scenario.claim.split()))} {_outline(judged)}",
        left=_host(judged, verdict.subject, NODE),
        right=_host(judged, verdict.subject.other, PEER),
        rows=tuple(rows if everything else folded(rows)),
        verdict=said,
        notes=tuple(_notes(judged, calls)),
    )


def _calls(judged: Assessment, calls: Timeline, start_ns: int) -> Iterator[_Event]:
    replay = judged.replay
    for number, (call, moment) in enumerate(zip(replay.calls, calls.moments, strict=True), start=1):
        closes = number == replay.close_line
        if closes and judged.socket is not None:
            state = judged.socket
            yield _Event(
                t_ns=calls.snapshot_ns,
                rank=_AT_A_HOST,
                row=BufferRow(unread=state.unread, received=state.received),
            )
        yield _Event(
            t_ns=moment.start_ns,
            rank=_AT_A_HOST,
            row=CallRow(
                t_ns=moment.start_ns - start_ns if calls.measured else None,
                number=number,
                source=call.source.strip(),
                result=None,
                closes=closes,
            ),
        )
        yield _Event(
            t_ns=moment.end_ns,
            rank=_AT_A_HOST,
            row=ReturnRow(
                t_ns=moment.end_ns - start_ns if calls.measured else None,
                number=number,
                result=_flat(call.result),
            ),
        )


def _segments(judged: Assessment, connection: Connection, key_log: bytes) -> Iterator[_Event]:
    meanings = marked(judged)
    records = _tls_records(connection, key_log)
    start_ns = connection.segments[0].t_ns
    for index, segment in enumerate(connection.segments):
        row = SegmentRow(
            t_ns=segment.t_ns - start_ns,
            rightward=connection.role(segment) is judged.verdict.subject,
            notation=connection.notation(segment),
            reset=segment.rst,
            ends=segment.syn or segment.fin or segment.rst,
            payload=records.get(index) or preview(segment.payload, PREVIEW_LEN),
            payload_len=segment.payload_len,
            meaning=meanings.get(index, ""),
            **_passed(judged, index, start_ns),
        )
        yield _Event(t_ns=segment.t_ns, rank=_ON_THE_WIRE, row=row)


def _tls_records(connection: Connection, key_log: bytes) -> dict[int, str]:
    """Name the TLS records that begin in each segment, by its index; empty if there are none."""
    first = next((segment.payload for segment in connection.segments if segment.payload_len), b"")
    # A handshake record, and the first byte of its version (RFC 8446 section 5.1).
    if not first.startswith(b"\x16\x03"):
        return {}
    from rst_or_fin.report import tls_records  # 40 ms, for those who need it

    named = tls_records.names(connection.segments, tls_records.secrets_of(key_log))
    return {index: ", ".join(here) for index, here in named.items()}


def _peer(peer_report: PeerReport, connection: Connection, subject: Role) -> _Event:
    """Place the peer's report when it was made, else between what it heard and the FIN it answered with."""
    t_ns, measured = _heard_ns(peer_report, connection, subject)
    row = PeerRow(
        t_ns=t_ns - connection.segments[0].t_ns if measured else None,
        says="closes first" if peer_report.end == "closed" else f"sees {visible(peer_report.end)}",
        detail=f"after {peer_report.received} bytes read, {peer_report.sent} sent",
    )
    return _Event(t_ns=t_ns, rank=_AT_A_HOST, row=row)


def _heard_ns(peer_report: PeerReport, connection: Connection, subject: Role) -> tuple[int, bool]:
    first, last = connection.segments[0].t_ns, connection.segments[-1].t_ns
    said = peer_report.t_ns
    if said and first <= said <= last + 1_000_000_000:
        return said, True
    peers = [s for s in connection.segments if connection.role(s) is not subject]
    own = [s for s in connection.segments if connection.role(s) is subject]
    if peer_report.end == "closed":
        return _first_ns(peers, lambda s: s.fin or s.rst, last + 1) - 1, False
    if peer_report.end == "end of file":
        heard = _first_ns(own, lambda s: s.fin, last)
        heard = max([heard, *(s.t_ns for s in peers if s.payload_len)])
        answer = _first_ns([s for s in peers if s.t_ns > heard], lambda s: s.fin, heard + 1)
        return answer - 1, False
    return _first_ns(own, lambda s: s.rst, last), False


def _first_ns(segments: Sequence[Segment], wanted: Callable[[Segment], bool], otherwise: int) -> int:
    return next((segment.t_ns for segment in segments if wanted(segment)), otherwise)


def _joined(rows: Sequence[Row]) -> Iterator[Row]:
    """Merge a call and its return into one row where nothing happened between them."""
    waiting: CallRow | None = None
    for row in rows:
        if waiting is not None:
            if isinstance(row, ReturnRow) and row.number == waiting.number:
                yield replace(waiting, result=row.result)
                waiting = None
                continue
            yield waiting
            waiting = None
        if isinstance(row, CallRow):
            waiting = row
        else:
            yield row
    if waiting is not None:
        yield waiting


def folded(rows: Sequence[Row]) -> Iterator[Row]:
    """Keep only the first and last of a long stretch of segments that neither open nor end anything."""
    plain = [isinstance(row, SegmentRow) and not _stands_out(row) for row in rows]
    done = 0
    for middle in middles(plain):
        yield from rows[done : middle.start]
        left_out = [row for row in rows[middle.start : middle.stop] if isinstance(row, SegmentRow)]
        yield FoldRow(
            count=len(left_out),
            rightward_len=sum(row.payload_len for row in left_out if row.rightward),
            leftward_len=sum(row.payload_len for row in left_out if not row.rightward),
        )
        done = middle.stop
    yield from rows[done:]


def _passed(judged: Assessment, index: int, start_ns: int) -> _Passed:
    """Say what became of a segment on its way, where both ends were captured."""
    if not judged.verdict.passages:
        return {"passed": "", "leaves": True, "arrives": True}
    passage = judged.verdict.passages[index]
    left, arrived = passage.left_ns, passage.arrived_ns
    late = left is not None and arrived is not None and arrived - left > _LATE_NS
    return {
        "passed": passed(passage, start_ns) if late or passage.fate is not Fate.ARRIVED else "",
        "leaves": left is not None,
        "arrives": arrived is not None,
    }


def _stands_out(row: SegmentRow) -> bool:
    return row.ends or bool(row.meaning) or bool(row.passed)


def _host(judged: Assessment, role: Role, name: str) -> Host:
    connection = judged.connection
    if connection is None:
        return Host(name=name, role=str(role), address="")
    endpoint = connection.client if role is Role.CLIENT else connection.server
    return Host(name=name, role=str(role), address=visible(str(endpoint)))


def _names(judged: Assessment) -> dict[Role, str]:
    return {judged.verdict.subject: NODE, judged.verdict.subject.other: PEER}


def _outline(judged: Assessment) -> str:
    """Describe the picture in words, for readers who cannot see it."""
    connection = judged.connection
    if connection is None:
        return "No segment of the connection was captured."
    said = [
        f"the {_names(judged)[connection.role(connection.segments[index])]} sends"
        f" {connection.notation(connection.segments[index])}, {meaning}"
        for index, meaning in marked(judged).items()
    ]
    closing = "; then ".join(said) or "neither end sends a FIN or a RST"
    heard = ""
    if judged.peer_report is not None:
        heard = f" The peer's application sees {visible(judged.peer_report.end)}."
    return f"{len(connection.segments)} segments; {closing}.{heard}"


def _notes(judged: Assessment, calls: Timeline) -> Iterator[str]:
    for doubt in judged.verdict.doubts:
        yield clipped(f"inconclusive: {visible(_flat(doubt))}", NOTE_LEN)
    if judged.connection is None:
        yield "No segment of this connection was captured."
    elif judged.replay.calls and not calls.measured:
        yield "The calls have no recorded times; each is placed by what it caused."


def _flat(text: str) -> str:
    """Put a term that the shell printed over several lines on one."""
    return _LINE_BREAK.sub(" ", text.strip())
