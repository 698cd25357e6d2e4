"""Records what is captured in a run, at one end of the wire or at both, and sorts it into connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from rst_or_fin.evidence.records import WirePlayed
from rst_or_fin.storage.evidence_writer import Writer
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import Testbed
from rst_or_fin.verdict.replay_tracker import ReplayTracker

Ends = tuple[Endpoint, Endpoint]
_SENDER = slice(6, 12)  # of an Ethernet frame


class Recorder:
    """The captures of one run, replay after replay: `near` at the node's end, `far` at the peer's."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.near = ReplayTracker()
        self.far = ReplayTracker()
        self._pending = self._lost = 0
        self._near_first = self._far_first = 1
        self._near_by_sender: Counter[bytes] = Counter()  # how many frames this replay, by Ethernet address
        self._far_by_sender: Counter[bytes] = Counter()
        self._far_dropped = 0

    @property
    def first_frame(self) -> int:
        """The number of the replay's first frame, in the capture at the node's end."""
        return self._near_first

    def peek(self, testbed: Testbed) -> bool:
        """Take in what was captured up to now; return whether there was anything.

        Where a program stands between the hosts, more may be on its way in there.
        """
        return self._take_in(testbed, 0.0)

    def see(self, testbed: Testbed, timeout_s: float = 0.0) -> None:
        """Take in all that was captured up to now; wait up to `timeout_s` for the first of it.

        Where a program stands between the hosts, nothing is left on its way in there. One that is idle need
        not be asked where every frame has come out again, in both directions.
        """
        if testbed.wire is not None and testbed.wire.is_idle:
            self._take_in(testbed, timeout_s)
            timeout_s = 0.0
            if self._near_by_sender and self._near_by_sender == self._far_by_sender:
                self._pending = 0
                return
        fenced = testbed.wire.fence() if testbed.wire is not None else None
        self._take_in(testbed, timeout_s)
        if fenced is not None:
            self._pending, self._lost = fenced.pending, fenced.lost

    def _take_in(self, testbed: Testbed, timeout_s: float) -> bool:
        frames = testbed.drain(timeout_s)
        if frames:
            self._writer.frames(frames)
            self.near.see(frames)
            self._near_by_sender.update(frame.data[_SENDER] for frame in frames)
        at_peer = testbed.wire.drain_peer() if testbed.wire is not None else []
        if at_peer:
            self._writer.peer_frames(at_peer)
            self.far.see(at_peer)
            self._far_by_sender.update(frame.data[_SENDER] for frame in at_peer)
        return bool(frames or at_peer)

    def is_still(self, testbed: Testbed) -> bool:
        """Return whether no frame waits in the wire for its time."""
        return testbed.wire is None or bool(testbed.wire.gone) or self._pending == 0

    def is_cut_off(self, testbed: Testbed) -> bool:
        """Return whether nothing passes between the hosts any more: the program in the middle is gone."""
        return testbed.wire is not None and bool(testbed.wire.gone)

    def left_open(self, testbed: Testbed) -> list[Ends]:
        """Return the connections that have not ended for both hosts' kernels.

        If these cannot say, the captures decide.
        """
        far = dict(self.far.ends())
        return [
            ends
            for ends, over in self.near.ends()
            if _is_open(testbed, ends, over and far.get(ends, True) and far.get(ends[::-1], True))
        ]

    def has_seen_all_end(self) -> bool:
        """Return whether every connection is over in every capture of it."""
        return all(over for _, over in (*self.near.ends(), *self.far.ends()))

    def take(self) -> tuple[list[Connection], list[Connection]]:
        """Return the replay's connections, as captured at the node's end and at the peer's.

        What is captured from now on is the next one's.
        """
        self._near_first = self.near.frames + 1
        self._near_by_sender.clear()
        self._far_by_sender.clear()
        return self.near.take(), self.far.take()

    def played(self, testbed: Testbed, left_open: Sequence[Ends]) -> WirePlayed | None:
        """Return what the wire did in the replay just over; None if no program stands between the hosts."""
        wire = testbed.wire
        if wire is None:
            return None
        near = dict(self.near.ends()) if left_open else {}
        first, self._far_first = self._far_first, self.far.frames + 1
        return WirePlayed(
            first_frame=first,
            last_frame=self.far.frames,
            actions=wire.take(),
            dropped=self._far_dropped + wire.dropped_at_peer(),
            lost=self._lost,
            pending=self._pending,
            gone=wire.gone,
            held_by_peer=tuple(ends for ends in left_open if not _node_holds(testbed, ends, near[ends])),
        )

    def renewed(self, dropped_at_peer: int) -> None:
        """Note that another testbed takes over, whose counts begin anew."""
        self._far_dropped += dropped_at_peer


def _is_open(testbed: Testbed, ends: Ends, over: bool) -> bool:
    held = _held(testbed, testbed.connection_exists, ends, over)
    return not over if held is None else held


def _node_holds(testbed: Testbed, ends: Ends, over: bool) -> bool:
    held = _held(testbed, testbed.node_connection_exists, ends, over)
    return not over if held is None else held


def _held(
    testbed: Testbed, ask: Callable[[Endpoint, Endpoint], bool | None], ends: Ends, over: bool
) -> bool | None:
    """Ask a kernel; where that takes a round trip only after a connection that the captures show as open."""
    return ask(*ends) if testbed.kernel_queries_are_local or not over else None
