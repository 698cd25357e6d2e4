"""Nothing starts before the file is right: one line with file and line, exit code 2, nothing touched."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from rst_or_fin.agents import kinds
from rst_or_fin.cli import main
from rst_or_fin.storage import scenario_files

from tests.support.bad_inputs import CASES, GOOD, LISTENING, PARAMETERS, SCRIPTED, VARIED, WIRED, spoiled

pytest_plugins = ("pytester",)


class StartedError(BaseException):
    """Something was begun; no Exception, which the program would take for a mistake of its own."""


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was reached for: an engine, a namespace, another process, a socket. All of them refuse."""
    reached: list[str] = []

    def refusing(what: str) -> Callable[..., NoReturn]:
        def refuse(*arguments: object, **named: object) -> NoReturn:
            reached.append(what)
            raise StartedError(what)

        return refuse

    for what in (
        "rst_or_fin.engine.client.connect",
        "rst_or_fin.testbed.local.LocalTestbed.__init__",
        "_posixsubprocess.fork_exec",
        "subprocess.Popen.__init__",
        "os.fork",
        "os.posix_spawn",
        "socket.socket.connect",
    ):
        monkeypatch.setattr(what, refusing(what))
    monkeypatch.chdir(tmp_path)
    return reached


def written(text: str, name: str = "my.scenario.toml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def complaints(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines on stderr of a command that has to end with exit code 2."""
    code = main(arguments)
    said = capsys.readouterr()
    assert (code, said.out) == (2, ""), said
    return said.err.splitlines()


def told(line: int) -> str:
    return "rst-or-fin: my.scenario.toml:" + (f"{line}: " if line else " ")


@pytest.mark.parametrize("what", CASES)
def test_bad_input_is_one_line_with_its_place(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    *_, line, says = CASES[what]
    [complaint] = complaints(capsys, "check", written(spoiled(what)))
    assert (complaint.startswith(told(line)), says in complaint) == (True, True), complaint


@pytest.mark.parametrize("text", [GOOD, LISTENING, SCRIPTED, VARIED, PARAMETERS, WIRED])
def test_what_the_bad_inputs_are_made_of_is_good(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", written(text)])
    assert (code, capsys.readouterr().out) == (0, "my.scenario.toml: ok\n")


COMMANDS = {
    "run": ("run", "my.scenario.toml", "--runtime", "docker"),
    "run locally": ("run", "my.scenario.toml", "--runtime", "local"),
    "explain": ("explain", "my.scenario.toml"),
    "matrix": ("matrix", "my.scenario.toml", "--runtime", "docker"),
    "sweep": ("sweep", "my.scenario.toml", "--vary", "Size", "--from", "1", "--to", "9"),
    "bisect": ("bisect", "my.scenario.toml", "--axis", "otp", "--from", "23", "--to", "27"),
    "remedies": ("remedies", "my.scenario.toml"),
    "check": ("check", "my.scenario.toml"),
}
SAMPLES = [
    "an option's beginning",
    "a string for a Boolean",
    "a cause that is none",
    "a client that is waited for in vain",
    "a last line without a dot",
    "a step that is none",
    "no TOML",
]


@pytest.mark.parametrize("what", SAMPLES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_the_same_before_anything_starts(
    command: str, what: str, capsys: pytest.CaptureFixture[str], started: list[str]
) -> None:
    *_, line, says = CASES[what]
    written(spoiled(what))
    [complaint] = complaints(capsys, *COMMANDS[command])
    assert (complaint.startswith(told(line)), says in complaint, started) == (True, True, []), complaint


@pytest.mark.parametrize("command", ["run", "run locally", "matrix", "sweep", "bisect"])
def test_with_the_file_right_something_does_start(command: str, started: list[str]) -> None:
    written(PARAMETERS)
    with suppress(StartedError):
        main(COMMANDS[command])
    assert started


@pytest.mark.parametrize("what", SAMPLES)
def test_pytest_says_the_same_before_anything_starts(
    what: str, pytester: pytest.Pytester, started: list[str]
) -> None:
    *_, line, says = CASES[what]
    written(spoiled(what))
    result = pytester.runpytest_inprocess("my.scenario.toml")
    place = f"my.scenario.toml:{line}: "
    said = [line for line in result.outlines if place in line]
    assert (says in said[0], started) == (True, [])


def test_a_sweep_beyond_an_options_range_is_told_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    written(PARAMETERS)
    [complaint] = complaints(
        capsys, "sweep", "my.scenario.toml", "--vary", "Size", "--from", "1", "--to", "100000001"
    )
    assert complaint.startswith(
        told(10) + "server.options.body_bytes: expected a whole number of bytes from 0"
    )


def test_a_check_tells_everything_that_is_wrong_by_lines(capsys: pytest.CaptureFixture[str]) -> None:
    text = GOOD.replace("body_bytes", "body").replace('"FIN"', '"BANG"').replace("false}]).", "false}])")
    found = complaints(capsys, "check", written("settle = 5\n" + text))
    assert [line.split(":")[2] for line in found] == ["1", "5", "11", "16"]


def test_a_run_tells_the_first_and_how_to_see_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    [complaint] = complaints(
        capsys, "run", written(GOOD.replace("body_bytes", "body").replace("FIN", "BANG"))
    )
    assert complaint.endswith("(and 1 more: `rst-or-fin check my.scenario.toml` lists them)")


def test_a_check_goes_on_to_the_next_file(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", "nowhere.toml", written(GOOD), written("", "empty.toml")])
    said = capsys.readouterr()
    assert (code, said.out, len(said.err.splitlines())) == (2, "my.scenario.toml: ok\n", 5)


def test_every_shipped_scenario_passes_its_check() -> None:
    assert main(["check", *scenario_files.names()]) == 0


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


# fmt: off
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, ": is a folder: name the scenario files in it"),
    "a pipe": (a_pipe, ": is a pipe: give a regular file"),
    "a socket": (a_socket, ": is a socket: give a regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), ": is a device: give a regular file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), ": cannot be read (Too many levels"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), ": there is no such file"),
    "nothing": (lambda path: None, ": there is no such file: check the path"),
    "a BOM": (lambda path: path.write_text(GOOD, encoding="utf-8-sig"),
        ":1: begins with a byte order mark (BOM)"),
    "UTF-16": (lambda path: path.write_text(GOOD, encoding="utf-16"),
        ":1: is UTF-16: save it as plain UTF-8"),
    "Latin-1": (lambda path: path.write_bytes(b"# a\n# \xe9\n"), ":2: is not UTF-8 (byte 0xe9)"),
    "a binary file": (lambda path: path.write_bytes(b"\x7fELF\n\x00\x00\xff"), ":2: is a binary file"),
    "NULs": (lambda path: path.write_text("a = 1\nb\x00"), ":2: is a binary file (a NUL byte)"),
    "more than a scenario": (lambda path: path.write_text("#" * (1 << 20) + "\n"), ": is larger than 1 MiB"),
    "an empty file": (lambda path: path.write_text(""), ": `claim` is missing: what the session shows"),
}
# fmt: on


@pytest.mark.parametrize("what", FILES)
@pytest.mark.timeout(10)  # a pipe that nobody writes to is not waited for
def test_what_is_no_scenario_file_is_told_in_one_line(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, says = FILES[what]
    make(Path("my.scenario.toml"))
    [complaint] = complaints(capsys, "run", "my.scenario.toml")
    assert complaint.startswith(f"rst-or-fin: my.scenario.toml{says}")


def test_a_file_that_may_not_be_read_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*arguments: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    name = written(GOOD)
    monkeypatch.setattr("rst_or_fin.storage.regular_file.os.open", denied)  # root may read everything
    [complaint] = complaints(capsys, "run", name)
    assert (
        complaint == "rst-or-fin: my.scenario.toml: cannot be read (Permission denied): check its permissions"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a\0b.toml", "a\\x00b.toml: the file name is not valid (it holds a NUL)"),
        ("a\nb.toml", "a\\nb.toml: there is no such file"),
        ("n" * 300 + ".toml", ".toml: cannot be read (File name too long)"),
        ("nowhere/my.toml", "nowhere/my.toml: there is no such file"),
        ("recv-than-close", "no scenario is called 'recv-than-close'"),
        ("a\0b", "no scenario is called 'a\\x00b'"),
        ("", "no scenario is called ''"),
        ("n" * 100_000, "no scenario is called 'nnn"),
    ],
)
def test_a_name_that_leads_nowhere_is_told_in_one_line(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = complaints(capsys, "run", name)[0]
    assert (first.startswith("rst-or-fin: "), says in first, len(first) < 400) == (True, True, True)


def test_a_file_whose_name_cannot_be_a_folders_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    [complaint] = complaints(capsys, "check", written(GOOD, "n" * 220 + ".scenario.toml"))
    assert complaint.endswith("a name is at most 200 bytes long: rename the file, or give it a `name`")


def test_a_new_scenario_passes_its_check(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [main(["new", "mine"]), main(["check", "mine.scenario.toml"])]
    assert (codes, capsys.readouterr().out.endswith("mine.scenario.toml: ok\n")) == ([0, 0], True)


def test_the_commands_for_a_new_scenario_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", "my close"])
    assert "`rst-or-fin run 'my close.scenario.toml'`" in capsys.readouterr().out


def test_a_new_scenario_names_every_peer(capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", "mine"])
    words = Path("mine.scenario.toml").read_text().replace(",", " ").replace(";", " ").split()
    assert set(kinds.ABOUT) <= set(words)


def test_a_new_scenario_overwrites_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    name = written("mine")
    lines = complaints(capsys, "new", "my")
    assert (lines[0], Path(name).read_text()) == ("rst-or-fin: my.scenario.toml exists already", "mine")


@pytest.mark.parametrize("name", ["", ".scenario.toml", "a/b", "a\nb", ".."])
def test_a_new_scenario_needs_a_name_that_can_be_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    complaints(capsys, "new", name)
    assert list(Path().iterdir()) == []


def test_the_schema_that_is_printed_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["schema"])
    assert json.loads(capsys.readouterr().out)["title"] == "A scenario of RST or FIN"


@pytest.mark.parametrize("text", ['claim = "a\n', "claim = 'a", 'claim = """a', 'claim = "a'])
def test_a_string_that_is_not_closed_is_called_so(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    [complaint] = complaints(capsys, "check", written(text))
    assert complaint.endswith(": a closing quote is missing")


def test_a_name_that_is_a_files_in_this_folder_is_led_there(capsys: pytest.CaptureFixture[str]) -> None:
    written(GOOD, "ok.scenario.toml")
    assert complaints(capsys, "run", "ok")[1] == "  hint: there is a file ok.scenario.toml: give its name"
