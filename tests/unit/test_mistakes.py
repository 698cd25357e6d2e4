"""What nobody caught is never exit code 1, which means that an outcome differs: one line, and what to do."""

from __future__ import annotations

import errno
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.commands import explain
from rst_or_fin.errors import UsageError

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """`rst-or-fin list` raises what the test says."""

    def fail(options: object) -> int:
        raise request.param

    monkeypatch.setattr(explain, "list_scenarios", fail)


def raising(*errors: BaseException) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("broken", errors, indirect=True, ids=lambda error: type(error).__name__)


@raising(ValueError("embedded\x1b[2J"), RecursionError(), AssertionError("x" * 5000), KeyError("a\nb"))
@pytest.mark.usefixtures("broken")
def test_a_mistake_is_one_line_and_where_the_details_lie(capsys: Capture) -> None:
    code = main(["list"])
    said = capsys.readouterr().err
    wrong, hint = said.splitlines()
    assert (code, wrong.startswith("rst-or-fin: internal error: "), len(wrong) < 400) == (
        70,
        True,
        True,
    )
    assert said.replace("\n", "").isprintable()
    assert re.fullmatch(r"  hint: please report it with what is in (\S+)", hint)


@raising(ValueError("why"))
@pytest.mark.usefixtures("broken")
def test_the_details_are_the_owners_alone(temporary: Path, capsys: Capture) -> None:
    main(["list", "--theme", "x"])
    [path] = temporary.iterdir()
    text = path.read_text()
    assert (stat.S_IMODE(path.stat().st_mode), "list --theme x" in text, "ValueError: why" in text) == (
        0o600,
        True,
        True,
    )


@raising(ValueError("why"))
@pytest.mark.usefixtures("broken")
def test_without_space_for_the_details_it_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert (main(["list"]), "could not be written" in capsys.readouterr().err) == (70, True)


MACHINE = {
    "out of file descriptors": OSError(errno.EMFILE, "Too many open files"),
    "an interface of the test network is down": OSError(errno.ENETDOWN, "Network is down"),
    "no space left": OSError(errno.ENOSPC, "No space left on device"),
    "out of memory": MemoryError(),
}


@pytest.mark.parametrize("broken", MACHINE.values(), indirect=True, ids=MACHINE)
@pytest.mark.usefixtures("broken")
def test_what_the_machine_lacks_is_no_mistake(
    request: pytest.FixtureRequest, temporary: Path, capsys: Capture
) -> None:
    code = main(["list"])
    says = request.node.callspec.id
    assert (code, says in capsys.readouterr().err, list(temporary.iterdir())) == (4, True, [])


@raising(BrokenPipeError(errno.EPIPE, "Broken pipe"))
@pytest.mark.usefixtures("broken")
def test_a_pipe_that_is_not_our_output_is_no_reader_that_left(capfd: pytest.CaptureFixture[str]) -> None:
    """A run whose peer is gone must not end as if all were as expected."""
    assert main(["list"]) == 70


@raising(UsageError("what", "hint"), ValueError("why"))
@pytest.mark.usefixtures("broken")
def test_where_nothing_can_be_said_the_exit_code_stays(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = {"UsageError": 2, "ValueError": 70}[request.node.callspec.id]
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stderr", full)
        assert main(["list"]) == code
        with suppress(OSError):
            full.close()
