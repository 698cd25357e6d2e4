"""TCP's words print and compare as the rest of the program relies on."""

from __future__ import annotations

import pytest
from rst_or_fin.tcp.ending import Ending, Role, Validity
from rst_or_fin.tcp.segment import Endpoint, Flags

from tests.support.segments import connection


def test_an_ipv4_endpoint_prints_as_address_and_port() -> None:
    assert str(Endpoint("10.0.0.2", 80)) == "10.0.0.2:80"


def test_an_ipv6_endpoint_prints_its_address_in_brackets() -> None:
    assert str(Endpoint("fd00::2", 80)) == "[fd00::2]:80"


def test_the_other_end_of_the_other_end_is_oneself() -> None:
    assert [role.other.other for role in Role] == list(Role)


@pytest.mark.parametrize(
    ("notation", "flags", "words"),
    [
        ("> S 0:0(0)", Flags.SYN, (True, False, False, False)),
        ("> F. 0:0(0) ack 1", Flags.FIN | Flags.ACK, (False, True, False, True)),
        ("> R 0:0(0)", Flags.RST, (False, False, True, False)),
        ("> R. 0:0(0) ack 1", Flags.RST | Flags.ACK, (False, False, True, True)),
        ("> FP. 0:9(9) ack 1", Flags.FIN | Flags.PSH | Flags.ACK, (False, True, False, True)),
        ("> UEW 0:0(0)", Flags.URG | Flags.ECE | Flags.CWR, (False, False, False, False)),
    ],
)
def test_a_segment_knows_its_control_bits(
    notation: str, flags: Flags, words: tuple[bool, bool, bool, bool]
) -> None:
    (segment,) = connection(notation).segments
    assert (segment.flags, (segment.syn, segment.fin, segment.rst, segment.has_ack)) == (flags, words)


def test_words_are_their_own_text_in_json_and_toml() -> None:
    assert [str(word) for word in (Ending.FIN_THEN_RST, Role.CLIENT, Validity.INCONCLUSIVE)] == [
        "FIN then RST",
        "client",
        "inconclusive",
    ]
