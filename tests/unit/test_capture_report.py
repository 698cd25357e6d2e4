"""`rst-or-fin report dump.pcap`: a capture, or one connection of it, in every format."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_USAGE

from tests.support.segments import A, capture, segments
from tests.unit.test_capture_overview import ABORT, ORDERLY

HOSTILE = "<script>alert(1)</script>"
FORMATS = ("text", "svg", "mermaid", "markdown", "html", "json", "pcapng")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.pcap"
    second = segments(ORDERLY, a=A._replace(port=40_001), start_ns=1_700_000_100_000_000_000)
    path.write_bytes(capture([*segments(ABORT), *second]))
    return path


def report(dump: Path, *arguments: str) -> bytes:
    out = dump.with_name("out")
    assert main(["report", str(dump), *arguments, "--out", str(out)]) == 0
    return out.read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_one_connection_is_told_in_every_format(kind: str, dump: Path) -> None:
    told = report(dump, "--connection", "1", "--format", kind).decode("utf-8", "replace")
    assert "unread data at close" in told.replace("<br/>", " ")


@pytest.mark.parametrize("kind", ["text", "markdown", "html", "json"])
def test_the_first_screen_is_told_in_every_format_of_text(kind: str, dump: Path) -> None:
    told = report(dump, "--format", kind).decode()
    assert "RST by the client" in told


def test_the_ladder_marks_the_segment_that_decides_with_its_frame(dump: Path) -> None:
    assert "frame 10: RST: it may be" in report(dump, "--connection", "1", "--format", "text").decode()


def test_a_capture_has_no_session_to_head_a_column(dump: Path) -> None:
    drawing = report(dump, "--connection", "1", "--format", "svg").decode()
    assert [text for text in ("Erlang session", "the peer's view") if text in html.unescape(drawing)] == []


@pytest.mark.parametrize("kind", ["text", "svg", "mermaid"])
def test_a_rst_that_decides_nothing_says_so(kind: str, dump: Path) -> None:
    dump.write_bytes(capture(segments(ORDERLY + "\n> R 20:20(0)")))
    told = report(dump, "--connection", "1", "--format", kind).decode()
    assert ("decides nothing" in told, "l10 10m" in told, "-x" in told) == (True, False, False)


def test_a_rst_that_decides_nothing_ends_no_lifeline(dump: Path) -> None:
    dump.write_bytes(capture(segments(ORDERLY + "\n> R 20:20(0)")))
    assert 'class="rail gone"' not in report(dump, "--connection", "1", "--format", "svg").decode()


def test_a_pcapng_holds_the_frames_of_one_connection(dump: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (only := dump.with_name("only.pcapng")).write_bytes(
        report(dump, "--connection", "2", "--format", "pcapng")
    )
    main(["judge", str(only), "--json"])
    found = json.loads(capfd.readouterr().out)
    assert (found["capture"]["frames"], found["connections"][0]["conn_state"]) == (12, "SF")


@pytest.mark.parametrize(
    ("kind", "why"), [("svg", "--connection N"), ("junit", "a capture cannot be reported as junit")]
)
def test_what_a_format_cannot_hold_is_wrong_usage(
    kind: str, why: str, dump: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["report", str(dump), "--format", kind])
    assert (code, why in capfd.readouterr().err) == (EXIT_USAGE, True)


@pytest.mark.parametrize("arguments", [[], ["--connection", "1"]])
def test_what_a_peer_sends_stays_text_in_the_page(arguments: list[str], tmp_path: Path) -> None:
    payload = HOSTILE.encode()
    text = ABORT.replace("P. 1:19(18) ack 1", f"P. 1:{1 + len(payload)}({len(payload)}) ack 1")
    hostile = [
        s.__class__(**{**{f: getattr(s, f) for f in s.__struct_fields__}, "payload": payload})
        if s.payload_len == len(payload)
        else s
        for s in segments(text)
    ]
    (path := tmp_path / "<b>dump.pcap").write_bytes(capture(hostile))
    page = report(path, *arguments, "--format", "html").decode()
    assert re.findall("<script|<b>", page) == []


def test_one_connection_fits_the_terminal(
    dump: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main(["report", str(dump), "--connection", "1"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
