"""The ladder's rows: what stands where, in which order, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rst_or_fin.evidence.records import Call
from rst_or_fin.report.ladder import (
    BufferRow,
    CallRow,
    FoldRow,
    Ladder,
    PeerRow,
    ReturnRow,
    Row,
    SegmentRow,
    ladder,
)
from rst_or_fin.report.records import Run
from rst_or_fin.report.timeline import timeline
from rst_or_fin.tcp.ending import Cause, Role

from tests.support.cases import ABORT, ABORT_ON_CLOSE, ABORT_ON_DATA, LATE_DATA, heard, replay
from tests.support.report_runs import (
    AWAIT,
    CLOSING,
    CONNECT,
    SEND,
    aborted,
    closed,
    crashed,
    played,
    run,
    shut_down,
)
from tests.support.segments import EXCHANGE, HANDSHAKE, A, B


def drawn(of: Run) -> Ladder:
    return ladder(of.scenario, of.judgements[0])


def said(row: Row) -> str:
    match row:
        case SegmentRow():
            return f"{'>' if row.rightward else '<'} {row.notation}"
        case CallRow():
            return f"{row.number}" if row.result is None else f"{row.number} = {row.result}"
        case ReturnRow():
            return f"{row.number}: {row.result}"
        case BufferRow():
            return f"{row.unread} of {row.received} unread"
        case PeerRow():
            return row.says
        case FoldRow():
            return f"... {row.count}"


def order(of: Run) -> list[str]:
    return [said(row) for row in drawn(of).rows]


def meanings(of: Run) -> dict[str, str]:
    return {r.notation: r.meaning for r in drawn(of).rows if isinstance(r, SegmentRow) and r.meaning}


def test_the_published_abort_from_top_to_bottom() -> None:
    assert order(aborted()) == [
        "1",
        "> S 0:0(0)",
        "< S. 0:0(0) ack 1",
        "> . 1:1(0) ack 1",
        "1: {ok,#Port<0.7>}",
        "2",
        "> P. 1:19(18) ack 1",
        "< . 1:1(0) ack 19",
        "2: ok",
        "3",
        "< P. 1:179(178) ack 19",
        "> . 19:19(0) ack 179",
        "< P. 179:486(307) ack 19",
        "3: 485",
        "> . 19:19(0) ack 486",
        "485 of 485 unread",
        "4",
        "> R. 19:19(0) ack 486",
        "sees ECONNRESET",
        "4: ok",
    ]


def test_a_shutdown_stands_before_its_fin_and_the_close_before_its_rst() -> None:
    found = order(shut_down())
    places = [found.index(row) for row in ("3", "> F. 19:19(0) ack 1", "5", "> R. 20:20(0) ack 486")]
    assert places == sorted(places)


def test_the_peer_sees_the_end_before_it_answers_with_its_own() -> None:
    found = order(closed())
    fin, seen, answer = (
        found.index(row) for row in ("> F. 19:19(0) ack 486", "sees end of file", "< F. 486:486(0) ack 20")
    )
    assert fin < seen < answer


def test_a_peer_that_closed_first_says_so_before_its_fin() -> None:
    wire = EXCHANGE + "< F. 486:486(0) ack 19\n> . 19:19(0) ack 487\n> R. 19:19(0) ack 487"
    found = order(run(wire, peer_report=heard("closed")))
    assert found.index("closes first") + 1 == found.index("< F. 486:486(0) ack 19")


def test_the_moment_of_the_close_stands_right_before_the_closing_call() -> None:
    found = order(shut_down())
    assert found[found.index("485 of 485 unread") + 1] == "5"


def test_the_buffer_was_looked_at_before_more_came_than_it_held() -> None:
    wire = (
        HANDSHAKE + "> P. 1:19(18) ack 1\n< P. 1:179(178) ack 19\n> . 19:19(0) ack 179\n> R. 19:19(0) ack 179"
    )
    found = order(run(wire, played(CONNECT, SEND, CLOSING, unread=0, received=0, raised=ABORT_ON_CLOSE)))
    assert found[found.index("0 of 0 unread") + 1] == "< P. 1:179(178) ack 19"


def test_more_unread_than_had_come_is_told_apart() -> None:
    told = played(CONNECT, SEND, CLOSING, unread=485, received=178, raised=ABORT_ON_CLOSE)
    assert meanings(run(ABORT, told))["R. 19:19(0) ack 486"] == (
        "RST: 485 bytes (178 had come a moment before) lay unread at the close"
    )


def test_a_segment_sent_again_brings_nothing_new() -> None:
    again = "< P. 1:179(178) ack 19\n"
    wire = HANDSHAKE + "> P. 1:19(18) ack 1\n" + again * 3 + "< P. 179:486(307) ack 19\n> R. 19:19(0) ack 486"
    found = order(run(wire, played(CONNECT, SEND, AWAIT, CLOSING, raised=ABORT_ON_CLOSE)))
    assert found.index("< P. 179:486(307) ack 19") < found.index("3: 485")


def test_a_call_during_which_nothing_happened_returns_in_its_own_row() -> None:
    of = played(CONNECT, SEND, AWAIT, "inet:port(Sock).", CLOSING, raised=ABORT_ON_CLOSE)
    calls = tuple(replace(c, duration_us=0) if "port(" in c.source else c for c in of.calls)
    assert "4 = ok" in order(run(of=replace(of, calls=calls)))


def test_the_node_that_was_called_stands_left_all_the_same() -> None:
    of = replay(local=B, remote=A, unread=18, received=18, raised=ABORT_ON_CLOSE)
    found = drawn(run(EXCHANGE + "< R. 486:486(0) ack 19", of))
    assert (found.left.role, found.left.address) == ("server", "10.0.0.3:80")


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (aborted(), {"R. 19:19(0) ack 486": "RST: 485 of 485 bytes lay unread at the close"}),
        (closed(), {"F. 19:19(0) ack 486": "FIN: all 485 bytes that came had been read"}),
        (
            run(of=played(CONNECT, CLOSING, unread=0, received=0, raised=ABORT_ON_CLOSE)),
            {"R. 19:19(0) ack 486": "RST: 485 bytes came as the close began, and lay unread"},
        ),
        (
            run(of=played(CONNECT, CLOSING, unread=0, raised=ABORT_ON_CLOSE)),
            {
                "R. 19:19(0) ack 486": "RST: all 485 bytes had been read, but the kernel still held"
                " bytes that no read returns"
            },
        ),
        (
            shut_down(),
            {
                "F. 19:19(0) ack 1": "FIN: this end sends no more; a RST follows",
                "R. 20:20(0) ack 486": "RST: 485 of 485 bytes lay unread at the close",
            },
        ),
        (
            run(of=played(CONNECT, CLOSING, unread=0, raised=ABORT_ON_DATA)),
            {"R. 19:19(0) ack 486": "RST: the socket's linger time was zero (SO_LINGER)"},
        ),
        (
            run(LATE_DATA, played(CONNECT, CLOSING, unread=0, received=0)),
            {
                "F. 19:19(0) ack 1": "FIN: this end sends no more; a RST follows",
                "R 20:20(0)": "RST: data came for a socket that was closed",
            },
        ),
        (
            run("> S 0:0(0)\n< R. 0:0(0) ack 1", played(CONNECT)),
            {"R. 0:0(0) ack 1": "RST: the connection was refused: nobody listens on this port"},
        ),
        (
            run(of=played(CONNECT, CLOSING)),
            {"R. 19:19(0) ack 486": "RST: the evidence does not say why"},
        ),
    ],
    ids=[
        "unread",
        "read",
        "on the way",
        "hidden",
        "shutdown",
        "linger",
        "late data",
        "closed port",
        "unknown",
    ],
)
def test_closing_segments_in_words(of: Run, expected: dict[str, str]) -> None:
    assert meanings(of) == expected


def test_words_claim_no_cause_that_the_verdict_does_not() -> None:
    of = run(of=played(CONNECT, CLOSING))
    assert of.judgements[0].verdict.cause is Cause.UNKNOWN
    assert "unread" not in meanings(of)["R. 19:19(0) ack 486"]


def test_a_long_transfer_keeps_its_first_and_last_segments() -> None:
    wire = HANDSHAKE + "> P. 1:19(18) ack 1\n"
    wire += "".join(f"< . {1 + 100 * i}:{101 + 100 * i}(100) ack 19\n" for i in range(40))
    wire += "> R. 19:19(0) ack 4001"
    rows = drawn(run(wire, played(CONNECT, SEND, CLOSING, received=4000, unread=4000))).rows
    folded = [row for row in rows if isinstance(row, FoldRow)]
    shown = [row for row in rows if isinstance(row, SegmentRow)]
    assert sum(row.count for row in folded) + len(shown) == 45
    assert (
        sum(row.leftward_len for row in folded) + sum(r.payload_len for r in shown if not r.rightward) == 4000
    )


def test_nothing_captured_still_shows_the_session() -> None:
    of = aborted()
    nothing = replace(of.judgements[0], connection=None)
    assert [said(row) for row in ladder(of.scenario, nothing).rows] == [
        "1 = {ok,#Port<0.7>}",
        "2 = ok",
        "3 = 485",
        "485 of 485 unread",
        "4 = ok",
    ]


def test_doubts_are_written_under_the_ladder() -> None:
    assert any(note.startswith("inconclusive: the session ended early") for note in drawn(crashed()).notes)


# When: by what a call caused, or as measured where that agrees with the wire


class Timed(Call):
    """A call that carries its start time."""

    t_ns: int


def timed(of: Run, starts_ms: list[float]) -> Any:
    """The run's replay with a start time for each call, in milliseconds after the first segment."""
    judged = of.judgements[0]
    assert judged.connection is not None
    first_ns = judged.connection.segments[0].t_ns
    calls = tuple(
        replace(call, t_ns=round(first_ns + start_ms * 1e6))
        for call, start_ms in zip(judged.replay.calls, starts_ms, strict=True)
    )
    return timeline(replace(judged.replay, calls=calls), judged.connection, Role.CLIENT, judged.socket)


def test_start_times_that_agree_with_the_wire_are_used() -> None:
    found = timed(aborted(), [-0.5, 2.5, 4.5, 8.7])
    assert found.measured
    assert found.moments[3].end_ns - found.moments[3].start_ns == 1_500_000


@pytest.mark.parametrize("starts_ms", [[0.5, 2.5, 4.5, 8.7], [-9000.5, -8997.5, -8996.5, -8991.3]])
def test_another_clock_than_the_captures_is_not_believed(starts_ms: list[float]) -> None:
    assert not timed(aborted(), starts_ms).measured


@pytest.mark.parametrize("of", [aborted(), closed(), shut_down(), crashed()])
def test_calls_never_overlap(of: Run) -> None:
    judged = of.judgements[0]
    moments = timeline(judged.replay, judged.connection, judged.verdict.subject, judged.socket).moments
    times = [t_ns for moment in moments for t_ns in (moment.start_ns, moment.end_ns)]
    assert times == sorted(times)


def test_a_ladder_says_when_its_times_were_deduced() -> None:
    assert "The calls have no recorded times; each is placed by what it caused." in drawn(aborted()).notes


def test_two_writes_stand_before_their_own_data() -> None:
    wire = HANDSHAKE + "> P. 1:19(18) ack 1\n> P. 19:29(10) ack 1\n< . 1:1(0) ack 29\n> F. 29:29(0) ack 1"
    found = order(run(wire, played(CONNECT, SEND, SEND, CLOSING, unread=0, received=0)))
    first = found.index("2")
    assert found[first : first + 5] == ["2", "> P. 1:19(18) ack 1", "2: ok", "3", "> P. 19:29(10) ack 1"]


def test_an_abort_is_the_same_ladder_whatever_its_cause() -> None:
    assert order(run(ABORT)) == order(run(ABORT, played(CONNECT, SEND, AWAIT, CLOSING, raised=ABORT_ON_DATA)))
