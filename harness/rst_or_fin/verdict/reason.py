"""Sums up a replay in one line: the difference from what was expected, or the doubt, comes first."""

from __future__ import annotations

from collections.abc import Sequence

from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Comparison, Outcome, PointName
from rst_or_fin.verdict.verdict import Verdict


def reason(judged: Assessment) -> str:
    """Return the line: `expected FIN, got RST: unread data at close`, or how an expected replay ended."""
    if judged.outcome is Outcome.INCONCLUSIVE:
        return f"inconclusive: {'; '.join(judged.verdict.doubts)}"
    different = [point for point in judged.comparisons if not point.same]
    if judged.outcome is not Outcome.DIFFERS or not different:
        return ended(judged.verdict)
    more = len(different) - 1
    rest = f" (and {more} more {'difference' if more == 1 else 'differences'})" if more else ""
    return _difference(_telling(different), judged.verdict) + rest


def ended(verdict: Verdict) -> str:
    """Return how it ended and why, as far as the cause is known: `RST: unread data at close`."""
    return f"{verdict.ending}: {verdict.cause}" if verdict.cause else str(verdict.ending)


def _telling(different: Sequence[Comparison]) -> Comparison:
    """Return the ending, if that differs; the other differences mostly follow from it."""
    return next((point for point in different if point.what == PointName.ENDING), different[0])


def _difference(point: Comparison, verdict: Verdict) -> str:
    if point.what == PointName.ENDING:
        return f"expected {point.expected}, got {ended(verdict)}"
    return f"expected {point.what} {point.expected or 'nothing'}, got {point.actual or 'nothing'}"
