"""The program as a user types it, and what it prints."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a command printed; fail with what it said instead where it is none."""
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        pytest.fail(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
