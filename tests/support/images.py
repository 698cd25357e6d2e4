"""Makes the images that the tests use, in about the order in which they do: python -m tests.support.images.

`.ci/run` has it run beside what needs no image. A test that needs one earlier waits for it, or makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rst_or_fin.commands.console import progress
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_table, images, kernel_images
from rst_or_fin.engine.image_table import IMAGES, Image
from rst_or_fin.errors import RstOrFinError
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed.spec import DEFAULT_OTP

if TYPE_CHECKING:
    import docker

# Before and since commit 5f9238530970, with an OTP that is not the default, because the axes combine.
KERNELS = BEFORE, SINCE = ("6.12.43", "28"), ("6.12.57", "28")
_NODE = f"node:otp{DEFAULT_OTP}"


def wanted(client: docker.DockerClient) -> Iterator[Callable[[], Image]]:
    """Yield what gives each image: what most tests use comes first."""
    beside_nodes = (name for name in IMAGES if not name.startswith(("base:", "node")))
    for name in (_NODE, *beside_nodes, "node:otp28"):
        yield partial(image_table.row, name)
    for kernel, otp in KERNELS:
        yield partial(kernel_images.image_of, client, kernel, otp, progress)
    yield partial(image_table.row, "node:otp29")
    scenarios = [scenario_files.find(name).scenario for name in scenario_files.names()]
    for applications in sorted({scenario.hosts.applications for scenario in scenarios}):
        yield partial(image_table.with_applications, _NODE, applications)
    for name in (f"node-strace:otp{DEFAULT_OTP}", "node:otp25", "node:otp23"):
        yield partial(image_table.row, name)


def main() -> None:
    client = engine.connect()
    for image in wanted(client):
        try:
            images.ensure(client, image(), progress)
        except RstOrFinError as error:  # the others may well be made
            progress(f"{error} {error.hint}")


if __name__ == "__main__":
    main()
