"""pytest's `--wire`: a user's own scenario under random faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from rst_or_fin.errors import MachineError
from rst_or_fin.testbed import local

from tests.support.needs import skip_or_fail

pytest_plugins = ("pytester",)

SCENARIO = """
claim = "a close with nothing unread is a FIN"
sources = ["RFC 9293 section 3.6"]
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
gen_tcp:close(Sock).
'''
[expect]
ending = "FIN"
"""


@pytest.mark.local
def test_each_scenario_is_played_under_these_faults(pytester: pytest.Pytester) -> None:
    try:
        local.probe()
    except MachineError as error:
        skip_or_fail(str(error))
    Path("close.scenario.toml").write_text(SCENARIO)
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
