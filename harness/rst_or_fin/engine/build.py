"""Builds or imports one image on the engine, line by line, and explains why that failed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from rst_or_fin.engine import client as engine
from rst_or_fin.errors import MachineError

if TYPE_CHECKING:
    import docker

_LAST_LINES = 15

# What the engine puts around a step's output, and what a step says of itself when it knows what is wrong.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ENGINES_OWN = re.compile(r"\s*---> |Removing intermediate container ")
_STATUS = re.compile(r"The command .* returned a non-zero code: (\d+)", re.DOTALL)
_OWN_LINE = "rst-or-fin: "

_NO_FILE = re.compile(r"failed to fetch \S+\.deb\s+404\s+not found", re.IGNORECASE)
_OFFLINE = "the package archive can't be reached: check the network or the proxy, then run again"
# What apt says, and what to do about it; the first that fits counts: an archive that was never reached has no
# package either, and one that answers 404 failed to be fetched, too.
_REMEDIES = tuple(
    (re.compile(said, re.IGNORECASE), hint)
    for said, hint in (
        ("could not resolve|temporary failure resolving|network is unreachable", _OFFLINE),
        (
            r"does not have a release file|404\s+not found",
            "the configured package archive does not carry this release (any more): use a mirror that does",
        ),
        (
            "unable to locate package|version '.*' for '.*' was not found",
            "the archive no longer has this package; `rst-or-fin kernels list --refresh` shows what it has",
        ),
        (
            "NO_PUBKEY|is not signed|couldn.t be verified|EXPKEYSIG",
            "install a newer debian-archive-keyring: the archive's key is unknown here or has expired",
        ),
        (
            "could not connect|unable to connect|connection timed out|connection refused"
            "|failed to fetch|cannot initiate the connection",
            _OFFLINE,
        ),
    )
)


class PackageGoneError(MachineError):
    """The archive's index names a package that it answers with 404."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One line about an image in the making; `detail` marks the output of a step rather than a step."""

    image: str
    step: str
    what: str
    detail: bool = False

    def __str__(self) -> str:
        return f"{self.image}: {self.step}: {self.what}"


Tell = Callable[[Progress], None]


def failure(image: str, step: str, said: Iterable[str]) -> MachineError:
    """Make the error for a failed step: the last lines of its output and the hint that they suggest."""
    lines = [line for line in said if line.strip()][-_LAST_LINES:]
    text = "\n".join(lines)
    told = next((line.removeprefix(_OWN_LINE) for line in lines if line.startswith(_OWN_LINE)), "")
    if engine.disk_is_full(text):
        return engine.disk_full_error("no space left on device", f"making the image {image} ({step})")
    if _NO_FILE.search(text):
        return PackageGoneError(
            f"the image {image} could not be made: {step}: the archive answers 404 for a package",
            "choose another release: `rst-or-fin kernels list` leaves this one out from now on",
        )
    if told:
        hint = "try another kernel, or put this one's `modules` folder beside it"
    else:
        fitting = (hint for pattern, hint in _REMEDIES if pattern.search(text))
        hint = next(fitting, "the lines above are the step's last output")
    shown = "".join(f"\n    {line}" for line in lines if not line.startswith(_OWN_LINE))
    what = told or f"{step} failed"
    return MachineError(f"the image {image} could not be made: {what}{shown}", hint)


def build(
    client: docker.DockerClient,
    *,
    image: str,
    tag: str,
    context: IO[bytes],
    labels: Mapping[str, str],
    arguments: Mapping[str, str],
    tell: Tell,
) -> str:
    """Build a tar `context` into `tag` and return the new image's id. Raises MachineError."""
    with engine.calls(f"building the image {image}"):
        events = client.api.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            labels=dict(labels),
            buildargs=dict(arguments),
            rm=True,
            forcerm=True,
            decode=True,
            use_config_proxy=True,
        )
        built = _follow(image, events, tell)
        return built or str(client.images.get(tag).id)


def _follow(image: str, events: Iterable[Mapping[str, Any]], tell: Tell) -> str:
    step, said, built, rest = "the build", deque[str](maxlen=_LAST_LINES), "", ""
    for event in events:
        if "error" in event:
            error = str(event["error"])
            status = _STATUS.match(error)
            raise failure(image, step, [*said, rest, f"exit status {status[1]}" if status else error])
        built = event.get("aux", {}).get("ID", built)
        # A program's line comes in as many pieces as it was written in.
        *lines, rest = re.split(r"[\r\n]", rest + _COLOUR.sub("", str(event.get("stream", ""))))
        for line in lines:
            if line.startswith("Step "):
                number, _, instruction = line.removeprefix("Step ").partition(" : ")
                step = f"step {number} ({instruction})"
                said.clear()
                tell(Progress(image=image, step=f"step {number}", what=instruction))
            elif line.strip() and not _ENGINES_OWN.match(line):
                said.append(line)
                tell(Progress(image=image, step=step, what=line.strip(), detail=True))
    return built
