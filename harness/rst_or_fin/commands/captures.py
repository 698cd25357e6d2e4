"""Opens, judges and selects from captures, for the commands that read them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rst_or_fin.analysis import selection
from rst_or_fin.analysis.captured import Case, JudgedCapture, Known, judged
from rst_or_fin.analysis.selection import Selection
from rst_or_fin.capture_file.opening import STANDARD_INPUT, large_source, open_captures
from rst_or_fin.capture_file.reading import CaptureReading
from rst_or_fin.commands.argument_types import count, one_of, port
from rst_or_fin.errors import UsageError
from rst_or_fin.tcp.ending import Cause, Ending

_LARGE = 1_048_576  # bytes: from here on numpy saves more time than it takes to load


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the filters that `selected` reads."""
    group = parser.add_argument_group("only these connections of a capture")
    group.add_argument("--connection", type=count, metavar="N", help="with this number, in full")
    group.add_argument("--host", metavar="ADDRESS", help="with this address at either end")
    group.add_argument("--port", type=port, metavar="N", help="with this port at either end")
    group.add_argument(
        "--ending", type=one_of(Ending), metavar="ENDING", help="where an end ended like this: RST, FIN, ..."
    )
    group.add_argument(
        "--cause", type=one_of(Cause), metavar="CAUSE", help="with this cause, proved or among the candidates"
    )
    group.add_argument(
        "--between",
        nargs=2,
        metavar="TIME",
        help="between these times: 11:39:07 (UTC), or with a date in ISO 8601",
    )


def selected(options: argparse.Namespace) -> Selection:
    """Read the filters of the command line."""
    since, until = (selection.moment(text) for text in options.between) if options.between else (None, None)
    return Selection(
        host=None if options.host is None else selection.host(options.host),
        port=options.port,
        ending=options.ending,
        cause=options.cause,
        since=since,
        until=until,
        connection=options.connection,
    )


def is_capture(paths: Sequence[str]) -> bool:
    """Return whether these are captures rather than evidence folders."""
    return all(path == STANDARD_INPUT or (Path(path).exists() and not Path(path).is_dir()) for path in paths)


def is_live(paths: Sequence[str]) -> bool:
    """Return whether the capture can be read only once, and may be growing."""
    return list(paths) == [STANDARD_INPUT] or not Path(paths[0]).is_file()


def names(paths: Sequence[str]) -> str:
    """Return what to call these captures in a heading."""
    first = "standard input" if paths[0] == STANDARD_INPUT else Path(paths[0]).name
    return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"


def judge_captures(
    paths: Sequence[str],
    use: Callable[[Iterator[Case]], None],
    *,
    payload_kept: int = 0,
    provisional: Callable[[Case], None] | None = None,
    only_counted: bool = False,
) -> JudgedCapture:
    """Judge captures as one; `use` gets all cases, and all of them again if the capture must be read again.

    While a capture grows, `provisional` gets each case a few seconds after its end. With `only_counted` the
    plain connections of a large file are merely counted: `use` does not get them, the result has them as
    `plain`.

    Raises UsageError if they hold no TCP segment.
    """

    def reading() -> CaptureReading:
        return open_captures(paths, payload_kept=payload_kept)

    if is_live(paths):
        capture = JudgedCapture(reading(), Known(offloaded=None), provisional)
        use(iter(capture))
    else:
        counted = _judged_but_plain(paths, use, payload_kept) if only_counted else None
        capture = counted or judged(reading, use=use)
    if not capture.connections:
        raise UsageError(_no_segment(capture.reading), "give a capture of the connection in question")
    return capture


def _judged_but_plain(
    paths: Sequence[str], use: Callable[[Iterator[Case]], None], payload_kept: int
) -> JudgedCapture | None:
    """Judge a large file without its plain connections; None if it cannot be sifted or has one connection."""
    source = large_source(paths, _LARGE)
    if source is None:
        return None
    from rst_or_fin.analysis.sifting import sift  # numpy takes its time to load

    sifted = sift(source)
    if sifted is None:
        return None
    capture = judged(lambda: sifted.reading(payload_kept), use=use, plain=sifted.plain)
    return capture if capture.connections > 1 else None


def one_case(paths: Sequence[str], number: int | None, *, payload_kept: int = 0) -> Case:
    """Return the connection of that number; for None, the only one.

    Raises UsageError if there is no such connection, or if `number` is None and there are several.
    """
    found: list[Case] = []
    wanted = 1 if number is None else number

    def use(cases: Iterator[Case]) -> None:
        found.clear()
        found.extend(case for case in cases if case.number == wanted)

    capture = judge_captures(paths, use, payload_kept=payload_kept)
    if number is None and capture.connections > 1:
        raise UsageError(
            f"which of the capture's {capture.connections} connections?",
            "name it with --connection N; `rst-or-fin judge` lists them",
        )
    if not found:
        raise UsageError(no_such(wanted, capture), "`rst-or-fin judge` lists them")
    return found[0]


def no_such(number: int, capture: JudgedCapture) -> str:
    """Say which connections there are instead."""
    known = "its only one is 1" if capture.connections == 1 else f"they are 1 to {capture.connections}"
    return f"the capture has no connection {number}: {known}"


def _no_segment(reading: CaptureReading) -> str:
    """Say what the capture holds instead."""
    others = ", ".join(f"{number} {what}" for what, number in reading.passed_over.most_common())
    said = [others or "no frame at all", *reading.doubts]
    return f"the capture holds no TCP segment: {'; '.join(said)}"
