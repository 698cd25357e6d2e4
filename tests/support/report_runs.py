"""Runs for the reports' tests: the judge's cases with a session, a capture and names of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rst_or_fin.evidence import pcap
from rst_or_fin.evidence.records import Call, CaptureFacts, PeerReport, Replay, SessionEnd
from rst_or_fin.report.records import Run
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.model import Expectation, Scenario
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.verdict.assess import assess_run
from rst_or_fin.verdict.outcome import Outcome

from tests.support.cases import ABORT, ABORT_ON_CLOSE, CLOSE, SHUTDOWN_THEN_ABORT, WHOLE, heard, replay
from tests.support.segments import HANDSHAKE, A, capture, segments

CONNECT = "{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}])."
SEND = 'gen_tcp:send(Sock, "GET / HTTP/1.1\\r\\n\\r\\n").'
AWAIT = "await_unread(Sock, 485)."
SHUTDOWN = "gen_tcp:shutdown(Sock, write)."
CLOSING = "gen_tcp:close(Sock)."
RESULTS = {CONNECT: "{ok,#Port<0.7>}", AWAIT: "485"}


def played(*sources: str, close_line: int = 0, **facts: Any) -> Replay:
    """A replay of these lines, each one and a half milliseconds long; `facts` as of `cases.replay`."""
    calls = tuple(Call(source=s, result=RESULTS.get(s, "ok"), duration_us=1500) for s in sources)
    return replace(replay(**facts), calls=calls, close_line=close_line or len(calls))


def scenario(**changed: Any) -> Scenario:
    given: dict[str, Any] = {
        "name": "close-with-unread-response",
        "claim": "A close with unread data sends a RST.",
        "sources": ("RFC 2525 section 2.17",),
        "session": f"{CONNECT}\n{CLOSING}\n",
        "expect": Expectation(ending=Ending.RST),
    }
    return Scenario(**given | changed)


def run(
    wire: str = ABORT,
    of: Replay | None = None,
    peer_report: PeerReport | None = None,
    *,
    folder: str = "20261123T115757Z-a-8b397b",
    facts: dict[str, Any] | None = None,
    whole: CaptureFacts = WHOLE,
    **changed: Any,
) -> Run:
    """A run of one replay; `changed` is what its scenario has of its own."""
    of = of or played(CONNECT, SEND, AWAIT, CLOSING, raised=ABORT_ON_CLOSE)
    return _run([(segments(wire), of, peer_report)], folder, facts, whole, scenario(**changed))


def aborted(**changed: Any) -> Run:
    return run(peer_report=heard("ECONNRESET"), **changed)


def closed(**changed: Any) -> Run:
    of = played(CONNECT, SEND, AWAIT, "gen_tcp:recv(Sock, 0).", CLOSING, unread=0)
    own: dict[str, Any] = {"name": "recv-then-close", "expect": Expectation(ending=Ending.FIN)}
    return run(CLOSE, of, heard("end of file"), **own | changed)


def shut_down(**changed: Any) -> Run:
    of = played(CONNECT, SEND, SHUTDOWN, AWAIT, CLOSING, raised=ABORT_ON_CLOSE)
    own: dict[str, Any] = {"name": "fin-then-rst", "expect": Expectation(ending=Ending.FIN_THEN_RST)}
    return run(SHUTDOWN_THEN_ABORT, of, heard("end of file"), **own | changed)


def crashed(**changed: Any) -> Run:
    of = played(CONNECT, CLOSING, raised=ABORT_ON_CLOSE, end=SessionEnd.CRASHED)
    return run(of=of, name="crashed", **changed)


def long_transfer(count: int = 200) -> Run:
    """A response of that many segments of 100 bytes, none of which is read."""
    wire = HANDSHAKE + "> P. 1:19(18) ack 1\n"
    wire += "".join(f"< . {1 + 100 * i}:{101 + 100 * i}(100) ack 19\n" for i in range(count))
    wire += f"> R. 19:19(0) ack {100 * count + 1}"
    of = played(CONNECT, SEND, CLOSING, received=100 * count, unread=100 * count, raised=ABORT_ON_CLOSE)
    return run(wire, of, name="long-transfer")


def sweeping() -> Run:
    """A point of a sweep: nothing is expected of it."""
    own = scenario(name="swept", parameters={"Read": 10}, given={"Read": 9})
    of = closed()
    return replace(of, scenario=own, judgements=(replace(of.judgements[0], outcome=Outcome.MEASURED),))


def repeated(*wires: str) -> Run:
    """A run of many replays, each on a port of its own; those that end in a FIN had read everything."""
    found = []
    for index, wire in enumerate(wires):
        port = Endpoint(A.address, 40_000 + index)
        start_ns = 1_700_000_000_000_000_000 + index * 1_000_000_000
        unread, raised = (485, ABORT_ON_CLOSE) if wire is ABORT else (0, {})
        of = played(CONNECT, CLOSING, index=index, local=port, unread=unread, raised=raised)
        found.append((segments(wire, a=port, start_ns=start_ns), of, None))
    return _run(found, "repeated", None, WHOLE, scenario())


def _run(
    replays: Sequence[tuple[list[Segment], Replay, PeerReport | None]],
    folder: str,
    facts: dict[str, Any] | None,
    whole: CaptureFacts,
    of: Scenario,
) -> Run:
    frames = capture(segment for own, _, _ in replays for segment in own)
    judgements = assess_run(
        of,
        (frame for _, frame in pcap.frames(frames)),
        whole,
        [each for _, each, _ in replays],
        [[each] if each else [] for _, _, each in replays],
        replays[0][1].sockets[0].local.address if replays[0][1].sockets else A.address,
    )
    return Run(
        folder=folder,
        program="rst-or-fin 0.1.0",
        command_line=("rst-or-fin", "reproduce"),
        started="2026-11-23T12:25:28.428+00:00",
        axes=Axes(runtime="docker", otp="27", kernel="6.12.57"),
        facts=facts if facts is not None else {"capture": {"interface": "eth1"}},
        capture=frames,
        scenario=of,
        judgements=tuple(judgements),
    )
