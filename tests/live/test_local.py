"""The local testbed: what it captures, who may run it, and that nothing of it ever stays behind."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.agents import counters, frames
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.commands import machine
from rst_or_fin.errors import MachineError, RstOrFinError, UsageError
from rst_or_fin.evidence.records import PeerReport, SessionEnd
from rst_or_fin.node import session
from rst_or_fin.scenario.model import Hosts, Node, Server
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import baseline, local
from rst_or_fin.testbed.local import LocalTestbed
from rst_or_fin.testbed.spec import TestbedSpec

from tests.support import killing
from tests.support.commands import Command, document
from tests.support.needs import skip_or_fail
from tests.support.replaying import DRAINED, UNREAD, play, segments

pytestmark = pytest.mark.local

PATIENCE_S = 30.0  # of a busy machine; an idle one takes none of it
CHECKOUT = Path(__file__).resolve().parents[2]
A_USER = 61234  # a uid that is nobody's
AS_A_USER = """\
mount --bind "$1" "$4/python"; mount --bind "$2" "$4/checkout"; mount --bind "$3" "$4/packages"
cd "$4/home"; user=$5; shift 5
exec setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all -- "$@"
"""


@pytest.fixture(scope="module", autouse=True)
def kind() -> str:
    """As what this machine lets us make namespaces; the tests are skipped, or fail, where it does not."""
    try:
        return local.probe()
    except MachineError as error:
        skip_or_fail(str(error))
        raise


@pytest.fixture(scope="module")
def shared_testbed() -> Iterator[LocalTestbed]:
    with LocalTestbed() as testbed:
        yield testbed


@pytest.fixture
def testbed(shared_testbed: LocalTestbed) -> LocalTestbed:
    shared_testbed.drain()
    return shared_testbed


PlainUser = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plain_user() -> Iterator[PlainUser]:
    """Run this Python as a user without any privilege, wherever the interpreter and the checkout lie."""
    place = Path(tempfile.mkdtemp(prefix="rst-or-fin-test-"))
    place.chmod(0o755)
    for name in ("python", "checkout", "packages", "home"):
        (place / name).mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        environment = {
            **os.environ,
            "HOME": str(place / "home"),
            "PYTHONPATH": f"{CHECKOUT}/harness:{CHECKOUT}",
        }
        if os.geteuid() == 0:
            os.chown(place / "home", A_USER, A_USER)
            bound = [sys.base_prefix, str(CHECKOUT), sysconfig.get_path("purelib"), str(place)]
            python = f"{place}/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
            command = ["unshare", "--mount", "--", "sh", "-ec", AS_A_USER, "sh", *bound, str(A_USER), python]
            command += arguments
            environment["PYTHONPATH"] = f"{place}/checkout/harness:{place}/checkout:{place}/packages"
            environment["LD_LIBRARY_PATH"] = f"{place}/python/lib"  # a libpython of its own, if it has one
        return subprocess.run(
            command,
            env=environment,
            cwd=place / "home",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    yield run
    shutil.rmtree(place)


def heard_of(testbed: LocalTestbed, text: str) -> PeerReport | None:
    client = play(testbed, text).sockets[0].local
    return testbed.peer_report(client, PATIENCE_S)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071); over data that carries its own, 0."""
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def tcp_checksum(frame: Frame) -> int:
    """Over an untagged Ethernet frame with IPv4 and TCP: 0 where the checksum is right."""
    packet = frame.data[14:]
    header_len = (packet[0] & 0x0F) * 4
    tcp = packet[header_len : int.from_bytes(packet[2:4], "big")]
    return checksum(packet[12:20] + b"\x00\x06" + len(tcp).to_bytes(2, "big") + tcp)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


FORKING_DRIVER = """
import os, time
from rst_or_fin.testbed.local import LocalTestbed
from tests.support import killing
with LocalTestbed():
    holder = min(killing.descendants())
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    print(child, holder, flush=True)
    time.sleep(60)
"""

# A datagram to the loopback crosses its interface twice in the capture's eyes: out, and in.
CAPTURING = """
import socket
from rst_or_fin.agents import capture
from rst_or_fin.agents.netlink import Netlink
with Netlink() as link:
    link.up("lo")
opened = capture.open_tap
def open_and_send(interface):
    tap = opened(interface)
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("127.0.0.1", 0))
    own.sendto(b"x", own.getsockname())
    return tap
capture.open_tap = open_and_send
raise SystemExit(capture.main(["--address", "127.0.0.1"]))
"""


def wait_until(event: Callable[[], bool]) -> bool:
    """Whether the event comes within PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not (happened := event()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened


# What it captures


def test_the_reset_is_captured_when_close_has_returned(testbed: LocalTestbed) -> None:
    last = []
    for _ in range(50):
        play(testbed, UNREAD)
        last.append(segments(testbed.drain())[-1])
    assert all(segment.rst and segment.src.address == testbed.node_address for segment in last)


def test_the_capture_begins_with_the_first_syn(testbed: LocalTestbed) -> None:
    play(testbed, DRAINED)
    first = segments(testbed.drain())[0]
    assert (first.syn, first.has_ack, first.dst) == (True, False, testbed.server)


def test_header_and_body_are_two_segments(testbed: LocalTestbed) -> None:
    play(testbed, UNREAD)
    from_server = [
        s.payload_len for s in segments(testbed.drain()) if s.src == testbed.server and s.payload_len
    ]
    assert from_server == [178, 307]


def test_every_frame_is_captured_once(testbed: LocalTestbed) -> None:
    play(testbed, UNREAD)
    found = [(s.src, s.seq, s.ack, s.flags, s.payload_len) for s in segments(testbed.drain())]
    assert len(found) == len(set(found)) > 0


def test_checksums_are_those_of_the_wire(testbed: LocalTestbed) -> None:
    play(testbed, UNREAD)
    over_tcp = [frame for frame in testbed.drain() if segments([frame])]
    assert [tcp_checksum(frame) for frame in over_tcp] == [0] * len(over_tcp)


def test_a_large_response_crosses_in_segments_of_the_mss() -> None:
    with LocalTestbed(TestbedSpec(hosts=Hosts(server=Server(options={"body_bytes": 20000})))) as testbed:
        play(testbed, UNREAD.replace("485", "20000"))
        assert max(segment.payload_len for segment in segments(testbed.drain())) <= 1460


def test_nothing_is_dropped(testbed: LocalTestbed) -> None:
    for _ in range(20):
        play(testbed, DRAINED)
    assert (len(segments(testbed.drain())) > 200, testbed.dropped()) == (True, 0)


def test_a_drain_waits_for_the_first_frame_only_as_long_as_it_may(testbed: LocalTestbed) -> None:
    started = time.monotonic()
    assert (testbed.drain(0.1), 0.1 <= time.monotonic() - started < 1.0) == ([], True)


def test_timestamps_are_the_kernels_and_in_order(testbed: LocalTestbed) -> None:
    before = time.time_ns()
    play(testbed, DRAINED)
    times = [before, *(frame.t_ns for frame in testbed.drain()), time.time_ns()]
    assert times == sorted(times)


# What the others say


def test_the_server_saw_a_reset_where_the_response_lay_unread(testbed: LocalTestbed) -> None:
    said = heard_of(testbed, UNREAD)
    assert said is not None
    assert (said.received, said.sent, said.end) == (18, 485, "ECONNRESET")


def test_the_server_saw_the_end_of_file_where_the_response_was_read(testbed: LocalTestbed) -> None:
    said = heard_of(testbed, DRAINED)
    assert said is not None
    assert (said.received, said.sent, said.end) == (18, 485, "end of file")


def test_of_a_connection_that_never_was_nothing_is_said(testbed: LocalTestbed) -> None:
    assert testbed.peer_report(Endpoint(testbed.node_address, 1), 0.05) is None


def test_the_counters_can_be_read_from_beside_the_node(testbed: LocalTestbed) -> None:
    before = counters.parse(testbed.counter_tables())["TcpExt:TCPAbortOnClose"]
    for _ in range(3):
        play(testbed, UNREAD)
    assert counters.parse(testbed.counter_tables())["TcpExt:TCPAbortOnClose"] - before == 3


def test_the_counters_are_those_that_the_node_reads(testbed: LocalTestbed) -> None:
    inside = session.counters(testbed.link).counters
    assert counters.pick(testbed.counter_tables(), tuple(inside)) == inside


def test_the_sysctls_are_pinned_on_the_node(testbed: LocalTestbed) -> None:
    assert session.sysctls(testbed.link, PINNED_SYSCTLS) == PINNED_SYSCTLS


def test_a_scenario_has_sysctls_of_its_own_for_the_nodes_host() -> None:
    own: dict[str, int | str] = {"net.ipv4.tcp_timestamps": 0, "net.ipv4.tcp_wmem": "4096 8192 16384"}
    with LocalTestbed(TestbedSpec(hosts=Hosts(node=Node(sysctls=own)))) as testbed:
        assert session.sysctls(testbed.link, PINNED_SYSCTLS) == PINNED_SYSCTLS | {
            "net.ipv4.tcp_timestamps": "0",
            "net.ipv4.tcp_wmem": "4096\t8192\t16384",
        }


def test_a_sysctl_that_the_kernel_does_not_take_is_told(command: Command, tmp_path: Path) -> None:
    own = tmp_path / "own.scenario.toml"
    catalogued = (CHECKOUT / "scenarios/recv-then-close.scenario.toml").read_text(encoding="utf-8")
    own.write_text(
        catalogued.replace("[precondition]", '[node.sysctls]\n"net.ipv4.tcp_retries2" = 999\n[precondition]')
    )
    found = command("run", str(own), "--runtime", "local", "--out", str(tmp_path / "runs"))
    assert (found.returncode, "did not take net.ipv4.tcp_retries2 = 999: it is 15" in found.stderr) == (
        4,
        True,
    )


def test_the_manifest_learns_what_ran_here(testbed: LocalTestbed, kind: str) -> None:
    facts = testbed.facts()
    assert (facts["runtime"], facts["namespaces"], facts["host_kernel"]) == (
        "local",
        kind,
        os.uname().release,
    )


# Choices


def test_ipv6_is_a_choice() -> None:
    with LocalTestbed(TestbedSpec(family=6)) as testbed:
        play(testbed, UNREAD)
        ends = {address for s in segments(testbed.drain()) for address in (s.src.address, s.dst.address)}
        assert ends == {testbed.node_address, testbed.server.address} == {"2001:2::3", "2001:2::4"}


def test_a_system_erlang_is_a_choice() -> None:
    if shutil.which("erl") is None:
        pytest.skip("no system Erlang on this machine")
    with LocalTestbed(TestbedSpec(otp="system")) as testbed:
        play(testbed, DRAINED)
        assert any(s.fin and s.src.address == testbed.node_address for s in segments(testbed.drain()))


def test_an_otp_that_is_not_here_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no OTP 23"):
        LocalTestbed(TestbedSpec(otp="23"))


def test_a_server_that_needs_a_container_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="in a container only"):
        LocalTestbed(TestbedSpec(hosts=Hosts(server=Server(kind="nginx"))))


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(MachineError, match=r"the server ended with status 2: .*--no-such-option"):
        LocalTestbed(TestbedSpec(hosts=Hosts(server=Server(options={"no_such_option": True}))))


def test_several_at_once_see_nothing_of_one_another() -> None:
    with ExitStack() as opened, ThreadPoolExecutor(4) as pool:
        testbeds = [opened.enter_context(testbed) for testbed in pool.map(lambda _: LocalTestbed(), range(4))]
        for testbed in testbeds:
            testbed.drain()
        list(pool.map(lambda testbed: play(testbed, UNREAD), testbeds))
        assert [sum(s.rst for s in segments(testbed.drain())) for testbed in testbeds] == [1, 1, 1, 1]


# Who may run it


def test_a_plain_user_gets_the_published_pair(plain_user: PlainUser) -> None:
    done = plain_user("-m", "rst_or_fin.cli", "reproduce", "--runtime", "local", "--json")
    assert (done.returncode, document(done)["outcome"]) == (0, "as expected")


def test_a_plain_user_does_it_in_a_user_namespace(plain_user: PlainUser) -> None:
    done = plain_user("-c", "from rst_or_fin.testbed import local; print(local.probe())")
    assert (done.stdout, done.stderr) == ("user\n", "")


@pytest.mark.parametrize("limit", ["max_net_namespaces", "max_pid_namespaces", "max_user_namespaces"])
def test_where_namespaces_are_refused_a_hint_is_given(plain_user: PlainUser, limit: str) -> None:
    # Limits belong to a user namespace: in one of our own, nobody else feels them.
    refusing = f"""
echo 0 > /proc/sys/user/{limit}
exec setpriv --inh-caps=-all --ambient-caps=-all {{}} -m rst_or_fin.cli reproduce --runtime local
"""
    program = f"""
import os, sys
command = {refusing!r}.format(sys.executable)
os.execvp("unshare", ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", command])
"""
    done = plain_user("-c", program)
    assert (
        done.returncode,
        "refuses network namespaces" in done.stderr,
        f"user.{limit}=" in done.stderr,
    ) == (
        4,
        True,
        True,
    )


# What stays behind


def test_a_testbed_closed_leaves_no_process_and_no_open_file() -> None:
    before = (open_files(), killing.descendants())
    for _ in range(5):
        with LocalTestbed() as testbed:
            play(testbed, UNREAD)
    assert (open_files(), killing.descendants()) == before


def test_closing_twice_is_closing_once() -> None:
    before = open_files()
    testbed = LocalTestbed()
    testbed.close()
    testbed.close()
    assert open_files() == before


def test_a_testbed_that_does_not_come_up_leaves_nothing() -> None:
    before = (open_files(), killing.descendants())
    with pytest.raises(RstOrFinError):
        LocalTestbed(TestbedSpec(hosts=Hosts(server=Server(options={"no_such_option": True}))))
    assert (open_files(), killing.descendants()) == before


def test_a_node_that_dies_ends_the_replay_and_nothing_else() -> None:
    with LocalTestbed() as testbed:
        replay = play(testbed, UNREAD.replace("gen_tcp:close(Sock)", "erlang:halt(1)"))
        assert (replay.end, counters.parse(testbed.counter_tables())["Tcp:OutRsts"] > 0) == (
            SessionEnd.NODE_GONE,
            True,
        )


def test_a_server_that_dies_leaves_the_wire_as_it_is() -> None:
    before = killing.descendants()
    with LocalTestbed() as testbed:
        host_of = {pid: os.readlink(f"/proc/{pid}/ns/net") for pid in killing.descendants() - before}
        crowd = Counter(host_of.values())
        # The holder is in the node's network namespace, the server alone in its own.
        (server,) = (pid for pid, host in host_of.items() if crowd[host] == 1)
        os.kill(server, signal.SIGKILL)
        assert wait_until(lambda: server not in killing.descendants())
        until = time.monotonic() + 1.0  # a namespace that nobody holds would be gone by then
        while time.monotonic() < until:
            play(testbed, UNREAD)
            assert [(s.syn, s.rst) for s in segments(testbed.drain())] == [(True, False), (False, True)]


def test_a_holder_that_is_killed_takes_all_with_it() -> None:
    before = killing.descendants()
    with LocalTestbed() as testbed:
        outer = min(killing.descendants() - before)
        os.kill(outer, signal.SIGKILL)
        assert play(testbed, UNREAD).end == SessionEnd.NODE_GONE
    assert killing.descendants() == before


def killed(done: subprocess.CompletedProcess[str]) -> tuple[int, list[Any], bool]:
    """How many drivers were killed, what they left, and whether most had something to leave."""
    counts = document(done)
    return counts["killed"], counts["left"], counts["had_namespaces"] > counts["killed"] // 2


def test_drivers_killed_at_50_random_moments_leave_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killing", "50"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed(done) == (50, [], True)


def test_a_plain_users_killed_drivers_leave_nothing(plain_user: PlainUser) -> None:
    assert killed(plain_user("-m", "tests.support.killing", "10")) == (10, [], True)


def test_a_child_of_the_driver_does_not_keep_the_testbed_alive() -> None:
    # A process that the driver forked has a copy of every open file, the holder's channel among them.
    driver = subprocess.Popen(
        [sys.executable, "-c", FORKING_DRIVER], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    with driver.stdout:
        child, holder = (int(pid) for pid in driver.stdout.readline().split())
        driver.kill()
        driver.wait()
        gone = wait_until(lambda: not os.path.exists(f"/proc/{holder}/ns/net"))
        os.kill(child, signal.SIGKILL)
    assert gone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_told_to_stop_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    before = killing.descendants()
    with subprocess.Popen(
        [sys.executable, "-m", "rst_or_fin.cli", "reproduce", "--runtime", "local", "--repeat", "100000"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as driver:
        try:
            assert wait_until(lambda: any(tmp_path.glob("runs/*/*")))
            driver.send_signal(number)
            driver.wait(PATIENCE_S)
        finally:
            driver.kill()
    assert wait_until(lambda: killing.descendants() == before)


# The capture as a program, as the sidecar runs it


def test_the_captures_program_speaks_frames() -> None:
    with subprocess.Popen(
        ["unshare", "--user", "--map-current-user", "--keep-caps", "--net", sys.executable, "-c", CAPTURING],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        said, _ = program.communicate(frames.DRAIN + frames.COUNT + frames.DRAIN, timeout=PATIENCE_S)
    kinds = [type(record).__name__ for record in frames.Decoder().feed(said)]
    assert kinds == ["Ready", "Captured", "Captured", "Drained", "Counted", "Drained"]


def test_the_captures_program_says_why_it_cannot_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rst_or_fin.agents.capture", "--address", "192.0.2.77"],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
    )
    (record,) = frames.Decoder().feed(done.stdout)
    assert isinstance(record, frames.Failed)
    assert "no interface of this host carries 192.0.2.77" in record.error


def test_the_floor_is_measured_in_the_same_namespaces() -> None:
    """`bench` holds its figures against a plain socket client's."""
    assert baseline.seconds(5).keys() == {"unread", "drained"}


def test_doctor_starts_a_confined_node(capsys: pytest.CaptureFixture[str]) -> None:
    _ = machine.doctor(argparse.Namespace(json=True))
    found = {each["what"]: each["works"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert found["local Erlang node"]
