"""Reads the upstream release of a kernel from what Debian and uname call it. Pure."""

from __future__ import annotations

import re

_DEBIAN_VERSION = re.compile(r"\bDebian (\d[^\s-]*)")


def release_of(version: str) -> str:
    """Return a Debian version's upstream release: "6.12.43" in "6.12.43-1~bpo12+1" for example.

    A release candidate's is "7.3-rc7" in "7.3~rc7-1".
    """
    return version.split("-")[0].replace("~", "-")


def running_release(osrelease: str, version: str) -> str:
    """Return the upstream release of a running kernel, from kernel.osrelease and kernel.version.

    Debian's 5.10 and 6.1 are called "6.1.0-56-amd64" by uname, whichever point release they are; the point
    release stands in the version ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-10-30)").
    """
    debian = _DEBIAN_VERSION.search(version)
    return release_of(debian.group(1)) if debian else osrelease
