"""Calls mount(2) and mount_setattr(2), which Python does not offer."""

from __future__ import annotations

import ctypes
import errno
import os

from .namespaces import checked, libc

RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
_REMOUNT, _BIND, _REC, _PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
_NOATIME, _NODIRATIME, _RELATIME = 0x400, 0x800, 0x200000

_SYS_MOUNT_SETATTR = 442  # on every architecture: newer calls have the same number everywhere
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID = 0x1, 0x2

# What mountinfo calls the flags that a remount must repeat: in a user namespace they are locked.
_FLAGS = {
    "nosuid": NOSUID,
    "nodev": NODEV,
    "noexec": NOEXEC,
    "noatime": _NOATIME,
    "nodiratime": _NODIRATIME,
    "relatime": _RELATIME,
}


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount(kind: str, target: str, flags: int, options: str = "") -> None:
    """Mount a new file system of that kind at `target`. Raises OSError, as all of these do."""
    _mount(kind, target, kind, flags, options)


def bind(source: str, target: str) -> None:
    """Make `source`, with all that is mounted in it, appear at `target` too."""
    _mount(source, target, "", _BIND | _REC)


def make_private(target: str) -> None:
    """Keep later mounts at `target` from spreading out of this mount namespace, or into it."""
    _mount("", target, "", _REC | _PRIVATE)


def make_read_only(root: str) -> None:
    """Make everything mounted there read-only, at any depth, and let no program gain privileges.

    mount_setattr(2) is in Linux 5.12; before that, and where a filter does not know it, mount by mount.
    """
    attributes = _MountAttr(attr_set=_ATTR_RDONLY | _ATTR_NOSUID)
    try:
        checked(
            libc.syscall(
                ctypes.c_long(_SYS_MOUNT_SETATTR),
                ctypes.c_int(_AT_FDCWD),
                ctypes.c_char_p(root.encode()),
                ctypes.c_uint(_AT_RECURSIVE),
                ctypes.byref(attributes),
                ctypes.c_size_t(ctypes.sizeof(attributes)),
            ),
            "mount_setattr",
        )
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        remount_read_only()


def remount_read_only() -> None:
    """Do make_read_only("/") by a remount for each line of mountinfo (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", "rb") as table:
        rows = [line.split() for line in table]
    for row in rows:
        target = row[4].decode("unicode_escape").encode("latin-1")
        flags = sum(_FLAGS.get(name, 0) for name in row[5].decode().split(","))
        try:
            _mount("", os.fsdecode(target), "", _REMOUNT | _BIND | RDONLY | NOSUID | flags)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL):  # covered by a later mount: out of reach
                raise


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    checked(result, f"mounting {target}")
