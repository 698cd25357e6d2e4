"""`doctor` and `clean`: what this machine can do, and what killed runs left on it."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from rst_or_fin import own_files
from rst_or_fin.commands.console import palette, print_json, show
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_ENVIRONMENT, MachineError, RstOrFinError
from rst_or_fin.testbed.spec import DEFAULT_OTP, TestbedSpec

if TYPE_CHECKING:
    import docker

_NODE = "local Erlang node"
_LOCAL_NEEDS = ("network namespaces", _NODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that this machine can or cannot do; `hint` is empty if nothing is missing."""

    what: str
    works: bool
    says: str
    hint: str = ""


def doctor_options(parser: argparse.ArgumentParser) -> None:
    """Add what `doctor` takes."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def doctor(options: argparse.Namespace) -> int:
    """Print what works here; return 0 if at least one runtime works, else 4."""
    findings = list(_findings())
    works = {finding.what: finding.works for finding in findings}
    docker, local = (
        all(works[what] for what in needed) for needed in (("Docker Engine", "images"), _LOCAL_NEEDS)
    )
    usable = docker or local
    if options.json:
        print_json({"format": 1, "usable": usable, "findings": [_record(finding) for finding in findings]})
        return EXIT_AS_EXPECTED if usable else EXIT_ENVIRONMENT
    colours = palette()
    for finding in findings:
        mark = f"{colours.good}yes{colours.plain}" if finding.works else f"{colours.warn}no{colours.plain} "
        show(f"{finding.what:<20} {mark}  {finding.says}")
        if finding.hint:
            show(f"{'':<25}hint: {finding.hint}")
    runtimes = [name for name, fine in (("docker", docker), ("local", local)) if fine]
    print(f"\nruntimes that work here: {', '.join(runtimes) or 'none'}")
    return EXIT_AS_EXPECTED if usable else EXIT_ENVIRONMENT


def _record(finding: Finding) -> dict[str, object]:
    record = asdict(finding)
    return {**record, "remedy": record.pop("hint")}  # its name in JSON


def _findings() -> Iterator[Finding]:
    """Yield the findings. An engine that does not answer is asked only once."""
    yield _python()
    engine = _checked("Docker Engine", _engine)
    yield engine
    no_engine = Finding(what="images", works=False, says="no engine to store them", hint=engine.hint)
    yield _checked("images", _images) if engine.works else no_engine
    namespaces = _checked("network namespaces", _namespaces)
    yield namespaces
    if namespaces.works:
        yield _checked(_NODE, _node)
    else:
        yield Finding(what=_NODE, works=False, says="no namespaces to run it in", hint=namespaces.hint)
    yield _capture(namespaces=namespaces.works, containers=engine.works)
    yield _checked("KVM", partial(_kvm, engine.works))
    yield _tshark()


def _checked(what: str, check: Callable[[], Finding]) -> Finding:
    """Return what a check finds, or that this system lacks what it imports."""
    try:
        return check()
    except ImportError as error:
        says = f"this needs Linux: this Python has no {error.name}"
        return Finding(what=what, works=False, says=says, hint="run it on Linux (WSL 2 will do)")


def clean_options(parser: argparse.ArgumentParser) -> None:
    """Add what `clean` takes."""
    parser.add_argument("--images", action="store_true", help="remove the images as well")


def clean(options: argparse.Namespace) -> int:
    """Remove what ended runs and failed builds left behind, and print what was removed.

    With --images also removes every image of this program, of other versions and the stages of builds, too.
    """
    from rst_or_fin.engine import client as engine
    from rst_or_fin.engine import ownership

    gone = [f"the temporary folder {left.path} ({_size(left.size_bytes)})" for left in own_files.sweep()]
    _say_removed(gone)
    with closing(engine.connect()) as client:
        left = ownership.orphans(client)
        ownership.remove(client, left)
        things = [f"the {thing.kind} {thing.name} of run {thing.run_id}" for thing in left]
        _say_removed(things)
        images = _clean_images(client, everything=options.images)
    if not (gone or things or images):
        show("nothing to remove")
    return EXIT_AS_EXPECTED


def _clean_images(client: docker.DockerClient, *, everything: bool) -> bool:
    """Remove images and print which; return whether any was found. Raises MachineError if they must stay."""
    from rst_or_fin.engine import image_locks, images

    with image_locks.removing() as nobody_uses_them:
        if nobody_uses_them:
            removed = images.remove(client, leftovers_only=not everything)
            _say_removed([f"the image {image.name} ({_size(image.size_bytes)})" for image in removed])
            return bool(removed)
    why = "a run in progress builds or uses an image, so no image was removed"
    if everything:
        raise MachineError(f"{why[0].upper()}{why[1:]}.", "run it again when that run has ended")
    show(why)
    return True


def _say_removed(things: Iterable[str]) -> None:
    for thing in things:
        show(f"removed {thing}")


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:.0f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1000:.0f} kB"


def _python() -> Finding:
    return Finding(
        what="Python",
        works=True,
        says=f"{platform.python_version()} on {platform.system()} {platform.release()} ({sys.platform})",
    )


def _engine() -> Finding:
    from rst_or_fin.engine import client as engine

    try:
        with closing(engine.connect()) as client, engine.calls("asking for its version"):
            version = client.version()
    except MachineError as error:
        return Finding(what="Docker Engine", works=False, says=str(error), hint=error.hint)
    return Finding(
        what="Docker Engine", works=True, says=f"{version['Version']}, kernel {version['KernelVersion']}"
    )


def _images() -> Finding:
    from rst_or_fin.engine import base_images, images
    from rst_or_fin.engine import client as engine

    try:
        with closing(engine.connect()) as client:
            missing = [n for n in (f"node:otp{DEFAULT_OTP}", "peer") if images.present(client, n) is None]
    except MachineError as error:
        return Finding(what="images", works=False, says="no engine to store them", hint=error.hint)
    if not missing:
        return Finding(what="images", works=True, says="present and up to date")
    try:
        source = base_images.source()
    except MachineError as error:
        says = f"{' and '.join(missing)} cannot be built: {error}"
        return Finding(what="images", works=False, says=says, hint=error.hint)
    says = f"{' and '.join(missing)} will be built when first needed; base images: {source}"
    return Finding(what="images", works=True, says=says)


def _namespaces() -> Finding:
    from rst_or_fin.testbed import local

    try:
        kind = local.probe()
    except MachineError as error:
        return Finding(what="network namespaces", works=False, says=str(error), hint=error.hint)
    return Finding(what="network namespaces", works=True, says=f"can be made as {kind}")


def _node() -> Finding:
    """Start the node of a local run, which is confined before it executes Erlang."""
    from rst_or_fin.node import session
    from rst_or_fin.testbed.local import LocalTestbed

    try:
        with LocalTestbed(TestbedSpec(runtime="local")) as testbed:
            otp = session.node_facts(testbed.link)["otp"]
    except RstOrFinError as error:
        return Finding(what=_NODE, works=False, says=str(error), hint=error.hint)
    confined = "without privileges, writing to a scratch folder alone"
    return Finding(what=_NODE, works=True, says=f"OTP {otp} starts, confined: {confined}")


def _capture(*, namespaces: bool, containers: bool) -> Finding:
    """Say where a capture works: both runtimes do it themselves, in a container or a namespace."""
    where = [name for name, fine in (("in containers", containers), ("in namespaces", namespaces)) if fine]
    return Finding(
        what="capture",
        works=bool(where),
        says=f"AF_PACKET {' and '.join(where)}; no tcpdump needed"
        if where
        else "nowhere to open an AF_PACKET socket",
        hint="" if where else "a Docker Engine or network namespaces, see above",
    )


def _kvm(engine: bool) -> Finding:
    from rst_or_fin.engine import kvm

    device = kvm.device()
    works, says = False, device.says
    if device.usable and engine:
        works, proof = kvm.works()
        says = f"{device.says}; {proof}"
    elif device.usable:
        says = f"{device.says}; without an engine there is no kernel image to prove it with"
    hint = "" if works else device.hint or "none needed: QEMU emulates instead (slower boot)"
    return Finding(what="KVM", works=works, says=says, hint=hint)


def _tshark() -> Finding:
    path = shutil.which("tshark")
    return Finding(
        what="tshark",
        works=path is not None,
        says=f"{path}, the tests' independent oracle" if path else "not installed; only the tests need it",
        hint="" if path else "apt-get install tshark",
    )
