"""Whether KVM works here, proved by running a guest of one instruction. That /dev/kvm exists proves nothing.

As a program (`python -m harness.kvm`) it runs the guest and exits 0 when that guest halted; `works` runs the
program under a time-out, because on some hosts every guest hangs. Source: Documentation/virt/kvm/api.rst,
Linux 6.12; the numbers are those of x86-64.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import subprocess
import sys

_CREATE_VM = 0xAE01
_GET_VCPU_MMAP_SIZE = 0xAE04
_SET_USER_MEMORY_REGION = 0x4020AE46
_CREATE_VCPU = 0xAE41
_RUN = 0xAE80
_SET_REGS = 0x4090AE82
_GET_SREGS = 0x8138AE83
_SET_SREGS = 0x4138AE84
_EXIT_HLT = 5
_HLT = b"\xf4"
_PAGE_LEN = 4096
_TIMEOUT_S = 1.5


def works() -> tuple[bool, str]:
    """Whether a guest ran, and what was seen. Takes at most 1.5 seconds."""
    if not os.path.exists("/dev/kvm"):
        return False, "there is no /dev/kvm"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness.kvm"],
            timeout=_TIMEOUT_S,
            capture_output=True,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return False, f"/dev/kvm exists, but a guest of one instruction hung for {_TIMEOUT_S} s"
    if done.returncode == 0:
        return True, "a guest of one instruction ran"
    reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return False, f"/dev/kvm exists, but a guest did not run: {reason}"


def run_guest() -> int:
    """Run `hlt` in a fresh guest; the exit reason that KVM gives (5 is KVM_EXIT_HLT). Raises OSError."""
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    vm = fcntl.ioctl(kvm, _CREATE_VM, 0)
    memory = mmap.mmap(-1, _PAGE_LEN)
    memory.write(_HLT)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(vm, _SET_USER_MEMORY_REGION, struct.pack("IIQQQ", 0, 0, 0, _PAGE_LEN, address))
    vcpu = fcntl.ioctl(vm, _CREATE_VCPU, 0)
    state = mmap.mmap(vcpu, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE, 0))
    special = bytearray(0x138)
    fcntl.ioctl(vcpu, _GET_SREGS, special)
    special[0:8] = bytes(8)  # cs.base
    special[12:14] = bytes(2)  # cs.selector
    fcntl.ioctl(vcpu, _SET_SREGS, bytes(special))
    fcntl.ioctl(vcpu, _SET_REGS, bytes(128) + struct.pack("QQ", 0, 2))  # rip 0, rflags' reserved bit
    fcntl.ioctl(vcpu, _RUN, 0)
    (reason,) = struct.unpack_from("I", state, 8)
    return int(reason)


if __name__ == "__main__":
    reason = run_guest()
    sys.exit(0 if reason == _EXIT_HLT else f"exit reason {reason} instead of a halt")
