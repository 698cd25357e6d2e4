"""Collects scenario files as pytest items: a `close.scenario.toml` in a repository is a test.

`pytest scenarios/` plays every scenario it finds, on one testbed for as long as they agree on the server.
Options: runtime, otp, backend, family, kernel and wire as `rst-or-fin run` has them, and evidence DIR, each
behind --rst-or-fin-.
A failure shows the connection in tcpdump's notation with the deciding segment, and the witnesses.
"""

from __future__ import annotations

import argparse
import shutil
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from rst_or_fin.commands.argument_types import random_faults

if TYPE_CHECKING:
    from rst_or_fin.runner.pool import TestbedPool
    from rst_or_fin.scenario.model import Scenario
    from rst_or_fin.storage.scenario_files import Entry
    from rst_or_fin.verdict.assessment import Assessment

_SUFFIX = ".scenario.toml"
_POOL = pytest.StashKey["TestbedPool"]()
_EVIDENCE = "rst-or-fin-evidence"
_PREFIX = "--rst-or-fin-"
_OLD = pytest.StashKey[list[str]]()
_OLD_FIELDS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the testbed and of the evidence."""
    group = parser.getgroup("rst-or-fin", "RST or FIN: scenarios of how a TCP connection ends")
    for name, attributes in _options().items():
        group.addoption(_PREFIX + name, **attributes)


def _options() -> dict[str, dict[str, Any]]:
    """Return the options by their names without the prefix, which other plugins and users may have."""
    return {
        "runtime": {"choices": ("auto", "docker", "local"), "default": "auto", "help": "the testbed"},
        "otp": {"metavar": "RELEASE", "help": "Erlang/OTP release of the node"},
        "backend": {"choices": ("inet", "socket"), "default": "inet", "help": "what gen_tcp runs on"},
        "family": {"choices": ("4", "6"), "default": "4", "help": "IPv4 or IPv6"},
        "kernel": {"metavar": "NAME", "help": "boot this kernel under the node"},
        "wire": {
            "type": random_faults,
            "metavar": "FAULTS",
            "help": "random faults between the two hosts: 'loss=0.1 seed=7'",
        },
        "evidence": {
            "metavar": "DIR",
            "help": "where evidence folders go (default: a temporary folder)",
        },
    }


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, Any, Any]:
    """Take the options by their names without the prefix, too, as they once were called.

    The conftests come first: an option of theirs is theirs alone.
    """
    result = yield
    used = {arg.partition("=")[0] for arg in args}
    for name, attributes in _options().items():
        old = f"--{name}"
        if old not in used:
            continue
        hidden = {**attributes, "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
        try:
            parser.addoption(old, dest=(_PREFIX + name).lstrip("-").replace("-", "_"), **hidden)
        except ValueError:
            continue
        early_config.stash.setdefault(_OLD, []).append(name)
    return result


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the new option for each that was given by its old name."""
    from rst_or_fin.errors import OldNameWarning

    old = config.stash.get(_OLD, [])
    return [f"rst-or-fin: {OldNameWarning(f'--{name}', _PREFIX + name)}" for name in old]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say which fields of the files have another name now.

    Not as warnings, which a user's filter may turn into errors.
    """
    return [f"rst-or-fin: {line}" for line in config.stash.get(_OLD_FIELDS, [])]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a scenario file; None for any other."""
    return ScenarioFile.from_parent(parent, path=file_path) if file_path.name.endswith(_SUFFIX) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put scenarios that need the same server together, so that they share a testbed."""
    scenarios = [item for item in items if isinstance(item, ScenarioItem)]
    if scenarios:
        from rst_or_fin.runner.pool import side_by_side

        rest = [item for item in items if not isinstance(item, ScenarioItem)]
        items[:] = [*rest, *side_by_side(scenarios, lambda item: item.entry.scenario.hosts)]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the testbed."""
    pool = config.stash.get(_POOL, None)
    if pool is not None:
        pool.discard()


class ScenarioFile(pytest.File):
    """One scenario file; an invalid one is a collection error with all that is wrong in it."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the file's scenario."""
        from rst_or_fin.errors import OldNameWarning, RstOrFinError
        from rst_or_fin.storage import scenario_files

        try:
            with warnings.catch_warnings(record=True) as old_names:
                warnings.simplefilter("always", OldNameWarning)
                entry = scenario_files.load(self.path).under(self.config.option.rst_or_fin_wire)
        except scenario_files.ScenarioError as error:
            raise self.CollectError("\n".join(error.lines)) from error
        except RstOrFinError as error:
            raise self.CollectError(f"{error}\n{error.hint}".rstrip()) from error
        self.config.stash.setdefault(_OLD_FIELDS, []).extend(str(each.message) for each in old_names)
        yield ScenarioItem.from_parent(self, name=entry.scenario.name, entry=entry)


class ScenarioItem(pytest.Item):
    """One scenario, played once; passes when its outcome is as expected."""

    def __init__(self, *, entry: Entry, **rest: Any) -> None:
        super().__init__(**rest)
        self.entry = entry

    def runtest(self) -> None:
        """Play the scenario and raise where it does not end as expected."""
        from rst_or_fin.errors import RstOrFinError
        from rst_or_fin.escaping import visible
        from rst_or_fin.runner.player import Player
        from rst_or_fin.storage import evidence_writer
        from rst_or_fin.verdict.outcome import Outcome

        scenario = self.entry.scenario
        pool = self._pool()
        try:
            excluded = pool.excluded(scenario)
            if excluded:
                pytest.skip(visible(excluded))
            folder = evidence_writer.new_folder(self._evidence(), scenario.name)
            [judged] = Player(pool, repeat=1, command_line=("pytest", self.nodeid)).play(self.entry, folder)
        except RstOrFinError as error:
            pool.discard()  # whatever went wrong, the next scenario deserves a testbed that is whole
            raise NotPlayedError(str(error), error.hint) from None
        self.add_report_section("call", "evidence", str(folder))
        self.user_properties.append(("evidence", str(folder)))
        self.user_properties.append(("ending", str(judged.verdict.ending)))
        if judged.outcome not in (Outcome.AS_EXPECTED, Outcome.RACE):
            raise UnexpectedEndingError(judged)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the connection and the witnesses of an unexpected ending."""
        if isinstance(excinfo.value, UnexpectedEndingError):
            return _unexpected(self.path, self.entry.scenario, excinfo.value.judged)
        if isinstance(excinfo.value, NotPlayedError):
            return _failure(self.path, excinfo.value.why, "\n".join(filter(None, excinfo.value.args)))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Name the item for pytest's reports."""
        return self.path, 0, f"scenario: {self.name}"

    def _pool(self) -> TestbedPool:
        from rst_or_fin.runner.pool import TestbedPool
        from rst_or_fin.testbed.select import choose
        from rst_or_fin.testbed.spec import TestbedSpec

        stash, options = self.config.stash, self.config.option
        if _POOL not in stash:
            asked = TestbedSpec(
                runtime=options.rst_or_fin_runtime,
                otp=options.rst_or_fin_otp or "",
                backend=options.rst_or_fin_backend,
                family=int(options.rst_or_fin_family),
                kernel=options.rst_or_fin_kernel or "",
            )
            stash[_POOL] = TestbedPool(choose(asked, self._progress), self._progress)
        return stash[_POOL]

    def _progress(self, line: object) -> None:
        if not getattr(line, "detail", False):
            self.add_report_section("setup", "rst-or-fin", f"{line}\n")

    def _evidence(self) -> Path:
        chosen = self.config.option.rst_or_fin_evidence
        if chosen:
            return Path(chosen)
        factory: pytest.TempPathFactory = self.config._tmp_path_factory  # type: ignore[attr-defined]
        return factory.getbasetemp() / _EVIDENCE


class UnexpectedEndingError(Exception):
    """A scenario whose outcome differs from what it expects, or is inconclusive."""

    def __init__(self, judged: Assessment) -> None:
        super().__init__(str(judged.outcome))
        self.judged = judged


class NotPlayedError(Exception):
    """A scenario that could not be played: what is wrong, and what to do about it."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why, hint)
        self.why = why


def _unexpected(path: Path, scenario: Scenario, judged: Assessment) -> ReprExceptionInfo:
    """Show the whole case, and why it needs a look."""
    from rst_or_fin.report import fitting, terminal
    from rst_or_fin.verdict.reason import reason

    width = shutil.get_terminal_size((fitting.WIDTH, 24)).columns
    return _failure(path, reason(judged), terminal.case(scenario, judged, width=width))


def _failure(path: Path, why: str, shown: str) -> ReprExceptionInfo:
    """Make a failure that pytest shows once; `why` is in its short summary and JUnit's message.

    Of pytest's own kind, because only these pass from a process of pytest-xdist to the next.
    """
    from rst_or_fin.escaping import on_one_line, printed, visible

    entry = ReprEntryNative([f"{printed(shown)}\n"])
    return ReprExceptionInfo(
        reprtraceback=ReprTraceback(reprentries=[entry], extraline=None, style="native"),
        reprcrash=ReprFileLocation(str(path), 1, visible(on_one_line(why))),
    )
