"""Cases from the field, each played on a real kernel, with the right answer.

The scenarios (tests/data/field) are shaped after public reports, which their `sources` name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Command, document

FIELD = Path(__file__).parents[1] / "data" / "field"

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "server-closed-by-recv": {
        "ending": "FIN",
        "subject": "server",
        "closing_segment": "F. 39:39(0) ack 33",
        "validity": "conclusive",
    },
    "listener-closed-pending": {
        "ending": "RST",
        "cause": "listener closed",
        "subject": "server",
        "validity": "conclusive",
    },
    "await-closed-too-early": {"ending": "FIN", "validity": "conclusive"},
    "owner-killed-unread-and-queued": {
        "ending": "RST",
        "cause": "unread data at close",
        "validity": "conclusive",
    },
    "keepalive-dead-peer-cl3": {
        "ending": "RST",
        "cause": "keepalive timeout",
        "validity": "conclusive",
    },
    "keepalive-dead-peer": {"ending": "RST", "cause": "keepalive timeout", "validity": "conclusive"},
    "time-wait-reuse": {"ending": "FIN", "validity": "conclusive", "outcome": "differs"},
    "active-peer-fin": {"ending": "FIN", "validity": "conclusive"},
    "socket-api-unread": {"ending": "RST", "cause": "unread data at close", "validity": "conclusive"},
    "halt-flush-queue-full": {"validity": "inconclusive"},
}


def played(command: Command, name: str, *options: str) -> Any:
    """The one run of that scenario, as `--json` tells it."""
    path = str(FIELD / f"{name}.scenario.toml")
    [run] = document(command("run", path, "--json", *options))["runs"]
    return run


@pytest.mark.local
@pytest.mark.parametrize("name", ANSWERS)
def test_the_right_answer_is_given_to(command: Command, name: str) -> None:
    [replay] = played(command, name, "--runtime", "local")["replays"]
    assert {point: replay[point] for point in ANSWERS[name]} == ANSWERS[name]


@pytest.mark.local
def test_an_active_socket_that_closes_while_it_is_looked_at_is_a_closed_socket(command: Command) -> None:
    run = played(command, "active-peer-fin", "--runtime", "local", "--repeat", "60")
    assert run["outcomes"] == {"as expected": 60}


@pytest.mark.local
def test_two_connections_on_one_port_are_told_apart(command: Command) -> None:
    [replay] = played(command, "time-wait-reuse", "--runtime", "local")["replays"]
    [other] = replay["connections"]
    assert (other["variable"], other["ending"], other["cause"]) == ("Again", "RST", "unread data at close")


@pytest.mark.local
def test_await_closed_returns_when_the_fin_has_left(command: Command) -> None:
    [replay] = played(command, "await-closed-too-early", "--runtime", "local")["replays"]
    await_closed, look = replay["session"][-2:]
    assert (await_closed["duration_us"] > 1_500_000, look["result"]) == (True, "{false,undefined}")


@pytest.mark.local
def test_a_time_to_settle_that_was_too_short_is_named_and_nobody_is_accused(command: Command) -> None:
    [replay] = played(command, "halt-flush-queue-full", "--runtime", "local")["replays"]
    [doubt] = replay["doubts"]
    assert "when settle_ms (3000) was over: raise it" in doubt


@pytest.mark.docker
def test_nginx_is_heard_where_it_closes_first(command: Command) -> None:
    [replay] = played(command, "nginx-http10", "--runtime", "docker")["replays"]
    said = next(w["says"] for w in replay["witnesses"] if w["name"] == "the peer's application")
    assert (replay["peer_ending"], replay["validity"], said[:6]) == ("FIN", "conclusive", "closed")
