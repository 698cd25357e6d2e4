"""A stored run as a packetdrill script: its syntax, and the calls that bring the close about."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_USAGE, UsageError
from rst_or_fin.evidence.records import ListeningSocket
from rst_or_fin.report import packetdrill
from rst_or_fin.report.records import Run

from tests.support.cases import ABORT_ON_CLOSE
from tests.support.report_runs import AWAIT, CLOSING, CONNECT, SEND, SHUTDOWN, played, run
from tests.support.segments import EXCHANGE, HANDSHAKE, A

EVIDENCE = Path(__file__).parents[1] / "golden" / "evidence"
GIVEN_UP = "path-is-cut-retransmissions"  # its kernel fell silent: there is no close to play
RUNS = sorted({path.parent.name for path in EVIDENCE.glob("*/capture.pcap")} - {GIVEN_UP})
LISTEN = "{ok, Listener} = gen_tcp:listen(Port, [{ip, Self}, {active, false}])."
# What of packetdrill's grammar (its parser.y) these scripts use.
TIME = r"(?:0|\+0|\+0\.01|\+0~\+0\.5)"
OPTIONS = r"<(?:mss \d+(?:,nop,wscale \d+)?|\.\.\.)>"
SEGMENT = rf"[FSRPU]*\.? \d+:\d+\(\d+\)(?: ack \d+)?(?: win \d+)?(?: urg \d+)?(?: {OPTIONS})?"
CALL = r"[a-z]+\([^()]*\) = (?:-1 EINPROGRESS \(Operation now in progress\)|\d+)"
LINE = re.compile(rf"//.*|--\w+=\w+||{TIME} (?:[<>] {SEGMENT}|{CALL})")


def script(name: str, capfd: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["report", str(EVIDENCE / name), "--format", "packetdrill"]) == 0
    return capfd.readouterr().out.splitlines()


def written(of: Run) -> list[str]:
    return packetdrill.script(of.judgements[0], of.scenario.name).splitlines()


def after(line: str, lines: list[str]) -> list[str]:
    return lines[lines.index(line) + 1 :]


def calls(lines: list[str]) -> list[str]:
    return [line.partition(" ")[2] for line in lines if re.match(r"\+0 [a-z]", line)]


@pytest.mark.parametrize("name", RUNS)
def test_every_line_is_packetdrills(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert [line for line in script(name, capfd) if not LINE.fullmatch(line)] == []


def test_unread_data_is_not_read_before_the_close(capfd: pytest.CaptureFixture[str]) -> None:
    found = calls(script("close-with-unread-response", capfd))
    assert found[-2:] == ["write(3, ..., 18) = 18", "close(3) = 0"]


def test_what_was_read_is_read_as_it_came(capfd: pytest.CaptureFixture[str]) -> None:
    assert calls(script("recv-then-close", capfd))[-3:] == [
        "read(3, ..., 178) = 178",
        "read(3, ..., 307) = 307",
        "close(3) = 0",
    ]


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
    assert calls(script("server-413-body-unread", capfd))[3:] == [
        "accept(3, ..., ...) = 4",
        "setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0",
        "write(4, ..., 72) = 72",
        "close(4) = 0",
    ]


def test_a_fin_with_data_unread_is_a_shutdown(capfd: pytest.CaptureFixture[str]) -> None:
    assert calls(script("shutdown-write-peer-closes", capfd))[-2:] == [
        "shutdown(3, SHUT_WR) = 0",
        "close(3) = 0",
    ]


def test_a_lingering_close_reads_between_shutdown_and_close(capfd: pytest.CaptureFixture[str]) -> None:
    assert calls(script("lingering-close", capfd))[-3:] == [
        "shutdown(3, SHUT_WR) = 0",
        "read(3, ..., 485) = 485",
        "close(3) = 0",
    ]


def test_data_comes_when_it_arrived_not_when_it_left(capfd: pytest.CaptureFixture[str]) -> None:
    assert script("nginx-proxy-keepalive-crossed-post", capfd)[-4:] == [
        "+0 close(4) = 0",
        "+0~+0.5 > F. 44:44(0) ack 61",
        "+0.01 < P. 61:152(91) ack 44 win 502",
        "+0~+0.5 > R 44:44(0)",
    ]


def test_what_is_sent_again_is_not_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    found = script("our-fin-is-lost", capfd)
    assert after("+0~+0.5 > F. 19:19(0) ack 486", found)[:2] == [
        "+0.01 < F. 486:486(0) ack 20 win 509",
        "+0~+0.5 > . 20:20(0) ack 487",
    ]


def test_data_that_comes_again_has_been_read_before(capfd: pytest.CaptureFixture[str]) -> None:
    found = script("read-payload-again-with-fin", capfd)
    read = found.index("+0 read(3, ..., 1000) = 1000")
    assert (found[read + 1], found[read + 3]) == (
        "+0.01 < FP. 1:1001(1000) ack 19 win 509",
        "+0 close(3) = 0",
    )


def test_a_burst_comes_in_one_segment_unless_it_was_acknowledged_in_parts(
    capfd: pytest.CaptureFixture[str],
) -> None:
    found = script("server-413-body-unread", capfd)
    assert (
        "+0.01 < . 1:1449(1448) ack 1 win 63" in found,
        "+0.01 < P. 28961:60817(31856) ack 1 win 63" in found,
    ) == (True, True)


def test_the_windows_are_scaled_and_timestamps_take_their_room(capfd: pytest.CaptureFixture[str]) -> None:
    found = script("close-with-unread-response", capfd)
    assert "+0.01 < S. 0:0(0) ack 1 win 65160 <mss 1448,nop,wscale 10>" in found


def test_an_urgent_byte_that_no_read_returns_is_left(capfd: pytest.CaptureFixture[str]) -> None:
    found = script("urgent-byte-unread", capfd)
    assert after("+0.01 < PU. 486:487(1) ack 19 win 64 urg 1", found) == [
        "+0~+0.5 > . 19:19(0) ack 487",
        "+0 close(3) = 0",
        "+0~+0.5 > R. 19:19(0) ack 487",
    ]


def test_ipv6_is_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    assert "--ip_version=ipv6" in script("recv-then-close-ipv6-socket", capfd)


def test_a_close_without_a_rst_is_held_against_an_old_byte(capfd: pytest.CaptureFixture[str]) -> None:
    assert script("recv-then-close", capfd)[-2:] == [
        "+0.01 < . 486:487(1) ack 20 win 1024",
        "+0~+0.5 > . 20:20(0) ack 487",
    ]


def test_a_fin_in_a_segment_with_data_is_corked() -> None:
    of = played(CONNECT, SEND, CLOSING, received=0, unread=0)
    found = written(run(HANDSHAKE + "> FP. 1:19(18) ack 1\n< F. 1:1(0) ack 20\n> . 20:20(0) ack 2", of))
    assert after("+0 setsockopt(3, SOL_TCP, TCP_CORK, [1], 4) = 0", found)[:3] == [
        "+0 write(3, ..., 18) = 18",
        "+0 close(3) = 0",
        "+0~+0.5 > FP. 1:19(18) ack 1",
    ]


def test_a_full_segment_with_the_fin_is_written_while_the_window_is_shut() -> None:
    of = played(CONNECT, SEND, CLOSING, received=0, unread=0)
    wire = (
        "> P. 1:537(536) ack 1\n< . 1:1(0) ack 537 win 536\n> FP. 537:1073(536) ack 1\n< F. 1:1(0) ack 1074"
    )
    found = calls(written(run(HANDSHAKE + wire, of)))
    assert found[-3:] == ["write(3, ..., 536) = 536", "write(3, ..., 536) = 536", "close(3) = 0"]


def test_data_whose_end_is_not_pushed_has_more_to_come() -> None:
    of = played(CONNECT, SEND, CLOSING, received=0, unread=0)
    found = calls(written(run(HANDSHAKE + "> . 1:537(536) ack 1\n> F. 537:537(0) ack 1", of)))
    assert "send(3, ..., 536, MSG_MORE) = 536" in found


def test_what_was_only_peeked_at_is_not_read() -> None:
    peek = "{ok, _} = socket:recv(Sock, 485, [peek])."
    of = played(CONNECT, SEND, AWAIT, peek, CLOSING, unread=0, raised=ABORT_ON_CLOSE)
    assert calls(written(run(EXCHANGE + "> R. 19:19(0) ack 486", of)))[-2:] == [
        "write(3, ..., 18) = 18",
        "close(3) = 0",
    ]


def test_what_waits_in_a_listener_that_is_closed_is_never_accepted() -> None:
    wire = "< S 0:0(0)\n> S. 0:0(0) ack 1\n< . 1:1(0) ack 1\n< P. 1:33(32) ack 1\n> . 1:1(0) ack 33\n"
    listener = ListeningSocket(name="Listener", local=A, closed=True)
    of = replace(played(LISTEN, "gen_tcp:close(Listener).", raised={"Tcp:OutRsts": 1}), listening=(listener,))
    found = calls(written(run(wire + "> R. 1:1(0) ack 33", of)))
    assert found[-2:] == ["listen(3, 5) = 0", "close(3) = 0"]


def test_the_answer_to_a_syn_may_come_twice() -> None:
    of = played(CONNECT, CLOSING, received=0, unread=0)
    wire = HANDSHAKE + "< S. 0:0(0) ack 1\n> . 1:1(0) ack 1\n> F. 1:1(0) ack 1"
    assert "+0.01 < S. 0:0(0) ack 1 win 502" in written(run(wire, of))


def test_a_cause_that_no_call_brings_about_is_no_script() -> None:
    of = played(CONNECT, SEND, AWAIT, SHUTDOWN, CLOSING, unread=0)
    with pytest.raises(UsageError, match="no call brings about: unknown"):
        written(run(EXCHANGE + "> R. 19:19(0) ack 486", of))


def test_several_runs_are_no_one_script(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["report", str(EVIDENCE), "--format", "packetdrill"])
    assert (code, "one run" in capfd.readouterr().err) == (EXIT_USAGE, True)


def test_a_run_without_a_close_is_no_script(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["report", str(EVIDENCE / GIVEN_UP), "--format", "packetdrill"])
    assert (code, "has no close" in capfd.readouterr().err) == (EXIT_USAGE, True)
