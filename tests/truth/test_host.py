"""The simulated hosts do what RFC 9293 and Linux say, one fact at a time."""

from __future__ import annotations

import pytest

from tests.truth.app import Step
from tests.truth.host import NEVER, Opening
from tests.truth.meeting import CLIENT_PORT, PLAIN, SERVER_PORT, meet, with_
from tests.truth.scenes import Event
from tests.truth.segment import RST
from tests.truth.tcb import Gone, State
from tests.truth.world import MS, SECOND, US

END: list[Step] = [("eof", 0), ("close", 0)]
SOON: Step = ("sleep", 10 * MS)


def test_both_ends_that_close_are_done() -> None:
    met = meet([("send", 18), ("recv", 100), ("close", 0)], [("recv", 18), ("send", 100), *END])
    assert [met.tcb(side).gone for side in (0, 1)] == [Gone.FINISHED, Gone.FINISHED]


def test_a_close_with_data_unread_sends_a_reset_at_the_next_number() -> None:
    met = meet([("send", 18), SOON, ("close", 0)], [("send", 100), *END])
    assert met.lines[-1] == "> R. 19:19(0) ack 101"


def test_a_close_with_all_data_read_sends_a_fin() -> None:
    met = meet([("recv", 100), ("close", 0)], [("send", 100), *END])
    assert "> F. 1:1(0) ack 101" in met.lines


def test_a_zero_linger_sends_a_reset_that_acknowledges() -> None:
    assert meet([("send", 18), SOON, ("linger", 0)], END).lines[-1] == "> R. 19:19(0) ack 1"


def test_a_zero_linger_in_closing_ends_without_a_word() -> None:
    met = meet(
        [("sleep", 5 * MS), ("shutdown", 0), ("sleep", 1500 * US), ("linger", 0)],
        [("sleep", 4 * MS), *END[1:]],
    )
    assert (met.tcb(0).last, met.tcb(0).gone) == (State.CLOSING, Gone.SILENT)


def test_a_killed_connection_is_reset() -> None:
    assert meet([("send", 18), SOON, ("kill", 0)], END).lines[-1] == "> R. 19:19(0) ack 1"


def test_data_for_a_closed_end_is_answered_by_a_bare_reset_at_its_ack() -> None:
    met = meet([("close", 0)], [("eof", 0), SOON, ("send", 100)])
    assert met.lines[-2:] == ["< P. 1:101(100) ack 2", "> R 2:2(0)"]


def test_data_for_a_half_closed_end_is_read() -> None:
    met = meet([("shutdown", 0), *END], [("eof", 0), ("send", 100), ("close", 0)])
    assert met.tcb(0).read_len == 100


def test_a_fin_after_fin_wait_2_is_answered_by_a_bare_reset() -> None:
    met = meet([("close", 0)], [("eof", 0), ("sleep", 61 * SECOND), ("close", 0)])
    assert met.lines[-2:] == ["< F. 1:1(0) ack 2", "> R 2:2(0)"]


def test_a_fin_after_time_wait_is_answered_by_a_bare_reset() -> None:
    brief = with_(time_wait_ns=100 * MS)
    met = meet([("close", 0)], END, traits=(brief, PLAIN), lost=((0, 3),))
    assert met.lines[-2:] == ["< F. 1:1(0) ack 2", "> R 2:2(0)"]


def test_a_fin_in_time_wait_is_acknowledged_again() -> None:
    assert meet([("close", 0)], END, lost=((0, 3),)).lines[-1] == "> . 2:2(0) ack 2"


def test_a_closed_port_acknowledges_the_syn_that_it_refuses() -> None:
    assert meet([("close", 0)], listening=False).lines == ["> S 0:0(0)", "< R. 0:0(0) ack 1"]


def test_a_closed_listener_resets_what_waits_to_be_accepted() -> None:
    closed = Event(at_ns=50 * MS, side=1, word="unlisten")
    met = meet([("send", 5), *END], ways={"accept_after_ns": NEVER}, events=[closed])
    assert met.lines[-1] == "< R. 1:1(0) ack 6"


def test_a_full_queue_leaves_a_syn_without_an_answer() -> None:
    met = meet([("send", 5), *END], ways={"backlog": 0})
    assert "< S. 0:0(0) ack 1" not in met.lines


def test_a_listener_may_refuse_where_its_queue_is_full() -> None:
    second = Event(
        at_ns=0, side=0, word="open", opening=Opening(lport=CLIENT_PORT + 1, rport=SERVER_PORT, script=[])
    )
    met = meet([], ways={"backlog": 1, "accept_after_ns": NEVER, "refuses": 1}, events=[second])
    assert met.lines[-1] == "< R 1:1(0)"


def test_whoever_gets_no_answer_gives_up_without_a_word() -> None:
    met = meet([SOON, ("send", 5)], END, cut_at_ns=5 * MS, cut_sides=(0,))
    assert (met.tcb(0).gone, met.lines[-1]) == (Gone.SILENT, "> P. 1:6(5) ack 1")


def test_an_end_that_was_given_up_is_answered_by_a_bare_reset() -> None:
    late: list[Step] = [("sleep", 100 * SECOND), ("send", 7)]
    met = meet([SOON, ("send", 5)], late, cut_at_ns=5 * MS, cut_sides=(0,))
    assert met.lines[-1] == "> R 1:1(0)"


def test_keepalive_resets_after_three_probes_without_an_answer() -> None:
    met = meet([("keepalive", SECOND)], [], cut_at_ns=20 * MS, cut_sides=(0, 1))
    assert met.lines[-4:] == ["> . 0:0(0) ack 1"] * 3 + ["> R. 1:1(0) ack 1"]


def test_keepalive_keeps_a_connection_that_answers() -> None:
    assert meet([("keepalive", SECOND)], []).tcb(0).state is State.ESTABLISHED


def test_a_host_that_was_rebooted_answers_by_bare_resets() -> None:
    rebooted = Event(at_ns=50 * MS, side=0, word="reboot")
    met = meet([("send", 5)], [("recv", 5), ("sleep", SECOND), ("send", 7)], events=[rebooted])
    assert met.lines[-2:] == ["< P. 1:8(7) ack 6", "> R 6:6(0)"]


def test_a_half_open_connection_is_found_out_as_rfc_9293_figure_9_shows() -> None:
    again = Opening(lport=CLIENT_PORT, rport=SERVER_PORT, script=[("close", 0)], isn=777_000)
    events = [
        Event(at_ns=50 * MS, side=0, word="reboot"),
        Event(at_ns=60 * MS, side=0, word="open", opening=again),
    ]
    met = meet([("send", 5)], [("recv", 5), *END], events=events)
    flags = [line.split()[:2] for line in met.lines[5:10]]
    assert flags == [[">", "S"], ["<", "."], [">", "R"], [">", "S"], ["<", "S."]]


def test_both_ends_can_open_at_once() -> None:
    opening = Opening(lport=SERVER_PORT, rport=CLIENT_PORT, script=[], isn=5)
    met = meet([], listening=False, events=[Event(at_ns=0, side=1, word="open", opening=opening)])
    assert [met.tcb(side).state for side in (0, 1)] == [State.ESTABLISHED, State.ESTABLISHED]


def test_both_ends_can_close_at_once() -> None:
    met = meet([("sleep", 10 * MS), ("close", 0)], [("sleep", 9 * MS), ("close", 0)])
    assert met.lines[3:] == ["> F. 1:1(0) ack 1", "< F. 1:1(0) ack 1", "> . 2:2(0) ack 2", "< . 2:2(0) ack 2"]


def test_a_closed_window_is_probed_until_it_opens() -> None:
    reader: list[Step] = [("sleep", 700 * MS), ("recv", 2000), *END]
    met = meet([("send", 2000), ("close", 0)], reader, traits=(PLAIN, with_(buffer_len=600)))
    assert ("> . 600:600(0) ack 1" in met.lines, met.tcb(1).read_len) == (True, 2000)


def test_lost_bytes_are_sent_again_and_read_in_order() -> None:
    met = meet([("send", 3000), ("close", 0)], [("recv", 3000), *END], lost=((0, 2),))
    assert (met.lines.count("> . 1:1001(1000) ack 1"), met.tcb(1).read_len) == (2, 3000)


def test_data_in_flight_of_an_abort_that_is_lost_leads_to_a_challenge_ack() -> None:
    met = meet([SOON, ("send", 100), ("linger", 0)], [], lost=((0, 2),))
    assert met.lines[-3:] == ["> R. 101:101(0) ack 1", "< . 1:1(0) ack 1", "> R 1:1(0)"]


def test_a_wrap_of_the_numbers_changes_nothing() -> None:
    scripts: tuple[list[Step], list[Step]] = (
        [("send", 3000), *END],
        [("recv", 3000), ("send", 9), ("close", 0)],
    )
    assert meet(*scripts, isn=(1 << 32) - 1500).lines == meet(*scripts, isn=1000).lines


def test_an_abort_carries_a_time_stamp_and_an_answer_without_a_socket_none() -> None:
    stamping = with_(stamps=True)
    met = meet([SOON, ("linger", 0)], [("sleep", 9 * MS), ("send", 1)], traits=(stamping, stamping))
    resets = [c.segment for c in met.conversation.world.crossings if c.segment.flags & RST]
    assert [reset.stamp is None for reset in resets] == [False, True]


def test_an_answer_without_a_socket_has_no_ip_id() -> None:
    met = meet([("close", 0)], [("eof", 0), SOON, ("send", 100)])
    own = [c.segment for c in met.conversation.world.crossings if c.segment.side == 0]
    assert [segment.ip_id - own[0].ip_id for segment in own[:3]] + [own[-1].ip_id] == [0, 1, 2, 0]


def test_a_reset_of_an_older_kernel_counts_a_payload_that_came_again_with_the_fin() -> None:
    # The ACK of the payload is lost, so the payload comes once more, together with the FIN behind it.
    endings = {}
    for old in (False, True):
        traits = (PLAIN, with_(counts_resent=old))
        met = meet(
            [("send", 5), ("sleep", 50 * MS), ("close", 0)],
            [("recv", 5), ("sleep", SECOND), ("close", 0)],
            traits=traits,
            lost=((1, 1), (0, 3)),
        )
        endings[old] = [line for line in met.lines if line[2] in "FR"][-1][:4]
    assert endings == {False: "< F.", True: "< R."}


@pytest.mark.parametrize("lag_ns", [0, 3 * MS])
def test_a_segment_may_be_answered_before_the_abort_has_left(lag_ns: int) -> None:
    met = meet([SOON, ("linger", 0)], [("sleep", 9 * MS), ("send", 1)], lag_ns=lag_ns)
    resets = [line.split()[1] for line in met.lines if "R" in line]
    assert resets == (["R", "R."] if lag_ns else ["R.", "R"])
