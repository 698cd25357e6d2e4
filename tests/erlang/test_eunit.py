"""The node's modules pass their own tests (erlang/test/), and its script is what they give."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ERLANG = Path(__file__).resolve().parents[2] / "erlang"
TESTS = sorted((ERLANG / "test").glob("*_tests.erl"))


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all modules and their tests, compiled; skips where this machine cannot, but not in CI."""
    if not _has_eunit():
        assert not os.environ.get("CI"), "CI has to have erlc and eunit"
        pytest.skip("there is no erlc with eunit on this machine")
    folder = tmp_path_factory.mktemp("ebin")
    sources = [str(path) for path in (*(ERLANG / "src").glob("*.erl"), *TESTS)]
    subprocess.run(["erlc", "-Werror", "-o", str(folder), *sources], check=True)
    return folder


def _has_eunit() -> bool:
    if shutil.which("erlc") is None:
        return False
    where = "case code:lib_dir(eunit) of {error, _} -> ok; Dir -> io:put_chars(Dir) end, halt()."
    said = subprocess.run(["erl", "-noshell", "-eval", where], capture_output=True, text=True, check=True)
    return bool(said.stdout) and (Path(said.stdout) / "include" / "eunit.hrl").is_file()  # Debian: erlang-dev


def _elixir() -> str:
    """Where Elixir's applications are; its module tries nothing where this machine has none, but in CI."""
    program = shutil.which("elixir")
    assert program or not os.environ.get("CI"), "CI has to have elixir"
    return str(Path(program).resolve().parents[1] / "lib") if program else ""


@pytest.mark.parametrize("module", [path.stem for path in TESTS])
def test_eunit_passes(compiled: Path, module: str) -> None:
    command = f"halt(case eunit:test({module}) of ok -> 0; error -> 1 end)."
    run = subprocess.run(
        ["erl", "-noshell", "-pa", str(compiled), "-eval", command],
        env={**os.environ, "ERL_LIBS": _elixir()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_the_script_is_what_the_modules_give() -> None:
    check = subprocess.run([sys.executable, str(ERLANG / "join.py"), "--check"], check=False)
    assert check.returncode == 0
