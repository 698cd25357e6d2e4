"""Repeats as a user runs them: shares with their intervals, and a race that neither passes nor fails."""

from __future__ import annotations

import pytest

from tests.support.commands import Command, document

pytestmark = pytest.mark.docker

RUNTIME = ("--runtime", "docker")


def test_a_repeat_gives_its_share_an_interval(command: Command, client: object) -> None:
    [run] = document(command("run", "recv-then-close", "--repeat", "20", "--json", *RUNTIME))["runs"]
    [share] = run["distribution"]
    assert (share["ending"], share["count"], share["of"], round(share["low"], 4)) == ("FIN", 20, 20, 0.8389)


def test_a_race_is_a_distribution_and_exit_0(command: Command, client: object) -> None:
    done = command("run", "active-true-closed-as-data-lands", "--repeat", "50", "--json", *RUNTIME)
    [run] = document(done)["runs"]
    counted = sum(share["count"] for share in run["distribution"])
    assert (done.returncode, run["outcomes"], counted) == (0, {"race": 50}, 50)
