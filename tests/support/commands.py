"""The program as a user types it, and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a command printed; fail with what it said instead where it is none."""
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        pytest.fail(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")


def campaign(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `tests.NAME.campaign` in a process of its own, which may be the subreaper of all that it starts."""
    return subprocess.run(
        [sys.executable, "-m", f"tests.{name}.campaign", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}/harness:{CHECKOUT}"},
        capture_output=True,
        text=True,
        check=False,
    )
