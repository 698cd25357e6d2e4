"""One connection captured at both ends: which segments arrived, which were lost, which nobody had sent."""

from __future__ import annotations

from rst_or_fin.tcp import connection as trace
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Ending, Role
from rst_or_fin.tcp.segment import Segment
from rst_or_fin.tcp.two_ends import Fate, TwoEnds, both_ends

from tests.support.segments import EXCHANGE, segments

_LATER_NS = 100_000


def captured(text: str, late: str) -> Connection:
    """A capture in which the segments of one way come a bit later than they left: `late` is that way."""
    return trace.connection([_moved(s, late) for s in segments(text)])


def _moved(segment: Segment, late: str) -> Segment:
    import msgspec

    is_late = (segment.src.port == 40000) == (late == ">")
    return msgspec.structs.replace(segment, t_ns=segment.t_ns + _LATER_NS) if is_late else segment


def seen(near: str, far: str) -> TwoEnds:
    return both_ends(captured(near, "<"), captured(far, ">"), Role.CLIENT)


def odd(found: TwoEnds) -> list[tuple[str, Fate]]:
    passages = found.passages
    return [(found.shown.notation(p.segment), p.fate) for p in passages if p.fate is not Fate.ARRIVED]


PAD = "> . 18:18(0) ack 486"  # keeps both captures in step, where a segment is missing in one
FIN = "> F. 19:19(0) ack 486"
RST = "< R 486:486(0)"


def test_what_is_in_both_captures_arrived() -> None:
    assert odd(seen(EXCHANGE, EXCHANGE)) == []


def test_what_is_in_the_senders_capture_alone_was_lost() -> None:
    assert odd(seen(EXCHANGE + FIN, EXCHANGE)) == [("F. 19:19(0) ack 486", Fate.LOST)]


def test_what_is_in_the_receivers_capture_alone_was_sent_by_nobody() -> None:
    assert odd(seen(EXCHANGE + RST, EXCHANGE)) == [("R 486:486(0)", Fate.FORGED)]


def test_what_comes_twice_and_left_once_is_a_copy() -> None:
    assert odd(seen(EXCHANGE + FIN, f"{EXCHANGE}{FIN}\n{FIN}")) == [("F. 19:19(0) ack 486", Fate.COPY)]


def test_what_comes_with_a_wrong_checksum_was_corrupted() -> None:
    assert odd(seen(EXCHANGE + FIN, EXCHANGE + FIN + " bad")) == [("F. 19:19(0) ack 486", Fate.CORRUPTED)]


def test_of_two_alike_the_later_one_arrived_where_one_did() -> None:
    found = seen(f"{EXCHANGE}{FIN}\n{FIN}", f"{EXCHANGE}{PAD}\n{FIN}".replace(PAD, FIN.replace("F.", "R.")))
    fates = [p.fate for p in found.passages if p.segment.fin]
    assert fates == [Fate.LOST, Fate.ARRIVED]


def test_a_reset_with_another_ttl_is_no_ends() -> None:
    assert ("R 486:486(0)", Fate.FORGED) in odd(seen(EXCHANGE + RST + " ttl 63", EXCHANGE + RST + " ttl 64"))


def test_a_connection_of_which_only_what_was_under_way_before_is_captured_is_kept_as_it_is() -> None:
    late = captured("< . 486:486(0) ack 19\n< . 486:486(0) ack 20", "<")
    found = both_ends(late, None, Role.CLIENT)
    assert (found.near, [p.fate for p in found.passages]) == (late, [Fate.FORGED, Fate.FORGED])


def test_an_end_is_named_in_whose_name_a_reset_was_taken() -> None:
    assert seen(EXCHANGE + RST, EXCHANGE).forged == {Role.SERVER}


def test_a_forged_reset_outside_the_window_was_not_taken() -> None:
    assert seen(EXCHANGE + "< R 9000000:9000000(0)", EXCHANGE).forged == frozenset()


def test_the_nodes_capture_is_read_without_what_the_wire_made() -> None:
    assert not seen(EXCHANGE + RST, EXCHANGE).near.reading.is_reset


def test_a_lost_fin_has_not_reached_the_peer() -> None:
    assert seen(EXCHANGE + FIN, EXCHANGE).arrived is Ending.NONE


def test_a_forged_reset_has_reached_the_peer() -> None:
    forged = "> R 19:19(0)"
    assert seen(EXCHANGE, EXCHANGE + forged).arrived is Ending.RST


def test_a_connection_that_never_came_through_was_lost_whole() -> None:
    found = both_ends(captured("> S 0:0(0)\n> S 0:0(0)", "<"), None, Role.CLIENT)
    assert [p.fate for p in found.passages] == [Fate.LOST, Fate.LOST]
