"""The kernel's counters that a verdict speaks of, in words."""

from __future__ import annotations

from rst_or_fin.evidence.counters import JUDGED, NOISE, Counter
from rst_or_fin.tcp.causes import CAUSES, reasons_of

from docs.blocks.words import table


def counters() -> str:
    """Every counter that the judge is given."""
    rows = ((f"`{_short(c)}`", c.name.partition(":")[0], c.raised_by) for c in JUDGED)
    return table(("counter", "group", "raised by"), rows)


def uses() -> str:
    """Say what each of them is used for, and why it is compared or not."""
    rows = ((f"`{_short(c)}`", c.judged, _compared(c)) for c in JUDGED)
    return table(("counter", "the judge", "`compare`"), rows)


def noise() -> str:
    """List the counters that two equal closes may differ in."""
    return table(("left out as noise", "because"), ((n.what, n.why) for n in NOISE))


def _short(counter: Counter) -> str:
    return counter.name.partition(":")[2]


def _compared(counter: Counter) -> str:
    return f"{'must be equal' if counter.equal else 'not compared'}: {counter.because}"


def reasons() -> str:
    """List the tracepoint's reasons, with the causes that they go with."""
    found: dict[str, list[str]] = {}
    for row in CAUSES:
        for reason in reasons_of(row.cause):
            found.setdefault(reason, []).append(f"`{row.cause}`")
    return table(
        ("reason", "cause"), ((f"`{reason}`", " or ".join(c)) for reason, c in sorted(found.items()))
    )
