"""What somebody else prepared where our files go is refused, and never opened, followed or emptied."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from rst_or_fin import own_files
from rst_or_fin.engine import image_locks
from rst_or_fin.errors import MachineError

SOMEBODY = 4711


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder, in which somebody else may already have been."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def _open_to_all(path: Path, target: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def _file(path: Path, target: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (_link, "is a symbolic link"),
        (_open_to_all, "is open to other users"),
        (_file, "is not a folder"),
    ],
)
def test_a_prepared_lock_folder_is_refused(
    temporary: Path, tmp_path: Path, prepare: Callable[[Path, Path], None], why: str
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    prepare(temporary / f"rst-or-fin-{os.geteuid()}.locks", theirs)
    with pytest.raises(MachineError, match=why):
        own_files.open_lock("locks", "peer.lock")


def test_another_users_lock_folder_is_refused(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temporary / f"rst-or-fin-{SOMEBODY}.locks").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)
    with pytest.raises(MachineError, match="belongs to another user"):
        own_files.private_folder("locks")


def test_a_lock_that_is_a_link_empties_nobodys_file(temporary: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (own_files.private_folder("locks") / "peer.lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic link"):
        own_files.open_lock("locks", "peer.lock")
    assert precious.read_text() == "kept"


def test_an_images_lock_is_private(temporary: Path) -> None:
    with image_locks.making("rst-or-fin/peer:0123", lambda: None):
        (lock,) = (temporary / f"rst-or-fin-{os.geteuid()}.locks").iterdir()
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (lock.parent, lock)]
    assert modes == [0o700, 0o600]


def test_a_temporary_folder_goes_when_it_is_done_with(temporary: Path) -> None:
    with own_files.temporary_folder("cell") as place:
        mode = stat.S_IMODE(place.stat().st_mode)
    assert (mode, place.exists()) == (0o700, False)


def test_a_link_among_them_is_not_followed(temporary: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (own_files.private_folder("scratch") / "cell-x").symlink_to(theirs)
    assert (own_files.sweep(), theirs.exists()) == ([], True)


def test_images_are_not_removed_while_a_run_is_about_to_use_one(temporary: Path) -> None:
    with image_locks.using(), image_locks.removing() as nobody_uses_them:
        assert not nobody_uses_them


def test_images_may_be_removed_when_nobody_uses_one(temporary: Path) -> None:
    with image_locks.using():
        pass
    with image_locks.removing() as nobody_uses_them:
        assert nobody_uses_them


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious, verdicts = tmp_path / "precious", tmp_path / "verdicts.jsonl"
    precious.write_text("kept")
    verdicts.symlink_to(precious)
    own_files.replace(verdicts, b"new\n")
    assert (precious.read_text(), verdicts.is_symlink(), verdicts.read_text()) == ("kept", False, "new\n")


def test_a_reader_of_what_is_replaced_keeps_the_whole_old_file(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(b"old\n")
    with manifest.open("rb") as reading:
        own_files.replace(manifest, b"new and longer\n")
        assert (reading.read(), manifest.read_bytes()) == (b"old\n", b"new and longer\n")


def test_what_cannot_be_replaced_stays_and_leaves_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError("no")

    (tmp_path / "manifest.json").write_bytes(b"old\n")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        own_files.replace(tmp_path / "manifest.json", b"new\n")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old\n"]
