"""tshark as an oracle: what it says of a capture, read by nothing of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.needs import skip_or_fail

_FIELDS = (
    "tcp.stream",
    "tcp.flags",
    "tcp.seq",
    "tcp.ack",
    "tcp.len",
    "tcp.checksum.status",
    "ip.checksum.status",
    "_ws.malformed",
)
_GOOD = "1"  # a checksum's status, as packet-tcp.c has it
_ACK = 0x10


class Seen(NamedTuple):
    """One TCP segment as tshark reads it; `seq` and `ack` are relative, `ack` is 0 where there is none."""

    stream: int
    flags: int
    seq: int
    ack: int
    payload_len: int


class Reading(NamedTuple):
    """A whole capture: its TCP segments, and the numbers of frames that are damaged in some way."""

    segments: list[Seen]
    bad_checksums: list[int]
    malformed: list[int]


def tshark() -> str:
    """The program; where there is none the test skips with the reason, and fails where CI is set."""
    return shutil.which("tshark") or skip_or_fail(
        "no tshark to check the captures with (Debian: apt-get install tshark)"
    )


def read(capture: Path, settings: Path, *more: str) -> Reading:
    """What tshark says of a capture, given `more` arguments.

    `settings` is a folder without anybody's own preferences.
    """
    preferences = (
        "tcp.check_checksum:TRUE",
        "ip.check_checksum:TRUE",
        "tcp.relative_sequence_numbers:TRUE",
        "tcp.desegment_tcp_streams:FALSE",
    )
    done = subprocess.run(
        [
            tshark(),
            *("-n", "-r", str(capture), "-Y", "tcp && !icmp && !icmpv6", "-T", "fields"),
            *("-E", "occurrence=l"),  # of a tunnel's headers the innermost
            *more,
            *(word for preference in preferences for word in ("-o", preference)),
            *(word for field in ("frame.number", *_FIELDS) for word in ("-e", field)),
        ],
        env={**os.environ, "WIRESHARK_CONFIG_DIR": str(settings), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reading = Reading([], [], [])
    for line in done.stdout.splitlines():
        number, stream, flags, seq, ack, payload_len, tcp_status, ip_status, malformed = line.split("\t")
        bits = int(flags, 16) & 0xFF
        reading.segments.append(
            Seen(int(stream), bits, int(seq), int(ack) if bits & _ACK else 0, int(payload_len))
        )
        if tcp_status != _GOOD or ip_status not in ("", _GOOD):  # IPv6 has none of its own
            reading.bad_checksums.append(int(number))
        if malformed:
            reading.malformed.append(int(number))
    return reading
