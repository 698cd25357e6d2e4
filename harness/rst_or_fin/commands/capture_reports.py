"""`report dump.pcap`: the first screen of a capture, or one connection of it, in another format."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping

import msgspec

from rst_or_fin import __version__
from rst_or_fin.analysis.captured import Case
from rst_or_fin.analysis.overview import Overview
from rst_or_fin.capture_file.opening import open_captures
from rst_or_fin.commands.captures import is_live, judge_captures, names, one_case, selected
from rst_or_fin.commands.console import columns, palette
from rst_or_fin.errors import UsageError
from rst_or_fin.report import (
    capture_html,
    capture_ladder,
    capture_markdown,
    capture_pcapng,
    capture_text,
    ladder_mermaid,
    ladder_svg,
    ladder_text,
)
from rst_or_fin.report.capture_records import capture_record, case_record, overview_record, segments_record
from rst_or_fin.report.fitting import WIDTH, fitted
from rst_or_fin.report.palette import PLAIN

_PREVIEW_LEN = 61  # bytes of each payload that a ladder shows, and one more


def content(options: argparse.Namespace) -> bytes:
    """Write the report. Raises UsageError if this format cannot hold it."""
    formats = _OVERVIEWS if options.connection is None else _CONNECTIONS
    if options.format not in formats:
        if options.format in _CONNECTIONS:
            raise UsageError(
                f"{options.format} holds one connection of a capture", "name it with --connection N"
            )
        raise UsageError(
            f"a capture cannot be reported as {options.format}", f"choose {', '.join(_CONNECTIONS)}"
        )
    if options.connection is None:
        return _overview(options)
    case = one_case(options.runs, options.connection, payload_kept=_PREVIEW_LEN)
    return _CONNECTIONS[options.format](case, options)


def _overview(options: argparse.Namespace) -> bytes:
    wanted, name = selected(options), names(options.runs)
    found = [Overview()]
    records: list[tuple[int, msgspec.Raw]] = []

    def use(cases: Iterator[Case]) -> None:
        found[0] = Overview()
        records.clear()
        for case in filter(wanted.takes, cases):
            found[0].add(case)
            if options.format == "json":
                records.append((case.number, msgspec.Raw(msgspec.json.encode(case_record(case)))))

    capture = judge_captures(
        options.runs,
        use,
        payload_kept=_PREVIEW_LEN if options.format == "html" else 0,
        only_counted=options.format != "json" and wanted.is_all,
    )
    seen = found[0]
    if capture.plain is not None:
        seen.add_plain(capture.plain)
    if options.format == "json":
        document = {
            "format": 1,
            "capture": capture_record(capture),
            "overview": overview_record(seen, capture.connections),
            "connections": [record for _, record in sorted(records, key=lambda record: record[0])],
        }
        return _json(document)
    if options.format == "text":
        colours = palette() if options.out is None else PLAIN
        return f"{capture_text.overview(seen, capture, name, colours)}\n".encode()
    render = capture_markdown.overview if options.format == "markdown" else capture_html.overview
    return render(seen, capture, name).encode()


_OVERVIEWS = ("text", "json", "markdown", "html")


# One function a format, of one connection


def _text(case: Case, options: argparse.Namespace) -> bytes:
    colours, width = (palette(), min(columns(), WIDTH)) if options.out is None else (PLAIN, WIDTH)
    drawn = capture_ladder.ladder(case)
    return f"{fitted(drawn.title, width)}\n\n{ladder_text.render(drawn, colours, width)}\n".encode()


def _svg(case: Case, options: argparse.Namespace) -> bytes:
    return ladder_svg.render(capture_ladder.ladder(case)).encode()


def _mermaid(case: Case, options: argparse.Namespace) -> bytes:
    return ladder_mermaid.render(capture_ladder.ladder(case)).encode()


def _markdown(case: Case, options: argparse.Namespace) -> bytes:
    return capture_markdown.connection(case, names(options.runs)).encode()


def _html(case: Case, options: argparse.Namespace) -> bytes:
    return capture_html.connection(case, names(options.runs)).encode()


def _document(case: Case, options: argparse.Namespace) -> bytes:
    return _json({"format": 1, **case_record(case), "trace": segments_record(case.connection)})


def _pcapng(case: Case, options: argparse.Namespace) -> bytes:
    if is_live(options.runs):
        raise UsageError("a capture that can be read only once gives no pcapng", "write it to a file first")
    records = open_captures(options.runs, payload_kept=0).records()
    return capture_pcapng.annotated(case, records, f"rst-or-fin {__version__}")


_CONNECTIONS: Mapping[str, Callable[[Case, argparse.Namespace], bytes]] = {
    "text": _text,
    "svg": _svg,
    "mermaid": _mermaid,
    "markdown": _markdown,
    "html": _html,
    "json": _document,
    "pcapng": _pcapng,
}


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
