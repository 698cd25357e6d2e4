"""What the live tests share: the command as a user types it, and the engine it runs on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rst_or_fin.engine import client as engine
from rst_or_fin.errors import MachineError
from rst_or_fin.testbed import local

from tests.support.commands import Command
from tests.support.needs import skip_or_fail

if TYPE_CHECKING:
    import docker


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    try:
        connected = engine.connect()
    except MachineError as error:
        skip_or_fail(str(error))
    yield connected
    connected.close()


@pytest.fixture
def namespaces() -> None:
    """Skip, or fail, where this machine refuses them."""
    try:
        local.probe()
    except MachineError as error:
        skip_or_fail(str(error))


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
