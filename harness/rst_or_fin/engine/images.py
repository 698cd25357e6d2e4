"""Makes container images, and says when one has to be made. Not what runs in them.

An image is known by the digest of everything that goes into it (its label LABEL, and the end of its tag):
nothing is rebuilt while that stays the same, and programs of two versions do not rebuild each other's.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from rst_or_fin import data_files
from rst_or_fin.engine import base_images, image_locks
from rst_or_fin.engine import client as engine
from rst_or_fin.engine.build import PackageGoneError, Progress, Tell, build
from rst_or_fin.engine.image_table import ContextFile, Image, context_file, row
from rst_or_fin.errors import MachineError, UsageError, is_disk_full

if TYPE_CHECKING:
    import docker

_STAGE = "stage"  # what a stage of a build has in place of a digest: containers/kernel/Dockerfile
_LAYOUT = 1  # raise it when the context is put together differently


def ensure(client: docker.DockerClient, which: str | Image, tell: Tell = lambda line: None) -> str:
    """Return the id of an up-to-date image, making it and all that it is built on where necessary.

    `tell` gets a Progress for each line, and nothing where all images exist. Raises UsageError for an unknown
    image, MachineError if it cannot be made.
    """
    image = row(which) if isinstance(which, str) else which
    # Before the lock: the base has its own.
    base_id = " ".join(ensure(client, name, tell) for name in (image.base, image.node) if name)
    files = context_files(image)
    wanted = digest(image, base_id, files)
    found = _find(client, image, wanted)
    if found is not None:
        return found

    def wait_is_told() -> None:
        tell(Progress(image=image.name, step="wait", what="another process is making it"))

    with image_locks.using(), image_locks.making(image.reference(wanted), wait_is_told):
        return _find(client, image, wanted) or _make(client, image, wanted, files, tell)


def own(client: docker.DockerClient, name: str) -> str:
    """Return the id of a user's own image. Raises UsageError if the engine does not have it."""
    import docker.errors

    with engine.calls(f"looking for the image {name}"):
        try:
            return str(client.images.get(name).id)
        except docker.errors.NotFound:
            raise UsageError(
                f"the engine has no image {name!r}", f"docker build -t {name} . (or docker pull)"
            ) from None


def present(client: docker.DockerClient, which: str | Image) -> str | None:
    """Return the id of an image that exists and is up to date, else None; make nothing."""
    image = row(which) if isinstance(which, str) else which
    below = [present(client, name) for name in (image.base, image.node) if name]
    there = [found for found in below if found is not None]
    if len(there) < len(below):
        return None
    return _find(client, image, digest(image, " ".join(there), context_files(image)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """An image that was removed: its name, or what it was, and its size in bytes with all it stood on."""

    name: str
    size_bytes: int


def remove(client: docker.DockerClient, *, leftovers_only: bool = False) -> tuple[Removed, ...]:
    """Remove our images of every version, or only what failed builds left; return what was removed.

    Stages of builds stay with `leftovers_only`, since the engine may still build from them. What a container
    uses always stays. Call it under image_locks.removing().
    """
    removed = []
    with engine.calls("removing images"):
        filters = {"label": engine.LABEL, **({"dangling": True} if leftovers_only else {})}
        # Newest first, so that nothing is asked to go before what stands on it.
        for found in sorted(client.api.images(filters=filters), key=lambda found: -found["Created"]):
            is_stage = (found["Labels"] or {}).get(engine.LABEL) == _STAGE
            if leftovers_only and is_stage:
                continue
            named = [tag for tag in found["RepoTags"] or () if tag != "<none>:<none>"]
            unnamed = f"{'a build stage' if is_stage else 'a build that failed'}, {found['Id'][:19]}"
            for reference in named or [found["Id"]]:
                if _removed(client, reference):
                    name = reference if named else unnamed
                    removed.append(Removed(name=name, size_bytes=found["Size"]))
    return tuple(removed)


def _removed(client: docker.DockerClient, reference: str) -> bool:
    import docker.errors

    try:
        client.api.remove_image(reference)
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if error.status_code != 409:
            raise
        return False
    return True


def digest(image: Image, base_id: str, files: Iterable[ContextFile]) -> str:
    """Return the digest of everything that goes into an image, which identifies it."""
    inputs = (
        {"recipe": base_images.RECIPE, "suite": image.suite}
        if image.suite
        else {
            "layout": _LAYOUT,
            "base": base_id,
            "arguments": dict(image.arguments),
            "files": [(file.name, file.digest, file.executable) for file in files],
        }
    )
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def context_files(image: Image) -> tuple[ContextFile, ...]:
    """Return everything that an image's build is given: its folder, then what it carries."""
    if image.suite:
        return ()
    folder = data_files.path("containers") / image.folder
    own = [
        context_file(source.relative_to(folder).as_posix(), source)
        for source in sorted(folder.rglob("*"))
        if source.is_file()
    ]
    return (*own, *(file for carried in image.carries for file in carried()))


def _find(client: docker.DockerClient, image: Image, wanted: str) -> str | None:
    import docker.errors

    with engine.calls(f"looking for the image {image.name}"):
        # Earlier versions left the digest out of the name: what has the right one is taken over.
        for name in (image.reference(wanted), image.tag if ":" in image.tag else f"{image.tag}:latest"):
            try:
                found = client.images.get(name)
            except docker.errors.NotFound:
                continue
            if found.labels.get(engine.LABEL) == wanted:
                if name != image.reference(wanted):
                    found.tag(image.reference(wanted))
                return str(found.id)
    return None


def _make(
    client: docker.DockerClient, image: Image, wanted: str, files: Iterable[ContextFile], tell: Tell
) -> str:
    began_s = time.monotonic()
    if image.suite:
        made = base_images.make(
            client, image=image.name, suite=image.suite, tag=image.reference(wanted), digest=wanted, tell=tell
        )
    else:
        late = image.late_arguments(client, tell) if image.late_arguments else {}
        below = (("BASE", image.base), ("NODE", image.node))
        stands_on = {argument: _reference(client, name) for argument, name in below if name}
        try:
            with tempfile.TemporaryFile() as context:
                _pack(files, context)
                made = build(
                    client,
                    image=image.name,
                    tag=image.reference(wanted),
                    context=context,
                    labels={engine.LABEL: wanted},
                    arguments={**stands_on, **image.arguments, **late},
                    tell=tell,
                )
        except PackageGoneError:
            image.gone()
            raise
        except OSError as error:
            if is_disk_full(error):
                raise engine.disk_full_error(str(error), f"building the image {image.name}") from error
            raise
    tell(Progress(image=image.name, step="ready", what=f"after {time.monotonic() - began_s:.1f} s"))
    return made


def _reference(client: docker.DockerClient, name: str) -> str:
    """Return the tag by which a Dockerfile refers to an existing image of the table."""
    found = present(client, name)
    named = [tag for tag in client.images.get(found).tags if tag.startswith(row(name).tag)] if found else []
    if not named:
        raise MachineError(f"the image {name} was removed meanwhile", "run it again")
    return max(named, key=len)  # the one that has its digest in it


def _pack(files: Iterable[ContextFile], context: IO[bytes]) -> None:
    """Write the files to a tar that depends only on their bytes: the engine's own cache compares it too."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            entry.mode = 0o755 if file.executable else 0o644
            content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    context.seek(0)
