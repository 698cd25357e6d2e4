"""Judges the connections of any capture, each once it has ended and late segments can no longer arrive.

The segments are the only witness, so a cause is often unknown; nothing is expected. In memory are only the
open connections and those that ended a short while ago. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING, NamedTuple

from rst_or_fin.capture_file.icmp_errors import IcmpError
from rst_or_fin.capture_file.offloads import Offloads
from rst_or_fin.capture_file.reading import CaptureReading, Times
from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.tcp.acceptance import read
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.tcp.tracker import ConnectionTracker, TrackedConnection
from rst_or_fin.verdict.judge import judge
from rst_or_fin.verdict.verdict import Verdict

if TYPE_CHECKING:  # numpy takes its time to load, and most captures are small
    from rst_or_fin.analysis.sifting import PlainConnections

_CROSSED_NS = 1_000_000_000  # what crosses the end of a connection has come by then
# How long a late segment may change a verdict: TIME-WAIT (TCP_TIMEWAIT_LEN, Linux 6.12)
LATE_NS = 60_000_000_000
LIVE_NS = 5_000_000_000  # by then most late segments have come: for who waits for an answer
# After an orderly end only a retransmitted FIN still comes: after 1 s (RFC 6298 section 2.1)
_ORDERLY_NS = 2_000_000_000
_WAITING_MAX = 6_000  # connections that are over and wait for late segments
_REMEMBERED_MAX = 6_000  # connections that were judged and are still known by their late segments

_ERRORS_SHOWN = 3  # ICMP errors of one connection
_FIN_OR_RST = 0x05


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One connection of a capture, and how it ended.

    `number` is its position, from 1, in the order in which the connections began.
    """

    number: int
    connection: Connection
    verdict: Verdict

    @property
    def first_ns(self) -> int:
        """When its first segment was captured, in nanoseconds since the epoch."""
        return self.connection.segments[0].t_ns

    @property
    def last_ns(self) -> int:
        """When its last segment was captured, in nanoseconds since the epoch."""
        return self.connection.segments[-1].t_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an earlier reading found out that a capture says only at its end.

    `offloaded` are hosts that offload their checksums, None if the capture cannot be
    read twice; `dropped` is how many frames it missed.
    """

    offloaded: Collection[str] | None = ()
    dropped: int = 0


class _Ending(NamedTuple):
    """A connection that may be over, and since when nothing of it has come. In a heap the number decides."""

    t_ns: int
    number: int
    tracked: TrackedConnection


class JudgedCapture:
    """Yields the cases of a capture in the order in which they end; iterate over it only once.

    `provisional` gets each case a few seconds after its end; later segments may still change it. After the
    iteration `is_settled` says whether the cases stand; if not, read the capture again with `known`.
    `plain` are connections whose segments were left out of the reading; they yield no case.
    """

    def __init__(
        self,
        reading: CaptureReading,
        known: Known,
        provisional: Callable[[Case], None] | None = None,
        plain: PlainConnections | None = None,
    ) -> None:
        self.reading = reading
        self.plain = plain
        self._begun_here = 0
        self._offloads = Offloads(known.offloaded, plain.is_right if plain is not None else None)
        self.span: tuple[int, int] | None = None  # the first and the last segment of all cases, in ns
        self._given = known
        self._provisional = provisional
        self._fresh: deque[_Ending] = deque()  # those to be told for now
        self._due: deque[int] = deque()  # the numbers of those that are settled early
        self._relief = _WAITING_MAX
        self._tracker = ConnectionTracker()
        self._numbers: dict[int, int] = {}  # by the id of a connection
        self._begun: dict[int, TrackedConnection] = {}  # by number
        self._ending: list[_Ending] = []  # a heap: the one of which nothing came for longest is the first
        self._queued: set[int] = set()  # the ids of these
        self._remembered: deque[TrackedConnection] = deque()
        self._errors: dict[frozenset[Endpoint], list[IcmpError]] = {}
        self._errors_read = 0
        self._over: deque[Case] = deque()  # by the time of segments that were left out
        reading.on_left_out = self._pass
        self._times: dict[int, int] = {}  # of the last segment before each break

    @property
    def connections(self) -> int:
        """How many connections there are, as far as the capture was read."""
        return self._begun_here + (self.plain.total if self.plain is not None else 0)

    @property
    def offloaded(self) -> tuple[str, ...]:
        """The hosts that offload their checksums, as far as the capture was read."""
        return self._offloads.hosts

    @property
    def known(self) -> Known:
        """What this reading has found out, for another reading of the same capture."""
        live = self._given.offloaded is None
        return Known(
            offloaded=None if live else self._offloads.hosts,
            dropped=self.reading.dropped or 0,  # None: the format cannot say
        )

    @property
    def is_settled(self) -> bool:
        """Whether this reading's cases stand; otherwise the capture must be read again."""
        return self._offloads.is_settled and (self.reading.dropped or 0) == self._given.dropped

    def __iter__(self) -> Iterator[Case]:
        last_ns = 0
        for segment in self._offloads.forgiven(self.reading):
            if self._over:
                yield from self._taken()
            self._note_breaks(last_ns)
            last_ns = max(last_ns, segment.t_ns)
            self._add(segment)
            if self._fresh:
                self._tell(segment.t_ns)
            while (number := self._next_over(segment.t_ns)) is not None:
                yield self._case(number)
        yield from self._taken()
        self._note_breaks(last_ns if self.plain is None else max(last_ns, self.plain.last_ns))
        for number in list(self._begun):
            yield self._case(number)

    def _taken(self) -> Iterator[Case]:
        """Yield the cases that became final while skipped segments passed."""
        while self._over:
            yield self._over.popleft()

    def _pass(self, times: Times) -> None:
        """Judge the connections that became final by these times, those of skipped segments."""
        at = 0
        while self._ending:
            at = max(at, int(times.searchsorted(self._ending[0].t_ns + LATE_NS, side="right")))
            if at == len(times):
                return
            while (number := self._next_over(int(times[at]))) is not None:
                self._over.append(self._case(number))

    def _add(self, segment: Segment) -> None:
        begun = self._tracker.add(segment)
        if begun is not None:
            self._begun_here += 1
            others = self.plain.begun_before(segment.frame_no) if self.plain is not None else 0
            self._numbers[id(begun)] = number = self._begun_here + others
            self._begun[number] = begun
        if segment.flags & _FIN_OR_RST:
            for tracked in self._tracker.of(segment):
                if not tracked.taken and id(tracked) not in self._queued:
                    self._queued.add(id(tracked))
                    ending = _Ending(segment.t_ns, self._numbers[id(tracked)], tracked)
                    heappush(self._ending, ending)
                    if self._provisional is not None:
                        self._fresh.append(ending)

    def _next_over(self, now_ns: int) -> int | None:
        """Return the number of a connection that has been over for long enough, or None."""
        if len(self._ending) > self._relief:
            self._relieve(now_ns)
        if self._due:
            return self._due.popleft()
        while self._ending:
            since_ns, number, tracked = self._ending[0]
            last_ns = tracked.members[-1].t_ns if tracked.members else since_ns
            if now_ns - since_ns <= LATE_NS:
                return None
            if since_ns < last_ns:
                heapreplace(self._ending, _Ending(last_ns, number, tracked))
            elif not tracked.reading.over:  # a FIN alone: look again later, as its answer may come
                heapreplace(self._ending, _Ending(max(now_ns, since_ns + 1), number, tracked))
            else:
                heappop(self._ending)
                return number
        return None

    def _relieve(self, now_ns: int) -> None:
        """Finalise orderly ends early if too many wait; connections that a RST ended wait the full time."""
        kept: list[_Ending] = []
        for ending in sorted(self._ending):
            tracked = ending.tracked
            reading, past_ns = tracked.reading, now_ns - tracked.members[-1].t_ns
            if reading.closed_by_fins and past_ns > _ORDERLY_NS:
                self._due.append(ending.number)
            else:
                kept.append(ending)
        self._ending = kept  # sorted: a heap
        self._relief = max(_WAITING_MAX, 2 * len(kept))

    def _tell(self, now_ns: int) -> None:
        """Pass ended connections to `provisional`; later segments may still change their cases."""
        while self._fresh and now_ns - self._fresh[0].t_ns > LIVE_NS:
            _, number, tracked = self._fresh.popleft()
            if self._provisional is not None and not tracked.taken and tracked.reading.over:
                self._provisional(self._judged(number, tracked.look()))

    def _case(self, number: int) -> Case:
        tracked = self._begun.pop(number)
        del self._numbers[id(tracked)]
        self._queued.discard(id(tracked))
        found = self._judged(number, tracked.take())
        first_ns, last_ns = self.span or (found.first_ns, found.last_ns)
        self.span = (min(first_ns, found.first_ns), max(last_ns, found.last_ns))
        self._remembered.append(tracked)
        if len(self._remembered) > _REMEMBERED_MAX:
            self._tracker.forget(self._remembered.popleft())
        return found

    def _judged(self, number: int, connection: Connection) -> Case:
        facts = CaptureFacts(dropped=self._given.dropped, fenced=True)
        verdict = judge(connection, capture=facts)
        doubts = [*self._of_breaks(connection), *_of_checksums(connection, self._forgiven())]
        if doubts:
            verdict = replace(verdict, doubts=(*verdict.doubts, *doubts))
        beside = self._icmp_errors(connection)
        if beside:
            verdict = replace(verdict, remarks=(*verdict.remarks, *beside))
        return Case(number=number, connection=connection, verdict=verdict)

    def _icmp_errors(self, connection: Connection) -> list[str]:
        """Return the ICMP errors about this connection's segments while it was open."""
        errors = self.reading.icmp_errors
        for error in errors[self._errors_read :]:
            self._errors.setdefault(frozenset((error.src, error.dst)), []).append(error)
        self._errors_read = len(errors)
        if not self._errors:
            return []
        first = connection.segments[0].frame_no
        about = self._errors.get(frozenset((connection.client, connection.server)), ())
        return [
            f"frame {error.frame_no}: {error.reporter} answers {error.src} with ICMP {error.what}"
            for error in about
            if error.frame_no >= first
        ][:_ERRORS_SHOWN]

    # Where the capture itself is in doubt

    def _forgiven(self) -> Collection[str]:
        return self._offloads.hosts if self._given.offloaded is None else self._given.offloaded

    def _note_breaks(self, last_ns: int) -> None:
        breaks = len(self.reading.breaks)
        if breaks > len(self._times):
            for number in range(len(self._times), breaks):
                self._times[number] = last_ns

    def _of_breaks(self, connection: Connection) -> Iterator[str]:
        """Yield a doubt if a connection was open, or had only just ended, when a file breaks off."""
        for number, found in enumerate(self.reading.breaks):
            if _is_unsettled(connection, found.after_frame, self._times.get(number, 0)):
                yield found.why


def _is_unsettled(connection: Connection, after_frame: int, t_ns: int) -> bool:
    """Return whether more of a connection may have followed after the file breaks off."""
    before = [s for s in connection.segments if s.frame_no <= after_frame]
    return bool(before) and (not read(before).over or before[-1].t_ns > t_ns - _CROSSED_NS)


def _of_checksums(connection: Connection, offloaded: Collection[str]) -> Iterator[str]:
    """Yield a doubt for an end whose only segment has a wrong checksum: offloading, or damage."""
    if not offloaded:
        return
    for end in {connection.client, connection.server}:
        own = [s for s in connection.segments if s.src == end]
        if end.address in offloaded and len(own) == 1:
            yield f"the only segment from {end} has a wrong checksum: checksum offload, or damage"


def judged(
    open_reading: Callable[[], CaptureReading],
    *,
    use: Callable[[Iterator[Case]], None],
    plain: PlainConnections | None = None,
) -> JudgedCapture:
    """Judge a capture that can be read repeatedly.

    `use` gets all cases once per reading; those of the last reading are final. `plain` are connections that
    are left out of the reading.
    """
    known = Known()
    while True:
        capture = JudgedCapture(open_reading(), known, plain=plain)
        use(iter(capture))
        if capture.is_settled:
            return capture
        known = capture.known
