"""Confines a node on this machine to a scratch folder, as a user who owns nothing.

A scenario is a program. Whoever plays it gives it no more than this: a file system that is read-only, empty
folders in place of `/tmp` and `/run` (where other programs' sockets lie), processes, semaphores and a host
name of its own (namespaces(7)), no capability, and where that can be the user `nobody`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from . import mounts, namespaces

REFUSED = "the Erlang node could not be confined"  # what is said on standard error where `confine` fails
SCRATCH = "/tmp"
_EMPTIED = ("/run",)
_SCRATCH_OPTIONS = "size=16m,nr_inodes=4096,mode=1777"
_COOKIE = ".erlang.cookie"
_OTHERS_MAY_PASS = 0o001


def confine(user: int | None, needed: Sequence[str]) -> None:
    """Confine this process and its children; `needed` are the files and folders that it must reach.

    `user` is who to become, None to stay the same. Must be process 1 of a PID namespace, with the right to
    mount. Raises OSError with the kernel's reason, or with what `user` may not read.
    """
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWIPC | namespaces.CLONE_NEWUTS)
    mounts.make_private("/")
    # In a container parts of /proc may be covered, and then a new one is refused: the old one shows the names
    # of processes that cannot be reached all the same.
    with suppress(PermissionError):
        mounts.mount("proc", "/proc", mounts.NOSUID | mounts.NODEV | mounts.NOEXEC)
    for folder in {*_emptied(), *_closed(needed if user is not None else ())}:
        _empty(folder, "size=64k,mode=755", needed)
    mounts.make_read_only("/")
    _empty(SCRATCH, _SCRATCH_OPTIONS, needed)
    namespaces.renounce_privileges()
    if user is not None:
        _become(user)
    for path in needed:
        if not os.access(path, os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"the node may not read it: chmod -R a+rX {path}", path)


def leave_cookie(cookie: str) -> None:
    """Write the node's cookie where no process list shows it, and only its user can read it."""
    fd = os.open(f"{SCRATCH}/{_COOKIE}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    os.write(fd, cookie.encode())
    os.close(fd)


def reap_until_exit(program: int) -> int:
    """Reap processes, as process 1 must, until that child ends; return its status, 128 + N for signal N."""
    while True:
        pid, status = os.wait()
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _emptied() -> Iterator[str]:
    for folder in _EMPTIED:
        if os.path.isdir(folder):
            yield os.path.realpath(folder)


def _closed(needed: Sequence[str]) -> Iterator[str]:
    """Yield the folders on the way to what is needed through which only their owner may pass."""
    for path in needed:
        parts = path.split("/")[1:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/" + "/".join(parts[:depth])
            if not os.stat(folder).st_mode & _OTHERS_MAY_PASS:
                yield folder
                break


def _empty(folder: str, options: str, needed: Sequence[str]) -> None:
    """Cover a folder with an empty one that shows only what is needed."""
    below = [path for path in needed if path.startswith(folder + "/")]
    kept = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in below if os.path.exists(path)]
    mounts.mount("tmpfs", folder, mounts.NOSUID | mounts.NODEV, options)
    for path, fd in kept:
        _put_back(path, fd)
        os.close(fd)


def _put_back(path: str, fd: int) -> None:
    source = f"/proc/self/fd/{fd}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.isdir(source):
        os.makedirs(path, exist_ok=True)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    mounts.bind(source, path)


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
