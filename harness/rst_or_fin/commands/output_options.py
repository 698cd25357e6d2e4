"""Adds the options for what is printed, and for what is written beside it."""

from __future__ import annotations

from argparse import ArgumentParser


def add_all_option(parser: ArgumentParser) -> None:
    """Add --all, which leaves nothing out."""
    parser.add_argument(
        "--all", dest="everything", action="store_true", help="show long traces and results in full"
    )


def add_report_options(parser: ArgumentParser) -> None:
    """Add --html and --junit, which `cli` checks before the command starts."""
    parser.add_argument("--html", metavar="FILE", help="also write an HTML page of what was played")
    parser.add_argument("--junit", metavar="FILE", help="also write the outcomes as JUnit XML")


def add_verbosity_options(parser: ArgumentParser) -> None:
    """Add -q and -v, which `cli` applies before the command starts."""
    verbosity = parser.add_mutually_exclusive_group()
    verbosity.add_argument(
        "-q", "--quiet", action="store_true", help="print one line per scenario, and no progress"
    )
    verbosity.add_argument(
        "-v", "--verbose", action="store_true", help="print every replay, and the output of builds"
    )
