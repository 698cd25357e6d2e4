"""`rst-or-fin judge` of somebody else's captures: which it reads, whom it doubts, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_USAGE
from rst_or_fin.tcp.segment import Checksum, Segment

from tests.support.capture_files import classic
from tests.support.packets import ENDING, MACS, ethernet, wrapped
from tests.support.segments import HANDSHAKE, A, capture, segments

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


BREAKS_OFF = "1 byte after the last whole record, at byte 544"


def test_what_ends_right_before_the_capture_breaks_off_is_doubted_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    found = document(capfd, CAPTURES / "one-byte-too-many.pcap")
    (connection,) = found["connections"]
    assert (found["capture"]["doubts"], connection["conn_state"], connection["doubts"]) == (
        [BREAKS_OFF],
        "RSTR",
        [BREAKS_OFF],
    )


def test_what_ends_long_before_the_capture_breaks_off_is_not_doubted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    later = wrapped(
        ethernet,
        segments(HANDSHAKE, a=A._replace(port=40_001), start_ns=1_800_000_000_000_000_000),
    )
    path = tmp_path / "cut.pcap"
    path.write_bytes(classic([*OVER, *later]) + b"xyz")
    over, _ = document(capfd, path)["connections"]
    assert over["doubts"] == []


def test_what_is_still_open_where_the_capture_breaks_off_is_doubted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(classic([*OVER, *STILL_OPEN]) + b"xyz")
    _, still_open = document(capfd, path)["connections"]
    assert still_open["doubts"] == [
        "the connection was still open when the capture ended",
        f"3 bytes after the last whole record, at byte {path.stat().st_size - 3}",
    ]


def test_what_began_after_a_file_broke_off_is_not_doubted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.pcap").write_bytes(classic(STILL_OPEN) + b"xyz")
    later = segments(ENDING, start_ns=1_800_000_000_000_000_000)
    (tmp_path / "2.pcap").write_bytes(classic(wrapped(ethernet, later)))
    found = document(capfd, tmp_path / "1.pcap", tmp_path / "2.pcap")["connections"]
    assert [len(connection["doubts"]) for connection in found] == [2, 0]


def test_rotated_captures_are_judged_as_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"dump.pcap{number}" for number in range(2)]
    for path, frames in zip(paths, (OVER[:4], OVER[4:]), strict=True):
        path.write_bytes(classic(frames))
    (found,) = document(capfd, *paths[::-1])["connections"]
    assert found["conn_state"] == "RSTO"


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
        "offloaded": [],
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


# Checksums


def spoiled(segments_: list[Segment], *places: int) -> bytes:
    """A capture of these segments, those at these places with a wrong checksum."""
    bad = [
        msgspec.structs.replace(s, checksum=Checksum.BAD) if i in places else s
        for i, s in enumerate(segments_)
    ]
    return capture(bad)


REFUSED = segments("> S 0:0(0)\n< R. 0:0(0) ack 1")


@pytest.mark.parametrize(
    ("what", "places", "offloaded", "state", "validity"),
    [
        (
            "one wrong checksum among right ones was not received",
            (len(segments(ENDING)) - 1,),
            [],
            "S1",
            "inconclusive",
        ),
        (
            "a host all of whose checksums are wrong leaves them to its card",
            tuple(i for i, s in enumerate(segments(ENDING)) if s.src == A),
            [A.address],
            "RSTO",
            "conclusive",
        ),
    ],
)
def test_a_wrong_checksum_is_damage_or_nobodys_yet(
    what: str,
    places: tuple[int, ...],
    offloaded: list[str],
    state: str,
    validity: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (path := tmp_path / "x.pcap").write_bytes(spoiled(segments(ENDING), *places))
    found = document(capfd, path)
    (connection,) = found["connections"]
    assert (found["capture"]["offloaded"], connection["conn_state"], connection["validity"]) == (
        offloaded,
        state,
        validity,
    ), what


def test_an_end_whose_only_checksum_is_wrong_is_doubted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (path := tmp_path / "x.pcap").write_bytes(spoiled(REFUSED, 1))
    (connection,) = document(capfd, path)["connections"]
    assert "has a wrong checksum" in connection["doubts"][0]
