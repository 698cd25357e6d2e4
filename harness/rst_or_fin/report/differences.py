"""Shows what differs between runs, as text, Markdown and JSON: the differences first, the rest in short."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from rst_or_fin.analysis.compare import Behaviour, Difference, Findings, SetAside, Unseen
from rst_or_fin.analysis.counters import CounterDifferences
from rst_or_fin.escaping import on_one_line, visible
from rst_or_fin.report import counter_moves
from rst_or_fin.report import markdown as md
from rst_or_fin.report.fitting import WIDTH
from rst_or_fin.report.markdown import escaped
from rst_or_fin.report.palette import PLAIN, Palette
from rst_or_fin.report.wording import counted

UNEXPLAINED = "unexplained"
ABSENT = "-"


def text(
    found: Findings,
    palette: Palette = PLAIN,
    moves: Sequence[CounterDifferences] | None = None,
    width: int = WIDTH,
) -> str:
    """Render the findings for a terminal."""
    lines = [f"{palette.bold}{headline(found)}{palette.plain}"]
    for difference in found.differences:
        lines += ["", f"{palette.bold}== {visible(difference.scenario.name)} =={palette.plain}"]
        lines += textwrap.wrap(depends(difference), width, initial_indent="  ", subsequent_indent="  ")
        for behaviour in difference.behaviours:
            lines.append(f"  {palette.bold}{visible(behaviour.where)}{palette.plain}")
            wide = max(map(len, difference.points))
            for point in difference.points:
                lines.append(f"    {point:<{wide}}  {visible(behaviour.points.get(point, ABSENT))}")
            if behaviour is not difference.behaviours[0]:
                colour = palette.dim if behaviour.reference else palette.bad
                why = visible(reference(behaviour))
                because = textwrap.fill(
                    f"because  {why}", width, initial_indent="    ", subsequent_indent="      "
                )
                lines.append(f"{colour}{because}{palette.plain}")
    rest = list(remainder(found))
    others = [] if moves is None else ["", *counter_moves.text(moves)]
    return "\n".join([*lines, "", *map(visible, rest), *others])


def markdown(found: Findings, moves: Sequence[CounterDifferences] | None = None) -> str:
    """Render the findings as a Markdown document."""
    lines = ["# What differs", "", escaped(headline(found)), ""]
    for difference in found.differences:
        heads = ["", *(escaped(behaviour.where) for behaviour in difference.behaviours)]
        lines += [f"## {escaped(difference.scenario.name)}", ""]
        lines += [f"> {escaped(difference.scenario.claim)}", "", escaped(depends(difference)), ""]
        lines += md.table(heads, [(name, *values) for name, values in table(difference)])
    lines += [line for rest in remainder(found) for line in (f"- {escaped(rest)}",)]
    if moves is not None:
        lines += ["", f"## {counter_moves.TITLE}", ""]
        lines += [line for each in counter_moves.telling(moves) for line in _moves(each)]
        lines += [f"- {escaped(line)}" for line in counter_moves.conclusion(moves)]
    return "\n".join(lines).rstrip() + "\n"


def _moves(each: CounterDifferences) -> Iterator[str]:
    yield from (f"### {escaped(each.scenario)}", "")
    if each.moves:
        yield from md.table(counter_moves.HEADS, counter_moves.rows(each))
    yield from (f"- {escaped(line)}" for line in counter_moves.rest(each))
    yield ""


def document(found: Findings, moves: Sequence[CounterDifferences] | None = None) -> dict[str, Any]:
    """Return what `compare --format json` prints."""
    return {
        "format": 1,
        "unexplained": found.unexplained,
        "span": found.span,
        "differences": [
            {
                "scenario": difference.scenario.name,
                "claim": on_one_line(difference.scenario.claim),
                "axes": difference.axes,
                "points": difference.points,
                "unexplained": difference.unexplained,
                "behaviours": [
                    {
                        "where": behaviour.where,
                        "points": {name: behaviour.points.get(name) for name in difference.points},
                        "reference": behaviour.reference,
                        "runs": [{"evidence": run.source, "axes": run.axes} for run in behaviour.runs],
                    }
                    for behaviour in difference.behaviours
                ],
            }
            for difference in found.differences
        ],
        "same": [scenario.name for scenario in found.same],
        "same_in_part": [
            {
                "scenario": part.scenario.name,
                "seen": part.seen,
                "unseen": [{"where": place.where, "why": place.why} for place in part.unseen],
            }
            for part in found.in_part
        ],
        "alone": [scenario.name for scenario in found.alone],
        "set_aside": [
            {"scenario": aside.run.scenario.name, "evidence": aside.run.source, "why": aside.why}
            for aside in found.set_aside
        ],
        **({} if moves is None else {"counters": counter_moves.document(moves)}),
    }


def headline(found: Findings) -> str:
    """Say in one sentence how many scenarios differ."""
    unexplained = sum(difference.unexplained for difference in found.differences)
    known = len(found.differences) - unexplained
    if not found.differences:
        if found.same:
            return "Nothing differs."
        seen = any(part.seen > 1 for part in found.in_part)
        return "Nothing differs where anything was seen." if seen else "Nothing could be compared."
    verb = "differs" if len(found.differences) == 1 else "differ"
    return f"{counted(len(found.differences), 'scenario')} {verb}: {known} known, {unexplained} unexplained."


def depends(difference: Difference) -> str:
    """Say which axes tell the behaviours of a scenario apart."""
    if difference.axes is None:
        return "No axis separates them: one configuration showed several."
    names = {"otp": "OTP", "family": "address family", "backend": "gen_tcp backend"}
    return f"Told apart by: {' and '.join(names.get(axis, axis) for axis in difference.axes)}."


def table(difference: Difference) -> Iterator[tuple[str, list[str]]]:
    """Yield rows of points, one value for each behaviour; the last row says why."""
    for point in difference.points:
        yield point, [behaviour.points.get(point, ABSENT) for behaviour in difference.behaviours]
    first, *others = difference.behaviours
    del first
    yield "because", ["", *(reference(behaviour) for behaviour in others)]


def reference(behaviour: Behaviour) -> str:
    """Return the known explanation of a behaviour, or that there is none."""
    return behaviour.reference or UNEXPLAINED


def remainder(found: Findings) -> Iterator[str]:
    """Yield lines on what is the same, what has nothing to be compared with, and what is set aside."""
    if found.same:
        names = ", ".join(scenario.name for scenario in found.same)
        count = counted(len(found.same), "scenario")
        yield f"The same wherever it was played ({found.span}): {count}: {names}"
    for part in found.in_part:
        seen = "the same" if part.seen > 1 else "seen"
        yield f"Of {part.scenario.name} {counted(part.seen, 'run')} went {seen}, and others showed nothing:"
        for why, where in _by_why(part.unseen):
            yield f"    {where}: {why}"
    if found.alone:
        names = ", ".join(scenario.name for scenario in found.alone)
        yield f"Conclusive in one run only, so there is nothing to compare: {names}"
    for why, names in _grouped(found.set_aside):
        yield f"Not compared: {names}: {why}"


def _by_why(unseen: Sequence[Unseen]) -> list[tuple[str, str]]:
    places: dict[str, list[str]] = {}
    for place in unseen:
        places.setdefault(place.why, []).append(place.where)
    return [(why, " | ".join(where)) for why, where in places.items()]


def _grouped(set_aside: Sequence[SetAside]) -> list[tuple[str, str]]:
    by_why: dict[str, list[str]] = {}
    for aside in set_aside:
        by_why.setdefault(aside.why, []).append(aside.run.scenario.name)
    return [(why, ", ".join(dict.fromkeys(names))) for why, names in by_why.items()]
