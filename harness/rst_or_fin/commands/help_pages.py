"""`help`: shows the pages about writing scenarios, in the terminal; for the options there is --help."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator

from rst_or_fin import data_files
from rst_or_fin.commands.console import columns, show
from rst_or_fin.errors import EXIT_AS_EXPECTED, UsageError
from rst_or_fin.report.fitting import WIDTH

TOPICS = {
    "scenarios": "writing a scenario: every field, peer, step and expectation",
    "servers": "a scenario whose session listens",
    "ci": "continuous integration",
    "reading": "a reset in your own capture",
    "glossary": "the words of a verdict",
}

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_RULE = re.compile(r"\|[\s:|-]+\|")
_ITEM = re.compile(r"(?:-|\d+\.) +")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")


def help_page_options(parser: argparse.ArgumentParser) -> None:
    """Add what `help` takes."""
    parser.add_argument("topic", nargs="?", metavar="PAGE", help="the page (default: a list of the pages)")


def help_page(options: argparse.Namespace) -> int:
    """Print the page; without a name, the list of pages."""
    if options.topic is None:
        show("pages: `rst-or-fin help NAME`; every command: `rst-or-fin COMMAND --help`\n")
        show("\n".join(f"  {name:<10}  {what}" for name, what in TOPICS.items()))
        return EXIT_AS_EXPECTED
    if options.topic not in TOPICS:
        raise UsageError(f"there is no page {options.topic!r}", f"one of: {', '.join(TOPICS)}")
    page = data_files.path("docs") / f"{options.topic}.md"
    show("\n".join(_lines(page.read_text(encoding="utf-8"))))
    return EXIT_AS_EXPECTED


def _lines(markdown: str) -> Iterator[str]:
    """Yield the page's lines without Markdown markup: cog markers, link targets, table borders."""
    fenced = False
    paragraph: list[str] = []
    for line in _COMMENT.sub("", markdown).splitlines():
        fence = line.startswith("```")
        if fenced or fence or not line or line[0] in "#|" or _ITEM.match(line):
            yield from _filled(paragraph)
            paragraph = []
        if fence:
            fenced = not fenced
        elif fenced:
            yield f"    {line}".rstrip()
        elif line.startswith("|"):
            yield from () if _RULE.fullmatch(line) else (_row(line),)
        elif not line or line.startswith("#"):
            yield line
        else:
            paragraph.append(line.strip())
    yield from _filled(paragraph)


def _filled(paragraph: list[str]) -> Iterator[str]:
    """Yield a paragraph, or an item of a list, filled to the terminal's width."""
    if paragraph:
        item = _ITEM.match(paragraph[0])
        text = _LINK.sub(r"\1", " ".join(paragraph)).replace("**", "")
        indent = " " * len(item.group()) if item else ""
        width = min(columns(), WIDTH)
        yield textwrap.fill(
            text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )


def _row(line: str) -> str:
    """Write a row of a table as columns side by side."""
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", _LINK.sub(r"\1", line).strip("|"))]
    return "  " + "  ".join(cell.replace("\\", "") for cell in cells if cell)
