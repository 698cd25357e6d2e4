"""The judge is never conclusive and wrong, on a sample of what `make truth` tries at length."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.truth.campaign import examine
from tests.truth.tally import Tally

SEEDS = range(600)


@pytest.fixture(scope="module")
def tally() -> Tally:
    return examine(SEEDS)


def test_no_conclusive_verdict_of_the_sample_is_wrong(tally: Tally) -> None:
    assert dict(tally.wrongs) == {}


def test_plain_connections_are_conclusive(tally: Tally) -> None:
    assert (tally.floor > 100, dict(tally.timid)) == (True, {})


@settings(max_examples=150)
@given(st.integers(min_value=1 << 20, max_value=1 << 40))
def test_no_conclusive_verdict_is_wrong(seed: int) -> None:
    assert dict(examine([seed]).wrongs) == {}
