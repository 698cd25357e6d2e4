"""A stored run as a packetdrill script: its syntax, and the calls that bring the close about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_USAGE

EVIDENCE = Path(__file__).parents[1] / "golden" / "evidence"
GIVEN_UP = "path-is-cut-retransmissions"  # its kernel fell silent: there is no close to play
RUNS = sorted({path.parent.name for path in EVIDENCE.glob("*/capture.pcap")} - {GIVEN_UP})
# What of packetdrill's grammar (its parser.y) these scripts use.
TIME = r"(?:0|\+0|\+0\.01|\+0~\+0\.5)"
SEGMENT = r"[FSRP]*\.? \d+:\d+\(\d+\)(?: ack \d+)?(?: win \d+)?(?: <(?:mss \d+|\.\.\.)>)?"
CALL = r"[a-z]+\([^()]*\) = (?:-1 EINPROGRESS \(Operation now in progress\)|\d+)"
LINE = re.compile(rf"//.*|--\w+=\d+||{TIME} (?:[<>] {SEGMENT}|{CALL})")


def script(name: str, capfd: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["report", str(EVIDENCE / name), "--format", "packetdrill"]) == 0
    return capfd.readouterr().out.splitlines()


def calls(lines: list[str]) -> list[str]:
    return [line.partition(" ")[2] for line in lines if re.match(r"\+0 [a-z]", line)]


@pytest.mark.parametrize("name", RUNS)
def test_every_line_is_packetdrills(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert [line for line in script(name, capfd) if not LINE.fullmatch(line)] == []


def test_unread_data_is_not_read_before_the_close(capfd: pytest.CaptureFixture[str]) -> None:
    found = calls(script("close-with-unread-response", capfd))
    assert found[-2:] == ["write(3, ..., 18) = 18", "close(3) = 0"]


def test_what_was_read_is_read_before_the_close(capfd: pytest.CaptureFixture[str]) -> None:
    assert calls(script("recv-then-close", capfd))[-2:] == ["read(3, ..., 485) = 485", "close(3) = 0"]


def test_a_zero_linger_is_set_before_the_close(capfd: pytest.CaptureFixture[str]) -> None:
    assert calls(script("linger-zero-drained", capfd))[-2:] == [
        "setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0",
        "close(3) = 0",
    ]


def test_a_shutdown_sends_the_fin_and_the_close_the_rst(capfd: pytest.CaptureFixture[str]) -> None:
    assert script("shutdown-write-half-open", capfd)[-4:] == [
        "+0 shutdown(3, SHUT_WR) = 0",
        "+0~+0.5 > F. 19:19(0) ack 486",
        "+0 close(3) = 0",
        "+0~+0.5 > R. 20:20(0) ack 486",
    ]


def test_a_server_accepts_before_it_sends(capfd: pytest.CaptureFixture[str]) -> None:
    found = calls(script("server-413-body-unread", capfd))
    assert found[3:] == ["accept(3, ..., ...) = 4", "write(4, ..., 72) = 72", "close(4) = 0"]


def test_several_runs_are_no_one_script(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["report", str(EVIDENCE), "--format", "packetdrill"])
    assert (code, "one run" in capfd.readouterr().err) == (EXIT_USAGE, True)


def test_a_run_without_a_close_is_no_script(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["report", str(EVIDENCE / GIVEN_UP), "--format", "packetdrill"])
    assert (code, "has no close" in capfd.readouterr().err) == (EXIT_USAGE, True)
