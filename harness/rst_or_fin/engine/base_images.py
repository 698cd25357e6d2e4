"""Makes Debian base images: pulled from a registry, else bootstrapped from the package archive."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rst_or_fin.engine import client as engine
from rst_or_fin.engine.build import Progress, Tell, build, failure
from rst_or_fin.errors import MachineError, is_disk_full
from rst_or_fin.own_files import temporary_folder

if TYPE_CHECKING:
    import docker

RECIPE = 1  # raise it when what is below yields another image: bases are then made anew
ORIGIN = "rst-or-fin.base"  # label: how the base came to be

_REGISTRY_WAIT_S = 4
_INSTALL_IT = "install mmdebstrap (on Debian or Ubuntu: `apt-get install mmdebstrap debian-archive-keyring`)"
_BOOTSTRAP_LIMIT_S = 600

# Release files of old and of moving suites are past their valid-until date wherever a mirror lags.
_APT_OPTIONS = (
    'Acquire::Check-Valid-Until "false"',
    'Acquire::Retries "2"',
    'Acquire::http::Timeout "15"',
)
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")


def make(client: docker.DockerClient, *, image: str, suite: str, tag: str, digest: str, tell: Tell) -> str:
    """Make the base image of a suite under `tag`, labelled with `digest`, and return its id.

    Raises MachineError: no tool to bootstrap with, archive unreachable, disk full, engine gone.
    """
    failed = registry_failure()
    if not failed:
        failed = _pull(client, image, suite, tell)
    if not failed:
        return _label_pulled(client, image, suite, tag, digest, tell)
    tell(Progress(image=image, step="registry", what=f"not pulled ({failed}), so bootstrapping it"))
    with temporary_folder("base-image") as folder:
        tarball = Path(folder) / "base.tar"
        try:
            tool = _bootstrap(image, suite, tarball, tell)
        except OSError as error:
            if is_disk_full(error):
                raise engine.disk_full_error(str(error), f"bootstrapping {suite}") from error
            raise
        return _import(
            client, image, tarball, tag, {engine.LABEL: digest, ORIGIN: f"bootstrapped with {tool}"}, tell
        )


@cache
def registry_failure() -> str:
    """Return why no registry can be pulled from, or "": tried once a process, for a few seconds at most."""
    import docker.errors
    import requests.exceptions

    client = engine.connect(timeout_s=_REGISTRY_WAIT_S)
    try:
        client.images.get_registry_data("debian:stable-slim")
    except docker.errors.APIError as error:
        return f"no registry: {str(error.explanation).rsplit(': ', 1)[-1]}"
    except requests.exceptions.RequestException:
        return f"no registry: no answer within {_REGISTRY_WAIT_S} s"
    finally:
        client.close()
    return ""


def _pull(client: docker.DockerClient, image: str, suite: str, tell: Tell) -> str:
    """Pull the suite's slim image and tag it; return what went wrong, or ""."""
    import docker.errors

    tell(Progress(image=image, step="pull", what=f"debian:{suite}-slim from the registry"))
    with engine.calls(f"pulling debian:{suite}-slim"):
        try:
            for event in client.api.pull("debian", tag=f"{suite}-slim", stream=True, decode=True):
                if "error" in event:
                    return str(event["error"])
        except docker.errors.APIError as error:
            return str(error.explanation)
    return ""


def _label_pulled(
    client: docker.DockerClient, image: str, suite: str, tag: str, digest: str, tell: Tell
) -> str:
    recipe = f"FROM debian:{suite}-slim\n".encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(recipe)
        tar.addfile(entry, io.BytesIO(recipe))
    context.seek(0)
    return build(
        client,
        image=image,
        tag=tag,
        context=context,
        labels={engine.LABEL: digest, ORIGIN: "pulled from a registry"},
        arguments={},
        tell=tell,
    )


def _import(
    client: docker.DockerClient, image: str, tarball: Path, tag: str, labels: dict[str, str], tell: Tell
) -> str:
    tell(
        Progress(image=image, step="import", what=f"{tarball.stat().st_size // 1_000_000} MB into the engine")
    )
    repository, _, version = tag.partition(":")
    changes = [f"LABEL {key}={json.dumps(value)}" for key, value in labels.items()] + ['CMD ["/bin/sh"]']
    with engine.calls(f"importing the image {image}"):
        answer = client.api.import_image_from_file(
            str(tarball), repository=repository, tag=version, changes=changes
        )
        for line in answer.splitlines():
            event = json.loads(line)
            if "error" in event:
                raise failure(image, "the import", [str(event["error"])])
        return str(client.images.get(tag).id)


def _bootstrap(image: str, suite: str, tarball: Path, tell: Tell) -> str:
    """Write the suite's root file system to `tarball` and return the name of the tool that made it."""
    tool = bootstrap_tool() or _install_tool(image, tell)
    command = {"mmdebstrap": _mmdebstrap, "debootstrap": _debootstrap}[tool]
    # The host's own mirror first; where it lacks the suite, the archive that the tool itself knows.
    attempts = [sources for sources in (host_sources(suite), ()) if sources is not None]
    for number, sources in enumerate(attempts, start=1):
        whose = "this machine's package archive" if sources else f"{tool}'s default archive"
        tell(Progress(image=image, step="bootstrap", what=f"{suite} with {tool} from {whose}"))
        try:
            _run(image, command(suite, tarball, sources), tell)
            break
        except _CommandError as error:
            if number == len(attempts):
                raise failure(image, f"{tool} {suite}", error.output) from error
    return tool


def source() -> str:
    """Return where a base image would come from on this host. Raises MachineError if from nowhere."""
    failed = registry_failure()
    if not failed:
        return "pulled from a registry"
    tool = bootstrap_tool()
    if tool:
        return f"bootstrapped with {tool} ({failed})"
    if _may_install():
        return f"bootstrapped with mmdebstrap, which will be installed with apt-get ({failed})"
    raise _no_source()


def _no_source() -> MachineError:
    return MachineError(
        "no registry answers, and there is no tool to bootstrap a Debian image with", _INSTALL_IT
    )


def bootstrap_tool() -> str:
    """Return the tool that can bootstrap Debian here, or "": debootstrap needs root, mmdebstrap does not."""
    if shutil.which("mmdebstrap"):
        return "mmdebstrap"
    return "debootstrap" if os.geteuid() == 0 and shutil.which("debootstrap") else ""


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install_tool(image: str, tell: Tell) -> str:
    if not _may_install():
        raise _no_source()
    tell(Progress(image=image, step="set-up", what="installing mmdebstrap on this machine with apt-get"))
    install = ["apt-get", "install", "-y", "mmdebstrap", "debian-archive-keyring"]
    with suppress(_CommandError):
        _run(image, install, tell)
        return "mmdebstrap"
    try:
        _run(image, ["apt-get", "update"], tell)
        _run(image, install, tell)
    except _CommandError as error:
        raise failure(image, "apt-get install mmdebstrap", error.output) from error
    return "mmdebstrap"


def host_sources(suite: str) -> tuple[str, ...] | None:
    """Return sources.list lines for a suite from this host's own Debian mirror; None if it has none."""
    if not shutil.which("apt-get"):
        return None
    listed = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)",
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return sources_of(listed.stdout, suite)


def sources_of(index_targets: str, suite: str) -> tuple[str, ...] | None:
    """Choose sources.list lines for a suite from apt's lines of ORIGIN|LABEL|COMPONENT|REPO_URI.

    Returns None if none of them is a Debian mirror.
    """
    mirrors: dict[str, str] = {}
    for line in index_targets.splitlines():
        origin, label, component, uri = line.split("|", 3)
        if origin == "Debian" and component == "main" and uri.startswith(("http:", "https:")):
            mirrors.setdefault(label, uri)
    if "Debian" not in mirrors:
        return None
    lines = [f"deb {mirrors['Debian']} {suite} main"]
    if suite != "sid":  # the one that has neither updates nor security of its own
        lines.append(f"deb {mirrors['Debian']} {suite}-updates main")
        if "Debian-Security" in mirrors:
            lines.append(f"deb {mirrors['Debian-Security']} {suite}-security main")
    return tuple(lines)


def _mmdebstrap(suite: str, tarball: Path, sources: Sequence[str]) -> list[str]:
    return [
        "mmdebstrap",
        "--variant=apt",
        *(f"--aptopt={option}" for option in _APT_OPTIONS),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        suite,
        str(tarball),
        *sources,
    ]


def _debootstrap(suite: str, tarball: Path, sources: Sequence[str]) -> list[str]:
    root = tarball.with_suffix(".root")
    mirror = sources[0].split()[1] if sources else ""
    steps = [
        ["debootstrap", "--variant=minbase", suite, str(root), *([mirror] if mirror else [])],
        ["rm", "-rf", f"{root}/var/lib/apt/lists", f"{root}/var/cache/apt/archives", f"{root}/usr/share/man"],
        ["mkdir", "-p", f"{root}/var/lib/apt/lists/partial", f"{root}/var/cache/apt/archives/partial"],
        [
            "tar",
            "--numeric-owner",
            "--exclude=./dev/*",
            "--exclude=./proc/*",
            "-C",
            str(root),
            "-cf",
            str(tarball),
            ".",
        ],
        ["rm", "-rf", "--one-file-system", str(root)],
    ]
    return [
        "sh",
        "-ec",
        "\n".join([f"rm -rf --one-file-system {shlex.quote(str(root))}", *map(shlex.join, steps)]),
    ]


class _CommandError(Exception):
    """A command failed; `output` has its last lines."""

    def __init__(self, output: list[str]) -> None:
        super().__init__(output[-1])
        self.output = output


def _run(image: str, command: Sequence[str], tell: Tell) -> None:
    """Run a command, ended after the limit. Raises _CommandError unless its status is 0."""
    said: deque[str] = deque(maxlen=40)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        overdue = threading.Timer(_BOOTSTRAP_LIMIT_S, process.terminate)
        overdue.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line.rstrip())
                tell(Progress(image=image, step=command[0], what=line.strip(), detail=True))
            status = process.wait()
        finally:
            if overdue.is_alive():
                overdue.cancel()
            else:
                said.append(f"ended after {_BOOTSTRAP_LIMIT_S} s, the limit")
            process.terminate()
    if status != 0:
        raise _CommandError([*said, f"{command[0]} ended with status {status}"])
