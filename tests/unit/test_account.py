"""What the peer says of its bytes is held against what the capture has of them."""

from __future__ import annotations

import pytest
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.tcp.ending import Role
from rst_or_fin.verdict import account

from tests.support.cases import ABORT, CLOSE, heard
from tests.support.segments import EXCHANGE, HANDSHAKE, connection

WHOLE = heard("end of file")


def doubts(wire: str, peer_report: PeerReport | None, *, has_kernel: bool = True) -> list[str]:
    return list(account.differences(connection(wire), Role.SERVER, peer_report, has_kernel=has_kernel))


@pytest.mark.parametrize("wire", [ABORT, CLOSE, EXCHANGE])
def test_an_account_that_fits_gives_no_doubt(wire: str) -> None:
    assert doubts(wire, WHOLE) == []


def test_a_peer_that_was_not_heard_has_no_account() -> None:
    assert doubts(CLOSE, None) == []


def test_bytes_that_a_script_sent_and_nobody_captured_are_a_doubt() -> None:
    found = doubts(EXCHANGE + "> F. 19:19(0) ack 486", heard("script played", sent=1485), has_kernel=False)
    assert found == ["the peer sent 1485 bytes by its own account, the capture has 485"]


def test_bytes_that_a_kernel_took_and_a_reset_threw_away_are_none() -> None:
    assert doubts(ABORT, heard("ECONNRESET", sent=100_000)) == []


def test_a_fin_says_that_all_was_sent_before_it() -> None:
    assert doubts(CLOSE, heard("end of file", sent=486)) == [
        "the peer sent 486 bytes by its own account, the capture has 485"
    ]


def test_more_than_the_peer_sent_is_a_doubt() -> None:
    assert doubts(ABORT, heard("ECONNRESET", sent=178)) == [
        "the peer sent 178 bytes by its own account, the capture has 485"
    ]


@pytest.mark.parametrize(
    ("end", "received", "differ"),
    [
        ("end of file", 17, True),
        ("ECONNRESET", 17, False),
        ("end of file", 19, True),
        ("ECONNRESET", 19, True),
    ],
)
def test_what_was_read_is_at_most_what_came_and_all_of_it_at_the_end_of_file(
    end: str, received: int, differ: bool
) -> None:
    assert bool(doubts(CLOSE, heard(end, received=received))) is differ


def test_without_an_opening_numbers_begin_nowhere() -> None:
    assert doubts(EXCHANGE.removeprefix(HANDSHAKE), heard("end of file", sent=1)) == []
