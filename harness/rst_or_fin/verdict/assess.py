"""Turns saved evidence into judged replays: which connection belongs to which, and its outcome.

Pure, so that tomorrow's judge can judge today's evidence, on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.records import Record
from rst_or_fin.evidence import pcap
from rst_or_fin.evidence.records import CaptureFacts, Moment, PeerReport, Replay, SessionEnd, SocketState
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import ConnectionExpectation, Expectation, Scenario, Server
from rst_or_fin.scenario.wire import Do
from rst_or_fin.tcp.acceptance import ConnectionReading
from rst_or_fin.tcp.causes import RETRIES, Retries
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.tcp.tracker import ConnectionTracker, Conversation
from rst_or_fin.tcp.two_ends import both_ends
from rst_or_fin.verdict import passing
from rst_or_fin.verdict.aborts import abort_index
from rst_or_fin.verdict.delivery import Delivery
from rst_or_fin.verdict.judge import PeerTraits, judge
from rst_or_fin.verdict.outcome import Comparison, Outcome, compare, lines, outcome
from rst_or_fin.verdict.verdict import NODE, PEER, Verdict
from rst_or_fin.verdict.witnesses import HostReport

UNDER_TEST = ("Sock", "sock")  # as Erlang and as Elixir call their variables


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessedConnection:
    """One connection of a replay.

    `order` counts from 1 as they opened; `name` is the variable that it was bound to, if any; `socket` its
    state right before the close line, None if it was not looked at.
    """

    order: int
    name: str
    connection: Connection
    socket: SocketState | None
    peer_report: PeerReport | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """One replay with everything that is known of it.

    `connection`, `socket`, `peer_report` and `verdict` are of the connection under test; `connection` is None
    if nothing of it was captured. `others` are all other connections of the replay.
    """

    replay: Replay
    peer_report: PeerReport | None
    connection: Connection | None
    socket: SocketState | None
    verdict: Verdict
    others: tuple[AssessedConnection, ...]
    comparisons: tuple[Comparison, ...]
    outcome: Outcome

    def record(self) -> dict[str, Any]:
        """Return what verdicts.jsonl and `--json` hold of it: plain values under stable names."""
        return {
            "index": self.replay.index,
            "outcome": self.outcome,
            **verdict_record(self.verdict, self.connection),
            "connections": [
                {
                    "order": other.order,
                    "variable": other.name,
                    "client": other.connection.client,
                    "server": other.connection.server,
                    **verdict_record(other.verdict, other.connection),
                }
                for other in self.others
            ],
            "comparisons": [
                {"what": c.what, "expected": c.expected, "actual": c.actual, "same": c.same}
                for c in self.comparisons
            ],
        }


def verdict_record(verdict: Verdict, connection: Connection | None) -> dict[str, Any]:
    """Return a verdict under stable names. `subject` is the Erlang node's role in the connection."""
    return {
        "validity": verdict.validity,
        "doubts": verdict.doubts,
        "ending": verdict.ending,
        "peer_ending": verdict.peer_ending,
        "subject": verdict.subject,
        "active_closer": verdict.active_closer,
        "closed_first": _host_of(verdict, verdict.active_closer),
        "cause": verdict.cause,
        "cause_candidates": verdict.candidates,
        "told_apart_by": verdict.told_apart_by,
        "peer_cause": verdict.peer_cause,
        "closing_segment": verdict.closing_segment,
        "deciding": [
            {"index": index, "notation": connection.notation(connection.segments[index])}
            for index in verdict.deciding
            if connection is not None
        ],
        "conn_state": verdict.conn_state,
        "delivery": _delivery_record(verdict.delivery),
        "remarks": verdict.remarks,
        "witnesses": verdict.witnesses,
    }


def _delivery_record(found: Delivery | None) -> dict[str, int | bool | None] | None:
    if found is None:
        return None
    return {
        "sent": found.sent,
        "handed_over": found.handed_over,
        "encrypted": found.encrypted,
        "on_wire": found.on_wire,
        "acknowledged": found.acknowledged,
        "peer_read": found.read,
        "lost": found.lost,
    }


def _host_of(verdict: Verdict, role: Role | None) -> str | None:
    """Return which host has that role in the connection."""
    if role is None:
        return None
    return NODE if role is verdict.subject else PEER


class ReplayTracker:
    """The connections of a run, replay after replay, as its frames come."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._tracker = ConnectionTracker()
        self._begun: list[Conversation] = []
        self.frames = 0  # seen so far

    def __len__(self) -> int:
        """Count the connections since the last replay's were taken."""
        return len(self._begun)

    def see(self, frames: Iterable[Frame]) -> None:
        """Take in captured frames."""
        for frame in frames:
            self.frames += 1
            record = Record(frame.t_ns, pcap.ETHERNET, frame.data, len(frame.data))
            segment = self._decoder.segment(record, self.frames)
            if segment is not None:
                self.add(segment)

    def add(self, segment: Segment) -> None:
        """Take in a segment."""
        begun = self._tracker.add(segment)
        if begun is not None:
            self._begun.append(begun)

    def ends(self) -> list[tuple[tuple[Endpoint, Endpoint], bool]]:
        """Return the two ends of each connection since the last `take`, and whether it is over."""
        return [(conversation.ends, conversation.reading.over) for conversation in self._begun]

    def may_be_of(self, index: int, peer_report: PeerReport) -> bool:
        """Return whether a report can be about that one of these connections."""
        return _may_be_of(self._begun[index].reading, peer_report)

    def is_answered(self, index: int) -> bool:
        """Return whether that one of these connections has been answered, or is over."""
        reading = self._begun[index].reading
        return reading.answered_ns is not None or reading.over

    def take(self) -> list[Connection]:
        """Return these connections, for the replay that is over: no later segment changes them."""
        begun, self._begun = self._begun, []
        return [conversation.take() for conversation in begun]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The names of a replay's connections, and which of them is under test.

    `names` has one for each connection, empty if it was bound to no variable; `under_test` is an index,
    None if the connection under test was not captured.
    """

    names: tuple[str, ...]
    under_test: int | None


def cast(replay: Replay, connections: Sequence[Connection]) -> Cast:
    """Find the connection under test: the one bound to `Sock`, or else the first bound, or else the first."""
    names = [""] * len(connections)
    first_bound: int | None = None
    missing = False
    for name, local, remote, line in _bound(replay):
        found = _of_socket(replay, connections, names, local, remote, line)
        if found is None:
            missing = missing or name in UNDER_TEST
            continue
        if names[found] not in UNDER_TEST:
            names[found] = name
        first_bound = found if first_bound is None else first_bound
    if missing:
        return Cast(names=tuple(names), under_test=None)
    tested = next((index for index, name in enumerate(names) if name in UNDER_TEST), None)
    if tested is not None:
        return Cast(names=tuple(names), under_test=tested)
    fallback = 0 if connections else None
    return Cast(names=tuple(names), under_test=fallback if first_bound is None else first_bound)


def _bound(replay: Replay) -> Iterator[tuple[str, Endpoint, Endpoint, int]]:
    """Yield every name with its two ends and the line that bound it; 0 if that is unknown."""
    if replay.bound:
        yield from ((b.name, b.local, b.remote, b.line) for b in replay.bound)
    else:
        yield from ((s.name, s.local, s.remote, 0) for s in replay.sockets)


def _of_socket(
    replay: Replay,
    connections: Sequence[Connection],
    names: Sequence[str],
    local: Endpoint,
    remote: Endpoint,
    line: int,
) -> int | None:
    """Return which connection a socket is: of those with its two ends the last begun when it was bound.

    Where the time is unknown, the first that has no name yet.
    """
    alike = [i for i, c in enumerate(connections) if {c.client, c.server} == {local, remote}]
    bound_ns = replay.calls[line - 1].end_ns if 0 < line <= len(replay.calls) else None
    if bound_ns is not None:
        alike = [i for i in alike if connections[i].segments[0].t_ns <= bound_ns][-1:] or alike[:1]
    return next((i for i in alike if not names[i]), alike[0] if alike else None)


def role_of(node: str, connection: Connection) -> Role:
    """Return which end the Erlang node is: the one with its address."""
    return Role.SERVER if connection.server.address == node != connection.client.address else Role.CLIENT


def judge_replay(
    scenario: Scenario,
    connections: Sequence[Connection],
    capture: CaptureFacts,
    replay: Replay,
    peer_reports: Sequence[PeerReport],
    node: str,
    clock_error_ns: int = 0,
    at_peer: Sequence[Connection] = (),
    roles: Cast | None = None,
) -> Assessment:
    """Judge every connection of one replay, and compare it with what its scenario expects.

    `node` is the Erlang node's address on the test network: whichever end has it is the end under test.
    `at_peer` are the connections as captured at the peer's end, where there is a second capture.
    """
    roles = roles or cast(replay, connections)
    told = _reports_by_connection(connections, peer_reports, roles.under_test)
    if replay.watch is not None:
        capture = CaptureFacts(dropped=replay.watch.dropped, fenced=True)
    report = HostReport(
        replay=replay,
        resets_ns=tuple(_resets_ns(connections, node)),
        aborts_ns=tuple(_aborts_ns(connections, node)),
        clock_error_ns=clock_error_ns,
        retries=_retries(scenario),
    )
    every = [
        _judged(scenario, connection, index, roles, capture, report, told[index], node, at_peer)
        for index, connection in enumerate(connections)
    ]
    main = every[roles.under_test] if roles.under_test is not None else None
    verdict = main.verdict if main else _unseen(scenario, capture, replay)
    others = tuple(each for each in every if each is not main)
    verdict, comparisons = _held_against(scenario, main, verdict, every, replay)
    return Assessment(
        replay=replay,
        peer_report=main.peer_report if main else None,
        connection=main.connection if main else None,
        socket=main.socket if main else None,
        verdict=verdict,
        others=others,
        comparisons=comparisons,
        outcome=outcome(verdict, comparisons, race=scenario.race, varied=scenario.varied),
    )


def _retries(scenario: Scenario) -> Retries:
    sysctls = scenario.node.sysctls
    return Retries(
        open=int(sysctls.get("net.ipv4.tcp_retries2", RETRIES.open)),
        orphan=int(sysctls.get("net.ipv4.tcp_orphan_retries", 0)) or RETRIES.orphan,
    )


def _judged(
    scenario: Scenario,
    connection: Connection,
    index: int,
    roles: Cast,
    capture: CaptureFacts,
    report: HostReport,
    peer_report: PeerReport | None,
    node: str,
    at_peer: Sequence[Connection],
) -> AssessedConnection:
    subject = role_of(node, connection)
    found = None
    if report.replay.wire is not None:
        found = both_ends(connection, _same(connection, at_peer), subject)
    tested, name, replay = index == roles.under_test, roles.names[index], report.replay
    socket = next((s for s in replay.sockets if s.name == name and name), None)
    verdict = judge(
        found.near if found is not None else connection,
        capture=capture,
        subject=subject,
        report=HostReport(
            replay=replay if tested else replace(replay, resets=None, system_calls=None),
            socket=socket,
            resets_ns=report.resets_ns,
            aborts_ns=report.aborts_ns,
            waiting=_waited(replay, connection, node),
            clock_error_ns=report.clock_error_ns,
            retries=report.retries,
        ),
        peer_report=peer_report,
        precondition=scenario.precondition if tested else Precondition(),
        peer=_traits(scenario.server, tested=tested),
        settle_ms=scenario.settle_ms,
        ends_node=scenario.ends_node,
        two_ends=found,
    )
    return AssessedConnection(
        order=index + 1,
        name=name,
        connection=found.shown if found is not None else connection,
        socket=socket,
        peer_report=peer_report,
        verdict=verdict,
    )


def _traits(server: Server, *, tested: bool) -> PeerTraits:
    """Return what the judge must know of a peer; only the connection under test needs its report."""
    kind = peers.kind_of(server)
    return PeerTraits(
        must_report=tested and kind.requires_peer_report,
        counts_bytes=kind.counts_bytes,
        is_encrypted=bool(peers.tls_version(server)),
        has_kernel=not kind.spare,
    )


def _same(connection: Connection, at_peer: Sequence[Connection]) -> Connection | None:
    """Return the same connection at the peer's end; None if nothing of it came that far."""
    ends = {connection.client, connection.server}
    alike = [each for each in at_peer if {each.client, each.server} == ends]
    exact = [each for each in alike if each.client_isn == connection.client_isn]
    return next(iter(exact or alike), None)


def _unseen(scenario: Scenario, capture: CaptureFacts, replay: Replay) -> Verdict:
    return judge(
        None,
        capture=capture,
        report=HostReport(replay=replay),
        precondition=scenario.precondition,
        ends_node=scenario.ends_node,
    )


def _reports_by_connection(
    connections: Sequence[Connection], peer_reports: Sequence[PeerReport], under_test: int | None
) -> list[PeerReport | None]:
    """Return each connection's report: by the end that connected, in the order of the reports.

    One that names no port is of all connections from there, and goes with the connection under test.
    """
    left = list(peer_reports)
    found: list[PeerReport | None] = []
    for index, connection in enumerate(connections):
        clients = [connection.client]
        if under_test in (index, None):
            clients.append(Endpoint(connection.client.address, 0))
        told = next((t for t in left if t.peer in clients and _may_be_of(connection.reading, t)), None)
        if told is not None:
            left.remove(told)
        found.append(told)
    return found


def _may_be_of(reading: ConnectionReading, peer_report: PeerReport) -> bool:
    """Return False if the report is older than the SYN ACK: an earlier connection had the same ports."""
    if peer_report.t_ns is None or reading.answered_ns is None:
        return True
    return peer_report.t_ns > reading.answered_ns


def tested_peer_report(
    roles: Cast, connections: Sequence[Connection], peer_reports: Sequence[PeerReport]
) -> PeerReport | None:
    """Return what the peer's application saw of the connection under test; None without a report."""
    if roles.under_test is None:
        return None
    return _reports_by_connection(connections, peer_reports, roles.under_test)[roles.under_test]


def _resets_ns(connections: Sequence[Connection], node: str) -> Iterator[int]:
    for connection in connections:
        yield from (s.t_ns for s in connection.segments if s.rst and s.src.address == node)


def _aborts_ns(connections: Sequence[Connection], node: str) -> Iterator[int]:
    for connection in connections:
        index = abort_index(connection, role_of(node, connection))
        if index is not None:
            yield connection.segments[index].t_ns


def _waited(replay: Replay, connection: Connection, node: str) -> bool | None:
    """Return whether the session closed a listener in whose queue this connection may have waited."""
    if role_of(node, connection) is not Role.SERVER:
        return False
    gone = replay.end is SessionEnd.NODE_GONE
    for listener in replay.listening:
        if listener.local.port == connection.server.port and (listener.closed or gone):
            bound = any(b.remote == connection.client for b in replay.bound)
            return not bound
    return None


def _held_against(
    scenario: Scenario,
    main: AssessedConnection | None,
    verdict: Verdict,
    every: Sequence[AssessedConnection],
    replay: Replay,
) -> tuple[Verdict, tuple[Comparison, ...]]:
    """Return the verdict with the doubts that the expectation adds, and every point that it names."""
    verdict = _doubted(verdict, _doubts_of_path(scenario, replay, verdict))
    if scenario.varied:
        verdict = _without_gate(verdict, replay, main)
    if scenario.race or scenario.varied:
        return verdict, ()
    comparisons = list(compare(scenario.expect, verdict, replay, main.peer_report if main else None))
    comparisons += lines(scenario.line, replay)
    doubts = _unheard(scenario.expect, main)
    for wanted in scenario.connection:
        found = _wanted(wanted, every)
        if found is None:
            comparisons.append(Comparison(what=wanted.name, expected="a connection", actual="none"))
            continue
        told = (*_unheard(wanted.expect, found), *(found.verdict.doubts if found is not main else ()))
        doubts += [f"{wanted.name}: {doubt}" for doubt in told]
        comparisons += [
            replace(point, what=f"{wanted.name}: {point.what}")
            for point in compare(wanted.expect, found.verdict, replay, found.peer_report)
        ]
    return _doubted(verdict, (doubt for doubt in doubts if doubt not in verdict.doubts)), tuple(comparisons)


def _doubted(verdict: Verdict, doubts: Iterable[str]) -> Verdict:
    """Return the verdict with more doubts, or itself where there are none, as is the rule."""
    more = tuple(doubts)
    return replace(verdict, doubts=(*verdict.doubts, *more)) if more else verdict


def _doubts_of_path(scenario: Scenario, replay: Replay, verdict: Verdict) -> Iterator[str]:
    """Yield a doubt for each of the scenario's wire rules that was not played."""
    played = replay.wire
    if played is None:
        if scenario.needs_wire:
            yield "nothing stood between the hosts that could play the wire's rules"
        return
    yield from passing.doubts(played, verdict.passages)
    done = {(action.rule, action.did) for action in played.actions}
    for number, rule in enumerate(scenario.rules):
        held = (number, "hold") in done
        if (number, "release" if rule.do is Do.HOLD else str(rule.do)) not in done:
            why = "what it held was never let go" if held else "it never matched"
            yield f"wire rule {number + 1} ({rule.told}) was not played: {why}"


def _wanted(wanted: ConnectionExpectation, every: Sequence[AssessedConnection]) -> AssessedConnection | None:
    """Return the connection that an expectation names, or None."""
    by_name = (c for c in every if c.name == wanted.variable if wanted.variable)
    return (
        next(by_name, None) if wanted.variable else next(iter(every[wanted.order - 1 : wanted.order]), None)
    )


def _unheard(expect: Expectation, found: AssessedConnection | None) -> list[str]:
    """Return a doubt if something is expected of the peer's application and it was not heard."""
    points = (expect.peer_sees, expect.peer_received, expect.peer_received_below, expect.lost)
    silent = found is not None and found.peer_report is None
    return ["the peer's application was not heard"] if silent and any(p is not None for p in points) else []


def _without_gate(verdict: Verdict, replay: Replay, main: AssessedConnection | None) -> Verdict:
    """Add doubts if no unread bytes were demanded and the closing kernel did not report them.

    With a precondition, counters that could not be read may be forgiven; where a parameter is varied, they
    and the state of the receive buffer are all that ties the ending to what was done.
    """
    doubts = []
    if main is None or main.socket is None:
        doubts.append(
            "the receive buffer was not read before the close, and no precondition stands in for it"
        )
    if replay.reading(Moment.BEFORE) is None or replay.reading(Moment.AFTER) is None:
        doubts.append(
            "the kernel's counters were not read around the close, and no precondition stands in for them"
        )
    return _doubted(verdict, doubts)


def assess_run(
    scenario: Scenario,
    frames: Iterable[Frame],
    capture: CaptureFacts,
    replays: Sequence[Replay],
    peer_reports: Sequence[Sequence[PeerReport]],
    node: str,
    clock_error_ns: int = 0,
    frames_at_peer: Iterable[Frame] = (),
) -> list[Assessment]:
    """Judge a whole run from its saved evidence, each replay by the frames that had passed in its time."""
    parts = _by_watch(frames, replays) if all(r.watch for r in replays) else _by_socket(frames, replays)
    far = _at_peer(frames_at_peer, replays)
    return [
        judge_replay(scenario, connections, capture, replay, told, node, clock_error_ns, at_peer)
        for connections, replay, told, at_peer in zip(parts, replays, peer_reports, far, strict=True)
    ]


def _at_peer(frames: Iterable[Frame], replays: Sequence[Replay]) -> Iterator[list[Connection]]:
    wire = ReplayTracker()
    passing_ = iter(frames)
    for replay in replays:
        last = replay.wire.last_frame if replay.wire is not None else wire.frames
        wire.see(islice(passing_, max(0, last - wire.frames)))
        yield wire.take()


def _by_watch(frames: Iterable[Frame], replays: Sequence[Replay]) -> Iterator[list[Connection]]:
    wire = ReplayTracker()
    passing = iter(frames)
    for replay in replays:
        last = replay.watch.last_frame if replay.watch is not None else wire.frames
        wire.see(islice(passing, max(0, last - wire.frames)))
        yield wire.take()


def _by_socket(frames: Iterable[Frame], replays: Sequence[Replay]) -> Iterator[list[Connection]]:
    """Yield each replay's connections by its sockets: older evidence does not say which frames are whose."""
    wire = ReplayTracker()
    wire.see(frames)
    left = wire.take()
    if len(replays) == 1:
        yield left
        return
    for replay in replays:
        ends = [{socket.local, socket.remote} for socket in replay.sockets]
        found = []
        for pair in ends:
            match = next((c for c in left if {c.client, c.server} == pair), None)
            if match is not None:
                found.append(match)
                left.remove(match)
        yield found
