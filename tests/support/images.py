"""Makes the images that the tests use, in about the order in which they do: python -m tests.support.images.

`.ci/run` has it run beside what needs no image. A test that needs one earlier waits for it, or makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rst_or_fin.commands.console import progress
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import images, kernel_images
from rst_or_fin.engine.images import IMAGES, Image
from rst_or_fin.errors import RstOrFinError
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed.spec import DEFAULT_OTP

if TYPE_CHECKING:
    import docker

# Before and since commit 5f9238530970, each with another OTP, because the axes combine.
KERNELS = BEFORE, SINCE = ("6.12.43", "27"), ("6.12.57", "25")
_NODE = f"node:otp{DEFAULT_OTP}"


def wanted() -> Iterator[Image]:
    """Yield the images but for those of kernels: what all tests use, the other releases, what few use."""
    scenarios = [scenario_files.find(name).scenario for name in scenario_files.names()]
    yield images.row(_NODE)
    yield from (image for name, image in IMAGES.items() if not name.startswith(("base:", "node")))
    yield from (image for name, image in IMAGES.items() if name.startswith("node:"))
    for applications in sorted({scenario.hosts.applications for scenario in scenarios}):
        yield images.with_applications(_NODE, applications)
    yield images.row(f"node-strace:otp{DEFAULT_OTP}")


def main() -> None:
    client = engine.connect()
    making: list[Callable[[], object]] = [
        *(partial(images.ensure, client, image, progress) for image in wanted()),
        *(partial(make_kernel, client, kernel, otp) for kernel, otp in KERNELS),
    ]
    for make in making:
        try:
            make()
        except RstOrFinError as error:  # the others may well be made
            progress(f"{error} {error.remedy}")


def make_kernel(client: docker.DockerClient, kernel: str, otp: str) -> None:
    images.ensure(client, kernel_images.image_of(client, kernel, otp, progress), progress)


if __name__ == "__main__":
    main()
