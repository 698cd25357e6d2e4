"""No control character of a scenario file, of evidence or of a path reaches the terminal, from any field."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.cli import main
from rst_or_fin.escaping import EscapingStream, printed

HOSTILE = "\x1b[31m\x1b]0;gone\x07\x9b2J\u202e\x7f\x00end"
GOLDEN = Path(__file__).parents[1] / "golden" / "evidence" / "close-with-unread-response"
COLOUR, CLEAR = "\x1b[31m", "\x1b[2J"


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Everything that the command prints, on either stream; it must print something."""
    with suppress(SystemExit):  # argparse's own
        main(arguments)
    heard = capfd.readouterr()
    assert heard.out + heard.err
    return heard.out + heard.err


def strangers(text: str) -> set[str]:
    return {character for character in text if character != "\n" and not character.isprintable()}


def _planted(value: Any) -> Any:
    """The same document with the hostile text at the end of every string."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [_planted(item) for item in value]
    return {key: _planted(item) for key, item in value.items()} if isinstance(value, dict) else value


MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())


@pytest.mark.parametrize("field", sorted(MANIFEST))
@pytest.mark.parametrize("command", ["report", "compare", "judge --json"])
def test_no_field_of_a_manifest_gets_a_control_character_through(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], field: str, command: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(GOLDEN, folder)
    (folder / "manifest.json").write_text(json.dumps({**MANIFEST, field: _planted(MANIFEST[field])}))
    verb, *options = command.split()
    assert strangers(said(capfd, verb, str(folder), *options)) == set()


def _format(folder: Path) -> None:
    later = {"format": 99, "program": f"rst-or-fin {HOSTILE}"}
    (folder / "manifest.json").write_text(json.dumps(later))


def _transcript(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]
    for line in lines:
        line["error"] = HOSTILE
        line["calls"] = [{**call, "source": HOSTILE, "result": HOSTILE} for call in line["calls"]]
    (folder / "transcript.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _peer(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "peer.jsonl").read_text().splitlines()]
    for line in lines:
        line["testimony"].update(end=HOSTILE, trouble=HOSTILE)
    (folder / "peer.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("plant", [_format, _transcript, _peer])
@pytest.mark.parametrize("command", ["judge", "report", "compare", "report --format markdown"])
def test_no_other_evidence_does(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], plant: Callable[[Path], None], command: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(GOLDEN, folder)
    plant(folder)
    verb, *options = command.split()
    assert strangers(said(capfd, verb, str(folder), *options)) == set()


GOOD = {
    "claim": '"x"',
    "sources": '["RFC 9293"]',
    "session": '"gen_tcp:close(Sock)."',
    "expect": '{ending = "FIN"}',
}
TOML = json.dumps(HOSTILE).replace("\x7f", "\\u007f")


@pytest.mark.parametrize(
    "spoiled",
    [
        {"claim": TOML},
        {"sources": f"[{TOML}]"},
        {"theme": TOML},
        {"published": TOML},
        {"session": TOML},
        {"expect": f"{{ending = {TOML}}}"},
        {"server": f"{{kind = {TOML}}}"},
        {TOML: "1"},
    ],
    ids=lambda spoiled: next(iter(spoiled))[:9],
)
@pytest.mark.parametrize("command", ["explain", "check"])
def test_no_field_of_a_scenario_does(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], spoiled: dict[str, str], command: str
) -> None:
    path = tmp_path / "my.scenario.toml"
    path.write_text("".join(f"{key} = {value}\n" for key, value in {**GOOD, **spoiled}.items()))
    assert strangers(said(capfd, command, str(path))) == set()


@pytest.mark.parametrize("command", ["judge", "report", "compare", "run", "explain", "check", "new", HOSTILE])
def test_no_path_does(capfd: pytest.CaptureFixture[str], command: str) -> None:
    assert strangers(said(capfd, command, f"no\udc9b{HOSTILE}".replace("\x00", ""))) == set()


@given(st.text(alphabet=st.characters()))
def test_what_is_printed_is_lines_of_what_prints(text: str) -> None:
    assert strangers(printed(text)) == set()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_json_document_stays_the_same(text: str) -> None:
    assert json.loads(printed(json.dumps(text, ensure_ascii=False))) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), COLOUR), (io.StringIO(), "\\u001b[31m")])
def test_colours_reach_a_terminal_alone(stream: io.StringIO, shown: str) -> None:
    EscapingStream(stream).write(f"{COLOUR}x{CLEAR}")
    assert stream.getvalue() == f"{shown}x\\u001b[2J"
