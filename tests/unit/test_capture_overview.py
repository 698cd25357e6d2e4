"""The first screen of `judge dump.pcap`: the answer, what was asked for, one connection in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.analysis import captured
from rst_or_fin.analysis.captured import Case, JudgedCapture, Known
from rst_or_fin.analysis.overview import Overview
from rst_or_fin.analysis.selection import moment
from rst_or_fin.capture_file.reading import read
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_INCONCLUSIVE, EXIT_USAGE, UsageError
from rst_or_fin.report import capture_text
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.verdict.judge import judge as judge_connection

from tests.support.cases import LATE_DATA, WHOLE
from tests.support.segments import EXCHANGE, HANDSHAKE, A, B, capture, connection, segments

ABORT = EXCHANGE + "> R. 19:19(0) ack 486"
ORDERLY = EXCHANGE + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"
REFUSED = "> S 0:0(0)\n< R. 0:0(0) ack 1"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND  # 2023-11-14 22:13:20 UTC


def at(text: str, seconds: int, port: int, server: Endpoint = B) -> list[Segment]:
    return segments(text, a=A._replace(port=port), b=server, start_ns=START + seconds * SECOND)


MIXED = [
    *at(ORDERLY, 0, 40_000),
    *at(ABORT, 10, 40_001),
    *at(ABORT, 20, 40_002),
    *at(REFUSED, 30, 40_003, Endpoint("10.0.0.9", 81)),
    *at(HANDSHAKE, 40, 40_004),
]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "dump.pcap"
    path.write_bytes(capture(MIXED))
    return path


def judge(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    main(["judge", *map(str, arguments)])
    return capfd.readouterr().out


def numbers(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> list[int]:
    said = judge(capfd, *arguments, "--json-lines")
    return [json.loads(line)["number"] for line in said.splitlines()]


# The first screen


def test_the_first_screen_begins_with_how_many_and_when(
    mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = judge(capfd, mixed).splitlines()[0]
    assert first == "dump.pcap: 5 connections, 2023-11-14 22:13:20 to 22:14:00 UTC"


def test_endings_are_counted(mixed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "        2  RST by the client\n" in judge(capfd, mixed)


def test_resets_are_grouped_by_end_port_and_cause(mixed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = " ".join(judge(capfd, mixed).split())
    assert "2 client 10.0.0.2 resets server port 80: RST, unread data at close or zero linger" in said


def test_a_refusal_names_the_server_and_its_port(mixed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "server 10.0.0.9:81 resets its client: RST, closed port" in judge(capfd, mixed)


def test_what_cannot_be_told_is_counted(mixed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = " ".join(judge(capfd, mixed).split())
    assert "2 why the RST left: unread data at close or zero linger; TCPAbortOnClose or" in said


def test_resets_are_worth_a_look_before_the_rest(mixed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    look = judge(capfd, mixed).partition("Worth a look")[2]
    assert [line.split()[0] for line in look.splitlines() if line.startswith("  #")] == [
        "#2",
        "#3",
        "#4",
        "#5",
    ]


def test_no_line_of_the_first_screen_is_wider_than_a_terminal(
    mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert max(map(len, judge(capfd, mixed).splitlines())) <= 80


def test_a_thousand_connections_fit_on_a_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    many = [s for n in range(1_000) for s in at(ABORT, n, 1_000 + n)]
    (path := tmp_path / "dump.pcap").write_bytes(capture(many))
    assert len(judge(capfd, path).splitlines()) < 50


# What is asked for


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--connection", "3"], [3]),
        (["--host", "10.0.0.9"], [4]),
        (["--port", "40001"], [2]),
        (["--ending", "rst"], [2, 3, 4]),
        (["--cause", "zero linger"], [2, 3]),
        (["--cause", "closed port"], [4]),
        (["--between", "22:13:30", "22:13:45"], [2, 3]),
        (["--between", "2023-11-14T22:13:50", "2023-11-15"], [4, 5]),
        (["--between", "1700000000", "1700000005"], [1]),
        (["--ending", "RST", "--port", "81"], [4]),
    ],
)
def test_a_filter_takes_what_it_names(
    arguments: list[str], found: list[int], mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert numbers(capfd, mixed, *arguments) == found


@pytest.mark.parametrize("text", ["yesterday", "25:00", "", "12:60"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a time"):
        moment(text)


def test_a_number_that_no_connection_has_is_wrong_usage(
    mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["judge", str(mixed), "--connection", "6"])
    assert (code, capfd.readouterr().err.splitlines()[0]) == (
        EXIT_USAGE,
        "rst-or-fin: the capture has no connection 6: they are 1 to 5",
    )


def test_a_host_name_is_refused(mixed: Path) -> None:
    assert main(["judge", str(mixed), "--host", "example.org"]) == EXIT_USAGE


def test_the_exit_code_is_that_of_what_was_asked_for(mixed: Path) -> None:
    codes = [main(["judge", str(mixed), "--connection", str(number)]) for number in (1, 5)]
    assert codes == [0, EXIT_INCONCLUSIVE]


# One connection


def test_one_connection_has_frames_absolute_times_and_a_mark(
    mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = judge(capfd, mixed, "--connection", "2")
    assert (
        ">    22 22:13:30.009000   0.009000 client > server R. 19:19(0) ack 486 win 502  <- decides" in said
    )


def test_what_would_tell_is_a_command_on_the_closing_host(
    mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = judge(capfd, mixed, "--connection", "2")
    assert "on 10.0.0.2:\n    nstat -az TcpExtTCPAbortOnClose TcpExtTCPAbortOnData" in said


def test_a_long_connection_is_shown_without_its_middle(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = "\n".join(f"< . {1 + 10 * n}:{11 + 10 * n}(10) ack 1" for n in range(100))
    (path := tmp_path / "dump.pcap").write_bytes(
        capture(at(HANDSHAKE + data + "\n> R. 1:1(0) ack 1001", 0, 1))
    )
    said = judge(capfd, path, "--connection", "1")
    assert (len(said.splitlines()) < 40, "segments omitted (data and ACKs)" in said) == (True, True)


def test_the_trace_is_in_the_document_of_one_connection(
    mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found: dict[str, Any] = json.loads(judge(capfd, mixed, "--connection", "4", "--json"))
    assert [step["notation"] for step in found["connections"][0]["trace"]] == [
        "S 0:0(0)",
        "R. 0:0(0) ack 1",
    ]


def test_both_ends_and_who_closed_first_are_named() -> None:
    found = connection(LATE_DATA)
    case = Case(number=1, connection=found, verdict=judge_connection(found, capture=WHOLE))
    assert capture_text.detail(case).splitlines()[-3:] == [
        "client: FIN then RST (data after close)",
        "server: none",
        "the client closed first, conn_state RSTO, conclusive",
    ]


def test_text_inside_a_rst_is_shown_of_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    talking = ABORT.replace("R. 19:19(0)", "R. 19:34(15)")
    (path := tmp_path / "dump.pcap").write_bytes(capture(segments(talking)))
    assert "sign: the RST of the client carries 15 bytes: xxxxxxxxxxxxxxx" in judge(capfd, path)


# As it is read


def test_what_ended_long_ago_is_held_no_more() -> None:
    many = [s for n in range(200) for s in at(ORDERLY, n, 1_000 + n)]
    found = JudgedCapture(read([capture(many)]), Known())
    next(iter(found))
    assert found.connections < 70  # those of the last minute


def test_of_very_many_that_end_at_once_only_some_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "_WAITING_MAX", 5)
    many = [s for n in range(50) for s in at(ORDERLY, n, 1_000 + n)]
    found = JudgedCapture(read([capture(many)]), Known())
    next(iter(found))
    assert found.connections < 10


def test_a_late_segment_within_a_minute_still_counts() -> None:
    """The end that was said to reset goes on: its RST was not its own."""
    goes_on = at("> P. 19:29(10) ack 486", 50, 40_000)
    (case,) = JudgedCapture(read([capture([*at(ABORT, 0, 40_000), *goes_on])]), Known())
    assert "went on" in " ".join((*case.verdict.remarks, *case.verdict.doubts))


def test_frames_that_the_capture_missed_are_doubts_of_every_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pcapng says so at its end, when connections have been judged: they are judged again."""
    monkeypatch.setattr("rst_or_fin.capture_file.reading.CaptureReading.dropped", 3)
    seen: list[Overview] = []

    def use(cases: Any) -> None:
        seen.append(Overview())
        for case in cases:
            seen[-1].add(case)

    captured.judged(lambda: read([capture(MIXED)]), use=use)
    assert seen[-1].doubts["the capture is incomplete: the kernel dropped 3 frames"] == 5


def test_filters_that_nothing_fits_say_so_and_when_the_capture_was_made(
    mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = judge(capfd, mixed, "--port", "9999").split()
    assert " ".join(said) == (
        "dump.pcap: none of 5 connections matches the filters;"
        " the capture spans 2023-11-14 22:13:20 to 22:14:00 UTC"
    )
