"""Our `conn_state` is Zeek's, on the connections of Zeek's own test suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rst_or_fin.tcp import tracker
from rst_or_fin.tcp.zeek_conn_state import MEANING, conn_state
from rst_or_fin.verdict.judge import judge

from tests.support.cases import WHOLE
from tests.support.zeek_rows import Row, rows

CAPTURED = rows("captured")
FROM_HISTORY = rows("told by the history alone")
CUT = rows("cut by a timer")
ALL = [*CAPTURED, *FROM_HISTORY, *CUT]


def words(rows: Iterable[Row], said: Callable[[Row], object]) -> list[str]:
    """What is said of each row, beside the row itself."""
    return [f"{row}: {said(row)}" for row in rows]


def test_our_word_is_zeeks() -> None:
    assert words(ALL, lambda row: tuple(map(conn_state, row.parts))) == words(ALL, lambda row: row.words)


def test_without_a_timer_a_connection_stays_whole() -> None:
    assert words(CUT, lambda row: conn_state(row.whole)) == words(CUT, lambda row: row.ours)


def judged(row: Row) -> tuple[str, ...]:
    """The words of a row's parts, each judged from its segments alone: cut, read, and what counts counted."""
    found = [tracker.connections(part.segments) for part in row.parts]
    return tuple(judge(one, capture=WHOLE).conn_state for ones in found for one in ones)


# Zeek takes the end that sent the SYN ACK for the client there, because of its port.
OTHER_CLIENT = {"SH 35.221.46.9:80 192.168.1.28:53246"}


def test_the_verdicts_word_is_zeeks() -> None:
    rows = [row for row in ALL if str(row) not in OTHER_CLIENT]
    assert words(rows, judged) == words(rows, lambda row: row.words)


def test_a_syn_ack_is_the_servers_whatever_its_port() -> None:
    assert [judged(row) for row in ALL if str(row) in OTHER_CLIENT] == [("SHR",)] * len(OTHER_CLIENT)


def test_there_are_enough_connections() -> None:
    assert len({str(row) for row in CAPTURED}) >= 150


def test_every_word_occurs() -> None:
    assert {word for row in ALL for word in row.words} == set(MEANING)
