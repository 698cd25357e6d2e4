"""Captures from the field, and what is read from each: its segments, doubts, checksums and TTLs.

They are made of synthetic packets or on a real kernel; each is one that a reader got wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from rst_or_fin.capture_file.opening import open_captures
from rst_or_fin.tcp.connection import flag_letters
from rst_or_fin.tcp.segment import Checksum

CAPTURES = Path(__file__).parents[2] / "data" / "captures"
ABORT = "S S. . P. . R."
DATA_AFTER_CLOSE = "S S. . P. . P. . F. . P. R"
NOT_FILLED_IN = {Checksum.UNVERIFIED}  # the packets' makers left the field at 0
ON_THE_SENDER = {Checksum.PARTIAL}
BARE_RST_TOO = {Checksum.PARTIAL, Checksum.GOOD}  # Linux sums up a RST without a socket itself


class Facts(NamedTuple):
    flags: str
    checksums: set[Checksum] = NOT_FILLED_IN
    ttls: tuple[int, ...] = (64,)
    doubts: tuple[str, ...] = ()


FACTS = {
    "fin-wait-2-expired.pcap": Facts("S S. . F. . P. . F. R", BARE_RST_TOO),
    "in-gre.pcap": Facts(ABORT),
    "in-mpls.pcap": Facts(ABORT),
    "in-pppoe.pcap": Facts(ABORT),
    "in-qinq9100.pcap": Facts(ABORT),
    "in-sllvlan.pcap": Facts(ABORT),
    "in-vxlan.pcap": Facts(ABORT),
    "injected-rst.pcap": Facts("S S. . P. R. . P. R", ttls=(64, 250)),
    "ipv6-atomic-fragment.pcap": Facts(ABORT),
    "late-duplicate-syn-ack.pcap": Facts("S S. . P. . F. . F. . S."),
    "link-type-with-fcs.pcap": Facts(ABORT),
    "lone-rst.pcap": Facts("R"),
    "midstream-server-first.pcap": Facts("P. . F. F. ."),
    "one-byte-too-many.pcap": Facts(ABORT, doubts=("1 byte after the last whole record, at byte 544",)),
    "open-at-the-end.pcap": Facts("S S. . P. . P. .", ON_THE_SENDER),
    "plain.pcap.gz": Facts(DATA_AFTER_CLOSE, BARE_RST_TOO),
    "plain.pcapng": Facts(DATA_AFTER_CLOSE, BARE_RST_TOO),
    "refused-then-same-isn.pcap": Facts("S R. S S. . P. P. F. F. ."),
    "rst-out-of-window.pcap": Facts("S S. . P. P. . R P. . F. F. ."),
    "rst-that-acks-no-syn.pcap": Facts("S R."),
    "shutdown-then-zero-linger.pcap": Facts("S S. . F. . P. . R.", ON_THE_SENDER),
    "syn-ack-before-syn.pcap": Facts("S. S . P. . R."),
}


def test_every_capture_is_in_the_table() -> None:
    assert {path.name for path in CAPTURES.iterdir()} == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_a_capture_is_read_as_it_is(name: str) -> None:
    reading = open_captures([CAPTURES / name])
    found = list(reading)
    assert FACTS[name] == Facts(
        flags=" ".join(map(flag_letters, found)),
        checksums={segment.checksum for segment in found},
        ttls=tuple(sorted({segment.ttl or 0 for segment in found})),
        doubts=reading.doubts,
    )


@pytest.mark.parametrize("name", FACTS)
def test_nothing_else_is_in_it(name: str) -> None:
    reading = open_captures([CAPTURES / name])
    assert (len(list(reading)), sum(reading.passed_over.values())) == (reading.frames, 0)
