"""Which kind of testbed a command gets: the one asked for, or the best that this machine has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import EnvironmentTroubleError
from harness.scenario import Server
from harness.testbed import Testbed

Progress = Callable[[object], None]

DEFAULT_OTP = "27"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A kind of testbed with its choices made: `name` is "docker" or "local"."""

    name: str
    open: Callable[[Server, Progress], Testbed]


def choose(wanted: str, otp: str | None, progress: Progress) -> Runtime:
    """The runtime to use; `wanted` is "docker", "local" or "auto".

    auto takes Docker where an engine answers and its images can be had, else the local one, and says in one
    line which and why. Raises EnvironmentTroubleError where none can be had.
    """
    if wanted == "docker":
        return _docker(otp or DEFAULT_OTP)
    if wanted == "local":
        return _local(otp)
    try:
        runtime = _docker(otp or DEFAULT_OTP)
    except EnvironmentTroubleError as error:
        progress(f"runtime local: {error} For containers: {error.remedy}")
        return _local(otp)
    return runtime


def _docker(otp: str) -> Runtime:
    from harness import engine
    from harness.testbed.docker import DockerTestbed

    client = engine.connect()
    return Runtime(
        "docker",
        lambda server, progress: DockerTestbed(client, otp=otp, server=server, progress=progress),
    )


def _local(otp: str | None) -> Runtime:
    from harness.testbed.local import LocalTestbed

    return Runtime("local", lambda server, progress: LocalTestbed.open(server=server, otp=otp))
