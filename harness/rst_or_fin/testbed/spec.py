"""What a testbed is made of, as one value. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rst_or_fin.scenario.axes import Axes
from rst_or_fin.scenario.model import Hosts

DEFAULT_OTP = "27"  # of containers


@dataclass(frozen=True, slots=True, kw_only=True)
class TestbedSpec:
    """What a testbed is made of: a command chooses runtime, release and kernel, a scenario the hosts.

    "" stands for the runtime's default: its OTP release, this machine's kernel. `strace` records the node's
    system calls.
    """

    __test__ = False  # not a pytest class, whatever its name begins with

    runtime: str = "auto"
    otp: str = ""
    backend: str = "inet"
    family: int = 4
    kernel: str = ""
    strace: bool = False
    hosts: Hosts = field(default_factory=Hosts)

    @property
    def axes(self) -> Axes:
        """The axes as far as they are known before there is a testbed."""
        otp = self.otp if self.runtime == "docker" else ""
        return Axes(runtime=self.runtime, otp=otp, backend=self.backend, family=self.family)

    def in_containers(self) -> TestbedSpec:
        """Return the same in containers, on their own OTP release where it names none."""
        return replace(self, runtime="docker", otp=self.otp or DEFAULT_OTP)

    def with_hosts(self, hosts: Hosts) -> TestbedSpec:
        """Return the same with these hosts."""
        return replace(self, hosts=hosts)
