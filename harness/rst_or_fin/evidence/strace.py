"""Reads what strace wrote of a node: the system calls of one socket, up to its close. Pure text.

Read from `strace -f -yy -ttt`: a line begins with the thread and the time, a descriptor is followed by what
it is, and a call during which another thread's was written is in two pieces (strace(1), "<unfinished ...>").

    17  1795439215.450488 close(18<TCP:[198.18.0.3:59454->198.18.0.4:80]>) = 0
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rst_or_fin.tcp.segment import Endpoint

# What a socket's life is made of; `poll` and the like tell nothing of it, and slow the node down.
TRACED = (
    *("connect", "accept", "accept4", "setsockopt", "shutdown", "close"),
    *("sendto", "sendmsg", "write", "writev", "recvfrom", "recvmsg", "read", "readv"),
)
_KEPT_LIVES = 64  # closed sockets remembered until they are asked for
_KEPT_CALLS = 500  # of one socket: the control link's never ends

_LINE = re.compile(r"(?P<thread>\d+)\s+(?P<s>\d+)\.(?P<us>\d{6}) (?P<text>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"
_ON_SOCKET = re.compile(r"(?P<call>\w+)\((?P<fd>\d+)<TCP(?:v6)?:")
_ACCEPTED = re.compile(r"accept4?\(.*\) = (?P<fd>\d+)<TCP(?:v6)?:")
_ANNOTATION = re.compile(r"(?<=\d)<TCP(?:v6)?:\[.*?\]>")
_CLOSING = re.compile(r"shutdown\(|close\(|setsockopt\(\d+, SOL_SOCKET, SO_LINGER,")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCall:
    """One call as strace shows it, pieces put together; `t_ns` is when it began, since the epoch (in us)."""

    t_ns: int
    thread: int
    text: str


@dataclass(slots=True)
class _Life:
    """The calls on one descriptor from when it was opened until it was closed."""

    calls: deque[SystemCall] = field(default_factory=lambda: deque(maxlen=_KEPT_CALLS))

    def is_of(self, local: Endpoint, remote: Endpoint) -> bool:
        """Return whether the descriptor was the socket between these two, judged by both addresses.

        Of a socket that was bound first, strace shows only its own address ever after; then the address that
        it connected to decides.
        """
        version = "v6" if ":" in local.address else ""
        texts = [call.text for call in self.calls]
        if any(f"<TCP{version}:[{local}->{remote}]>" in text for text in texts):
            return True
        bound = any(re.search(rf"<TCP{version}:\[[^>]*:{local.port}\]>", text) for text in texts)
        towards = (f"htons({remote.port})", f'"{remote.address}"')
        return bound and any(
            text.startswith("connect(") and all(part in text for part in towards) for text in texts
        )


class Recording:
    """strace's text as it grows, sorted into the lives of sockets."""

    def __init__(self) -> None:
        self._rest = ""
        self._unfinished: dict[int, tuple[int, str]] = {}
        self._open: dict[int, _Life] = {}
        self._closed: deque[_Life] = deque(maxlen=_KEPT_LIVES)

    def feed(self, text: str) -> None:
        """Take in more of strace's output, whole lines or not."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            found = _LINE.fullmatch(line)
            if found is not None:
                at_ns = int(found["s"]) * 1_000_000_000 + int(found["us"]) * 1000
                self._piece(int(found["thread"]), at_ns, found["text"])

    def take(self, local: Endpoint, remote: Endpoint) -> tuple[SystemCall, ...]:
        """Return the calls so far of the socket between these two; those of a closed one only once."""
        for life in self._closed:
            if life.is_of(local, remote):
                self._closed.remove(life)
                return tuple(life.calls)
        return next((tuple(life.calls) for life in self._open.values() if life.is_of(local, remote)), ())

    def _piece(self, thread: int, t_ns: int, text: str) -> None:
        if text.endswith(_UNFINISHED):
            self._unfinished[thread] = (t_ns, text.removesuffix(_UNFINISHED))
            return
        resumed = _RESUMED.fullmatch(text)
        if resumed is not None:
            if thread not in self._unfinished:
                return
            t_ns, begun = self._unfinished.pop(thread)
            text = begun + resumed["rest"]
        self._whole(SystemCall(t_ns=t_ns, thread=thread, text=text))

    def _whole(self, call: SystemCall) -> None:
        found = _ACCEPTED.match(call.text) or _ON_SOCKET.match(call.text)
        if found is None:
            return
        fd = int(found["fd"])
        if found.re is _ACCEPTED:
            self._open.pop(fd, None)
        self._open.setdefault(fd, _Life()).calls.append(call)
        if call.text.startswith("close("):
            self._closed.append(self._open.pop(fd))


def plain(call: SystemCall) -> str:
    """Return the call without strace's annotations of descriptors: `close(18) = 0`."""
    return " ".join(_ANNOTATION.sub("", call.text).split())


def closing(calls: Sequence[SystemCall] | None) -> str:
    """Say in one line how the process ended the socket: `close(18) = 0`."""
    if calls is None:
        return "not recorded"
    said = [text for text in map(plain, calls) if _CLOSING.match(text)]
    return ", then ".join(said) or "none: the kernel closed the socket with its process"


def command(output: str) -> list[str]:
    """Return the command to put before the program to trace; strace appends to the file `output`.

    strace is the parent of what it traces, which needs no capability (ptrace(2), "Ptrace access mode
    checking"), and stops it for no other calls than these (--seccomp-bpf).
    """
    return ["strace", "-f", "-yy", "-ttt", "--seccomp-bpf", "-e", f"trace={','.join(TRACED)}", "-o", output]
