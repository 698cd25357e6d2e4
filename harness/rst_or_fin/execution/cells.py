"""Makes the cells of a matrix: resolves the names of kernels, and chooses where the cells are played."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cache
from itertools import product
from pathlib import Path

from rst_or_fin.analysis.matrix import Cell, Combination
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_table, kernel_images, kernels
from rst_or_fin.engine.build import Tell
from rst_or_fin.errors import UsageError
from rst_or_fin.execution import run_matrix, workers
from rst_or_fin.execution.workers import WorkerTasks
from rst_or_fin.scenario.kernel_release import running_release
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.spec import DEFAULT_OTP

_GROUPS_ON_A_CLUSTER = 8


def combinations(
    *,
    runtime: str,
    kernels: Iterable[str],
    releases: Iterable[str],
    backends: Iterable[str],
    families: Iterable[str],
) -> list[Combination]:
    """Return every combination of these axes; without `releases`, of the runtime's default.

    Raises UsageError if there is no such OTP release for containers.
    """
    otps = list(releases) or ["" if runtime == "local" else DEFAULT_OTP]
    if runtime == "docker":
        for otp in otps:
            image_table.check_otp(otp)
    return [
        Combination(runtime=runtime, otp=otp, backend=backend, family=int(family), kernel=kernel)
        for kernel, otp, backend, family in product(kernels, otps, backends, families)
    ]


def resolve_kernels(names: Sequence[str], runtime: str, tell: Tell) -> list[str]:
    """Return the releases that the names stand for, each once; "" is the host's, `default` the default set.

    Raises UsageError for a kernel that is not offered (with the nearest), and without containers.
    """
    if not names:
        return [""]
    if runtime == "local":
        raise UsageError("--kernel needs containers", "use --runtime docker")
    wanted = [
        kernel
        for name in names
        for kernel in (_default_kernels(tell) if name == "default" else (resolve_kernel(name, tell),))
    ]
    return list(dict.fromkeys(wanted))


def resolve_kernel(name: str, tell: Tell) -> str:
    """Return a kernel's full release; a path's absolute form, and "" for "host".

    An image that exists needs no package in the archive. Raises UsageError for a kernel that is not offered,
    and for a file that is not one.
    """
    if name == "host":
        return ""
    if kernel_images.is_path(name):
        kernel_images.own(Path(name))
        return str(Path(name).resolve())
    if kernel_images.is_release(name) and _is_made(name):
        return name
    return kernels.choose(name, offered_kernels(tell)).release


def _default_kernels(tell: Tell) -> Iterator[str]:
    """Yield the default set; one that is gone from the archive fails its own cell, not all others."""
    for name in kernels.catalogue().default:
        try:
            yield resolve_kernel(name, tell)
        except UsageError:
            yield name


def _is_made(release: str) -> bool:
    with closing(engine.connect()) as client:
        return kernel_images.is_made(client, release)


def host_kernel(scheduler: str | None) -> str:
    """Return the release of this machine's kernel where cells may run on it, else ""."""
    if scheduler or os.environ.get("DOCKER_HOST"):
        return ""
    return running_release(os.uname().release, os.uname().version)


@cache
def offered_kernels(tell: Tell) -> tuple[kernels.Offer, ...]:
    """Return the kernels that the configured suites offer, oldest first."""
    with closing(engine.connect()) as client:
        return kernels.offers(client, tell)


def cell(entry: Entry, combination: Combination, repeat: int) -> Cell:
    """Make the cell of a scenario at one combination."""
    own = kernel_images.is_path(combination.kernel)
    return Cell(
        scenario=entry.scenario,
        text=entry.text,
        combination=combination,
        repeat=repeat,
        kernel_digest=kernel_images.own(Path(combination.kernel)) if own else "",
    )


def spread_over(
    *, scheduler: str | None, jobs: int | None, tasks: WorkerTasks, stack: ExitStack
) -> run_matrix.Spread:
    """Return what plays groups of cells, on a cluster or here; its resources are closed with the stack."""
    if scheduler:
        executor = stack.enter_context(workers.dask_cluster(scheduler))
        return lambda groups: workers.play_on(executor, groups, tasks)
    here = parallelism(scheduler, jobs)
    return lambda groups: workers.play_here(groups, tasks, here)


def parallelism(scheduler: str | None, jobs: int | None) -> int:
    """Return how many groups of cells to play at a time: here one for each processor.

    How many machines a cluster has changes while it plays.
    """
    return _GROUPS_ON_A_CLUSTER if scheduler else jobs or len(os.sched_getaffinity(0))
