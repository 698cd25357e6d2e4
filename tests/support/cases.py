"""Ways a connection ends, with what every witness said and the answer that the judge owes.

One table, read by the judge's tests and by the mutants that must not survive it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rst_or_fin.evidence.counters import COUNTERS
from rst_or_fin.evidence.records import (
    Call,
    CaptureFacts,
    CounterReading,
    Moment,
    PeerReport,
    Replay,
    SessionEnd,
    SocketState,
)
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.tcp.ending import Validity as V
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.verdict.assess import judge_replay
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.judge import PeerTraits
from rst_or_fin.verdict.witnesses import HostReport

from tests.support.segments import EXCHANGE, HANDSHAKE, A, B, connection

WHOLE = CaptureFacts(dropped=0, fenced=True)
ABORT_ON_CLOSE = {"TcpExt:TCPAbortOnClose": 1, "Tcp:OutRsts": 1}
ABORT_ON_DATA = {"TcpExt:TCPAbortOnData": 1, "Tcp:OutRsts": 1}


def replay(
    *,
    index: int = 0,
    unread: int = 485,
    received: int = 485,
    raised: Mapping[str, int] | None = None,
    local: Endpoint = A,
    remote: Endpoint = B,
    end: SessionEnd = SessionEnd.DONE,
    returned: str = "ok",
    reasons: Sequence[str] | None = None,
) -> Replay:
    """A session that connected and closed; `raised` is what its close added to the kernel's counters.

    `reasons` are those that the kernel gave for the RSTs it sent; None: it gives none.
    """
    before = dict.fromkeys(COUNTERS, 7)
    return Replay(
        index=index,
        calls=(
            Call(
                source="{ok, Sock} = gen_tcp:connect(Server, Port, []).",
                result="{ok,#Port<0.3>}",
                duration_us=90,
            ),
            Call(source="gen_tcp:close(Sock).", result=returned, duration_us=30),
        ),
        end=end,
        error="" if end is SessionEnd.DONE else "badarg",
        close_line=2,
        sockets=(
            SocketState(name="Sock", local=local, remote=remote, received=received, unread=unread, state=1),
        ),
        readings=(
            CounterReading(moment=Moment.BEFORE, counters=before),
            CounterReading(
                moment=Moment.AFTER,
                counters={name: count + (raised or {}).get(name, 0) for name, count in before.items()},
            ),
        ),
        resets=None
        if reasons is None
        else tuple(Reset(source=local, destination=remote, reason=reason) for reason in reasons),
    )


def role_in(of: Connection, told: Replay | None) -> Role:
    """The role of the end under test: that of the replay's socket; the client's where nobody told."""
    local = told.sockets[0].local if told and told.sockets else of.client
    return Role.SERVER if local == of.server else Role.CLIENT


def report(
    of: Connection,
    told: Replay | None,
    *,
    other_aborts: int = 0,
    waiting: bool | None = False,
) -> HostReport | None:
    """What the closing host tells of a connection; `other_aborts` of its connections were reset besides."""
    if told is None:
        return None
    role = role_in(of, told)
    resets = [s.t_ns for s in of.segments if s.rst and of.role(s) is role]
    socket = next(iter(told.sockets), None)
    others = [segment.t_ns for segment in of.segments[:1]] * other_aborts
    return HostReport(
        replay=told,
        socket=socket,
        resets_ns=(*others, *resets),
        aborts_ns=(*others, *resets[:1]),
        waiting=waiting,
    )


def judge_one(
    scenario: Scenario, of: Connection, capture: CaptureFacts, told: Replay, said: PeerReport | None = None
) -> Assessment:
    """Judge a replay of one connection, the end under test being where the replay's socket is."""
    node = of.server if role_in(of, told) is Role.SERVER else of.client
    return judge_replay(scenario, [of], capture, told, [said] if said else [], node.address)


def heard(
    end: str, *, peer: Endpoint = A, trouble: str = "", received: int = 18, sent: int = 485
) -> PeerReport:
    return PeerReport(peer=peer, received=received, sent=sent, end=end, trouble=trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A connection, its witnesses, and (ending of the end under test, of its peer, cause, validity)."""

    wire: str
    owed: tuple[Ending, Ending, Cause | None, V]
    replay: Replay | None = None
    peer_report: PeerReport | None = None
    precondition: Precondition = field(default_factory=Precondition)
    capture: CaptureFacts = WHOLE
    requires_peer_report: bool = False
    other_aborts: int = 0
    waiting: bool | None = False

    def answer(self, judge: Any) -> tuple[str, str, str, str]:
        """What a judge (a module such as rst_or_fin.verdict.judge) says of it, as text."""
        found = connection(self.wire)
        verdict = judge.judge(
            found,
            capture=self.capture,
            subject=role_in(found, self.replay),
            report=report(found, self.replay, other_aborts=self.other_aborts, waiting=self.waiting),
            peer_report=self.peer_report,
            precondition=self.precondition,
            peer=PeerTraits(must_report=self.requires_peer_report),
        )
        return (str(verdict.ending), str(verdict.peer_ending), str(verdict.cause), str(verdict.validity))

    @property
    def answer_owed(self) -> tuple[str, str, str, str]:
        ending, peer_ending, cause, validity = self.owed
        return str(ending), str(peer_ending), str(cause), str(validity)


RST, FIN, FIN_RST, NONE = Ending.RST, Ending.FIN, Ending.FIN_THEN_RST, Ending.NONE
ALL_UNREAD = Precondition(unread=485, received=485)
ABORT = EXCHANGE + "> R. 19:19(0) ack 486"
CLOSE = EXCHANGE + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"
LATE_DATA = (
    HANDSHAKE
    + """> P. 1:19(18) ack 1
> F. 19:19(0) ack 1
< . 1:1(0) ack 20
< P. 1:179(178) ack 20
> R 20:20(0)"""
)
SHUTDOWN_THEN_ABORT = (
    HANDSHAKE
    + """> P. 1:19(18) ack 1
> F. 19:19(0) ack 1
< P. 1:486(485) ack 20
> . 20:20(0) ack 486
> R. 20:20(0) ack 486"""
)
PUBLISHED_ABORT: dict[str, Any] = {
    "wire": ABORT,
    "replay": replay(raised=ABORT_ON_CLOSE),
    "peer_report": heard("ECONNRESET"),
    "precondition": ALL_UNREAD,
}
DOUBTED_ABORT = (RST, NONE, Cause.UNREAD_DATA, V.INCONCLUSIVE)

CASES = {
    "the published abort: closed with everything unread": Case(
        **PUBLISHED_ABORT, owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE)
    ),
    "the published close: everything read first": Case(
        wire=CLOSE,
        replay=replay(unread=0),
        peer_report=heard("end of file"),
        precondition=Precondition(unread=0, received=485),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "zero linger looks the same on the wire; only the counter differs": Case(
        wire=ABORT,
        replay=replay(unread=0, raised=ABORT_ON_DATA),
        peer_report=heard("ECONNRESET"),
        owed=(RST, NONE, Cause.ZERO_LINGER, V.CONCLUSIVE),
    ),
    "an abort of which the counters say two things has no known cause": Case(
        wire=ABORT,
        replay=replay(raised=ABORT_ON_CLOSE | ABORT_ON_DATA),
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "the tracepoint gives the counter's reason": Case(
        **PUBLISHED_ABORT | {"replay": replay(raised=ABORT_ON_CLOSE, reasons=["TCP_ABORT_ON_CLOSE"])},
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "the tracepoint gives a zero linger's reason": Case(
        wire=ABORT,
        replay=replay(unread=0, raised=ABORT_ON_DATA, reasons=["TCP_STATE"]),
        owed=(RST, NONE, Cause.ZERO_LINGER, V.CONCLUSIVE),
    ),
    "the tracepoint settles what the counters leave open": Case(
        wire=ABORT,
        replay=replay(raised=ABORT_ON_CLOSE | ABORT_ON_DATA, reasons=["TCP_ABORT_ON_CLOSE"]),
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "the tracepoint gives a reason of which nothing follows": Case(
        wire=ABORT,
        replay=replay(raised=ABORT_ON_CLOSE, reasons=["NOT_SPECIFIED"]),
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "the tracepoint knows of no RST where the wire has none": Case(
        wire=CLOSE, replay=replay(unread=0, reasons=[]), owed=(FIN, FIN, None, V.CONCLUSIVE)
    ),
    "the tracepoint calls a RST whose cause nobody knows an answer": Case(
        wire=EXCHANGE + "> R 19:19(0)",
        replay=replay(raised={"Tcp:OutRsts": 1}, reasons=["NO_SOCKET"]),
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "an abort that is overtaken by the answer to what came in between": Case(
        wire=EXCHANGE + "< . 486:486(0) ack 19\n> R 19:19(0)\n> R. 19:19(0) ack 486",
        replay=replay(
            raised=ABORT_ON_CLOSE | {"Tcp:OutRsts": 2}, reasons=["NO_SOCKET", "TCP_ABORT_ON_CLOSE"]
        ),
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "of an overtaken abort the tracepoint's own reason is taken, not that of the answer": Case(
        wire=EXCHANGE + "< . 486:486(0) ack 19\n> R 19:19(0)\n> R. 19:19(0) ack 486",
        replay=replay(unread=0, raised=ABORT_ON_CLOSE | ABORT_ON_DATA, reasons=["NO_SOCKET", "TCP_STATE"]),
        owed=(RST, NONE, Cause.ZERO_LINGER, V.CONCLUSIVE),
    ),
    "a FIN, then an abort whose RST a bare one has overtaken": Case(
        wire=LATE_DATA + "\n> R. 20:20(0) ack 179",
        replay=replay(unread=0, received=0, raised=ABORT_ON_CLOSE),
        owed=(FIN_RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "an abort in somebody else's capture has no known cause": Case(
        wire=ABORT, owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE)
    ),
    "the precondition demands that all be unread, and all is": Case(
        **PUBLISHED_ABORT | {"precondition": Precondition(unread="all")},
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "the precondition demands that some be unread, and some is": Case(
        **PUBLISHED_ABORT
        | {"replay": replay(unread=307, raised=ABORT_ON_CLOSE), "precondition": Precondition(unread="some")},
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "a peer that has to be heard was": Case(
        **PUBLISHED_ABORT, requires_peer_report=True, owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE)
    ),
    "a FIN, then a bare RST for data that came after the close": Case(
        wire=LATE_DATA,
        replay=replay(unread=0, received=0),
        peer_report=heard("end of file"),
        owed=(FIN_RST, NONE, Cause.DATA_AFTER_CLOSE, V.CONCLUSIVE),
    ),
    "late data that acknowledges the request but not yet the FIN": Case(
        wire=HANDSHAKE + "> P. 1:19(18) ack 1\n> F. 19:19(0) ack 1\n< P. 1:179(178) ack 19\n> R 19:19(0)",
        owed=(FIN_RST, NONE, Cause.DATA_AFTER_CLOSE, V.CONCLUSIVE),
    ),
    "a shutdown's FIN, then a close with unread data": Case(
        wire=SHUTDOWN_THEN_ABORT,
        replay=replay(raised=ABORT_ON_CLOSE),
        peer_report=heard("end of file"),
        precondition=ALL_UNREAD,
        owed=(FIN_RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "a bare RST that answers nothing seen": Case(
        wire=EXCHANGE + "> R 19:19(0)", owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE)
    ),
    "a bare RST after data, but no FIN before it": Case(
        wire=EXCHANGE + "< P. 486:496(10) ack 19\n> R 19:19(0)", owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE)
    ),
    "the peer closed first, then a close with unread data": Case(
        wire=EXCHANGE + "< F. 486:486(0) ack 19\n> . 19:19(0) ack 487\n> R. 19:19(0) ack 487",
        replay=replay(raised=ABORT_ON_CLOSE),
        precondition=ALL_UNREAD,
        owed=(RST, FIN, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "both close at once": Case(
        wire=EXCHANGE
        + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 19\n> . 20:20(0) ack 487\n< . 487:487(0) ack 20",
        replay=replay(unread=0),
        peer_report=heard("end of file"),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "a FIN that carries the last data": Case(
        wire=EXCHANGE + "> FP. 19:29(10) ack 486\n< F. 486:486(0) ack 30\n> . 30:30(0) ack 487",
        replay=replay(unread=0),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "a RST that carries data": Case(
        wire=EXCHANGE + "> R. 19:29(10) ack 486",
        replay=replay(raised=ABORT_ON_CLOSE),
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "the peer resets": Case(
        wire=EXCHANGE + "< R. 486:486(0) ack 19", replay=replay(), owed=(NONE, RST, None, V.CONCLUSIVE)
    ),
    "a closed port": Case(wire="> S 0:0(0)\n< R. 0:0(0) ack 1", owed=(NONE, RST, None, V.CONCLUSIVE)),
    "a closed port on the end under test": Case(
        wire="> S 0:0(0)\n< R. 0:0(0) ack 1",
        replay=replay(local=B, remote=A, raised={"Tcp:OutRsts": 1}),
        owed=(RST, NONE, Cause.CLOSED_PORT, V.CONCLUSIVE),
    ),
    "FIN_WAIT2 has expired when the peer's FIN comes": Case(
        wire=EXCHANGE + "> F. 19:19(0) ack 486\n< . 486:486(0) ack 20\n< F. 486:486(0) ack 20\n> R 20:20(0)",
        replay=replay(unread=0),
        owed=(FIN_RST, FIN, Cause.LATE_SEGMENT, V.CONCLUSIVE),
    ),
    "data that had been acknowledged comes again after the close": Case(
        wire=EXCHANGE + "> F. 19:19(0) ack 486\n< P. 179:486(307) ack 20\n> R 20:20(0)",
        replay=replay(unread=0),
        owed=(FIN_RST, NONE, Cause.LATE_SEGMENT, V.CONCLUSIVE),
    ),
    "keepalive probes go unanswered": Case(
        wire=EXCHANGE + "> . 18:18(0) ack 486\n> . 18:18(0) ack 486\n> R. 19:19(0) ack 486",
        replay=replay(unread=0, raised={"TcpExt:TCPAbortOnTimeout": 1, "Tcp:OutRsts": 1}),
        owed=(RST, NONE, Cause.KEEPALIVE_TIMEOUT, V.CONCLUSIVE),
    ),
    "a timeout is counted, but no probe was sent": Case(
        wire=EXCHANGE + "> R. 19:19(0) ack 486",
        replay=replay(unread=0, raised={"TcpExt:TCPAbortOnTimeout": 1, "Tcp:OutRsts": 1}),
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "a listener closed with the connection waiting": Case(
        wire=HANDSHAKE + "> P. 1:19(18) ack 1\n< . 1:1(0) ack 19\n< R. 1:1(0) ack 19",
        replay=replay(local=B, remote=A, unread=18, received=18, raised={"Tcp:OutRsts": 1}),
        waiting=True,
        owed=(RST, NONE, Cause.LISTENER_CLOSED, V.CONCLUSIVE),
    ),
    "a listener closed, but this connection was accepted and answered": Case(
        wire=EXCHANGE + "< R. 486:486(0) ack 19",
        replay=replay(local=B, remote=A, unread=0, received=18, raised={"Tcp:OutRsts": 1}),
        waiting=True,
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "the peer's FIN does not come within TCP_LINGER2": Case(
        wire=EXCHANGE + "> F. 19:19(0) ack 486\n< . 486:486(0) ack 20\n> R. 20:20(0) ack 486",
        replay=replay(unread=0, raised={"TcpExt:TCPAbortOnLinger": 1, "Tcp:OutRsts": 1}),
        owed=(FIN_RST, NONE, Cause.FIN_WAIT2_TIMEOUT, V.CONCLUSIVE),
    ),
    "an abort for want of memory": Case(
        wire=ABORT,
        replay=replay(raised={"TcpExt:TCPAbortOnMemory": 1, "Tcp:OutRsts": 1}),
        owed=(RST, NONE, Cause.OUT_OF_MEMORY, V.CONCLUSIVE),
    ),
    "retransmissions given up by an open socket: the user timeout": Case(
        wire=EXCHANGE + "> P. 19:29(10) ack 486\n> P. 19:29(10) ack 486",
        replay=replay(unread=0, raised={"TcpExt:TCPAbortOnTimeout": 1}),
        owed=(NONE, NONE, Cause.USER_TIMEOUT, V.INCONCLUSIVE),
    ),
    "retransmissions given up by an open socket": Case(
        wire=EXCHANGE + "> P. 19:29(10) ack 486\n" * 16,
        replay=replay(unread=0, raised={"TcpExt:TCPAbortOnTimeout": 1}),
        owed=(NONE, NONE, Cause.RETRANSMISSIONS, V.INCONCLUSIVE),
    ),
    "retransmissions given up by a socket that was closed": Case(
        wire=EXCHANGE + "> F. 19:19(0) ack 486\n" * 9,
        replay=replay(unread=0, raised={"TcpExt:TCPAbortOnTimeout": 1}),
        owed=(FIN, NONE, Cause.RETRANSMISSIONS, V.INCONCLUSIVE),
    ),
    "a FIN given up after fewer retransmissions: the user timeout": Case(
        wire=EXCHANGE + "> F. 19:19(0) ack 486\n" * 3,
        replay=replay(unread=0, raised={"TcpExt:TCPAbortOnTimeout": 1}),
        owed=(FIN, NONE, Cause.USER_TIMEOUT, V.INCONCLUSIVE),
    ),
    "two connections were reset in the interval, for one reason": Case(
        wire=ABORT,
        replay=replay(raised={"TcpExt:TCPAbortOnClose": 2, "Tcp:OutRsts": 2}),
        other_aborts=1,
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "two connections were reset in the interval, for two reasons": Case(
        wire=ABORT,
        replay=replay(raised={"TcpExt:TCPAbortOnClose": 1, "TcpExt:TCPAbortOnData": 1, "Tcp:OutRsts": 2}),
        other_aborts=1,
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "two connections were reset in the interval, and one abort was counted": Case(
        wire=ABORT,
        replay=replay(raised={"TcpExt:TCPAbortOnClose": 1, "Tcp:OutRsts": 2}),
        other_aborts=1,
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "a RST outside the window decides nothing": Case(
        wire=CLOSE.replace("> F. 19", "< R 9999999:9999999(0)\n> F. 19"),
        replay=replay(unread=0),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "a RST behind what its receiver has acknowledged decides nothing": Case(
        wire=CLOSE.replace("> F. 19", "< R. 179:179(0) ack 19\n> F. 19"),
        replay=replay(unread=0),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "a RST with a TTL that its end never uses decides nothing": Case(
        wire=EXCHANGE.replace("ack 19\n", "ack 19 ttl 64\n")
        + "< R. 486:486(0) ack 19 ttl 250\n< . 486:486(0) ack 19 ttl 64\n> F. 19:19(0) ack 486\n"
        "< F. 486:486(0) ack 20 ttl 64\n> . 20:20(0) ack 487",
        replay=replay(unread=0),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "a RST with a foreign TTL, and silence after it": Case(
        wire=EXCHANGE.replace("ack 19\n", "ack 19 ttl 64\n") + "< R. 486:486(0) ack 19 ttl 250",
        owed=(NONE, NONE, None, V.INCONCLUSIVE),
    ),
    "a RST with an IP ID far from its end's, and silence after it": Case(
        wire=HANDSHAKE + "< P. 1:2(1) ack 1 id 100\n< P. 2:3(1) ack 1 id 101\n< P. 3:4(1) ack 1 id 102\n"
        "> . 1:1(0) ack 4\n< R. 4:4(0) ack 1 id 40000",
        owed=(NONE, NONE, None, V.INCONCLUSIVE),
    ),
    "an end that goes on after its RST did not send it": Case(
        wire=EXCHANGE + "< R. 486:486(0) ack 19\n< P. 486:536(50) ack 19\n> R 19:19(0)",
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "an end that acknowledges what came after its RST did not send it": Case(
        wire=EXCHANGE
        + "< R 486:486(0)\n> P. 19:29(10) ack 486\n< . 486:486(0) ack 29\n> F. 29:29(0) ack 486\n"
        "< F. 486:486(0) ack 30\n> . 30:30(0) ack 487",
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "an end that may have gone on after its bare RST": Case(
        wire=EXCHANGE + "< R 486:486(0)\n< P. 486:496(10) ack 19",
        owed=(NONE, RST, None, V.INCONCLUSIVE),
    ),
    "a RST with a wrong checksum was not received": Case(
        wire=CLOSE.replace("> F. 19", "< R. 486:486(0) ack 19 bad\n> F. 19"),
        replay=replay(unread=0),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    "a RST that does not acknowledge the SYN refuses nothing": Case(
        wire="> S 0:0(0)\n< R. 9000:9000(0) ack -77\n< S. 0:0(0) ack 1\n> . 1:1(0) ack 1\n> R. 1:1(0) ack 1",
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "a RST long after both FINs changes nothing": Case(
        wire=CLOSE + "\n< R 487:487(0)", owed=(FIN, FIN, None, V.CONCLUSIVE)
    ),
    "a RST that answers a FIN that was sent again": Case(
        wire=CLOSE + "\n< F. 486:486(0) ack 20\n> R 20:20(0)", owed=(FIN, FIN, None, V.INCONCLUSIVE)
    ),
    "aborts that cross each other": Case(
        wire=EXCHANGE + "> R. 19:19(0) ack 486\n< R. 486:486(0) ack 19",
        owed=(RST, RST, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "the answer of a socket that was reset is no ending of its own": Case(
        wire=EXCHANGE + "> R. 19:19(0) ack 486\n< R 486:486(0)",
        owed=(RST, NONE, Cause.UNKNOWN, V.CONCLUSIVE),
    ),
    "an end that acknowledges once more after its RST": Case(
        wire=EXCHANGE + "> R. 19:19(0) ack 486\n> . 19:19(0) ack 486\n< R 486:486(0)",
        owed=(RST, NONE, Cause.UNKNOWN, V.INCONCLUSIVE),
    ),
    "an abort seen before the last data of its end": Case(
        wire=EXCHANGE + "> R. 29:29(0) ack 486\n> P. 19:29(10) ack 486",
        owed=(RST, NONE, Cause.UNKNOWN, V.INCONCLUSIVE),
    ),
    "the end under test was called, and aborts": Case(
        wire=EXCHANGE + "< R. 486:486(0) ack 19",
        replay=replay(local=B, remote=A, unread=18, received=18, raised=ABORT_ON_CLOSE),
        peer_report=heard("ECONNRESET", peer=A, received=485, sent=18),
        precondition=Precondition(unread=18, received=18),
        owed=(RST, NONE, Cause.UNREAD_DATA, V.CONCLUSIVE),
    ),
    "the end under test was called, and closes": Case(
        wire=EXCHANGE + "< F. 486:486(0) ack 19\n> F. 19:19(0) ack 487\n< . 487:487(0) ack 20",
        replay=replay(local=B, remote=A, unread=0, received=18),
        peer_report=heard("end of file", peer=A, received=485, sent=18),
        owed=(FIN, FIN, None, V.CONCLUSIVE),
    ),
    # Nothing below may be relied on, however clear the wire looks.
    "the capture dropped a frame": Case(
        **PUBLISHED_ABORT, capture=CaptureFacts(dropped=1, fenced=True), owed=DOUBTED_ABORT
    ),
    "the capture was not drained after the last close": Case(
        **PUBLISHED_ABORT, capture=CaptureFacts(dropped=0, fenced=False), owed=DOUBTED_ABORT
    ),
    "fewer bytes were unread than the precondition demands": Case(
        **PUBLISHED_ABORT | {"replay": replay(unread=178, raised=ABORT_ON_CLOSE)}, owed=DOUBTED_ABORT
    ),
    "more had arrived than the precondition demands": Case(
        **PUBLISHED_ABORT | {"precondition": Precondition(received=178)}, owed=DOUBTED_ABORT
    ),
    "nothing was unread where the precondition demands that all be": Case(
        **PUBLISHED_ABORT
        | {"replay": replay(unread=0, raised=ABORT_ON_CLOSE), "precondition": Precondition(unread="all")},
        owed=DOUBTED_ABORT,
    ),
    "some was read where the precondition demands that all be unread": Case(
        **PUBLISHED_ABORT
        | {"replay": replay(unread=307, raised=ABORT_ON_CLOSE), "precondition": Precondition(unread="all")},
        owed=DOUBTED_ABORT,
    ),
    "nothing was unread where the precondition demands some": Case(
        **PUBLISHED_ABORT
        | {"replay": replay(unread=0, raised=ABORT_ON_CLOSE), "precondition": Precondition(unread="some")},
        owed=DOUBTED_ABORT,
    ),
    "a peer that has to be heard was not": Case(
        **PUBLISHED_ABORT | {"peer_report": None}, requires_peer_report=True, owed=DOUBTED_ABORT
    ),
    "the peer could not do its part": Case(
        **PUBLISHED_ABORT | {"peer_report": heard("ECONNRESET", trouble="the script never saw a SYN")},
        owed=DOUBTED_ABORT,
    ),
    "the session crashed": Case(
        **PUBLISHED_ABORT | {"replay": replay(raised=ABORT_ON_CLOSE, end=SessionEnd.CRASHED)},
        owed=DOUBTED_ABORT,
    ),
    "the SYN is missing": Case(
        **PUBLISHED_ABORT | {"wire": ABORT.replace("> S 0:0(0)", "")}, owed=DOUBTED_ABORT
    ),
    "the SYN ACK is missing": Case(
        **PUBLISHED_ABORT | {"wire": ABORT.replace("< S. 0:0(0) ack 1", "")}, owed=DOUBTED_ABORT
    ),
    "nothing but a RST was captured": Case(
        wire="> R 5000:5000(0)", owed=(RST, NONE, Cause.UNKNOWN, V.INCONCLUSIVE)
    ),
    "nobody closes": Case(wire=EXCHANGE, replay=replay(), owed=(NONE, NONE, None, V.INCONCLUSIVE)),
    "the peer's FIN has not been acknowledged": Case(
        wire=CLOSE.replace("\n> . 20:20(0) ack 487", ""),
        replay=replay(unread=0),
        owed=(FIN, FIN, None, V.INCONCLUSIVE),
    ),
    "a bare RST past all that was captured": Case(
        wire=EXCHANGE + "> R 77:77(0)", owed=(NONE, NONE, None, V.INCONCLUSIVE)
    ),
    "a RST with a wrong checksum, and silence after it": Case(
        wire=EXCHANGE + "< R. 486:486(0) ack 19 bad", owed=(NONE, NONE, None, V.INCONCLUSIVE)
    ),
    "a RST that does not acknowledge the SYN, and silence after it": Case(
        wire="> S 0:0(0)\n< R. 9000:9000(0) ack -77", owed=(NONE, NONE, None, V.INCONCLUSIVE)
    ),
    "nobody answers": Case(wire="> S 0:0(0)\n> S 0:0(0)", owed=(NONE, NONE, None, V.INCONCLUSIVE)),
    "the last data is missing": Case(
        **PUBLISHED_ABORT | {"wire": ABORT.replace("< P. 179:486(307) ack 19", "")}, owed=DOUBTED_ABORT
    ),
    "the counters know of no RST": Case(
        **PUBLISHED_ABORT | {"replay": replay()}, owed=(RST, NONE, Cause.UNKNOWN, V.INCONCLUSIVE)
    ),
    "the counters know of a RST that the wire does not": Case(
        wire=CLOSE, replay=replay(unread=0, raised=ABORT_ON_CLOSE), owed=(FIN, FIN, None, V.INCONCLUSIVE)
    ),
    "the tracepoint knows of no RST that the wire has": Case(
        **PUBLISHED_ABORT | {"replay": replay(raised=ABORT_ON_CLOSE, reasons=[])}, owed=DOUBTED_ABORT
    ),
    "the tracepoint knows of a RST that the wire does not have": Case(
        wire=CLOSE,
        replay=replay(unread=0, reasons=["TCP_ABORT_ON_CLOSE"]),
        owed=(FIN, FIN, None, V.INCONCLUSIVE),
    ),
    "the tracepoint gives another reason than the counter": Case(
        **PUBLISHED_ABORT | {"replay": replay(raised=ABORT_ON_CLOSE, reasons=["TCP_STATE"])},
        owed=DOUBTED_ABORT,
    ),
    "the peer saw an end of file where the wire has a RST": Case(
        **PUBLISHED_ABORT | {"peer_report": heard("end of file")}, owed=DOUBTED_ABORT
    ),
    "the peer saw a reset where the wire has a FIN": Case(
        wire=CLOSE,
        replay=replay(unread=0),
        peer_report=heard("ECONNRESET"),
        owed=(FIN, FIN, None, V.INCONCLUSIVE),
    ),
    "the close acknowledges more than had arrived at the precondition": Case(
        **PUBLISHED_ABORT
        | {"replay": replay(unread=178, received=178, raised=ABORT_ON_CLOSE)}
        | {"precondition": Precondition(unread=178)},
        owed=DOUBTED_ABORT,
    ),
}
