"""Stored evidence is judged today as it was judged then, and tshark reads its captures as we do.

Every folder of tests/golden/evidence is one run as `rst-or-fin run` left it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rst_or_fin.storage import evidence_reader
from rst_or_fin.storage.load_run import load_run
from rst_or_fin.storage.scenario_files import PUBLISHED_PAIR

from tests.support import oracle
from tests.support.cases import CASES
from tests.support.needs import skip_or_fail
from tests.support.our_reading import as_we_read_it
from tests.support.segments import A6, B6, A, B, capture, segments

EVIDENCE = Path(__file__).parent / "evidence"
FOLDERS = sorted(path.parent for path in EVIDENCE.glob("*/manifest.json"))
of_every_run = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
CAPTURES = [path for folder in FOLDERS for path in sorted(folder.glob("*.pcap"))]  # at one end, or at both
of_every_capture = pytest.mark.parametrize(
    "stored", CAPTURES, ids=lambda path: f"{path.parent.name}-{path.stem}"
)


def judged_again(folder: Path) -> list[Any]:
    judgements = load_run(folder).judgements
    return [json.loads(msgspec.json.encode(judged.record())) for judged in judgements]


def test_the_published_pair_is_stored() -> None:
    if not FOLDERS:
        skip_or_fail(f"no run is stored in {EVIDENCE.name}/ yet")
    assert set(PUBLISHED_PAIR) <= {evidence_reader.read(folder).scenario.name for folder in FOLDERS}


@of_every_run
def test_stored_evidence_names_no_place_of_the_machine_it_was_made_on(folder: Path) -> None:
    told = "".join(path.read_text() for path in folder.iterdir() if path.suffix in (".json", ".jsonl"))
    assert re.findall(r"(?:/home|/root|/tmp|/work)/[^\s\"]*", told) == []


@of_every_run
def test_stored_evidence_is_judged_as_it_was(folder: Path) -> None:
    stored = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    assert judged_again(folder) == stored


@of_every_run
def test_stored_evidence_holds_a_verdict_for_every_replay(folder: Path) -> None:
    evidence = evidence_reader.read(folder)
    verdicts = (folder / "verdicts.jsonl").read_text().splitlines()
    assert len(verdicts) == len(evidence.replays) == len(evidence.peer_reports) > 0


@of_every_capture
def test_tshark_sees_the_segments_that_we_see(stored: Path, tmp_path: Path) -> None:
    assert oracle.read(stored, tmp_path).segments == as_we_read_it(stored.read_bytes())


@of_every_capture
def test_tshark_finds_no_damage(stored: Path, tmp_path: Path) -> None:
    reading = oracle.read(stored, tmp_path)
    assert (reading.bad_checksums, reading.malformed) == ([], [])


# A segment with a wrong checksum is one of ours on purpose; tshark takes a RST's number for initial where it
# comes ahead of its end's SYN ACK.
_ODD = re.compile(r" bad|9000:9000")


# The same oracle over every way to end a connection that the unit tests know, written by our own writer


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def every_case(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One capture with all of them, each from a port of its own, near the end of the sequence space."""
    a, b = (A6, B6) if request.param == 6 else (A, B)
    near_the_end = {"a_isn": (1 << 32) - 10, "b_isn": (1 << 32) - 200}
    whole = [
        segment
        for number, case in enumerate(c for c in CASES.values() if not _ODD.search(c.wire))
        for segment in segments(case.wire, a=a._replace(port=40000 + number), b=b, **near_the_end)
    ]
    path = tmp_path / "every-case.pcap"
    path.write_bytes(capture(whole))
    return path


def test_tshark_reads_every_case_as_we_do(every_case: Path, tmp_path: Path) -> None:
    assert oracle.read(every_case, tmp_path).segments == as_we_read_it(every_case.read_bytes())


def test_what_our_writer_writes_is_whole_to_tshark(every_case: Path, tmp_path: Path) -> None:
    reading = oracle.read(every_case, tmp_path)
    assert (reading.bad_checksums, reading.malformed) == ([], [])


def test_the_oracle_would_notice_a_wrong_checksum(every_case: Path, tmp_path: Path) -> None:
    data = bytearray(every_case.read_bytes())
    data[-1] ^= 0xFF
    every_case.write_bytes(data)
    assert len(oracle.read(every_case, tmp_path).bad_checksums) == 1
