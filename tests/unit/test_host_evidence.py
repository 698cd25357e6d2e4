"""Counters, traces and sockets that somebody gathered on the closing host, held against a capture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_USAGE
from rst_or_fin.evidence import host_tools
from rst_or_fin.evidence.host_tools import SocketLine
from rst_or_fin.tcp.segment import Endpoint

from tests.support.segments import EXCHANGE, A, B, capture, segments

ABORT = EXCHANGE + "> R. 19:19(0) ack 486"
NSTAT = """#kernel
IpInReceives                    120                0.0
TcpOutRsts                      {out}               0.0
TcpExtTCPAbortOnClose           {close}                0.0
TcpExtTCPAbortOnData            {data}               0.0
"""
PROC = """Tcp: RtoAlgorithm MaxConn OutRsts InCsumErrors
Tcp: 1 -1 {out} 0
TcpExt: SyncookiesSent TCPAbortOnData TCPAbortOnClose
TcpExt: 0 {data} {close}
"""
TRACE = (
    "beam.smp-96 [000] b..1. 3.14: tcp_send_reset: skbaddr=0 skaddr=0 src=10.0.0.2:40000"
    " dest=10.0.0.3:80 state=TCP_CLOSE reason={}\n"
)
SS = """State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
LISTEN 0      128          0.0.0.0:80         0.0.0.0:*
ESTAB  485    0           10.0.0.2:40000     10.0.0.3:80
ESTAB  0      0       [fd00::1%eth0]:22     [fd00::2]:50000  users:(("sshd",pid=1,fd=4))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump.pcap").write_bytes(capture(segments(ABORT)))
    return tmp_path


def counted(folder: Path, form: str, out: int, close: int, data: int) -> list[str]:
    """The two files of counters, with what was added between them."""
    (folder / "before.txt").write_text(form.format(out=7, close=3, data=5))
    (folder / "after.txt").write_text(form.format(out=7 + out, close=3 + close, data=5 + data))
    return ["--counters", "before.txt", "after.txt"]


def found(capfd: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    main(["judge", "dump.pcap", "--json-lines", *arguments])
    answer: dict[str, Any] = json.loads(capfd.readouterr().out.splitlines()[0])
    return answer


# Counters


@pytest.mark.parametrize("form", [NSTAT, PROC], ids=["nstat", "proc"])
@pytest.mark.parametrize(
    ("close", "data", "cause"), [(1, 0, "unread data at close"), (0, 1, "zero linger"), (0, 0, "unknown")]
)
def test_the_counter_that_grew_tells_the_candidates_apart(
    form: str, close: int, data: int, cause: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = counted(folder, form, 1, close, data)
    assert found(capfd, *arguments)["client_cause"] == cause


def test_counters_of_other_connections_prove_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The host sent two RSTs, the capture has one: whose counter grew?"""
    answer = found(capfd, *counted(folder, NSTAT, 2, 1, 0))
    assert (answer["client_cause"], "not in the capture" in answer["witnesses"][-1]["says"]) == (
        "unknown",
        True,
    )


def test_counters_without_the_number_of_rsts_prove_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    form = "TcpExtTCPAbortOnClose {close} 0.0\n"
    assert found(capfd, *counted(folder, form, 1, 1, 0))["client_cause"] == "unknown"


def test_a_host_that_counted_no_rst_contradicts_the_capture(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = found(capfd, *counted(folder, NSTAT, 0, 0, 0))
    assert (answer["validity"], "contradicts the wire" in answer["doubts"][0]) == ("inconclusive", True)


def test_two_connections_with_two_causes_stay_open(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    second = segments(ABORT, a=A._replace(port=40_001), start_ns=1_700_000_001_000_000_000)
    (folder / "dump.pcap").write_bytes(capture([*segments(ABORT), *second]))
    assert found(capfd, *counted(folder, NSTAT, 2, 1, 1))["client_cause"] == "unknown"


def test_two_connections_with_one_cause_are_told(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    second = segments(ABORT, a=A._replace(port=40_001), start_ns=1_700_000_001_000_000_000)
    (folder / "dump.pcap").write_bytes(capture([*segments(ABORT), *second]))
    assert found(capfd, *counted(folder, NSTAT, 2, 2, 0))["client_cause"] == "unread data at close"


# The trace and the sockets


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("TCP_ABORT_ON_CLOSE", "unread data at close"),
        ("TCP_DISCONNECT_WITH_DATA", "zero linger"),
        ("TCP_STATE", "unknown"),
    ],
)
def test_the_kernels_reason_tells(
    reason: str, cause: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "trace.txt").write_text("# tracer: nop\n" + TRACE.format(reason))
    assert found(capfd, "--trace", "trace.txt")["client_cause"] == cause


def test_a_reason_strikes_the_causes_that_it_does_not_go_with(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "trace.txt").write_text(TRACE.format("TCP_STATE"))
    assert found(capfd, "--trace", "trace.txt")["client_cause_candidates"] == ["zero linger"]


def test_a_trace_of_another_connection_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "trace.txt").write_text(TRACE.format("TCP_ABORT_ON_CLOSE").replace("40000", "40001"))
    assert found(capfd, "--trace", "trace.txt")["client_cause"] == "unknown"


def test_a_reason_without_a_rst_on_the_wire_is_a_contradiction(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    orderly = EXCHANGE + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"
    (folder / "dump.pcap").write_bytes(capture(segments(orderly)))
    (folder / "trace.txt").write_text(TRACE.format("TCP_ABORT_ON_CLOSE"))
    answer = found(capfd, "--trace", "trace.txt", "--closing-host", "10.0.0.2")
    assert "the tracepoint contradicts the wire" in answer["doubts"][0]


def test_sockets_are_read_of_both_families() -> None:
    assert host_tools.sockets(SS) == [
        SocketLine(state="ESTAB", unread=485, local=A, remote=B),
        SocketLine(state="ESTAB", unread=0, local=Endpoint("fd00::1", 22), remote=Endpoint("fd00::2", 50000)),
    ]


def test_what_lay_unread_before_is_said_and_proves_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "ss.txt").write_text(SS)
    answer = found(capfd, "--sockets", "ss.txt")
    assert (answer["client_cause"], answer["witnesses"][-1]["says"]) == (
        "unknown",
        "ESTAB, 485 bytes unread when it was looked at",
    )


# What is no witness


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--counters", "dump.pcap", "dump.pcap"], "has no counter of TCP"),
        (["--counters", "nowhere.txt", "nowhere.txt"], "cannot read nowhere.txt"),
        (["--trace", "dump.pcap"], "has no line of tcp:tcp_send_reset"),
        (["--sockets", "dump.pcap"], "has no connected socket"),
    ],
)
def test_what_is_no_witness_is_refused(
    arguments: list[str], why: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = main(["judge", "dump.pcap", *arguments])
    assert (code, why in capfd.readouterr().err) == (EXIT_USAGE, True)


def test_counters_in_the_wrong_order_are_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, before, after = counted(folder, NSTAT, 1, 1, 0)
    code = main(["judge", "dump.pcap", "--counters", after, before])
    assert (code, "give BEFORE first" in capfd.readouterr().err) == (EXIT_USAGE, True)


def test_whose_witnesses_they_are_is_asked_where_two_hosts_reset(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    by_server = segments(EXCHANGE + "< R. 486:486(0) ack 19", a=A._replace(port=40_001))
    (folder / "dump.pcap").write_bytes(capture([*segments(ABORT), *by_server]))
    code = main(["judge", "dump.pcap", *counted(folder, NSTAT, 1, 1, 0)])
    assert (code, "--closing-host" in capfd.readouterr().err) == (EXIT_USAGE, True)


def test_a_host_that_the_capture_has_not_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["judge", "dump.pcap", *counted(folder, NSTAT, 1, 1, 0), "--closing-host", "192.0.2.7"])
    says = "no connection in this capture has 192.0.2.7: it has 10.0.0.2, 10.0.0.3"
    assert (code, says in capfd.readouterr().err) == (EXIT_USAGE, True)


def test_on_loopback_the_hosts_counters_are_one_witness(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    here = A._replace(address="127.0.0.1"), B._replace(address="127.0.0.1")
    (folder / "dump.pcap").write_bytes(capture(segments(ABORT, a=here[0], b=here[1])))
    answer = found(capfd, *counted(folder, NSTAT, 1, 1, 0))
    assert [w["name"] for w in answer["witnesses"]].count("the counters of 127.0.0.1") == 1
