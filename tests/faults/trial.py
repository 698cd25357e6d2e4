"""One fault: a run, a process of it, a moment; and whether what came of it is right, whole and clean.

Every scenario here is right where nobody interferes: an outcome may be as expected, or inconclusive with its
reason, or the run ends with a clear error. Anything else is a failure of the program.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import ownership
from rst_or_fin.errors import UsageError
from rst_or_fin.storage.load_run import load_run
from rst_or_fin.verdict.outcome import Outcome

from tests.faults import own_engine, processes

_BORN_TIMEOUT_S = 15.0
_END_TIMEOUT_S = {"local": 180.0, "docker": 240.0, "engine": 240.0}  # of a busy machine
_GONE_TIMEOUT_S = 5.0
_LATEST_S = {"local": 0.7, "docker": 2.5, "engine": 2.5}  # after a process was seen first
_LOOK_EVERY_S = 0.01
_CLI = (sys.executable, "-m", "rst_or_fin.cli")

# What the node's death in line 1 leaves: nothing was closed by the session.
_SLEEPING = """\
claim = "A node that is killed before its close line has closed nothing."
sources = ["RFC 9293 section 3.6"]
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]), timer:sleep(1500).
gen_tcp:close(Sock).
'''
expect = { ending = "FIN" }
"""
# Data that comes long after the FIN, and is answered with a RST: the peer has to be waited for.
_LATE = """\
claim = "Data 1.5 s after the FIN is answered with a RST."
sources = ["RFC 1122 section 4.2.2.13"]
settle_ms = 4000
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
gen_tcp:send(Sock, "GET / HTTP/1.1\\r\\n\\r\\n").
await_unread(Sock, 10).
{ok, _} = gen_tcp:recv(Sock, 10).
gen_tcp:close(Sock).
'''
[server]
kind = "scripted"
[server.options]
script = '''
expect S
send S. 0:0(0) ack 1 mss 1460
expect P. 1:19(18)
send P. 1:11(10) ack 19
expect F. 19:19(0) ack 11
send . 11:11(0) ack 20
wait 1500ms
send P. 11:1011(1000) ack 20
expect R 20:20(0)
'''
[expect]
ending = "FIN then RST"
cause = "data after close"
"""
_OWN = {"sleeping.scenario.toml": _SLEEPING, "late.scenario.toml": _LATE}
_SCENARIOS = (
    *("recv-then-close", "close-with-unread-response", "recv-then-close", "close-with-unread-response"),
    *("shutdown-write-half-open", "lingering-close", "server-413-body-unread", "data-after-our-fin"),
    *("halt-unread", "sigkill-drained", "sleeping.scenario.toml", "late.scenario.toml"),
)
_ROLES = {
    "local": (
        "driver",
        "node",
        "node",
        "server",
        "server",
        "outer holder",
        "inner holder",
        "node's keeper",
        "worker",
    ),
    "docker": ("driver", "node", "node's container", "server's container", "capture's container"),
    "engine": tuple(own_engine.PID_FILES),
}
_FIND: dict[str, Callable[[int], dict[str, int]]] = {
    "local": processes.local_roles,
    "docker": processes.docker_roles,
    "engine": own_engine.roles,
}
# Those that take longer, or end their nodes, are played less often: a run is to end in seconds.
_REPEATS = dict.fromkeys(_SCENARIOS[:-4], (1, 30, 100)) | dict.fromkeys(_SCENARIOS[-4:], (1, 2))
_REPEATS["shutdown-write-half-open"] = (1, 2)
_ACTIONS = ("kill", "stop", "starve", "kill while the driver is stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done in one trial; made from the seed and the trial's number alone.

    The moment is `delay_s` after the process was seen first, or, where it is `playing`, after that and the
    first evidence were.
    """

    runtime: str
    scenario: str
    repeat: int
    role: str
    action: str
    playing: bool
    delay_s: float
    stopped_s: float

    @classmethod
    def made(cls, runtime: str, seed: int, number: int) -> Plan:
        chance = random.Random(f"{seed}/{number}/{runtime}")
        role = chance.choice(_ROLES[runtime])
        scenario = chance.choice(_SCENARIOS)
        return cls(
            runtime=runtime,
            scenario=scenario,
            repeat=chance.choice(_REPEATS.get(scenario, (1, 1)) if runtime != "docker" else (1, 10)),
            role=role,
            action=chance.choice(_ACTIONS[:3] if role == "driver" else _ACTIONS),
            playing=role != "worker" and chance.random() < 0.7,
            delay_s=chance.choice([0.0, chance.uniform(0.0, _LATEST_S[runtime])]),
            stopped_s=chance.uniform(0.01, 3.0),
        )

    def command(self) -> list[str]:
        if self.role == "worker":
            cells = ["matrix", self.scenario, "--jobs", "1", "--format", "json", "--out", "runs"]
        else:
            cells = ["run", self.scenario, "--json", "--out", "runs"]
        runtime = "local" if self.runtime == "local" else "docker"
        return [*_CLI, *cells, "--runtime", runtime, "--repeat", str(self.repeat)]


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a trial: in a word, and everything that must not be."""

    plan: Plan
    came_to: str = ""
    faults: list[str] = field(default_factory=list)


def play(plan: Plan, place: Path) -> Result:
    """Do it in an empty folder. This process must be the subreaper of all that it starts."""
    result = Result(plan=plan)
    for name, text in _OWN.items():
        (place / name).write_text(text)
    temporary = place / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "HOME": str(place)}
    with (place / "out").open("wb") as out, (place / "err").open("wb") as err:
        run = subprocess.Popen(plan.command(), cwd=place, env=environment, stdout=out, stderr=err)
    struck = _strike(plan, run, place)
    try:
        code = run.wait(_END_TIMEOUT_S[plan.runtime])
    except subprocess.TimeoutExpired:
        result.faults.append("it does not end")
        run.kill()
        code = run.wait()
    said = (place / "err").read_text(errors="replace")
    result.came_to = _came_to(code) if struck else f"nothing to hit: {_came_to(code)}"
    result.faults += [*_faults_of_code(plan, code, said), *_faults_of_folders(place)]
    result.faults += _left(plan, run.pid, temporary)
    return result


def _strike(plan: Plan, run: subprocess.Popen[bytes], place: Path) -> bool:
    """Wait for the process, and for the moment; then do it. False where there was nothing to hit."""
    find = _FIND[plan.runtime]
    deadline = time.monotonic() + _BORN_TIMEOUT_S
    while (victim := find(run.pid).get(plan.role)) is None:
        if run.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    while plan.playing and run.poll() is None and not any(place.glob("runs/*/watch.jsonl")):
        time.sleep(_LOOK_EVERY_S)
    time.sleep(plan.delay_s)
    victim = find(run.pid).get(plan.role, victim)  # a node may be another by now
    if run.poll() is not None or victim not in processes.parents():
        return False
    match plan.action:
        case "kill":
            processes.kill(victim)
        case "stop":
            processes.stop(victim, plan.stopped_s)
        case "starve":
            processes.starve(victim, plan.stopped_s)
        case _:
            _kill_behind(run.pid, victim)
    return True


def _kill_behind(driver: int, victim: int) -> None:
    """Kill while the driver does not run: it finds all that has happened at once."""
    os.kill(driver, signal.SIGSTOP)
    processes.kill(victim)
    time.sleep(0.2)
    os.kill(driver, signal.SIGCONT)


def _came_to(code: int) -> str:
    words = {0: "as expected", 3: "inconclusive", 4: "error", -9: "killed"}
    return words.get(code, f"exit code {code}")


def _faults_of_code(plan: Plan, code: int, said: str) -> Iterator[str]:
    killed = plan.role == "driver" and plan.action == "kill"
    if code not in (0, 3, 4) and not (killed and code == -9):
        yield f"exit code {code}: {said[-300:]}"
    elif code == 4 and plan.role != "worker" and "\n  hint: " not in said:
        yield f"no hint: {said[-300:]}"
    if "Traceback" in said:
        yield f"a traceback: {said[-600:]}"


def _faults_of_folders(place: Path) -> Iterator[str]:
    """Every folder can be judged, as it was judged when it was played, and nothing in it differs."""
    for manifest in sorted(place.glob("runs/**/manifest.json")):
        folder = manifest.parent
        try:
            found = [_plain(judged.record()) for judged in load_run(folder).judgements]
        except UsageError as error:
            yield f"{folder.name} cannot be judged: {error}"
            continue
        told = [json.loads(line) for line in _whole_lines(folder / "verdicts.jsonl")]
        if told != found[: len(told)]:
            yield f"{folder.name} is judged otherwise again"
        for record in found:
            if record["outcome"] == Outcome.DIFFERS:
                wrong = [c for c in record["comparisons"] if not c["same"]]
                yield f"{folder.name}, replay {record['index']}, differs: {wrong}"
            if record["outcome"] == Outcome.INCONCLUSIVE and not record["doubts"]:
                yield f"{folder.name}, replay {record['index']}, is inconclusive without a reason"


def _whole_lines(path: Path) -> list[bytes]:
    """A run that was killed may have begun a line."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _plain(record: dict[str, Any]) -> Any:
    return json.loads(msgspec.json.encode(record))


def _left(plan: Plan, driver: int, temporary: Path) -> Iterator[str]:
    """What is left of the run: processes, temporary files, containers and networks."""
    deadline = time.monotonic() + _GONE_TIMEOUT_S
    while left := processes.below(os.getpid()):
        if time.monotonic() > deadline:
            yield f"{len(left)} processes are left"
            for pid in left:
                processes.kill(pid)
            break
        _reap()
        time.sleep(_LOOK_EVERY_S)
    _reap()
    if plan.runtime == "engine":
        own_engine.await_engine().close()  # it is started again where it was killed
    if plan.runtime != "local" or any(temporary.iterdir()):
        clean = [*_CLI, "clean"]
        subprocess.run(clean, env={**os.environ, "TMPDIR": str(temporary)}, capture_output=True, check=False)
    kept = f"rst-or-fin-{os.geteuid()}."  # the user's own folders of locks and notes
    names = [path.name for path in temporary.iterdir() if not path.name.startswith(kept)]
    if names:
        yield f"temporary files are left: {names}"
    if plan.runtime != "local":
        client = engine.connect()
        owned = ownership.owned_resources(client)
        client.close()
        mine = [thing.name for thing in owned if thing.owner is not None and thing.owner.pid == driver]
        if mine:
            yield f"in the engine are left: {mine}"


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
