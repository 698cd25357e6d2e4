"""What a contributor finds at the top of the repository holds together."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from trove_classifiers import classifiers

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = (ROOT / "constraints-dev.txt").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
RELATIVE_LINK = re.compile(r"\]\((?!https?:|#)[^)]+\)")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """hatch_build.py, as the build backend loads it."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_target_that_ci_calls_exists() -> None:
    scripts = [*WORKFLOWS, ROOT / ".ci/run"]
    run = r"^(?: *- run: | +|)make (?!make$)([a-z-]+)$"
    called = {name for path in scripts for name in re.findall(run, path.read_text(), re.MULTILINE)}
    assert {"lint", "package", "reproduce"} <= called <= TARGETS


def test_ci_tests_every_python_that_the_package_names() -> None:
    named = {name for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)}
    tested = re.findall(r'"(3\.\d+)"', (ROOT / ".github/workflows/ci.yml").read_text().partition("steps")[2])
    assert {f"Programming Language :: Python :: {version}" for version in tested} == named


@pytest.mark.parametrize(
    "tool", re.findall(r"entry: \.venv/bin/(\S+)", (ROOT / ".pre-commit-config.yaml").read_text())
)
def test_make_lint_runs_what_pre_commit_runs(tool: str) -> None:
    assert f"$(BIN)/{tool} " in MAKEFILE.replace("\n", " \n")


def test_every_dependency_is_pinned() -> None:
    wanted = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    names = {canonicalize_name(Requirement(text).name) for text in wanted} - {PROJECT["name"]}
    assert names <= set(re.findall(r"^([a-z0-9-]+)==", PINNED, re.MULTILINE))


def test_the_classifiers_are_pypis() -> None:
    assert set(PROJECT["classifiers"]) <= classifiers


def test_the_licence_is_an_spdx_expression() -> None:
    assert PROJECT["license"] == "Apache-2.0"


def test_the_readme_on_pypi_links_into_the_repository(build: ModuleType) -> None:
    base = "https://git.example/rst-or-fin/blob/v1.0.0"
    assert f"[remedies]({base}/docs/remedies.md)" in build.readme(README, base)


@pytest.mark.parametrize(("base", "pictures"), [("", 0), ("https://git.example/rst-or-fin/blob/v1.0.0", 1)])
def test_the_readme_on_pypi_shows_its_picture_where_it_lies(
    build: ModuleType, base: str, pictures: int
) -> None:
    shown = re.findall(
        r"^!\[.+\]\(https:.+/docs/ladders/.+\.svg\?raw=true\)$", build.readme(README, base), re.M
    )
    assert (len(shown), "![" in build.readme(README, base)) == (pictures, bool(pictures))


@pytest.mark.parametrize("base", ["", "https://git.example/rst-or-fin/blob/v1.0.0"])
def test_the_readme_on_pypi_has_no_relative_link(build: ModuleType, base: str) -> None:
    assert not RELATIVE_LINK.findall(build.readme(README, base))


def test_the_readme_on_pypi_shows_no_marks(build: ModuleType) -> None:
    assert "[[[" not in build.readme(README, "")


def test_the_addresses_are_those_of_the_repository_that_builds(build: ModuleType) -> None:
    assert (
        build.urls("https://git.example/o/r")["Changelog"] == "https://git.example/o/r/blob/main/CHANGELOG.md"
    )


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_the_changelogs_releases_are_in_order() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    dates = re.findall(r"^## \d+\.\d+\.\d+ - (\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert dates == sorted(dates, reverse=True)
