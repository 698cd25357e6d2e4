"""A connection reads the same wherever its sequence numbers begin; a port used twice is two connections."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs
from rst_or_fin.tcp import tracker
from rst_or_fin.tcp.connection import Roles
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.ignored import IgnoredReason, Question
from rst_or_fin.tcp.segment import Endpoint, distance

from tests.support.segments import EXCHANGE, HANDSHAKE, A, B, connection, lines, notes, segments

SPACE = 1 << 32
numbers = st.integers(0, SPACE - 1)

# Every line as tcpdump would print it with relative numbers.
KINDS = {
    "the published abort": EXCHANGE + "> R. 19:19(0) ack 486",
    "FIN with data": EXCHANGE + "> FP. 19:29(10) ack 486",
    "RST with data": EXCHANGE + "> R. 19:29(10) ack 486",
    "bare RST": EXCHANGE + "> F. 19:19(0) ack 486\n< P. 486:496(10) ack 19\n> R 19:19(0)",
    "keepalive, one below": EXCHANGE + "> . 18:18(0) ack 486\n< . 486:486(0) ack 19",
    "zero-window probe": EXCHANGE + "< . 485:485(0) ack 19\n> . 19:19(0) ack 486",
    "retransmitted SYN": "> S 0:0(0)\n> S 0:0(0)\n< S. 0:0(0) ack 1\n> . 1:1(0) ack 1",
    "SYN ACK sent again": "> S 0:0(0)\n< S. 0:0(0) ack 1\n< S. 0:0(0) ack 1\n> . 1:1(0) ack 1",
    "out of order": HANDSHAKE + "< P. 179:486(307) ack 1\n< P. 1:179(178) ack 1\n> . 1:1(0) ack 486",
    "data on a SYN": "> S 0:5(5)\n< S. 0:0(0) ack 6",
    "RST in reply to a SYN": "> S 0:0(0)\n< R. 0:0(0) ack 1",
    "urgent, congestion marks": "> SEW 0:0(0)\n< SE. 0:0(0) ack 1\n> PU. 1:2(1) ack 1",
    "no flag at all": HANDSHAKE + "> none 1:2(1)",
}


@pytest.mark.parametrize("kind", KINDS)
@given(a_isn=numbers, b_isn=numbers)
@example(a_isn=SPACE - 1, b_isn=SPACE - 179)
@example(a_isn=SPACE - 19, b_isn=SPACE - 486)
@example(a_isn=0, b_isn=0)
def test_relative_numbers_do_not_depend_on_where_they_begin(kind: str, a_isn: int, b_isn: int) -> None:
    text = KINDS[kind]
    # A RST that answers a SYN is all there is of its sender: its own number, 0, is then taken for granted.
    b_isn = 0 if kind == "RST in reply to a SYN" else b_isn
    assert notes(connection(text, a_isn=a_isn, b_isn=b_isn)) == lines(text.replace("\n\n", "\n"))


@given(earlier=numbers, ahead=st.integers(-(SPACE // 2), SPACE // 2 - 1))
def test_distance_is_signed_and_right_across_the_wrap(earlier: int, ahead: int) -> None:
    assert distance((earlier + ahead) % SPACE, earlier) == ahead


@given(one=numbers, other=numbers)
def test_distance_there_and_back_cancel_out(one: int, other: int) -> None:
    assert (distance(one, other) + distance(other, one)) % SPACE == 0


def test_the_end_that_sent_the_syn_is_the_client() -> None:
    assert connection(HANDSHAKE).client == A


def test_a_capture_that_begins_with_the_syn_ack_still_knows_the_client() -> None:
    assert connection("< S. 0:0(0) ack 1\n> . 1:1(0) ack 1").client == A


def test_without_a_syn_a_well_known_port_is_the_servers() -> None:
    found = connection("< P. 100:200(100) ack 50\n> . 50:50(0) ack 200")
    assert (found.server, found.roles) == (B, Roles.PORTS)


def test_without_a_syn_and_a_well_known_port_nobody_is_called_a_client() -> None:
    found = connection("< P. 100:200(100) ack 50\n> . 50:50(0) ack 200", b=Endpoint(B.address, 9111))
    assert (found.roles, found.name(Role.SERVER)) == (Roles.NOT_SEEN, "10.0.0.2:40000")


def test_without_a_syn_numbers_begin_at_one() -> None:
    midstream = connection("> P. 5000:5018(18) ack 700\n< P. 700:885(185) ack 5018")
    assert notes(midstream) == ["> P. 1:19(18) ack 1", "< P. 1:186(185) ack 19"]


def test_an_end_that_was_only_acknowledged_gets_its_numbers_from_its_peer() -> None:
    one_sided = connection("> P. 5000:5018(18) ack 700\n> R. 5018:5018(0) ack 700")
    assert notes(one_sided)[-1] == "> R. 19:19(0) ack 1"


@pytest.mark.parametrize(
    ("how", "first", "second", "count"),
    [
        ("a new initial number", {"a_isn": 1000}, {"a_isn": 77_000}, 2),
        ("the same SYN again", {"a_isn": 1000}, {"a_isn": 1000}, 1),
        ("the other end's turn to call", {"a_isn": 1000}, {"a": B, "b": A, "a_isn": 5}, 2),
        ("another port", {"a_isn": 1000}, {"a_isn": 1000, "a": Endpoint(A.address, 40002)}, 2),
        ("another address", {"a_isn": 1000}, {"a_isn": 1000, "a": Endpoint("10.0.0.9", 40000)}, 2),
    ],
)
def test_a_connection_begins_with_a_syn_of_its_own(
    how: str, first: dict[str, Any], second: dict[str, Any], count: int
) -> None:
    seen = segments(EXCHANGE, **first) + segments(HANDSHAKE, **second)
    assert len(tracker.connections(seen)) == count, how


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(sorted(KINDS))), min_size=1, max_size=6), st.data()
)
def test_however_connections_interleave_each_is_found_whole(
    plan: list[tuple[int, str]], data: st.DataObject
) -> None:
    """Several may use the same port, one after another; those on other ports are mixed in at random."""
    expected: dict[int, list[list[str]]] = {}
    queues: dict[int, list[Any]] = {}
    for number, (port, kind) in enumerate(plan):
        expected.setdefault(port, []).append(lines(KINDS[kind].replace("\n\n", "\n")))
        a = Endpoint(A.address, 40000 + port)
        queues.setdefault(port, []).extend(segments(KINDS[kind], a=a, a_isn=number * 100_000, b_isn=0))
    mixed = []
    while any(queues.values()):
        port = data.draw(st.sampled_from(sorted(port for port, queue in queues.items() if queue)))
        mixed.append(queues[port].pop(0))
    found: dict[int, list[list[str]]] = {}
    for one in tracker.connections(mixed):
        found.setdefault(one.client.port - 40000, []).append(notes(one))
    assert found == expected


def test_a_simultaneous_open_is_one_connection() -> None:
    """RFC 9293 section 3.5, figure 7."""
    seen = segments("> S 0:0(0)\n< S 0:0(0)\n> S. 0:0(0) ack 1\n< S. 0:0(0) ack 1")
    assert len(tracker.connections(seen)) == 1


RESET = EXCHANGE + "> F. 19:19(0) ack 486\n< P. 486:496(10) ack 20\n> R 20:20(0)\n"
AGAIN = "> S 0:0(0)\n< S. 0:0(0) ack 1\n> . 1:1(0) ack 1\n> R. 1:1(0) ack 1"
LATE_COPIES = "> S 0:0(0)\n> F. 19:19(0) ack 486\n< S. 0:0(0) ack 1\n> R 1:1(0)"


@pytest.mark.parametrize(("more", "doubted"), [(AGAIN, False), (LATE_COPIES, True)])
def test_late_copies_of_a_whole_opening_are_no_other_connection(more: str, doubted: bool) -> None:
    [_, last] = tracker.connections(segments(RESET + more))
    assert last.reading.overlaps_another is doubted


@pytest.mark.parametrize("zero", [-8_000, 600, 900])
@pytest.mark.parametrize("before", ["> S 0:0(0)\n< S. 0:0(0) ack 1\n", EXCHANGE])
def test_a_refusal_after_the_answer_is_a_question_wherever_zero_lies(before: str, zero: int) -> None:
    seen = connection(f"{before}> S 0:0(0)\n< R. {zero}:{zero}(0) ack 1", b_isn=-zero % SPACE)
    assert [why for _, why in seen.reading.questions()] == [Question.REFUSES_LATE]


CROSSED = "< F. 486:486(0) ack 19\n> P. 19:29(10) ack 487\n< R 487:487(0)\n"


def test_an_abort_that_comes_behind_the_next_opening_is_the_connections_that_it_goes_on_from() -> None:
    *before, late = segments(EXCHANGE + CROSSED + "> R. 29:29(0) ack 487")
    after = segments("> S 0:0(0)\n< S. 0:0(0) ack 1", a_isn=1_010, b_isn=9_100)
    first, second = tracker.connections([*before, *after, late])
    assert (first.segments[-1], len(second.segments)) == (late, 2)


def test_a_syn_right_before_an_earlier_rst_may_be_a_late_copy() -> None:
    seen = segments("> R 1:1(0)\n> S 0:0(0)\n< S. 0:0(0) ack 1\n> R 1:1(0)")
    assert [each.reading.overlaps_another for each in tracker.connections(seen)] == [True, True]


def test_a_fin_that_comes_behind_the_next_refusal_is_the_earlier_connections() -> None:
    *before, late = segments(
        EXCHANGE + "< F. 486:486(0) ack 19\n> F. 19:19(0) ack 487\n> F. 19:19(0) ack 487"
    )
    after = segments("> S 0:0(0)\n< R. 0:0(0) ack 1", a_isn=1_010)
    first, second = tracker.connections([*before, *after, late])
    assert (first.segments[-1], len(second.segments)) == (late, 2)


@pytest.mark.parametrize("acked", [1, 2])
@pytest.mark.parametrize(("number", "asked"), [(1, False), (2, True)])
def test_a_rst_beyond_what_was_acknowledged_first_may_follow_a_fin_that_was_not_captured(
    number: int, asked: bool, acked: int
) -> None:
    reset = f"> S 0:0(0)\n< R. {number}:{number}(0) ack 1\n> F. 1:1(0) ack 1\n> . 2:2(0) ack {acked}"
    seen = connection(reset)
    assert (Question.MISSING in [why for _, why in seen.reading.questions()]) is asked


def test_ids_of_a_server_that_has_no_socket_yet_say_nothing_of_its_abort() -> None:
    waiting = "> S 0:0(0) id 7\n< S. 0:0(0) ack 1\n> F. 1:1(0) ack 1 id 8\n" + "< . 1:1(0) ack 1\n" * 3
    seen = connection(waiting + "< R. 1:1(0) ack 2 id 38805\n< . 1:1(0) ack 1")
    assert seen.reading.ignored() == []


@pytest.mark.parametrize("more", ["> R. 1:1(0) ack 1", "> F. 1:1(0) ack 1"])
def test_who_acknowledges_after_a_refusal_had_been_answered_before(more: str) -> None:
    seen = connection(f"> S 0:0(0)\n< R. 1:1(0) ack 1\n{more}")
    assert Question.UNSEEN_ACK in [why for _, why in seen.reading.questions()]


@pytest.mark.parametrize(("number", "asked"), [(0, []), (2, [Question.NUMBERED])])
def test_a_refusal_has_the_number_zero(number: int, asked: list[Question]) -> None:
    """RFC 9293 section 3.10.7.1; a capture may have missed the SYN ACK and a FIN of another RST."""
    seen = connection(f"> S 0:0(0)\n< R. {number}:{number}(0) ack 1", b_isn=0)
    assert [why for _, why in seen.reading.questions()] == asked


def test_a_fin_that_lies_before_what_was_acknowledged_is_not_of_this_connection() -> None:
    seen = connection(EXCHANGE + "> R. 19:19(0) ack 486\n< F. 106:106(0) ack 19")
    assert [ignored.why for ignored in seen.reading.ignored()] == [IgnoredReason.OUT_OF_WINDOW]


@pytest.mark.parametrize(("more", "asked"), [("", []), ("> F. 1:1(0) ack 2\n", [Question.LATE_SYN])])
def test_a_syn_behind_a_fin_may_be_a_late_copy_or_another_connections(
    more: str, asked: list[Question]
) -> None:
    seen = connection(f"> . 1:1(0) ack 2\n{more}> S 0:0(0)\n< . 2:2(0) ack 1")
    assert [why for _, why in seen.reading.questions()] == asked


CLOSED = "> . 1:1(0) ack 1\n< F. 701:701(0) ack 1\n> F. 1:1(0) ack 702\n"


@pytest.mark.parametrize(("more", "doubted"), [("> . 1:1(0) ack 1\n", False), ("", True)])
def test_an_answer_to_a_late_syn_opens_nothing_before_it_is_acknowledged(more: str, doubted: bool) -> None:
    seen = segments(f"{CLOSED}> S 0:0(0)\n> F. 1:1(0) ack 702\n< S. 0:0(0) ack 1\n{more}> R 1:1(0)")
    assert tracker.connections(seen)[-1].reading.overlaps_another is doubted


WAITING = (
    "> S 0:0(0)\n< S. 0:0(0) ack 1\n> P. 1:19(18) ack 1\n< S. 0:0(0) ack 1\n< S. 0:0(0) ack 1\n> R 1:1(0)"
)


@pytest.mark.parametrize(
    ("seconds", "asked"),
    [
        ((0, 0, 0, 1, 3, 3), []),
        ((0, 0, 0, 39, 46, 46), [Question.OLD_NUMBER]),
        ((0, 0, 0, 1, 79, 79), [Question.OLD_NUMBER]),
    ],
)
def test_an_accept_queue_is_full_where_the_timer_of_the_syn_ack_backs_off(
    seconds: tuple[int, ...], asked: list[Question]
) -> None:
    """Late copies of a SYN ACK come when they come: RFC 6298 section 5.5."""
    timed = [
        structs.replace(each, t_ns=(100 + second) * 1_000_000_000 + number)
        for number, (each, second) in enumerate(zip(segments(WAITING), seconds, strict=True), 1)
    ]
    [seen] = tracker.connections(timed)
    assert [why for _, why in seen.reading.questions()] == asked


def test_an_end_that_sent_anything_but_syn_acks_has_room_in_its_accept_queue() -> None:
    """Also where that was damaged on its way."""
    lines = WAITING.splitlines()
    text = "\n".join([*lines[:3], "< . 1:1(0) ack 19 bad", *lines[3:]])
    timed = [
        structs.replace(each, t_ns=(100 + second) * 1_000_000_000)
        for each, second in zip(segments(text), (0, 0, 0, 0, 1, 3, 3), strict=True)
    ]
    [seen] = tracker.connections(timed)
    assert [why for _, why in seen.reading.questions()] == [Question.OLD_NUMBER]


def test_a_rst_may_answer_an_ack_of_an_earlier_connection() -> None:
    """What a SYN meets that reuses the ports of a connection which its peer still has."""
    met = "> S 0:0(0)\n< . 877000000:877000000(0) ack 878000000\n> R 878000000:878000000(0)\n"
    seen = connection(met + "> S 0:0(0)\n< S. 0:0(0) ack 1\n> . 1:1(0) ack 1")
    assert [ignored.why for ignored in seen.reading.ignored()] == [
        IgnoredReason.OUT_OF_WINDOW,
        IgnoredReason.EARLIER,
    ]


@pytest.mark.parametrize(("fin", "asked"), [("< F. 486:486(0) ack 19\n", []), ("", [Question.LATE_FIN])])
def test_a_fin_that_was_captured_after_its_ack_may_have_come_before_a_rst(
    fin: str, asked: list[Question]
) -> None:
    closed = "> F. 19:19(0) ack 487\n< . 487:487(0) ack 20\n> R 20:20(0)\n< F. 486:486(0) ack 19"
    seen = connection(EXCHANGE + fin + closed)
    assert [why for _, why in seen.reading.questions()] == asked


def test_what_a_forged_rst_acknowledges_before_the_answer_was_not_received() -> None:
    forged = "> S 0:0(0)\n> R. 1:1(0) ack 1228\n< S. 0:0(0) ack 1\n> . 1:1(0) ack 1\n"
    seen = connection(forged + "< F. 1:1(0) ack 1\n> . 1:1(0) ack 2")
    assert seen.reading.end(B).fin == 4


@pytest.mark.parametrize(
    ("crossing", "asked"), [("< P. 486:496(10) ack 19\n", []), ("", [Question.UNSEEN_ACK])]
)
def test_a_rst_behind_a_fin_that_answers_nothing_answers_what_was_not_captured(
    crossing: str, asked: list[Question]
) -> None:
    seen = connection(f"{EXCHANGE}{crossing}> F. 19:19(0) ack 486\n> R 19:19(0)")
    assert [why for _, why in seen.reading.questions()] == asked
