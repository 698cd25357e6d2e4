"""Turns saved evidence into judged replays: which connection belongs to which, and its outcome.

Pure, so that tomorrow's judge can judge today's evidence, on any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.evidence.records import CaptureFacts, PeerReport, Replay, SessionEnd
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Scenario, Server
from rst_or_fin.tcp.causes import RETRIES, Retries
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.two_ends import both_ends
from rst_or_fin.verdict.aborts import abort_index
from rst_or_fin.verdict.assessment import AssessedConnection, Assessment
from rst_or_fin.verdict.connection_names import ConnectionNames, identify_connections
from rst_or_fin.verdict.expectation import compare_with_expectation
from rst_or_fin.verdict.judge import PeerTraits, judge
from rst_or_fin.verdict.outcome import outcome
from rst_or_fin.verdict.peer_reports import reports_by_connection
from rst_or_fin.verdict.replay_tracker import ReplayTracker
from rst_or_fin.verdict.verdict import Verdict
from rst_or_fin.verdict.witnesses import HostReport


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
    names: ConnectionNames | None = None,
) -> Assessment:
    """Judge every connection of one replay, and compare it with what its scenario expects.

    `node` is the Erlang node's address on the test network: whichever end has it is the end under test.
    `at_peer` are the connections as captured at the peer's end, where there is a second capture.
    """
    names = names or identify_connections(replay, connections)
    told = reports_by_connection(connections, peer_reports, names.under_test)
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
        _judged(scenario, connection, index, names, capture, report, told[index], node, at_peer)
        for index, connection in enumerate(connections)
    ]
    main = every[names.under_test] if names.under_test is not None else None
    verdict = main.verdict if main else _unseen(scenario, capture, replay)
    others = tuple(each for each in every if each is not main)
    verdict, comparisons = compare_with_expectation(scenario, main, verdict, every, replay)
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
    names: ConnectionNames,
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
    tested, name, replay = index == names.under_test, names.variables[index], report.replay
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
    is_watched = all(replay.watch for replay in replays)
    near = _cut(frames, replays, _last_of_watch) if is_watched else _by_socket(frames, replays)
    far = _cut(frames_at_peer, replays, _last_of_wire)
    return [
        judge_replay(scenario, connections, capture, replay, told, node, clock_error_ns, at_peer)
        for connections, replay, told, at_peer in zip(near, replays, peer_reports, far, strict=True)
    ]


def _cut(
    frames: Iterable[Frame], replays: Sequence[Replay], last_frame: Callable[[Replay], int | None]
) -> Iterator[list[Connection]]:
    """Yield each replay's connections, by the number of its last frame; None for a replay without frames."""
    tracker = ReplayTracker()
    unread = iter(frames)
    for replay in replays:
        last = last_frame(replay)
        tracker.see(islice(unread, max(0, last - tracker.frames) if last is not None else 0))
        yield tracker.take()


def _last_of_watch(replay: Replay) -> int | None:
    return replay.watch.last_frame if replay.watch is not None else None


def _last_of_wire(replay: Replay) -> int | None:
    return replay.wire.last_frame if replay.wire is not None else None


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
