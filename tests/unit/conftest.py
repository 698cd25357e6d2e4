"""Unit tests start no process: those that do are elsewhere, so that these stay a matter of seconds."""

from __future__ import annotations

import multiprocessing.process
import subprocess
from collections.abc import Iterator
from typing import NoReturn

import pytest


@pytest.fixture(scope="package", autouse=True)
def no_process() -> Iterator[None]:
    """Fail whatever starts one."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a unit test starts no process: put it into tests/processes")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", refuse)
        patch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
        yield
