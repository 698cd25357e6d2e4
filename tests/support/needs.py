"""What a test cannot do without."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skip a test that cannot run here, with the reason; fail it on CI, where that would be a silent pass."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must be able to run this: {reason}")
    pytest.skip(reason)


def packetdrill() -> list[str]:
    """Return the command that plays a script in a network namespace of its own, or skip.

    On CI, too: no distribution carries packetdrill.
    """
    program = shutil.which("packetdrill")
    if program is None:
        pytest.skip("packetdrill is not on PATH: built from github.com/google/packetdrill")
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("packetdrill needs root and /dev/net/tun")
    return ["unshare", "--net", program]
