"""Nodes on kernels of their own: what they answer with, what tells clones apart, how a bad one is called."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rst_or_fin.engine import images, kernel_images
from rst_or_fin.errors import MachineError
from rst_or_fin.evidence.records import SessionEnd
from rst_or_fin.node import session
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS
from rst_or_fin.testbed.docker import DockerTestbed
from rst_or_fin.testbed.spec import TestbedSpec

from tests.support.commands import Command, document
from tests.support.images import BEFORE, KERNELS, SINCE
from tests.support.sessions import begin

if TYPE_CHECKING:
    import docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]  # images may have to be made first


@pytest.fixture(scope="module", autouse=True)
def made(client: docker.DockerClient) -> None:
    for kernel, otp in KERNELS:
        images.ensure(client, kernel_images.image_of(client, kernel, otp))


@pytest.fixture(scope="module")
def clones(client: docker.DockerClient, made: None) -> Iterator[tuple[DockerTestbed, DockerTestbed]]:
    kernel, otp = BEFORE
    with (
        DockerTestbed(client, TestbedSpec(kernel=kernel, otp=otp)) as one,
        DockerTestbed(client, TestbedSpec(kernel=kernel, otp=otp)) as other,
    ):
        yield one, other


@pytest.fixture(scope="module")
def testbed(clones: tuple[DockerTestbed, DockerTestbed]) -> DockerTestbed:
    return clones[0]


def on(kernel: str, otp: str) -> tuple[str, ...]:
    return ("--kernel", kernel, "--otp", otp, "--json")


def evaluated(testbed: DockerTestbed, expression: str) -> str:
    """What one Erlang expression prints on the node."""
    ref = begin(testbed.link, expression)
    replay = session.collect(testbed.link, ref, 0, 20)
    assert replay.end is SessionEnd.DONE
    return replay.calls[0].result


def said(run: Any, witness: str) -> list[str]:
    witnesses = [witness for replay in run["replays"] for witness in replay["witnesses"]]
    return [w["says"] for w in witnesses if w["name"] == witness]


# What a kernel of one's own changes, and what it does not


def test_the_published_pair_is_the_same_and_the_kernel_says_why(command: Command) -> None:
    result = document(command("reproduce", *on(*SINCE)))
    assert [
        (list(run["endings"]), run["outcome"], said(run, "the tracepoint")) for run in result["runs"]
    ] == [
        (["RST"], "as expected", ["RST sent: TCP_ABORT_ON_CLOSE"]),
        (["FIN"], "as expected", ["no RST sent"]),
    ]


@pytest.mark.parametrize(
    ("where", "ending", "word"),
    [(BEFORE, "RST", "RST sent: TCP_ABORT_ON_CLOSE"), (SINCE, "FIN", "no RST sent")],
)
def test_a_payload_sent_again_with_the_fin_is_unread_until_5f9238530970(
    command: Command, where: tuple[str, str], ending: str, word: str
) -> None:
    [run] = document(command("run", "resent-payload-with-fin", *on(*where)))["runs"]
    found = (run["replays"][0]["ending"], run["outcome"], said(run, "the tracepoint"))
    assert found == (ending, "as expected", [word])


def test_that_difference_is_found_by_bisection(command: Command) -> None:
    names = ("bisect", "resent-payload-with-fin", "--from", BEFORE[0], "--to", SINCE[0])
    found = document(command(*names, "--otp", BEFORE[1], "--json"))
    assert found["change"]["first_different"] == SINCE[0]


@pytest.mark.parametrize("scenario", ["halt-unread", "sigkill-unread"])
def test_a_node_that_is_gone_leaves_a_kernel_that_still_tells(command: Command, scenario: str) -> None:
    [run] = document(command("run", scenario, *on(*BEFORE)))["runs"]
    [counters] = said(run, "the kernel's counters")
    found = (run["outcome"], said(run, "the tracepoint"), "TCPAbortOnClose +1" in counters)
    assert found == ("as expected", ["RST sent: TCP_ABORT_ON_CLOSE"], True)


def test_data_after_the_close_is_answered_by_the_guests_kernel(command: Command) -> None:
    [run] = document(command("run", "close-before-the-response", *on(*SINCE)))["runs"]
    assert (run["outcome"], list(run["endings"])) == ("as expected", ["FIN then RST"])


def test_a_parameter_can_be_varied_on_it(command: Command) -> None:
    sweep = ("sweep", "recv-10-of-485", "--vary", "Read", "--from", "484", "--to", "485")
    found = document(command(*sweep, *on(*BEFORE)))
    assert [run["ending"] for run in found["runs"]] == ["RST", "FIN"]


def test_the_node_names_the_kernel_of_its_image(testbed: DockerTestbed) -> None:
    assert session.node_facts(testbed.link)["kernel"].startswith(BEFORE[0])


def test_the_manifest_says_what_the_guest_ran_on(testbed: DockerTestbed) -> None:
    assert testbed.facts()["accelerator"] in ("kvm", "tcg")


def test_the_pinned_sysctls_reach_the_guest(testbed: DockerTestbed) -> None:
    assert session.sysctls(testbed.link, PINNED_SYSCTLS) == PINNED_SYSCTLS


# What tells clones of one snapshot apart


def test_the_clock_is_the_hosts(testbed: DockerTestbed) -> None:
    told_s = int(evaluated(testbed, "os:system_time(second)."))
    assert abs(told_s - time.time()) < 5


def test_the_snapshot_had_used_no_tcp_so_its_secrets_were_not_drawn(
    client: docker.DockerClient,
) -> None:
    with DockerTestbed(client, TestbedSpec(kernel=BEFORE[0], otp=BEFORE[1])) as fresh:
        tried = session.counters(fresh.link, ("Tcp:ActiveOpens", "Tcp:AttemptFails"))
    assert tried.counters == {"Tcp:ActiveOpens": 0, "Tcp:AttemptFails": 0}


@pytest.mark.parametrize(
    "expression",
    [
        'file:read_file("/proc/sys/kernel/random/uuid").',
        'file:read_file("/proc/sys/kernel/random/boot_id").',
        "inet:gethostname().",
        '[proplists:get_value(hwaddr, F) || {"eth1", F} <- element(2, inet:getifaddrs())].',
    ],
)
def test_clones_of_a_snapshot_do_not_share(
    clones: tuple[DockerTestbed, DockerTestbed], expression: str
) -> None:
    one, other = (evaluated(testbed, expression) for testbed in clones)
    assert one != other


# What it costs


def test_a_testbed_with_it_is_ready_in_less_than_three_times_the_time(client: docker.DockerClient) -> None:
    """In turn with one without, because both take longer on a machine that has other work to do."""
    ratios = [seconds_until_ready(client, BEFORE[0]) / seconds_until_ready(client, "") for _ in range(5)]
    assert min(ratios) < 3


def seconds_until_ready(client: docker.DockerClient, kernel: str) -> float:
    started = time.monotonic()
    with DockerTestbed(client, TestbedSpec(kernel=kernel, otp=BEFORE[1])):
        return time.monotonic() - started


@pytest.mark.parametrize(("kernel", "otp"), [BEFORE, SINCE])
def test_its_image_takes_at_most_150_mb_more_than_what_all_share(
    client: docker.DockerClient, kernel: str, otp: str
) -> None:
    row = kernel_images.image(f"kernel:{kernel}-otp{otp}")
    own = client.images.get(images.ensure(client, row)).attrs["Size"]
    shared = client.images.get(images.ensure(client, "emulator")).attrs["Size"]
    assert own - shared < 150_000_000


# A user's own kernel


@pytest.fixture(scope="module")
def own_kernel(client: docker.DockerClient, made: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bzImage of a kernel image, with the modules of its guest unpacked beside it."""
    folder = tmp_path_factory.mktemp("own")
    kept = "/opt/rst-or-fin/kernel"
    unpack = f"cd /tmp && zcat {kept}/initrd | busybox cpio -id 'modules/*' && cp {kept}/bzImage ."
    image = images.ensure(client, kernel_images.image(f"kernel:{BEFORE[0]}-otp{BEFORE[1]}"))
    container = client.containers.create(image, ["sh", "-ec", unpack])
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0
        packed = b"".join(container.get_archive("/tmp")[0])
    finally:
        container.remove(force=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "tmp" / "bzImage"


def test_a_users_own_kernel_is_booted_with_the_modules_beside_it(command: Command, own_kernel: Path) -> None:
    [run] = document(command("run", "resent-payload-with-fin", "--kernel", str(own_kernel), "--json"))["runs"]
    assert (list(run["endings"]), run["outcome"]) == (["RST"], "as expected")


def test_a_bisection_is_answered_on_a_users_own_kernel(command: Command, own_kernel: Path) -> None:
    done = command("test-kernel", str(own_kernel), "recv-then-close", "resent-payload-with-fin")
    assert (done.returncode, done.stdout) == (
        0,
        "recv-then-close: as expected\nresent-payload-with-fin: as expected\n",
    )


def test_without_its_modules_it_lacks_a_network_card(
    client: docker.DockerClient, own_kernel: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "bzImage"
    alone.write_bytes(own_kernel.read_bytes())
    with pytest.raises(MachineError, match="found no virtio network card"):
        DockerTestbed(client, TestbedSpec(kernel=str(alone)))


def test_a_kernel_that_has_halted_is_called_that_at_once(
    client: docker.DockerClient, own_kernel: Path, tmp_path: Path
) -> None:
    corrupt = bytearray(own_kernel.read_bytes())
    middle = len(corrupt) // 2
    corrupt[middle : middle + 64] = bytes(64)  # of what it unpacks itself from
    (tmp_path / "bzImage").write_bytes(corrupt)
    with pytest.raises(MachineError, match="this kernel has halted: its processor waits"):
        DockerTestbed(client, TestbedSpec(kernel=str(tmp_path / "bzImage")))
