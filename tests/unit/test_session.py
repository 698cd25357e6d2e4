"""A node's events become one Replay, whole or as far as the session came."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import cast

import pytest
from erldistpy.etf import decode_term  # type: ignore[import-untyped]
from rst_or_fin import data_files
from rst_or_fin.errors import LinkError, LinkLostError, UsageError
from rst_or_fin.evidence.records import (
    BoundSocket,
    Call,
    CounterReading,
    ListeningSocket,
    Moment,
    Replay,
    SentBytes,
    SessionEnd,
    SocketState,
)
from rst_or_fin.node import session
from rst_or_fin.node.link import Atom, Event, Link, Term
from rst_or_fin.tcp.segment import Endpoint

from tests.support.sessions import begin

_LOCAL, _REMOTE = ((10, 0, 0, 2), 40000), ((10, 0, 0, 3), 80)
_STATE = (b"Sock", _LOCAL, _REMOTE, 485, 485, 1)
_SOCK = (b"Sock", _LOCAL, _REMOTE)
_LISTENER = (b"L", ((10, 0, 0, 2), 8080), Atom("true"))
_NETSTAT = b"TcpExt: TCPTimeouts\nTcpExt: 1\n"


def _files(resets: int) -> list[bytes]:
    return [_NETSTAT, b"Tcp: MaxConn OutRsts\nTcp: -1 %d\n" % resets]


_BEGUN: Event = (Atom("begun"), (10, 11, _files(4)))
_CONNECT: Event = (Atom("line"), 1, b"{ok,Sock} = ...", b"{ok,#Port<0.6>}", 300, 12, [_SOCK])
_CLOSING: Event = (Atom("closing"), [_STATE], (13, 14, _files(4)), b"gen_tcp:close(Sock).", 15)
_CLOSED: Event = (Atom("closed"), (16, 17, _files(5)))
_CLOSE: Event = (Atom("line"), 2, b"gen_tcp:close(Sock).", b"ok", 70, 15, [])
_SENT: Event = (Atom("sent"), [(_LOCAL, _REMOTE, 1000)])
_DONE: Event = (Atom("done"), [_LISTENER])


class _Node:
    """Stands for a Link: says the events it was given, one by one, then is gone."""

    def __init__(self, *events: Event, answer: Term = None) -> None:
        self._events = list(events)
        self._answer = answer
        self.sent: list[Term] = []
        self.released: list[bytes] = []

    def send(self, command: Term) -> bytes:
        self.sent.append(command)
        return b"1"

    def next_event(self, ref: bytes, timeout_s: float) -> Event:
        if not self._events:
            raise LinkLostError("the link to the Erlang node broke")
        return ("events", [self._events.pop(0)])

    def release(self, ref: bytes) -> None:
        self.released.append(ref)

    def call(self, command: Term, timeout_s: float) -> Term:
        self.sent.append(command)
        return self._answer


def _link(node: _Node) -> Link:
    return cast(Link, node)


def _collected(*events: Event) -> Replay:
    return session.collect(_link(_Node(*events)), b"1", 0, 5)


def _results(calls: Iterable[Call]) -> list[str]:
    return [call.result for call in calls]


def _reading(moment: Moment, resets: int, from_ns: int) -> CounterReading:
    counters = {"Tcp:OutRsts": resets}
    return CounterReading(moment=moment, counters=counters, from_ns=from_ns, to_ns=from_ns + 1)


def test_a_session_that_was_played_to_its_end_is_done() -> None:
    local, remote = Endpoint("10.0.0.2", 40000), Endpoint("10.0.0.3", 80)
    assert _collected(_BEGUN, _CONNECT, _CLOSING, _CLOSED, _CLOSE, _DONE) == Replay(
        index=0,
        calls=(
            Call(source="{ok,Sock} = ...", result="{ok,#Port<0.6>}", duration_us=300, t_ns=12),
            Call(source="gen_tcp:close(Sock).", result="ok", duration_us=70, t_ns=15),
        ),
        end=SessionEnd.DONE,
        error="",
        close_line=2,
        sockets=(
            SocketState(
                name="Sock",
                local=local,
                remote=remote,
                received=485,
                unread=485,
                state=1,
            ),
        ),
        readings=(
            _reading(Moment.BEGUN, 4, 10),
            _reading(Moment.BEFORE, 4, 13),
            _reading(Moment.AFTER, 5, 16),
        ),
        bound=(BoundSocket(name="Sock", local=local, remote=remote, line=1),),
        listening=(ListeningSocket(name="L", local=Endpoint("10.0.0.2", 8080), closed=True),),
    )


def test_a_crash_keeps_what_came_before_it() -> None:
    replay = _collected(_CONNECT, (Atom("crashed"), 2, b"x = y.", b"** exception error: no match"))
    assert (replay.end, replay.error, _results(replay.calls)) == (
        SessionEnd.CRASHED,
        "** exception error: no match",
        ["{ok,#Port<0.6>}", "** exception error: no match"],
    )


def test_a_line_that_hangs_is_named() -> None:
    replay = _collected(_CONNECT, (Atom("timed_out"), 2, b"receive never -> ok end."))
    assert (replay.end, replay.error) == (SessionEnd.TIMED_OUT, "line 2 did not return in time")


def test_a_node_that_the_close_line_halts_leaves_what_it_said() -> None:
    replay = _collected(_CONNECT, _CLOSING)
    assert (replay.end, replay.close_line, replay.calls[-1].source, replay.reading(Moment.AFTER)) == (
        SessionEnd.NODE_GONE,
        2,
        "gen_tcp:close(Sock).",
        None,
    )


def test_a_node_that_goes_before_the_close_line_has_no_snapshot() -> None:
    replay = _collected(_CONNECT)
    assert (replay.end, replay.close_line, replay.sockets, replay.reading(Moment.BEFORE)) == (
        SessionEnd.NODE_GONE,
        0,
        (),
        None,
    )


def test_calls_are_shown_as_they_arrive() -> None:
    shown: list[Call] = []
    node = _Node(_CONNECT, _CLOSING, _CLOSED, _CLOSE, _DONE)
    replay = session.collect(_link(node), b"1", 0, 5, shown.append)
    assert tuple(shown) == replay.calls


def test_a_session_that_does_not_parse_is_the_users_to_mend() -> None:
    with pytest.raises(UsageError, match=r"line 3 of the session does not parse: syntax error before: '\)'"):
        _collected((Atom("unparsable"), 3, b"syntax error before: ')'"))


def test_a_session_that_has_no_such_line_is_the_users_to_mend() -> None:
    with pytest.raises(UsageError, match="cannot be played: the close line is 7"):
        _collected((Atom("unparsable"), 0, b"the close line is 7, but the session has 2"))


def test_an_event_that_is_none_is_not_passed_over() -> None:
    with pytest.raises(LinkError, match="an unknown event"):
        _collected((Atom("dance"), 1))


def test_events_that_come_together_are_taken_in_order() -> None:
    class Batching(_Node):
        def next_event(self, ref: bytes, timeout_s: float) -> Event:
            return ("events", [_CONNECT, _CLOSING, _CLOSED, _CLOSE, _DONE])

    together = session.collect(_link(Batching()), b"1", 0, 5)
    assert together == _collected(_CONNECT, _CLOSING, _CLOSED, _CLOSE, _DONE)


@pytest.mark.parametrize("events", [(_DONE,), (), ((Atom("unparsable"), 1, b"x"),)])
def test_the_ref_is_released_however_it_ends(events: tuple[Event, ...]) -> None:
    node = _Node(*events)
    with suppress(UsageError):
        session.collect(_link(node), b"1", 0, 5)
    assert node.released == [b"1"]


def _decoded(commands: Iterable[Term]) -> list[Term]:
    return [decode_term(b"\x83" + cast("bytes", command))[0] for command in commands]


def test_a_play_says_everything_in_binaries_and_numbers() -> None:
    node = _Node()
    begin(_link(node), "ok.", {"Port": "80"}, close_line=1, line_timeout_s=1.5)
    assert _decoded(node.sent) == [(Atom("play"), b"ok.", {b"Port": b"80"}, 1, 1500, True)]


def test_what_warms_a_kernel_images_node_up_says_as_much() -> None:
    node = _Node()
    begin(_link(node), "")
    [play] = cast("list[tuple[Term, ...]]", _decoded(node.sent))
    warm_up = (data_files.path("containers") / "kernel/root/warm-up.erl").read_text(encoding="utf-8")
    given = warm_up.partition("Play = {")[2].partition("},\n    Played =")[0]
    plain = re.sub(r'<<".*?">>', "text", re.sub(r"#\{.*?\}", "map", given))
    assert len(plain.split(",")) == len(play)


def test_facts_are_text() -> None:
    assert session.node_facts(_link(_Node(answer={b"otp": b"28"}))) == {"otp": "28"}


def test_sysctls_are_text() -> None:
    node = _Node(answer={b"net.ipv4.tcp_rmem": b"4096\t131072"})
    assert session.sysctls(_link(node), ["net.ipv4.tcp_rmem"]) == {"net.ipv4.tcp_rmem": "4096\t131072"}


def test_counters_are_numbers() -> None:
    node = _Node(answer=(10, 11, _files(3)))
    assert session.counters(_link(node)) == _reading(Moment.SETTLED, 3, 10)


def test_what_was_handed_over_is_known_also_of_a_node_that_is_gone() -> None:
    sent = SentBytes(local=Endpoint("10.0.0.2", 40000), remote=Endpoint("10.0.0.3", 80), bytes=1000)
    assert _collected(_BEGUN, _CONNECT, _SENT, _CLOSING).sent == (sent,)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (
            b"** exception error: undefined function ssl:connect/3",
            'this node has no ssl: add `[node] applications = ["ssl"]`',
        ),
        (
            b"** exception error: undefined function httpc:request/1",
            "httpc is of the application inets; this node has no inets: "
            'add `[node] applications = ["inets"]`',
        ),
        (
            b'{error,{inets,{"no such file or directory","inets.app"}}}',
            'this node has no inets: add `[node] applications = ["inets"]`',
        ),
    ],
)
def test_a_call_into_an_application_that_the_node_lacks_is_told_with_its_name(
    error: bytes, hint: str
) -> None:
    assert _collected(_BEGUN, (Atom("crashed"), 1, b"x.", error)).error.splitlines()[-1] == hint


def test_any_other_undefined_function_is_told_as_it_is() -> None:
    error = b"** exception error: undefined function my_module:call/0"
    assert _collected(_BEGUN, (Atom("crashed"), 1, b"x.", error)).error == error.decode()
