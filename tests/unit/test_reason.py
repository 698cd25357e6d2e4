"""Why a replay needs a look, in one line."""

from __future__ import annotations

from typing import Any

import pytest
from rst_or_fin.scenario.model import Expectation
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.verdict.reason import reason

from tests.support.report_runs import aborted, closed, crashed


def differing(**points: Any) -> str:
    return reason(aborted(expect=Expectation(**{"ending": Ending.RST} | points)).judgements[0])


def test_the_ending_comes_first_with_its_cause() -> None:
    assert reason(closed(expect=Expectation(ending=Ending.RST)).judgements[0]) == "expected RST, got FIN"


def test_an_unexpected_rst_says_why() -> None:
    assert differing(ending=Ending.FIN) == "expected FIN, got RST: unread data at close"


def test_another_point_is_named() -> None:
    assert differing(cause=Cause.ZERO_LINGER) == ("expected cause zero linger, got unread data at close")


def test_what_differs_besides_is_counted() -> None:
    found = differing(ending=Ending.FIN, peer_ending=Ending.FIN, conn_state="SF")
    assert found == "expected FIN, got RST: unread data at close (and 2 more differences)"


def test_a_doubt_is_the_reason_of_what_is_inconclusive() -> None:
    assert reason(crashed().judgements[0]).startswith("inconclusive: ")


@pytest.mark.parametrize(("of", "said"), [(aborted(), "RST: unread data at close"), (closed(), "FIN")])
def test_what_needs_no_look_says_how_it_ended(of: Any, said: str) -> None:
    assert reason(of.judgements[0]) == said
