"""Decides for a wire: a frame comes in on one side, and what leaves on which side comes out. No I/O.

Every TCP connection counts for itself, from its SYN on. The first rule in the file's order that means a
segment acts on it; all of them count. What belongs to no connection that began since is lost: it is left over
from an earlier replay. Times are nanoseconds of whatever clock the caller has.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Optional

from . import tcp_frames
from .fault_rules import ROLES, Awaited, Pattern, Random, Rule
from .script import notation
from .tcp_frames import ACK, RST, SYN, TcpSegment

NODE, PEER = 0, 1  # sides
BY_CHANCE = -1  # in place of a rule's number

_SPACE = 1 << 32
_HALF = 1 << 31
_FLOWS_MAX = 1024
_OVERTAKEN_NS = 20_000_000  # how long a reordered segment waits for one that overtakes it


class Out(NamedTuple):
    """A frame that leaves towards that side."""

    side: int
    frame: bytes


class _DelayedFrame:
    """A frame that waits for time to pass, or for another segment."""

    __slots__ = ("by", "flow", "frame", "gone", "left", "role", "segment", "until")

    def __init__(
        self, flow: _Flow, role: int, frame: bytes, segment: TcpSegment, by: int, until: Awaited | None
    ) -> None:
        self.flow, self.role, self.frame, self.segment, self.by = flow, role, frame, segment, by
        self.until = until
        self.left = until.nth if until else 0
        self.gone = False


class _Flow:
    """One connection: who its client is, its numbers, and how often each rule has meant a segment of it."""

    def __init__(self, number: int, client_side: int, isn: int, now_ns: int, rules: int) -> None:
        self.number = number
        self.client_side = client_side
        self.isns: list[Optional[int]] = [isn, None]  # noqa: UP045 - Python 3.9 runs this too
        self.begun_ns = self.last_ns = now_ns
        self.counts = [0] * rules
        self.cut = [False, False]
        self.waiting: list[_DelayedFrame] = []
        self.passed_to = [0, 0]  # relative: up to there everything of that role was passed on
        self.acked = [0, 0]  # relative: by that role
        self.spoken: list[Optional[tuple[bytes, TcpSegment]]] = [None, None]  # noqa: UP045
        self.seen: dict[str, int] = {}

    def side(self, role: int) -> int:
        return self.client_side if role == 0 else 1 - self.client_side

    def relative(self, number: int, role: int) -> int:
        isn = self.isns[role]
        return 0 if isn is None else (number - isn + _HALF) % _SPACE - _HALF


class Faults:
    """Decides the fate of each frame by one set of rules.

    `events` are the actions since the caller last emptied it.
    """

    def __init__(self, rules: Sequence[Rule] = (), random: Random | None = None, salt: str = "") -> None:
        self._rules = tuple(enumerate(rules))
        self._random = random
        self._is_idle = not rules and (random is None or not (random.rolls or random.delay_ns))
        self._salt = f"{random.seed if random else 0} {salt}"
        self._flows: OrderedDict[bytes, _Flow] = OrderedDict()
        self._due: list[tuple[int, int, _DelayedFrame]] = []
        self._count = 0
        self._begun = 0
        self.events: list[dict[str, Any]] = []

    @property
    def due_ns(self) -> int | None:
        """When a frame that waits for its time leaves; None if none waits."""
        while self._due and self._due[0][2].gone:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    @property
    def pending(self) -> int:
        """How many frames wait for their time."""
        return sum(not held.gone for _, _, held in self._due)

    def take(self, side: int, frame: bytes, now_ns: int) -> list[Out]:
        """Return what leaves because a frame came in from that side."""
        segment = tcp_frames.read(frame)
        if segment is None:
            return [Out(1 - side, frame)]
        flow = self._flow(side, segment, now_ns)
        if flow is None:
            return []
        if self._is_idle:
            return [Out(1 - side, frame)]
        role = 0 if side == flow.client_side else 1
        if role == 1 and segment.flags & SYN:
            flow.isns[1] = segment.seq
        flow.spoken[role] = (frame, segment)
        idle_ns, flow.last_ns = now_ns - flow.last_ns, now_ns
        if segment.flags & ACK:
            flow.acked[role] = max(flow.acked[role], flow.relative(segment.ack, 1 - role))
        if flow.cut[role]:
            return []
        number, rule = self._chosen(flow, role, segment, now_ns - flow.begun_ns, idle_ns)
        if rule is not None:
            return self._act(number, rule, flow, role, frame, segment, now_ns)
        if self._random is not None:
            return self._by_chance(self._random, flow, role, frame, segment, now_ns)
        return self._pass(flow, role, frame, segment)

    def tick(self, now_ns: int) -> list[Out]:
        """Return what leaves because its time has come."""
        out: list[Out] = []
        while self._due and self._due[0][0] <= now_ns:
            held = heapq.heappop(self._due)[2]
            if not held.gone:
                out += self._release(held)
        return out

    def _flow(self, side: int, segment: TcpSegment, now_ns: int) -> _Flow | None:
        key = segment.ends if side == NODE else tcp_frames.other_way(segment.ends)
        flow = self._flows.get(key)
        if segment.flags & (SYN | ACK) != SYN:
            return flow
        if flow is not None and side == flow.client_side and flow.isns[0] == segment.seq:
            return flow
        self._begun += 1
        flow = self._flows[key] = _Flow(self._begun, side, segment.seq, now_ns, len(self._rules))
        self._flows.move_to_end(key)
        if len(self._flows) > _FLOWS_MAX:
            self._flows.popitem(last=False)
        return flow

    def _chosen(
        self, flow: _Flow, role: int, segment: TcpSegment, now_ns: int, idle_ns: int
    ) -> tuple[int, Rule | None]:
        chosen: tuple[int, Rule | None] = (0, None)
        if not self._rules:
            return chosen
        seq, ack = flow.relative(segment.seq, role), self._ack(flow, role, segment)
        for number, rule in self._rules:
            if rule.role != role or not rule.pattern.fits(segment.flags, seq, segment.payload_len, ack):
                continue
            if not rule.is_due(now_ns, idle_ns):
                continue
            flow.counts[number] += 1
            if chosen[1] is None and rule.first <= flow.counts[number] <= rule.last:
                chosen = number, rule
        return chosen

    @staticmethod
    def _ack(flow: _Flow, role: int, segment: TcpSegment) -> int:
        return flow.relative(segment.ack, 1 - role) if segment.flags & ACK else -1

    def _act(
        self, number: int, rule: Rule, flow: _Flow, role: int, frame: bytes, segment: TcpSegment, now_ns: int
    ) -> list[Out]:
        self._note(number, rule.do, flow, role, segment)
        if rule.do == "delay":
            self._wait(_DelayedFrame(flow, role, frame, segment, number, None), now_ns + rule.delay_ns)
            return []
        if rule.do == "hold":
            flow.waiting.append(_DelayedFrame(flow, role, frame, segment, number, rule.awaits))
            return []
        if rule.do == "duplicate":
            self._wait(_DelayedFrame(flow, role, frame, segment, BY_CHANCE, None), now_ns + rule.delay_ns)
            return [*self._pass(flow, role, frame, segment), *self.tick(now_ns)]
        if rule.do == "corrupt":
            return [Out(1 - flow.side(role), tcp_frames.corrupted(frame, segment))]
        out = self._pass(flow, role, frame, segment) if rule.passes else []
        if rule.do == "cut":
            flow.cut[role] = True
            flow.cut[1 - role] |= rule.both_ways
        elif rule.do == "reset":
            out += [forged for to in rule.to for forged in self._forged(rule, flow, to)]
            if rule.drops:
                flow.cut = [True, True]
        return out

    @staticmethod
    def _forged(rule: Rule, flow: _Flow, to: int) -> list[Out]:
        """Make a RST to that role in the other's name, with the number it expects next plus the offset."""
        spoken = flow.spoken[to]
        if spoken is None:
            return []
        frame, segment = spoken
        other_isn = flow.isns[1 - to]
        if other_isn is None:  # in SYN-SENT a RST counts only if it acknowledges the SYN (RFC 9293, 3.10.7.3)
            flags, seq, ack = RST | ACK, rule.offset, segment.end
        else:
            expected = max(flow.acked[to], flow.passed_to[1 - to])
            flags, seq, ack = RST, other_isn + expected + rule.offset, 0
        made = tcp_frames.answer(frame, segment, flags=flags, seq=seq, ack=ack, ttl=rule.ttl)
        return [Out(flow.side(to), made)]

    def _by_chance(
        self, random: Random, flow: _Flow, role: int, frame: bytes, segment: TcpSegment, now_ns: int
    ) -> list[Out]:
        loss, duplicate, reorder, jitter = self._dice(flow, role, segment)
        if loss < random.loss:
            self._note(BY_CHANCE, "drop", flow, role, segment)
            return []
        delay_ns = random.delay_ns + int(jitter * random.jitter_ns)
        if duplicate < random.duplicate:
            self._note(BY_CHANCE, "duplicate", flow, role, segment)
            self._wait(_DelayedFrame(flow, role, frame, segment, BY_CHANCE, None), now_ns + delay_ns)
        held = _DelayedFrame(flow, role, frame, segment, BY_CHANCE, None)
        if reorder < random.reorder:
            self._note(BY_CHANCE, "hold", flow, role, segment)
            held.until, held.left = _ANY[role], 1
            flow.waiting.append(held)
            self._wait(held, now_ns + delay_ns + _OVERTAKEN_NS)
            return self.tick(now_ns)
        if delay_ns == 0:
            return [*self._pass(flow, role, frame, segment), *self.tick(now_ns)]
        self._wait(held, now_ns + delay_ns)
        return []

    def _dice(self, flow: _Flow, role: int, segment: TcpSegment) -> tuple[float, ...]:
        """Return four numbers from 0 to 1 that depend only on the seed and the segment."""
        said = self._notation(flow, role, segment)
        key = f"{ROLES[role]} {said}"
        nth = flow.seen[key] = flow.seen.get(key, 0) + 1
        drawn = blake2b(f"{self._salt} {flow.number} {key} {nth}".encode(), digest_size=16).digest()
        return tuple(int.from_bytes(drawn[at : at + 4], "big") / _SPACE for at in range(0, 16, 4))

    def _pass(self, flow: _Flow, role: int, frame: bytes, segment: TcpSegment) -> list[Out]:
        """Let a frame through, and after it whatever waited for it."""
        first, end = flow.relative(segment.seq, role), flow.relative(segment.end, role)
        if first <= flow.passed_to[role] < end:
            flow.passed_to[role] = end
        out = [Out(1 - flow.side(role), frame)]
        if not flow.waiting:
            return out
        for held in [held for held in flow.waiting if self._meets(held, flow, role, segment)]:
            out += self._release(held)
        return out

    def _meets(self, held: _DelayedFrame, flow: _Flow, role: int, segment: TcpSegment) -> bool:
        until = held.until
        if held.gone or until is None or until.role != role:
            return False
        seq, ack = flow.relative(segment.seq, role), self._ack(flow, role, segment)
        if not until.pattern.fits(segment.flags, seq, segment.payload_len, ack):
            return False
        held.left -= 1
        return held.left == 0

    def _release(self, held: _DelayedFrame) -> list[Out]:
        held.gone = True
        flow = held.flow
        if held in flow.waiting:
            flow.waiting.remove(held)
            if held.by != BY_CHANCE:
                self._note(held.by, "release", flow, held.role, held.segment)
        if flow.cut[held.role]:
            return []
        return self._pass(flow, held.role, held.frame, held.segment)

    def _wait(self, held: _DelayedFrame, due_ns: int) -> None:
        self._count += 1
        heapq.heappush(self._due, (due_ns, self._count, held))

    def _note(self, number: int, did: str, flow: _Flow, role: int, segment: TcpSegment) -> None:
        ends = segment.ends if role == 0 else tcp_frames.other_way(segment.ends)
        self.events.append(
            {
                "rule": number,
                "did": did,
                "from": ROLES[role],
                "segment": self._notation(flow, role, segment),
                "ends": ends.hex(),
            }
        )

    def _notation(self, flow: _Flow, role: int, segment: TcpSegment) -> str:
        seq = flow.relative(segment.seq, role)
        ack = flow.relative(segment.ack, 1 - role) if segment.flags & ACK else None
        return notation(tcp_frames.letters(segment.flags), (seq, seq + segment.payload_len), ack)


_ANY = tuple(Awaited(role, Pattern(word="any"), 1) for role in range(len(ROLES)))
