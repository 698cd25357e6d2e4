"""Stand on the path and make segments up: RSTs in a host's name, and SYNs of an earlier life."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.truth.segment import ACK, FIN, RST, SYN, Conn, Segment
from tests.truth.sequence import MASK
from tests.truth.world import MS, SECOND, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """What a middlebox does.

    It acts on the `nth` segment that has one of `flags` (0: any), `after_ns` later, on each end in `victims`.
    `word` is "rst"; "syn" for a SYN with another initial number; or "reject": from then on it lets nothing
    of a victim through, and answers that with a RST. `shift` moves the sequence number away from the one that
    is expected next. `mimic`: with the TTL of the host in whose name it speaks, otherwise with one that this
    host does not have. `place` is where on the path it stands.
    """

    word: str
    place: float
    flags: int
    nth: int
    after_ns: int
    victims: tuple[int, ...]
    shift: int
    acks: bool
    junk: int  # what stands in the ACK field of a RST without ACK
    mimic: bool
    repeats: int


@dataclass(slots=True, eq=False)
class Box:
    """One middlebox at work."""

    world: World
    forgery: Forgery
    seen: int = 0
    expected: dict[Conn, list[int]] = field(default_factory=dict)  # the next number of each side
    ttls: dict[int, int] = field(default_factory=dict)  # what its segments in each side's name have
    rejected: set[tuple[int, int]] = field(default_factory=set)  # port pairs

    def watch(self, segment: Segment) -> None:
        """See a segment, remember its numbers, and act if it is the one."""
        forgery, conn = self.forgery, segment.conn
        numbers = self.expected.setdefault(conn.root(), [0, 0])
        numbers[segment.side] = segment.end
        if segment.flags & ACK:
            numbers[1 - segment.side] = segment.ack
        if forgery.flags == 0 or segment.flags & forgery.flags:
            self.seen += 1
            if self.seen == forgery.nth:
                self.world.at(self._arrival_ns(segment) + forgery.after_ns, self._act, conn)

    def stops(self, segment: Segment) -> float | None:
        """Return where a segment is stopped, None where it is let through."""
        if segment.conn.ports not in self.rejected or segment.side not in self.forgery.victims:
            return None
        if not segment.flags & RST:
            self.world.at(self._arrival_ns(segment), self._reject, segment)
        return self.forgery.place

    def _arrival_ns(self, segment: Segment) -> int:
        place = self.forgery.place if segment.side == 0 else 1 - self.forgery.place
        return segment.sent_ns + int(self.world.path.weather.delay_ns * place)

    def _own_ttl(self, side: int, avoided: int) -> int:
        if side not in self.ttls:
            self.ttls[side] = _other(avoided, self.world.rng)
        return self.ttls[side]

    def _act(self, conn: Conn) -> None:
        if self.forgery.word == "reject":
            self.rejected.add(conn.ports)
            return
        # What it forges belongs to what uses these ports by then
        conn = next(c.root() for c in reversed(self.world.conns) if c.ports == conn.ports and not c.stray)
        for victim in self.forgery.victims:
            for repeat in range(self.forgery.repeats):
                self._stray(conn, victim) if self.forgery.word == "syn" else self._reset(conn, victim, repeat)

    def _stray(self, conn: Conn, victim: int) -> None:
        isn = self.world.rng.randrange(1 << 32)
        made = self.world.conn(ports=conn.ports, client=1 - victim, isn=isn)
        made.stray = True
        self._send(made, 1 - victim, seq=isn, ack=0, flags=SYN)

    def _reset(self, conn: Conn, victim: int, repeat: int) -> None:
        forgery, numbers = self.forgery, self.expected.get(conn, [0, 0])
        self._send(
            conn,
            1 - victim,
            seq=(numbers[1 - victim] + forgery.shift + 1460 * repeat) & MASK,
            ack=numbers[victim] if forgery.acks else forgery.junk,
            flags=RST | ACK * forgery.acks,
        )

    def _reject(self, segment: Segment) -> None:
        conn, side = segment.conn.root(), 1 - segment.side
        if segment.flags & ACK:
            self._send(conn, side, seq=segment.ack, ack=0, flags=RST)
        else:
            self._send(conn, side, seq=0, ack=segment.end, flags=RST | ACK)

    def _send(self, conn: Conn, side: int, *, seq: int, ack: int, flags: int) -> None:
        world, stray = self.world, bool(flags & SYN)
        path, ports, rng = world.path, conn.ports, world.rng
        ttl = world.hosts[side].traits.ttl - path.hops[side]
        made = Segment(
            side=side,
            conn=conn,
            sport=ports[side],
            dport=ports[1 - side],
            seq=seq,
            ack=ack,
            flags=flags,
            window=rng.choice((0, 0, 512, 8192)),
            ttl=ttl if self.forgery.mimic or stray else self._own_ttl(side, ttl),
            ip_id=rng.choice((0, rng.randrange(1 << 16))),
            mss=1460 if stray else 0,
            genuine=False,
            reason="stray" if stray else "forged",
        )
        path.inject(made, self.forgery.place)


def _other(ttl: int, rng: Random) -> int:
    """Return a TTL that is not this one."""
    found = rng.choice((ttl - 1, ttl + 1, rng.randrange(20, 255), 250))
    return found if 0 < found < 256 and found != ttl else ttl - 7


def draw(rng: Random) -> Forgery:
    """Return what some middlebox does."""
    return Forgery(
        word=rng.choice(("rst", "rst", "rst", "rst", "rst", "rst", "reject", "syn", "syn")),
        place=rng.choice((0.1, 0.4, 0.6, 0.9)),
        flags=rng.choice((0, 0, SYN, ACK, FIN, RST)),
        nth=rng.choice((1, 2, 3, 4, 5, 6, 8, 12)),
        after_ns=rng.choice((0, 0, 1 * MS, 20 * MS, 300 * MS, 5 * SECOND, 70 * SECOND)),
        victims=rng.choice(((0,), (1,), (0, 1))),
        shift=_shift(rng),
        acks=rng.random() < 0.5,
        junk=rng.choice((0, 0, rng.randrange(1 << 32))),
        mimic=rng.random() < 0.3,
        repeats=rng.choice((1, 1, 1, 3)),
    )


def _shift(rng: Random) -> int:
    """Return how far off a forged sequence number is: exact, within the window, old, or far away."""
    return rng.choice(
        (
            0,
            0,
            0,
            rng.randrange(1, 500),
            -rng.randrange(2, 100_000),
            rng.choice((1, -1)) * rng.randrange(1 << 27, 1 << 30),
        )
    )
