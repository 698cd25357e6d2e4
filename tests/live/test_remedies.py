"""Remedies as a user asks for them: before and after from replays here, and the ones that do not help."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.commands import Command, document

pytestmark = pytest.mark.docker

RUNTIME = ("--runtime", "docker")
ASKED = ("drain-then-close", "lingering-close", "linger-alone", "shutdown-write-alone", "drain-too-early")


@pytest.fixture
def found(command: Command, client: object) -> dict[str, Any]:
    done = command("remedies", *ASKED, "--repeat", "5", "--json", *RUNTIME)
    return {remedy["remedy"]: remedy for remedy in document(done)["cures"]}


def test_each_remedy_says_whether_it_helps_and_what_it_costs(found: dict[str, Any]) -> None:
    assert {name: (remedy["helps"], remedy["extra_exchanges"]) for name, remedy in found.items()} == {
        "drain-then-close": (True, 1),
        "lingering-close": (True, 1),
        "linger-alone": (False, 0),
        "shutdown-write-alone": (False, 0),
        "drain-too-early": (False, 1),
    }


def test_the_table_shows_the_remedies_that_do_not_help(command: Command, client: object) -> None:
    done = command("remedies", "linger-alone", "--repeat", "2", *RUNTIME)
    line = next(line for line in done.stdout.splitlines() if line.startswith("linger-alone "))
    assert (done.returncode, line.split()[1:4]) == (0, ["RST", "ECONNRESET", "NO"])


def test_what_is_no_remedy_is_refused(command: Command) -> None:
    done = command("remedies", "recv-then-close")
    assert (done.returncode, "is not a remedy" in done.stderr) == (2, True)
