"""Files and folders of this user's own: nobody else's is opened, followed, emptied or taken for ours.

The temporary folder is everybody's, so whoever was there first may have prepared any name in it: a link to
a file of ours, a folder of theirs. What is not plainly ours is refused.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

from rst_or_fin.errors import EnvironmentTroubleError

Kind = Literal["locks", "scratch"]


def private_folder(kind: Kind) -> Path:
    """Return this user's folder of that kind in the temporary folder (mode 0700), made where it is missing.

    Raises EnvironmentTroubleError where the name is taken by a link, by another user, or is open to others.
    """
    folder = Path(tempfile.gettempdir()) / f"rst-or-fin-{os.geteuid()}.{kind}"
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        why = _not_ours(os.lstat(folder))
    except OSError as error:
        raise EnvironmentTroubleError(
            f"cannot make the folder {folder}: {error.strerror}", "set TMPDIR to a folder that can be written"
        ) from error
    if why:
        raise EnvironmentTroubleError(
            f"{folder} {why}, so nothing is put there", "remove it, or set TMPDIR to a folder of your own"
        )
    return folder


def open_lock(kind: Kind, name: str) -> int:
    """Return a file descriptor of a private lock file, made where it is missing. Close it to unlock."""
    path = private_folder(kind) / name
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the place of `path`, whole or not at all; a link there is replaced, not followed.

    Raises OSError, and leaves then what was there.
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
    """Say why this is no private folder of ours; "" where it is one."""
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.geteuid():
        return f"belongs to another user (uid {found.st_uid})"
    return "is open to other users" if found.st_mode & 0o077 else ""
