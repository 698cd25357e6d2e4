"""Who ended a node that is gone: its session's close line, or something outside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rst_or_fin.evidence.records import Call, Replay, SessionEnd
from rst_or_fin.verdict import node_end

from tests.support.cases import replay

ENDING = [
    "erlang:halt().",
    "halt(0, [{flush, false}]).",
    "init:stop(), receive after infinity -> ok end.",
    "init:restart().",
    "q().",
    ":init.stop()",
    "System.halt",
    "System.stop(0)",
    'System.cmd("kill", ["-9", System.pid()])',
    'os:cmd("kill -9 " ++ os:getpid()).',
    'Pid = os:getpid(), os:cmd("kill -KILL " ++ Pid).',
]
OTHERS = [
    "gen_tcp:close(Sock).",
    "exit(Owner, kill), await_closed(Sock).",
    "application:stop(kernel).",
    "os:getpid().",
    "System.pid()",
    "gen_tcp:shutdown(Sock, write).",
]


def gone(source: str, status: int | None) -> Replay:
    told = replay()
    close = Call(source=source, result="** the node is gone", duration_us=0)
    return replace(
        told, calls=(*told.calls[:1], close), end=SessionEnd.NODE_GONE, readings=(), node_status=status
    )


@pytest.mark.parametrize("source", ENDING)
def test_a_line_that_says_so_ends_its_node(source: str) -> None:
    assert node_end.doubt(gone(source, None), ends_node=False) == ""


@pytest.mark.parametrize("source", OTHERS)
@pytest.mark.parametrize("status", [None, -9, 0, 137])
def test_a_line_that_says_nothing_of_it_does_not(source: str, status: int | None) -> None:
    assert "ended from outside" in node_end.doubt(gone(source, status), ends_node=False)


@pytest.mark.parametrize("status", [None, -9, 0, -6])
def test_the_scenario_may_say_so(status: int | None) -> None:
    assert node_end.doubt(gone("nif:crash().", status), ends_node=True) == ""


@pytest.mark.parametrize(("status", "another"), [(-9, True), (0, False), (-6, False), (None, False)])
def test_a_halt_does_not_end_by_sigkill(status: int | None, another: bool) -> None:
    assert bool(node_end.doubt(gone("erlang:halt().", status), ends_node=True)) is another


@pytest.mark.parametrize(
    ("status", "says"),
    [(-9, "(SIGKILL, perhaps"), (-15, "(SIGTERM)"), (1, "(exit code 1)"), (None, "session;")],
)
def test_how_it_ended_is_told(status: int | None, says: str) -> None:
    assert says in node_end.doubt(gone("gen_tcp:close(Sock).", status), ends_node=False)
