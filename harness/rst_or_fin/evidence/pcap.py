"""Reads and writes evidence captures, whole: bytes to frames and back. `capture_file` does the work.

Evidence was written by this program, so damage raises an error here; it is not merely a doubt about a
verdict.
"""

from __future__ import annotations

from collections.abc import Iterator

from rst_or_fin.capture_file import formats
from rst_or_fin.capture_file.damage import CaptureError as CaptureError
from rst_or_fin.capture_file.damage import Damage
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.records import FileNotes, Record
from rst_or_fin.capture_file.writing import header as header
from rst_or_fin.capture_file.writing import records as records

ETHERNET = 1


class CutOffError(CaptureError):
    """The capture ends in the middle of a record."""


def frames(capture: bytes) -> Iterator[tuple[int, Frame]]:
    """Yield every record of a capture as (link type, frame), in file order.

    Raises CaptureError if the bytes are no capture, are damaged, or end in the middle of a record.
    """
    for record in _records(capture):
        yield record.link_type, Frame(t_ns=record.t_ns, data=record.data)


def whole_records(capture: bytes) -> bytes:
    """Cut off a last record that a killed run left unfinished. Raises CaptureError for other damage."""
    notes = FileNotes()
    for _ in formats.records([capture], notes):
        pass
    if notes.damage is None:
        return capture
    if not notes.damage.cut_short:
        raise _error(notes.damage)
    return capture[: notes.damage.at]


def _records(capture: bytes) -> Iterator[Record]:
    notes = FileNotes()
    yield from formats.records([capture], notes)
    if notes.damage is not None:
        raise _error(notes.damage)


def _error(damage: Damage) -> CaptureError:
    if damage.cut_short:
        return CutOffError(
            f"the capture is cut off: {damage}",
            "capture it again, or cut it back to whole records: editcap IN OUT",
        )
    return CaptureError(f"the capture is {damage}", "capture it again")
