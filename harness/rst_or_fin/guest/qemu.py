"""The virtual machine: one command line, the same where its snapshot is saved and where it is restored.

A snapshot fits only the machine that it was saved from: the same devices, CPU model and memory, on the same
QEMU. What differs between the two ends is passed in: accelerator, where network cards lead, what is loaded.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping, Sequence

NICS = 2  # eth0 and eth1 of the guest: the control network and the tested one

_MEMORY_MB = 256
# Every segment leaves as the guest's TCP made it, checksum included: QEMU merges and splits nothing.
_NO_OFFLOADS = "csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off"

# The TSC runs at the speed of the machine that made the snapshot: the guest must not tell time by it.
_KERNEL_ARGUMENTS = "console=ttyS0 panic=-1 tsc=unstable random.trust_cpu=on mitigations=off"


class Machine:
    """A QEMU process and its connections: the kernel's `console`, /init's `channel`, QEMU's `monitor`.

    As a context manager it ends QEMU. Raises FileNotFoundError if QEMU is not installed.
    """

    def __init__(
        self, arguments: Sequence[str], *, nics: Sequence[str], pass_fds: Sequence[int] = ()
    ) -> None:
        self.console, console = socket.socketpair()
        self.channel, channel = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        with console, channel, monitor:
            lines = {"console": console.fileno(), "channel": channel.fileno(), "monitor": monitor.fileno()}
            self.process = subprocess.Popen(
                [*_command(nics, lines), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[*pass_fds, *lines.values()],
            )

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """Kill QEMU and close the connections to it."""
        self.process.kill()
        self.process.wait()
        for line in (self.console, self.channel, self.monitor):
            line.close()


def boot(kernel: str, initrd: str = "") -> list[str]:
    """Return arguments that load a kernel instead of a snapshot; it panics without a root file system."""
    return ["-kernel", kernel, *(["-initrd", initrd] if initrd else []), "-append", _KERNEL_ARGUMENTS]


def accelerator(name: str) -> list[str]:
    """Return arguments for "tcg" or "kvm".

    TCG's CPU has RDRAND, so that each restored clone draws other numbers from it.
    """
    cpu = {"tcg": "qemu64,+rdrand,+rdseed", "kvm": "host"}[name]
    return ["-accel", name, "-cpu", cpu]


def unconnected(number: int) -> str:
    """Return a network card without a network: a restore may connect it to anything (unlike a `user` one)."""
    return f"hubport,id=net{number},hubid={number}"


def _command(nics: Sequence[str], lines: Mapping[str, int]) -> list[str]:
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    command += ["-machine", "q35", "-m", str(_MEMORY_MB), "-smp", "1", "-sandbox", "on,spawn=deny"]
    for number, nic in enumerate(nics):
        command += ["-netdev", nic, "-device", f"virtio-net-pci,netdev=net{number},romfile=,{_NO_OFFLOADS}"]
    for name, fd in lines.items():
        command += ["-chardev", f"socket,id={name},fd={fd}"]
    command += ["-serial", "chardev:console", "-serial", "chardev:channel"]
    return [*command, "-mon", "chardev=monitor,mode=control"]
