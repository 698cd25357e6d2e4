"""The soak's own judge: which endings a host's own segments leave possible."""

from __future__ import annotations

from pathlib import Path

import pytest
from rst_or_fin.evidence import pcap

from tests.soak.oracle import Side, endings, side
from tests.support.segments import EXCHANGE, A, frame, segments


def at_a(text: str, folder: Path, before: str = "") -> Side:
    path = folder / "capture.pcap"
    path.write_bytes(pcap.header() + pcap.records([frame(s) for s in segments(before + EXCHANGE + text)]))
    return side(path, A.address, (40000, 80))


FIN = "> F. 19:19(0) ack 486\n"
CLOSED = FIN + "< F. 486:486(0) ack 20\n> . 20:20(0) ack 487\n"


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("", {"none"}),
        (FIN, {"FIN"}),
        ("> R. 19:19(0) ack 486", {"RST"}),
        (FIN + "< P. 486:500(14) ack 20\n> R 20:20(0)", {"FIN then RST"}),
        (CLOSED + "> R 20:20(0)", {"FIN", "FIN then RST"}),
        ("< R 486:486(0)\n> R 19:19(0)", {"none", "RST"}),
    ],
)
def test_endings_that_are_possible(text: str, possible: set[str], tmp_path: Path) -> None:
    assert endings(at_a(text, tmp_path)) == possible


def test_a_rst_before_the_syn_that_opened_the_connection_is_an_older_ones(tmp_path: Path) -> None:
    half_open = "> S 0:0(0)\n< . 700:700(0) ack 500\n> R 500:500(0)\n"
    assert endings(at_a(FIN, tmp_path, before=half_open)) == {"FIN"}
