"""Captures of connections that are plain but for one thing, each drawn from a seed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

import msgspec
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.writing import header, records
from rst_or_fin.commands.bench_beside import _frame
from rst_or_fin.tcp.segment import Endpoint, Segment

_SPACE = 1 << 32
_ACK, _FIN, _SYN = 0x10, 0x01, 0x02
_HOSTS, _PORTS = 3, 4  # few, so that ends are used again


def capture(seed: int) -> bytes:
    """Return a capture of a dozen connections, most of them spoilt in one way."""
    rng = Random(seed)
    frames: list[tuple[int, bytes]] = []
    begin_ns = 1_700_000_000_000_000_000
    for _ in range(12):
        client, server = rng.choice((("10.0.0.{}", "10.0.1.1"), ("fd00::{}", "fd00::1:1")))
        segments = plain(rng, client.format(rng.randrange(_HOSTS)), server)
        if rng.random() < 0.6:
            segments = rng.choice(_SPOILT)(segments, rng)
        at_ns = begin_ns
        for number, segment in enumerate(segments):
            data = _frame(segment, number).data
            if rng.random() < 0.005:
                place = rng.randrange(14, len(data))
                data = data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
            at_ns += rng.choice((1_000, 1_000_000, 300_000_000))
            frames.append((at_ns, data))
            if rng.random() < 0.1:
                frames.append((at_ns + rng.choice((500, 70_000_000_000)), _no_segment(rng, data)))
        begin_ns += rng.choice((1_000, 100_000_000, 3_000_000_000, 90_000_000_000))
    frames.sort(key=lambda frame: frame[0])
    return header() + records(Frame(t_ns=at_ns, data=data) for at_ns, data in frames)


def plain(rng: Random, client: str, server: str) -> list[Segment]:
    """Draw a connection: data of both ends, in order, each byte acknowledged, a FIN of both."""
    ends = (Endpoint(client, 40_000 + rng.randrange(_PORTS)), Endpoint(server, 80))
    ends = ends if rng.random() < 0.95 else ends[::-1]
    isn = [rng.choice((1_000, _SPACE - 500, rng.randrange(_SPACE))) for _ in ends]
    sent, acked, closed = [1, 1], [1, 1], [False, False]
    found: list[Segment] = []

    def send(side: int, flags: int, length: int = 0, seq: int | None = None, ack: int | None = None) -> None:
        number = sent[side] if seq is None else seq
        found.append(
            Segment(
                t_ns=0,
                src=ends[side],
                dst=ends[1 - side],
                seq=(isn[side] + number) % _SPACE,
                ack=(isn[1 - side] + (acked[1 - side] if ack is None else ack)) % _SPACE
                if flags & _ACK
                else 0,
                flags=flags,
                window=65_535,
                payload_len=length,
            )
        )

    send(0, _SYN, seq=0)
    send(1, _SYN | _ACK, seq=0, ack=1)
    send(0, _ACK)
    while not all(closed) or acked != sent:
        side = rng.randrange(2)
        acked[1 - side] = rng.choice((sent[1 - side], acked[1 - side]))
        what = rng.random()
        if closed[side] or what < 0.4:
            send(side, _ACK)
        elif what < 0.8:
            length = rng.choice((1, 7, 100, 1_460))
            send(side, _ACK, length)
            sent[side] += length
        else:
            length = rng.choice((0, 0, 9))
            send(side, _ACK | _FIN, length)
            sent[side] += length + 1
            closed[side] = True
    for _ in range(rng.randrange(3)):
        send(rng.randrange(2), _ACK)
    return found


def _no_segment(rng: Random, near: bytes) -> bytes:
    """Draw a frame that is no segment, or one in a tunnel: what is `near` it in the capture."""
    port = rng.choice((53, 443, 443, 4_789))
    vxlan = b"\x08" + bytes(7) + near
    datagram = struct.pack("!4H", port, rng.choice((53, 5_353)), 8 + len(vxlan), 0) + vxlan
    if rng.random() < 0.5:
        fragment, protocol = rng.choice((0, 0, 0, 0x2000)), rng.choice((17, 17, 17, 1))
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, fragment, 64, protocol, 0)
        frame = b"\x02" * 12 + b"\x08\x00" + head + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + datagram
    else:
        head = struct.pack("!IHBB", 6 << 28, len(datagram), rng.choice((17, 17, 0)), 64)
        frame = (
            b"\x02" * 12 + b"\x86\xdd" + head + b"\xfd" + bytes(14) + b"\1\xfd" + bytes(14) + b"\2" + datagram
        )
    arp = b"\x02" * 12 + b"\x08\x06" + bytes(28)
    return rng.choice((frame, frame, frame, frame[: rng.randrange(14, 70)], arp))


# One thing each that a plain connection has not


def _dropped(of: list[Segment], rng: Random) -> list[Segment]:
    place = rng.randrange(len(of))
    return of[:place] + of[place + 1 :]


def _doubled(of: list[Segment], rng: Random) -> list[Segment]:
    place, later = rng.randrange(len(of)), rng.choice((1, 1, 3, len(of)))
    return [*of[: place + later], of[place], *of[place + later :]]


def _swapped(of: list[Segment], rng: Random) -> list[Segment]:
    place = rng.randrange(len(of) - 1)
    return [*of[:place], of[place + 1], of[place], *of[place + 2 :]]


def _cut(of: list[Segment], rng: Random) -> list[Segment]:
    place = rng.randrange(1, len(of))
    return of[:place] if rng.random() < 0.5 else of[place:]


def _bit(of: list[Segment], rng: Random) -> list[Segment]:
    place = rng.randrange(len(of))
    changed = msgspec.structs.replace(of[place], flags=of[place].flags ^ 1 << rng.randrange(6))
    return [*of[:place], changed, *of[place + 1 :]]


def _number(of: list[Segment], rng: Random) -> list[Segment]:
    place, by = rng.randrange(len(of)), rng.choice((1, -1, 100, -100, 1 << 20, -(1 << 20), 1 << 21, 1 << 31))
    name = rng.choice(("seq", "ack"))
    changed = msgspec.structs.replace(of[place], **{name: (getattr(of[place], name) + by) % _SPACE})
    return [*of[:place], changed, *of[place + 1 :]]


def _length(of: list[Segment], rng: Random) -> list[Segment]:
    place = rng.randrange(len(of))
    changed = msgspec.structs.replace(of[place], payload_len=rng.choice((0, 1, 50)))
    return [*of[:place], changed, *of[place + 1 :]]


def _twice(of: list[Segment], rng: Random) -> list[Segment]:
    return [*of, *of]


def _shifted(of: list[Segment], rng: Random) -> list[Segment]:
    """The connection, and then one of the same ends whose numbers are next to its own."""
    by = rng.choice((1, 1_000, 200_000))
    return [
        *of,
        *(msgspec.structs.replace(s, seq=(s.seq + by) % _SPACE, ack=(s.ack + by) % _SPACE) for s in of),
    ]


_SPOILT: tuple[Callable[[list[Segment], Random], list[Segment]], ...] = (
    _dropped,
    _doubled,
    _swapped,
    _cut,
    _bit,
    _number,
    _length,
    _twice,
    _shifted,
)
