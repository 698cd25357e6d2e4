"""Keep the virtual time, what is to happen, and what is known of the conversation."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Any

from tests.truth.segment import Conn, Crossing, Segment

if TYPE_CHECKING:
    from tests.truth.host import Host
    from tests.truth.path import Path

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000


class World:
    """Two hosts, the path between them, and the log of everything that was sent.

    `murky` says why nobody, not even with all knowledge, can name the truth of this conversation.
    """

    __slots__ = (
        "_counter",
        "_queue",
        "conns",
        "crossings",
        "hosts",
        "murky",
        "now",
        "path",
        "rng",
        "sent",
        "verbose",
    )

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now = 0
        self.conns: list[Conn] = []
        self.crossings: list[Crossing] = []
        self.sent: list[Segment] = []
        self.murky = ""
        self.verbose = False
        self.hosts: list[Host] = []
        self.path: Path
        self._queue: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._counter = 0

    def at(self, when_ns: int, action: Callable[[Any], None], argument: Any) -> None:
        """Have `action(argument)` called at a time; equal times keep their order."""
        self._counter += 1
        heappush(self._queue, (when_ns, self._counter, action, argument))

    def run(self, *, until_ns: int, most_crossings: int) -> None:
        """Let everything happen until a time, or until so many segments passed the tap."""
        queue = self._queue
        while queue and len(self.crossings) < most_crossings:
            when_ns, _, action, argument = heappop(queue)
            if when_ns > until_ns:
                break
            self.now = when_ns
            action(argument)

    def left(self) -> list[tuple[int, Callable[[Any], None], Any]]:
        """Return what was still to happen: when, what, to what."""
        return [(when_ns, action, argument) for when_ns, _, action, argument in sorted(self._queue)]

    def conn(self, *, ports: tuple[int, int], client: int, isn: int) -> Conn:
        """Open the books of a new connection."""
        made = Conn(len(self.conns), ports, client, isn)
        self.conns.append(made)
        return made
