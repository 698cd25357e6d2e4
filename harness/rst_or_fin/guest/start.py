"""Stands in for `erl` in a kernel image: the node that it starts runs on the image's own kernel.

`python3 -m guest.start ARGUMENTS` takes the arguments that a plain node's `erl` would get, its cookie from
$HOME/.erlang.cookie, and the sysctls that a testbed pins from this container. Every interface of the
container becomes one of the guest: the guest answers on the container's addresses.

It ends when its standard input does. What is written there until then are orders to the guest's /init, and
what that says of its node and its kernel is written to standard output (containers/kernel/root/init has
both), after a line that says on what QEMU runs it: `accelerator kvm` or `tcg`. It outlives its node, because
the guest's kernel must answer what still arrives, as a container's would.

Where /dev/kvm was given to the container it is used, and the kernel boots; else TCG restores its snapshot.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import bridge, clone_identity, qemu
from .monitor import Monitor

_FOLDER = Path("/opt/rst-or-fin/kernel")
_KVM = "/dev/kvm"
_UNPRIVILEGED = ("-run-with", "user=nobody")  # what QEMU becomes once it has its devices open
_BACKEND = "inet_backend"  # the argument before the one that may differ from what the snapshot was made with
# Both together end before the driver gives up on its link (testbed/docker.py: 30 s), so that it is
# this program that says what is wrong.
_RESTORE_LIMIT_S = 12.0
_IDENTIFY_LIMIT_S = 14.0


def main(arguments: Sequence[str]) -> int:
    """Run the guest until it or standard input ends; return the exit status."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    made_with = (_FOLDER / "arguments").read_text().splitlines()
    backend = backend_of(list(arguments), made_with)
    if backend is None:
        return _fail("the node in this image was started with other arguments: rebuild the image")
    interfaces = bridge.interfaces()
    if len(interfaces) > qemu.NICS:
        return _fail(f"the guest has {qemu.NICS} network cards, this container {len(interfaces)} networks")
    who = clone_identity.Identity(
        hostname=socket.gethostname(),
        seed=secrets.token_hex(64),
        cookie=(Path(os.environ["HOME"]) / ".erlang.cookie").read_text(),
        backend=backend,
        sysctls={name: clone_identity.path(name).read_text().strip() for name in clone_identity.SYSCTLS},
        interfaces=interfaces,
    )
    taps = [bridge.open_tap(number) for number in range(len(interfaces))]
    nics = [f"tap,id=net{number},fd={tap}" for number, tap in enumerate(taps)]
    nics += [qemu.unconnected(number) for number in range(len(nics), qemu.NICS)]
    if os.path.exists(_KVM):
        print("accelerator kvm", flush=True)
        return _Run(_booted(nics, taps), who).until_end()
    print("accelerator tcg", flush=True)
    try:
        guest = _restored(nics, taps)
    except (RuntimeError, TimeoutError) as error:
        return _fail(f"the snapshot could not be restored: {error}")
    run = _Run(guest, who)
    run.identify()
    return run.until_end()


def backend_of(arguments: list[str], made_with: list[str]) -> str | None:
    """Return gen_tcp's backend in `arguments`; None if they otherwise differ from `made_with`."""
    try:
        place = arguments.index(_BACKEND) + 1
        backend = arguments[place]
    except (ValueError, IndexError):
        return None
    same = [*arguments[:place], "inet", *arguments[place + 1 :]]
    return backend if same == made_with else None


def _booted(nics: Sequence[str], taps: Sequence[int]) -> qemu.Machine:
    loaded = qemu.boot(str(_FOLDER / "bzImage"), str(_FOLDER / "initrd"))
    arguments = [*qemu.accelerator("kvm"), *loaded, *_UNPRIVILEGED]
    return qemu.Machine(arguments, nics=nics, pass_fds=taps)


def _restored(nics: Sequence[str], taps: Sequence[int]) -> qemu.Machine:
    with subprocess.Popen(["zstd", "-dcq", _FOLDER / "state.zst"], stdout=subprocess.PIPE) as unpacking:
        assert unpacking.stdout is not None
        snapshot = unpacking.stdout.fileno()
        arguments = [*qemu.accelerator("tcg"), "-incoming", f"fd:{snapshot}", *_UNPRIVILEGED]
        guest = qemu.Machine(arguments, nics=nics, pass_fds=[*taps, snapshot])
        unpacking.stdout.close()
    Monitor(guest.monitor, _RESTORE_LIMIT_S).await_running()
    return guest


class _Run:
    """One guest from its start to its end."""

    def __init__(self, guest: qemu.Machine, who: clone_identity.Identity) -> None:
        self._guest = guest
        self._who = who
        self._said = b""
        self._console = b""
        self._connected = False

    def until_end(self) -> int:
        """Serve the guest until it or standard input ends; return the exit status."""
        stdin = sys.stdin.fileno()
        sources = [stdin, self._guest.console, self._guest.channel]
        limit_s = time.monotonic() + _IDENTIFY_LIMIT_S
        while True:
            left_s = None if self._connected else max(0.0, limit_s - time.monotonic())
            readable, _, _ = select.select(sources, [], [], left_s)
            if not readable:
                return self._died(f"the guest was not up within {_IDENTIFY_LIMIT_S:.0f} s")
            if stdin in readable:
                order = os.read(stdin, 4096)
                if not order:
                    return 0
                self._guest.channel.sendall(order)
            for line in readable:
                if isinstance(line, socket.socket) and not self._listen(line):
                    return self._died("the guest's kernel stopped")
            for answer in self._answers():
                match answer.split():
                    case ["ready"]:
                        self.identify()
                    case ["ran", "0"]:
                        self._connect()
                    case ["ran", _]:
                        return self._died("the guest refused its identity")
                    case _:
                        print(answer, flush=True)

    def identify(self) -> None:
        """Send the guest its identity; it must already run, or what it is sent is lost."""
        script = clone_identity.script(self._who, time.time_ns()).encode()
        self._guest.channel.sendall(b"run %d\n%b" % (len(script), script))

    def _connect(self) -> None:
        """Connect the guest to the container's networks.

        Until then this container's kernel refuses connections, and a controller tries again at once; what is
        sent to a guest that is not up would be retransmitted only after a second.
        """
        for number, interface in enumerate(self._who.interfaces):
            bridge.connect(interface.name, number)
        self._connected = True

    def _listen(self, line: socket.socket) -> bool:
        data = line.recv(65536)
        if line is self._guest.console:
            self._console = (self._console + data)[-4000:]
        else:
            self._said += data
        return bool(data)

    def _answers(self) -> list[str]:
        *lines, self._said = self._said.split(b"\n")
        return [line.decode("ascii", "replace") for line in lines]

    def _died(self, why: str) -> int:
        self._guest.end()
        said = self._console.decode("utf-8", "replace").strip()
        return _fail(f"{why}; the last words on its console:\n{said}" if said else why)


def _fail(why: str) -> int:
    print(f"rst-or-fin: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
