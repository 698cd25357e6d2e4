"""Shows parts of a stored run as Markdown, for marked blocks that cog (cogapp) keeps up to date.

    <!-- [[[cog print(session("runs/FOLDER")) ]]] -->
    <!-- [[[end]]] -->

`cog -rP -p "from rst_or_fin.embedding import *" FILE.md` fills the blocks in; `--check` instead of `-r` says
whether they still are what the evidence shows. A path is relative to where cog is run. Every function raises
UsageError if the folder is not evidence, is damaged or holds no replay.
"""

from __future__ import annotations

from pathlib import Path

from rst_or_fin.report import ladder_mermaid, ladder_svg, ladder_text, terminal
from rst_or_fin.report.explanations import marked
from rst_or_fin.report.ladder import Ladder
from rst_or_fin.report.ladder import ladder as laid_out
from rst_or_fin.report.markdown import escaped, fenced
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.storage.load_run import load_played_run
from rst_or_fin.verdict.assessment import Assessment

__all__ = ["case", "ladder", "mermaid", "session", "trace", "verdict", "witnesses"]


def case(folder: str | Path) -> str:
    """Return all of it, as `rst-or-fin judge FOLDER` prints it."""
    return _fenced(terminal.case(*read(folder)), "text")


def session(folder: str | Path) -> str:
    """Return the Erlang session with the node's answers, as a shell shows it."""
    _, judged = read(folder)
    return _fenced(terminal.session(judged.replay.calls), "erl")


def trace(folder: str | Path) -> str:
    """Return the connection in tcpdump's notation; "" if nothing was captured."""
    _, judged = read(folder)
    if judged.connection is None:
        return ""
    verdict = judged.verdict
    return _fenced(
        terminal.wire(judged.connection, verdict.deciding, node=verdict.subject, passages=verdict.passages),
        "text",
    )


def ladder(folder: str | Path) -> str:
    """Return the sequence diagram as plain text."""
    return _fenced(ladder_text.render(_laid_out(folder)), "text")


def mermaid(folder: str | Path) -> str:
    """Return the sequence diagram for where Mermaid is rendered, such as on GitHub."""
    return _fenced(ladder_mermaid.render(_laid_out(folder)), "mermaid")


def verdict(folder: str | Path) -> str:
    """Return the verdict in one line, then what its segments mean and what is doubtful."""
    _, judged = read(folder)
    lines = [f"**{escaped(terminal.headline(judged))}**", ""]
    lines += [f"- {escaped(meaning)}" for meaning in marked(judged).values()]
    lines += [f"- inconclusive: {escaped(doubt)}" for doubt in judged.verdict.doubts]
    return "\n".join(lines)


def witnesses(folder: str | Path) -> str:
    """Return what each witness said, and whether it agrees with the wire."""
    return _fenced(terminal.witnesses(read(folder)[1].verdict), "text")


def svg(folder: str | Path, name: str) -> str:
    """Return the sequence diagram as a drawing; `name` tells its ids from others' in a page."""
    return ladder_svg.render(_laid_out(folder), name)


def _laid_out(folder: str | Path) -> Ladder:
    run = load_played_run(Path(folder))
    return laid_out(run.scenario, run.judgements[0], key_log=run.evidence.secrets)


def read(folder: str | Path) -> tuple[Scenario, Assessment]:
    """Return the scenario as it applies on the run's axes, and the run's first replay, judged anew."""
    run = load_played_run(Path(folder))
    return run.scenario, run.judgements[0]


def _fenced(text: str, language: str) -> str:
    return "\n".join(fenced(text.rstrip("\n"), language)).rstrip()
