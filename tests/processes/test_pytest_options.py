"""The names of pytest's options: ours carry a prefix, and a user's own come first."""

from __future__ import annotations

import pytest

from tests.support.bad_inputs import GOOD

pytest_plugins = ("pytester",)

OWN = "def pytest_addoption(parser):\n    parser.addoption('--backend', default='mine')\n"
ASKED = "def test_it(request):\n    option = request.config.option\n    assert ({}) == {}\n"


def play(pytester: pytest.Pytester, asked: str, owed: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=ASKED.format(asked, owed))
    done = pytester.runpytest_subprocess(*arguments)
    done.assert_outcomes(passed=1)
    return done


def test_a_conftest_may_have_an_option_of_the_same_name(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(OWN)
    play(pytester, "option.backend, option.rst_or_fin_backend", "('theirs', 'inet')", "--backend", "theirs")


def test_the_name_without_the_prefix_still_works_and_the_new_one_is_told(pytester: pytest.Pytester) -> None:
    done = play(pytester, "option.rst_or_fin_otp", "'25'", "--otp=25")
    done.stdout.fnmatch_lines(["rst-or-fin: `--otp` is called `--rst-or-fin-otp` now;*"])


def test_a_field_of_a_scenario_file_by_its_old_name_is_told_and_is_no_error(
    pytester: pytest.Pytester,
) -> None:
    pytester.path.joinpath("my.scenario.toml").write_text(GOOD.replace("[precondition]", "[gate]"))
    done = pytester.runpytest_subprocess("--collect-only", "-W", "error")
    done.stdout.fnmatch_lines(["rst-or-fin: *my.scenario.toml:11: `gate` is called `precondition` now; *"])
