"""Reads and writes a container's standard streams over one socket of the engine's API, with bounds.

The engine multiplexes stdout and stderr into one stream (Docker Engine API, "Attach to a container"): each
chunk has a header of eight bytes, the stream's number first and the chunk's length (big-endian) last.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import TYPE_CHECKING

from rst_or_fin.errors import MachineError

if TYPE_CHECKING:
    import docker

_HEADER = struct.Struct(">BxxxI")
_STDERR = 2
_KEPT_STDERR = 4000


class ContainerStdio:
    """The streams of one container, attached before it starts so that its first byte is not missed."""

    def __init__(self, client: docker.DockerClient, container_id: str, name: str) -> None:
        self._client = client
        self._id = container_id
        self._name = name
        stream = client.api.attach_socket(
            container_id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        )
        # Closing the response, which the SDK keeps there, closes its stream and the connection. If
        # the stream is closed first, Python 3.13 reports an ignored exception in the response.
        self._response = getattr(stream, "_response", stream)
        self._socket: socket.socket = getattr(stream, "_sock", stream)
        self._socket.setblocking(False)
        self._buffer = b""
        self._stderr = b""
        self._ended = False

    def fileno(self) -> int:
        """Return the socket's file descriptor."""
        return self._socket.fileno()

    @property
    def complaint(self) -> str:
        """The end of what the program wrote to stderr."""
        return self._stderr.decode("utf-8", "replace").strip()

    def write(self, data: bytes, timeout_s: float) -> None:
        """Write `data` to the program's stdin. Raises MachineError if it is gone."""
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(data)
            self._socket.setblocking(False)
        except OSError as error:
            raise self._gone() from error

    def read(self, timeout_s: float) -> bytes:
        """Return what the program wrote to stdout since the last read; wait up to `timeout_s`.

        Empty if nothing came. Raises MachineError if the program has ended.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            out = self._demultiplex()
            if out:
                return out
            if self._ended:
                raise self._gone()
            remaining = deadline - time.monotonic()
            if not select.select([self._socket], [], [], max(0.0, remaining))[0]:
                return b""
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone() from error
            self._ended = not data
            self._buffer += data

    def close(self) -> None:
        """Close the streams."""
        self._response.close()
        self._socket.close()

    def _demultiplex(self) -> bytes:
        out = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            number, length = _HEADER.unpack_from(self._buffer, start)
            end = start + _HEADER.size + length
            if end > len(self._buffer):
                break
            chunk = self._buffer[start + _HEADER.size : end]
            if number == _STDERR:
                self._stderr = (self._stderr + chunk)[-_KEPT_STDERR:]
            else:
                out.append(chunk)
            start = end
        self._buffer = self._buffer[start:]
        return b"".join(out)

    def _gone(self) -> MachineError:
        last = self.complaint.splitlines()[-1:] or ["it said nothing"]
        return MachineError(
            f"the {self._name} container ended in the middle of the run{self._how()}: {last[0]}",
            "run it again; if it fails again, see `rst-or-fin doctor`",
        )

    def _how(self) -> str:
        """Say how the container ended, as far as the engine knows yet."""
        from docker.errors import DockerException

        try:
            state = self._client.api.inspect_container(self._id)["State"]
        except (DockerException, OSError):  # it is gone, or so is the engine
            return ""
        if state.get("OOMKilled"):
            return ", for lack of memory"
        return "" if state["Running"] else f", with status {state['ExitCode']}"
