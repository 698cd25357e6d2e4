"""Drives a holder: starts one, hears from it within bounds, ends it with everything it holds."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import rst_or_fin
from rst_or_fin.errors import MachineError, of_machine
from rst_or_fin.netns import confinement, messages

_END_TIMEOUT_S = 5.0
_PACKAGES = str(Path(rst_or_fin.__file__).resolve().parent.parent)
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from rst_or_fin.netns.holder import main; sys.exit(main())"
)

_APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
_DOCKER = "or use --runtime docker"
_LET_MOUNT = "in a container: start it with --security-opt apparmor=unconfined too, so that it may mount"


class HolderProcess:
    """One holder. `close` ends it; so does this process's end."""

    def __init__(self, config: messages.HolderConfig) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, ExitStack() as undo:
            undo.callback(self._channel.close)
            messages.send_config(self._channel, config)
            self._process = _start(theirs.fileno())
            undo.pop_all()

    def wait_for(self, event: str, timeout_s: float) -> tuple[dict[str, Any], list[int]]:
        """Return the next message, which must be that event, with its file descriptors.

        Raises MachineError when another came, or none in time.
        """
        heard = self._hear(timeout_s)
        if heard is None:
            raise MachineError(
                f'the local runtime did not report "{event}" within {timeout_s:g} s',
                f"run it again on a less busy machine, {_DOCKER}",
            )
        message, fds = heard
        if message["event"] != event:
            for fd in fds:
                os.close(fd)
            raise error_from(message)
        return message, fds

    def news(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next message that is not waited for, such as a program's end; None for none in time."""
        heard = self._hear(timeout_s)
        return None if heard is None else heard[0]

    def complain(self, timeout_s: float) -> None:
        """Raise MachineError if the end of a program, or of the holder, is reported within that time."""
        message = self.news(timeout_s)
        if message is not None and message["event"] != "linked":
            raise error_from(message)

    def close(self) -> None:
        """End the holder and all that it holds; when this returns, every process of it is gone."""
        if self._channel.fileno() < 0:
            return
        try:
            self._channel.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + _END_TIMEOUT_S
            # Its last messages, then the end of file: the outer process has left, after all others.
            while (heard := self._hear(deadline - time.monotonic())) and heard[0]["event"] != "gone":
                for fd in heard[1]:
                    os.close(fd)
            if heard is None:
                self._process.kill()
        finally:
            self._channel.close()
            self._process.wait()

    def _hear(self, timeout_s: float) -> tuple[dict[str, Any], list[int]] | None:
        """Return the next message ("gone" at the end of file); None when there is none in time."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        if not poll.poll(max(0.0, timeout_s) * 1000):
            return None
        try:
            return messages.receive(self._channel) or ({"event": "gone"}, [])
        except ConnectionResetError:  # it left without having read all that it was told
            return {"event": "gone"}, []


def _start(channel: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, _PACKAGES],
            stdin=channel,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a terminal's Ctrl-C is for the driver, which then ends all in order
        )
    except OSError as error:
        raise of_machine(error) or MachineError(
            f"the local runtime cannot start a process: {error.strerror}",
            f"end some processes, or raise the limit (`ulimit -u`), {_DOCKER}",
        ) from error


def error_from(message: dict[str, Any]) -> MachineError:
    """Turn an unexpected holder message into an error with a hint."""
    if message["event"] == "ended":
        said = message["output"].splitlines()[-1:] or ["it said nothing"]
        if said[0].startswith(confinement.REFUSED):
            return MachineError(said[0], f"{_LET_MOUNT}, {_DOCKER}")
        return MachineError(
            f"the {message['who']} ended {_how(message['status'])}: {said[0]}",
            f"see `rst-or-fin doctor`, {_DOCKER}",
        )
    if message["event"] == "failed" and message["step"] == "namespaces":
        return MachineError(
            f"this machine refuses network namespaces ({message['error']})", _hint(message["errno"])
        )
    if message["event"] == "failed":
        doing = f"setting up {message['step']}"
        return of_machine(OSError(message["errno"], message["error"]), doing) or MachineError(
            f"{doing} failed: {message['error']}", f"see `rst-or-fin doctor`, {_DOCKER}"
        )
    return MachineError(
        f"the local runtime's holder is {message['event']}: it was ended from outside, or memory ran out",
        "run it again; see what it wrote above, if anything",
    )


def _how(status: int) -> str:
    """Say how a process ended: with status 2, by SIGKILL."""
    return f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"


def _hint(number: int) -> str:
    """Say what to do where namespaces are refused with this errno (unshare(2), user_namespaces(7))."""
    if number in (errno.ENOSPC, errno.EUSERS):
        limits = " ".join(f"user.max_{kind}_namespaces=10000" for kind in ("user", "net", "pid"))
        return f"as root: sysctl {limits}, {_DOCKER}"
    if number in (errno.EINVAL, errno.ENOSYS):
        return "a kernel with CONFIG_NET_NS, CONFIG_PID_NS and CONFIG_USER_NS, " + _DOCKER
    if _reads(_APPARMOR, "1"):
        return f"as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root, {_DOCKER}"
    if _reads("/proc/sys/kernel/unprivileged_userns_clone", "0"):
        return f"as root: sysctl kernel.unprivileged_userns_clone=1, or run as root, {_DOCKER}"
    return (
        "in a container: start it with --cap-add SYS_ADMIN --cap-add NET_ADMIN and "
        f"--security-opt seccomp=unconfined; elsewhere run as root, {_DOCKER}"
    )


def _reads(path: str, text: str) -> bool:
    try:
        return Path(path).read_text(encoding="ascii").strip() == text
    except OSError:
        return False
