"""Errors for the person at the terminal: one sentence, one hint, one exit code each."""

from __future__ import annotations

import errno
from typing import ClassVar

# The command's exit codes, as the README documents them.
EXIT_AS_EXPECTED = 0
EXIT_DIFFERS = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_ENVIRONMENT = 4
EXIT_INTERNAL = 70  # EX_SOFTWARE of sysexits(3): an error of this program itself


class RstOrFinError(Exception):
    """An error that the user can act on. `str()` says what is wrong, `hint` what to do about it."""

    exit_code: ClassVar[int] = EXIT_ENVIRONMENT

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class UsageError(RstOrFinError):
    """The input is wrong: an unknown scenario, malformed TOML, a session line that does not parse."""

    exit_code: ClassVar[int] = EXIT_USAGE


class UnparsableError(UsageError):
    """A node cannot parse a session; `line` is the session's own, from 1 (0: none of them)."""

    def __init__(self, line: int, why: str, hint: str = "") -> None:
        where = f"line {line} of the session does not parse" if line else "the session cannot be played"
        super().__init__(f"{where}: {why}", hint)
        self.line = line
        self.why = why


class InconclusiveError(RstOrFinError):
    """What was asked for depends on a verdict that cannot be relied on."""

    exit_code: ClassVar[int] = EXIT_INCONCLUSIVE


class MachineError(RstOrFinError):
    """This machine cannot run it as it is: no engine, no permission, no space, namespaces refused."""

    exit_code: ClassVar[int] = EXIT_ENVIRONMENT


class OldNameWarning(FutureWarning):
    """Something was called by a name that is accepted until 1.0; the text is a line for the user."""

    def __init__(self, old: str, new: str, where: str = "") -> None:
        begin = f"{where}: " if where else ""
        super().__init__(f"{begin}`{old}` is called `{new}` now; the old name is accepted until 1.0")


class LinkError(RstOrFinError):
    """The distribution link to the Erlang node failed: refused, wrong cookie, lost, or too slow."""


class LinkRefusedError(LinkError):
    """The node did not accept the handshake: a wrong cookie, or a protocol that it does not speak."""


class LinkLostError(LinkError):
    """The link broke after it was up: the node died, or the network between them did."""


class LinkTimeoutError(LinkError):
    """The node did not answer within the time that the caller allowed."""


# What a system call that fails so says of the machine, and what to do about it (errno(3)).
_OF_THE_MACHINE = {
    errno.EMFILE: (
        "this process is out of file descriptors",
        "raise the limit (`ulimit -n 4096`), or use fewer --jobs",
    ),
    errno.ENFILE: (
        "this machine is out of file descriptors",
        "end what holds them, or as root: sysctl fs.file-max=1000000",
    ),
    errno.ENETDOWN: (
        "an interface of the test network is down",
        "run it again, and leave its interfaces alone meanwhile",
    ),
    errno.ENOSPC: ("there is no space left to write to", "free some space, then run it again"),
    errno.EDQUOT: ("the quota of the disk is used up", "free some space, then run it again"),
    errno.ENOMEM: ("this machine is out of memory", "free some memory, then run it again"),
}


def is_disk_full(error: OSError) -> bool:
    """Return whether the disk is full, or the user's quota of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def of_machine(error: BaseException, doing: str = "") -> MachineError | None:
    """Return the error of this machine that a system call's error means; None if it means none.

    `doing` is what was being done, for the sentence's beginning.
    """
    number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # tempfile's own
        number = errno.ENOSPC
    if number not in _OF_THE_MACHINE:
        return None
    what, hint = _OF_THE_MACHINE[number]
    began = f"{doing} failed: " if doing else ""
    said = getattr(error, "strerror", "") or type(error).__name__
    return MachineError(f"{began}{what} ({said})", hint)
