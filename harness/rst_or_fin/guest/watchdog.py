"""Tells a hung guest from a slow one on a busy machine: by its CPU time, not by the clock."""

from __future__ import annotations

import os
from collections.abc import Callable

# A kernel that boots has something to say all the time; starting the node takes 3 s of CPU time.
_SILENT_CPU_S = 20.0
_BOOT_CPU_S = 120.0
_IDLE_S = 60.0
_IDLE_SHARE = 0.02  # of a CPU: what QEMU itself uses while its guest's CPU is halted
LOOK_S = 1.0  # how often to look


class Watchdog:
    """Watches a guest by what it computes and writes. `cpu_s` gives its CPU time, `now_s` the clock's.

    Both in seconds; `cpu_s` is that of the QEMU process, so it grows only as fast as the machine lets it.
    """

    def __init__(self, cpu_s: Callable[[], float], now_s: Callable[[], float]) -> None:
        self._cpu_s = cpu_s
        self._now_s = now_s
        self._began_cpu_s = cpu_s()
        self.note_output()

    def note_output(self) -> None:
        """Start counting anew, because the guest has written something."""
        self._spoke_cpu_s, self._spoke_s = self._cpu_s(), self._now_s()

    def failure(self) -> str:
        """Return what is wrong with the guest by now, or ""."""
        cpu_s, now_s = self._cpu_s(), self._now_s()
        silent_cpu_s, silent_s = cpu_s - self._spoke_cpu_s, now_s - self._spoke_s
        if silent_cpu_s > _SILENT_CPU_S:
            return f"this kernel hangs: it has printed nothing in {_SILENT_CPU_S:.0f} s of CPU time"
        if silent_s > _IDLE_S and silent_cpu_s < _IDLE_SHARE * silent_s:
            return f"this kernel has halted: it has neither computed nor printed anything for {_IDLE_S:.0f} s"
        if cpu_s - self._began_cpu_s > _BOOT_CPU_S:
            return f"this kernel has not brought the node up within {_BOOT_CPU_S:.0f} s of CPU time"
        return ""


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used, all threads together (proc_pid_stat(5))."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
