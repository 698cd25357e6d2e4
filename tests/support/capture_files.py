"""Capture files as other programs write them, byte by byte: every format, byte order and resolution."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import sys
from collections.abc import Callable, Iterator, Sequence

from rst_or_fin.capture_file.frame import Frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ETHERNET = 1


def classic(
    frames: Sequence[Frame],
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    link_type: int = ETHERNET,
    version: tuple[int, int] = (2, 4),
    snap_len: int = 262_144,
) -> bytes:
    """Write a classic pcap file; the magic number says how."""
    unit_ns = 1 if magic == 0xA1B23C4D else 1000
    more = struct.pack(order + "IHBB", 3, 0x0800, 0, 0) if magic == 0xA1B2CD34 else b""
    written = [struct.pack(order + "IHHiIII", magic, *version, 0, 0, snap_len, link_type)]
    for frame in frames:
        seconds, rest_ns = divmod(frame.t_ns, 1_000_000_000)
        data = frame.data[:snap_len]
        written.append(
            struct.pack(order + "IIII", seconds, rest_ns // unit_ns, len(data), len(frame.data)) + more + data
        )
    return b"".join(written)


# pcapng, block by block


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def options(order: str, *pairs: tuple[int, bytes]) -> bytes:
    written = [
        struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in pairs
    ]
    return b"".join(written) + bytes(4) if pairs else b""


def section(order: str = "<", *pairs: tuple[int, bytes], version: tuple[int, int] = (1, 0)) -> bytes:
    body = struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1)
    return block(order, 0x0A0D0D0A, body + options(order, *pairs))


def interface(
    order: str = "<", *pairs: tuple[int, bytes], link_type: int = ETHERNET, snap_len: int = 0
) -> bytes:
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, snap_len) + options(order, *pairs))


def enhanced(
    frame: Frame,
    order: str = "<",
    *pairs: tuple[int, bytes],
    ticks: int | None = None,
    number: int = 0,
    snap_len: int = 262_144,
) -> bytes:
    """Write an enhanced packet block, its time in microseconds where no `ticks` are given."""
    ticks = frame.t_ns // 1000 if ticks is None else ticks
    data = frame.data[:snap_len]
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(frame.data))
    return block(order, 6, head + data + bytes(-len(data) % 4) + options(order, *pairs))


def obsolete(frame: Frame, order: str = "<", *, number: int = 0, dropped: int = 0xFFFF) -> bytes:
    ticks = frame.t_ns // 1000
    lengths = (len(frame.data), len(frame.data))
    head = struct.pack(order + "HHIIII", number, dropped, ticks >> 32, ticks & 0xFFFFFFFF, *lengths)
    return block(order, 2, head + frame.data)


def simple(frame: Frame, order: str = "<", *, snap_len: int = 262_144) -> bytes:
    return block(order, 3, struct.pack(order + "I", len(frame.data)) + frame.data[:snap_len])


def statistics(order: str = "<", *pairs: tuple[int, bytes], number: int = 0) -> bytes:
    return block(order, 5, struct.pack(order + "III", number, 0, 0) + options(order, *pairs))


def u64(value: int, order: str = "<") -> bytes:
    return struct.pack(order + "Q", value)


def pcapng(frames: Sequence[Frame], *, order: str = "<", link_type: int = ETHERNET) -> bytes:
    packets = [enhanced(frame, order) for frame in frames]
    return section(order) + interface(order, link_type=link_type) + b"".join(packets)


FORMATS: dict[str, Callable[[Sequence[Frame]], bytes]] = {
    "pcap, little-endian": classic,
    "pcap, big-endian": lambda frames: classic(frames, order=">"),
    "pcap, nanoseconds": lambda frames: classic(frames, magic=0xA1B23C4D),
    "pcap, nanoseconds, big-endian": lambda frames: classic(frames, magic=0xA1B23C4D, order=">"),
    "pcap, Kuznetzov": lambda frames: classic(frames, magic=0xA1B2CD34),
    "pcap, Kuznetzov, big-endian": lambda frames: classic(frames, magic=0xA1B2CD34, order=">"),
    "pcap, with a frame check sequence's length": lambda frames: classic(frames, link_type=0x0400_0001),
    "pcapng, little-endian": pcapng,
    "pcapng, big-endian": lambda frames: pcapng(frames, order=">"),
    "pcapng, obsolete packets": lambda frames: section() + interface() + b"".join(map(obsolete, frames)),
    "pcapng, a section each": lambda frames: b"".join(
        section(order) + interface(order) + enhanced(frame, order)
        for order, frame in zip("<>" * len(frames), frames, strict=False)
    ),
}


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}


def in_chunks(data: bytes, size: int = 262_144) -> Iterator[bytes]:
    """Hand the bytes over as a file or a pipe does."""
    return (data[at : at + size] for at in range(0, len(data), size))
