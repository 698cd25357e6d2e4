"""What is written is what tshark reads: checksums, numbers, and what each stream consists of."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.truth import plan, wire
from tests.truth.capture import CapturePlan
from tests.truth.conversation import Conversation, perform
from tests.truth.meeting import meet
from tests.truth.path import Weather
from tests.truth.segment import ACK, FIN, RST, SYN, Crossing
from tests.truth.wire import Addresses, checksum

CALM = Weather(delay_ns=1_000_000)
SEEDS = range(60)


def tshark(capture: bytes, folder: Path, *fields: str) -> list[list[str]]:
    """Return what tshark says of each frame."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    path = folder / "conversation.pcap"
    path.write_bytes(capture)
    options = [
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "tcp.relative_sequence_numbers:FALSE",
    ]
    columns = [word for field in fields for word in ("-e", field)]
    read = subprocess.run(
        ["tshark", "-2", "-r", str(path), *options, "-T", "fields", "-E", "occurrence=f", *columns],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.split("\t") for line in read.stdout.splitlines()]


def merged(conversations: Iterable[Conversation]) -> tuple[list[Crossing], bytes]:
    """Return all that several conversations show, and one capture of it: each has its own hour."""
    shown: list[Crossing] = []
    pieces = [b""]
    for hour, conversation in enumerate(conversations):
        shown += [crossing for crossing, _ in conversation.shown]
        addresses = conversation.plan.addresses
        capture = wire.capture(
            conversation.shown, addresses, CapturePlan(), start_ns=(1 + hour) * 3_600_000_000_000
        )
        pieces[0] = pieces[0] or capture[:24]
        pieces.append(capture[24:])
    return shown, b"".join(pieces)


def drawn(seed: int, **changed: object) -> Conversation:
    """Return the conversation of a seed with some of its plan changed."""
    rng = Random(seed)
    script = replace(plan.draw(rng), **changed)  # type: ignore[arg-type]
    return perform(script, rng)


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Crossing], list[list[str]]]:
    """Frames of many conversations, corrupted ones among them, beside what tshark says of them."""
    shown, capture = merged(drawn(seed) for seed in SEEDS)
    fields = (
        *("tcp.checksum.status", "ip.checksum.status", "tcp.seq", "tcp.ack", "tcp.len"),
        *("tcp.window_size_value", "ip.ttl", "ipv6.hlim", "ip.id", "tcp.flags"),
        *("tcp.options.timestamp.tsval", "tcp.options.wscale.shift"),
    )
    return shown, tshark(capture, tmp_path_factory.mktemp("wire"), *fields)


Kinds = tuple[list[Crossing], list[list[str]]]


def intact(all_kinds: Kinds) -> list[tuple[Crossing, list[str]]]:
    return [pair for pair in zip(*all_kinds, strict=True) if not pair[0].corrupted]


def test_every_checksum_of_an_intact_frame_is_good(all_kinds: Kinds) -> None:
    statuses = {(row[0], row[1]) for _, row in intact(all_kinds)}
    assert statuses == {("1", "1"), ("1", "")}  # good; IPv6 has none of its own


def test_a_corrupted_frame_has_a_bad_checksum(tmp_path: Path) -> None:
    rough = Weather(delay_ns=1_000_000, corruption=0.4)
    shown, capture = merged(drawn(seed, weather=rough, tap=1.0, capture=CapturePlan()) for seed in range(40))
    rows = tshark(capture, tmp_path, "ip.checksum.status", "tcp.checksum.status", "tcp.hdr_len")
    spoiled = [row for crossing, row in zip(shown, rows, strict=True) if crossing.corrupted]
    # Where a header's length is hit, tshark sees no segment any more
    unnoticed = [row for row in spoiled if row[1] == "1" and row[0] in ("", "1") and row[2]]
    assert (len(spoiled) > 60, unnoticed) == (True, [])


def test_numbers_and_options_are_read_as_they_were_written(all_kinds: Kinds) -> None:
    read = [(row[2:6], int(row[9], 16), row[10], row[11]) for _, row in intact(all_kinds)]
    written = [
        (
            [str(s.seq), str(s.ack), str(s.length), str(s.window)],
            s.flags,
            str(s.stamp[0]) if s.stamp else "",
            str(s.wscale) if s.wscale >= 0 else "",
        )
        for s in (crossing.segment for crossing, _ in intact(all_kinds))
    ]
    assert read == written


def test_hop_limits_and_identifications_are_read_as_they_were_written(all_kinds: Kinds) -> None:
    read = [(row[6] or row[7], row[8] and int(row[8], 16)) for _, row in intact(all_kinds)]
    written = [(str(c.ttl), "" if row[7] else c.segment.ip_id) for c, row in intact(all_kinds)]
    assert read == written


def completeness(segments: Sequence[Crossing]) -> int:
    """Return Wireshark's conversation completeness, counted from what was sent."""
    flags = [(c.segment.flags, c.segment.length) for c in segments]
    return (
        any(f & (SYN | ACK) == SYN for f, _ in flags) * 1
        + any(f & (SYN | ACK) == SYN | ACK for f, _ in flags) * 2
        + any(f & (SYN | FIN | RST | ACK) == ACK for f, _ in flags) * 4
        + any(n for _, n in flags) * 8
        + any(f & FIN for f, _ in flags) * 16
        + any(f & RST for f, _ in flags) * 32
    )


def single(seed: int) -> Conversation:
    """Return a calm conversation of one port pair, captured as a whole."""
    scenes = plan.draw(Random(seed)).scenes[:1]
    return drawn(seed, weather=CALM, forgeries=(), scenes=scenes, capture=CapturePlan())


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Conversation], list[list[str]]]:
    """Conversations of one connection each, in which nothing goes wrong, beside what tshark says of them."""
    drawn_ones = [conversation for conversation in map(single, range(150)) if len(conversation.truths) == 1]
    chosen = [conversation for conversation in drawn_ones if conversation.truths[0].client is not None]
    _, capture = merged(chosen)
    fields = ("tcp.stream", "tcp.completeness", "tcp.analysis.lost_segment", "tcp.analysis.ack_lost_segment")
    return chosen, tshark(capture, tmp_path_factory.mktemp("calm"), *fields)


Calm = tuple[list[Conversation], list[list[str]]]


def test_tshark_finds_each_conversation_as_complete_as_it_is(calm: Calm) -> None:
    conversations, rows = calm
    found = {int(row[0]): int(row[1]) for row in rows}
    wanted = {
        at: completeness([c for c, _ in conversation.shown]) for at, conversation in enumerate(conversations)
    }
    # An ACK counts for tshark only where it completes the opening
    assert {at: number & ~4 for at, number in found.items()} == {at: n & ~4 for at, n in wanted.items()}


def test_tshark_misses_nothing_in_a_calm_conversation(calm: Calm) -> None:
    assert (len(calm[1]) > 500, {tuple(row[2:]) for row in calm[1]}) == (True, {("", "")})


def test_a_stream_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    met = meet([("send", 5000), ("close", 0)], [("recv", 5000), ("eof", 0), ("close", 0)], lost=((0, 3),))
    rows = tshark(met.conversation.pcap, tmp_path, "ip.src", "tcp.seq", "tcp.payload")
    pieces = {int(seq): bytes.fromhex(data) for source, seq, data in rows if source == "10.0.0.1" and data}
    stream = b"".join(pieces[seq] for seq in sorted(pieces))
    assert stream == wire.payload(0, 5000)


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@pytest.mark.parametrize("snap_len", [0, 74])
def test_a_short_snap_length_keeps_the_frame_s_own_length(snap_len: int, tmp_path: Path) -> None:
    met = meet([("send", 100)], [], capture=CapturePlan(snap_len=snap_len))
    rows = tshark(met.conversation.pcap, tmp_path, "frame.len", "frame.cap_len")
    assert rows[3] == ["154", str(snap_len or 154)]


def test_a_short_frame_is_filled_up(tmp_path: Path) -> None:
    met = meet([], [], capture=CapturePlan(padded=True))
    assert tshark(met.conversation.pcap, tmp_path, "frame.len", "tcp.len")[2] == ["60", "0"]


def test_what_a_network_card_has_still_to_compute_is_partial(tmp_path: Path) -> None:
    met = meet([("send", 100)], [], capture=CapturePlan(offload=0))
    rows = tshark(met.conversation.pcap, tmp_path, "ip.src", "tcp.checksum.status")
    assert {(source, status) for source, status in rows} == {("10.0.0.1", "0"), ("10.0.0.2", "1")}


def test_ipv6_is_read_as_ipv6(tmp_path: Path) -> None:
    conversation = drawn(1, addresses=Addresses(a="2001:db8::1", b="2001:db8::2"), capture=CapturePlan())
    rows = tshark(conversation.pcap, tmp_path, "ipv6.src")
    assert {row[0] for row in rows} == {"2001:db8::1", "2001:db8::2"}
