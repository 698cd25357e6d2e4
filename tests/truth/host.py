"""Simulate a host: its sockets and listeners, and what it answers where there is no socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.truth import close, output, receive, timers
from tests.truth.acceptance import mistakes
from tests.truth.app import App, Step
from tests.truth.opening import learn
from tests.truth.segment import ACK, FIN, RST, SYN, A, Conn, Crossing, Segment
from tests.truth.sequence import MASK
from tests.truth.tcb import Gone, State, Tcb, bury
from tests.truth.traits import Traits
from tests.truth.world import World

NEVER = -1


@dataclass(slots=True, eq=False, kw_only=True)
class Listener:
    """A port that takes connections, and what its application does with each.

    `accept_after_ns` is how long a connection waits to be accepted (`NEVER`: it stays in the queue);
    `backlog` is how many may wait; with `refuses` a connection that finds no place is reset
    (tcp_abort_on_overflow).
    """

    host: Host
    scripts: Sequence[Sequence[Step]]  # of the first connection, the second ...; the last one is repeated
    accept_after_ns: int = 0
    backlog: int = 8
    refuses: int = 0
    taken: int = 0
    waiting: list[Tcb] = field(default_factory=list)

    def full(self) -> bool:
        """Return whether no place is left in the queue."""
        return len(self.waiting) >= self.backlog

    def take(self, tcb: Tcb) -> bool:
        """Put an established connection into the queue; False where there is no place."""
        if self.full():
            return False
        self.waiting.append(tcb)
        tcb.pending = True
        if self.accept_after_ns != NEVER:
            world = self.host.world
            world.at(world.now + self.accept_after_ns, self._accept, tcb)
        return True

    def _accept(self, tcb: Tcb) -> None:
        if tcb not in self.waiting:
            return
        self.waiting.remove(tcb)
        tcb.pending = False
        script = self.scripts[min(self.taken, len(self.scripts) - 1)]
        self.taken += 1
        tcb.app = App(self.host, tcb, script)
        tcb.app.poke()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A connection that a host is going to open; `isn` is drawn where it is None, `then` comes after it."""

    lport: int
    rport: int
    script: Sequence[Step]
    isn: int | None = None
    then: Opening | None = None


class Host:
    """One of the two hosts."""

    def __init__(self, world: World, side: int, traits: Traits) -> None:
        self.world = world
        self.side = side
        self.traits = traits
        self.tcbs: dict[tuple[int, int], Tcb] = {}
        self.listeners: dict[int, Listener] = {}
        self.near_wrap = False  # whether initial sequence numbers are drawn just below the wrap
        self.abort_lag_ns = 0
        self._isns: set[int] = set()
        self._next_id = world.rng.randrange(1 << 16)
        self._stamp_offset = world.rng.randrange(1 << 32)

    # What applications and the administrator do

    def listen(
        self,
        port: int,
        scripts: Sequence[Sequence[Step]],
        *,
        accept_after_ns: int = 0,
        backlog: int = 8,
        refuses: int = 0,
    ) -> None:
        """Take connections on a port."""
        self.listeners[port] = Listener(
            host=self,
            scripts=scripts,
            accept_after_ns=accept_after_ns,
            backlog=backlog,
            refuses=refuses,
        )

    def stop_listening(self, port: int) -> None:
        """Close a listener: connections that wait to be accepted are aborted (inet_csk_listen_stop)."""
        listener = self.listeners.pop(port, None)
        for tcb in listener.waiting if listener else ():
            close.kill(tcb, "listener closed")

    def listens(self, port: int) -> bool:
        """Return whether a new connection would find a place at this port."""
        return port in self.listeners and not self.listeners[port].full()

    def open(self, opening: Opening) -> None:
        """Open a connection, if its port is free (or in a TIME-WAIT that may be used again)."""
        isn = self.draw_isn() if opening.isn is None else opening.isn
        old = self.tcbs.get((opening.lport, opening.rport))
        if old is not None:
            if old.state is not State.TIME_WAIT or not old.stamps:
                return
            isn = (old.iss + old.snd_nxt + 65537) & MASK  # tcp_twsk_unique
            bury(old, Gone.FINISHED)
        ports = (opening.lport, opening.rport)
        conn = self.world.conn(ports=ports if self.side == A else ports[::-1], client=self.side, isn=isn)
        tcb = self._tcb(conn, opening.lport, opening.rport, State.SYN_SENT, isn)
        tcb.app = App(self, tcb, opening.script, opening.then)
        output.syn(tcb)
        output.arm(tcb)
        if opening.script and opening.script[0][0] in ("wait", "cancel"):
            tcb.app.poke()

    def reboot(self) -> None:
        """Forget everything, without a word to anybody."""
        for tcb in list(self.tcbs.values()):
            tcb.app = None
            bury(tcb, Gone.SILENT)
        self.listeners = {}
        self._stamp_offset = self.world.rng.randrange(1 << 32)

    # What the network brings

    def receive(self, segment: Segment, crossing: Crossing | None) -> None:
        """Hand a segment to the socket that it is for."""
        tcb = self.tcbs.get((segment.dport, segment.sport))
        if tcb is None:
            self.nobody(segment, crossing)
            return
        if segment.conn is not tcb.conn and segment.genuine and mistakes(tcb, segment):
            self.world.murky = "a segment of an older connection fits a newer one"
        receive.receive(tcb, segment, crossing)

    def nobody(self, segment: Segment, crossing: Crossing | None, isn: int | None = None) -> None:
        """Take a segment for which there is no connection: open one, or refuse."""
        flags = segment.flags
        if flags & RST:
            return
        listener = self.listeners.get(segment.dport)
        if listener is None or flags & ACK:
            if flags & SYN and not flags & ACK:
                self.refuse(segment, crossing)
            else:
                self.answer(segment)
        elif flags & SYN and not flags & FIN and not listener.full():
            self._request(segment, crossing, isn)

    def answer(self, segment: Segment, conn: Conn | None = None) -> Segment:
        """Answer a segment with a RST that needs no socket (tcp_v4_send_reset)."""
        has_ack = segment.flags & ACK
        reset = Segment(
            side=self.side,
            conn=conn or segment.conn,
            sport=segment.dport,
            dport=segment.sport,
            seq=segment.ack if has_ack else 0,
            ack=0 if has_ack else segment.end,
            flags=RST if has_ack else RST | ACK,
            window=0,
            ttl=self.traits.ttl,
            ip_id=self.next_id(None),
            reason="answer",
            answers=segment,
        )
        self.send(reset)
        return reset

    def refuse(self, segment: Segment, crossing: Crossing | None) -> None:
        """Answer a SYN with a RST that acknowledges it."""
        conn = self._conn_of(segment, crossing)
        conn.refused = True
        self.answer(segment, conn)

    def _request(self, segment: Segment, crossing: Crossing | None, isn: int | None) -> None:
        conn = self._conn_of(segment, crossing)
        isn = self.draw_isn() if isn is None else isn
        tcb = self._tcb(conn, segment.dport, segment.sport, State.SYN_RECEIVED, isn)
        tcb.request = True
        learn(tcb, segment)
        output.syn(tcb)
        output.arm(tcb)

    def _conn_of(self, segment: Segment, crossing: Crossing | None) -> Conn:
        """Return the connection that a SYN opens here: its own, unless it opened that one here before."""
        conn = (crossing.conn if crossing is not None else segment.conn).root()
        if not conn.refused and (conn.tcbs[self.side] is None or self._asks_again(conn)):
            return conn
        again = self.world.conn(ports=conn.ports, client=conn.client, isn=conn.isn)
        again.stray = conn.tcbs[conn.client] is None
        if crossing is not None and not crossing.used:
            crossing.conn = again
        return again

    def _asks_again(self, conn: Conn) -> bool:
        """Return whether a client still waits for an answer to a SYN that was given up here."""
        own, other = conn.tcbs[self.side], conn.tcbs[1 - self.side]
        given_up = own is not None and own.gone is Gone.SILENT and own.last is State.SYN_RECEIVED
        return given_up and other is not None and other.state is State.SYN_SENT

    # What they share

    def send(self, segment: Segment) -> None:
        """Hand a segment to the network."""
        self.world.path.carry(segment)

    def forget(self, tcb: Tcb) -> None:
        """Take a control block away from the port pair that it is found by."""
        key = (tcb.lport, tcb.rport)
        if self.tcbs.get(key) is tcb:
            del self.tcbs[key]
        if tcb.pending:
            listener = self.listeners.get(tcb.lport)
            if listener is not None and tcb in listener.waiting:
                listener.waiting.remove(tcb)

    def _tcb(self, conn: Conn, lport: int, rport: int, state: State, iss: int) -> Tcb:
        traits = self.traits
        tcb = Tcb(host=self, conn=conn, lport=lport, rport=rport, state=state, iss=iss)
        tcb.rcv_scale, tcb.stamps = traits.scale, traits.stamps
        tcb.rto_ns = traits.syn_rto_ns
        tcb.mss = traits.mss
        tcb.ip_id = self.world.rng.randrange(1 << 16)
        conn.tcbs[self.side] = tcb
        self.tcbs[lport, rport] = tcb
        return tcb

    def draw_isn(self) -> int:
        """Return an initial sequence number that this host has not had."""
        rng = self.world.rng
        isn = MASK - rng.randrange(3000) if self.near_wrap else rng.randrange(1 << 32)
        if isn in self._isns:
            return self.draw_isn()
        self._isns.add(isn)
        return isn

    def stamp(self) -> int:
        """Return the TSval of now, in milliseconds."""
        return (self.world.now // 1_000_000 + self._stamp_offset) & MASK

    def next_id(self, tcb: Tcb | None) -> int:
        """Return the identification of the next IPv4 packet; Linux gives none to what no socket sends."""
        ids = self.traits.ids
        if ids == "host":
            self._next_id = (self._next_id + 1) & 0xFFFF
            return self._next_id
        if ids == "zero" or tcb is None or tcb.request or tcb.state is State.TIME_WAIT:
            return 0
        tcb.ip_id = (tcb.ip_id + 1) & 0xFFFF
        return tcb.ip_id

    def on_retransmission(self, tcb: Tcb) -> None:
        """Let a retransmission timer go off."""
        timers.retransmission(tcb)
