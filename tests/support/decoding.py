"""Decodes whole captures and single frames in memory, as the judge decodes a capture that comes in."""

from __future__ import annotations

from collections.abc import Iterator

from rst_or_fin.capture_file.decoding import Decoder
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.records import Record
from rst_or_fin.evidence import pcap
from rst_or_fin.tcp.segment import Segment


def segments_of(capture: bytes) -> Iterator[Segment]:
    """Yield the TCP segments of a capture, in the order they were seen; skip everything else."""
    decoder = Decoder()
    for number, (link_type, frame) in enumerate(pcap.frames(capture), start=1):
        found = decoder.segment(Record(frame.t_ns, link_type, frame.data, len(frame.data)), number)
        if found is not None:
            yield found


def segment_of(frame: Frame) -> Segment | None:
    """Return the TCP segment in an Ethernet frame, or None."""
    return Decoder().segment(Record(frame.t_ns, pcap.ETHERNET, frame.data, len(frame.data)))
