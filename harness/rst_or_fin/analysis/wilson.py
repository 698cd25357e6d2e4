"""Computes how precisely a count tells a share: the Wilson score interval. Pure arithmetic.

E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the
American Statistical Association 22 (1927), pages 209 to 212; recommended for small counts, and for shares
near 0 and 1, by L. D. Brown, T. T. Cai and A. DasGupta, "Interval Estimation for a Binomial Proportion",
Statistical Science 16 (2001), pages 101 to 133.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

_Z_95 = 1.959963984540054  # the standard normal distribution's 97.5 % quantile


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`count` of `total`, and the 95 % interval that the true share lies in: `low` to `high`, from 0 to 1."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.count / self.total

    def __str__(self) -> str:
        return f"{self.low:.1%} to {self.high:.1%}"


def share(count: int, total: int) -> Share:
    """Compute the 95 % Wilson interval of a count. Raises ValueError if it is not one out of `total`."""
    if not 0 <= count <= total or total == 0:
        raise ValueError(f"{count} of {total} is not a share")
    z2 = _Z_95**2
    centre = (count + z2 / 2) / (total + z2)
    reach = _Z_95 / (total + z2) * sqrt(count * (total - count) / total + z2 / 4)
    return Share(
        count=count,
        total=total,
        low=max(0.0, centre - reach)
        if count
        else 0.0,  # exactly 0 and 1 at the ends, whatever rounding makes
        high=min(1.0, centre + reach) if count < total else 1.0,
    )


def shares(counts: Mapping[str, int]) -> dict[str, Share]:
    """Compute each count's share of their sum, the greatest first."""
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return {name: share(count, total) for name, count in ordered if total}
