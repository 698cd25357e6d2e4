"""Makes system calls that Python 3.11 does not offer: namespaces, and limits on processes."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38

libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give this process new namespaces, of the kinds in `flags`. Raises OSError."""
    checked(libc.unshare(flags), "unshare")


def enter_network(namespace: int) -> None:
    """Enter the network namespace behind a file descriptor by setns(2). Raises OSError."""
    checked(libc.setns(namespace, CLONE_NEWNET), "setns")


@contextmanager
def children_in_own_processes() -> Iterator[None]:
    """Fork every child meanwhile into a PID namespace of its own. Raises OSError.

    The first one is its process 1: when it ends, the kernel ends all others in there (pid_namespaces(7)).
    """
    mine = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWPID)
        yield
        checked(libc.setns(mine, CLONE_NEWPID), "setns")
    finally:
        os.close(mine)


def unshare_as_user(flags: int) -> None:
    """Call unshare(2) in a user namespace that keeps the caller's uid and gid.

    That is all a plain user may map.
    """
    uid, gid = os.geteuid(), os.getegid()  # asked afterwards, they are nobody's until they are mapped
    unshare(flags | CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")  # the kernel's condition for writing gid_map (user_namespaces(7))
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")


def may_become(uid: int) -> bool:
    """Return whether root can become that user here: not where a user namespace does not map it."""
    with open("/proc/self/uid_map", encoding="ascii") as mapped, open("/proc/self/setgroups") as groups:
        ranges = [[int(number) for number in line.split()] for line in mapped]
        return any(first <= uid < first + count for first, _, count in ranges) and groups.read() == "allow\n"


def die_with_parent() -> None:
    """Be killed when the thread that started this process ends (prctl(2), PR_SET_PDEATHSIG)."""
    checked(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def renounce_privileges() -> None:
    """Keep whatever this process executes from now on from having or gaining privileges."""
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    capability = 0
    while libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1  # until EINVAL: past the last capability that this kernel knows


def checked(result: int, name: str) -> None:
    """Raise OSError with errno where a call of `libc` failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
