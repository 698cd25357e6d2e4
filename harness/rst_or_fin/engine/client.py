"""The Docker Engine: reaching it, and saying plainly what is wrong with it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from rst_or_fin.errors import MachineError

if TYPE_CHECKING:
    import docker

LABEL = "rst-or-fin"  # value: the run's id on containers and networks, the input digest on images

OLDEST_API = (1, 41)  # Docker Engine 20.10, the oldest that this is tested with

_FIRST_ANSWER_S = 4.0  # asked for its version, an engine answers in milliseconds; or it never will

_START_IT = "start it (as root: `service docker start`), or point DOCKER_HOST at one that runs"
_MAKE_ROOM = "make room: `docker system df` shows what takes it, `rst-or-fin clean --images` removes ours"


def connect(timeout_s: float = 60) -> docker.DockerClient:
    """Connect to the engine that DOCKER_HOST or the current docker context names; the caller closes it.

    `timeout_s` bounds the wait for each answer; the first must come within seconds. Raises MachineError if
    no engine answers, the socket may not be opened, or the engine is older than OLDEST_API.
    """
    import docker.errors

    oldest = ".".join(map(str, OLDEST_API))
    try:
        # The SDK would ask for the version by itself, but leaks its socket where there is no answer.
        first_s = min(timeout_s, _FIRST_ANSWER_S)
        with closing(docker.from_env(timeout=first_s, version=oldest)) as probe:  # type: ignore[arg-type]
            _try_connect(probe)
            spoken = str(probe.api.version(api_version=False)["ApiVersion"])
    except (OSError, docker.errors.DockerException) as error:  # RequestException is an OSError
        raise _unreachable(error) from error
    if tuple(map(int, spoken.split("."))) < OLDEST_API:
        raise MachineError(
            f"the Docker Engine is too old: it speaks API {spoken}; {oldest} or newer is needed",
            "install Docker Engine 20.10 or newer",
        )
    return docker.from_env(timeout=timeout_s, version=spoken)  # type: ignore[arg-type]  # fractions are fine


@contextmanager
def calls(doing: str) -> Iterator[None]:
    """Turn every failure of the engine, or of the connection to it, within the block into one MachineError.

    `doing` completes "… while …", for example "starting the node". NotFound and conflicts are left to the
    caller, who catches them inside the block.
    """
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        said = str(error.explanation or error)
        if disk_is_full(said):
            raise MachineError(f"the engine's disk is full ({said}), while {doing}", _MAKE_ROOM) from error
        raise MachineError(
            f"the Docker Engine refused while {doing}: {said}", "see the engine's own log for more"
        ) from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise MachineError(
            f"the Docker Engine did not answer in time while {doing}",
            "check whether `docker info` still answers",
        ) from error
    except (
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        docker.errors.StreamParseError,
        docker.errors.DockerException,
    ) as error:
        raise MachineError(f"the Docker Engine went away while {doing}", _START_IT) from error


def disk_is_full(said: str) -> bool:
    """Return whether the engine's message means ENOSPC or EDQUOT."""
    return "no space left on device" in said.lower() or "disk quota exceeded" in said.lower()


def disk_full_error(said: str, doing: str) -> MachineError:
    """Make the error for a disk that filled up while `doing`."""
    return MachineError(f"the disk is full ({said.strip()}), while {doing}", _MAKE_ROOM)


def _try_connect(client: docker.DockerClient) -> None:
    """Open and close the engine's Unix socket, if it has one: the SDK leaks one that it fails to open."""
    adapter = client.api.adapters.get("http+docker://")
    path = getattr(adapter, "socket_path", None)
    if path is not None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)


def _unreachable(error: BaseException) -> MachineError:
    where = os.environ.get("DOCKER_HOST", "the default socket")
    reasons = list(_chain(error))
    if any(isinstance(reason, PermissionError) for reason in reasons):
        return MachineError(
            f"this user may not open the Docker Engine's socket ({where})",
            "run as root, or join the socket's group: `usermod -aG docker $USER`, then log in again",
        )
    if any(isinstance(reason, FileNotFoundError) for reason in reasons):
        return MachineError(
            f"no Docker Engine here: there is no socket ({where})",
            "install one (Debian: `apt-get install docker.io`) and start it, or set DOCKER_HOST",
        )
    if any(isinstance(reason, ConnectionRefusedError) for reason in reasons):
        return MachineError(f"the Docker Engine is not running: {where} refuses connections", _START_IT)
    if any("timed out" in str(reason) for reason in reasons):
        return MachineError(
            f"the Docker Engine gave no answer in {_FIRST_ANSWER_S:g} s, though {where} accepts connections",
            "check whether `docker version` answers; restart the engine, or point DOCKER_HOST at another",
        )
    return MachineError(f"no Docker Engine answers at {where}: {error}", _START_IT)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
