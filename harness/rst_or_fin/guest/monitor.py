"""Speaks QMP, QEMU's machine protocol: JSON commands and replies, one object per line."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any

_INTERRUPT_FLAG = 0x200  # of EFLAGS


class Monitor:
    """One end of a QMP connection.

    Every method raises RuntimeError if QEMU refuses, fails or has ended, and TimeoutError if it does
    not answer within `limit_s`.
    """

    def __init__(self, line: socket.socket, limit_s: float = 60.0) -> None:
        line.settimeout(limit_s)
        self._line = line
        self._messages = line.makefile("r", encoding="utf-8")
        self._messages.readline()  # the greeting
        self._ask("qmp_capabilities")

    def save(self, fd: int, limit_s: float) -> None:
        """Write the running guest's state to an open file, and end QEMU."""
        self._ask("getfd", {"fdname": "snapshot"}, [fd])
        self._ask("migrate-set-parameters", {"max-bandwidth": 1 << 40})
        self._ask("migrate", {"uri": "fd:snapshot"})
        deadline_s = time.monotonic() + limit_s
        while (status := self._ask("query-migrate")["status"]) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline_s:
                raise RuntimeError(f"QEMU did not save its state: {status}")
            time.sleep(0.05)
        self._ask("quit")

    def is_stopped_for_good(self) -> bool:
        """Return whether the guest's one processor waits with interrupts off, as after `cli; hlt`.

        Nothing wakes it then (Intel SDM volume 2A, HLT). QEMU 10 writes `RFL=00000046 [---Z-P-] ... HLT=1`,
        in 32-bit modes EFL.
        """
        registers = str(self._ask("human-monitor-command", {"command-line": "info registers"}))
        found = re.search(r"[ER]FL=([0-9a-f]+) .*HLT=1", registers)
        return found is not None and not int(found.group(1), 16) & _INTERRUPT_FLAG

    def await_running(self) -> None:
        """Wait until the guest runs after a restore; what it is sent before that is lost."""
        if self._ask("query-status")["status"] != "running":
            self._await("event", "RESUME")

    def _ask(
        self, order: str, arguments: dict[str, object] | None = None, fds: list[int] | None = None
    ) -> Any:
        text = json.dumps({"execute": order, "arguments": arguments or {}}).encode() + b"\n"
        socket.send_fds(self._line, [text], fds or [])
        return self._await("return")["return"]

    def _await(self, kind: str, name: str | None = None) -> dict[str, Any]:
        for line in self._messages:
            message: dict[str, Any] = json.loads(line)
            if "error" in message:
                raise RuntimeError(f"QEMU refuses: {message['error']['desc']}")
            if kind in message and (name is None or message[kind] == name):
                return message
        raise RuntimeError("QEMU ended")
