"""One connection out of a capture as pcapng, with the verdict as comments for Wireshark to show. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rst_or_fin.analysis.captured import Case
from rst_or_fin.capture_file.records import Record
from rst_or_fin.escaping import clipped, visible
from rst_or_fin.report.capture_ladder import marked
from rst_or_fin.report.capture_text import ends, verdict_lines
from rst_or_fin.report.pcapng import interface_block, packet_block, section_block


def annotated(case: Case, records: Iterable[tuple[int, Record]], program: str) -> bytes:
    """Write the frames of a connection. `records` are those of its capture, each with its number."""
    segments = case.connection.segments
    wanted = {segment.frame_no for segment in segments}
    comments = {segments[index].frame_no: [meaning] for index, meaning in marked(case).items()}
    said = [*verdict_lines(case), *(f"inconclusive: {doubt}" for doubt in case.verdict.doubts)]
    last = segments[max(case.verdict.deciding, default=-1)].frame_no
    comments.setdefault(last, []).append("\n".join(clipped(visible(line), 300) for line in said))
    blocks = [section_block(f"connection {case.number}: {ends(case.connection)}", program)]
    numbers: dict[int, int] = {}
    for frame_no, record in records:
        if frame_no not in wanted:
            continue
        if record.link_type not in numbers:
            numbers[record.link_type] = len(numbers)
            blocks.append(interface_block(record.link_type, ""))
        number = numbers[record.link_type]
        blocks.append(
            packet_block(number, record.t_ns, record.data, comments.get(frame_no, ()), record.wire_len)
        )
    return b"".join(blocks)
