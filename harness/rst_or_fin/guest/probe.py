"""Tries whether a real kernel boots on KVM: `python3 -m guest.probe`, in a container with /dev/kvm.

The kernel gets no root file system: its panic over that is the proof that it has come all the way. Exits
with 0 then, else with 1 and what was seen instead.
"""

from __future__ import annotations

import select
import sys
import time

from . import qemu

_LIMIT_S = 3.0
_PROOF = b"Unable to mount root fs"


def main() -> int:
    """Boot the kernel and return the exit status; print what was seen."""
    console = b""
    deadline_s = time.monotonic() + _LIMIT_S
    arguments = [*qemu.accelerator("kvm"), *qemu.boot("/opt/rst-or-fin/kernel/bzImage")]
    with qemu.Machine(arguments, nics=[]) as guest:
        while _PROOF not in console:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not select.select([guest.console], [], [], left_s)[0]:
                return _fail(console, f"it hung for {_LIMIT_S:.0f} s")
            data = guest.console.recv(65536)
            if not data:
                return _fail(console, "QEMU ended")
            console += data
    print("a kernel booted")
    return 0


def _fail(console: bytes, how: str) -> int:
    begun = "after its first lines" if b"Linux version" in console else "before it said anything"
    print(f"a kernel did not boot: {how} {begun}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
