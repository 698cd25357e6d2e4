"""A wire that breaks on purpose, between two real kernels: what left, what arrived, who is blamed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rst_or_fin.agents import wire
from rst_or_fin.errors import MachineError
from rst_or_fin.runner import replay as runner
from rst_or_fin.scenario.model import Scenario, parse
from rst_or_fin.storage.load_run import load_run
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.tcp.two_ends import Fate
from rst_or_fin.testbed import local
from rst_or_fin.testbed.local import LocalTestbed
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.verdict.assessment import Assessment

from tests.support import killing
from tests.support.needs import skip_or_fail

pytestmark = pytest.mark.local

HEAD = """\
claim = "close sends a FIN"
sources = ["RFC 9293"]
settle_ms = 2000
session = '''
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
gen_tcp:send(Sock, "GET / HTTP/1.1\\r\\n\\r\\n").
{ok, _} = gen_tcp:recv(Sock, 485).
gen_tcp:close(Sock).
'''
[expect]
ending = "FIN"
"""


@pytest.fixture(scope="module", autouse=True)
def kind() -> str:
    try:
        return local.probe()
    except MachineError as error:
        skip_or_fail(f"{error}; {error.hint}")


def scenario(rules: str) -> tuple[Scenario, str]:
    text = HEAD + rules
    return parse(text, "wired.scenario.toml"), text


def rule(**fields: object) -> str:
    shown = {k.rstrip("_"): repr(v).lower() if isinstance(v, bool) else repr(v) for k, v in fields.items()}
    return "[[wire]]\n" + "".join(f"{name} = {value}\n" for name, value in shown.items())


def played(
    rules: str, folder: Path, *, repeat: int = 1, family: int = 4, at_call: object = None
) -> Iterator[Assessment]:
    found, text = scenario(rules)
    request = runner.Request(
        scenario=found, scenario_text=text, repeat=repeat, folder=folder / "run", command_line=("test",)
    )
    testbeds: list[LocalTestbed] = []

    def open_one() -> LocalTestbed:
        testbeds.append(LocalTestbed(TestbedSpec(hosts=found.hosts, family=family)))
        return testbeds[-1]

    try:
        yield from runner.run(request, open_one(), open_one, at_call)  # type: ignore[arg-type]
    finally:
        for testbed in testbeds:
            testbed.close()


def one(rules: str, folder: Path, family: int = 4) -> Assessment:
    (judged,) = played(rules, folder, family=family)
    return judged


def fates(judged: Assessment) -> list[tuple[str, Fate]]:
    assert judged.connection is not None
    told = judged.verdict.passages
    return [(judged.connection.notation(p.segment), p.fate) for p in told if p.fate is not Fate.ARRIVED]


@pytest.mark.parametrize("family", [4, 6])
def test_a_fin_that_is_lost_left_and_never_arrived(tmp_path: Path, family: int) -> None:
    judged = one(rule(from_="client", segment="FIN", do="drop"), tmp_path, family)
    assert (fates(judged), judged.verdict.doubts, judged.verdict.ending) == (
        [("F. 19:19(0) ack 486", Fate.LOST)],
        (),
        Ending.FIN,
    )


def test_the_peers_fin_is_the_peers_although_it_was_lost(tmp_path: Path) -> None:
    judged = one(rule(from_="server", segment="FIN", do="drop"), tmp_path)
    assert (judged.verdict.peer_ending, fates(judged)[0][1]) == (Ending.FIN, Fate.LOST)


@pytest.mark.parametrize("ttl", [64, 37])
@pytest.mark.parametrize("family", [4, 6])
def test_a_middleboxs_reset_is_nobodys(tmp_path: Path, ttl: int, family: int) -> None:
    judged = one(rule(from_="client", segment="FIN", do="reset", ttl=ttl), tmp_path, family)
    verdict = judged.verdict
    assert (verdict.ending, verdict.peer_ending, verdict.peer_cause, verdict.doubts) == (
        Ending.FIN,
        Ending.NONE,
        Cause.NOT_SENT,
        (),
    )


def test_a_reset_outside_the_window_ends_nothing(tmp_path: Path) -> None:
    rules = rule(
        from_="server", segment="payload", do="reset", to="client", offset=1 << 30, drops=False, passes=True
    )
    verdict = one(rules, tmp_path).verdict
    assert (verdict.ending, verdict.peer_ending, verdict.cause, verdict.doubts) == (
        Ending.FIN,
        Ending.FIN,
        None,
        (),
    )


def test_a_corrupted_segment_is_received_by_nobody(tmp_path: Path) -> None:
    judged = one(rule(from_="client", segment="payload", do="corrupt"), tmp_path)
    assert (fates(judged)[0][1], judged.verdict.doubts) == (Fate.CORRUPTED, ())


def test_a_duplicated_segment_is_told_as_a_copy(tmp_path: Path) -> None:
    judged = one(rule(from_="server", segment="FIN", do="duplicate"), tmp_path)
    assert ("F. 486:486(0) ack 20", Fate.COPY) in fates(judged)


def test_a_rule_that_does_not_match_is_named(tmp_path: Path) -> None:
    rules = rule(from_="client", segment="FIN", do="drop") + rule(from_="server", segment="RST", do="drop")
    assert one(rules, tmp_path).verdict.doubts == (
        "wire rule 2 (drop the 1st RST from the server) was not applied: it never matched",
    )


def test_a_segment_that_is_held_for_ever_is_told(tmp_path: Path) -> None:
    rules = rule(from_="server", segment="FIN", do="hold", until={"from": "client", "segment": "RST"})
    rules = rules.replace("{'from': ", "{ from = ").replace(", 'segment': ", ", segment = ")
    doubts = one(rules, tmp_path).verdict.doubts
    assert any("what it held was never released" in doubt for doubt in doubts)


def test_evidence_with_two_captures_is_judged_again_alike(tmp_path: Path) -> None:
    rules = rule(from_="client", segment="FIN", do="drop") + "[wire.random]\nduplicate = 0.3\nseed = 5\n"
    first = [judged.record() for judged in played(rules, tmp_path, repeat=3)]
    again = [judged.record() for judged in load_run(tmp_path / "run").judgements]
    assert again == first


def test_a_seed_gives_every_replay_the_same_fate_again(tmp_path: Path) -> None:
    rules = "[wire.random]\nloss = 0.15\nseed = 11\n"
    runs = [[fates(j)[:1] for j in played(rules, tmp_path / name, repeat=3)] for name in ("a", "b")]
    assert runs[0] == runs[1]


def wire_programs() -> list[int]:
    """The processes below this one that are in a network with the wire's two interfaces."""
    found = []
    for pid in killing.descendants():
        with suppress(OSError):
            names = Path(f"/proc/{pid}/net/dev").read_text()
            if " node:" in names and " peer:" in names:
                found.append(pid)
    return found


def test_the_wire_goes_before_what_keeps_the_processors_busy(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        skip_or_fail("a higher priority takes CAP_SYS_NICE")
    found: set[int] = set()

    def look(call: object) -> None:
        found.update(os.getpriority(os.PRIO_PROCESS, pid) for pid in wire_programs())

    _ = list(played(rule(from_="client", segment="FIN", do="drop"), tmp_path, repeat=1, at_call=look))
    assert found == {wire.NICENESS}


def test_a_killed_wire_makes_its_replay_inconclusive_and_no_other(tmp_path: Path) -> None:
    before = killing.descendants()
    calls = 0

    def kill(call: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            for pid in wire_programs():
                os.kill(pid, signal.SIGKILL)

    rules = rule(from_="client", segment="FIN", do="drop")
    judged = list(played(rules, tmp_path, repeat=1, at_call=kill))
    assert [any("the wire between the hosts ended" in d for d in j.verdict.doubts) for j in judged] == [True]
    assert killing.descendants() == before


def test_the_replay_after_a_killed_wire_has_a_wire_of_its_own(tmp_path: Path) -> None:
    rules = rule(from_="client", segment="FIN", do="drop")
    replays = played(rules, tmp_path, repeat=3)
    outcomes = [bool(next(replays).verdict.doubts)]
    for pid in wire_programs():
        os.kill(pid, signal.SIGKILL)
    outcomes += [bool(judged.verdict.doubts) for judged in replays]
    assert outcomes == [False, True, False]


def test_nothing_stands_between_the_hosts_of_a_scenario_without_rules(tmp_path: Path) -> None:
    found = parse(HEAD, "plain.scenario.toml")
    with LocalTestbed(TestbedSpec(hosts=found.hosts)) as testbed:
        assert (testbed.wire, wire_programs()) == (None, [])
