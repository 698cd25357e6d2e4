"""Selects the testbed that a command gets: the one asked for, or the best that this machine has."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from rst_or_fin import own_files
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.applications import ELIXIR
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.model import Hosts
from rst_or_fin.testbed import Testbed
from rst_or_fin.testbed.spec import TestbedSpec

Progress = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Runtime:
    """A way to make testbeds; everything in `spec` but the hosts is resolved.

    `make` makes a testbed; `missing` says in one line why it cannot, and what to do, or nothing where it can.
    """

    spec: TestbedSpec
    make: Callable[[TestbedSpec, Progress], Testbed]
    missing: Callable[[TestbedSpec], str]

    @property
    def name(self) -> str:
        """Its name: "docker" or "local"."""
        return self.spec.runtime

    @property
    def known(self) -> Axes:
        """The axes as far as they are known before there is a testbed."""
        return self.spec.axes

    def open(self, hosts: Hosts, progress: Progress) -> Testbed:
        """Open a testbed with these hosts."""
        return self.make(self.spec.with_hosts(hosts), progress)

    def lacks(self, hosts: Hosts) -> str:
        """Return why it cannot have such hosts, and what to do; "" if it can."""
        return self.missing(self.spec.with_hosts(hosts))


def choose(spec: TestbedSpec, progress: Progress, own: Sequence[str] = ()) -> Runtime:
    """Choose the runtime for a testbed, whatever its hosts.

    `auto` takes Docker if an engine answers and images are available, else the local runtime, and reports
    which and why; a second line warns that the files `own`, which did not come with the program, will run on
    this machine. Removes what killed runs left in the temporary folder before. Raises MachineError if no
    runtime is available.
    """
    own_files.sweep()
    if spec.strace and spec.runtime == "local":
        raise UsageError(
            "--strace needs containers: the local runtime records no system calls", "use --runtime docker"
        )
    if spec.kernel and spec.runtime == "local":
        raise UsageError(
            "--kernel needs containers: a namespace shares this machine's kernel", "use --runtime docker"
        )
    if spec.kernel and spec.strace:
        raise UsageError(
            "--strace cannot record the system calls of a guest", "leave out --strace or --kernel"
        )
    if spec.runtime == "docker" or spec.strace or spec.kernel:
        return _docker(spec)
    if spec.runtime == "local":
        return _local(spec)
    try:
        runtime = _docker(spec)
        _demand_images(runtime.spec.otp)
        return runtime
    except MachineError as error:
        progress(f"runtime local: {error}; for containers: {error.hint}")
        if own:
            progress(f"{', '.join(own)}: run as a program on this machine (how it is confined: SECURITY.md)")
        return _local(spec)


def _docker(spec: TestbedSpec) -> Runtime:
    from rst_or_fin.engine import client as engine
    from rst_or_fin.engine import image_table
    from rst_or_fin.testbed.docker import DockerTestbed

    resolved = spec.in_containers()
    image_table.check_otp(resolved.otp)
    client = engine.connect()
    return Runtime(resolved, lambda spec, progress: DockerTestbed(client, spec, progress), _docker_lacks)


def _docker_lacks(spec: TestbedSpec) -> str:

    from rst_or_fin.engine import image_table

    hosts = spec.hosts
    if hosts.node.image:
        return (
            "--kernel does not work with a scenario's own `[node] image` (leave out --kernel)"
            if spec.kernel
            else ""
        )
    if not hosts.applications:
        return ""
    named = " and ".join(hosts.applications)
    if image_table.elixir_is_old(spec.otp) and ELIXIR in hosts.applications:
        return f"the Elixir in the image of OTP {spec.otp} is older than 1.14 (choose another --otp)"
    if image_table.lacks_applications(spec.otp):
        return f"the image of OTP {spec.otp} has only Erlang's base, no {named} (choose another --otp)"
    return f"a node with a kernel of its own has no {named} (leave out --kernel)" if spec.kernel else ""


def _local_lacks(spec: TestbedSpec) -> str:
    from rst_or_fin.node import runtime as erlang

    hosts = spec.hosts
    if hosts.node.image:
        return f"the node's image {hosts.node.image} needs containers (--runtime docker)"
    program = peers.kind_of(hosts.server).program
    if program and shutil.which(program) is None:
        return f"there is no {program} on this machine (apt-get install {program}, or use containers)"
    return erlang.excluded(spec.otp, hosts.applications)


def _demand_images(otp: str) -> None:
    """Raise MachineError if the images neither exist nor can be made."""
    from rst_or_fin.engine import base_images, images
    from rst_or_fin.engine import client as engine

    with closing(engine.connect()) as client:
        names = [name for name in (f"node:otp{otp}", "peer") if images.present(client, name) is None]
    if not names:
        return
    try:
        base_images.source()
    except MachineError as error:
        what = f"the images {' and '.join(names)} can neither be pulled nor built here"
        raise MachineError(what, error.hint) from error


def _local(spec: TestbedSpec) -> Runtime:
    if not sys.platform.startswith("linux"):
        raise MachineError(
            "network namespaces need Linux", "use containers: install a Docker Engine, or set DOCKER_HOST"
        )
    from rst_or_fin.testbed.local import LocalTestbed

    return Runtime(replace(spec, runtime="local"), lambda spec, progress: LocalTestbed(spec), _local_lacks)
