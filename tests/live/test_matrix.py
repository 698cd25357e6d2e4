"""Matrix, compare and bisect as a user runs them: side by side, resumed, interrupted, on a Dask cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rst_or_fin.engine import ownership
from rst_or_fin.errors import EXIT_ENVIRONMENT

from tests.support.commands import Command, document
from tests.support.needs import skip_or_fail

if TYPE_CHECKING:
    import docker

ENDLESS = """
claim = "A session that never returns."
sources = ["a test"]
line_timeout_ms = 600000
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
receive never -> ok end.
gen_tcp:close(Sock).
'''
[expect]
ending = "FIN"
"""
BOTH_BACKENDS = (
    "matrix",
    "--runtime",
    "docker",
    "--backend",
    "inet,socket",
    "--out",
    "m",
    "--format",
    "json",
)


def cells(summary: Any) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (c["scenario"], c["combination"]["backend"]): ("/".join(c["endings"]), c["mark"])
        for c in summary["cells"]
    }


@pytest.mark.docker
def test_the_pair_on_both_backends_is_played_once_and_compared(command: Command, client: object) -> None:
    first, second = document(command(*BOTH_BACKENDS)), document(command(*BOTH_BACKENDS))
    rst, fin = ("RST", "as expected"), ("FIN", "as expected")
    assert cells(first) == {
        ("close-with-unread-response", "inet"): rst,
        ("close-with-unread-response", "socket"): rst,
        ("recv-then-close", "inet"): fin,
        ("recv-then-close", "socket"): fin,
    }
    assert [c["reused"] for c in second["cells"]] == [True] * 4
    assert command("compare", "m").stdout.startswith("Nothing differs.")


@pytest.mark.docker
def test_bisect_finds_the_otp_release_that_reads_ahead(command: Command, client: object) -> None:
    done = command(
        *("bisect", "recv-10-of-485", "--axis", "otp", "--backend", "socket", "--from", "28", "--to", "29"),
        *("--json", "--out", "b"),
    )
    change = document(done)["change"]
    compared = command("compare", "b")
    assert (change["last_same"], change["first_different"], done.returncode) == ("28", "29", 0)
    assert ("1 known, 0 unexplained" in compared.stdout, compared.returncode) == (True, 0)


@pytest.mark.docker
def test_a_session_that_hangs_costs_its_own_cell_and_leaves_nothing(
    command: Command, client: docker.DockerClient, tmp_path: Path
) -> None:
    (tmp_path / "endless.scenario.toml").write_text(ENDLESS)
    done = command(
        *("matrix", "endless.scenario.toml", "recv-then-close", "--runtime", "docker"),
        *("--limit", "3", "--format", "json"),
    )
    found = {c["scenario"]: (c["mark"], c["why"]) for c in document(done)["cells"]}
    assert (found, done.returncode) == (
        {
            "endless": ("trouble", "the cell took longer than 3 s and was ended"),
            "recv-then-close": ("as expected", ""),
        },
        EXIT_ENVIRONMENT,
    )
    assert ownership.orphans(client) == ()


@pytest.mark.docker
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_matrix_takes_everything_down_and_keeps_what_it_had(
    client: docker.DockerClient, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "endless.scenario.toml").write_text(ENDLESS)
    arguments = ("matrix", "recv-then-close", "endless.scenario.toml", "--runtime", "docker")
    with subprocess.Popen(
        [sys.executable, "-m", "rst_or_fin.cli", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as matrix:
        assert matrix.stderr is not None
        first = next(line for line in matrix.stderr if "[1 of 2]" in line)
        matrix.send_signal(number)
        assert ("recv-then-close" in first, matrix.wait(30)) == (True, code)
    assert (tmp_path / "runs" / "matrix" / "matrix.json").is_file()
    assert ownership.orphans(client) == ()


def test_an_unknown_otp_release_is_answered_with_those_there_are(command: Command) -> None:
    done = command("matrix", "--runtime", "docker", "--otp", "25,26")
    assert (done.returncode, "there is no image of OTP 26" in done.stderr) == (2, True)


def test_a_value_that_an_axis_does_not_have_is_wrong_usage(command: Command) -> None:
    done = command("matrix", "--backend", "inet,sockets")
    assert (done.returncode, "invalid choice 'sockets' in 'inet,sockets'" in done.stderr) == (2, True)


def test_a_folder_without_evidence_cannot_be_compared(command: Command) -> None:
    done = command("compare", ".")
    assert (done.returncode, "holds no evidence" in done.stderr) == (2, True)


# A Dask cluster of several workers, each a process of its own under its nanny


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    try:
        import distributed
    except ImportError:
        skip_or_fail("the extra dask is not installed: pip install -e '.[dask]'")
    with distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as running:
        yield running


@pytest.mark.local
def test_a_dask_cluster_plays_the_cells_on_all_its_workers(cluster: Any, command: Command) -> None:
    import distributed

    done = command(
        *("matrix", "--scheduler", cluster.scheduler_address, "--runtime", "local"),
        *("--backend", "inet,socket", "--family", "4,6", "--format", "json", "--out", "m"),
    )
    found = document(done)
    with distributed.Client(cluster.scheduler_address) as client:  # type: ignore[no-untyped-call]
        played = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert ([c["mark"] for c in found["cells"]], done.returncode) == (["as expected"] * 8, 0)
    assert all(count > 0 for count in played.values())


@pytest.mark.local
def test_evidence_from_a_cluster_is_evidence_here(cluster: Any, command: Command, tmp_path: Path) -> None:
    command("matrix", "--scheduler", cluster.scheduler_address, "--runtime", "local", "--out", "m")
    [folder] = (tmp_path / "m").glob("*/recv-then-close")
    judged = document(command("judge", str(folder), "--json"))
    assert (judged["outcome"], judged["replays"][0]["ending"]) == ("as expected", "FIN")


def test_a_scheduler_that_is_not_there_is_told_with_a_hint(command: Command) -> None:
    if "CI" not in os.environ:
        pytest.importorskip("distributed")
    done = command("matrix", "--scheduler", "tcp://127.0.0.1:9")
    assert (done.returncode, "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr) == (4, True)
