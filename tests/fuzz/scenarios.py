"""Damaged scenario files: each is right, or everything that is wrong with it is told on lines that print."""

from __future__ import annotations

import random
from pathlib import Path

from rst_or_fin.scenario import check
from rst_or_fin.scenario.model import parse

from tests.fuzz.mutations import damage

_TEXTS = [path.read_bytes() for path in sorted(Path("scenarios").glob("*.toml"))]
_LINES = sorted({line for text in _TEXTS for line in text.decode().splitlines() if " = " in line})
_VALUES = (
    "-1",
    "99999999999999999999",
    "true",
    "[]",
    "{}",
    '""',
    "1979-05-27",
    "nan",
    '"\\u0000"',
    "[[1]]",
    "0x7f",
)


def made(seed: int, number: int) -> str:
    """Make the text of that number."""
    chance = random.Random(f"{seed}/{number}/scenario")
    text = chance.choice(_TEXTS)
    if chance.random() < 0.4:
        return damage(chance, bytearray(text), chance.randint(1, 3), _TEXTS).decode("utf-8", "replace")
    lines = text.decode().splitlines()
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        key = lines[at].partition(" = ")[0]
        lines[at : at + chance.choice([0, 1, 1])] = [
            chance.choice(
                [f"{key} = {chance.choice(_VALUES)}", chance.choice(_LINES), "", f"[{key}]", f"[[{key}]]"]
            )
        ]
    return "\n".join(lines)


def look(text: str) -> str:
    """Check it, and say what came of it. Raises where it is neither right nor plainly wrong."""
    wrong = check.problems(text, "x.scenario.toml")
    for problem in wrong:
        assert problem.told("x").isprintable(), problem
    if wrong:
        return "refused"
    parse(text, "x.scenario.toml")
    return "right"
