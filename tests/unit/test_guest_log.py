"""What a guest says beside its node, however its lines are cut, and what is made of its silence."""

from __future__ import annotations

import base64

import pytest
from rst_or_fin.errors import MachineError
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import guest
from rst_or_fin.testbed.guest import Guest

from tests.unit.test_resets import ABORT, LATE

ONE, OTHER = Endpoint("198.18.0.3", 42002), Endpoint("198.18.0.4", 80)
LATER = Endpoint("198.18.0.3", 42004)
MARK = "            init-1       [000] .....    13.4: tracing_mark_write: "


class Scripted:
    """Standard streams whose other end answers the nth fence with the nth text, a few bytes at a time."""

    def __init__(self, *answers: str, first: str = "") -> None:
        self.orders: list[bytes] = []
        self._answers = list(answers)
        self._said = first.encode()

    def write(self, data: bytes, timeout_s: float) -> None:
        self.orders.append(data)
        self._said += self._answers.pop(0).encode() if self._answers else b""

    def read(self, timeout_s: float) -> bytes:
        taken, self._said = self._said[:7], self._said[7:]
        return taken


def reasons(testbed: Guest, local: Endpoint = ONE) -> list[str] | None:
    found = testbed.resets(local, OTHER)
    return None if found is None else [reset.reason for reset in found]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "_ANSWER_TIMEOUT_S", 0.01)


def test_a_reset_is_told_to_whoever_asks_for_its_connection() -> None:
    assert reasons(Guest(Scripted(f"{LATE}\n{ABORT}\n{MARK}1\n"))) == ["TCP_ABORT_ON_CLOSE"]


def test_a_reset_is_told_once() -> None:
    testbed = Guest(Scripted(f"{ABORT}\n{MARK}1\n", f"{MARK}2\n"))
    assert [reasons(testbed), reasons(testbed)] == [["TCP_ABORT_ON_CLOSE"], []]


def test_a_reset_of_another_connection_is_kept_until_asked_for() -> None:
    testbed = Guest(Scripted(f"{LATE}\n{MARK}1\n", f"{MARK}2\n"))
    assert [reasons(testbed), reasons(testbed, LATER)] == [[], ["NO_SOCKET"]]


def test_the_fence_before_is_no_answer(impatient: None) -> None:
    testbed = Guest(Scripted(f"{MARK}1\n", f"{ABORT}\n{MARK}1\n"))
    testbed.resets(ONE, OTHER)
    with pytest.raises(MachineError, match="did not say within"):
        testbed.resets(ONE, OTHER)


def test_a_kernel_without_reasons_is_asked_once() -> None:
    streams = Scripted("untraced 1\n")
    testbed = Guest(streams)
    assert ([reasons(testbed), reasons(testbed)], streams.orders) == ([None, None], [b"fence 1\n"])


def test_lost_events_make_it_no_witness() -> None:
    assert reasons(Guest(Scripted(f"CPU:0 [LOST 12 EVENTS]\n{MARK}1\n"))) is None


def test_the_accelerator_is_what_it_says_it_runs_on() -> None:
    assert Guest(Scripted(first="accelerator tcg\n")).accelerator() == "tcg"


def test_the_counters_of_a_guest_whose_node_ended_are_read_from_what_it_says() -> None:
    tables = b"TcpExt: TCPAbortOnClose\nTcpExt: 3\nTcp: OutRsts\nTcp: 4\n"
    said = f"counters {base64.b64encode(tables).decode()}\nended 0\n"
    assert Guest(Scripted(first=said)).counter_tables() == tables


def test_half_a_line_of_counters_is_none(impatient: None) -> None:
    assert Guest(Scripted(first="counters VGNwRXh0")).counter_tables() == b""
