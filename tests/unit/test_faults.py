"""The wire's decisions: which frames leave, in which order, and what was done to them. No clock."""

from __future__ import annotations

import itertools
from typing import Any

import dpkt.ethernet
import dpkt.ip
import dpkt.ip6
import dpkt.tcp
import pytest
from rst_or_fin.agents import fault_rules, tcp_frames
from rst_or_fin.agents.faults import NODE, PEER, Faults, Out
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.tcp.segment import Checksum, Segment

from tests.support.decoding import segment_of

MS = 1_000_000
FOUR = (bytes([198, 18, 0, 3]), bytes([198, 18, 0, 4]))
SIX = (b"\x20\x01\0\2" + b"\0" * 11 + b"\3", b"\x20\x01\0\2" + b"\0" * 11 + b"\4")
CLIENT_ISN, SERVER_ISN = 0xFFFFFFF0, 7_000
_ids = itertools.count(1)


def frame(
    flags: str,
    first: int = 0,
    length: int = 0,
    ack: int | None = None,
    *,
    server: bool = False,
    addresses: tuple[bytes, bytes] = FOUR,
) -> bytes:
    """A segment of the client's or the server's, by relative numbers."""
    own, other = (SERVER_ISN, CLIENT_ISN) if server else (CLIENT_ISN, SERVER_ISN)
    ends = (addresses[1], addresses[0]) if server else addresses
    ports = (80, 40_000) if server else (40_000, 80)
    tcp = dpkt.tcp.TCP(
        sport=ports[0],
        dport=ports[1],
        seq=(own + first) % (1 << 32),
        ack=0 if ack is None else (other + ack) % (1 << 32),
        flags=tcp_frames.bits(flags),
        data=b"x" * length,
    )
    if len(ends[0]) == 4:
        ip: Any = dpkt.ip.IP(src=ends[0], dst=ends[1], p=6, ttl=64, len=40 + length, id=next(_ids), data=tcp)
        kind = dpkt.ethernet.ETH_TYPE_IP
    else:
        ip = dpkt.ip6.IP6(src=ends[0], dst=ends[1], nxt=6, hlim=64, plen=20 + length, data=tcp)
        kind = dpkt.ethernet.ETH_TYPE_IP6
    macs = (b"\2" + b"\0" * 4 + b"\4", b"\2" + b"\0" * 4 + b"\3")
    src, dst = macs if server else macs[::-1]
    return bytes(dpkt.ethernet.Ethernet(src=src, dst=dst, type=kind, data=ip))


SYN = frame("S")
SYN_ACK = frame("S.", ack=1, server=True)
HANDSHAKE_ACK = frame(".", 1, ack=1)
REQUEST = frame("P.", 1, 18, ack=1)
RESPONSE = frame("P.", 1, 485, ack=19, server=True)
OUR_FIN = frame("F.", 19, ack=486)
PEER_FIN = frame("F.", 486, ack=20, server=True)


class Line:
    """A wire with rules, and a clock that the test moves."""

    def __init__(self, *rules: dict[str, Any], random: dict[str, Any] | None = None, salt: str = "") -> None:
        chance = fault_rules.random(random) if random is not None else None
        self.faults = Faults(fault_rules.rules(rules), chance, salt)
        self.now_ns = 0

    def client(self, data: bytes) -> list[Out]:
        return self.faults.take(NODE, data, self.now_ns)

    def server(self, data: bytes) -> list[Out]:
        return self.faults.take(PEER, data, self.now_ns)

    def opened(self) -> Line:
        self.client(SYN)
        self.server(SYN_ACK)
        self.client(HANDSHAKE_ACK)
        self.faults.events.clear()
        return self

    def after(self, ms: int) -> list[Out]:
        self.now_ns += ms * MS
        return self.faults.tick(self.now_ns)


def segment(data: bytes) -> Segment:
    found = segment_of(Frame(t_ns=0, data=data))
    assert found is not None
    return found


def test_a_wire_without_rules_hands_every_frame_on() -> None:
    line = Line()
    assert line.client(SYN) + line.server(SYN_ACK) == [Out(PEER, SYN), Out(NODE, SYN_ACK)]


def test_what_is_no_tcp_passes_whatever_the_rules_say() -> None:
    arp = b"\xff" * 6 + b"\2" * 6 + b"\x08\x06" + b"\0" * 28
    assert Line({"from": "client", "do": "drop", "times": "all"}).client(arp) == [Out(PEER, arp)]


def test_a_segment_of_an_earlier_replay_is_lost() -> None:
    assert Line().server(RESPONSE) == []


@pytest.mark.parametrize(
    "meant", ["P.", "P. 1:486(485)", "P. 1:486(485) ack 19", "P. ack 19", "payload", "any"]
)
def test_a_segment_is_meant_by_what_tcpdump_prints_of_it(meant: str) -> None:
    rule = {"from": "server", "segment": meant, "do": "drop"}
    line = Line({**rule, "times": "all"})
    line.client(SYN)
    line.server(SYN_ACK)
    assert line.server(RESPONSE) == []


@pytest.mark.parametrize("other", [".", "P. 1:485(484)", "P. ack 18", "FIN", "RST", "SYN"])
def test_a_segment_that_differs_is_not_meant(other: str) -> None:
    line = Line({"from": "server", "segment": other, "do": "drop", "nth": 1}).opened()
    assert line.server(RESPONSE) == [Out(NODE, RESPONSE)]


def test_the_other_direction_is_not_meant() -> None:
    line = Line({"from": "client", "segment": "payload", "do": "drop"}).opened()
    assert line.server(RESPONSE) == [Out(NODE, RESPONSE)]


def test_only_the_nth_occurrence_is_meant() -> None:
    line = Line({"from": "server", "segment": "payload", "nth": 2, "do": "drop"}).opened()
    assert [len(line.server(RESPONSE)) for _ in range(3)] == [1, 0, 1]


def test_as_many_occurrences_as_times_says_are_meant() -> None:
    line = Line({"from": "server", "segment": "payload", "nth": 2, "times": 2, "do": "drop"}).opened()
    assert [len(line.server(RESPONSE)) for _ in range(4)] == [1, 0, 0, 1]


def test_times_all_means_every_later_one() -> None:
    line = Line({"from": "server", "segment": "payload", "times": "all", "do": "drop"}).opened()
    assert [len(line.server(RESPONSE)) for _ in range(5)] == [0] * 5


@pytest.mark.parametrize(("at_ms", "passes"), [(9, 1), (10, 0), (19, 0), (20, 1)])
def test_a_rule_holds_from_when_to_when_counted_from_the_syn(at_ms: int, passes: int) -> None:
    rule = {"from": "server", "segment": "payload", "after_ms": 10, "until_ms": 20, "do": "drop"}
    line = Line(rule).opened()
    line.after(at_ms)
    assert len(line.server(RESPONSE)) == passes


@pytest.mark.parametrize(("silence_ms", "passes"), [(99, 1), (100, 0)])
def test_idle_means_the_first_segment_after_a_silence(silence_ms: int, passes: int) -> None:
    line = Line({"from": "server", "idle_ms": 100, "do": "drop"}).opened()
    line.after(silence_ms)
    assert len(line.server(RESPONSE)) == passes


def test_a_delayed_segment_passes_when_its_time_has_come() -> None:
    line = Line({"from": "server", "segment": "payload", "do": "delay", "delay_ms": 50}).opened()
    assert (line.server(RESPONSE), line.after(49), line.after(1)) == ([], [], [Out(NODE, RESPONSE)])


def held_until_fin_of(sender: str) -> dict[str, object]:
    """A rule that keeps the response back until that end's FIN has passed."""
    until = {"from": sender, "segment": "FIN"}
    return {"from": "server", "segment": "payload", "do": "hold", "until": until}


def test_a_held_segment_passes_after_the_one_that_it_waits_for() -> None:
    line = Line(held_until_fin_of("server")).opened()
    assert line.server(RESPONSE) == []
    assert line.server(PEER_FIN) == [Out(NODE, PEER_FIN), Out(NODE, RESPONSE)]


def test_a_segment_can_wait_for_one_of_the_other_direction() -> None:
    line = Line(held_until_fin_of("client")).opened()
    line.server(RESPONSE)
    assert line.client(OUR_FIN) == [Out(PEER, OUR_FIN), Out(NODE, RESPONSE)]


def test_a_held_segment_is_told_when_it_passes() -> None:
    line = Line(held_until_fin_of("client")).opened()
    line.server(RESPONSE)
    line.client(OUR_FIN)
    assert [event["did"] for event in line.faults.events] == ["hold", "release"]


def test_a_duplicated_segment_passes_twice() -> None:
    line = Line({"from": "server", "segment": "FIN", "do": "duplicate"}).opened()
    assert line.server(PEER_FIN) == [Out(NODE, PEER_FIN)] * 2


def test_a_copy_can_come_late() -> None:
    line = Line({"from": "server", "segment": "FIN", "do": "duplicate", "delay_ms": 5}).opened()
    assert (line.server(PEER_FIN), line.after(5)) == ([Out(NODE, PEER_FIN)], [Out(NODE, PEER_FIN)])


@pytest.mark.parametrize("addresses", [FOUR, SIX])
def test_a_corrupted_segment_has_a_checksum_that_fails(addresses: tuple[bytes, bytes]) -> None:
    line = Line({"from": "client", "segment": "SYN", "do": "corrupt"})
    ((side, data),) = line.client(frame("S", addresses=addresses))
    assert (side, segment(data).checksum) == (PEER, Checksum.BAD)


def test_nothing_passes_a_cut_in_either_direction() -> None:
    line = Line({"from": "server", "segment": "payload", "do": "cut"}).opened()
    assert [*line.server(RESPONSE), *line.server(RESPONSE), *line.client(OUR_FIN)] == []


def test_a_cut_one_way_leaves_the_other_open() -> None:
    line = Line({"from": "server", "segment": "payload", "do": "cut", "ways": "one"}).opened()
    assert [*line.server(RESPONSE), *line.client(OUR_FIN)] == [Out(PEER, OUR_FIN)]


def test_the_segment_that_cuts_can_be_the_last_that_passes() -> None:
    line = Line({"from": "server", "segment": "payload", "do": "cut", "passes": True}).opened()
    assert [*line.server(RESPONSE), *line.server(PEER_FIN)] == [Out(NODE, RESPONSE)]


def test_what_waits_when_the_path_is_cut_is_lost() -> None:
    rules = (
        {"from": "server", "segment": "payload", "do": "delay", "delay_ms": 5},
        {"from": "client", "segment": "FIN", "do": "cut"},
    )
    line = Line(*rules).opened()
    line.server(RESPONSE)
    line.client(OUR_FIN)
    assert line.after(10) == []


@pytest.mark.parametrize("addresses", [FOUR, SIX])
def test_a_middlebox_resets_with_the_number_that_is_expected_next(addresses: tuple[bytes, bytes]) -> None:
    rule = {"from": "client", "segment": "payload", "do": "reset", "to": "client", "ttl": 37}
    line = Line(rule)
    line.client(frame("S", addresses=addresses))
    line.server(frame("S.", ack=1, server=True, addresses=addresses))
    ((side, data),) = line.client(frame("P.", 1, 18, ack=1, addresses=addresses))
    made = segment(data)
    assert (side, made.rst, made.seq, made.ttl) == (NODE, True, SERVER_ISN + 1, 37)
    assert made.checksum is Checksum.GOOD


def test_a_middlebox_resets_both_ends_in_each_others_name() -> None:
    line = Line({"from": "server", "segment": "payload", "do": "reset", "passes": True}).opened()
    line.client(REQUEST)
    passed, to_client, to_server = line.server(RESPONSE)
    assert (passed, to_client.side, to_server.side) == (Out(NODE, RESPONSE), NODE, PEER)
    assert segment(to_client.frame).seq == SERVER_ISN + 486  # the response has passed
    assert segment(to_server.frame).seq == (CLIENT_ISN + 19) % (1 << 32)


def test_an_offset_moves_the_number_of_the_reset() -> None:
    line = Line(
        {"from": "client", "segment": "payload", "do": "reset", "to": "client", "offset": 100}
    ).opened()
    ((_, data),) = line.client(REQUEST)
    assert segment(data).seq == SERVER_ISN + 101


def test_a_syn_that_is_reset_is_acknowledged() -> None:
    ((_, data),) = Line({"from": "client", "segment": "SYN", "do": "reset", "to": "client"}).client(SYN)
    made = segment(data)
    assert (made.has_ack, made.ack) == (True, CLIENT_ISN + 1)


@pytest.mark.parametrize(("drops", "passes"), [(True, 0), (False, 1)])
def test_what_comes_after_a_reset_is_dropped_or_not(drops: bool, passes: int) -> None:
    line = Line({"from": "client", "segment": "payload", "do": "reset", "drops": drops}).opened()
    line.client(REQUEST)
    assert len(line.client(REQUEST)) == passes


def test_the_first_rule_that_means_a_segment_acts_and_all_count() -> None:
    rules = (
        {"from": "server", "segment": "payload", "do": "drop"},
        {"from": "server", "segment": "P.", "nth": 2, "do": "duplicate"},
    )
    line = Line(*rules).opened()
    assert [len(line.server(RESPONSE)) for _ in range(3)] == [0, 2, 1]


def test_every_connection_counts_for_itself() -> None:
    line = Line({"from": "client", "segment": "SYN", "do": "drop"})
    other = frame("S", addresses=SIX)
    assert (line.client(SYN), line.client(other), line.client(SYN)) == ([], [], [Out(PEER, SYN)])


def test_what_was_done_is_told_in_the_notation_of_the_project() -> None:
    line = Line({"from": "server", "segment": "payload", "do": "drop"}).opened()
    line.server(RESPONSE)
    assert line.faults.events == [
        {
            "rule": 0,
            "did": "drop",
            "from": "server",
            "segment": "P. 1:486(485) ack 19",
            "ends": "c6120003c61200049c400050",
        }
    ]


# By chance


def conversation(line: Line) -> list[bytes]:
    """What leaves of a conversation, in order."""
    out = []
    for data, server in (
        (SYN, 0),
        (SYN_ACK, 1),
        (HANDSHAKE_ACK, 0),
        (REQUEST, 0),
        (RESPONSE, 1),
        (OUR_FIN, 0),
    ):
        out += line.server(data) if server else line.client(data)
    return [each.frame for each in out + line.after(1000)]


def test_the_same_seed_gives_the_same_decisions() -> None:
    said = {"loss": 0.3, "duplicate": 0.3, "reorder": 0.3, "seed": 7}
    assert conversation(Line(random=said)) == conversation(Line(random=said))


def test_decisions_do_not_depend_on_time() -> None:
    said = {"loss": 0.5, "seed": 3}
    late = Line(random=said)
    late.now_ns = 10**15
    assert conversation(Line(random=said)) == conversation(late)


def test_another_seed_gives_other_decisions() -> None:
    several = {tuple(conversation(Line(random={"loss": 0.5, "seed": seed}))) for seed in range(20)}
    assert len(several) > 5


def test_another_replay_has_decisions_of_its_own() -> None:
    said = {"loss": 0.5, "seed": 1}
    several = {tuple(conversation(Line(random=said, salt=f"replay {number}"))) for number in range(20)}
    assert len(several) > 5


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_as_many_are_lost_as_the_share_says(share: float) -> None:
    line = Line(random={"loss": share, "seed": 1})
    line.client(SYN)
    line.faults.events.clear()
    passed = sum(len(line.client(REQUEST)) for _ in range(4000))
    assert abs(1 - passed / 4000 - share) < 0.03


def test_every_segment_is_late_by_the_delay() -> None:
    line = Line(random={"delay_ms": 30, "seed": 1})
    assert (line.client(SYN), line.after(29), line.after(1)) == ([], [], [Out(PEER, SYN)])


def test_a_reordered_segment_is_overtaken_by_the_next() -> None:
    line = Line(random={"reorder": 1.0, "seed": 1})
    line.client(SYN)
    line.after(1000)
    line.server(SYN_ACK)
    line.after(1000)
    assert line.client(HANDSHAKE_ACK) == []
    line.faults._random = None
    assert line.client(REQUEST) == [Out(PEER, REQUEST), Out(PEER, HANDSHAKE_ACK)]


def test_a_reordered_segment_that_nothing_overtakes_passes_all_the_same() -> None:
    line = Line(random={"reorder": 1.0, "seed": 1})
    assert (line.client(SYN), line.after(20)) == ([], [Out(PEER, SYN)])
