"""Node images with a kernel of their own: their names, what goes into them, what they need to run.

An image's name is `kernel:RELEASE-otpOTP`; RELEASE is the kernel's upstream one, or `own-` and a part of the
digest of a user's file. What is in such an image: containers/kernel/Dockerfile.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rst_or_fin import erlang_command
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_table, images, kernels
from rst_or_fin.engine.build import Tell
from rst_or_fin.errors import UsageError

if TYPE_CHECKING:
    import docker

NODE_PORT = 4370  # where the node in the snapshot listens for its controller

# What a container needs to put a guest in its place: to bridge, and to let QEMU run as nobody.
_CAPABILITIES = ("NET_ADMIN", "SETGID", "SETUID")
_NAME = re.compile(r"kernel:(?P<release>.+)-otp(?P<otp>\d+)")
_FULL_RELEASE = re.compile(r"\d+\.\d+(\.\d+|-rc\d+)")
# Of a user's modules: what drives a virtual network card.
_MODULES = ("virtio*.ko*", "failover.ko*", "net_failover.ko*", "dimlib.ko*")


def image_of(
    client: docker.DockerClient, kernel: str, otp: str, tell: Tell = lambda line: None
) -> image_table.Image:
    """Choose the image, for images.ensure(), of a node with that OTP release on that kernel.

    `kernel` is a release, a series, "newest", or the path of a bzImage, whose modules are taken from a folder
    `modules` beside it. Raises UsageError for anything else.
    """
    if is_path(kernel):
        return image(f"kernel:{own(Path(kernel))}-otp{otp}")
    # A full release needs no look at the archive while its image is there.
    if is_release(kernel):
        exactly = image(f"kernel:{kernel}-otp{otp}")
        if images.present(client, exactly) is not None:
            return exactly
    release = kernels.choose(kernel, kernels.offers(client, tell)).release
    return image(f"kernel:{release}-otp{otp}")


def is_path(kernel: str) -> bool:
    """Return whether a kernel is named by its file's path."""
    return os.sep in kernel or Path(kernel).is_file()


def is_release(name: str) -> bool:
    """Return whether a kernel's name is a full release rather than a series."""
    return _FULL_RELEASE.fullmatch(name) is not None


def is_made(client: docker.DockerClient, release: str) -> bool:
    """Return whether there is an image with that kernel, whichever OTP it has."""
    with engine.calls("looking for kernel images"):
        return any(
            tag.startswith(f"rst-or-fin/kernel:{release}-otp")
            for found in client.images.list("rst-or-fin/kernel")
            for tag in found.tags
        )


def host_config(*, kvm: bool) -> dict[str, Any]:
    """Return what a container of a kernel image needs in docker's HostConfig, beyond a plain node's.

    With `kvm` the guest boots on it; pass it only where `kvm.works()` says so.
    """
    devices = ["/dev/net/tun", *(["/dev/kvm"] if kvm else [])]
    return {"cap_add": list(_CAPABILITIES), "devices": devices}


def image(name: str) -> image_table.Image:
    """Make the row of the images' table for a kernel image's name. Raises UsageError for any other name."""
    matched = _NAME.fullmatch(name)
    if matched is None or f"node:otp{matched['otp']}" not in image_table.IMAGES:
        raise UsageError(f"there is no image {name!r}", "kernel images are called kernel:RELEASE-otpNN")
    release = matched["release"]
    files = _OWN.get(release, ())

    def package(client: docker.DockerClient, tell: Tell) -> Mapping[str, str]:
        if files:
            return {}
        offer = kernels.choose(release, kernels.offers(client, tell))
        return {"SUITE": offer.suite, "PACKAGE": offer.package, "VERSION": offer.version}

    return image_table.Image(
        name=name,
        base="emulator",
        node=f"node:otp{matched['otp']}",
        folder="kernel",
        carries=(_guest_programs, _node_arguments, lambda: iter(files)),
        late_arguments=package,
        gone=partial(kernels.leave_out, release),
    )


_OWN: dict[str, tuple[image_table.ContextFile, ...]] = {}  # a user's own kernels: release -> their files


def own(path: Path) -> str:
    """Register a user's own kernel and return the release that names its image.

    Raises UsageError if the file is not a kernel that could boot here.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the kernel {path} cannot be read: {error.strerror}", "name a bzImage") from error
    defect = bzimage_defect(content)
    if defect:
        raise UsageError(
            f"{path} is not a kernel to boot: {defect}", "name a bzImage, as `make bzImage` makes it"
        )
    files = [image_table.context_file("own/bzImage", path)]
    modules = path.parent / "modules"
    found = {file.name: file for pattern in _MODULES for file in sorted(modules.rglob(pattern))}
    files += [image_table.context_file(f"own/modules/{name}", file) for name, file in sorted(found.items())]
    digest = hashlib.sha256("".join(file.name + file.digest for file in files).encode()).hexdigest()
    release = f"own-{digest[:12]}"
    _OWN[release] = tuple(files)
    return release


def bzimage_defect(content: bytes) -> str:
    """Return why this is not a 64-bit bzImage, or "".

    Source: Documentation/arch/x86/boot.rst, Linux 6.12, offsets 0x1fe to 0x236.
    """
    if len(content) < 0x1000 or content[0x1FE:0x200] != b"\x55\xaa" or content[0x202:0x206] != b"HdrS":
        return "it does not begin as a bzImage does"
    if int.from_bytes(content[0x206:0x208], "little") < 0x20C or not content[0x236] & 1:
        return "it has no 64-bit entry point"
    return ""


def _guest_programs() -> Iterator[image_table.ContextFile]:
    for source in sorted((Path(__file__).parents[1] / "guest").glob("*.py")):
        yield image_table.context_file(f"guest/{source.name}", source)


def _node_arguments() -> Iterator[image_table.ContextFile]:
    content = "".join(f"{argument}\n" for argument in erlang_command.arguments(NODE_PORT, "0.0.0.0")).encode()
    yield image_table.ContextFile(
        name="arguments",
        content=content,
        digest=hashlib.sha256(content).hexdigest(),
        executable=False,
    )
