"""Measures what the local runtime's namespaces allow at most: a plain client in the node's place."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import rst_or_fin
from rst_or_fin.node import runtime
from rst_or_fin.scenario.model import Server
from rst_or_fin.testbed import local
from rst_or_fin.testbed.holder_process import HolderProcess

_PORT = 4370
_TIMEOUT_S = 60.0
_LOG_LEN = 4096


def seconds(repeat: int) -> dict[str, float]:
    """Measure how long `repeat` plain replays take: "unread" and "drained". Raises as a LocalTestbed."""
    addresses = local.addresses_for(family=4)
    config = local.config_for(runtime.find(None), "", Server(), addresses, "inet")
    module = "rst_or_fin.agents.baseline"
    client = [sys.executable, "-m", module, addresses.own, "80", str(_PORT), str(repeat)]
    packages = Path(rst_or_fin.__file__).resolve().parent.parent
    held = HolderProcess(
        config._replace(
            node=client,
            node_folder="/",
            node_environment={"PYTHONPATH": str(packages)},
            node_files=[sys.executable, sys.prefix, sys.base_prefix, str(packages)],
            node_port=_PORT,
        )
    )
    try:
        _, (tap, log, *files) = held.wait_for("wired", _TIMEOUT_S)
        undo = ExitStack()
        for fd in (
            tap,
            log,
            *files,
        ):  # the server leaves when its standard input ends: all stay open until the end
            undo.callback(os.close, fd)
        with undo:
            _, (connection,) = held.wait_for("linked", _TIMEOUT_S)
            with socket.socket(fileno=connection) as link, link.makefile("rb") as answer:
                link.settimeout(_TIMEOUT_S)
                os.read(log, _LOG_LEN)  # its first line: it listens
                link.sendall(b"go")
                spent: dict[str, float] = json.loads(answer.readline())
                return spent
    finally:
        held.close()
