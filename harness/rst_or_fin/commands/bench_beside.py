"""Runs the judge on a capture file beside other programs that tell connections apart: time and memory."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.writing import header, records
from rst_or_fin.report.pcapng import interface_block, packet_block, section_block
from rst_or_fin.tcp.segment import Segment

_STEP_NS = 100_000
_TCP, _HOPS = 6, 64
_ETHERNET = 1
_BATCH = 10_000  # frames written at a time
_OTHERS = (("tcptrace", ["tcptrace", "-q"]), ("tshark", ["tshark", "-q", "-z", "conv,tcp", "-r"]))
_JUDGE = ["-m", "rst_or_fin.cli", "judge"]


def bench_beside(segments: Iterator[Segment], count: int) -> None:
    """Write the segments to a file of each format, have every program read it, and print what each took."""
    print(f"\njudging a capture file of {count:,} packets, beside other programs (one process each)")
    with tempfile.TemporaryDirectory(prefix="rst-or-fin-bench-") as folder:
        for path in _written(Path(folder), segments):
            print(f"\n  as {path.suffix[1:]}")
            _measure("rst-or-fin", [sys.executable, *_JUDGE, str(path)], count)
            for name, command in _OTHERS:
                if shutil.which(name) is None:
                    print(f"  {name:<12} is not installed")
                else:
                    _measure(name, [*command, str(path)], count)


def _measure(name: str, command: Sequence[str], count: int) -> None:
    """Run a program and print its processor time and its largest memory."""
    done = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(done.pid, 0)
    done.returncode = 0  # it has been waited for
    seconds = usage.ru_utime + usage.ru_stime
    print(
        f"  {name:<12} {seconds:8.2f} s of CPU  {seconds / count * 1e6:6.1f} us per packet"
        f"  {usage.ru_maxrss / 1024:7.0f} MiB",
        flush=True,
    )


def _written(folder: Path, segments: Iterator[Segment]) -> list[Path]:
    """Write the segments as pcap and as pcapng."""
    frames = (_frame(segment, number) for number, segment in enumerate(segments))
    paths = [folder / "bench.pcap", folder / "bench.pcapng"]
    with paths[0].open("wb") as classic, paths[1].open("wb") as modern:
        classic.write(header())
        modern.write(section_block("a bench", "rst-or-fin") + interface_block(_ETHERNET, "eth0"))
        while batch := list(islice(frames, _BATCH)):
            classic.write(records(batch))
            modern.writelines(packet_block(0, frame.t_ns, frame.data, ()) for frame in batch)
    return paths


def _frame(segment: Segment, number: int) -> Frame:
    """Wrap the segment in IP and Ethernet, with correct checksums, one every 100 us."""
    source, target = ip_address(segment.src.address), ip_address(segment.dst.address)
    addresses = source.packed + target.packed
    tcp = struct.pack(
        "!HHIIBBHHH",
        *(segment.src.port, segment.dst.port, segment.seq, segment.ack),
        *(0x50, segment.flags, segment.window, 0, 0),
    ) + bytes(segment.payload_len)
    tcp = _filled(tcp, 16, addresses + struct.pack("!HH", _TCP, len(tcp)))
    if source.version == 4:
        ethertype = b"\x08\x00"
        ip = (
            struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), number & 0xFFFF, 0x4000, _HOPS, _TCP, 0)
            + addresses
        )
        ip = _filled(ip, 10, b"")
    else:
        ethertype = b"\x86\xdd"
        ip = struct.pack("!IHBB", 6 << 28, len(tcp), _TCP, _HOPS) + addresses
    data = b"\x02" * 6 + b"\x04" * 6 + ethertype + ip + tcp
    return Frame(t_ns=1_700_000_000_000_000_000 + number * _STEP_NS, data=data)


def _filled(data: bytes, at: int, pseudo: bytes) -> bytes:
    """Return the bytes with their Internet checksum filled in (RFC 1071)."""
    whole = pseudo + data + bytes(len(data) & 1)
    return data[:at] + struct.pack("!H", 0xFFFF - int.from_bytes(whole, "big") % 0xFFFF) + data[at + 2 :]
