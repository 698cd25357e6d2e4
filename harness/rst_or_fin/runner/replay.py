"""Conducts a run: one scenario on one testbed becomes one evidence folder and its verdicts.

Nothing else knows the order of things: gather the facts, begin a replay, collect what the node says, fence
the capture, hear the peer, write it all down, and only then judge.
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
from rst_or_fin.engine.kernels import running_release
from rst_or_fin.errors import LinkError, LinkLostError, MachineError
from rst_or_fin.evidence.counters import COUNTERS
from rst_or_fin.evidence.records import (
    Call,
    CaptureFacts,
    CounterReading,
    Moment,
    Replay,
    SessionEnd,
    Watch,
)
from rst_or_fin.node import session
from rst_or_fin.runner.recorder import Recorder
from rst_or_fin.runner.settling import settle
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS, pinned_with
from rst_or_fin.scenario.wire import order
from rst_or_fin.storage import evidence_format, evidence_writer
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.testbed import Testbed
from rst_or_fin.verdict.assess import Assessment, cast, judge_replay, tested_peer_report

_SESSION_SLACK_S = 10.0
_TOOLS = ("docker", "erldistpy", "msgspec", "pyrlang")
_NO_PORT = ("eaddrinuse", "eaddrnotavail")  # what a connect fails with where no local port is free
_CLOCK_TRIES = 3
_UNWINDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run: a scenario (with its file's own text), how often, and where the evidence goes."""

    scenario: Scenario
    scenario_text: str
    repeat: int
    folder: Path
    command_line: tuple[str, ...]


def axes_of(bed: Testbed) -> Axes:
    """Return where a replay on this testbed stands on every axis, as far as possible from the node."""
    return _axes(bed, session.node_facts(bed.link))


def _axes(bed: Testbed, node: Mapping[str, str]) -> Axes:
    return Axes(
        runtime=str(bed.facts()["runtime"]),
        otp=node["otp"],
        backend=node["backend"],
        family=6 if ":" in bed.server.address else 4,
        kernel=running_release(node["kernel"], node["kernel_build"]),
    )


def run(
    request: Request,
    bed: Testbed,
    renew: Callable[[], Testbed],
    on_call: Callable[[Call], None] | None = None,
) -> Iterator[Assessment]:
    """Play the scenario `repeat` times, yielding each replay as soon as it is judged.

    The folder is complete when the iterator ends; if it ends early, it holds what there was until then.
    `renew` gives a fresh testbed in place of one whose node a session has ended. `on_call` hears each
    session line as it returns.
    """
    node = session.node_facts(bed.link)
    axes = _axes(bed, node)
    scenario = request.scenario.at(axes)
    clock = _clock(bed)
    manifest = _manifest(request, bed, axes, clock, node)
    with evidence_writer.Writer(
        request.folder, scenario_text=request.scenario_text, manifest=manifest
    ) as writer:
        recorder = Recorder(writer)
        dropped = 0
        play = _Play(scenario, bed, live=request.repeat == 1 or bool(scenario.server.start_after_line))
        ref: bytes | None = play.begin_anew()
        for index in range(request.repeat):
            cue = _cue(scenario, bed, on_call)
            assert ref is not None
            between = partial(recorder.peek, bed) if play.may_be_watched else None
            begun: list[bytes] = []
            replay = session.collect(
                bed.link, ref, index, play.patience_s, cue, bed.check, between, begun.append
            )
            settled = settle(scenario, bed, recorder)
            watch = Watch(
                first_frame=recorder.first_frame,
                last_frame=recorder.near.frames,
                until_ns=bed.now_ns(),
                dropped=dropped + bed.dropped(),
                left_open=settled.left_open,
            )
            played = recorder.played(bed, settled.left_open)
            connections, at_peer = recorder.take()
            roles = cast(replay, connections)
            gone = replay.end is SessionEnd.NODE_GONE or bed.link.is_lost()
            goes_on = index + 1 < request.repeat and not gone and not (played is not None and played.gone)
            if goes_on:
                play.announce(index + 1)
            tested = connections[roles.under_test] if roles.under_test is not None else None
            inside = _inside_view(bed, tested)
            told = _settled(bed, node_gone=gone)
            ref = None
            if goes_on:
                with suppress(LinkLostError):  # the node is gone, as will be seen
                    ref = play.begin()  # it plays while this one is judged
            seen = {"watch": watch, "wire": played, **inside}
            replay = clock.on_ours(_with_last_words(bed, replay, told, seen, begun, gone=gone))
            peer_reports = settled.peer_reports
            with _undisturbed():
                writer.secrets(bed.secrets())
                writer.replay(replay, peer_reports, tested_peer_report(roles, connections, peer_reports))
                judged = judge_replay(
                    scenario,
                    connections,
                    CaptureFacts(dropped=watch.dropped, fenced=True),
                    replay,
                    peer_reports,
                    bed.client_address,
                    clock.error_ns,
                    at_peer,
                    roles,
                )
                writer.verdict(judged.record())
                writer.flush()
                yield judged
            if index + 1 < request.repeat and (ref is None or replay.end is SessionEnd.NODE_GONE):
                dropped += bed.dropped()
                if bed.wire is not None:
                    recorder.renewed(bed.wire.dropped_at_peer())
                bed = renew()
                play = _Play(scenario, bed, live=play.live)
                ref = play.begin_anew(index + 1)
        capture = CaptureFacts(dropped=dropped + bed.dropped(), fenced=True)
        writer.finish(finished=_now(), capture=capture)


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


def _clock(bed: Testbed) -> _Clock:
    """Compare the node's clock with the capture's, where their kernels differ."""
    if bed.shares_clock:
        return _Clock()
    tries = []
    for _ in range(_CLOCK_TRIES):
        bed.drain()
        before_ns = bed.now_ns()
        node_ns = session.counters(bed.link).from_ns or 0
        bed.drain()
        after_ns = bed.now_ns()
        tries.append((after_ns - before_ns, node_ns - (before_ns + after_ns) // 2))
    error_ns, offset_ns = min(tries)
    return _Clock(offset_ns=offset_ns, error_ns=error_ns)


class _Play:
    """What is asked of one testbed for every replay of a scenario: made once, sent often."""

    def __init__(self, scenario: Scenario, bed: Testbed, *, live: bool) -> None:
        self.live = live
        self.patience_s = _patience_s(scenario)
        # What lies in a tap is a clone of what the kernel may send again, and tells whether it is joined then
        # with what follows (tcp_can_collapse, Linux 6.12). So taps are left alone before a session's close
        # line (played live, every line is told), and where segments are lost or late on purpose.
        disturbed = scenario.rules or (scenario.random is not None and not scenario.random.is_idle)
        self.may_be_watched = not (live or disturbed)
        self._bed = bed
        self._rules = order(scenario.rules, scenario.random)
        self._order = session.order(
            session=session.written_in(scenario.language, scenario.session),
            bindings={
                "Server": _address_term(bed.server.address),
                "Port": str(bed.server.port),
                "Self": _address_term(bed.client_address),
                **bed.bindings,
                **{name: str(value) for name, value in (scenario.parameters | scenario.given).items()},
            },
            close_line=scenario.close_line,
            line_timeout_s=scenario.line_timeout_ms / 1000,
            live=live,
        )

    def announce(self, index: int) -> None:
        """Tell the wire between the hosts, where there is one, which replay comes next."""
        if self._bed.wire is not None:
            self._bed.wire.order(self._rules, index)

    def begin(self) -> bytes:
        """Begin the replay that was announced, and return its ref. Raises LinkLostError."""
        if self._bed.wire is not None:
            self._bed.wire.await_playing()
        return self._bed.link.send(self._order)

    def begin_anew(self, index: int = 0) -> bytes:
        """Begin on a testbed that this run has not used yet.

        What was captured there before belongs to no replay of this run: it is thrown away.
        """
        self._bed.drain()
        if self._bed.wire is not None:
            self._bed.wire.drain_peer()
        self.announce(index)
        return self.begin()


def _patience_s(scenario: Scenario) -> float:
    lines = scenario.session.count("\n") + 1
    return scenario.line_timeout_ms / 1000 * lines + _SESSION_SLACK_S


_Settled = tuple[CounterReading, bytes]  # what is picked out of all counters, and the text of all of them


def _settled(bed: Testbed, *, node_gone: bool) -> _Settled | bytes:
    """Read the counters once the wire has settled, or ask the node for them and return the ref."""
    if not node_gone and not bed.kernels_at_hand:
        with suppress(LinkLostError):
            return session.ask_counters(bed.link)
    return _beside(bed)


def _with_last_words(
    bed: Testbed,
    replay: Replay,
    settled: _Settled | bytes,
    seen: Mapping[str, Any],
    begun: Sequence[bytes],
    *,
    gone: bool,
) -> Replay:
    """Return the replay with these counters too, from the node or, if it is gone, from beside it.

    `seen` is what was seen of it beside the node, by the names of a Replay; `begun` the text of all counters
    as the session began, empty where the node never told. A node that is gone by then is asked after, and so
    are the local ports where none was free.
    """
    if isinstance(settled, bytes):
        try:
            settled = session.told_counters(bed.link, settled, Moment.SETTLED)
        except LinkError as error:
            gone = gone or isinstance(error, LinkLostError)
            settled = _beside(bed)
    reading, tables = settled
    changed = counters.changed(begun[0], tables) if begun and tables else None
    replay = replace(replay, readings=(*replay.readings, reading), changed=changed, **seen)
    if gone:
        replay = replace(
            replay,
            end=SessionEnd.NODE_GONE,
            error=replay.error or "it ended while the wire was watched",
            node_status=bed.node_status(),
        )
    if any(word in replay.error for word in _NO_PORT) and (waiting := bed.ports_waiting()) is not None:
        replay = replace(replay, error=f"{replay.error}; {waiting} local ports are in TIME_WAIT")
    return replay


def _beside(bed: Testbed) -> _Settled:
    from_ns = bed.now_ns()
    tables = bed.counter_tables()
    reading = CounterReading(
        moment=Moment.SETTLED,
        counters=counters.pick(tables, COUNTERS),
        from_ns=from_ns,
        to_ns=bed.now_ns(),
    )
    return reading, tables


def _inside_view(bed: Testbed, tested: Connection | None) -> dict[str, Any]:
    """Return what strace and the kernel's tracepoint saw of the tested socket, where there are any."""
    if tested is None:
        return {}
    ends = tested.client, tested.server
    local, remote = ends if tested.client.address == bed.client_address else ends[::-1]
    return {"system_calls": bed.system_calls(local, remote), "resets": bed.resets(local, remote)}


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
    scenario: Scenario, bed: Testbed, on_call: Callable[[Call], None] | None
) -> Callable[[Call], None] | None:
    """Wrap `on_call` so that a peer that is the client connects once the session's line for it returned."""
    if not scenario.server.start_after_line:
        return on_call
    returned = 0

    def hear(call: Call) -> None:
        nonlocal returned
        returned += 1
        if returned == scenario.server.start_after_line:
            bed.start_peer()
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
    request: Request, bed: Testbed, axes: Axes, clock: _Clock, node: Mapping[str, str]
) -> evidence_format.Manifest:
    return evidence_format.Manifest(
        format=evidence_format.format_of(wired=bed.wire is not None),
        program=f"rst-or-fin {__version__}",
        command_line=request.command_line,
        started=_now(),
        finished=None,
        scenario=request.scenario.name,
        repeat=request.repeat,
        parameters=request.scenario.given,
        chance=request.scenario.chance,
        axes=axes,
        server=(bed.server.address, bed.server.port),
        client_address=bed.client_address,
        capture=CaptureFacts(dropped=0, fenced=False),
        clock_error_ns=clock.error_ns,
        facts={
            **bed.facts(),
            "tools": _tools(),
            "node": node,
            "sysctls": _sysctls(request, bed),
        },
    )


def _sysctls(request: Request, bed: Testbed) -> dict[str, str]:
    """Return the sysctls of the node's host. Raises MachineError where a scenario's own was not taken."""
    found = session.sysctls(bed.link, tuple(PINNED_SYSCTLS))
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
