"""Nodes on kernels of their own: what they answer with, what tells clones apart, how a bad one is called."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import session
from harness.errors import EnvironmentTroubleError
from harness.evidence import SessionEnd
from harness.testbed import PINNED_SYSCTLS
from harness.testbed.docker import DockerTestbed
from tests.live.conftest import Command, document

if TYPE_CHECKING:
    import docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]  # images may have to be made first

BEFORE, SINCE = "6.12.43", "6.12.57"  # commit 5f9238530970


@pytest.fixture(scope="module")
def clones(client: docker.DockerClient) -> Iterator[tuple[DockerTestbed, DockerTestbed]]:
    with DockerTestbed(client, kernel=BEFORE) as one, DockerTestbed(client, kernel=BEFORE) as other:
        yield one, other


@pytest.fixture(scope="module")
def bed(clones: tuple[DockerTestbed, DockerTestbed]) -> DockerTestbed:
    return clones[0]


def evaluated(bed: DockerTestbed, expression: str) -> str:
    """What one Erlang expression prints on the node."""
    ref = session.begin(
        bed.link, session=expression, bindings={}, close_line=0, counters=(), line_timeout_s=10
    )
    replay = session.collect(bed.link, ref, 0, 20)
    assert replay.end is SessionEnd.DONE
    return replay.calls[0].result


@pytest.mark.parametrize(("kernel", "ending"), [(BEFORE, "RST"), (SINCE, "FIN")])
def test_a_payload_sent_again_with_the_fin_is_unread_until_5f9238530970(
    command: Command, kernel: str, ending: str
) -> None:
    result = document(command("run", "resent-payload-with-fin", "--kernel", kernel, "--json"))
    (replay,) = result["runs"][0]["replays"]
    assert (replay["ending"], result["outcome"]) == (ending, "as expected")


def test_the_node_names_the_kernel_of_its_image(bed: DockerTestbed) -> None:
    assert session.node_facts(bed.link)["kernel"].startswith(BEFORE)


def test_the_pinned_sysctls_reach_the_guest(bed: DockerTestbed) -> None:
    assert session.sysctls(bed.link, PINNED_SYSCTLS) == PINNED_SYSCTLS


def test_the_clock_is_the_hosts(bed: DockerTestbed) -> None:
    told_s = int(evaluated(bed, "os:system_time(second)."))
    assert abs(told_s - time.time()) < 5


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
    one, other = (evaluated(bed, expression) for bed in clones)
    assert one != other


def test_a_kernel_that_hangs_at_boot_is_called_that(client: docker.DockerClient, tmp_path: Path) -> None:
    hanging = bytearray(b"\xeb\xfe" * 0x8000)  # jmp to itself
    hanging[0x1F1] = 1  # sectors of real-mode code
    hanging[0x1FE:0x200] = b"\x55\xaa"
    hanging[0x202:0x208] = b"HdrS\x0f\x02"
    hanging[0x211] = 1  # load it high
    hanging[0x236] = 1  # 64-bit entry
    (tmp_path / "bzImage").write_bytes(hanging)
    with pytest.raises(EnvironmentTroubleError, match="has not brought the node up within 90 s"):
        DockerTestbed(client, kernel=str(tmp_path / "bzImage"))
