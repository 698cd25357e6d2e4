"""Our `conn_state` is Zeek's, on the connections of Zeek's own test suite."""

from __future__ import annotations

import pytest

from harness.conn_state import MEANING, conn_state
from tests.unit.zeek_rows import Row, rows

CAPTURED = rows("captured")
FROM_HISTORY = rows("told by the history alone")
CUT = rows("cut by a timer")
ALL = [*CAPTURED, *FROM_HISTORY, *CUT]


@pytest.mark.parametrize("row", ALL, ids=str)
def test_our_word_is_zeeks(row: Row) -> None:
    assert tuple(map(conn_state, row.parts)) == row.words


@pytest.mark.parametrize("row", CUT, ids=str)
def test_without_a_timer_a_connection_stays_whole(row: Row) -> None:
    assert conn_state(row.whole) == row.ours


def test_there_are_enough_connections() -> None:
    assert len({str(row) for row in CAPTURED}) >= 150


def test_every_word_occurs() -> None:
    assert {word for row in ALL for word in row.words} == set(MEANING)
