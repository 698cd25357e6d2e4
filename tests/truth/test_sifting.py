"""A sifted capture gets the answer that it gets connection by connection, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from rst_or_fin.analysis import sifting
from rst_or_fin.analysis.captured import Case, JudgedCapture, judged
from rst_or_fin.analysis.overview import Overview
from rst_or_fin.analysis.sifting import PlainConnections, sift
from rst_or_fin.capture_file import batches
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.capture_file.reading import CaptureReading, Source
from rst_or_fin.capture_file.writing import header, records
from rst_or_fin.commands.bench_beside import _frame
from rst_or_fin.report import capture_text
from rst_or_fin.report.capture_records import capture_record, case_record, overview_record

from tests.support import as_pcapng, nearly_plain
from tests.support.capture_files import block, statistics
from tests.truth.crowd import crowd

TESTS = Path(__file__).parents[1]
CAPTURES = sorted([*TESTS.glob("data/captures/*.pcap*"), *TESTS.glob("golden/evidence/*/capture*.pcap")])
CROWD = 30
SMALL = 20  # segments of an epoch


class Answer(NamedTuple):
    """What is said of a capture: its first screen, its document's head, and each case that was made."""

    screen: str
    head: bytes
    cases: dict[int, dict[str, Any]]


def answer(capture: JudgedCapture, seen: Overview, cases: dict[int, dict[str, Any]]) -> Answer:
    if capture.plain is not None:
        seen.add_plain(capture.plain)
    head = [capture_record(capture), overview_record(seen, capture.connections)]
    return Answer(capture_text.overview(seen, capture, "x"), msgspec.json.encode(head), cases)


def answered(readings: Iterator[CaptureReading], plain: PlainConnections | None) -> Answer:
    seen, cases = [Overview()], dict[int, dict[str, Any]]()

    def use(given: Iterator[Case]) -> None:
        seen[0] = Overview()
        cases.clear()
        for case in given:
            seen[0].add(case)
            cases[case.number] = msgspec.json.decode(msgspec.json.encode(case_record(case)))

    capture = judged(lambda: next(readings), use=use, plain=plain)
    return answer(capture, seen[0], cases)


def both_ways(data: bytes) -> tuple[Answer, Answer | None]:
    source = Source(name="x", open=lambda: [data])
    sifted = sift(source)
    whole = answered(iter(lambda: CaptureReading([source], payload_kept=0), None), None)
    if sifted is None:
        return whole, None
    return whole, answered(iter(lambda: sifted.reading(0), None), sifted.plain)


def is_plain(case: dict[str, Any]) -> bool:
    """Whether nothing is to be said of a case but that both ends sent their FIN."""
    said = (case["remarks"], case["doubts"], case["client_cause"], case["server_cause"])
    return (case["how"], case["validity"]) == ("FIN by both ends", "conclusive") and not any(said)


def difference(data: bytes) -> str:
    """What differs between the two ways; nothing, as a rule."""
    whole, rest = both_ways(data)
    if rest is None:
        return ""
    if rest.screen != whole.screen or rest.head != whole.head:
        return "the first screen"
    wrong = [n for n, case in whole.cases.items() if rest.cases.get(n, case) != case]
    wrong += [n for n, case in whole.cases.items() if n not in rest.cases and not is_plain(case)]
    return f"connections {wrong}" if wrong or rest.cases.keys() - whole.cases.keys() else ""


@pytest.mark.parametrize("epoch", [sifting._EPOCH, SMALL], ids=["at once", "piece by piece"])
def test_a_crowd_is_answered_the_same(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sifting, "_EPOCH", epoch)
    monkeypatch.setattr(batches, "_BATCH_LEN", 5_000 if epoch == SMALL else batches._BATCH_LEN)
    found = {first: difference(crowd(range(first, first + CROWD))) for first in range(0, 240, CROWD)}
    assert {first: said for first, said in found.items() if said} == {}


def test_a_crowd_has_plain_connections() -> None:
    found = sift(Source(name="x", open=lambda: [crowd(range(CROWD))]))
    assert found is not None


@pytest.mark.parametrize("cut", [1, 7, 15, 16, 17, 40, 70, 3000])
def test_a_crowd_that_breaks_off_is_answered_the_same(cut: int) -> None:
    assert difference(crowd(range(CROWD))[:-cut]) == ""


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_capture_of_the_field_is_answered_the_same(path: Path) -> None:
    assert difference(path.read_bytes()) == ""


def flipped(data: bytes, places: Iterable[int], *, behind: int = 24) -> bytes:
    spoilt = bytearray(data)
    for place in places:
        spoilt[behind + place % (len(data) - behind)] ^= 1 << place % 8
    return bytes(spoilt)


def test_damaged_crowds_are_answered_the_same() -> None:
    whole = crowd(range(12))
    found = {seed: difference(flipped(whole, range(seed, seed * 977, 4_001))) for seed in range(1, 60)}
    assert {seed: said for seed, said in found.items() if said} == {}


@pytest.mark.parametrize("epoch", [sifting._EPOCH, 60], ids=["at once", "piece by piece"])
def test_what_is_nearly_plain_is_answered_the_same(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sifting, "_EPOCH", epoch)
    monkeypatch.setattr(batches, "_BATCH_LEN", 3_000 if epoch == 60 else batches._BATCH_LEN)
    found = {seed: difference(nearly_plain.capture(seed)) for seed in range(120)}
    assert {seed: said for seed, said in found.items() if said} == {}


# The same conversations as pcapng


@pytest.mark.parametrize("epoch", [sifting._EPOCH, SMALL], ids=["at once", "piece by piece"])
def test_a_crowd_in_pcapng_is_answered_the_same(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sifting, "_EPOCH", epoch)
    monkeypatch.setattr(batches, "_BATCH_LEN", 5_000 if epoch == SMALL else batches._BATCH_LEN)
    whole = crowd(range(CROWD))
    found = {seed: difference(as_pcapng.sprinkled(whole, seed)) for seed in range(40)}
    assert {seed: said for seed, said in found.items() if said} == {}


def test_what_is_nearly_plain_in_pcapng_is_answered_the_same() -> None:
    written = {seed: as_pcapng.sprinkled(nearly_plain.capture(seed), seed) for seed in range(400)}
    found = {seed: difference(data) for seed, data in written.items()}
    assert {seed: said for seed, said in found.items() if said} == {}


def test_a_pcapng_that_breaks_off_anywhere_is_answered_the_same() -> None:
    whole = as_pcapng.as_dumpcap_writes(nearly_plain.capture(1))
    cuts = [*range(1, 90), *range(90, len(whole), 211)]
    found = {cut: difference(whole[:-cut]) for cut in cuts if len(whole) - cut > 100}
    assert {cut: said for cut, said in found.items() if said} == {}


def test_damaged_pcapng_is_answered_the_same() -> None:
    whole = as_pcapng.as_dumpcap_writes(crowd(range(CROWD)))
    behind = len(as_pcapng.SECTION)
    spoilt = {seed: flipped(whole, range(seed, seed * 977, 10_007), behind=behind) for seed in range(60)}
    found = {seed: difference(data) for seed, data in spoilt.items()}
    assert {seed: said for seed, said in found.items() if said} == {}


@pytest.mark.parametrize(
    "more",
    [
        b"",
        statistics("<", (1, b"a comment")),
        block("<", 4, bytes(8)),
        block("<", 0x0BAD, bytes(100)),
    ],
    ids=["as dumpcap writes it", "with a comment", "with names", "with a custom block"],
)
def test_a_pcapng_is_sifted(more: bytes) -> None:
    data = as_pcapng.as_dumpcap_writes(crowd(range(CROWD))) + more
    _, sifted = both_ways(data)
    assert (sifted is not None, difference(data)) == (True, "")


def test_connections_over_either_ip_are_plain() -> None:
    hosts = ("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")
    segments = [segment for ends in hosts for segment in nearly_plain.plain(Random(1), *ends)]
    frames = (_frame(segment, number) for number, segment in enumerate(segments))
    found = sift(Source(name="x", open=lambda: [header() + records(frames)]))
    assert (found is not None and found.plain.total) == 2


def test_the_second_reading_has_the_first_datagram_alone() -> None:
    frames = [_frame(s, n) for n, s in enumerate(nearly_plain.plain(Random(1), "10.0.0.1", "10.0.0.2"))]
    datagram = frames[0].data[:23] + b"\x11" + frames[0].data[24:]
    frames += [Frame(t_ns=frames[-1].t_ns, data=datagram)] * 9
    found = sift(Source(name="x", open=lambda: [header() + records(frames)]))
    assert found is not None
    reading = found.reading(0)
    assert (list(reading), reading.passed_over, (found.fates == 0).sum()) == ([], {"UDP": 9}, 1)
