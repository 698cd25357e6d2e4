"""Makes files and folders that are this user's alone: no other's is opened, followed or emptied.

The temporary folder is everybody's, so whoever was there first may have prepared any name in it: a link to
a file of ours, a folder of theirs. What is not plainly ours is refused.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rst_or_fin.errors import MachineError

Kind = Literal["locks", "scratch"]


def private_folder(kind: Kind) -> Path:
    """Return this user's folder of that kind in the temporary folder (mode 0700), created if missing.

    Raises MachineError if a link or another user has taken the name, or others may open the folder.
    """
    folder = _path(kind)
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        why = _not_ours(os.lstat(folder))
    except OSError as error:
        raise MachineError(
            f"cannot make the folder {folder}: {error.strerror}", "set TMPDIR to a folder that can be written"
        ) from error
    if why:
        raise MachineError(
            f"{folder} {why}, so nothing is written there", "remove it, or set TMPDIR to a folder of your own"
        )
    return folder


def _path(kind: Kind) -> Path:
    return Path(tempfile.gettempdir()) / f"rst-or-fin-{os.geteuid()}.{kind}"


def open_lock(kind: Kind, name: str) -> int:
    """Return a file descriptor of a private lock file, created if missing. Close it to unlock."""
    path = private_folder(kind) / name
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Yield a folder that is removed at the end; a killed process leaves it to the next `sweep`."""
    parent = private_folder("scratch")
    with _exclusive(parent):  # or a sweep could come between
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=parent))
        lock = _try_lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A folder that was left behind, and the bytes that it held."""

    path: Path
    size_bytes: int


def sweep() -> list[Swept]:
    """Remove the temporary folders of processes that are gone; return what was removed."""
    if not hasattr(os, "geteuid"):  # a system on which nothing is played
        return []
    parent = _path("scratch")
    if not parent.exists() or _not_ours(os.lstat(parent)):
        return []
    with _exclusive(parent):
        return [swept for folder in sorted(parent.iterdir()) if (swept := _swept(folder)) is not None]


def _swept(folder: Path) -> Swept | None:
    try:
        lock = _try_lock(folder)
    except OSError:  # no folder: nothing of ours
        return None
    if lock is None:
        return None
    try:
        size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
    return None if folder.exists() else Swept(path=folder, size_bytes=size)


def _try_lock(folder: Path) -> int | None:
    """Return a file descriptor that holds a folder's lock; None if another process holds it."""
    import fcntl  # not everywhere where captures are judged

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


@contextmanager
def _exclusive(parent: Path) -> Iterator[None]:
    """Keep other processes from creating or sweeping folders there; they wait for milliseconds."""
    import fcntl

    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def replace(path: Path, content: bytes) -> None:
    """Replace `path` with a new file, whole or not at all; a link there is replaced, not followed.

    Raises OSError, and then leaves what was there.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with fresh.open("xb") as file:  # O_CREAT | O_EXCL, which follows no link
            file.write(content)
        os.replace(fresh, path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise


def _not_ours(found: os.stat_result) -> str:
    """Say why this is not a private folder of ours; "" if it is one."""
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a folder"
    if found.st_uid != os.geteuid():
        return f"belongs to another user (uid {found.st_uid})"
    return "is open to other users" if found.st_mode & 0o077 else ""
