"""The node evaluates sessions as a shell would, counts what lies unread, and ends when it should."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rst_or_fin.errors import UsageError
from rst_or_fin.evidence.counters import COUNTERS
from rst_or_fin.evidence.records import Moment, Replay, SessionEnd
from rst_or_fin.node import session
from rst_or_fin.node.link import Atom

from tests.erlang.conftest import BIG, Node, Peer, linked, new_node, started

_BACKENDS = pytest.mark.parametrize("backend", ["inet", "socket"])
_UNREAD_PAIR = """
{ok,Sock} = gen_tcp:connect(Server, Port, [{active,false}]).
ok = gen_tcp:send(Sock, "GET / HTTP/1.1\\r\\n\\r\\n").
await_unread(Sock, 485).
gen_tcp:close(Sock).
"""


def _connected(backend: str = "inet", options: str = "{active,false}", request: str = "GET") -> str:
    return f"""
    {{ok,Sock}} = gen_tcp:connect(Server, Port, [{{inet_backend,{backend}}},{options}]).
    ok = gen_tcp:send(Sock, "{request} /\\r\\n\\r\\n").
    """


def raised(replay: Replay, name: str) -> int:
    """By how much the close line raised that counter."""
    before, after = replay.reading(Moment.BEFORE), replay.reading(Moment.AFTER)
    assert before is not None
    assert after is not None
    return after.counters[name] - before.counters[name]


class TestLines:
    def test_results_are_printed_as_a_shell_prints_them(self, node: Node) -> None:
        replay = node.play('{Server, Port}.\n"text".\n[1,2].\n#{a => <<"b">>}.', 80)
        assert [call.result for call in replay.calls] == [
            "{{127,0,0,1},80}",
            '"text"',
            "[1,2]",
            '#{a => <<"b">>}',
        ]

    def test_bindings_are_kept(self, node: Node) -> None:
        assert node.result("X = 20.\nY = X + 1.\n{X, Y}.") == "{20,21}"

    def test_sources_are_the_text_without_comments(self, node: Node) -> None:
        replay = node.play("% first\nX = lists:sum([1,   % one\n  % two\n  2]). % end\n\n\nX.\n% last")
        assert [call.source for call in replay.calls] == ["X = lists:sum([1,\n  2]).", "X."]

    def test_several_expressions_may_share_a_dot(self, node: Node) -> None:
        assert [call.result for call in node.play("X = 1, X + 1.").calls] == ["2"]

    def test_text_is_unicode(self, node: Node) -> None:
        call = node.play('length("żółw").').calls[0]
        assert (call.source, call.result) == ('length("żółw").', "4")

    def test_output_stands_before_the_result(self, node: Node) -> None:
        assert node.result('io:format("~s~n", [hello]).') == "hello\nok"

    def test_a_long_result_is_cut(self, node: Node) -> None:
        result = node.result("lists:duplicate(20000, $x).")
        assert (len(result) < 8300, result[-13:]) == (True, "bytes in all)")

    def test_messages_belong_to_the_session(self, node: Node, peer: Peer) -> None:
        receive = "receive {tcp,Sock,Data} -> length(Data) > 0 after 2000 -> none end."
        assert node.result(_connected(options="{active,once}") + receive, peer.port) == "true"

    def test_flush_shows_the_mailbox(self, node: Node) -> None:
        assert node.result("self() ! hello.\nflush().") == "Shell got hello\nok"

    def test_the_shells_own_commands_are_there(self, node: Node) -> None:
        assert node.result("is_list(pwd()).").endswith("false")

    def test_a_play_leaves_no_process_behind(self, node: Node) -> None:
        node.play("register(left_behind, spawn(fun() -> receive never -> ok end end)).")
        assert node.result("whereis(left_behind).") == "undefined"


class TestEnds:
    def test_a_crash_is_told_as_a_shell_tells_it(self, node: Node) -> None:
        replay = node.play("X = 1.\n{ok,_} = {error,econnrefused}.\nnever.", close_line=3)
        assert (replay.end, replay.error, len(replay.calls)) == (
            SessionEnd.CRASHED,
            "** exception error: no match of right hand side value {error,econnrefused}",
            2,
        )

    @pytest.mark.parametrize(
        ("line", "error"),
        [
            ("throw(x).", "** exception throw: x"),
            ("exit(x).", "** exception exit: x"),
            ("exit(self(), kill).", "** exited: killed"),
            ("hd([]).", "** exception error: bad argument"),
            ("await_unred(1, 2).", "** exception error: undefined shell command await_unred/2"),
            ("await_closed(1).", "** exception error: "),
        ],
    )
    def test_every_way_to_crash_is_a_crash(self, node: Node, line: str, error: str) -> None:
        replay = node.play(line)
        assert (replay.end, replay.error[: len(error)]) == (SessionEnd.CRASHED, error)

    def test_a_crash_at_the_close_line_has_both_snapshots(self, node: Node, peer: Peer) -> None:
        replay = node.play(_connected() + "await_unread(Sock, 485).\nexit(self(), kill).", peer.port)
        assert raised(replay, "TcpExt:TCPAbortOnClose") > 0

    def test_a_line_that_hangs_is_ended(self, node: Node) -> None:
        replay = node.play("1.\nreceive never -> ok end.", line_timeout_s=0.1)
        assert (replay.end, replay.calls[1].source) == (SessionEnd.TIMED_OUT, "receive never -> ok end.")

    def test_the_clock_is_the_lines_own(self, node: Node) -> None:
        replay = node.play("timer:sleep(120).\n" * 4, line_timeout_s=0.3)
        assert replay.end is SessionEnd.DONE

    def test_commands_are_answered_while_a_line_runs(self, node: Node) -> None:
        ref = node.begin("timer:sleep(300).")
        facts = session.node_facts(node.link)
        assert (set(facts), session.collect(node.link, ref, 0, 5).end) == (
            {"otp", "erts", "kernel", "kernel_build", "backend"},
            SessionEnd.DONE,
        )


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ("ok.\nfoo()).\n", r"line 2 .*: syntax error before: '\)'"),
            ("ok.\n\nX = 1", "line 3 .*: the last expression does not end with a dot"),
            ('ok.\n"unfinished.', "line 2 .*: unterminated string"),
            ("% nothing", "no expression"),
        ],
    )
    def test_what_does_not_parse_is_told_with_its_line(self, node: Node, text: str, where: str) -> None:
        with pytest.raises(UsageError, match=where):
            node.play(text)

    def test_nothing_is_evaluated_before_all_is_parsed(self, node: Node) -> None:
        with pytest.raises(UsageError):
            node.play("persistent_term:put(evaluated, true).\nfoo(.")
        assert node.result("persistent_term:get(evaluated, false).") == "false"

    def test_a_close_line_that_is_none_is_told(self, node: Node) -> None:
        with pytest.raises(UsageError, match="the close line is 7, but the session has 1"):
            node.play("ok.", close_line=7)


class TestUnread:
    def test_the_close_of_unread_data_is_seen_by_every_witness(self, node: Node, peer: Peer) -> None:
        replay = node.play(_UNREAD_PAIR, peer.port)
        assert (
            [(s.name, s.unread, s.received, s.state) for s in replay.sockets],
            replay.close_line,
            raised(replay, "TcpExt:TCPAbortOnClose") > 0,
        ) == ([("Sock", 485, 485, 1)], 4, True)

    def test_the_snapshot_names_both_ends(self, node: Node, peer: Peer) -> None:
        (state,) = node.play(_UNREAD_PAIR, peer.port).sockets
        assert (state.local.address, state.remote.address, state.remote.port) == (
            "127.0.0.1",
            "127.0.0.1",
            peer.port,
        )

    @_BACKENDS
    def test_nothing_is_unread_once_all_is_read(self, node: Node, peer: Peer, backend: str) -> None:
        lines = _connected(backend) + "{ok,_} = gen_tcp:recv(Sock, 485).\nunread(Sock)."
        assert node.result(lines, peer.port) == "0"

    def test_the_rest_of_a_short_read_is_unread(self, node: Node, peer: Peer) -> None:
        lines = _connected() + "await_unread(Sock, 485).\n{ok,_} = gen_tcp:recv(Sock, 10).\nunread(Sock)."
        assert node.result(lines, peer.port) == "475"

    @_BACKENDS
    def test_what_the_runtime_read_ahead_is_not_unread(self, node: Node, peer: Peer, backend: str) -> None:
        lines = _connected(backend, "{active,false},{packet,line}")
        lines += "await_unread(Sock, 485).\n{ok,_} = gen_tcp:recv(Sock, 0).\nunread(Sock)."
        assert node.result(lines, peer.port) == "0"

    @_BACKENDS
    def test_a_recv_that_timed_out_may_have_read(self, node: Node, peer: Peer, backend: str) -> None:
        lines = _connected(backend) + "await_unread(Sock, 485).\n"
        lines += "{error,timeout} = gen_tcp:recv(Sock, 1000, 10).\nunread(Sock)."
        assert node.result(lines, peer.port) == "0"

    @_BACKENDS
    def test_more_than_a_page_is_counted(self, node: Node, peer: Peer, backend: str) -> None:
        lines = _connected(backend, request="big") + f"await_unread(Sock, {len(BIG)})."
        assert node.result(lines, peer.port) == str(len(BIG))

    @_BACKENDS
    def test_the_peers_fin_is_no_byte(self, node: Node, peer: Peer, backend: str) -> None:
        lines = _connected(backend, request="fin")
        lines += "await_peer_fin(Sock).\n{await_received(Sock, 485), unread(Sock)}."
        assert node.result(lines, peer.port) == "{485,485}"

    @_BACKENDS
    def test_the_peers_fin_is_no_byte_once_all_is_read(self, node: Node, peer: Peer, backend: str) -> None:
        lines = _connected(backend, request="fin")
        lines += "await_peer_fin(Sock).\n{ok,_} = gen_tcp:recv(Sock, 485).\nunread(Sock)."
        assert node.result(lines, peer.port) == "0"

    @pytest.mark.parametrize(("request_", "size"), [("GET", 485), ("big", len(BIG))])
    def test_what_was_peeked_at_is_unread(self, node: Node, peer: Peer, request_: str, size: int) -> None:
        """The socket module counts it as read."""
        lines = f"""
        {{ok, Sock}} = socket:open(inet, stream, tcp).
        ok = socket:connect(Sock, #{{family => inet, addr => Server, port => Port}}).
        ok = socket:send(Sock, "{request_} /\r\n\r\n").
        await_unread(Sock, {size}).
        {{ok, _}} = socket:recv(Sock, {size}, [peek]).
        socket:close(Sock).
        """
        assert [(s.received, s.unread) for s in node.play(lines, peer.port).sockets] == [(size, size)]

    def test_waiting_in_vain_says_how_much_there_was(self, node: Node, peer: Peer) -> None:
        replay = node.play(_connected() + "await_unread(Sock, 486).", peer.port)
        assert replay.error == "** exception error: {unread_timeout,485,486}"

    def test_a_socket_that_was_reset_keeps_its_name(self, node: Node, peer: Peer) -> None:
        replay = node.play(
            _connected(request="reset") + "await_peer_fin(Sock).\ngen_tcp:close(Sock).", peer.port
        )
        assert [(s.remote.port, s.state, s.received) for s in replay.sockets] == [(peer.port, 7, 0)]

    def test_a_socket_that_both_ends_closed_has_no_fin_among_its_bytes(self, node: Node, peer: Peer) -> None:
        lines = (
            _connected(request="fin") + "await_peer_fin(Sock).\ngen_tcp:shutdown(Sock, write).\nunread(Sock)."
        )
        (state,) = node.play(lines, peer.port).sockets
        assert (state.received, state.unread) == (485, 485)

    def test_a_closed_socket_is_not_in_the_snapshot(self, node: Node, peer: Peer) -> None:
        assert node.play(_connected() + "gen_tcp:close(Sock).\nlast.", peer.port).sockets == ()


class TestPlays:
    def test_may_be_begun_before_the_first_is_collected(self, node: Node, peer: Peer) -> None:
        refs = [node.begin(_UNREAD_PAIR, peer.port) for _ in range(20)]
        replays = [session.collect(node.link, ref, index, 10) for index, ref in enumerate(refs)]
        assert [(r.end, [s.unread for s in r.sockets]) for r in replays] == [(SessionEnd.DONE, [485])] * 20

    def test_may_say_more_at_once_than_one_fragment_holds(self, node: Node) -> None:
        refs = [node.begin("lists:duplicate(8000, $x).\n" * 20) for _ in range(2)]
        replays = [session.collect(node.link, ref, 0, 10) for ref in refs]
        assert [sum(len(call.result) > 8000 for call in replay.calls) for replay in replays] == [20, 20]

    def test_keep_their_sockets_until_the_next_begins(self, node: Node, peer: Peer) -> None:
        node.play(_connected() + "await_unread(Sock, 485).", peer.port)
        before = peer.ended.is_set()
        node.play("next.")
        assert (before, peer.ended.wait(5)) == (False, True)


class TestFacts:
    def test_the_kernel_is_this_one(self, node: Node) -> None:
        release = Path("/proc/sys/kernel/osrelease").read_text().strip()
        assert session.node_facts(node.link)["kernel"] == release

    def test_sysctls_are_read_and_unknown_ones_left_out(self, node: Node) -> None:
        rmem = Path("/proc/sys/net/ipv4/tcp_rmem").read_text().strip()
        names = ["net.ipv4.tcp_rmem", "net.ipv4.no_such"]
        assert session.sysctls(node.link, names) == {"net.ipv4.tcp_rmem": rmem}

    def test_counters_are_all_there_and_unknown_ones_left_out(self, node: Node) -> None:
        assert set(session.counters(node.link, (*COUNTERS, "Tcp:NoSuch")).counters) == set(COUNTERS)

    def test_an_unknown_command_is_told(self, node: Node) -> None:
        ref = node.link.send(Atom("dance"))
        assert node.link.next_event(ref, 5) == ("unknown_command",)


class TestTheNodesEnd:
    def test_by_a_line_leaves_what_was_said_before(self, tmp_path: Path, peer: Peer) -> None:
        with new_node(tmp_path) as node:
            halt = "erlang:halt(0, [{flush,false}])."
            replay = node.play(_connected() + f"await_unread(Sock, 485).\n{halt}", peer.port)
        assert (replay.end, len(replay.calls), [s.unread for s in replay.sockets]) == (
            SessionEnd.NODE_GONE,
            4,
            [485],
        )

    def test_comes_when_its_link_goes_down(self, tmp_path: Path) -> None:
        with started(tmp_path) as (process, port):
            linked(port).close()
            assert process.wait(5) == 0

    def test_comes_when_its_standard_input_ends(self, tmp_path: Path) -> None:
        with started(tmp_path) as (process, port), linked(port):
            assert process.stdin is not None
            process.stdin.close()
            process.stdin = None
            assert process.wait(5) == 0

    def test_comes_when_nobody_links(self, tmp_path: Path) -> None:
        with started(tmp_path, ["--wait-s", "1"]) as (process, _):
            assert process.wait(10) == 1

    def test_does_not_come_while_its_link_is_up(self, tmp_path: Path) -> None:
        with (
            started(tmp_path, ["--wait-s", "1"]) as (process, port),
            linked(port),
            pytest.raises(subprocess.TimeoutExpired),
        ):
            process.wait(1.5)

    def test_the_cookie_is_in_no_process_list(self, tmp_path: Path) -> None:
        with started(tmp_path) as (process, port), linked(port):
            assert b"sesame" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()


class TestSentBytes:
    @_BACKENDS
    def test_what_a_session_hands_to_a_socket_is_counted(self, node: Node, peer: Peer, backend: str) -> None:
        replay = node.play(_connected(backend) + 'gen_tcp:send(Sock, [<<"ab">>, $c]).', peer.port)
        assert [sent.bytes for sent in replay.sent] == [len("GET /\r\n\r\n") + 3]

    def test_another_process_of_the_session_counts_as_well(self, node: Node, peer: Peer) -> None:
        lines = "spawn(fun() -> gen_tcp:send(Sock, <<0:8000>>) end), timer:sleep(50)."
        replay = node.play(_connected() + lines, peer.port)
        assert [sent.bytes for sent in replay.sent] == [len("GET /\r\n\r\n") + 1000]

    def test_a_session_does_not_inherit_the_counts_of_the_one_before(self, node: Node, peer: Peer) -> None:
        node.play(_connected(), peer.port)
        assert node.play("ok.").sent == ()

    def test_what_is_no_data_is_the_calls_own_error(self, node: Node, peer: Peer) -> None:
        assert node.result(_connected() + "gen_tcp:send(Sock, not_iodata).", peer.port) == "{error,einval}"
