"""The processes of a run by what they do, and what can be done to them, whatever namespaces they are in."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from docker.errors import NotFound
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership

_HOLDER = "rst_or_fin.netns.holder"
_LOOK_EVERY_S = 0.005
_STARVED_S, _RUNS_S = 0.03, 0.002


def parents() -> dict[int, int]:
    """Every living process and its parent; zombies do not count."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found


def below(root: int, tree: dict[int, int] | None = None) -> set[int]:
    """Every living descendant of a process."""
    tree = tree or parents()
    found = {root}
    while more := {pid for pid, parent in tree.items() if parent in found} - found:
        found |= more
    return found - {root}


def local_roles(driver: int) -> dict[str, int]:
    """Which process of a local run is what: one of each kind, the first where there are several."""
    tree = parents()
    commands = {pid: _command(pid) for pid in below(driver, tree)}
    roles = {"driver": driver}
    for pid in sorted(commands):
        parent = tree.get(pid, 0)
        above = commands.get(parent, "")
        role = _role(commands[pid], above, commands.get(tree.get(parent, 0), ""))
        if role == "server" and _network(pid) == _network(parent):
            role = "node's keeper"  # which confines it
        roles.setdefault(role, pid)
    roles.pop("", None)
    return roles


def _role(command: str, above: str, two_above: str) -> str:
    if "beam.smp" in command:
        return "node"
    if "spawn_main" in command:
        return "worker"
    if _HOLDER not in command:
        return ""
    if _HOLDER not in above:
        return "outer holder"
    return "server" if _HOLDER in two_above else "inner holder"


def docker_roles(driver: int) -> dict[str, int]:
    """Which process of a run in containers is what, as the engine's host numbers them."""
    roles = {"driver": driver}
    client = engine.connect()
    try:
        for thing in ownership.owned_resources(client):
            if thing.kind == "container" and thing.owner is not None and thing.owner.pid == driver:
                try:
                    state = client.api.inspect_container(thing.id)
                except NotFound:  # it has been removed meanwhile
                    continue
                roles |= _within(state["Name"].rpartition("-")[2], state["State"]["Pid"])
    finally:
        client.close()
    return roles


def _within(name: str, first: int) -> dict[str, int]:
    if not first:
        return {}
    inside = {pid: _command(pid) for pid in below(first)}
    beam = next((pid for pid, command in inside.items() if "beam.smp" in command), None)
    return {f"{name}'s container": first} | ({"node": beam} if beam else {})


def _network(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def kill(pid: int) -> None:
    """End a process as lack of memory does."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def stop(pid: int, seconds: float) -> None:
    """Keep a process from running for that long."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)


def starve(pid: int, seconds: float) -> None:
    """Let a process run for 2 ms in every 32, for that long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stop(pid, _STARVED_S)
        time.sleep(_RUNS_S)
