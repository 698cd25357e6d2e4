"""pytest's `--wire`: a user's own scenario under random faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.test_pytest_plugin import SCENARIO

pytest_plugins = ("pytester",)


@pytest.mark.local
@pytest.mark.usefixtures("namespaces")
def test_each_scenario_is_played_under_these_faults(pytester: pytest.Pytester) -> None:
    Path("close.scenario.toml").write_text(SCENARIO.replace("ENDING", "FIN"))
    options = (
        "--rst-or-fin-runtime",
        "local",
        "--rst-or-fin-evidence",
        "kept",
        "--rst-or-fin-wire",
        "duplicate=1 seed=7",
    )
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)
    [played] = pytester.path.glob("kept/*/wire.jsonl")
    assert '"did":"duplicate"' in played.read_text()


def test_faults_that_cannot_be_are_a_wrong_usage(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--rst-or-fin-wire", "loss=2")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--rst-or-fin-wire*loss*"])
