"""QEMU's machine protocol (QMP): orders and answers as JSON, one object a line."""

from __future__ import annotations

import json
import socket
import time
from typing import Any


class Monitor:
    """One end of a QMP connection.

    Every method raises RuntimeError where QEMU refuses, fails or has ended, and TimeoutError where it does
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

    def await_running(self) -> None:
        """Wait until the guest runs after a restore; what it is sent before that is lost."""
        if self._ask("query-status")["status"] != "running":
            self._await("event", "RESUME")

    def _ask(
        self, order: str, arguments: dict[str, object] | None = None, fds: list[int] | None = None
    ) -> dict[str, object]:
        text = json.dumps({"execute": order, "arguments": arguments or {}}).encode() + b"\n"
        socket.send_fds(self._line, [text], fds or [])
        answer: dict[str, object] = self._await("return")["return"]
        return answer

    def _await(self, kind: str, name: str | None = None) -> dict[str, Any]:
        for line in self._messages:
            message: dict[str, Any] = json.loads(line)
            if "error" in message:
                raise RuntimeError(f"QEMU refuses: {message['error']['desc']}")
            if kind in message and (name is None or message[kind] == name):
                return message
        raise RuntimeError("QEMU ended")
