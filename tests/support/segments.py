"""Connections and captures from tcpdump-like notation, so that a test reads as a fact.

    > S 0:0(0)
    < S. 0:0(0) ack 1
    > R. 19:19(0) ack 486

`>` leaves A, `<` leaves B; numbers are relative to the initial sequence number of the end they count for, as
tcpdump and `Connection.notation` print them. `win`, `ttl` and `id` (of IPv4) may follow, and `bad` for a
wrong checksum. `#` opens a comment.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from ipaddress import ip_address

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.evidence import pcap
from rst_or_fin.tcp import connection as trace
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.segment import Checksum, Endpoint, Segment

A = Endpoint("10.0.0.2", 40000)
B = Endpoint("10.0.0.3", 80)
A6 = Endpoint("fd00::2", 40000)
B6 = Endpoint("fd00::3", 80)

HANDSHAKE = """
> S 0:0(0)
< S. 0:0(0) ack 1
> . 1:1(0) ack 1
"""
EXCHANGE = (
    HANDSHAKE
    + """
> P. 1:19(18) ack 1
< . 1:1(0) ack 19
< P. 1:179(178) ack 19
> . 19:19(0) ack 179
< P. 179:486(307) ack 19
> . 19:19(0) ack 486
"""
)

_SPACE = 1 << 32
_START_NS = 1_700_000_000_000_000_000
_STEP_NS = 1_000_000
_BITS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, ".": 0x10, "U": 0x20, "E": 0x40, "W": 0x80}
_LINE = re.compile(
    r"(?P<way>[<>]) (?P<flags>none|[FSRPUEW]*\.?) (?P<first>-?\d+):(?P<last>-?\d+)\((?P<len>\d+)\)"
    r"(?: ack (?P<ack>-?\d+))?(?: win (?P<win>\d+))?(?: ttl (?P<ttl>\d+))?(?: id (?P<id>\d+))?(?P<bad> bad)?"
)


def segments(
    text: str,
    *,
    a: Endpoint = A,
    b: Endpoint = B,
    a_isn: int = 1_000,
    b_isn: int = 9_000,
    start_ns: int = _START_NS,
) -> list[Segment]:
    """The segments that `text` notes down, a millisecond apart. Raises ValueError on a line that is none.

    A refusal's own number is absolute (`< R. 0:0(0) ack 1`): it is 0, as long as its end has sent nothing
    else.
    """
    lines = [line for line in (raw.partition("#")[0].strip() for raw in text.splitlines()) if line]
    found = []
    for number, line in enumerate(lines):
        note = _LINE.fullmatch(line)
        if note is None or int(note["last"]) - int(note["first"]) != int(note["len"]):
            raise ValueError(f"no segment: {line!r}")
        if (note["ack"] is not None) != note["flags"].endswith("."):
            raise ValueError(f"`.` and `ack` go together: {line!r}")
        from_a = note["way"] == ">"
        own_isn, other_isn = (a_isn, b_isn) if from_a else (b_isn, a_isn)
        if (
            note["flags"] == "R."
            and note["first"] == "0"
            and not any(line[0] == note["way"] for line in lines[:number])
        ):
            own_isn = 0
        found.append(
            Segment(
                t_ns=start_ns + number * _STEP_NS,
                src=a if from_a else b,
                dst=b if from_a else a,
                seq=(own_isn + int(note["first"])) % _SPACE,
                ack=(other_isn + int(note["ack"])) % _SPACE if note["ack"] else 0,
                flags=0 if note["flags"] == "none" else sum(_BITS[letter] for letter in note["flags"]),
                window=int(note["win"] or 502),
                payload_len=int(note["len"]),
                payload=b"x" * int(note["len"]),
                ttl=int(note["ttl"] or 64),
                ip_id=None if ":" in a.address else int(note["id"] or 0),
                checksum=Checksum.BAD if note["bad"] else Checksum.GOOD,
            )
        )
    return found


def connection(
    text: str, *, a: Endpoint = A, b: Endpoint = B, a_isn: int = 1_000, b_isn: int = 9_000
) -> Connection:
    return trace.connection(segments(text, a=a, b=b, a_isn=a_isn, b_isn=b_isn))


def notes(of: Connection) -> list[str]:
    """The connection in the notation above, as `Connection.notation` prints it; `>` leaves the client."""
    return [f"{'>' if s.src == of.client else '<'} {of.notation(s)}" for s in of.segments]


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def frame(segment: Segment) -> Frame:
    """The segment in an Ethernet frame over IPv4 or IPv6; its checksums are right, whatever it says."""
    source, destination = ip_address(segment.src.address), ip_address(segment.dst.address)
    tcp = struct.pack(
        "!HHIIBBHHH",
        segment.src.port,
        segment.dst.port,
        segment.seq,
        segment.ack,
        (20 + len(segment.options)) // 4 << 4,
        segment.flags,
        segment.window,
        0,
        0,
    )
    tcp += segment.options + segment.payload
    pseudo = source.packed + destination.packed + struct.pack("!II", len(tcp), 6)
    right = _checksum(pseudo + tcp)
    tcp = tcp[:16] + struct.pack("!H", right ^ (segment.checksum is Checksum.BAD)) + tcp[18:]
    ttl = 64 if segment.ttl is None else segment.ttl
    if source.version == 4:
        fixed = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(tcp), segment.ip_id or 0, 0x4000, ttl, 6)
        addresses = source.packed + destination.packed
        ip = fixed + struct.pack("!H", _checksum(fixed + b"\0\0" + addresses)) + addresses
    else:
        ip = struct.pack("!IHBB", 6 << 28, len(tcp), 6, ttl) + source.packed + destination.packed
    ethertype = b"\x08\x00" if source.version == 4 else b"\x86\xdd"
    return Frame(t_ns=segment.t_ns, data=b"\x02" * 6 + b"\x04" * 6 + ethertype + ip + tcp)


def capture(of: Iterable[Segment]) -> bytes:
    return pcap.header() + pcap.records(map(frame, of))


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
