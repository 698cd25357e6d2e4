"""Selects the testbed that a command gets: the one asked for, or the best that this machine has."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rst_or_fin import own_files
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.applications import ELIXIR
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.model import Hosts
from rst_or_fin.testbed import Testbed

Progress = Callable[[object], None]

DEFAULT_OTP = "27"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A kind of testbed with its choices made: `name` is "docker" or "local".

    `known` are the axes as far as they are known before there is a testbed. `lacks` says in one line why it
    cannot have such hosts, and what to do; it is empty where it can.
    """

    name: str
    known: Axes
    open: Callable[[Hosts, Progress], Testbed]
    lacks: Callable[[Hosts], str]


def choose(options: argparse.Namespace, progress: Progress, own: Sequence[str] = ()) -> Runtime:
    """Choose the runtime by `--runtime`, `--otp`, `--backend`, `--family` and `--kernel`.

    auto takes Docker where an engine answers and its images are available, else the local one, and says in
    one line which and why; in another, that `own`, the files that are not the catalogue's, are then played on
    this machine itself. Removes what killed runs left in the temporary folder before. Raises MachineError
    where no runtime is available.
    """
    own_files.sweep()
    strace = getattr(options, "strace", False)  # not every command has it
    if strace and options.runtime == "local":
        raise UsageError(
            "--strace needs containers: the local runtime records no system calls", "--runtime docker"
        )
    kernel = options.kernel
    if kernel and options.runtime == "local":
        raise UsageError(
            "--kernel needs containers: a namespace shares this machine's kernel", "--runtime docker"
        )
    if kernel and strace:
        raise UsageError("--strace records no guest's system calls", "leave out --strace or --kernel")
    if options.runtime == "docker" or strace or kernel:
        return _docker(options)
    if options.runtime == "local":
        return _local(options)
    try:
        runtime = _docker(options)
        _demand_images(options.otp or DEFAULT_OTP)
        return runtime
    except MachineError as error:
        progress(f"runtime local: {error} For containers: {error.remedy}")
        if own:
            progress(
                f"{', '.join(own)}: a program, run on this machine itself (SECURITY.md says how confined)"
            )
        return _local(options)


def _docker(options: argparse.Namespace) -> Runtime:
    from rst_or_fin.engine import client as engine
    from rst_or_fin.engine import images
    from rst_or_fin.testbed.docker import DockerTestbed

    images.check_otp(options.otp or DEFAULT_OTP)
    client = engine.connect()
    return Runtime(
        "docker",
        _known(options, "docker", options.otp or DEFAULT_OTP),
        lambda hosts, progress: DockerTestbed(
            client,
            otp=options.otp or DEFAULT_OTP,
            backend=options.backend,
            family=int(options.family),
            kernel=options.kernel,
            hosts=hosts,
            strace=getattr(options, "strace", False),
            progress=progress,
        ),
        partial(_docker_lacks, options.otp or DEFAULT_OTP, options.kernel),
    )


def _docker_lacks(otp: str, kernel: str | None, hosts: Hosts) -> str:
    from rst_or_fin.engine import images

    if hosts.node.image:
        return "a node's own image has our kernel, and no other (leave out --kernel)" if kernel else ""
    if not hosts.applications:
        return ""
    named = " and ".join(hosts.applications)
    if images.elixir_is_old(otp) and ELIXIR in hosts.applications:
        return f"OTP {otp}'s image has an Elixir older than 1.14 (another --otp has a newer)"
    if images.lacks_applications(otp):
        return f"OTP {otp}'s image has none but Erlang's base, no {named} (another --otp has)"
    return f"a node with a kernel of its own has no {named} (leave out --kernel)" if kernel else ""


def _local_lacks(otp: str | None, hosts: Hosts) -> str:
    from rst_or_fin.node import runtime as erlang

    if hosts.node.image:
        return f"the node's image {hosts.node.image} needs containers (--runtime docker)"
    program = peers.kind_of(hosts.server).program
    if program and shutil.which(program) is None:
        return f"there is no {program} on this machine (apt-get install {program}, or use containers)"
    return erlang.excluded(otp, hosts.applications)


def _demand_images(otp: str) -> None:
    """Raise MachineError where the images neither exist nor can be made."""
    from rst_or_fin.engine import base_images, images
    from rst_or_fin.engine import client as engine

    client = engine.connect()
    names = [name for name in (f"node:otp{otp}", "peer") if images.present(client, name) is None]
    possible, how = base_images.source() if names else (True, "")
    if not possible:
        raise MachineError(f"The images {' and '.join(names)} cannot be had here.", how)


def _local(options: argparse.Namespace) -> Runtime:
    if not sys.platform.startswith("linux"):
        raise MachineError(
            "Network namespaces need Linux.", "use containers: install a Docker Engine, or set DOCKER_HOST"
        )
    from rst_or_fin.testbed.local import LocalTestbed

    return Runtime(
        "local",
        _known(options, "local", ""),
        lambda hosts, progress: LocalTestbed.open(
            hosts=hosts, otp=options.otp, backend=options.backend, family=int(options.family)
        ),
        partial(_local_lacks, options.otp),
    )


def _known(options: argparse.Namespace, name: str, otp: str) -> Axes:
    return Axes(runtime=name, otp=otp, backend=options.backend, family=int(options.family))
