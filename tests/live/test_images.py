"""The images as the engine really builds them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rst_or_fin import data_files
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_table, images
from rst_or_fin.engine.build import Progress
from rst_or_fin.engine.image_table import IMAGES, Image
from rst_or_fin.errors import MachineError

if TYPE_CHECKING:
    import docker

pytestmark = pytest.mark.docker

NODES = sorted(name for name in IMAGES if name.startswith("node:"))
SAY_RELEASE = "io:put_chars(erlang:system_info(otp_release)), halt()."


def output(client: docker.DockerClient, image: str, command: list[str]) -> str:
    """What a container with next to no rights writes. (The SDK's own run(remove=True) may lose it all.)"""
    container = client.containers.run(
        image,
        command,
        read_only=True,
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        detach=True,
    )
    try:
        container.wait(timeout=60)
        return container.logs().decode()
    finally:
        container.remove(force=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NODES)
def test_a_node_image_runs_its_release_without_privileges(client: docker.DockerClient, name: str) -> None:
    command = ["erl", "-noshell", "-boot", "no_dot_erlang", "-eval", SAY_RELEASE]
    assert output(client, images.ensure(client, name), command) == name.removeprefix("node:otp")


@pytest.mark.parametrize("program", ["agents.origin", "agents.capture"])
def test_the_peer_image_has_all_that_its_programs_import(client: docker.DockerClient, program: str) -> None:
    command = ["python3", "-W", "error", "-m", program, "--help"]
    assert output(client, images.ensure(client, "peer"), command).startswith("usage:")


def test_an_image_that_is_there_costs_next_to_nothing(client: docker.DockerClient) -> None:
    told: list[Progress] = []
    first = images.ensure(client, "peer")
    began_s = time.perf_counter()
    again = images.ensure(client, "peer", told.append)
    assert (again, told) == (first, [])
    assert time.perf_counter() - began_s < 0.25  # a few ms; the rest is for a busy machine


@pytest.fixture
def throwaway(client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The Dockerfile of an image called "test", gone with all it became when the test is over."""
    images.ensure(client, "base:trixie")
    name = f"test-{uuid.uuid4().hex[:8]}"
    image = Image(name=name, base="base:trixie", folder=name)
    monkeypatch.setattr(image_table, "IMAGES", {**IMAGES, "test": image})
    monkeypatch.setattr(data_files, "path", lambda name: tmp_path)
    recipe = tmp_path / name / "Dockerfile"
    recipe.parent.mkdir()
    recipe.write_text("ARG BASE\nFROM ${BASE}\nCOPY Dockerfile /recipe\n")
    yield recipe
    for made in client.images.list(name=image.tag):
        client.images.remove(str(made.id), force=True)


def test_an_edited_file_makes_the_image_anew(client: docker.DockerClient, throwaway: Path) -> None:
    before = images.ensure(client, "test")
    throwaway.write_text(throwaway.read_text() + "# edited\n")
    after = images.ensure(client, "test")
    assert after not in (before, None)


def test_two_versions_do_not_rebuild_each_others_image(client: docker.DockerClient, throwaway: Path) -> None:
    older = throwaway.read_text()
    before = images.ensure(client, "test")
    throwaway.write_text(older + "# edited\n")
    images.ensure(client, "test")
    throwaway.write_text(older)
    assert images.present(client, "test") == before


def test_an_image_without_a_digest_in_its_name_is_taken_over(
    client: docker.DockerClient, throwaway: Path
) -> None:
    made = client.images.get(images.ensure(client, "test"))
    made.tag(image_table.row("test").tag)
    client.images.remove(made.tags[0])
    assert (images.ensure(client, "test"), len(client.images.get(str(made.id)).tags)) == (made.id, 2)


def test_without_images_clean_takes_what_a_failed_build_left_and_no_stage(
    client: docker.DockerClient, throwaway: Path
) -> None:
    stage = "FROM ${BASE} AS one\nLABEL rst-or-fin=stage\nRUN true\n"
    throwaway.write_text(f"ARG BASE\n{stage}FROM ${{BASE}}\nCOPY --from=one /etc/hostname /x\n")
    kept = images.ensure(client, "test")
    filters = {"label": f"{engine.LABEL}=stage", "dangling": True}
    stages = {found.id for found in client.images.list(filters=filters)}
    images.remove(client, leftovers_only=True)
    assert stages
    assert stages <= {found.id for found in client.images.list(filters=filters)}
    assert images.present(client, "test") == kept


def test_two_at_once_build_once(client: docker.DockerClient, throwaway: Path) -> None:
    told: list[Progress] = []
    made: list[str] = []

    def make() -> None:
        mine = engine.connect()
        made.append(images.ensure(mine, "test", told.append))
        mine.close()

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert made == [images.present(client, "test")] * 2
    assert [line.step for line in told].count("ready") == 1


def test_a_failing_step_is_named_with_its_last_words(client: docker.DockerClient, throwaway: Path) -> None:
    throwaway.write_text("ARG BASE\nFROM ${BASE}\nRUN echo the last words; exit 7\n")
    with pytest.raises(MachineError, match=r"(?s)step 3/4 \(RUN .* failed.*the last words.*7"):
        images.ensure(client, "test")


def test_every_image_says_how_its_base_came_to_be(client: docker.DockerClient) -> None:
    labels = client.images.get(images.ensure(client, "base:trixie")).labels
    assert labels["rst-or-fin.base"].startswith(("pulled", "bootstrapped with"))
