"""`list` and `explain` as a user types them: filters, groups, and what holds on which axes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.cli import main
from rst_or_fin.storage import scenario_files


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    main(["list", "--json", *arguments])
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(list(arguments))
    return capsys.readouterr().out


def test_without_a_filter_every_scenario_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert [scenario["name"] for scenario in listed(capsys)] == scenario_files.names()


def test_a_theme_is_listed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert {scenario["theme"] for scenario in listed(capsys, "--theme", "Linger")} == {"linger"}


def test_an_ending_is_listed_alone_also_where_only_some_axes_have_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    endings = {scenario["name"]: scenario["endings"] for scenario in listed(capsys, "--ending", "fin")}
    assert (endings["recv-10-of-485"], all("FIN" in e for e in endings.values())) == (["RST", "FIN"], True)


def test_filters_are_all_to_be_met(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, "alone", "--theme", "remedies", "--ending", "fin-then-rst")
    assert [scenario["name"] for scenario in found] == ["shutdown-write-alone"]


def test_the_list_is_grouped_by_theme(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "list", "linger")
    groups = [line.rpartition(" (")[0] for line in text.splitlines() if line[:1].strip()]
    assert groups == [theme for theme in scenario_files.THEMES if theme in groups]
    assert {"remedies", "linger"} <= set(groups)


def test_a_race_is_listed_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "send-and-close-at-once  [a race]" in shown(capsys, "list", "--theme", "races")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--theme", "knitting"), "remedies, "),
        (("--ending", "sideways"), "FIN, RST, FIN then RST, none"),
        (("nosuchword",), "names them all"),
    ],
)
def test_a_filter_that_leaves_nothing_says_what_there_is(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    code = main(["list", *arguments])
    assert (code, says in capsys.readouterr().err) == (2, True)


def section(text: str, title: str) -> list[str]:
    """The lines beneath one title of `explain`."""
    lines = text.splitlines()
    start = lines.index(f"  {title}") + 1
    end = next((i for i in range(start, len(lines)) if not lines[i]), len(lines))
    return [line.strip() for line in lines[start:end]]


def test_it_explains_what_to_expect_where(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "explain", "recv-10-of-485")
    elsewhere = section(text, "Expect instead, with OTP >=29 and backend socket")
    assert (section(text, "Expect")[0], elsewhere[0]) == ("ending: RST", "ending: FIN")


def test_it_explains_why_something_is_not_played(capsys: pytest.CaptureFixture[str]) -> None:
    lines = section(shown(capsys, "explain", "shutdown-read-write-half-open"), "Not played")
    assert " ".join(lines).startswith("with OTP <24 and backend socket: OTP 23's socket backend")


def test_it_names_the_parameters_and_the_case_that_is_cured(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "explain", "drain-too-early")
    assert (section(text, "Parameters"), section(text, "A remedy for")) == (
        ["Delay = 200", "Patience = 50"],
        ["close-with-unread-response"],
    )


def test_a_users_own_file_is_explained_by_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.scenario.toml"
    path.write_text("claim = 'c'\nsources = ['s']\nsession = 'x.'\nexpect.ending = 'RST'\n")
    assert section(shown(capsys, "explain", str(path)), "Expect") == ["ending: RST"]


def test_a_theme_is_known_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert {scenario["theme"] for scenario in listed(capsys, "--theme", "TLS")} == {"TLS"}


def test_the_themes_have_the_order_of_the_catalogues_pages() -> None:
    toctree = (
        Path("docs/catalogue/index.md").read_text("utf-8").partition(":hidden:\n")[2].partition("```")[0]
    )
    assert [theme.replace(" ", "-").lower() for theme in scenario_files.THEMES] == toctree.split()


def test_every_scenario_has_a_theme_of_the_list() -> None:
    assert {scenario_files.find(name).scenario.theme for name in scenario_files.names()} == {
        *scenario_files.THEMES
    }
