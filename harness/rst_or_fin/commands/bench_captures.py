"""Measures judging as captures grow: segments of several shapes, from 10,000 to a million."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rst_or_fin.commands.bench_beside import bench_beside
from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.tcp import tracker
from rst_or_fin.tcp.segment import Endpoint, Flags, Segment
from rst_or_fin.verdict.judge import judge

_LIFELIKE = "connections of ten segments"
_SIZES = (10_000, 100_000, 1_000_000)
_A, _B = Endpoint("198.18.0.3", 40_000), Endpoint("198.18.0.4", 80)
_PAYLOAD_LEN = 100
_ISN = 1_000
_ISN_STEP = (
    250_000 * 7_919
)  # a connection that takes up the ports of an earlier one has other numbers (RFC 6528)
_WINDOW = 65_535
_SYN, _SYN_ACK, _ACK = int(Flags.SYN), int(Flags.SYN | Flags.ACK), int(Flags.ACK)
_RST, _FIN_ACK = int(Flags.RST), int(Flags.FIN | Flags.ACK)


def bench_captures() -> None:
    """Time every shape at every size, and print seconds and microseconds per segment."""
    # First: a child's peak of memory is never less than what its parent had when it began (getrusage(2)).
    bench_beside(SHAPES[_LIFELIKE](_SIZES[-1]), _SIZES[-1])
    whole = CaptureFacts(dropped=0, fenced=True)
    print("\njudging a capture (segments to verdicts, one core)")
    for name, shape in SHAPES.items():
        print(f"\n  {name}")
        for size in _SIZES:
            segments = list(shape(size))
            started = time.monotonic()
            for connection in tracker.connections(segments):
                judge(connection, capture=whole)
            seconds = time.monotonic() - started
            print(
                f"  {size:>9,} segments  {seconds:7.2f} s  {seconds / size * 1e6:5.1f} us per segment",
                flush=True,
            )


def _segment(
    src: Endpoint, seq: int, ack: int, flags: int, payload_len: int = 0, port: int = 0, isn: int = 0
) -> Segment:
    client = _A._replace(port=port) if port else _A
    return Segment(
        t_ns=0,
        src=client if src is _A else _B,
        dst=_B if src is _A else client,
        seq=(seq + isn) % (1 << 32),
        ack=(ack + isn) % (1 << 32) if flags & _ACK else 0,
        flags=flags,
        window=_WINDOW,
        payload_len=payload_len,
    )


def _handshake(port: int = 0, isn: int = 0) -> Iterator[Segment]:
    yield _segment(_A, _ISN, 0, _SYN, port=port, isn=isn)
    yield _segment(_B, _ISN, _ISN + 1, _SYN_ACK, port=port, isn=isn)
    yield _segment(_A, _ISN + 1, _ISN + 1, _ACK, port=port, isn=isn)


def _download(size: int) -> Iterator[Segment]:
    yield from _handshake()
    for number in range(size):
        yield _segment(_B, _ISN + 1 + number * _PAYLOAD_LEN, _ISN + 1, _ACK, _PAYLOAD_LEN)


def _first_missing(size: int) -> Iterator[Segment]:
    yield from _handshake()
    for number in range(1, size):
        yield _segment(_B, _ISN + 1 + number * _PAYLOAD_LEN, _ISN + 1, _ACK, _PAYLOAD_LEN)


def _backwards(size: int) -> Iterator[Segment]:
    yield from _handshake()
    for number in range(size, 0, -1):
        yield _segment(_B, _ISN + 1 + number * _PAYLOAD_LEN, _ISN + 1, _ACK, _PAYLOAD_LEN)


def _resets(size: int) -> Iterator[Segment]:
    yield from _handshake()
    for number in range(size):
        flags = (_RST, _FIN_ACK, _SYN, _RST)[number % 4]
        yield _segment((_A, _B)[number % 2], _ISN + 2 + number % 1000, _ISN + 1, flags)


def _many(size: int) -> Iterator[Segment]:
    for number in range(size // 10):
        port, isn = 1 + number % 60_000, number * _ISN_STEP
        yield from _handshake(port, isn)
        yield _segment(_A, _ISN + 1, _ISN + 1, _ACK, 18, port, isn)
        yield _segment(_B, _ISN + 1, _ISN + 19, _ACK, _PAYLOAD_LEN, port, isn)
        yield _segment(_A, _ISN + 19, _ISN + 101, _ACK, 0, port, isn)
        yield _segment(_A, _ISN + 19, _ISN + 101, _FIN_ACK, 0, port, isn)
        yield _segment(_B, _ISN + 101, _ISN + 20, _FIN_ACK, 0, port, isn)
        yield _segment(_A, _ISN + 20, _ISN + 102, _ACK, 0, port, isn)
        yield _segment(_B, _ISN + 102, _ISN + 20, _ACK, 0, port, isn)


SHAPES: dict[str, Callable[[int], Iterator[Segment]]] = {
    "one connection, in order": _download,
    "one connection, its first segment missing": _first_missing,
    "one connection, backwards": _backwards,
    "one connection, RST, FIN and SYN in turn": _resets,
    _LIFELIKE: _many,
}
