"""The published pair in containers, as a user runs it; what it leaves behind; what it is confined to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rst_or_fin.engine import ownership
from rst_or_fin.scenario.model import Hosts, Server
from rst_or_fin.tcp import tracker
from rst_or_fin.testbed.docker import DockerTestbed
from rst_or_fin.testbed.spec import TestbedSpec

from tests.support.commands import Command, document
from tests.support.decoding import segments_of

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.docker

RUNTIME = ("--runtime", "docker")


@pytest.fixture(scope="module")
def reproduced(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One `reproduce --json` for all the tests that only look at its result."""
    done = subprocess.run(
        [sys.executable, "-m", "rst_or_fin.cli", "reproduce", "--json", *RUNTIME],
        cwd=(folder := tmp_path_factory.mktemp("reproduce")),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    result = document(done)
    result["exit"], result["folder"] = done.returncode, folder
    return result


def replay(reproduced: Any, number: int) -> Any:
    return reproduced["runs"][number]["replays"][0]


def evidence(reproduced: Any, number: int) -> Path:
    return Path(str(reproduced["folder"]), str(reproduced["runs"][number]["evidence"]))


def test_the_pair_comes_out_as_published(reproduced: Any) -> None:
    assert (reproduced["outcome"], reproduced["exit"]) == ("as expected", 0)


def test_the_unread_response_makes_the_close_a_reset(reproduced: Any) -> None:
    found = replay(reproduced, 0)
    assert (found["ending"], found["cause"], found["closing_segment"]) == (
        "RST",
        "unread data at close",
        "R. 19:19(0) ack 486",
    )


def test_the_read_response_makes_the_close_a_fin(reproduced: Any) -> None:
    found = replay(reproduced, 1)
    assert (found["ending"], found["cause"], found["closing_segment"]) == ("FIN", None, "F. 19:19(0) ack 486")


def test_every_witness_that_can_tell_agrees(reproduced: Any) -> None:
    witnesses = [witness for number in (0, 1) for witness in replay(reproduced, number)["witnesses"]]
    assert [w["agrees"] for w in witnesses if w["name"] != "the closing call"] == [True] * 8


@pytest.mark.parametrize("number", [0, 1])
def test_the_wire_carries_the_tested_connection_only(reproduced: Any, number: int) -> None:
    capture = (evidence(reproduced, number) / "capture.pcap").read_bytes()
    assert len(tracker.connections(segments_of(capture))) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_tshark_finds_nothing_wrong_with_the_capture(reproduced: Any, number: int) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    checks = ("tcp.check_checksum:TRUE", "ip.check_checksum:TRUE")
    options = [part for check in checks for part in ("-o", check)]
    wrong = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0"
    done = subprocess.run(
        ["tshark", "-r", str(evidence(reproduced, number) / "capture.pcap"), *options, "-Y", wrong],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""


def test_the_response_arrives_as_the_two_published_segments(reproduced: Any) -> None:
    capture = (evidence(reproduced, 0) / "capture.pcap").read_bytes()
    [connection] = tracker.connections(segments_of(capture))
    payloads = [s.payload_len for s in connection.segments if s.src == connection.server and s.payload_len]
    assert payloads == [178, 307]


@pytest.mark.parametrize("number", [0, 1])
def test_stored_evidence_is_judged_the_same_again(reproduced: Any, number: int, command: Command) -> None:
    folder = evidence(reproduced, number)
    again = document(command("judge", str(folder), "--json"))
    stored = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    assert again["replays"] == stored


def test_the_manifest_says_what_ran(reproduced: Any) -> None:
    manifest = json.loads((evidence(reproduced, 0) / "manifest.json").read_text())
    assert (manifest["facts"]["node"]["otp"], manifest["capture"]) == ("27", {"dropped": 0, "fenced": True})


def test_a_run_leaves_nothing_in_the_engine(reproduced: Any, client: docker.DockerClient) -> None:
    assert ownership.orphans(client) == ()


def test_a_run_leaves_no_exception_for_python_to_report(command: Command, client: object) -> None:
    assert "Exception ignored" not in command("run", "recv-then-close", "--runtime", "docker").stderr


# Bad input


def scenario(folder: Path, **changes: str) -> Path:
    """A scenario file like the published one, with parts of it replaced."""
    parts = {
        "session": "{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).\ngen_tcp:close(Sock).",
        "expect": 'ending = "FIN"',
        "precondition": "",
        **changes,
    }
    path = folder / "my.toml"
    path.write_text(
        f"claim = 'mine'\nsources = ['me']\nsession = '''\n{parts['session']}\n'''\n"
        f"[precondition]\n{parts['precondition']}\n[expect]\n{parts['expect']}\n"
    )
    return path


def test_a_users_own_scenario_runs_by_path(command: Command, tmp_path: Path, client: object) -> None:
    done = command("run", str(scenario(tmp_path)), "--json", *RUNTIME)
    assert (done.returncode, document(done)["runs"][0]["endings"]) == (0, {"FIN": 1})


def test_a_session_is_nobody_without_a_capability_on_a_read_only_root(
    command: Command, tmp_path: Path, client: object
) -> None:
    """What SECURITY.md says of a session in a container."""
    asked = 'file:write_file("/etc/mine", "").\nos:cmd("id -un; grep CapEff /proc/self/status").\n'
    connects = "{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).\ngen_tcp:close(Sock)."
    done = command("run", str(scenario(tmp_path, session=asked + connects)), *RUNTIME)
    said = ("{error,erofs}", r'"nobody\nCapEff:\t0000000000000000\n"')
    assert [one for one in said if one not in done.stdout] == []


def test_an_outcome_that_differs_is_exit_1(command: Command, tmp_path: Path, client: object) -> None:
    assert command("run", str(scenario(tmp_path, expect='ending = "RST"')), *RUNTIME).returncode == 1


def test_a_gate_that_was_not_met_is_inconclusive(command: Command, tmp_path: Path, client: object) -> None:
    done = command("run", str(scenario(tmp_path, precondition="unread = 485")), *RUNTIME)
    assert (done.returncode, "0 bytes were unread at the close, expected 485" in done.stdout) == (3, True)


def test_a_session_that_does_not_parse_is_exit_2(command: Command, tmp_path: Path, client: object) -> None:
    done = command("run", str(scenario(tmp_path, session="{ok, Sock = oops.")), *RUNTIME)
    assert (done.returncode, "line 1" in done.stderr) == (2, True)


def test_a_line_that_crashes_keeps_the_evidence(command: Command, tmp_path: Path, client: object) -> None:
    crashing = "{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).\n1 = 2.\ngen_tcp:close(Sock)."
    done = command("run", str(scenario(tmp_path, session=crashing)), *RUNTIME)
    transcripts = [p.read_text() for p in tmp_path.glob("runs/*/transcript.jsonl")]
    assert (done.returncode, "no match of right hand side value 2" in transcripts[0]) == (3, True)


def test_an_unreachable_server_is_named(command: Command, tmp_path: Path, client: object) -> None:
    session = "{ok, Sock} = gen_tcp:connect(Server, 81, [{active, false}]).\ngen_tcp:close(Sock)."
    done = command("run", str(scenario(tmp_path, session=session)), *RUNTIME)
    assert (done.returncode, "econnrefused" in done.stdout) == (3, True)


def test_no_engine_is_exit_4_with_a_hint(command: Command) -> None:
    done = command("reproduce", *RUNTIME, env={"DOCKER_HOST": "unix:///nonexistent.sock"})
    assert (done.returncode, "hint:" in done.stderr) == (4, True)


# Being killed


@pytest.fixture
def running(client: docker.DockerClient, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that will not end by itself, caught when its containers are up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rst_or_fin.cli", "reproduce", "--repeat", "1000000", *RUNTIME],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/capture.pcap")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the run did not begin"
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()
    ownership.remove(client, ownership.orphans(client))


def owned_by(client: docker.DockerClient, pid: int) -> list[ownership.OwnedResource]:
    return [
        thing
        for thing in ownership.owned_resources(client)
        if thing.owner is not None and thing.owner.pid == pid
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_takes_everything_down(
    running: subprocess.Popen[str], client: docker.DockerClient, number: signal.Signals, code: int
) -> None:
    running.send_signal(number)
    running.communicate(timeout=60)
    assert (running.returncode, owned_by(client, running.pid)) == (code, [])


def test_what_a_sigkill_left_is_removed_by_clean(
    running: subprocess.Popen[str], client: docker.DockerClient, command: Command
) -> None:
    running.kill()
    running.wait()
    left = len(owned_by(client, running.pid))
    command("clean")
    assert (left > 0, owned_by(client, running.pid)) == (True, [])


def test_clean_never_touches_a_living_run(
    running: subprocess.Popen[str], client: docker.DockerClient, command: Command
) -> None:
    command("clean")
    assert len(owned_by(client, running.pid)) == 5  # three containers, two networks


def test_containers_end_by_themselves_when_their_driver_is_killed(
    running: subprocess.Popen[str], client: docker.DockerClient
) -> None:
    running.kill()
    running.wait()
    deadline = time.monotonic() + 30
    while any(thing.running for thing in owned_by(client, running.pid)):
        assert time.monotonic() < deadline, "containers still run 30 s after their driver was killed"
        time.sleep(0.1)


# Confinement


@pytest.fixture(scope="module")
def inspected(client: docker.DockerClient) -> Iterator[dict[str, Any]]:
    with DockerTestbed(client, TestbedSpec(hosts=Hosts(server=Server()))) as testbed:
        run_id = str(testbed.facts()["run"])
        yield {
            thing.name.rpartition("-")[2]: (
                client.api.inspect_container(thing.id)
                if thing.kind == "container"
                else client.api.inspect_network(thing.id)
            )
            for thing in ownership.owned_resources(client, run_id)
        }


@pytest.mark.parametrize("role", ["node", "server", "capture"])
def test_a_container_is_confined(inspected: dict[str, Any], role: str) -> None:
    host = inspected[role]["HostConfig"]
    confined = (
        not host["Privileged"]
        and host["ReadonlyRootfs"]
        and host["CapDrop"] == ["ALL"]
        and "no-new-privileges:true" in host["SecurityOpt"]
        and host["Memory"] > 0
        and host["PidsLimit"] > 0
    )
    assert confined, host


def test_the_node_needs_no_capability(inspected: dict[str, Any]) -> None:
    assert not inspected["node"]["HostConfig"]["CapAdd"]


def test_the_test_network_has_no_way_out(inspected: dict[str, Any]) -> None:
    assert inspected["test"]["Internal"] is True


def test_the_distribution_port_is_published_on_loopback_only(inspected: dict[str, Any]) -> None:
    ports = inspected["node"]["NetworkSettings"]["Ports"]
    assert {binding["HostIp"] for bindings in ports.values() for binding in bindings} == {"127.0.0.1"}


def test_no_secret_is_shown_by_the_engine(inspected: dict[str, Any]) -> None:
    config = inspected["node"]["Config"]
    assert not [value for value in config["Env"] or [] if "cookie" in value.lower()]


# Repeats


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_hundred_pairs_are_two_hundred_right_verdicts(client: object, command: Command) -> None:
    result = document(command("reproduce", "--repeat", "100", "--json", *RUNTIME))
    assert [run["outcomes"] for run in result["runs"]] == [{"as expected": 100}, {"as expected": 100}]


def test_a_testbed_gives_back_every_descriptor(client: docker.DockerClient) -> None:
    with DockerTestbed(client, TestbedSpec()):
        pass
    before = open_descriptors()
    for _ in range(3):
        with DockerTestbed(client, TestbedSpec()):
            pass
    assert open_descriptors() == before
