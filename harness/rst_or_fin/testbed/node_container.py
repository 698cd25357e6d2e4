"""Runs the Erlang node in its container: how it is started and reached, and what can be asked beside it."""

from __future__ import annotations

import re
import secrets
import socket
import time
from typing import Any

from rst_or_fin import data_files, erlang_command
from rst_or_fin.agents import counters
from rst_or_fin.errors import LinkError, LinkTimeoutError, MachineError
from rst_or_fin.evidence import strace
from rst_or_fin.evidence.strace import Recording, SystemCall
from rst_or_fin.node.link import Link
from rst_or_fin.scenario.applications import ELIXIR
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed.guest import Guest
from rst_or_fin.testbed.run_containers import NOBODY, Networking, RunContainers
from rst_or_fin.testbed.spec import TestbedSpec

DIST_PORT = 4370

_NODE_FOLDER = "/opt/rst-or-fin"
_ELIXIR = "/usr/lib/elixir/lib:/usr/local/lib/elixir/lib"  # Debian's, and that of Elixir's own image
_CODE_FOLDER = "/opt/code"
# What containers/node/Dockerfile says of our own images.
_AS_OURS: dict[str, Any] = {
    "entrypoint": [],
    "user": f"{NOBODY}:{NOBODY}",
    "environment": {"HOME": "/tmp", "ERL_CRASH_DUMP_SECONDS": "0"},
}
_STRACE_FILE = "/tmp/strace"
_START_TIMEOUT_S = 30.0
_ANSWER_TIMEOUT_S = 10.0
_LAST_WORDS_TIMEOUT_S = 1.0

# The cookie comes over stdin, into a file on the container's tmpfs: neither `docker inspect` nor a process
# list shows it. The shell outlives the node, so that the network stays while the node's sockets are closed.
_ENDED = b"the node ended"
_START_NODE = f"""\
umask 077; read -r cookie; printf %s "$cookie" > "$HOME/.erlang.cookie"
"$@"; echo "{_ENDED.decode()} with status $?"; cat > /dev/null
"""

_STATUS = re.compile(re.escape(_ENDED) + rb" with status (\d+)\n")


class NodeContainer:
    """One node in its container, on this machine's kernel or, as `guest` tells, on one of its own."""

    def __init__(
        self,
        run: RunContainers,
        image: str,
        networking: Networking,
        spec: TestbedSpec,
        *,
        test_network: str = "",
        address: str = "",
    ) -> None:
        """Start it; where it has a network namespace of its own, on the test network at that address."""
        self._client = run.client
        self._cookie = secrets.token_hex(16)
        self._recording = Recording() if spec.strace else None
        self._recorded_len = 0
        self._container = run.create(
            "node",
            image,
            networking,
            [*_around(spec), "erl", *_arguments(spec)],
            working_dir=_NODE_FOLDER,
            as_ours=_AS_OURS if spec.hosts.node.image else None,
            binds={source: {"bind": target, "mode": "ro"} for source, target in _mounts(spec).items()},
            tmpfs={"/tmp": f"size={'64m' if spec.strace else '16m'},mode=1777"},
            **_rights(spec),
        )
        if test_network:
            run.connect(self._container, test_network, address)
        self._log = self._container.stdio
        self.guest = Guest(self._log) if spec.kernel else None
        self._container.start()
        self._log.write(f"{self._cookie}\n".encode(), _ANSWER_TIMEOUT_S)

    @property
    def id(self) -> str:
        """The container's id."""
        return self._container.id

    def link(self, published_by: str) -> Link:
        """Connect, retrying until the node answers: docker-proxy accepts before the node listens.

        `published_by` is the container that publishes its port: its own, or the one whose network it shares.
        """
        bindings = self._client.api.port(published_by, DIST_PORT)
        address = ("127.0.0.1", int(bindings[0]["HostPort"]))
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            connection = socket.create_connection(address, _ANSWER_TIMEOUT_S)
            try:
                link = Link.over(connection, cookie=self._cookie, timeout_s=_ANSWER_TIMEOUT_S)
                link.wait_until_ready(max(0.1, deadline - time.monotonic()))
            except LinkError as error:
                connection.close()
                if time.monotonic() >= deadline:
                    raise LinkTimeoutError(
                        f"the Erlang node did not answer within {_START_TIMEOUT_S:.0f} s: {error}",
                        "see `rst-or-fin doctor`",
                    ) from error
                self._expect_alive(error)
            else:
                return link

    def _expect_alive(self, error: LinkError) -> None:
        """Raise MachineError if the node has ended instead of listening."""
        said = self._log.read(0.02)
        if self.guest is not None:
            self.guest.feed(said)
        if _ENDED in said:
            raise MachineError(
                f"the Erlang node did not start: {self._log.complaint}", "see `rst-or-fin doctor`"
            ) from error

    def status(self) -> int | None:
        """Return how it ended, from the shell around it; a kernel's guest does not report it."""
        deadline = time.monotonic() + _LAST_WORDS_TIMEOUT_S
        said = b""
        try:
            while (remaining := deadline - time.monotonic()) > 0:
                said += self._log.read(remaining)
                if found := _STATUS.search(said):
                    status = int(found.group(1))
                    return status if status <= 128 else 128 - status
        except MachineError:
            pass  # the whole container is gone
        return None

    def ports_waiting(self) -> int | None:
        """Return how many connections are in TIME_WAIT; None of a guest, whose kernel is not asked."""
        if self.guest is not None:
            return None
        text = self._container.output_of(
            ["cat", "/proc/net/sockstat"], "reading the node's socket statistics"
        )
        return counters.waiting(text.decode("ascii", "replace"))

    def system_calls(self, local: Endpoint, remote: Endpoint) -> tuple[SystemCall, ...] | None:
        """Read strace's file: it has a call's line before the call returns to the node."""
        if self._recording is None:
            return None
        text = self._container.output_of(
            ["tail", "-c", f"+{self._recorded_len + 1}", _STRACE_FILE], "reading what strace wrote"
        )
        self._recorded_len += len(text)
        self._recording.feed(text.decode("utf-8", "replace"))
        return self._recording.take(local, remote)


def _around(spec: TestbedSpec) -> list[str]:
    """Return what stands before `erl` on the command line."""
    return ["sh", "-c", _START_NODE, "sh", *(strace.command(_STRACE_FILE) if spec.strace else ())]


def _arguments(spec: TestbedSpec) -> list[str]:
    elixir = _ELIXIR if spec.hosts.language == ELIXIR else ""
    return [*erlang_command.arguments(DIST_PORT, "0.0.0.0", spec.backend, list(_code(spec).values()), elixir)]


def _code(spec: TestbedSpec) -> dict[str, str]:
    """Return the folders of the scenario's own modules, and where each is in the container."""
    return {folder: f"{_CODE_FOLDER}/{number}" for number, folder in enumerate(spec.hosts.node.code)}


def _mounts(spec: TestbedSpec) -> dict[str, str]:
    """Return those folders, and our scripts if the image is the user's."""
    ours = {str(data_files.path("erlang")): _NODE_FOLDER} if spec.hosts.node.image else {}
    return {**_code(spec), **ours}


def _rights(spec: TestbedSpec) -> dict[str, Any]:
    """Return what the container gets beyond its confinement: only for a kernel of its own."""
    if not spec.kernel:
        return {}
    from rst_or_fin.engine import kernel_images, kvm

    return kernel_images.host_config(kvm=kvm.works()[0])
