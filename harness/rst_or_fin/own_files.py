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
    """Return this user's folder of that kind in the temporary folder (mode 0700), made where missing.

    Raises MachineError where the name is taken by a link, by another user, or is open to others.
    """
    folder = _place(kind)
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
            f"{folder} {why}, so nothing is put there", "remove it, or set TMPDIR to a folder of your own"
        )
    return folder


def _place(kind: Kind) -> Path:
    return Path(tempfile.gettempdir()) / f"rst-or-fin-{os.geteuid()}.{kind}"


def open_lock(kind: Kind, name: str) -> int:
    """Return a file descriptor of a private lock file, made where it is missing. Close it to unlock."""
    path = private_folder(kind) / name
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Yield a folder that is removed at the end; that of a killed process goes with the next `sweep`."""
    shelf = private_folder("scratch")
    with _alone(shelf):  # or a sweep could come between
        place = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=shelf))
        lock = _locked(place)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
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
    shelf = _place("scratch")
    if not shelf.exists() or _not_ours(os.lstat(shelf)):
        return []
    with _alone(shelf):
        return [swept for place in sorted(shelf.iterdir()) if (swept := _swept(place)) is not None]


def _swept(place: Path) -> Swept | None:
    try:
        lock = _locked(place)
    except OSError:  # no folder: nothing of ours
        return None
    if lock is None:
        return None
    try:
        size = sum(path.lstat().st_size for path in place.rglob("*") if path.is_file())
        shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(lock)
    return None if place.exists() else Swept(path=place, size_bytes=size)


def _locked(folder: Path) -> int | None:
    """Return a file descriptor that holds a folder's lock; None where another process does."""
    import fcntl  # not everywhere where captures are judged

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


@contextmanager
def _alone(shelf: Path) -> Iterator[None]:
    """Keep other processes from making or sweeping folders there meanwhile; they wait milliseconds."""
    import fcntl

    fd = os.open(shelf, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the place of `path`, whole or not at all; a link there is replaced, not followed.

    Raises OSError and then leaves what was there.
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
    """Say why this is not a private folder of ours; "" where it is one."""
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.geteuid():
        return f"belongs to another user (uid {found.st_uid})"
    return "is open to other users" if found.st_mode & 0o077 else ""
