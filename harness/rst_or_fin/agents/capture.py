"""Captures one interface: every frame once, in and out, with the kernel's timestamp.

As a library: `open_tap`, `drain`, `drops`. As a program, beside the tested host in its network namespace, it
speaks `frames` on stdin and stdout, and says what the kernel in there knows. A tap drained after close(2)
returned on this host always holds the segments of that close: the kernel queues a frame to the tap before it
hands it to the device (dev_queue_xmit_nit, Linux 6.12).
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence

from . import counters, frames, interfaces, socket_table

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY_LEN = socket.CMSG_SPACE(_TIMESPEC.size)
_MAX_FRAME_LEN = 65536 + 64
_RECEIVE_BUFFER_LEN = 32 << 20


def open_tap(interface: str) -> socket.socket:
    """Open a non-blocking AF_PACKET socket that already captures `interface`. Needs CAP_NET_RAW."""
    # Protocol 0 receives nothing: no frame of another interface slips in between socket() and bind().
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    try:
        _enlarge_buffer(tap)
        tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        tap.bind((interface, _ETH_P_ALL))
    except OSError:
        tap.close()
        raise
    return tap


def _enlarge_buffer(tap: socket.socket) -> None:
    try:  # past net.core.rmem_max, which takes CAP_NET_ADMIN in the first user namespace
        tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_LEN)
    except PermissionError:
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_LEN)


def drain(tap: socket.socket) -> list[tuple[int, bytes]]:
    """Return everything captured up to now, oldest first, as (nanoseconds since the epoch, frame)."""
    taken: list[tuple[int, bytes]] = []
    receive = tap.recvmsg
    while True:
        try:
            data, ancillary, _, _ = receive(_MAX_FRAME_LEN, _ANCILLARY_LEN)
        except BlockingIOError:
            return taken
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
        taken.append((seconds * 1_000_000_000 + nanoseconds, data))


def drops(tap: socket.socket) -> int:
    """Count the frames that the kernel dropped since the last call: reading resets the count (packet(7))."""
    _, dropped = struct.unpack("@II", tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    return int(dropped)


def serve(tap: socket.socket, commands: int, answers: int, *, joined: bool) -> None:
    """Answer the driver until end of file; read the tap into memory when it has something.

    `joined`: the interface is one end of a wire's cable and goes down with the wire, which reports that
    itself.
    """
    taken: list[tuple[int, bytes]] = []
    dropped = 0
    rest = b""
    poll = select.poll()
    poll.register(commands, select.POLLIN)
    poll.register(tap, select.POLLIN)
    with socket_table.open_table() as table:
        while True:
            asked = [fd for fd, _ in poll.poll() if fd == commands]
            said = os.read(commands, 4096) if asked else None
            if said == b"":
                return
            try:
                taken += drain(tap)
            except OSError as error:
                if not joined or error.errno != errno.ENETDOWN:
                    raise
            dropped += drops(tap)
            orders, rest = frames.orders(rest + (said or b""))
            for order in orders:
                if order == frames.COUNT:
                    _write_all(answers, frames.encode_counted(counters.read()))
                elif order == frames.DRAIN:
                    _write_all(answers, frames.encode_drained(taken, dropped, time.time_ns()))
                    taken = []
                else:
                    _write_all(answers, frames.encode_held(_holds(table, order)))


def _holds(table: socket.socket, order: bytes) -> bool:
    address, port, other, its_port = json.loads(order)
    return socket_table.holds(table, (address, port), (other, its_port))


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the capture with these arguments (default: the command line's); return the exit status."""
    parser = argparse.ArgumentParser(
        prog="capture",
        description="Capture the interface that carries an address.",
        allow_abbrev=False,
    )
    parser.add_argument("--address", required=True, help="an address of this host on the tested network")
    parser.add_argument(
        "--join", metavar="ADDRESS/LENGTH", help="wait for a wire first, and have that address on it"
    )
    parser.add_argument("--drop-to-uid", type=int, help="become this user once the capture is open")
    options = parser.parse_args(arguments)
    try:
        if options.join:
            from .joining import join

            join(options.join)
        interface = interfaces.interface_of(options.address)
        still_on = interfaces.switch_off_offloads(interface)
        tap = open_tap(interface)
        if options.drop_to_uid is not None:
            from .privileges import drop_to

            drop_to(options.drop_to_uid)
    except (OSError, LookupError) as error:
        _write_all(sys.stdout.fileno(), frames.encode_failed(f"the capture could not start: {error}"))
        return 1
    facts = {
        "interface": interface,
        "offloads": still_on,
        "receive_buffer_len": tap.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
    }
    with tap:
        _write_all(sys.stdout.fileno(), frames.encode_ready(facts))
        serve(tap, sys.stdin.fileno(), sys.stdout.fileno(), joined=options.join is not None)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
