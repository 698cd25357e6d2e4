"""The judge's answer to every case, and what must hold whatever the case is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from rst_or_fin.evidence.records import CaptureFacts, SessionEnd
from rst_or_fin.tcp import connection as trace
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending, Validity
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.verdict import judge
from rst_or_fin.verdict.judge import PeerTraits
from rst_or_fin.verdict.verdict import Verdict
from rst_or_fin.verdict.witnesses import HostReport

from tests.support.cases import (
    ABORT,
    ABORT_ON_CLOSE,
    ALL_UNREAD,
    CASES,
    CLOSE,
    LATE_DATA,
    SHUTDOWN_THEN_ABORT,
    WHOLE,
    Case,
    heard,
    replay,
    report,
    role_in,
)
from tests.support.segments import EXCHANGE, HANDSHAKE, A, B, connection

cases = st.sampled_from(list(CASES.values()))
numbers = st.integers(0, (1 << 32) - 1)


def judged(case: Case, of: Connection | None = None, **changed: Any) -> Verdict:
    found = of or connection(case.wire)
    told = changed.pop("replay", case.replay)
    witnesses: dict[str, Any] = {
        "capture": case.capture,
        "subject": role_in(found, told),
        "report": report(found, told),
        "peer_report": case.peer_report,
        "precondition": case.precondition,
        "peer": PeerTraits(must_report=case.requires_peer_report),
    } | changed
    return judge.judge(found, **witnesses)


def of_wire(text: str) -> Verdict:
    return judge.judge(connection(text), capture=WHOLE)


def essence(verdict: Verdict, of: Connection) -> tuple[object, ...]:
    """A verdict without the places of segments in the capture, which a harmless duplicate moves."""
    deciding = [of.notation(of.segments[index]) for index in verdict.deciding]
    return (replace(verdict, deciding=()), deciding)


UNTOLD = Case(wire=ABORT, owed=(Ending.RST, Ending.NONE, Cause.UNKNOWN, Validity.CONCLUSIVE))


# Facts, case by case


@pytest.mark.parametrize("name", CASES)
def test_the_judge_owes_this_answer_to(name: str) -> None:
    assert CASES[name].answer(judge) == CASES[name].answer_owed


@pytest.mark.parametrize(("closed_at", "cause"), [(-1, Cause.USER_TIMEOUT), (-2, Cause.RETRANSMISSIONS)])
def test_a_socket_that_nobody_has_open_is_given_up_sooner(closed_at: int, cause: Cause) -> None:
    # Its FIN waits behind data that the peer's window has no room for: the times tell that it was closed.
    of = connection(EXCHANGE + "> P. 19:29(10) ack 486\n" * 9)
    told = replay(unread=0, raised={"TcpExt:TCPAbortOnTimeout": 1})
    connected, closed = told.calls
    closed = replace(closed, t_ns=of.segments[closed_at].t_ns)
    verdict = judge.judge(of, capture=WHOLE, report=report(of, replace(told, calls=(connected, closed))))
    assert verdict.cause == cause


@pytest.mark.parametrize(
    ("text", "client", "server", "closer"),
    [
        (ABORT, "RST", "none", "client"),
        (CLOSE, "FIN", "FIN", "client"),
        (LATE_DATA, "FIN then RST", "none", "client"),
        (SHUTDOWN_THEN_ABORT, "FIN then RST", "none", "client"),
        (EXCHANGE + "< F. 486:486(0) ack 19\n> R. 19:19(0) ack 487", "RST", "FIN", "server"),
        (EXCHANGE + "< F. 486:486(0) ack 19\n< R. 487:487(0) ack 19", "none", "FIN then RST", "server"),
        (EXCHANGE + "> F. 19:19(0) ack 486\n< R. 486:486(0) ack 20", "FIN", "RST", "client"),
        (EXCHANGE + "> R. 19:19(0) ack 486\n< R. 486:486(0) ack 19", "RST", "RST", "client"),
        (EXCHANGE, "none", "none", "None"),
        ("> S 0:0(0)\n< R. 0:0(0) ack 1", "none", "RST", "server"),
        ("> S 0:0(0)\n> S 0:0(0)\n< S. 0:0(0) ack 1\n> R. 1:1(0) ack 1", "RST", "none", "client"),
        (EXCHANGE + "> . 18:18(0) ack 486\n< . 486:486(0) ack 19", "none", "none", "None"),
    ],
)
def test_endings_and_who_closed_first(text: str, client: str, server: str, closer: str) -> None:
    verdict = of_wire(text)
    assert (str(verdict.client), str(verdict.server), str(verdict.active_closer)) == (client, server, closer)


@pytest.mark.parametrize(
    ("text", "notation"),
    [
        (ABORT, "R. 19:19(0) ack 486"),
        (CLOSE, "F. 19:19(0) ack 486"),
        (LATE_DATA, "F. 19:19(0) ack 1"),
        (EXCHANGE + "> FP. 19:29(10) ack 486", "FP. 19:29(10) ack 486"),
        (EXCHANGE + "< F. 486:486(0) ack 19\n> R. 19:19(0) ack 487", "R. 19:19(0) ack 487"),
        (EXCHANGE, ""),
    ],
)
def test_the_closing_segment_is_the_subjects_first(text: str, notation: str) -> None:
    assert of_wire(text).closing_segment == notation


@pytest.mark.parametrize(
    ("text", "deciding"),
    [
        (ABORT, ["R. 19:19(0) ack 486"]),
        (CLOSE, ["F. 19:19(0) ack 486"]),
        (LATE_DATA, ["F. 19:19(0) ack 1", "R 20:20(0)"]),
        (SHUTDOWN_THEN_ABORT, ["F. 19:19(0) ack 1", "R. 20:20(0) ack 486"]),
        (EXCHANGE + "< R. 486:486(0) ack 19", ["R. 486:486(0) ack 19"]),
        (EXCHANGE, []),
    ],
)
def test_the_deciding_segments_are_the_active_closers(text: str, deciding: list[str]) -> None:
    found = connection(text)
    assert [found.notation(found.segments[i]) for i in of_wire(text).deciding] == deciding


@pytest.mark.parametrize(
    ("what", "text", "cause"),
    [
        ("a RST in reply to a SYN", "> S 0:0(0)\n< R. 0:0(0) ack 1", Cause.CLOSED_PORT),
        (
            "the same, after the SYN came again",
            "> S 0:0(0)\n> S 0:0(0)\n< R. 0:0(0) ack 1",
            Cause.CLOSED_PORT,
        ),
        ("a RST after the SYN ACK", HANDSHAKE + "< R. 1:1(0) ack 1", Cause.UNKNOWN),
        (
            "the server is gone when more data comes",
            EXCHANGE + "< F. 486:486(0) ack 19\n> P. 19:29(10) ack 487\n< R 487:487(0)",
            Cause.DATA_AFTER_CLOSE,
        ),
        (
            "a bare RST for a FIN that carries no data",
            EXCHANGE + "< F. 486:486(0) ack 19\n> F. 19:19(0) ack 487\n< R 487:487(0)",
            Cause.LATE_SEGMENT,
        ),
        ("no RST", EXCHANGE + "< F. 486:486(0) ack 19", None),
    ],
)
def test_why_the_peer_reset(what: str, text: str, cause: Cause | None) -> None:
    assert of_wire(text).peer_cause == cause, what


def test_the_subjects_counters_say_nothing_of_the_peers_reset() -> None:
    case = Case(
        wire=EXCHANGE + "< R. 486:486(0) ack 19",
        replay=replay(raised=ABORT_ON_CLOSE),
        owed=CASES["nobody closes"].owed,
    )
    assert judged(case).peer_cause is Cause.UNKNOWN


def test_a_connection_of_which_nothing_was_captured_is_doubted() -> None:
    verdict = judge.judge(None, capture=WHOLE, report=HostReport(replay=replay()))
    assert (verdict.validity, verdict.ending) == (Validity.INCONCLUSIVE, Ending.NONE)


def test_an_unknown_state_of_the_buffer_meets_no_gate() -> None:
    unseen = replace(replay(raised=ABORT_ON_CLOSE), sockets=())
    verdict = judged(UNTOLD, replay=unseen, precondition=ALL_UNREAD)
    assert verdict.validity is Validity.INCONCLUSIVE


def test_counters_that_were_never_read_contradict_nothing() -> None:
    verdict = judged(UNTOLD, replay=replace(replay(), readings=()), precondition=ALL_UNREAD)
    assert (verdict.validity, verdict.cause) == (Validity.CONCLUSIVE, Cause.UNKNOWN)


def test_a_node_that_its_close_line_ends_has_closed() -> None:
    whole = replay(raised=ABORT_ON_CLOSE)
    died = replace(whole, end=SessionEnd.NODE_GONE, readings=())
    assert judged(UNTOLD, replay=died, ends_node=True).validity is Validity.CONCLUSIVE


def test_a_node_that_another_hand_ends_in_its_closing_call_is_doubted() -> None:
    whole = replay(raised=ABORT_ON_CLOSE)
    died = replace(whole, end=SessionEnd.NODE_GONE, readings=(), node_status=-9)
    [doubt] = judged(UNTOLD, replay=died).doubts
    assert "ended from outside, not by its session (SIGKILL," in doubt


def test_a_node_that_dies_before_its_closing_call_is_doubted() -> None:
    whole = replay(raised=ABORT_ON_CLOSE)
    died = replace(whole, end=SessionEnd.NODE_GONE, calls=whole.calls[:1])
    assert judged(UNTOLD, replay=died).validity is Validity.INCONCLUSIVE


def test_a_node_that_dies_before_its_first_line_returned_is_doubted() -> None:
    died = replace(replay(), end=SessionEnd.NODE_GONE, calls=(), close_line=0, sockets=(), readings=())
    assert judged(UNTOLD, replay=died).validity is Validity.INCONCLUSIVE


@pytest.mark.parametrize("errno", ["ECONNRESET", "EPIPE"])
def test_a_reset_at_the_peer_agrees_with_a_rst(errno: str) -> None:
    verdict = judge.judge(connection(ABORT), capture=WHOLE, peer_report=heard(errno))
    assert [w.agrees for w in verdict.witnesses if "peer" in w.name] == [True]


def test_what_else_the_peer_saw_is_no_witness_of_the_ending() -> None:
    verdict = judge.judge(connection(ABORT), capture=WHOLE, peer_report=heard("ETIMEDOUT"))
    assert [w.agrees for w in verdict.witnesses if "peer" in w.name] == [None]


@pytest.mark.parametrize(
    ("what", "extra"),
    [
        ("a keepalive, one below", "> . 18:18(0) ack 486\n< . 486:486(0) ack 19\n"),
        ("a keepalive with a byte of garbage", "> . 18:19(1) ack 486\n< . 486:486(0) ack 19\n"),
        ("a zero-window probe", "< . 485:485(0) ack 19\n> . 19:19(0) ack 486\n"),
        ("the response sent again", "< P. 1:179(178) ack 19\n> . 19:19(0) ack 486\n"),
        ("the SYN ACK sent again", "< S. 0:0(0) ack 1\n> . 19:19(0) ack 486\n"),
        ("the SYN seen late", "> S 0:0(0)\n"),
    ],
)
def test_an_idle_connections_noise_casts_no_doubt(what: str, extra: str) -> None:
    case = CASES["the published abort: closed with everything unread"]
    noisy = ABORT.replace("> R.", extra + "> R.")
    assert judged(case, connection(noisy)).doubts == (), what


@pytest.mark.parametrize("last", ["< P. 179:486(307) ack 19", "> P. 1:19(18) ack 1"])
def test_an_acknowledged_byte_beyond_all_that_was_captured_is_a_hole(last: str) -> None:
    assert (
        "hole"
        in of_wire(ABORT.replace(last + "\n", "").replace("> R.", "< . 486:486(0) ack 19\n> R.")).doubts[0]
    )


# Invariants


@given(case=cases, dropped=st.integers(1, 10**9))
def test_a_dropped_frame_forbids_any_conclusion(case: Case, dropped: int) -> None:
    verdict = judged(case, capture=CaptureFacts(dropped=dropped, fenced=True))
    assert verdict.validity is Validity.INCONCLUSIVE


@given(case=cases)
def test_an_unfenced_capture_forbids_any_conclusion(case: Case) -> None:
    verdict = judged(case, capture=CaptureFacts(dropped=0, fenced=False))
    assert verdict.validity is Validity.INCONCLUSIVE


@given(
    case=cases.filter(lambda case: case.replay is not None),
    off=st.integers(-400, 400).filter(bool),
    data=st.data(),
)
def test_an_unmet_gate_forbids_any_conclusion(case: Case, off: int, data: st.DataObject) -> None:
    assert case.replay is not None
    (socket,) = case.replay.sockets
    demanded = data.draw(
        st.sampled_from(
            [Precondition(unread=socket.unread + off), Precondition(received=socket.received + off)]
        )
    )
    assert judged(case, precondition=demanded).validity is Validity.INCONCLUSIVE


@given(case=cases)
def test_a_missing_handshake_forbids_any_conclusion(case: Case) -> None:
    whole = connection(case.wire)
    late = [s for s in whole.segments if not s.syn]
    if late:
        assert judged(case, trace.connection(late)).validity is Validity.INCONCLUSIVE


@given(case=cases, end=st.sampled_from([e for e in SessionEnd if e is not SessionEnd.DONE]))
def test_a_session_that_ended_early_forbids_any_conclusion(case: Case, end: SessionEnd) -> None:
    if case.replay is not None:
        cut_short = replace(case.replay, end=end, calls=case.replay.calls[:1])
        assert judged(case, replay=cut_short).validity is Validity.INCONCLUSIVE


@given(case=cases, end=st.sampled_from(["end of file", "ECONNRESET", "EPIPE", "ETIMEDOUT"]))
def test_a_witness_that_disagrees_forbids_any_conclusion(case: Case, end: str) -> None:
    verdict = judged(case, peer_report=heard(end))
    disagrees = any(w.agrees is False for w in verdict.witnesses)
    assert not (disagrees and verdict.validity is Validity.CONCLUSIVE)


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_file_that_ended_before_the_reset_may_have_ended_in_tls(encrypted: bool) -> None:
    """A close_notify ends it, of which the wire shows nothing."""
    case = CASES["the published abort: closed with everything unread"]
    verdict = judged(case, peer_report=heard("end of file"), peer=PeerTraits(is_encrypted=encrypted))
    assert (verdict.validity is Validity.CONCLUSIVE) == encrypted


@given(case=cases)
def test_a_subject_that_sent_a_rst_never_ended_with_a_fin_alone(case: Case) -> None:
    verdict, whole = judged(case), connection(case.wire)
    reading = whole.reading
    left_out = {index for index, _ in (*reading.beyond(), *reading.foreign())}
    left_out |= {ignored.index for ignored in reading.ignored()}
    counting = [s for index, s in enumerate(whole.segments) if index not in left_out]
    reset = any(s.rst and whole.role(s) is verdict.subject for s in counting)
    assert reset == (verdict.ending in (Ending.RST, Ending.FIN_THEN_RST))


@given(case=cases)
def test_a_cause_is_named_where_there_is_a_rst_or_a_kernel_gave_up_without_one(case: Case) -> None:
    verdict = judged(case)
    silent = verdict.cause in (Cause.USER_TIMEOUT, Cause.RETRANSMISSIONS)
    assert (verdict.cause is not None) == (silent or verdict.ending in (Ending.RST, Ending.FIN_THEN_RST))


@given(
    case=cases,
    a_isn=numbers,
    b_isn=numbers,
    a_port=st.integers(1024, 0xFFFF),
    shift_ns=st.integers(0, 10**18),
)
def test_a_verdict_does_not_depend_on_numbers_ports_or_times(
    case: Case, a_isn: int, b_isn: int, a_port: int, shift_ns: int
) -> None:
    a = Endpoint(A.address, a_port)
    shifted = connection(
        case.wire, a=a, a_isn=a_isn, b_isn=0 if case.wire.startswith("> S 0:0(0)\n< R") else b_isn
    )
    shifted = trace.connection([structs.replace(s, t_ns=s.t_ns + shift_ns) for s in shifted.segments])
    moved = case.replay and replace(
        case.replay,
        sockets=tuple(
            replace(s, local=a if s.local == A else s.local, remote=a if s.remote == A else s.remote)
            for s in case.replay.sockets
        ),
    )
    assert judged(case, shifted, replay=moved) == judged(case)


@given(case=cases, data=st.data())
def test_a_segment_sent_again_changes_no_verdict(case: Case, data: st.DataObject) -> None:
    whole = connection(case.wire)
    over = whole.reading.closed_by_fins  # a FIN that comes again after that says that its ACK was lost
    repeatable = [
        i
        for i, s in enumerate(whole.segments)
        if ((s.fin and not over) or (s.payload_len and not s.fin)) and not s.rst
    ]
    gave_up = judged(case).cause in (Cause.USER_TIMEOUT, Cause.RETRANSMISSIONS, Cause.KEEPALIVE_TIMEOUT)
    if (
        not repeatable or gave_up
    ):  # a word of the peer, however old, begins the count of retransmissions and probes anew
        return
    again = data.draw(st.sampled_from(repeatable))
    until = next((i for i, s in enumerate(whole.segments) if s.rst), len(whole.segments))
    at = data.draw(st.integers(again + 1, max(until, again + 1)))
    members: list[Segment] = [*whole.segments[:at], whole.segments[again], *whole.segments[at:]]
    repeated = trace.connection(members)
    assert essence(judged(case, repeated), repeated) == essence(judged(case), whole)


@given(case=cases)
def test_called_or_calling_an_end_is_judged_alike(case: Case) -> None:
    """The same connection, opened from the other side: client and server change places, nothing else does."""
    whole = connection(case.wire)
    if not whole.segments[2:] or whole.segments[0].syn + whole.segments[1].syn != 2 or case.replay is None:
        return
    syn, syn_ack, third = whole.segments[:3]
    swapped = trace.connection(
        [
            structs.replace(syn, src=B, dst=A, seq=syn_ack.seq),
            structs.replace(syn_ack, src=A, dst=B, seq=syn.seq, ack=(syn_ack.seq + 1) % (1 << 32)),
            structs.replace(third, src=B, dst=A, seq=third.ack, ack=third.seq),
            *whole.segments[3:],
        ]
    )
    one, other = judged(case), judged(case, swapped)
    assert (one.client, one.server, one.ending, one.cause, one.peer_cause, one.validity) == (
        other.server,
        other.client,
        other.ending,
        other.cause,
        other.peer_cause,
        other.validity,
    )


# Known weak spots: each says what the judge should answer; the mark goes when it does.


def test_any_acknowledged_byte_that_was_not_captured_is_a_hole() -> None:
    holed = HANDSHAKE + "< P. 179:486(307) ack 1\n> R. 1:1(0) ack 486"  # 1:179 was acknowledged unseen
    assert of_wire(holed).validity is Validity.INCONCLUSIVE


def test_a_request_missing_before_an_acknowledged_fin_is_a_hole() -> None:
    assert of_wire(LATE_DATA.replace("> P. 1:19(18) ack 1", "")).validity is Validity.INCONCLUSIVE


def test_the_subjects_rst_decides_also_where_the_peer_closed_first() -> None:
    text = EXCHANGE + "< F. 486:486(0) ack 19\n> . 19:19(0) ack 487\n> R. 19:19(0) ack 487"
    found = connection(text)
    assert "R. 19:19(0) ack 487" in [found.notation(found.segments[i]) for i in of_wire(text).deciding]


def test_a_rst_that_clears_a_half_open_connection_is_not_the_ending() -> None:
    """RFC 9293 section 3.5.1, figure 9: the old end answers the SYN with an ACK, which is reset."""
    text = "> S 0:0(0)\n< . -500:-500(0) ack -300\n> R -300:-300(0)\n" + CLOSE
    assert of_wire(text).ending is Ending.FIN


def test_a_gate_of_which_nobody_told_is_not_met() -> None:
    assert (
        judge.judge(connection(ABORT), capture=WHOLE, precondition=ALL_UNREAD).validity
        is Validity.INCONCLUSIVE
    )


def test_a_counter_that_is_missing_contradicts_nothing() -> None:
    empty = tuple(replace(reading, counters={}) for reading in replay().readings)
    without = replace(replay(), readings=empty)
    verdict = judged(UNTOLD, replay=without)
    assert not any("counters contradicts" in doubt for doubt in verdict.doubts)
