"""Plays a script on one connection: segments heard in, segments to send out. No I/O, no clock.

Knows a script's steps (see `script`) and relative numbers; not addresses, nor how a segment travels. Times
are seconds of whatever clock the caller has.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass

from .script import Expect, Send, Step, Wait, notation

PLAYED = "script played"
NOT_PLAYED = "script not played"


@dataclass(frozen=True)
class Received:
    """A segment of the other end: `seq` and `ack` relative, `flags` canonical (see `script.canonical`)."""

    flags: str
    seq: int
    payload_len: int
    ack: int | None

    @property
    def end(self) -> int:
        """The sequence number after its payload; SYN and FIN are not counted, as in tcpdump's ranges."""
        return self.seq + self.payload_len

    @property
    def is_bare_ack(self) -> bool:
        """Whether it only acknowledges."""
        return self.flags == "." and self.payload_len == 0

    def __str__(self) -> str:
        return notation(self.flags, (self.seq, self.end), self.ack)


class Player:
    """Plays a script on one connection.

    `received` and `sent` count bytes of payload, repetitions not; `over` is true once the script has been
    played or could not be, and `trouble` then says why not (empty where it was played).
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._at = 0
        self._inbox: collections.deque[Received] = collections.deque()
        self._news: set[tuple[str, int, int]] = set()  # what was heard: the control bits and where they stand
        self._received_to = 1
        self._sent_to = 1
        self.due_s: float | None = None  # when the present step ends by itself
        self.over = False
        self.trouble = ""

    @property
    def received(self) -> int:
        """How many bytes of payload came, repetitions not counted."""
        return self._received_to - 1

    @property
    def sent(self) -> int:
        """How many bytes of payload were sent, repetitions not counted."""
        return self._sent_to - 1

    def receive(self, segment: Received, now_s: float) -> list[Send]:
        """Return what to send in answer to a segment; nothing once the script is over."""
        if self.over:
            return []
        self._inbox.append(segment)
        return self._go_on(now_s)

    def tick(self, now_s: float) -> list[Send]:
        """Return what to send now that time has passed (see `due_s`)."""
        return [] if self.over else self._go_on(now_s)

    def _go_on(self, now_s: float) -> list[Send]:
        out: list[Send] = []
        while not self.over:
            if self._at == len(self._steps):
                self.over = True
                break
            step = self._steps[self._at]
            if isinstance(step, Send):
                first, end = step.range
                if end > first:
                    self._sent_to = max(self._sent_to, end)
                out.append(step)
            elif not self._is_done(step, now_s):
                break
            self._at += 1
            self.due_s = None
        return out

    def _is_done(self, step: Expect | Wait, now_s: float) -> bool:
        if self.due_s is None:
            self.due_s = now_s + (step.duration_s if isinstance(step, Wait) else step.within_s)
        if isinstance(step, Wait):
            return now_s >= self.due_s
        while self._inbox:
            segment = self._inbox.popleft()
            fits = _fits(step, segment)
            if not self._is_news(segment) and not (fits and segment.is_bare_ack):
                continue
            if not fits and segment.flags == step.unless:
                self.over = True
                return False
            if not fits:
                return self._give_up(step, f"heard {segment}")
            return True
        if now_s >= self.due_s:
            return self._give_up(step, f"nothing new was heard within {step.within_s:g} s")
        return False

    def _is_news(self, segment: Received) -> bool:
        """Return whether it says something new: payload, or a control bit at a new place."""
        controls = "".join(letter for letter in segment.flags if letter in "SFR")
        place = (controls, segment.end, segment.payload_len if "R" in controls else 0)
        payload = segment.payload_len > 0 and segment.end > self._received_to
        new = payload or (bool(controls) and place not in self._news)
        if controls:
            self._news.add(place)
        if segment.payload_len:
            self._received_to = max(self._received_to, segment.end)
        return new

    def _give_up(self, step: Expect, why: str) -> bool:
        self.over = True
        self.trouble = (
            f"script line {step.line}: expected {notation(step.flags, step.range, step.ack)}, {why}"
        )
        return False


def _fits(step: Expect, segment: Received) -> bool:
    return (
        step.flags == segment.flags
        and (step.range is None or step.range == (segment.seq, segment.end))
        and (step.ack is None or step.ack == segment.ack)
    )
