"""`doctor` and `clean`: what this machine can do, and what killed runs left on it."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from rst_or_fin.commands.console import palette, print_json, show
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_ENVIRONMENT, EnvironmentTroubleError
from rst_or_fin.testbed.select import DEFAULT_OTP


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing this machine can or cannot do; `remedy` is empty where nothing is missing."""

    what: str
    works: bool
    says: str
    remedy: str = ""


def doctor(options: argparse.Namespace) -> int:
    """Look, say, and exit with 0 where at least one runtime works here, 4 where none does."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _engine,
        _images,
        _namespaces,
        _capture,
        _kvm,
        _tshark,
    )
    findings = [check() for check in checks]
    works = {finding.what: finding.works for finding in findings}
    usable = (works["Docker Engine"] and works["images"]) or works["network namespaces"]
    if options.json:
        print_json({"format": 1, "usable": usable, "findings": [asdict(finding) for finding in findings]})
        return EXIT_AS_EXPECTED if usable else EXIT_ENVIRONMENT
    colours = palette()
    for finding in findings:
        mark = f"{colours.good}yes{colours.plain}" if finding.works else f"{colours.warn}no{colours.plain} "
        show(f"{finding.what:<20} {mark}  {finding.says}")
        if finding.remedy:
            show(f"{'':<25}remedy: {finding.remedy}")
    runtimes = [
        name
        for name, fine in (
            ("docker", works["Docker Engine"] and works["images"]),
            ("local", works["network namespaces"]),
        )
        if fine
    ]
    print(f"\nruntimes that work here: {', '.join(runtimes) or 'none'}")
    return EXIT_AS_EXPECTED if usable else EXIT_ENVIRONMENT


def clean(options: argparse.Namespace) -> int:
    """Remove what runs left that are not alive any more, and images that newer ones took the name of.

    With --images every image of ours goes.
    """
    from rst_or_fin.engine import client as engine
    from rst_or_fin.engine import images

    client = engine.connect()
    left = engine.orphans(client)
    engine.remove(client, left)
    for thing in left:
        print(f"removed the {thing.kind} {thing.name} of run {thing.run_id}")
    gone = images.remove(client, superseded_only=not options.images)
    for name in gone:
        print(f"removed the image {name}")
    if not left and not gone:
        print("nothing to remove")
    return EXIT_AS_EXPECTED


def _python() -> Finding:
    return Finding(
        what="Python",
        works=True,
        says=f"{platform.python_version()} on Linux {platform.release()} ({sys.platform})",
    )


def _engine() -> Finding:
    from rst_or_fin.engine import client as engine

    try:
        client = engine.connect()
        with engine.calls("asking for its version"):
            version = client.version()
    except EnvironmentTroubleError as error:
        return Finding(what="Docker Engine", works=False, says=str(error), remedy=error.remedy)
    return Finding(
        what="Docker Engine", works=True, says=f"{version['Version']}, kernel {version['KernelVersion']}"
    )


def _images() -> Finding:
    from rst_or_fin.engine import base_images, images
    from rst_or_fin.engine import client as engine

    try:
        client = engine.connect()
        missing = [n for n in (f"node:otp{DEFAULT_OTP}", "peer") if images.present(client, n) is None]
    except EnvironmentTroubleError as error:
        return Finding(what="images", works=False, says="no engine to hold them", remedy=error.remedy)
    if not missing:
        return Finding(what="images", works=True, says="present and up to date")
    can, how = base_images.source()
    return Finding(
        what="images",
        works=can,
        says=f"{' and '.join(missing)} will be built when first needed; base images: {how}",
        remedy="" if can else how,
    )


def _namespaces() -> Finding:
    from rst_or_fin.testbed import local

    try:
        kind = local.probe()
    except EnvironmentTroubleError as error:
        return Finding(what="network namespaces", works=False, says=str(error), remedy=error.remedy)
    return Finding(what="network namespaces", works=True, says=f"can be made as {kind}")


def _capture() -> Finding:
    """Both runtimes capture by themselves: in a container with NET_RAW, or in a namespace of their own."""
    namespaces, containers = _namespaces().works, _engine().works
    where = [name for name, fine in (("in containers", containers), ("in namespaces", namespaces)) if fine]
    return Finding(
        what="capture",
        works=bool(where),
        says=f"AF_PACKET {' and '.join(where)}; no tcpdump needed"
        if where
        else "nowhere to open an AF_PACKET socket",
        remedy="" if where else "a Docker Engine or network namespaces, see above",
    )


def _kvm() -> Finding:
    from rst_or_fin.engine import kvm

    works, says = kvm.works()
    return Finding(
        what="KVM",
        works=works,
        says=says,
        remedy="" if works else "none needed: QEMU emulates instead (slower boot)",
    )


def _tshark() -> Finding:
    path = shutil.which("tshark")
    return Finding(
        what="tshark",
        works=path is not None,
        says=f"{path}, the tests' independent oracle" if path else "not installed; only the tests need it",
        remedy="" if path else "apt-get install tshark",
    )
