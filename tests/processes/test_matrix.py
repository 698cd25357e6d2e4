"""Which cells there are, how they are kept from each other, what is played again, what the table shows."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.analysis import matrix
from rst_or_fin.analysis.matrix import Cell, CellGroup, CellRecord, Combination, Mark, plan
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.evidence.records import CaptureFacts
from rst_or_fin.execution import run_matrix, workers
from rst_or_fin.execution import worker as cells
from rst_or_fin.execution.cache import ResultCache
from rst_or_fin.execution.worker import WorkerReply
from rst_or_fin.execution.workers import CellResult, GroupSupervisor, WorkerTasks
from rst_or_fin.report import matrix_table
from rst_or_fin.scenario.axes import Axes, When
from rst_or_fin.scenario.model import Exclusion, Server, parse
from rst_or_fin.scenario.wire import RandomFaults
from rst_or_fin.storage import evidence_format, evidence_writer

from tests.support import cases, players
from tests.support.segments import frame, segments

Found = TypeVar("Found")


@pytest.fixture(autouse=True)
def swept_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LATE_S", 0.0)  # nothing here is on an engine


TEXT = """
claim = "A claim."
sources = ["a test"]
session = "close."
[expect]
ending = "RST"
"""
HERE = Combination(runtime="docker", otp="27")
QUICK = WorkerTasks(
    prepare=players.open_nothing, play=players.play, discard=players.discard, cell_s=20.0, open_s=20.0
)


def cell(name: str = "ends", combination: Combination = HERE, **changes: object) -> Cell:
    scenario = parse(TEXT, name)
    for field, value in changes.items():
        scenario = msgspec.structs.replace(scenario, **{field: value})
    return Cell(scenario=scenario, text=TEXT, combination=combination)


def group(*names: str) -> CellGroup:
    return CellGroup(combination=HERE, cells=tuple(cell(name) for name in names))


# Planning

OTPS = st.lists(st.sampled_from(["23", "25", "27"]), unique=True, min_size=1)
BACKENDS = st.lists(st.sampled_from(["inet", "socket"]), unique=True, min_size=1)
NAMES = st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)


@given(OTPS, BACKENDS, NAMES)
def test_every_cell_is_planned_once(otps: list[str], backends: list[str], names: list[str]) -> None:
    cells = [
        cell(name, Combination(otp=otp, backend=backend))
        for otp, backend, name in product(otps, backends, names)
    ]
    planned = [c for group in plan(cells) for c in group.cells]
    assert sorted(map(str, planned)) == sorted(map(str, cells))


_KINDS = {True: "origin", False: "nginx"}


@given(OTPS, BACKENDS, NAMES)
def test_a_group_holds_all_that_one_testbed_can_serve(
    otps: list[str], backends: list[str], names: list[str]
) -> None:
    cells = [
        cell(name, Combination(otp=otp, backend=backend), server=Server(kind=_KINDS[name < "c"]))
        for otp, backend, name in product(otps, backends, names)
    ]
    testbeds = {(c.combination, c.scenario.server.kind) for c in cells}
    assert len(plan(cells)) == len(testbeds)


def test_cells_whose_peer_can_be_told_its_options_share_a_testbed() -> None:
    cells = [cell(f"a{n}", server=Server(options={"body_bytes": n})) for n in range(3)]
    assert [len(group.cells) for group in plan(cells)] == [3]


def test_cells_with_a_wire_between_the_hosts_have_a_testbed_of_their_own() -> None:
    lossy = cell("lossy", chance=RandomFaults(loss=0.5))
    assert len(plan([cell("plain"), lossy])) == 2


@given(st.lists(st.sampled_from(["origin", "nginx"]), min_size=1, max_size=40), st.integers(1, 8))
def test_no_group_is_larger_than_its_share(kinds: list[str], parts: int) -> None:
    cells = [cell(f"c{n}", server=Server(kind=kind)) for n, kind in enumerate(kinds)]
    groups = plan(cells, parts)
    assert sum(len(group.cells) for group in groups) == len(cells)
    assert max(len(group.cells) for group in groups) <= -(-len(cells) // parts)


def test_two_scenarios_of_one_name_have_no_place_in_one_matrix() -> None:
    with pytest.raises(UsageError, match="two scenarios are called 'ends'"):
        matrix.check_names([parse(TEXT, "ends"), parse(TEXT, "elsewhere/ends.scenario.toml")])


def test_another_text_is_another_input() -> None:
    one = cell()
    assert dataclasses.replace(one, text=TEXT + "#").inputs != one.inputs


@given(st.text(), st.text())
def test_no_two_kernels_share_a_folder_and_none_leaves_it(one: str, other: str) -> None:
    first, second = (Combination(kernel=kernel).folder for kernel in (one, other))
    assert (first == second) == (one == other)
    assert "/" not in first


def excluding(**when: object) -> Cell:
    exclusion = Exclusion(when=msgspec.convert(when, When), reason="cannot be")
    return cell(excluded=(exclusion,))


def test_an_exclusion_that_needs_no_testbed_is_told_beforehand() -> None:
    assert matrix.excluded_beforehand(excluding(otp=["<28"], backend=["inet"])) == "cannot be"


def test_an_exclusion_by_the_kernel_is_left_to_the_testbed() -> None:
    assert matrix.excluded_beforehand(excluding(kernel=["<7"])) == ""


@pytest.mark.parametrize(
    ("asked", "running", "right"),
    [
        ("", "6.18.44-fc", True),
        ("6.12.57", "6.12.57+deb12-amd64", True),
        ("6.12.57", "6.12.5-amd64", False),
        ("6.12.57", "6.18.44-fc", False),
        ("6.12.57", "", False),
        ("/home/me/bzImage", "6.18.44-mine", True),
    ],
)
def test_no_kernel_stands_for_another(asked: str, running: str, right: bool) -> None:
    with nullcontext() if right else pytest.raises(MachineError, match="that was asked for"):
        cells._check_kernel(asked, running)


# Guarding


def said(*names: str, tasks: WorkerTasks = QUICK) -> list[WorkerReply]:
    return [done.reply for done in GroupSupervisor(group(*names), tasks).play()]


def test_a_cell_that_kills_its_worker_is_a_trouble_of_that_cell_only() -> None:
    assert [s.error for s in said("ends", "dies", "ends-too")] == [
        "",
        "the worker process died during the cell",
        "",
    ]


def test_a_cell_that_hangs_is_ended_at_its_limit_and_the_next_one_is_played() -> None:
    impatient = dataclasses.replace(QUICK, cell_s=1.0)
    assert [s.error for s in said("hangs", "ends", tasks=impatient)] == [
        "the cell took longer than 1 s and was ended",
        "",
    ]


def test_a_mistake_of_ours_is_told_with_its_name() -> None:
    assert said("breaks", "ends")[0].error == "the cell failed with KeyError: 'a mistake'"


def test_what_a_cell_complains_of_comes_with_a_hint() -> None:
    assert said("fails")[0] == WorkerReply(error="the wire is cut", hint="mend it")


def test_an_excluded_cell_is_not_played() -> None:
    excluded = dataclasses.replace(QUICK, prepare=players.open_excluded)
    [done] = GroupSupervisor(group("ends"), excluded).play()
    assert (done.reply.excluded, done.files) == ("not on this kernel", {})


def test_a_testbed_that_never_opens_is_tried_twice_and_no_more() -> None:
    never = dataclasses.replace(QUICK, prepare=players.open_never)
    done = GroupSupervisor(group("a", "b", "c", "d"), never).play()
    assert [(d.reply.error, d.duration_s > 0) for d in done] == [
        ("the testbed does not open", True),
        ("the testbed does not open", True),
        ("the testbed does not open", False),
        ("the testbed does not open", False),
    ]


def test_the_evidence_of_a_cell_that_was_ended_is_kept() -> None:
    [done] = GroupSupervisor(group("dies"), QUICK).play()
    assert done.files["pid"].isdigit()


def test_cells_of_a_group_share_a_process_until_one_of_them_ends_it() -> None:
    first, second, _, last = GroupSupervisor(group("a", "b", "dies", "c"), QUICK).play()
    assert first.files["pid"] == second.files["pid"] != last.files["pid"]


def test_no_worker_process_outlives_its_group() -> None:
    done = GroupSupervisor(group("ends", "hangs"), dataclasses.replace(QUICK, cell_s=1.0)).play()
    assert [ownership._started(int(d.files["pid"])) for d in done] == [None, None]


def test_a_guard_that_is_stopped_returns_at_once_and_takes_its_worker_along() -> None:
    heard = threading.Event()
    guard = GroupSupervisor(group("ends", "hangs"), QUICK)
    playing = threading.Thread(target=guard.play, args=(lambda done: heard.set(),))
    playing.start()
    assert heard.wait(20)
    started = time.monotonic()
    guard.stop()
    playing.join(20)
    assert time.monotonic() - started < 10


def test_a_worker_process_that_is_stopped_before_it_told_its_number_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It kept its driver from ever ending."""
    monkeypatch.setattr(workers, "_SPAWN_S", 3.0)
    known = {child.pid for child in multiprocessing.active_children()}
    replies: list[WorkerReply] = []
    playing = threading.Thread(
        target=lambda: replies.extend(r.reply for r in GroupSupervisor(group("ends"), QUICK).play())
    )
    playing.start()
    [child] = await_for(lambda: [c for c in multiprocessing.active_children() if c.pid not in known])
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    playing.join(30)
    child.join(10)
    assert ([r.error for r in replies], child.is_alive()) == (["the worker process did not start"], False)


def test_a_worker_process_ends_with_whoever_was_to_watch_it(tmp_path: Path) -> None:
    watcher = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "from tests.processes.test_matrix import QUICK, GroupSupervisor, group; "
            "GroupSupervisor(group('hangs'), QUICK).play()",
        ],
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    [left] = await_for(lambda: [p for p in tmp_path.glob("**/evidence/pid") if p.read_text()])
    worker = int(left.read_text())
    started = ownership._started(worker)
    watcher.kill()
    watcher.wait()
    await_for(lambda: ownership._started(worker) != started)


def await_for(fact: Callable[[], Found]) -> Found:
    """What is found as soon as there is something; fails after 20 s."""
    deadline = time.monotonic() + 20
    while not (found := fact()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found


@pytest.mark.parametrize(
    ("prepare", "play", "hint"),
    [
        (players.open_slowly, players.play, "make its images beforehand"),
        (players.open_nothing, players.play_on_a_full_disk, "free some space"),
    ],
)
def test_the_hint_is_for_the_step_that_failed(
    prepare: Callable[[Cell], WorkerReply],
    play: Callable[[Cell, str, tuple[str, ...]], WorkerReply],
    hint: str,
) -> None:
    tasks = dataclasses.replace(QUICK, prepare=prepare, play=play, open_s=1.0)
    [done] = GroupSupervisor(group("a"), tasks).play()
    assert hint in done.reply.hint


# Spreading


def test_groups_are_played_side_by_side_and_every_cell_is_heard_once() -> None:
    done = list(workers.play_here([group("a", "dies"), group("b")], QUICK, jobs=2))
    assert sorted((d.cell.scenario.name, bool(d.reply.error)) for d in done) == [
        ("a", False),
        ("b", False),
        ("dies", True),
    ]


def test_what_is_submitted_to_an_executor_is_plain_data_and_so_is_what_comes_back() -> None:
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        [done] = workers.play_on(executor, [group("ends")], QUICK)
    assert done.files.keys() == {"pid"}


class Losing(concurrent.futures.Executor):
    """An executor whose machines are gone: every future fails."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: concurrent.futures.Future[object] = concurrent.futures.Future()
        future.set_exception(ConnectionError("the machine is gone"))
        return future


def test_a_group_whose_machine_is_lost_is_a_trouble_of_all_its_cells() -> None:
    done = list(workers.play_on(Losing(), [group("a", "b")], QUICK))
    assert [d.reply.error for d in done] == ["its worker was lost: ConnectionError: the machine is gone"] * 2


class Silent(concurrent.futures.Executor):
    """An executor that takes everything and never says a word."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        return concurrent.futures.Future()


def test_an_executor_that_falls_silent_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_SLACK_S", 0.1)
    at_once = dataclasses.replace(QUICK, open_s=0.0, cell_s=0.0, discard_s=0.0)
    [done] = workers.play_on(Silent(), [group("a")], at_once)
    assert done.reply.error == "no result came within 0 s"


# What is kept


def evidence(folder: Path, of: Cell, wire: str = cases.ABORT) -> dict[str, bytes]:
    """The files of a run of that cell, as the runner writes them."""
    manifest = evidence_format.Manifest(
        format=evidence_format.FORMAT,
        program="rst-or-fin",
        command_line=(),
        started="2026-01-01T00:00:00+00:00",
        finished=None,
        scenario=of.scenario.name,
        axes=Axes(runtime="docker", otp="27", kernel="6.12.43"),
        server=("10.0.0.3", 80),
        client_address="10.0.0.2",
        capture=CaptureFacts(dropped=0, fenced=True),
        facts={},
    )
    raised = cases.ABORT_ON_CLOSE if wire is cases.ABORT else {}
    with evidence_writer.Writer(folder, scenario_text=of.text, manifest=manifest) as writer:
        writer.frames(map(frame, segments(wire)))
        writer.replay(cases.replay(raised=raised), [], None)
        writer.finish(finished="2026-01-01T00:00:01+00:00", capture=manifest.capture)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Spread:
    """Plays every cell by handing out evidence that is there already; counts them."""

    def __init__(self, files: dict[str, bytes], said: WorkerReply | None = None) -> None:
        self.files, self.reply = files, said or WorkerReply()
        self.played: list[str] = []

    def __call__(self, groups: Sequence[CellGroup]) -> Iterator[CellResult]:
        for group in groups:
            for one in group.cells:
                self.played.append(str(one))
                yield CellResult(cell=one, reply=self.reply, files=self.files, duration_s=1.0)


def play(cache: ResultCache, spread: Spread, *cells: Cell, again: bool = False) -> list[CellRecord]:
    return list(run_matrix.play(cells, cache, spread, again=again))


def test_a_cell_comes_out_as_its_evidence_is_judged(tmp_path: Path) -> None:
    spread = Spread(evidence(tmp_path / "run", cell()))
    [record] = play(ResultCache(tmp_path / "out"), spread, cell())
    assert (record.mark, record.endings, record.closing_segment) == (
        Mark.AS_EXPECTED,
        ("RST",),
        "R. 19:19(0) ack 486",
    )


def test_what_differs_is_told_point_by_point(tmp_path: Path) -> None:
    spread = Spread(evidence(tmp_path / "run", cell(), cases.CLOSE))
    [record] = play(ResultCache(tmp_path / "out"), spread, cell())
    assert (record.mark, record.why) == (Mark.DIFFERS, "ending: FIN, expected RST")


def test_a_cell_whose_evidence_is_there_is_not_played_again(tmp_path: Path) -> None:
    cache, spread = ResultCache(tmp_path / "out"), Spread(evidence(tmp_path / "run", cell()))
    play(cache, spread, cell())
    [record] = play(cache, spread, cell())
    assert (len(spread.played), record.reused, record.mark) == (1, True, Mark.AS_EXPECTED)


@pytest.mark.parametrize("change", ["text", "again", "damaged", "repeat", "own kernel"])
def test_a_cell_is_played_again_when_it_has_to_be(tmp_path: Path, change: str) -> None:
    cache, spread = ResultCache(tmp_path / "out"), Spread(evidence(tmp_path / "run", cell()))
    play(cache, spread, cell())
    second = cell()
    if change == "text":
        second = dataclasses.replace(second, text=TEXT + "# another\n")
    elif change == "own kernel":
        second = dataclasses.replace(second, kernel_digest="own-2")  # made anew, at the same place
    elif change == "repeat":
        second = dataclasses.replace(second, repeat=2)
    elif change == "damaged":
        (tmp_path / "out" / cache.path_of(cell()) / "transcript.jsonl").unlink()
    play(cache, spread, second, again=change == "again")
    assert len(spread.played) == 2


@pytest.mark.parametrize(
    ("asked", "host", "plays"),
    [
        ("", "6.12.43", 1),
        ("", "6.12.57", 2),
        ("", "", 1),
        ("6.12.43", "6.18.1", 1),
        ("6.12.57", "6.12.43", 2),
    ],
)
def test_what_another_kernel_showed_is_not_taken_for_this_ones(
    tmp_path: Path, asked: str, host: str, plays: int
) -> None:
    one = cell(combination=msgspec.structs.replace(HERE, kernel=asked))
    cache, spread = ResultCache(tmp_path / "out"), Spread(evidence(tmp_path / "run", one))  # of 6.12.43
    for _ in range(2):
        list(run_matrix.play([one], cache, spread, host=host))
    assert len(spread.played) == plays


def test_what_is_there_stays_where_nothing_could_be_played_in_its_place(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path / "out")
    play(cache, Spread(evidence(tmp_path / "run", cell())), cell())
    play(cache, Spread({}, WorkerReply(error="no engine")), cell(), again=True)
    assert cache.find(cell()) is not None


def test_what_was_left_by_a_cell_in_trouble_is_not_taken_for_whole(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path / "out")
    spread = Spread(evidence(tmp_path / "run", cell()), WorkerReply(error="it hung"))
    [first] = play(cache, spread, cell())
    play(cache, spread, cell())
    assert (first.mark, first.evidence, len(spread.played)) == (Mark.ERROR, cache.path_of(cell()), 2)


def test_half_a_file_is_no_evidence_and_no_crash(tmp_path: Path) -> None:
    spread = Spread({"manifest.json": b"{"}, WorkerReply(error="it died"))
    [record] = play(ResultCache(tmp_path / "out"), spread, cell())
    assert (record.mark, record.evidence) == (Mark.ERROR, "")


def test_a_worker_cannot_write_beside_its_own_folder(tmp_path: Path) -> None:
    ResultCache(tmp_path / "out").store(cell(), {"../../../stray": b"x"}, complete=False)
    assert not list(tmp_path.glob("stray")) + list((tmp_path / "out").glob("stray"))


def test_an_excluded_cell_is_recorded_with_the_reason_and_not_played(tmp_path: Path) -> None:
    spread = Spread({})
    [record] = play(ResultCache(tmp_path / "out"), spread, excluding(backend=["inet"]))
    assert (record.mark, record.why, spread.played) == (Mark.EXCLUDED, "cannot be", [])


# Marks and the table


def record(name: str, mark: Mark, combination: Combination = HERE, **more: object) -> CellRecord:
    return msgspec.convert(
        {"scenario": name, "combination": msgspec.to_builtins(combination), "mark": mark.value, **more},
        CellRecord,
    )


@pytest.mark.parametrize(
    ("marks", "code"),
    [
        ([Mark.AS_EXPECTED, Mark.RACE, Mark.EXCLUDED], 0),
        ([Mark.AS_EXPECTED, Mark.INCONCLUSIVE], 3),
        ([Mark.INCONCLUSIVE, Mark.ERROR], 4),
        ([Mark.ERROR, Mark.DIFFERS, Mark.INCONCLUSIVE], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst(marks: list[Mark], code: int) -> None:
    assert matrix.worst_mark(record("a", mark) for mark in marks).exit_code == code


RECORDS = [
    record("a", Mark.AS_EXPECTED, Combination(otp="9"), endings=["RST"]),
    record("a", Mark.DIFFERS, Combination(otp="27"), endings=["FIN"], why="ending: FIN, expected RST"),
    record("b|c", Mark.EXCLUDED, Combination(otp="9"), why="not there"),
    record("b|c", Mark.ERROR, Combination(otp="27"), why="it hung", remedy="wait"),
]


def test_the_table_has_a_row_a_scenario_and_a_column_a_combination() -> None:
    assert matrix_table.text(RECORDS) == (
        "host's kernel, inet, IPv4, docker\n"
        "\n"
        "     OTP 9     OTP 27\n"
        "a    RST ok    FIN DIFFERS\n"
        "b|c  excluded  error\n"
        "\n"
        "1 as expected, 1 differs, 1 error, 1 excluded"
        "  (ok: ended as expected there, known differences included)\n"
        "DIFFERS  a, OTP 27, inet, IPv4\n"
        "  ending: FIN, expected RST\n"
        "error  b|c, OTP 27, inet, IPv4\n"
        "  it hung\n"
        "  hint: wait\n"
        "excluded  b|c, OTP 9, inet, IPv4\n"
        "  not there"
    )


def test_the_markdown_table_escapes_its_cells() -> None:
    assert "| b\\|c | excluded | error |" in matrix_table.markdown(RECORDS)


def test_a_summary_says_what_its_format_is(tmp_path: Path) -> None:
    summary = matrix.Summary(
        format=matrix.FORMAT,
        program="rst-or-fin",
        command_line=(),
        started="now",
        finished=None,
        mark=Mark.DIFFERS,
        cells=tuple(RECORDS),
    )
    ResultCache(tmp_path).write_table(summary)
    written = json.loads((tmp_path / "matrix.json").read_text())
    assert (written["format"], written["cells"][1]["mark"], len(written["cells"])) == (1, "differs", 4)


def test_what_the_engine_makes_after_its_asker_was_killed_is_removed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = iter([["container"], [], ["network"]])
    removed: list[str] = []
    monkeypatch.setattr(workers, "_LATE_S", 0.1)
    monkeypatch.setattr(engine, "connect", lambda: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(ownership, "orphans", lambda client: next(looks, []))
    monkeypatch.setattr(ownership, "remove", lambda client, things: removed.extend(things))
    workers._remove_leftovers()
    assert removed == ["container", "network"]
