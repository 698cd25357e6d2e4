"""What was sent and what of it arrived: counted by each witness in its own place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rst_or_fin.evidence.records import Replay, SentBytes
from rst_or_fin.tcp.ending import Role
from rst_or_fin.verdict.delivery import delivery

from tests.support.cases import heard, replay
from tests.support.segments import EXCHANGE, A, B, connection

FIN_AFTER_ALL = EXCHANGE + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"


def handed(count: int) -> Replay:
    return replace(replay(), sent=(SentBytes(local=A, remote=B, bytes=count),))


def test_bytes_are_counted_without_the_syn_and_the_fin() -> None:
    found = delivery(connection(FIN_AFTER_ALL), Role.CLIENT)
    assert (found.on_wire, found.acknowledged) == (18, 18)


def test_a_byte_that_was_sent_twice_counts_once() -> None:
    again = EXCHANGE + "> P. 1:19(18) ack 486\n"
    assert delivery(connection(again), Role.CLIENT).on_wire == 18


def test_what_was_never_acknowledged_was_sent_all_the_same() -> None:
    found = delivery(connection(EXCHANGE + "> P. 19:119(100) ack 486"), Role.CLIENT)
    assert (found.on_wire, found.acknowledged) == (118, 18)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            delivery(connection(EXCHANGE), Role.CLIENT, replay(), heard("end of file")),
            "sent 18 bytes, the peer read 18",
        ),
        (
            delivery(connection(EXCHANGE), Role.CLIENT, handed(1000), heard("end of file")),
            "sent 1000 bytes (18 of them on the wire), the peer read 18: 982 bytes lost",
        ),
        (
            delivery(connection(EXCHANGE), Role.SERVER),
            "sent 485 bytes, 485 acknowledged; what the peer read is not known",
        ),
    ],
)
def test_the_statement_says(told: object, said: str) -> None:
    assert str(told) == said


def test_nothing_is_lost_that_nobody_says_was_not_read() -> None:
    assert delivery(connection(EXCHANGE), Role.CLIENT, handed(1000)).lost is None
