"""Stores what the documentation needs, and checks that it holds and is of today's scenarios."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rst_or_fin.analysis.matrix import Summary
from rst_or_fin.execution import cache
from rst_or_fin.scenario.model import Scenario

from docs.blocks.tables import DATA, records
from docs.blocks.words import scenarios

EVIDENCE = Path("tests/golden/evidence")

# What decides neither how a scenario is played nor what is expected of it. (`ends_node` decides who may have
# ended a node, which nobody did but the sessions of what is stored.)
_SAID = dict.fromkeys(("claim", "theme", "remedy_for", "published"), "") | {"sources": (), "ends_node": False}
# What of a cell no page tells, and what differs from one time to the next.
_PASSING = ("evidence", "reused", "duration_s")


def keep(path: Path, name: str) -> int:
    """Store a whole matrix.json, a cell a line, with a digest of each scenario as it was played."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if document["finished"] is None:
        print(f"docs: {path.name} is of a matrix that was not played to its end")
        return 1
    cells = [{k: v for k, v in cell.items() if k not in _PASSING} for cell in document.pop("cells")]
    played = {cell["scenario"] for cell in cells}
    document["scenarios"] = {s.name: _digest(s) for s in scenarios() if s.name in played}
    lines = ",\n".join(json.dumps(cell) for cell in cells)
    text = json.dumps({**document, "cells": []}, indent=1).replace('"cells": []', f'"cells": [\n{lines}\n]')
    (DATA / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return 0


def contradictions() -> Iterator[str]:
    """Yield evidence that is judged otherwise today, cells of changed scenarios, scenarios left out."""
    for folder in sorted(path.parent for path in EVIDENCE.glob("*/manifest.json")):
        told = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text("utf-8").splitlines()]
        found = [json.loads(msgspec.json.encode(each.record())) for each in cache.read(folder).judgements]
        if told != found:
            yield f"{folder}/verdicts.jsonl is not the verdict that the evidence gives"
    yield from _outdated()
    catalogued = "\n".join(
        page.read_text(encoding="utf-8") for page in sorted(Path("docs/catalogue").glob("*.md"))
    )
    for scenario in scenarios():
        if len(re.findall(rf"^## {re.escape(scenario.name)}$", catalogued, re.MULTILINE)) != 1:
            yield f"the scenario {scenario.name} has no section in docs/catalogue, or several"
        if not any(source.strip() for source in scenario.sources):
            yield f"the scenario {scenario.name} has no source"


def _outdated() -> Iterator[str]:
    today = {scenario.name: _digest(scenario) for scenario in scenarios()}
    for path in sorted(DATA.glob("*.json")):
        for name, digest in json.loads(path.read_text(encoding="utf-8"))["scenarios"].items():
            if today.get(name) != digest:
                yield f"{path}: {name} was played as it is no more; play the matrix again (make docs-data)"
    for name in sorted(today.keys() - {record.scenario for record in records()}):
        yield f"no result of {name} is stored (make docs-data)"


# Fields that came later than stored results make none of them stale where they are not used.
_LATER = (
    "applications",
    "chance",
    "code",
    "connection",
    "ends_node",
    "image",
    "language",
    "line",
    "lost",
    "node",
    "sent",
    "sysctls",
    "wire",
)
_REASONS = ("reason", "reference")  # of exclusions and variants
_UNUSED: tuple[object, ...] = (None, [], {}, "", False, "erlang")


def _digest(scenario: Scenario) -> str:
    """Return a digest of what is played and expected; wording may change without a new run."""
    plain = msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(scenario, **_SAID)))
    return hashlib.sha256(msgspec.json.encode(_used(plain))).hexdigest()[:16]


def _used(value: Any) -> Any:
    """Return the value without the later fields that are not used, and without reasons."""
    if isinstance(value, dict):
        used = {name: _used(each) for name, each in value.items()}
        return {
            name: each
            for name, each in used.items()
            if name not in _REASONS and (name not in _LATER or each not in _UNUSED)
        }
    return [_used(each) for each in value] if isinstance(value, list) else value


def summaries() -> list[Summary]:
    """Read the stored matrices."""
    return [msgspec.json.decode(path.read_bytes(), type=Summary) for path in sorted(DATA.glob("*.json"))]
