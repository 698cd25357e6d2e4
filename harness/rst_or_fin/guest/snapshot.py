"""Boots a kernel once, until the node in it answers, and saves that moment: `python3 -m guest.snapshot`.

Runs when the image is built, without a network and without privileges. What the guest has drawn from its
random numbers by then is common to all clones. So its network cards are not up and it has made no connection,
because the secrets behind TCP's sequence numbers, timestamps and ports are drawn at first use
(net_get_random_once, Linux 6.12).
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence

from . import qemu, watchdog
from .monitor import Monitor

_SAVE_LIMIT_S = 600.0  # of a machine that has much else to do
_SETTLE_S = 0.5  # the guest goes idle, which makes the snapshot smaller
_LAST_LINES = 30


def main(arguments: Sequence[str]) -> int:
    """Boot `kernel` with `initrd` and save its state to a file: the three arguments.

    Return the exit status.
    """
    kernel, initrd, state = arguments
    began_s = time.monotonic()
    with qemu.Machine(
        [*qemu.accelerator("tcg"), *qemu.boot(kernel, initrd)],
        nics=[qemu.unconnected(number) for number in range(qemu.NICS)],
    ) as guest:
        monitor = Monitor(guest.monitor)
        failure = _await_node(guest, monitor)
        if failure:
            print(failure, file=sys.stderr)
            return 1
        print(f"node up after {time.monotonic() - began_s:.1f} s")
        time.sleep(_SETTLE_S)
        _save(guest, monitor, state)
    print(f"snapshot of {os.path.getsize(state) // 1_000_000} MB after {time.monotonic() - began_s:.1f} s")
    return 0


def _await_node(guest: qemu.Machine, monitor: Monitor) -> str:
    """Wait until the guest says that its node is up; return what went wrong, or ""."""
    said, console = b"", b""
    watched = watchdog.Watchdog(lambda: watchdog.cpu_s(guest.process.pid), time.monotonic)
    while b"ready\n" not in said:
        readable, _, _ = select.select([guest.console, guest.channel], [], [], watchdog.LOOK_S)
        failure = watched.failure()
        if failure:
            return _failure_report(failure, console)
        if not readable and monitor.is_stopped_for_good():
            return _failure_report("this kernel has halted: its processor waits with interrupts off", console)
        for line in readable:
            data = line.recv(65536)
            if not data:
                return _failure_report("this kernel stopped before the node was up", console)
            watched.note_output()
            if line is guest.console:
                console += data
            else:
                said += data
        if b"no network card\n" in said:
            return _failure_report(
                "this kernel found no virtio network card: it, or its modules, must drive one", console
            )
        if b"connected " in said:
            return _failure_report(
                "the node used TCP before the snapshot: all clones would share its secrets", console
            )
        if b"ended" in said:
            return _failure_report("the node ended at its start", console)
    return ""


def _failure_report(what: str, console: bytes) -> str:
    lines = [line for line in console.decode("utf-8", "replace").splitlines() if line.strip()]
    last = "\n".join(lines[-_LAST_LINES:]) or "(nothing)"
    # The last line is the answer (engine/build.py), those above it are how one gets there.
    return f"The last lines of its console:\n{last}\nrst-or-fin: {what}"


def _save(guest: qemu.Machine, monitor: Monitor, state: str) -> None:
    """Write the running guest's state to a file, compressed. Raises RuntimeError, TimeoutError."""
    read_end, write_end = os.pipe()
    compress = os.posix_spawnp(
        "zstd",
        ["zstd", "-q", "-9", "-T0", "-o", state],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, read_end, 0), (os.POSIX_SPAWN_CLOSE, write_end)],
    )
    os.close(read_end)
    try:
        monitor.save(write_end, _SAVE_LIMIT_S)
    finally:
        os.close(write_end)
    guest.process.wait(_SAVE_LIMIT_S)
    if os.waitstatus_to_exitcode(os.waitpid(compress, 0)[1]) != 0:
        raise RuntimeError("zstd could not write the snapshot")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
