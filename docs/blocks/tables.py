"""Sums up the stored matrices (docs/data/*.json, written by `make docs-data`) as tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec
from rst_or_fin.agents.kinds import SERVED
from rst_or_fin.analysis.matrix import CellRecord, Mark, Summary
from rst_or_fin.scenario.axes import version
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.tcp.ending import Ending

from docs.blocks.words import linked, scenarios, table, to, when

DATA = Path("docs/data")


@cache
def records() -> tuple[CellRecord, ...]:
    """Read every stored cell."""
    return tuple(
        record
        for path in sorted(DATA.glob("*.json"))
        for record in msgspec.json.decode(path.read_bytes(), type=Summary).cells
    )


def results() -> str:
    """Tabulate every scenario on every OTP and backend stored without a kernel of its own."""
    ordered = sorted(
        (record for record in records() if not record.combination.kernel), key=lambda r: r.combination.order
    )
    columns = list(dict.fromkeys((r.combination.otp, r.combination.backend) for r in ordered))
    cells = {(r.scenario, r.combination.otp, r.combination.backend): _cell(r) for r in ordered}
    rows = [
        [to(scenario), *(cells.get((scenario.name, *column), "") for column in columns)]
        for scenario in scenarios()
    ]
    return table(("scenario", *(" ".join(column) for column in columns)), rows)


def surprises() -> str:
    """List where the stored cells of a scenario ended differently, and what it says to that."""
    lines = []
    for scenario in scenarios():
        cells = [r for r in records() if r.scenario == scenario.name and r.endings]
        if scenario.race or len({r.endings for r in cells}) < 2:
            continue
        lines.append(f"- **{scenario.name}**: {counted(cells)}")
        lines += [f"  - {when(v.when)}: {v.expect.ending}. {linked(v.reference)}" for v in scenario.variants]
    return "\n".join(lines) or "None of the stored cells."


def kernels() -> str:
    """Tabulate every kernel of stored cells, oldest first, by the scenarios whose ending may change."""
    chosen = {record.scenario for record in records() if record.combination.kernel}
    shown = [scenario for scenario in scenarios() if scenario.name in chosen]
    rows = []
    played = [record for record in records() if record.endings and record.scenario in chosen]
    for release in sorted({record.kernel_release for record in played}, key=version):
        cells = [record for record in records() if record.kernel_release == release]
        rows.append([release, *(_ended(cells, scenario) for scenario in shown)])
    return table(("kernel", *(to(scenario) for scenario in shown)), rows)


def _ended(cells: Sequence[CellRecord], scenario: Scenario) -> str:
    return ", ".join(dict.fromkeys(_cell(cell) for cell in cells if cell.scenario == scenario.name))


def remedies() -> str:
    """Tabulate each remedy with its case, as the stored cells ended."""
    rows = []
    for after in sorted((s for s in scenarios() if s.remedy_for), key=lambda s: s.remedy_for):
        before = next(s for s in scenarios() if s.name == after.remedy_for)
        rows.append(
            (to(before), _seen_briefly(before), to(after), _seen_briefly(after), _helps(before, after))
        )
    return table(("case", "ends", "remedy", "ends", "helps"), rows)


def counted(cells: Sequence[CellRecord]) -> str:
    """Say how the stored cells of one scenario ended, the commonest first; where few did, which."""
    ended: dict[str, list[CellRecord]] = {}
    for record in cells:
        ended.setdefault("/".join(record.endings) or str(record.mark), []).append(record)
    parts = []
    for index, (words, members) in enumerate(sorted(ended.items(), key=lambda item: -len(item[1]))):
        odd = [record for record in members if record.mark in (Mark.DIFFERS, Mark.INCONCLUSIVE, Mark.ERROR)]
        where = f" ({'; '.join(_where(r) for r in members)})" if index and len(members) <= 3 else ""
        parts.append(
            f"{words} in {len(members)} of {len(cells)} cells{where}" + " **as not expected**" * bool(odd)
        )
    return ", ".join(parts)


def _where(record: CellRecord) -> str:
    return ", ".join(record.combination.words[:-1])


def _helps(before: Scenario, after: Scenario) -> str:
    resets = {str(Ending.RST), str(Ending.FIN_THEN_RST)}
    ends = [{e for r in records() if r.scenario == s.name for e in r.endings} for s in (before, after)]
    if not all(ends):
        return "not stored"
    serves = before.expect.peer_sees != after.expect.peer_sees == SERVED
    return "yes" if ends[0] & resets and (serves or not ends[1] & resets) else "**no**"


def _seen_briefly(scenario: Scenario) -> str:
    ends = dict.fromkeys(e for r in records() if r.scenario == scenario.name for e in r.endings)
    return ", ".join(ends)


def _cell(record: CellRecord) -> str:
    if record.mark is Mark.EXCLUDED:
        return "not played"
    ends = "/".join(record.endings) or "none"
    match record.mark:
        case Mark.AS_EXPECTED:
            return ends
        case Mark.RACE:
            return f"{ends} (race)"
    return f"**{ends}: {record.mark}**"
