"""Reads what a command's options ask for in a testbed."""

from __future__ import annotations

import argparse

from rst_or_fin.testbed.spec import TestbedSpec


def testbed_spec(options: argparse.Namespace) -> TestbedSpec:
    """Return what `--runtime`, `--otp`, `--backend`, `--family`, `--kernel` and `--strace` ask for."""
    return TestbedSpec(
        runtime=options.runtime,
        otp=options.otp or "",
        backend=options.backend,
        family=int(options.family),
        kernel=options.kernel or "",
        strace=options.strace,
    )
