"""Runs a command with an engine that nobody else uses: python -m tests.faults.own_engine COMMAND...

The engine is there to be killed, stopped and starved, and is started again whenever it dies. It is in a
network and has folders of its own, so that it neither finds another engine's containers nor touches its
networks. It has those images of this machine's engine that the trials need. Takes root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rst_or_fin.agents.netlink import Netlink
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_table, images
from rst_or_fin.errors import MachineError
from rst_or_fin.netns import confinement, mounts, namespaces
from rst_or_fin.testbed.spec import DEFAULT_OTP

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

SOCKET = "/run/docker.sock"
CONTAINERD = "/run/docker/containerd/containerd.sock"
PID_FILES = {
    "engine": Path("/run/docker.pid"),
    "engine's containerd": Path("/run/docker/containerd/containerd.pid"),
}
_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.05


def main(command: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    # Not below /tmp where that is in memory: the images are some hundred megabytes.
    with tempfile.TemporaryDirectory(prefix="rst-or-fin-engine-", dir="/var/tmp") as place:
        saved = Path(place) / "images.tar"
        _save(engine.connect(), saved)
        # A containerd that is killed leaves a shim for each container: these end with their process 1.
        with namespaces.children_in_own_processes():
            first = os.fork()
            if first == 0:
                _be_first(command, Path(place), saved)
        return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _be_first(command: Sequence[str], place: Path, saved: Path) -> NoReturn:
    status = 1
    try:
        namespaces.die_with_parent()
        program = os.fork()
        status = confinement.reap_until_exit(program) if program else _run(command, place, saved)
    finally:  # nothing may unwind into the parent's frames
        os._exit(status)


def _run(command: Sequence[str], place: Path, saved: Path) -> int:
    _leave_the_machines(place)
    os.environ["DOCKER_HOST"] = f"unix://{SOCKET}"
    with _engine(place / "log"):
        await_engine()
        load = ["docker", "load", "--quiet", "--input", str(saved)]
        subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
        return subprocess.run(command, check=False).returncode


def await_engine() -> docker.DockerClient:
    """Wait until the engine answers and can start containers. Raises MachineError after a minute."""
    deadline = time.monotonic() + _PATIENCE_S
    while not _listens(CONTAINERD) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    while True:
        try:
            return engine.connect()
        except MachineError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_EVERY_S)


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(path) == 0


def roles(_driver: int) -> dict[str, int]:
    """Return the engine's processes by what they are, as far as they run."""
    found = {}
    for role, file in PID_FILES.items():
        with suppress(OSError, ValueError):
            found[role] = int(file.read_text())
    return found


def _save(client: docker.DockerClient, path: Path) -> None:
    rows = [image_table.row(name) for name in (f"node:otp{DEFAULT_OTP}", "peer", "scripted")]
    found = [images.ensure(client, which) for row in rows for which in (row, row.base)]
    tags = sorted({tag for each in found for tag in client.images.get(each).tags})
    subprocess.run(["docker", "save", "--output", path, *tags], check=True)


def _leave_the_machines(place: Path) -> None:
    """Go where no other engine is: an empty network, and empty folders where an engine keeps what it has."""
    namespaces.unshare(namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS)
    mounts.make_private("/")
    mounts.mount("proc", "/proc", mounts.NOSUID | mounts.NODEV | mounts.NOEXEC)
    with Netlink() as link:
        link.up("lo")
    mounts.mount("tmpfs", "/run", mounts.NOSUID | mounts.NODEV, "size=64m,mode=755")
    for name in ("docker", "containerd"):
        kept, shown = place / name, Path("/var/lib") / name
        kept.mkdir()
        if shown.exists():
            mounts.bind(str(kept), str(shown))


@contextmanager
def _engine(log: Path) -> Iterator[None]:
    """Keep an engine running, whatever happens to it."""
    over = threading.Event()
    program = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "dockerd"
    running: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        while not over.is_set():
            PID_FILES["engine"].unlink(missing_ok=True)  # it would not start; its containerd may live on
            with log.open("ab") as said:
                running[:] = [subprocess.Popen([program], stdout=said, stderr=said)]
            running[0].wait()
            over.wait(_LOOK_EVERY_S)

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        while keeper.is_alive():  # it may just have started another one
            for each in running:
                each.terminate()
            keeper.join(1.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
