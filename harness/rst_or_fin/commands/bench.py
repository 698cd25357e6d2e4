"""`bench`: cold start to verdicts, warm replays per second, and where the time goes."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.commands.argument_types import count
from rst_or_fin.commands.bench_captures import bench_captures
from rst_or_fin.commands.console import progress
from rst_or_fin.commands.play_options import add_testbed_options, testbed_spec
from rst_or_fin.errors import EXIT_AS_EXPECTED
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.own_files import temporary_folder
from rst_or_fin.report.terminal import Tally
from rst_or_fin.runner import replay
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.storage import scenario_files
from rst_or_fin.storage.load_run import load_run
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import Testbed
from rst_or_fin.testbed.select import choose
from rst_or_fin.verdict.outcome import Outcome

_COLD_RUNS = 5
_PROGRAM = [sys.executable, "-m", "rst_or_fin.cli"]
_Result = TypeVar("_Result")


def bench_options(parser: argparse.ArgumentParser) -> None:
    """Add what `bench` takes."""
    parser.add_argument(
        "--repeat", type=count, default=200, metavar="N", help="warm replays of each scenario"
    )
    parser.add_argument(
        "--captures",
        action="store_true",
        help="measure the judge on captures of up to a million segments instead",
    )
    add_testbed_options(parser)


def bench(options: argparse.Namespace) -> int:
    """Measure cold and warm runs, or the judge, and print the times."""
    if options.captures:
        bench_captures()
        return EXIT_AS_EXPECTED
    runtime = choose(testbed_spec(options), progress)
    print(
        f"runtime {runtime.name}: {_COLD_RUNS} cold runs, then {options.repeat} warm replays of each scenario"
    )
    with temporary_folder("bench") as folder:
        _cold(options, runtime.name, Path(folder))
        with TestbedPool(runtime, progress) as pool:
            seconds = [_opening_s(pool) for _ in range(_COLD_RUNS)]
            print(f"\ntestbed ready (both hosts, wire, capture, link): {_median(seconds)}")
            for name in scenario_files.PUBLISHED_PAIR:
                _warm(scenario_files.find(name).under(options.wire), options.repeat, pool, Path(folder))
    if runtime.name == "local":
        _baseline(options.repeat)
    return EXIT_AS_EXPECTED


def _cold(options: argparse.Namespace, runtime: str, folder: Path) -> None:
    """Time each cold run from the command to both verdicts, interleaved with its unavoidable costs."""
    command = [*_PROGRAM, "reproduce", "--runtime", runtime, "--out", str(folder / "cold")]
    for axis in ("otp", "backend", "family", "kernel"):
        chosen = getattr(options, axis)
        command += [f"--{axis}", chosen] if chosen else []
    rows: dict[str, Callable[[], float]] = {
        "cold, command to both verdicts": lambda: _seconds(command),
        "  beside it: starting the program": lambda: _seconds([*_PROGRAM, "--version"]),
    }
    if runtime == "local":
        from rst_or_fin.node import runtime as erlang

        found = erlang.find(options.otp)
        boot = [found.program, "-noshell", "-eval", "erlang:halt()."]
        environment = {"HOME": str(folder), "LANG": "C.UTF-8", **found.environment}
        rows["  beside it: bare erl, boot and halt"] = lambda: _seconds(boot, environment)
    timed = [{name: time_it() for name, time_it in rows.items()} for _ in range(_COLD_RUNS)]
    print()
    for name in rows:
        print(f"{name}: {_median([replay[name] for replay in timed])}")


def _opening_s(pool: TestbedPool) -> float:
    pool.discard()
    return _timed(lambda: pool.get(scenario_files.find(scenario_files.PUBLISHED_PAIR[0]).scenario))[0]


def _median(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


def _baseline(repeat: int) -> None:
    from rst_or_fin.testbed import baseline

    print("\nbaseline: a plain socket client in the same namespaces, no capture, no judging")
    for name, seconds in baseline.seconds(repeat).items():
        print(f"  {repeat / seconds:.0f} replays per second, {name}")


def _seconds(command: list[str], environment: dict[str, str] | None = None) -> float:
    started = time.monotonic()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def _warm(entry: Entry, repeat: int, pool: TestbedPool, folder: Path) -> None:
    name = entry.scenario.name
    timed = _Timed(pool.get(entry.scenario))
    request = replay.Request(
        scenario=entry.scenario,
        scenario_text=entry.text,
        repeat=repeat,
        folder=folder / name,
        command_line=("bench",),
    )
    tally = Tally()
    started = time.monotonic()
    for judged in replay.run(request, cast(Testbed, timed), partial(pool.renew, entry.scenario)):
        tally.add(judged)
    whole_s = time.monotonic() - started
    right = tally.outcomes[Outcome.AS_EXPECTED]
    print(f"\n{name}: {right} of {repeat} as expected, {right / whole_s:.0f} verdicts as expected per second")
    judging_s, _ = _timed(partial(_judge_again, request.folder))
    parts = {**timed.spent, "judging (measured on the evidence again)": judging_s}
    parts["the node and everything else"] = whole_s - sum(parts.values())
    for part, seconds in parts.items():
        print(f"  {seconds / repeat * 1e6:7.0f} us per replay  {part}")


def _judge_again(folder: Path) -> None:
    load_run(folder)


def _timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    started = time.monotonic()
    result = call()
    return time.monotonic() - started, result


class _Timed:
    """A testbed that notes how long its callers wait in it, by what they wait for."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self.spent: defaultdict[str, float] = defaultdict(float)

    def __getattr__(self, name: str) -> Any:
        """Forward everything that is not timed."""
        return getattr(self._testbed, name)

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        """Time the wait for the capture."""
        return self._spend("waiting for the capture", lambda: self._testbed.drain(timeout_s))

    def peer_report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        """Time the wait for the peer's report."""
        return self._spend(
            "waiting for the peer's report", lambda: self._testbed.peer_report(client, timeout_s)
        )

    def connection_exists(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Time the question to the kernels."""
        return self._spend("asking the kernels", lambda: self._testbed.connection_exists(one, other))

    def _spend(self, what: str, call: Callable[[], _Result]) -> _Result:
        seconds, result = _timed(call)
        self.spent[what] += seconds
        return result
