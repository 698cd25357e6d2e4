"""`report`: stored evidence, judged anew, in formats for others. No Docker, no root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from rst_or_fin.commands.captures import add_selection_options, is_capture
from rst_or_fin.commands.console import columns, palette
from rst_or_fin.commands.output_options import add_all_option
from rst_or_fin.commands.saved_reports import read_all, write
from rst_or_fin.errors import EXIT_AS_EXPECTED, UsageError
from rst_or_fin.report import ladder_mermaid, ladder_svg, ladder_text, runs_grid
from rst_or_fin.report.fitting import WIDTH, fitted
from rst_or_fin.report.ladder import Ladder, ladder
from rst_or_fin.report.palette import PLAIN
from rst_or_fin.report.records import Run, Unplayed, documents
from rst_or_fin.storage.find_runs import newest_run
from rst_or_fin.verdict.assessment import Assessment


def report_options(parser: argparse.ArgumentParser) -> None:
    """Add what `report` takes."""
    parser.add_argument(
        "--last", action="store_true", help="use the newest run, sweep or matrix in RUN (default: runs)"
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="an evidence folder, a folder of these, or capture files"
    )
    add_selection_options(parser)
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        choices=tuple(_FORMATS),
        default="text",
        help="%(choices)s (default: text)",
    )
    parser.add_argument("--out", metavar="FILE", help="write to FILE instead of stdout")
    add_all_option(parser)
    parser.add_argument(
        "--replay",
        type=int,
        metavar="INDEX",
        help="the replay to show (text, svg, mermaid, packetdrill; default: the one that most needs a look)",
    )


def report(options: argparse.Namespace) -> int:
    """Print or write the report; unlike with `judge`, the exit code does not depend on the verdicts."""
    if options.runs and not options.last and is_capture(options.runs):
        from rst_or_fin.commands import capture_reports

        content = capture_reports.content(options)
    else:
        runs, unplayed = read_all(_given(options))
        content = _FORMATS[options.format](runs, unplayed, options)
    if options.out is None:
        _print(content, options.format)
    else:
        write(Path(options.out), content)
    return EXIT_AS_EXPECTED


def _given(options: argparse.Namespace) -> list[Path]:
    """Return the named folders, or with --last the newest in the named one (default: runs)."""
    if options.last:
        return [newest_run(Path(folder)) for folder in options.runs or ["runs"]]
    if not options.runs:
        raise UsageError("no run is named", "name an evidence folder, or give --last for the newest one")
    return [Path(run) for run in options.runs]


_Unplayed = Sequence[Unplayed]

# One function a format. What only some formats need is imported by these.


def _html(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    from rst_or_fin.report import html

    return html.render(runs, unplayed).encode()


def _markdown(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    from rst_or_fin.report import markdown

    return markdown.render(runs, unplayed).encode()


def _junit(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    from rst_or_fin.report import junit

    return junit.render(runs, unplayed)


def _json(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    return msgspec.json.format(msgspec.json.encode(documents(runs, unplayed)), indent=2) + b"\n"


def _pcapng(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    from rst_or_fin.report import pcapng

    return pcapng.annotated(_only(runs, options))


def _packetdrill(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    from rst_or_fin.report import packetdrill

    run = _only(runs, options)
    return packetdrill.script(_replay(run, options.replay), run.scenario.name).encode()


def _svg(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    return ladder_svg.render(_ladder(_only(runs, options), options)).encode()


def _mermaid(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    return ladder_mermaid.render(_ladder(_only(runs, options), options)).encode()


def _text(runs: Sequence[Run], unplayed: _Unplayed, options: argparse.Namespace) -> bytes:
    colours, width = (palette(), min(columns(), WIDTH)) if options.out is None else (PLAIN, WIDTH)
    overview = []
    if len(runs) + len(unplayed) > 1:
        overview = [fitted(runs_grid.text(runs, unplayed, colours, width), width) + "\n"]
    drawn = [
        f"{fitted(one.title, width)}\n\n{ladder_text.render(one, colours, width)}\n"
        for one in (_ladder(run, options) for run in runs)
    ]
    return "\n".join([*overview, *drawn]).encode()


_FORMATS: Mapping[str, Callable[[Sequence[Run], _Unplayed, argparse.Namespace], bytes]] = {
    "html": _html,
    "markdown": _markdown,
    "text": _text,
    "svg": _svg,
    "mermaid": _mermaid,
    "json": _json,
    "junit": _junit,
    "pcapng": _pcapng,
    "packetdrill": _packetdrill,
}


def _only(runs: Sequence[Run], options: argparse.Namespace) -> Run:
    if len(runs) != 1:
        raise UsageError(
            f"{options.format} holds one run, and {len(runs)} were given",
            "give one evidence folder, or choose html, markdown, text, json or junit",
        )
    return runs[0]


def _ladder(run: Run, options: argparse.Namespace) -> Ladder:
    judged = _replay(run, options.replay)
    return ladder(run.scenario, judged, everything=options.everything, key_log=run.secrets)


def _replay(run: Run, index: int | None) -> Assessment:
    """Return the replay of that index; None: the one that most needs a look. Raises UsageError."""
    if index is None:
        return run.groups()[0].first
    for judged in run.judgements:
        if judged.replay.index == index:
            return judged
    raise UsageError(f"{run.folder} has no replay {index}", f"its replays are 0 to {len(run.judgements) - 1}")


def _print(content: bytes, kind: str) -> None:
    if kind == "pcapng" and sys.stdout.isatty():
        raise UsageError("pcapng is binary, not text for a terminal", "write it to a file with --out FILE")
    if kind != "pcapng":
        sys.stdout.write(content.decode())
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
