"""Whether KVM works here, proved by booting a real kernel.

That /dev/kvm exists proves nothing, nor does a guest of a few instructions: on some hosts those run, and
every kernel hangs.
"""

from __future__ import annotations

import os
from pathlib import Path

from rst_or_fin import data_files
from rst_or_fin.engine import client as engine
from rst_or_fin.errors import EnvironmentTroubleError

_DEVICE = "/dev/kvm"
_KERNEL_IMAGES = "rst-or-fin/kernel"
_LIMIT_S = 30
_PROOF = "kvm"  # what its probe is remembered as


def works() -> tuple[bool, str]:
    """Whether a kernel booted on KVM, and what was seen. Asked once for each boot of this host.

    The kernel, and QEMU, are those of a kernel image; without one there is no proof, and no use for KVM yet.
    """
    if not os.path.exists(_DEVICE):
        return False, f"there is no {_DEVICE}"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = (data_files.remembered(_PROOF) or ("", 0.0))[0].splitlines()
    if len(known) == 3 and known[0] == boot_id:
        return known[1] == "works", known[2]
    try:
        proof = _probe()
    except EnvironmentTroubleError as error:
        return False, f"{_DEVICE} exists, but is not proved to work: {error}"
    if proof is None:
        return False, f"{_DEVICE} exists; whether it works is tried with the first kernel image"
    status, said = proof
    says = said if status == 0 else f"{_DEVICE} exists, but {said}"
    data_files.remember(_PROOF, f"{boot_id}\n{'works' if status == 0 else 'fails'}\n{says}\n")
    return status == 0, says


def _probe() -> tuple[int, str] | None:
    """Exit status and last line of the probe in a kernel image; None where there is no such image."""
    import docker.errors

    client = engine.connect()
    with engine.calls("trying KVM"):
        images = client.images.list(_KERNEL_IMAGES)
        if not images:
            return None
        container = client.containers.create(
            images[0],
            ["python3", "-m", "guest.probe"],
            labels=engine.labels("kvm-probe"),
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
            return 1, f"no container may use it: {error.explanation}"
        finally:
            container.remove(force=True)
    return status, lines[-1] if lines else "the probe said nothing"
