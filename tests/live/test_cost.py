"""What a replay costs the driver, counted: a clock would tell how busy the machine is.

Of many replays the cheapest counts, as a busy machine makes the peer's last word late and looks for it many.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.agents import capture, socket_table
from rst_or_fin.errors import MachineError
from rst_or_fin.node.link import Link
from rst_or_fin.runner import replay as runner
from rst_or_fin.scenario.wire import parse_random
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed import local
from rst_or_fin.testbed.local import LocalTestbed
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.testbed.wire_program import WireProgram

from tests.support.needs import skip_or_fail

pytestmark = pytest.mark.local

REPLAYS = 30
SCENARIOS = ("recv-then-close", "close-with-unread-response")
IDLE = "seed=0"


@pytest.fixture(scope="module", autouse=True)
def kind() -> str:
    try:
        return local.probe()
    except MachineError as error:
        skip_or_fail(f"{error}; {error.hint}")


def cheapest(name: str, wire: str | None, folder: Path, counts: Counter[str]) -> dict[str, int]:
    """Return the least that each count was raised by in a replay, the first and the last left out."""
    entry = scenario_files.find(name).under(parse_random(wire) if wire else None)
    request = runner.Request(
        scenario=entry.scenario,
        scenario_text=entry.text,
        repeat=REPLAYS,
        folder=folder,
        command_line=("test",),
    )

    def not_again() -> LocalTestbed:
        raise AssertionError("the node is gone")

    raised: list[Counter[str]] = []
    with LocalTestbed(TestbedSpec(hosts=entry.scenario.hosts)) as testbed:
        for _ in runner.run(request, testbed, not_again):
            raised.append(counts.copy())
            counts.clear()
    return {what: min(each[what] for each in raised[1:-1]) for what in raised[1]}


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counts: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        real: Callable[..., object] = getattr(owner, name)

        def counted(*arguments: object) -> object:
            counts[name] += 1
            return real(*arguments)

        monkeypatch.setattr(owner, name, counted)

    count(capture, "drain")
    count(socket_table, "holds")
    count(Link, "send")
    count(Link, "next_event")
    count(WireProgram, "_tell")
    return counts


@pytest.fixture
def calls() -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()

    def hear(frame: object, event: str, argument: object) -> None:
        counts["calls"] += event in ("call", "c_call")

    sys.setprofile(hear)
    yield counts
    sys.setprofile(None)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_replay_asks_everybody_once(name: str, tmp_path: Path, round_trips: Counter[str]) -> None:
    """The tap is drained at the close line, when the node is done, and once more: did anything pass since?"""
    asked = {"drain": 3, "holds": 2, "send": 1, "next_event": 2}
    assert cheapest(name, None, tmp_path / "run", round_trips) == asked


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_idle_wire_is_told_its_rules_and_asked_nothing_more(
    name: str, tmp_path: Path, round_trips: Counter[str]
) -> None:
    """Both captures show every frame through: nothing can be on its way in there."""
    asked = {"drain": 6, "holds": 2, "send": 1, "next_event": 2, "_tell": 1}
    assert cheapest(name, IDLE, tmp_path / "run", round_trips) == asked


def test_no_tap_is_drained_during_a_session_whose_segments_may_be_lost(
    tmp_path: Path, round_trips: Counter[str]
) -> None:
    """What a tap holds decides which segments a kernel joins when it sends them again."""
    assert cheapest("recv-then-close", "loss=0.000001", tmp_path / "run", round_trips)["drain"] == 4


@pytest.mark.parametrize(("wire", "most"), [(None, 4_000), (IDLE, 7_000)])
def test_a_replay_takes_no_more_calls_than_it_did(
    wire: str | None, most: int, tmp_path: Path, calls: Counter[str]
) -> None:
    """Python's and C's functions: 3,100 in November 2026, and 5,400 with an idle wire."""
    assert cheapest("recv-then-close", wire, tmp_path / "run", calls)["calls"] < most
