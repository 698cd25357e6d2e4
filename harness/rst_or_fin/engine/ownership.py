"""Knows which containers and networks on the engine are ours, and which of them a running process still uses.

All that a run makes carries two labels: LABEL (the run's id) and OWNER (the process that drives it), so that
what a killed run left behind can be told from what a living run still uses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rst_or_fin.engine.client import LABEL, calls

if TYPE_CHECKING:
    import docker

OWNER = "rst-or-fin.owner"  # value: str(Owner); containers and networks only

# A run in another PID namespace is judged by its running containers; this long it may still be making them.
_FOREIGN_GRACE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that drives a run; `started` tells it from a later one with the same number.

    `started` is in clock ticks since boot: /proc/PID/stat field 22, proc_pid_stat(5).
    """

    boot_id: str
    pid_namespace: int
    pid: int
    started: int

    def __str__(self) -> str:
        return f"{self.boot_id}/{self.pid_namespace}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Read the owner from a label's value; None if this program did not write it."""
        boot_id, *numbers = text.split("/")
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
            return None
        pid_namespace, pid, started = map(int, numbers)
        return cls(boot_id=boot_id, pid_namespace=pid_namespace, pid=pid, started=started)


@cache
def _me(pid: int) -> Owner:
    # Keyed by the pid, so that a forked child does not take itself for its parent.
    try:
        return Owner(
            boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            pid_namespace=os.stat("/proc/self/ns/pid").st_ino,
            pid=pid,
            started=_started(pid) or 0,
        )
    except FileNotFoundError:  # no /proc, thus no Linux: nobody can look us up by number
        return Owner(boot_id="elsewhere", pid_namespace=0, pid=pid, started=0)


def owner() -> Owner:
    """Return the owner that this process is."""
    return _me(os.getpid())


def owner_label() -> str:
    """Return the value of the OWNER label for what this process makes."""
    return str(owner())


def labels(run_id: str) -> dict[str, str]:
    """Return the labels that every container and network of a run carries."""
    return {LABEL: run_id, OWNER: owner_label()}


def _started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None for one that is unseen or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold blanks and brackets
    return None if fields[0] in "ZX" else int(fields[19])


def process_lives(pid: int, started: int) -> bool:
    """Return whether the process `pid` that began at `started` (clock ticks since boot) still runs.

    The process is one of this PID namespace.
    """
    seen = _started(pid)
    if seen is not None:
        return seen == started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's, hidden from us by hidepid (proc(5)): never take it for dead
    return False  # a zombie of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedResource:
    """A container or network that some run made. `created_s` is in seconds since the epoch."""

    kind: Literal["container", "network"]
    id: str
    name: str
    run_id: str
    owner: Owner | None
    running: bool
    created_s: float


def living_runs(
    owned_resources: Iterable[OwnedResource],
    here: Owner,
    lives: Callable[[int, int], bool],
    now_s: float,
) -> frozenset[str]:
    """Return the runs, among those of the resources, that a process still drives.

    Where the owner can be looked up (same boot, same PID namespace) the process decides. Elsewhere a running
    container does: containers stop by themselves when their driver goes away.
    """

    def alive(thing: OwnedResource) -> bool:
        who = thing.owner
        if who is None:
            return False
        if here.pid_namespace and (who.boot_id, who.pid_namespace) == (here.boot_id, here.pid_namespace):
            return lives(who.pid, who.started)
        return thing.running or now_s - thing.created_s < _FOREIGN_GRACE_S

    return frozenset(thing.run_id for thing in owned_resources if alive(thing))


def owned_resources(client: docker.DockerClient, run_id: str | None = None) -> tuple[OwnedResource, ...]:
    """List the containers, then the networks, of all our runs on the engine, or of one run."""
    # By OWNER, not LABEL: containers inherit an image's labels, and images carry LABEL too.
    wanted: dict[str, Any] = {"label": [OWNER] if run_id is None else [OWNER, f"{LABEL}={run_id}"]}
    with calls("looking for what earlier runs left"):
        containers = client.api.containers(all=True, filters=wanted)
        networks = client.api.networks(filters=wanted)
    return tuple(
        OwnedResource(
            kind="container",
            id=found["Id"],
            name=found["Names"][0].lstrip("/") if found["Names"] else found["Id"][:12],
            run_id=found["Labels"].get(LABEL, ""),
            owner=Owner.parse(found["Labels"][OWNER]),
            running=found["State"] in ("running", "paused", "restarting"),
            created_s=float(found["Created"]),
        )
        for found in containers
    ) + tuple(
        OwnedResource(
            kind="network",
            id=found["Id"],
            name=found["Name"],
            run_id=found["Labels"].get(LABEL, ""),
            owner=Owner.parse(found["Labels"][OWNER]),
            running=False,
            created_s=_epoch_s(found["Created"]),
        )
        for found in networks
    )


def _epoch_s(stamp: str) -> float:
    # The engine writes nanoseconds, which fromisoformat() refuses; whole seconds do here.
    whole, zone = stamp[:19], stamp[19:].lstrip(".0123456789")
    return datetime.fromisoformat(whole + zone).timestamp()


def orphans(client: docker.DockerClient) -> tuple[OwnedResource, ...]:
    """List what runs that have ended left behind, containers first."""
    found = owned_resources(client)
    living = living_runs(found, owner(), process_lives, time.time())
    return tuple(thing for thing in found if thing.run_id not in living)


def remove(client: docker.DockerClient, things: Collection[OwnedResource]) -> None:
    """Remove containers, then the networks that they use; another process may remove them meanwhile."""
    for kind, how in (("container", _remove_container), ("network", _remove_network)):

        def take_away(thing: OwnedResource, how: Callable[..., None] = how) -> None:
            with calls(f"removing the {thing.kind} {thing.name}"):
                how(client, thing.id)

        chosen = [thing for thing in things if thing.kind == kind]
        if chosen:  # side by side: the engine takes a quarter of a second over each
            with ThreadPoolExecutor(len(chosen)) as pool:
                list(pool.map(take_away, chosen))


def _remove_container(client: docker.DockerClient, container: str) -> None:
    import docker.errors

    try:
        client.api.remove_container(container, v=True, force=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise
        _await_removal(client, container)


def _await_removal(client: docker.DockerClient, container: str) -> None:
    """Wait, 10 s at most, for a removal that another process has begun (the engine's status 409)."""
    import docker.errors

    try:
        client.api.wait(container, timeout=10, condition="removed")
    except docker.errors.NotFound:
        return


def _remove_network(client: docker.DockerClient, network: str) -> None:
    import docker.errors

    try:
        client.api.remove_network(network)
    except docker.errors.NotFound:
        return
