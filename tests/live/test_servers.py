"""Every kind of peer on a real wire: what it sends, what it says, and that its silence is never a pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.errors import MachineError
from rst_or_fin.tcp import tracker
from rst_or_fin.testbed import local

from tests.support.commands import Command, document
from tests.support.decoding import segments_of
from tests.support.needs import skip_or_fail

SCENARIO = """\
claim = "mine"
sources = ["me"]
session = '''
{session}
'''
[server]
kind = "{kind}"
{server}
[expect]
{expect}
"""
CONNECT = "{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).\n"
CONNECT_AND_CLOSE = CONNECT + "gen_tcp:close(Sock)."
LISTEN = "{ok, Listener} = gen_tcp:listen(Port, [{ip, Self}, {active, false}, {reuseaddr, true}]).\n"
SCRIPT = """\
expect S
send S. 0:0(0) ack 1 win 1000 mss 1460
expect F. 1:1(0) ack 1
send . 1:1(0) ack 2
send F. 1:1(0) ack 2
expect . 2:2(0) ack 2
"""

RUNTIMES = [pytest.param("docker", marks=pytest.mark.docker), pytest.param("local", marks=pytest.mark.local)]
DOCKER = [pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(autouse=True)
def runtime_at_hand(request: pytest.FixtureRequest) -> None:
    """Skipped, or failed on CI, where this machine has not got the runtime."""
    if request.node.get_closest_marker("docker"):
        request.getfixturevalue("client")
    if request.node.get_closest_marker("local"):
        try:
            local.probe()
        except MachineError as error:
            skip_or_fail(str(error))


def scenario(
    folder: Path,
    *,
    kind: str,
    session: str = CONNECT_AND_CLOSE,
    server: str = "",
    expect: str = 'ending = "FIN"',
) -> str:
    path = folder / "mine.scenario.toml"
    path.write_text(SCENARIO.format(kind=kind, session=session, server=server, expect=expect))
    return str(path)


def scripted(script: str) -> str:
    return f"[server.options]\nscript = '''\n{script}'''"


def only_run(command: Command, runtime: str, *arguments: str) -> Any:
    [run] = document(command("run", *arguments, "--json", "--runtime", runtime))["runs"]
    return run


def sent_by_the_server(folder: Path, run: Any) -> list[str]:
    [connection] = tracker.connections(segments_of((folder / run["evidence"] / "capture.pcap").read_bytes()))
    return [connection.notation(s) for s in connection.segments if s.src == connection.server]


@pytest.mark.parametrize("family", ["4", "6"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_scripted_peer_sends_its_script_and_nothing_else(
    command: Command, tmp_path: Path, runtime: str, family: str
) -> None:
    path = scenario(tmp_path, kind="scripted", server=scripted(SCRIPT))
    run = only_run(command, runtime, path, "--family", family)
    assert (run["outcome"], sent_by_the_server(tmp_path, run)) == (
        "as expected",
        ["S. 0:0(0) ack 1", ". 1:1(0) ack 2", "F. 1:1(0) ack 2"],
    )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_script_that_the_session_does_not_follow_is_inconclusive(
    command: Command, tmp_path: Path, runtime: str
) -> None:
    path = scenario(tmp_path, kind="scripted", server=scripted(SCRIPT.replace("F. 1:1(0)", "P. 1:2(1)", 1)))
    done = command("run", path, "--runtime", runtime)
    why = "the peer could not do its part: script line 3: expected P. 1:2(1) ack 1, heard F. 1:1(0) ack 1"
    assert (done.returncode, why in " ".join(done.stdout.split())) == (3, True), done.stdout


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_script_that_has_not_ended_is_inconclusive(command: Command, tmp_path: Path, runtime: str) -> None:
    path = scenario(tmp_path, kind="scripted", server=scripted(SCRIPT + "expect P.\n"))
    done = command("run", path, "--runtime", runtime)
    assert (done.returncode, "no report from the peer's application" in done.stdout) == (3, True), done.stdout


def test_a_malformed_script_is_refused_with_its_line_before_anything_starts(
    command: Command, tmp_path: Path
) -> None:
    path = scenario(tmp_path, kind="scripted", server=scripted("expect S\nsend S. 0:0(1) ack 1\n"))
    done = command("run", path, "--runtime", "docker")
    why = "server.options.script: line 2: '0:0(1)' does not add up: from 0 to 0 it is 0 bytes"
    assert (done.returncode, why in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("kind", "server", "why"),
    [
        ("client", "", "a server of kind 'client' needs `start_after_line`"),
        ("origin", "start_after_line = 1", "a server of kind 'origin' takes no `start_after_line`"),
        ("gopher", "", "no server is called 'gopher'"),
    ],
)
def test_a_server_that_cannot_be_is_refused(
    command: Command, tmp_path: Path, kind: str, server: str, why: str
) -> None:
    done = command("run", scenario(tmp_path, kind=kind, server=server), "--runtime", "docker")
    assert (done.returncode, why in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_client_is_told_to_connect_once_for_every_replay(
    command: Command, tmp_path: Path, runtime: str
) -> None:
    session = LISTEN + "{ok, Sock} = gen_tcp:accept(Listener).\n{ok, _} = gen_tcp:recv(Sock, 32).\n"
    path = scenario(
        tmp_path,
        kind="client",
        server="start_after_line = 1",
        session=session + 'gen_tcp:send(Sock, "an answer").\ngen_tcp:close(Sock).',
        expect='ending = "FIN"\npeer_sees = "end of file"\npeer_received = 9\nconn_state = "SF"',
    )
    run = only_run(command, runtime, path, "--repeat", "10")
    assert (run["outcomes"], {replay["subject"] for replay in run["replays"]}) == (
        {"as expected": 10},
        {"server"},
    )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_client_that_finds_nobody_says_so(command: Command, tmp_path: Path, runtime: str) -> None:
    path = scenario(
        tmp_path,
        kind="client",
        server="start_after_line = 2",
        session=LISTEN + "gen_tcp:close(Listener).\ntimer:sleep(300).\n{ok, Sock} = gen_tcp:listen(0, []).",
    )
    run = only_run(command, runtime, path)
    [replay] = run["replays"]
    assert (run["outcome"], replay["ending"], replay["cause"]) == ("differs", "RST", "closed port")


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
@pytest.mark.parametrize("runtime", DOCKER)
def test_a_proxys_client_that_cannot_ask_again_is_inconclusive(
    command: Command, tmp_path: Path, runtime: str, kind: str
) -> None:
    session = LISTEN + "{ok, Sock} = gen_tcp:accept(Listener).\n{ok, _} = gen_tcp:recv(Sock, 0).\n"
    server = "start_after_line = 1\n[server.options]\nrequests = 2"
    path = scenario(tmp_path, kind=f"{kind}-proxy", server=server, session=session + "gen_tcp:close(Sock).")
    done = command("run", path, "--runtime", runtime)
    why = "the peer could not do its part: the answer to request 1 of 2 was: 502"
    assert (done.returncode, why in " ".join(done.stdout.split())) == (3, True), done.stdout


@pytest.mark.parametrize("kind", ["nginx", "httpd"])
@pytest.mark.parametrize("runtime", DOCKER)
@pytest.mark.parametrize(
    ("name", "sees"),
    [("close-with-unread-response", "ECONNRESET"), ("recv-then-close", "end of file")],
    ids=["reset", "ordinary end"],
)
def test_a_real_server_logs_what_happened(
    command: Command, runtime: str, kind: str, name: str, sees: str
) -> None:
    run = only_run(command, runtime, f"{kind}-{name}", "--repeat", "5")
    told = {
        comparison["actual"]
        for replay in run["replays"]
        for comparison in replay["comparisons"]
        if comparison["what"] == "peer's application sees"
    }
    assert (run["outcomes"], told) == ({"as expected": 5}, {sees})


@pytest.mark.parametrize("kind", ["nginx", "httpd"])
@pytest.mark.parametrize("runtime", DOCKER)
def test_a_real_server_tells_its_tls_secrets(
    command: Command, tmp_path: Path, runtime: str, kind: str
) -> None:
    run = only_run(command, runtime, f"tls-{kind}-close-after-full-read")
    keys = (tmp_path / run["evidence"] / "tls-keys.log").read_text()
    report = command("report", run["evidence"]).stdout
    assert ("CLIENT_TRAFFIC_SECRET_0 " in keys, "session ticket" in report) == (True, True)


@pytest.mark.parametrize("runtime", DOCKER)
def test_a_connection_without_a_request_is_not_reported_by_nginx(
    command: Command, tmp_path: Path, runtime: str
) -> None:
    assert only_run(command, runtime, scenario(tmp_path, kind="nginx"))["outcome"] == "inconclusive"
