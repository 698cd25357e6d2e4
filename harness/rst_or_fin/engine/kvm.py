"""Finds out whether KVM works here, by booting a real kernel.

That /dev/kvm exists proves nothing, nor does a guest of a few instructions: on some hosts those run, and
every kernel hangs.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rst_or_fin import data_files
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership
from rst_or_fin.errors import MachineError

_DEVICE = "/dev/kvm"
_KVM_GET_API_VERSION = 0xAE00  # linux/kvm.h
_KVM_API = 12  # the only one since Linux 2.6.22
_KERNEL_IMAGES = "rst-or-fin/kernel"
_LIMIT_S = 30
_PROOF = "kvm"  # what its probe is remembered as


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What can be seen of /dev/kvm without booting; `hint` where something can be done about it."""

    usable: bool
    says: str
    hint: str = ""


def device() -> Device:
    """Look whether KVM is there, may be opened by this user, and speaks the API that QEMU needs."""
    virtual = _virtualisation()
    if not os.path.exists(_DEVICE):
        why = f"though the processor has {virtual}" if virtual else "and the processor shows no vmx or svm"
        hint = "load its module: `modprobe kvm_intel` or `modprobe kvm_amd`" if virtual else ""
        return Device(usable=False, says=f"there is no {_DEVICE}, {why}", hint=hint)
    try:
        version = _api_version()
    except PermissionError:
        hint = "join its group: `usermod -aG kvm $USER`, then log in again"
        return Device(usable=False, says=f"this user may not open {_DEVICE}", hint=hint)
    except OSError as error:
        return Device(usable=False, says=f"{_DEVICE} is there, but does not answer: {error.strerror}")
    says = f"{_DEVICE} opens (API {version}, {virtual or 'the processor shows no vmx or svm'})"
    return Device(usable=version == _KVM_API, says=says)


def _api_version() -> int:
    opened = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(opened, _KVM_GET_API_VERSION)
    finally:
        os.close(opened)


def _virtualisation() -> str:
    """Return the processor's own word for it, vmx (Intel) or svm (AMD), or "" for none."""
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return ""
    return next((word for word in ("vmx", "svm") if word in words), "")


def works() -> tuple[bool, str]:
    """Return whether a kernel booted on KVM, and what was seen; tried once for each boot of this host.

    The kernel and QEMU are those of a kernel image; without one there is no proof, and no use for KVM yet.
    """
    if not os.path.exists(_DEVICE):
        return False, f"there is no {_DEVICE}"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = (data_files.remembered(_PROOF) or ("", 0.0))[0].splitlines()
    if len(known) == 3 and known[0] == boot_id:
        return known[1] == "works", known[2]
    try:
        proof = _probe()
    except MachineError as error:
        return False, f"it could not be tried: {error}"
    if proof is None:
        return False, "whether it works is tried with the first kernel image (`rst-or-fin kernels build`)"
    status, said = proof
    says = said.replace("did not boot:", "did not boot on it:", 1)
    data_files.remember(_PROOF, f"{boot_id}\n{'works' if status == 0 else 'fails'}\n{says}\n")
    return status == 0, says


def _probe() -> tuple[int, str] | None:
    """Run the probe in a kernel image: its exit status and last line; None if there is no such image."""
    import docker.errors

    with closing(engine.connect()) as client, engine.calls("trying KVM"):
        images = client.images.list(_KERNEL_IMAGES)
        if not images:
            return None
        container = client.containers.create(
            images[0],
            ["python3", "-m", "guest.probe"],
            labels=ownership.labels("kvm-probe"),
            devices=[_DEVICE],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            network_mode="none",
            read_only=True,
        )
        try:
            container.start()
            status = int(container.wait(timeout=_LIMIT_S)["StatusCode"])
            lines = container.logs().decode("utf-8", "replace").strip().splitlines()
        except docker.errors.APIError as error:
            return 1, f"containers may not use it: {error.explanation}"
        finally:
            container.remove(force=True)
    return status, lines[-1] if lines else "the probe said nothing"
