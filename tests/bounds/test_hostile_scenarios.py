"""A scenario file as large as one may be, and as odd, is judged in seconds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.test_bad_inputs import complaints, written

HOSTILE = {
    "keys": "".join(f"key{n} = 1\n" for n in range(80_000)),
    "tables": "".join(f"[a{n}]\n" for n in range(80_000)),
    "numbers": "x = [" + "1," * 500_000 + "]",
    "quotes": '"' * 1_000_000,
    "variants": '[[variants]]\nwhen = {x = 1}\nreference = ""\n' * 20_000,
    "parameters": "[parameters]\n" + "".join(f"P{n} = 1\n" for n in range(60_000)),
    "a long key": "k" * 1_000_000 + " = 1",
    "a long value": f'kind = "{"v" * 1_000_000}"',
    "dots": "session = '''" + ". " * 500_000 + "'''",
    "brackets": "session = '''" + "({[" * 300_000 + "'''",
    "open quotes": 'session = """' + "\\\"'" * 300_000 + '"""',
    "accepts": "session = '''" + "f(gen_tcp:accept(a,1)," * 40_000 + "a.'''\nserver.start_after_line = 1",
    "steps": "server.kind = 'scripted'\nserver.options.script = '''" + "x\n" * 50_000 + "'''",
    "records": "session = '''" + "#r{f=" * 100_000 + "'''",
    "line ends": 'session = """' + "\\n" * 300_000 + '"""',
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_mebibyte_of_anything_is_judged_in_seconds(
    what: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = written(HOSTILE[what][: 1 << 20])
    began_s = time.process_time()
    found = complaints(capsys, "check", name)
    assert (time.process_time() - began_s < 10, len(found) <= 20, max(map(len, found)) < 1000) == (
        True,
        True,
        True,
    )
