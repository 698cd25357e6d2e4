"""`rst-or-fin judge` of somebody else's captures: which it reads, whom it doubts, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import EXIT_AS_EXPECTED, EXIT_USAGE
from tests.unit.capture_file.files import classic
from tests.unit.capture_file.packets import ENDING, MACS, ethernet, wrapped
from tests.unit.segments import HANDSHAKE, A, segments

CAPTURES = Path(__file__).parents[1] / "data" / "captures"
OVER = wrapped(ethernet, segments(ENDING))
STILL_OPEN = wrapped(ethernet, segments(HANDSHAKE, a=A._replace(port=40_001)))


def judge(*arguments: str | Path) -> int:
    return main(["judge", *map(str, arguments)])


def document(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    judge(*arguments, "--json")
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "in-gre.pcap",
        "in-vxlan.pcap",
        "in-sllvlan.pcap",
        "ipv6-atomic-fragment.pcap",
        "link-type-with-fcs.pcap",
    ],
)
def test_an_abort_is_judged_wherever_it_was_captured(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (found,) = document(capfd, CAPTURES / name)["connections"]
    assert (found["conn_state"], found["server_ending"], found["validity"]) == ("RSTR", "RST", "conclusive")


@pytest.mark.parametrize("name", ["plain.pcapng", "plain.pcap.gz"])
def test_data_after_close_is_judged_in_every_format(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (found,) = document(capfd, CAPTURES / name)["connections"]
    assert (found["server_ending"], found["server_cause"]) == ("FIN then RST", "data after close")


def test_what_ends_before_the_capture_breaks_off_is_not_doubted(capfd: pytest.CaptureFixture[str]) -> None:
    code = judge(CAPTURES / "one-byte-too-many.pcap")
    doubt = "the capture: 1 byte after the last whole record, at byte 544\n"
    assert (code, capfd.readouterr().out[-len(doubt) :]) == (EXIT_AS_EXPECTED, doubt)


def test_what_is_still_open_where_the_capture_breaks_off_is_doubted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(classic([*OVER, *STILL_OPEN]) + b"xyz")
    doubts = [found["doubts"] for found in document(capfd, path)["connections"]]
    assert doubts == [[], [f"3 bytes after the last whole record, at byte {path.stat().st_size - 3}"]]


def test_what_began_after_a_file_broke_off_is_not_doubted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.pcap").write_bytes(classic(STILL_OPEN) + b"xyz")
    later = segments(ENDING, start_ns=1_800_000_000_000_000_000)
    (tmp_path / "2.pcap").write_bytes(classic(wrapped(ethernet, later)))
    found = document(capfd, tmp_path / "1.pcap", tmp_path / "2.pcap")["connections"]
    assert [len(connection["doubts"]) for connection in found] == [1, 0]


def test_rotated_captures_are_judged_as_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"dump.pcap{number}" for number in range(2)]
    for path, frames in zip(paths, (OVER[:4], OVER[4:]), strict=True):
        path.write_bytes(classic(frames))
    (found,) = document(capfd, *paths[::-1])["connections"]
    assert found["conn_state"] == "RSTO"


def test_standard_input_is_judged() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "judge", "-", "--json"],
        input=classic(OVER),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert json.loads(done.stdout)["connections"][0]["conn_state"] == "RSTO"


def test_what_the_capture_itself_says_is_in_the_document(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pcap"
    arp = wrapped(lambda of: MACS + b"\x08\x06" + of, segments(HANDSHAKE))
    path.write_bytes(classic([*arp, *OVER]))
    assert document(capfd, path)["capture"] == {
        "frames": 13,
        "dropped": None,
        "passed_over": {"ARP": 3},
        "doubts": [],
        "comments": [],
    }


def test_a_capture_without_tcp_is_refused_with_what_it_holds(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(classic(OVER, link_type=105))
    code = judge(path)
    assert (code, "no TCP segment: 10 802.11" in capfd.readouterr().err) == (EXIT_USAGE, True)


@pytest.mark.parametrize("name", ["nowhere.pcap", "."])
def test_what_cannot_be_read_is_wrong_usage(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello")
    assert judge(tmp_path / "x.txt", tmp_path / name) == EXIT_USAGE
