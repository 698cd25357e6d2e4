"""The truth of a conversation is what its scripts make it, and no more than its capture can show."""

from __future__ import annotations

import pytest

from tests.truth.app import Step
from tests.truth.boxes import Forgery
from tests.truth.capture import CapturePlan
from tests.truth.expected import counts
from tests.truth.host import NEVER, Opening
from tests.truth.meeting import CLIENT_PORT, PLAIN, SERVER_PORT, Met, meet, with_
from tests.truth.scenes import Event
from tests.truth.world import MS, SECOND, US

END: list[Step] = [("eof", 0), ("close", 0)]
SOON: Step = ("sleep", 10 * MS)
PORTS = frozenset((CLIENT_PORT, SERVER_PORT))

SCRIPTS: dict[str, tuple[list[Step], list[Step], tuple[str, str], tuple[str, str]]] = {
    "orderly": ([("close", 0)], END, ("FIN", "FIN"), ("", "")),
    "unread data": ([SOON, ("close", 0)], [("send", 9), *END], ("RST", "none"), ("unread", "")),
    "zero linger": ([SOON, ("linger", 0)], END, ("RST", "none"), ("linger", "")),
    "both linger": (
        [("sleep", 5 * MS), ("linger", 0)],
        [("sleep", 4 * MS), ("linger", 0)],
        ("RST", "RST"),
        ("linger", "linger"),
    ),
    "killed": ([SOON, ("kill", 0)], END, ("RST", "none"), ("killed", "")),
    "half closed, then linger": (
        [("shutdown", 0), SOON, ("linger", 0)],
        [("eof", 0), SOON, SOON],
        ("FIN then RST", "none"),
        ("linger", ""),
    ),
    "data after close": (
        [("close", 0)],
        [("eof", 0), SOON, ("send", 9), *END],
        ("FIN then RST", "FIN"),
        ("data after close", ""),
    ),
    "a FIN after FIN-WAIT-2": (
        [("close", 0)],
        [("eof", 0), ("sleep", 61 * SECOND), ("close", 0)],
        ("FIN then RST", "FIN"),
        ("late segment after close", ""),
    ),
    "an abort after the other end's FIN": (
        [("eof", 0), ("linger", 0)],
        [("close", 0)],
        ("RST", "FIN"),
        ("linger", ""),
    ),
    "a FIN that crosses a RST": (
        [("sleep", 5 * MS), ("close", 0)],
        [("sleep", 4 * MS), ("linger", 0)],
        ("FIN", "RST"),
        ("", "linger"),
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_ending_is_what_the_scripts_make_it(name: str) -> None:
    client, server, endings, causes = SCRIPTS[name]
    met = meet(client, server)
    assert (met.endings, met.causes) == ([endings], [causes])


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("tap", [0.0, 0.5, 1.0])
def test_an_ending_is_the_same_wherever_the_tap_is(name: str, tap: float) -> None:
    client, server, endings, _ = SCRIPTS[name]
    assert meet(client, server, tap=tap).endings == [endings]


def test_a_refusal_is_the_server_s_reset() -> None:
    met = meet([("close", 0)], listening=False)
    assert (met.endings, met.causes) == ([("none", "RST")], [("", "closed port")])


def test_a_closed_listener_is_the_server_s_reset() -> None:
    closed = Event(at_ns=50 * MS, side=1, word="unlisten")
    met = meet([("send", 5), *END], ways={"accept_after_ns": NEVER}, events=[closed])
    assert (met.endings, met.causes) == ([("none", "RST")], [("", "listener closed")])


# Over, or not


@pytest.mark.parametrize("shown", range(1, 8))
def test_an_orderly_connection_is_over_with_the_last_ack(shown: int) -> None:
    met = meet([("close", 0)], END, capture=CapturePlan(end=shown / 7 + 0.001))
    assert [truth.over for truth in met.truths] == [shown == 7]


def test_a_connection_is_over_with_a_reset_that_counts() -> None:
    assert [truth.over_at for truth in meet([SOON, ("linger", 0)], END).truths] == [3]


def test_a_connection_that_was_given_up_is_not_over() -> None:
    met = meet([SOON, ("send", 5)], END, cut_at_ns=5 * MS, cut_sides=(0,))
    assert [truth.over for truth in met.truths] == [False]


def test_a_fin_that_the_capture_ends_before_does_not_count() -> None:
    met = meet([SOON, ("close", 0)], END, capture=CapturePlan(end=0.5))
    assert met.endings == [("none", "none")]


def test_a_late_answer_in_time_wait_changes_nothing() -> None:
    # The last ACK is lost behind the tap, and TIME-WAIT is over when the FIN comes again.
    brief = with_(time_wait_ns=100 * MS)
    met = meet([("close", 0)], END, traits=(brief, PLAIN), lost=((0, 3),))
    assert (met.lines[-1], met.endings) == ("> R 2:2(0)", [("FIN", "FIN")])


def test_an_answer_to_what_was_under_way_at_the_abort_does_not_count() -> None:
    met = meet([SOON, ("linger", 0)], [("sleep", 9 * MS), ("send", 1), ("close", 0)], tap=0.0)
    assert met.endings == [("RST", "FIN")]


def test_a_reset_for_an_end_that_has_aborted_before_does_not_count() -> None:
    # The client resets; the server's host, rebooted by then, answers the data that went before.
    rebooted = Event(at_ns=SECOND, side=1, word="reboot")
    met = meet([("sleep", 2 * SECOND), ("send", 5), ("linger", 0)], [], events=[rebooted])
    assert (met.lines[-1], met.endings) == ("< R 1:1(0)", [("RST", "none")])


def test_a_corrupted_reset_counts_for_nothing() -> None:
    met = meet([SOON, ("linger", 0)], [("sleep", 4 * MS), ("kill", 0)], corruption=1.0, tap=1.0)
    assert not any(truth.over for truth in met.truths)


# What does not show


def seen_without(met: Met, *hidden: int) -> list[tuple[str, str]]:
    """Return the endings where the capture lost some of a meeting's segments."""
    from tests.truth.truth import truths

    shown = [crossing for at, (crossing, _) in enumerate(met.conversation.shown) if at not in hidden]
    found = truths(met.conversation.world, shown, 1 << 62)
    return [(" or ".join(sorted(t.endings[0])), " or ".join(sorted(t.endings[1]))) for t in found]


def test_a_fin_that_was_not_captured_shows_in_its_ack() -> None:
    met = meet([("close", 0)], [("eof", 0), SOON, ("linger", 0)])
    assert (met.lines[3], seen_without(met, 3)) == ("> F. 1:1(0) ack 1", [("FIN", "RST")])


def test_a_fin_that_left_no_trace_may_be_missed() -> None:
    met = meet([("sleep", 500 * US), ("close", 0)], [("linger", 0)])
    assert (met.lines[3], seen_without(met, 3)) == ("> F. 1:1(0) ack 1", [("FIN or none", "RST")])


def test_a_reset_that_was_not_captured_may_be_missed() -> None:
    met = meet([SOON, ("linger", 0)], [("sleep", 9 * MS), ("linger", 0)])
    at = next(at for at, line in enumerate(met.lines) if line.startswith("> R."))
    assert seen_without(met, at) == [("RST or none", "RST")]


# Forged segments


def forge(**changed: object) -> Forgery:
    """Return a RST in the client's name for the server after its first data, with another TTL."""
    usual: dict[str, object] = {
        "word": "rst",
        "place": 0.5,
        "flags": 0,
        "nth": 4,
        "after_ns": 0,
        "victims": (1,),
        "shift": 0,
        "acks": False,
        "junk": 0,
        "mimic": False,
        "repeats": 1,
    }
    return Forgery(**{**usual, **changed})  # type: ignore[arg-type]


def test_a_forged_reset_is_nobody_s_ending_but_its_victim_answers_with_its_own() -> None:
    met = meet([("send", 5), SOON, ("send", 5)], [], forgeries=[forge()], tap=1.0)
    assert met.endings == [("none", "RST")]


def test_a_forged_reset_outside_the_window_changes_nothing() -> None:
    met = meet([("send", 5), SOON, ("close", 0)], END, forgeries=[forge(shift=1 << 28)], tap=1.0)
    assert met.endings == [("FIN", "FIN")]


def test_a_connection_that_a_forged_reset_silenced_is_not_over() -> None:
    met = meet([("send", 5)], [], forgeries=[forge()], tap=1.0)
    assert [truth.over for truth in met.truths] == [False]


def test_a_perfect_forgery_has_no_truth() -> None:
    met = meet([("send", 5)], [], forgeries=[forge(mimic=True)], tap=1.0)
    assert "looks like its victim's own RST" in met.conversation.untruthful


def test_a_forgery_that_its_victim_belies_has_a_truth() -> None:
    met = meet([("send", 5), SOON, ("send", 5)], [], forgeries=[forge(mimic=True)], tap=1.0)
    assert met.conversation.untruthful == ""


def test_a_firewall_that_rejects_from_some_time_on_ends_its_victim_and_not_the_other_end() -> None:
    # The client's second segment is rejected; what the server sends later meets a client that is gone.
    reject = forge(word="reject", victims=(0,), nth=5)
    server: list[Step] = [("recv", 5), ("sleep", SECOND), ("send", 5)]
    met = meet([("send", 5), SOON, ("send", 5)], server, forgeries=[reject], tap=0.0)
    assert (met.lines[-1], met.endings) == ("> R 6:6(0)", [("RST", "none")])


# How many connections


def test_a_port_pair_that_is_used_twice_is_two_connections() -> None:
    then = Opening(lport=CLIENT_PORT, rport=SERVER_PORT, script=[("linger", 0)], isn=1000)
    met = meet([SOON, ("linger", 0), ("again", SECOND)], [], then=then)
    assert (counts(met.conversation)[PORTS], met.endings) == ((2, 2), [("RST", "none"), ("RST", "none")])


def test_a_late_copy_of_the_syn_may_be_taken_for_a_connection_or_not() -> None:
    # In TIME-WAIT the SYN's copy is answered by an ACK.
    patient = with_(time_wait_ns=300 * SECOND)
    met = meet(END, [("close", 0)], late=1.0, traits=(PLAIN, patient))
    least, most = counts(met.conversation)[PORTS]
    assert least < most


def test_a_stray_syn_in_a_live_connection_splits_nothing() -> None:
    met = meet(
        [("send", 5), SOON, *END], [("recv", 5), SOON, ("close", 0)], forgeries=[forge(word="syn")], tap=1.0
    )
    least, _ = counts(met.conversation)[PORTS]
    assert (least, met.endings[0]) == (1, ("FIN", "FIN"))


def test_a_refusal_of_the_same_number_before_is_a_connection_of_its_own() -> None:
    then = Opening(lport=CLIENT_PORT, rport=SERVER_PORT, script=[("close", 0)], isn=1000)
    listening = Event(at_ns=100 * MS, side=1, word="listen")
    met = meet([("sleep", 0), ("again", 500 * MS)], END, listening=False, then=then, events=[listening])
    assert (counts(met.conversation)[PORTS], met.endings) == ((2, 2), [("none", "RST"), ("FIN", "FIN")])


def test_a_half_open_connection_and_the_one_that_replaces_it_are_two() -> None:
    again = Opening(lport=CLIENT_PORT, rport=SERVER_PORT, script=[("close", 0)], isn=777_000)
    events = [
        Event(at_ns=50 * MS, side=0, word="reboot"),
        Event(at_ns=60 * MS, side=0, word="open", opening=again),
    ]
    met = meet([("send", 5)], [("recv", 5), *END], events=events)
    assert (counts(met.conversation)[PORTS], met.endings) == ((2, 2), [("RST", "none"), ("FIN", "FIN")])


def test_both_openings_at_once_are_one_connection() -> None:
    opening = Opening(lport=SERVER_PORT, rport=CLIENT_PORT, script=END, isn=5)
    event = Event(at_ns=0, side=1, word="open", opening=opening)
    met = meet([SOON, ("close", 0)], listening=False, events=[event])
    assert [(truth.client, truth.over) for truth in met.truths] == [(None, True)]
