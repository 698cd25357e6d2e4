"""Prints what `judge` finds in a capture: a first screen, a JSON document, or a JSON line a connection."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import msgspec

from rst_or_fin.analysis.captured import Case, JudgedCapture
from rst_or_fin.analysis.overview import Overview
from rst_or_fin.analysis.selection import Selection
from rst_or_fin.commands.capture_witnesses import Witnesses, are_given
from rst_or_fin.commands.captures import is_live, judge_captures, names, no_such, selected
from rst_or_fin.commands.console import palette, print_json
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_INCONCLUSIVE, UsageError
from rst_or_fin.report import capture_text
from rst_or_fin.report.capture_records import capture_record, case_record, overview_record, segments_record
from rst_or_fin.tcp.ending import Validity


def judge_capture(options: argparse.Namespace) -> int:
    """Judge a foreign capture: it has only the wire's evidence, and nothing is expected."""
    wanted, live = selected(options), is_live(options.paths)
    kind = _Lines if options.json_lines else _Document if options.json else _Screen
    answer = kind(wanted, live, names(options.paths))
    corroborate = Witnesses(options).corroborated if are_given(options) else iter
    capture = judge_captures(
        options.paths,
        lambda cases: answer.use(corroborate(cases)),
        provisional=answer.tell,
        only_counted=kind is _Screen and wanted.is_all and not are_given(options),
    )
    seen = answer.seen
    if capture.plain is not None:
        seen.add_plain(capture.plain)
    if not seen.total and wanted == Selection(connection=wanted.connection):
        raise UsageError(no_such(wanted.connection or 0, capture), "leave --connection out to see them all")
    answer.finish(capture)
    return EXIT_AS_EXPECTED if seen.total == seen.validity[Validity.CONCLUSIVE] else EXIT_INCONCLUSIVE


class _Screen:
    """The first screen. Each connection of a capture that is still growing is printed as it ends."""

    def __init__(self, wanted: Selection, live: bool, name: str) -> None:
        self.seen = Overview()
        self._wanted, self._live, self._name = wanted, live, name
        self._last: Case | None = None
        self._printed: dict[int, str] = {}  # the lines printed for now, by number

    def use(self, cases: Iterator[Case]) -> None:
        """Take in all cases, replacing those taken in before."""
        self.seen = Overview()
        for case in cases:
            if self._wanted.takes(case):
                self.seen.add(case)
                self._take(case)

    def finish(self, capture: JudgedCapture) -> None:
        """Print what can be said at the capture's end."""
        if self.seen.total == 1 and self._last is not None:
            print(capture_text.detail(self._last, palette()))
            for said in capture_text.of_capture(capture):
                print(said)
            return
        print(capture_text.overview(self.seen, capture, self._name, palette()))

    def tell(self, case: Case) -> None:
        """Print a case of a growing capture as it stands."""
        if self._wanted.takes(case):
            self._printed[case.number] = capture_text.line(case)
            print(capture_text.line(case, palette()), flush=True)

    def _take(self, case: Case) -> None:
        self._last = case
        if self._live and self._printed.pop(case.number, None) != capture_text.line(case):
            print(capture_text.line(case, palette()), flush=True)


class _Document(_Screen):
    """One JSON document, the connections in the order in which they began."""

    def __init__(self, wanted: Selection, live: bool, name: str) -> None:
        super().__init__(wanted, live, name)
        self._records: list[tuple[int, msgspec.Raw]] = []

    def use(self, cases: Iterator[Case]) -> None:
        self._records = []
        super().use(cases)

    def finish(self, capture: JudgedCapture) -> None:
        self._records.sort(key=lambda record: record[0])
        print_json(
            {
                "format": 1,
                "capture": capture_record(capture),
                "overview": overview_record(self.seen, capture.connections),
                "connections": [record for _, record in self._records],
            }
        )

    def _take(self, case: Case) -> None:
        record = case_record(case)
        if self._wanted.connection is not None:
            record["trace"] = segments_record(case.connection)
        self._records.append((case.number, msgspec.Raw(msgspec.json.encode(record))))

    def tell(self, case: Case) -> None:
        """Print nothing: a document holds only what no longer changes."""


class _Lines(_Document):
    """One JSON object a connection and line, printed as they end if the capture can be read only once."""

    def finish(self, capture: JudgedCapture) -> None:
        for _, record in sorted(self._records, key=lambda record: record[0]):
            print(bytes(record).decode())

    def _take(self, case: Case) -> None:
        if self._live:
            print(msgspec.json.encode(case_record(case)).decode(), flush=True)
        else:
            super()._take(case)
