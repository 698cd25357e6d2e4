"""What the live tests share: the command as a user types it, and the engine it runs on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rst_or_fin.engine import client as engine
from rst_or_fin.errors import EnvironmentTroubleError

if TYPE_CHECKING:
    import docker

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def skip_or_fail(reason: str) -> None:
    """A check that cannot run here says why; on CI that is a failure, never a silent pass."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must be able to run this: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    try:
        connected = engine.connect()
    except EnvironmentTroubleError as error:
        skip_or_fail(str(error))
    yield connected
    connected.close()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `rst-or-fin` in a folder of its own; evidence goes to `runs` in there."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rst_or_fin.cli", *arguments],
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )

    return run


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed, or a failure that shows what it said instead."""
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        pytest.fail(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
