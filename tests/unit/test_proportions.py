"""The Wilson interval: known values, and what must hold for every count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.analysis.wilson import share, shares


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 10_000))
    return draw(st.integers(0, total)), total


# Lower and upper limits as Newcombe prints them for his method 3 (the Wilson score without a correction for
# continuity): R. G. Newcombe, Statistics in Medicine 17 (1998), pages 857 to 872, table I.
@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_it_gives_the_published_limits(count: int, total: int, low: float, high: float) -> None:
    found = share(count, total)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(counts())
def test_the_share_itself_lies_in_the_interval(counted: tuple[int, int]) -> None:
    found = share(*counted)
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(counts())
def test_the_complement_has_the_mirrored_interval(counted: tuple[int, int]) -> None:
    count, total = counted
    one, other = share(count, total), share(total - count, total)
    assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low))


@given(counts())
def test_ten_times_as_many_replays_make_it_narrower(counted: tuple[int, int]) -> None:
    count, total = counted
    few, many = share(count, total), share(10 * count, 10 * total)
    assert many.high - many.low < few.high - few.low


@given(counts())
def test_both_limits_rise_with_the_count(counted: tuple[int, int]) -> None:
    count, total = counted
    more = min(count + 1, total)
    assert (share(count, total).low, share(count, total).high) <= (
        share(more, total).low,
        share(more, total).high,
    )


@given(counts())
def test_it_solves_the_equation_that_wilson_gives(counted: tuple[int, int]) -> None:
    """|p - share| = z sqrt(share (1 - share) / n) at either limit inside of 0 and 1."""
    count, total = counted
    found = share(count, total)
    distances = [
        (abs(found.value - limit), 1.959963984540054 * (limit * (1 - limit) / total) ** 0.5)
        for limit in (found.low, found.high)
    ]
    assert all(left == pytest.approx(right, abs=1e-9) for left, right in distances)


@pytest.mark.parametrize(("count", "total"), [(0, 0), (2, 1), (-1, 3)])
def test_what_is_no_count_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        share(count, total)


def test_shares_come_greatest_first_and_out_of_their_sum() -> None:
    assert [(n, s.count, s.total) for n, s in shares({"RST": 3, "FIN": 97}).items()] == [
        ("FIN", 97, 100),
        ("RST", 3, 100),
    ]


def test_nothing_counted_has_no_shares() -> None:
    assert shares({}) == {}
