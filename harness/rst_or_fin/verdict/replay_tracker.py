"""Tracks the connections of a run, replay after replay, as its frames come in."""

from __future__ import annotations

from collections.abc import Iterable

from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.records import Record
from rst_or_fin.evidence import pcap
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.tcp.tracker import ConnectionTracker, TrackedConnection
from rst_or_fin.verdict.peer_reports import may_be_of


class ReplayTracker:
    """The connections of a run, replay after replay, as its frames come."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._tracker = ConnectionTracker()
        self._begun: list[TrackedConnection] = []
        self.frames = 0  # seen so far

    def __len__(self) -> int:
        """Count the connections since the last replay's were taken."""
        return len(self._begun)

    def see(self, frames: Iterable[Frame]) -> None:
        """Take in captured frames."""
        for frame in frames:
            self.frames += 1
            record = Record(frame.t_ns, pcap.ETHERNET, frame.data, len(frame.data))
            segment = self._decoder.segment(record, self.frames)
            if segment is not None:
                self.add(segment)

    def add(self, segment: Segment) -> None:
        """Take in a segment."""
        begun = self._tracker.add(segment)
        if begun is not None:
            self._begun.append(begun)

    def ends(self) -> list[tuple[tuple[Endpoint, Endpoint], bool]]:
        """Return the two ends of each connection since the last `take`, and whether it is over."""
        return [(tracked.ends, tracked.reading.over) for tracked in self._begun]

    def may_be_of(self, index: int, peer_report: PeerReport) -> bool:
        """Return whether a report can be about that one of these connections."""
        return may_be_of(self._begun[index].reading, peer_report)

    def is_answered(self, index: int) -> bool:
        """Return whether that one of these connections has been answered, or is over."""
        reading = self._begun[index].reading
        return reading.answered_ns is not None or reading.over

    def take(self) -> list[Connection]:
        """Return these connections, for the replay that is over: no later segment changes them."""
        begun, self._begun = self._begun, []
        return [tracked.take() for tracked in begun]
