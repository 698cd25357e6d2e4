"""A guest hangs by what it computes and says; a machine that starves it proves nothing."""

from __future__ import annotations

import os

import pytest
from rst_or_fin.guest import watchdog


class Watched:
    """A guest whose CPU time and clock a test moves."""

    def __init__(self) -> None:
        self.cpu_s = self.now_s = 0.0
        self.watchdog = watchdog.Watchdog(lambda: self.cpu_s, lambda: self.now_s)

    def passes(self, now_s: float, *, share: float) -> str:
        """So many seconds go by, and the guest gets that share of a CPU."""
        self.now_s += now_s
        self.cpu_s += now_s * share
        return self.watchdog.failure()


@pytest.mark.parametrize(
    ("now_s", "share", "failure"),
    [
        (19, 1.0, ""),
        (21, 1.0, "hangs"),
        (90, 0.2, ""),  # a machine loaded five times over
        (110, 0.2, "hangs"),
        (59, 0.001, ""),
        (61, 0.001, "has halted"),
        (900, 0.021, ""),  # starved: it would compute if it could
    ],
)
def test_silence_is_measured_in_what_was_computed(now_s: float, share: float, failure: str) -> None:
    found = Watched().passes(now_s, share=share)
    assert (failure in found) if failure else (found == "")


def test_a_guest_that_talks_does_not_hang() -> None:
    guest = Watched()
    for _ in range(5):
        guest.passes(19, share=1.0)
        guest.watchdog.note_output()
    assert guest.watchdog.failure() == ""


def test_a_guest_that_talks_for_ever_never_brings_the_node_up() -> None:
    guest = Watched()
    for _ in range(7):
        guest.passes(19, share=1.0)
        guest.watchdog.note_output()
    assert "has not brought the node up" in guest.watchdog.failure()


def test_a_process_has_used_the_cpu_time_that_it_says() -> None:
    sum(range(3_000_000))
    assert watchdog.cpu_s(os.getpid()) == pytest.approx(sum(os.times()[:2]), abs=0.2)
