"""Damaged evidence folders: each is judged and shown, or refused, by the program as a user calls it."""

from __future__ import annotations

import io
import json
import random
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from rst_or_fin.cli import main

from tests.fuzz.mutations import damage

_FOLDERS = {
    folder: {path.name: path.read_bytes() for path in folder.iterdir()}
    for folder in sorted(Path("tests/golden/evidence").iterdir())
}
_CASES = list(_FOLDERS.values())
_TELLING: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    -(2**70),
    1.5,
    1e400,
    "",
    "\0",
    "\x1b[2J",
    "\ud800",
    [],
    {},
    "x" * 10_000,
)
_COMMANDS = (
    ("judge", "{}"),
    ("judge", "--json", "{}"),
    *(("report", "--format", kind, "{}") for kind in ("html", "markdown", "text", "svg", "junit", "pcapng")),
    ("compare", "{}", "{}"),
)
_CODES = {0: "as expected", 1: "differs", 2: "refused", 3: "inconclusive"}


def made(seed: int, number: int) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Make the files of that number, and choose what is asked about them."""
    chance = random.Random(f"{seed}/{number}/evidence")
    files = dict(chance.choice(_CASES))
    for _ in range(chance.choice([1, 1, 2])):
        name = chance.choice(sorted(files))
        others = [each[name] for each in _CASES if each.get(name)]
        change = _with_other_values if name.endswith((".json", ".jsonl")) and chance.random() < 0.85 else None
        data = files[name]
        files[name] = change(chance, data) if change else damage(chance, bytearray(data), 2, others)
        if chance.random() < 0.02:
            del files[name]
    return files, chance.choice(_COMMANDS)


def _with_other_values(chance: random.Random, data: bytes) -> bytes:
    """Keep it JSON, and put telling values in the place of some; leave out, or give twice, some lines."""
    lines = []
    for line in data.splitlines() if b"\n{" in data or data.count(b"\n") <= 1 else [data]:
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        for _ in range(chance.randint(1, 2)):
            document = _changed(chance, document)
        lines += [json.dumps(document).encode()] * chance.choice([1, 1, 1, 1, 0, 2])
    return b"".join(line + b"\n" for line in lines)


def _changed(chance: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        if chance.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: _changed(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], _changed(chance, value[at]), *value[at + 1 :]]
    if isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.5:
        return value + chance.choice([-1, 1, 2**16, -(2**16), 2**32])
    return chance.choice(_TELLING)


def look(made_input: tuple[dict[str, bytes], tuple[str, ...]]) -> str:
    """Ask, and say what came of it. Raises AssertionError where that is no answer of the program's."""
    files, command = made_input
    with tempfile.TemporaryDirectory() as place:
        for name, data in files.items():
            (Path(place) / name).write_bytes(data)
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main([word.format(place) for word in command])
        out.flush()
        said = err.getvalue()
    if code not in _CODES or "Traceback" in said:
        raise AssertionError(f"{command[:3]}: exit code {code}: {said[:500]}")
    return _CODES[code]
