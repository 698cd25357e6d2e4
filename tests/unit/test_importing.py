"""`rst-or-fin import`: a connection of a capture as a scenario, and what a capture cannot carry."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from rst_or_fin.cli import main
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_INCONCLUSIVE, EXIT_USAGE
from rst_or_fin.scenario import check
from rst_or_fin.tcp.segment import Segment

from tests.support.segments import EXCHANGE, HANDSHAKE, A, capture, segments

GET = b"GET / HTTP/1.1\r\n\r\n"
ABORT = EXCHANGE + "> R. 19:19(0) ack 486"
ORDERLY = EXCHANGE + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"
LATE_DATA = (
    HANDSHAKE
    + """
> P. 1:19(18) ack 1
< . 1:1(0) ack 19
> F. 19:19(0) ack 1
< . 1:1(0) ack 20
< P. 1:101(100) ack 20
> R 20:20(0)
"""
)


def spoken(text: str, *payloads: bytes) -> list[Segment]:
    """Segments with these payloads on those that carry data, as far as there are any."""
    left = list(payloads)
    found = []
    for segment in segments(text):
        if segment.payload_len and left:
            fields = {name: getattr(segment, name) for name in segment.__struct_fields__}
            segment = Segment(**{**fields, "payload": left.pop(0)})
        found.append(segment)
    return found


def imported(folder: Path, seen: list[Segment], *arguments: str) -> tuple[int, dict[str, str]]:
    """The exit code, and what was written by the name of its file."""
    (dump := folder / "dump.pcap").write_bytes(capture(seen))
    out = folder / "my.scenario.toml"
    code = main(["import", str(dump), "--connection", "1", "--out", str(out), *arguments])
    return code, {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.toml"))}


def only(folder: Path, seen: list[Segment], *arguments: str) -> dict[str, Any]:
    _, found = imported(folder, seen, *arguments)
    (text,) = found.values()
    return tomllib.loads(text)


def script(document: dict[str, Any]) -> list[str]:
    found: list[str] = document["server"]["options"]["script"].strip().splitlines()
    return found


def session(document: dict[str, Any]) -> list[str]:
    found: list[str] = document["session"].strip().splitlines()
    return found


def test_an_open_cause_gives_one_scenario_for_each_candidate(tmp_path: Path) -> None:
    _, found = imported(tmp_path, segments(ABORT))
    assert list(found) == ["my-unread-data-at-close.scenario.toml", "my-zero-linger.scenario.toml"]


@pytest.mark.parametrize("text", [ABORT, ORDERLY, LATE_DATA])
def test_what_is_imported_is_a_scenario(text: str, tmp_path: Path) -> None:
    _, found = imported(tmp_path, segments(text))
    assert [check.problems(each, name) for name, each in found.items()] == [[] for _ in found]


def test_the_candidates_differ_in_the_session_alone(tmp_path: Path) -> None:
    _, found = imported(tmp_path, segments(ABORT))
    unread, linger = (tomllib.loads(text) for text in found.values())
    assert (unread["server"], unread["expect"]["closing_segment"]) == (
        linger["server"],
        linger["expect"]["closing_segment"],
    )


def test_unread_data_is_waited_for_and_not_read(tmp_path: Path) -> None:
    _, found = imported(tmp_path, segments(ABORT))
    document = tomllib.loads(found["my-unread-data-at-close.scenario.toml"])
    assert (session(document)[-2:], document["precondition"]) == (
        ["await_received(Sock, 485).", "gen_tcp:close(Sock)."],
        {"unread": 485, "received": 485},
    )


def test_an_orderly_end_reads_what_came_and_closes(tmp_path: Path) -> None:
    document = only(tmp_path, segments(ORDERLY))
    assert session(document)[-2:] == ["{ok, _} = gen_tcp:recv(Sock, 485).", "gen_tcp:close(Sock)."]


def test_the_peers_segments_are_played_as_they_are(tmp_path: Path) -> None:
    assert script(only(tmp_path, segments(ORDERLY))) == [
        "expect S",
        "send S. 0:0(0) ack 1 win 502 mss 536",
        "expect P. 1:19(18) ack 1",
        "send . 1:1(0) ack 19",
        "send P. 1:179(178) ack 19",
        "send P. 179:486(307) ack 19",
        "expect F. 19:19(0) ack 486",
        "send F. 486:486(0) ack 20",
    ]


def test_what_the_end_had_not_received_is_played_after_its_step(tmp_path: Path) -> None:
    """Captured before the FIN, and not acknowledged by it: it was still on its way."""
    crossing = HANDSHAKE + "< P. 1:101(100) ack 1\n> F. 1:1(0) ack 1\n> R 1:1(0)"
    lines = script(only(tmp_path, segments(crossing)))
    assert lines.index("expect F. 1:1(0) ack 1") < lines.index("send P. 1:101(100) ack 1")


def test_an_end_that_goes_on_receiving_only_shut_its_writing_down(tmp_path: Path) -> None:
    half_open = EXCHANGE.replace("< P. 179", "> F. 19:19(0) ack 179\n< P. 179").replace(
        "> . 19:19(0) ack 486", "> . 20:20(0) ack 486\n< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"
    )
    assert "ok = gen_tcp:shutdown(Sock, write)." in session(only(tmp_path, segments(half_open)))


def test_a_server_that_ends_is_played_by_a_session_that_listens(tmp_path: Path) -> None:
    by_server = HANDSHAKE + "> P. 1:19(18) ack 1\n< F. 1:1(0) ack 19\n> F. 19:19(0) ack 2\n< . 2:2(0) ack 20"
    document = only(tmp_path, segments(by_server))
    assert (document["server"]["kind"], script(document)) == (
        "scripted-client",
        [
            "send S 0:0(0) win 502 mss 536",
            "expect S. 0:0(0) ack 1",
            "send . 1:1(0) ack 1",
            "send P. 1:19(18) ack 1",
            "expect F. 1:1(0) ack 19",
            "send F. 19:19(0) ack 2",
        ],
    )


def test_a_listener_that_was_closed_is_a_candidate_where_the_server_was_silent(tmp_path: Path) -> None:
    _, found = imported(tmp_path, segments(HANDSHAKE + "< R. 1:1(0) ack 1"))
    assert "my-listener-closed.scenario.toml" in found


def test_plain_http_is_kept(tmp_path: Path) -> None:
    seen = spoken(LATE_DATA, GET, b"HTTP/1.1 200 OK\r\n".ljust(100, b"."))
    assert r'ok = gen_tcp:send(Sock, "GET / HTTP/1.1\r\n\r\n").' in session(only(tmp_path, seen))


def test_what_is_no_plain_http_is_replaced_by_as_many_bytes(tmp_path: Path) -> None:
    assert 'ok = gen_tcp:send(Sock, binary:copy(<<"x">>, 18)).' in session(
        only(tmp_path, segments(LATE_DATA))
    )


def test_payload_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    seen = spoken(LATE_DATA, GET, b"HTTP/1.1 200 OK\r\n".ljust(100, b"."))
    assert "GET" not in "".join(session(only(tmp_path, seen, "--no-payload")))


def test_any_byte_is_kept_as_an_erlang_string(tmp_path: Path) -> None:
    """Also what would end the string, the TOML around it, or the line."""
    document = only(tmp_path, spoken(LATE_DATA, b"'''\"\\\r\n\x00\xff~x{}[]----"), "--payload")
    assert r'"\x{27}\x{27}\x{27}\"\\\r\n\x{0}\x{ff}~x{}[]' in document["session"]


def test_a_large_segment_is_sent_in_pieces(tmp_path: Path) -> None:
    large = (
        HANDSHAKE
        + "> P. 1:3001(3000) ack 1\n> F. 3001:3001(0) ack 1\n< F. 1:1(0) ack 3002\n> . 3002:3002(0) ack 2"
    )
    lines = [line for line in script(only(tmp_path, segments(large))) if line.startswith("expect P.")]
    # The peer offers no MSS, so it is 536 (RFC 9293 section 3.7.1).
    assert [line.split()[2] for line in lines] == [
        *("1:537(536)", "537:1073(536)", "1073:1609(536)", "1609:2145(536)", "2145:2681(536)"),
        "2681:3001(320)",
    ]


def test_a_rst_that_is_sent_again_is_expected_once(tmp_path: Path) -> None:
    again = LATE_DATA + "< P. 101:201(100) ack 20\n> R 20:20(0)"
    assert script(only(tmp_path, segments(again))).count("expect R 20:20(0)") == 1


@pytest.mark.parametrize(
    ("what", "text", "code"),
    [
        (
            "a capture that begins too late",
            EXCHANGE.partition("> P.")[2].join(["> P.", "> R. 19:19(0) ack 486"]),
            EXIT_INCONCLUSIVE,
        ),
        ("a connection that is still open", EXCHANGE, EXIT_INCONCLUSIVE),
        ("a refusal", "> S 0:0(0)\n< R. 0:0(0) ack 1", EXIT_USAGE),
        (
            "a socket that its end no longer knew",
            EXCHANGE + "< P. 486:496(10) ack 19\n> R 19:19(0)",
            EXIT_USAGE,
        ),
    ],
)
def test_what_a_capture_cannot_carry_is_not_claimed(what: str, text: str, code: int, tmp_path: Path) -> None:
    assert imported(tmp_path, segments(text)) == (code, {}), what


def test_a_forged_rst_is_not_played(tmp_path: Path) -> None:
    forged = (
        EXCHANGE + "< R 90000:90000(0)\n> F. 19:19(0) ack 486\n< F. 486:486(0) ack 20\n> . 20:20(0) ack 487"
    )
    assert [line for line in script(only(tmp_path, segments(forged))) if " R" in line] == []


def test_an_end_that_closed_nothing_is_refused(tmp_path: Path) -> None:
    assert imported(tmp_path, segments(ABORT), "--end", "server") == (EXIT_USAGE, {})


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "my.scenario.toml").write_text("mine")
    assert imported(tmp_path, segments(ORDERLY)) == (EXIT_USAGE, {"my.scenario.toml": "mine"})


def test_a_hostile_file_name_stays_text(tmp_path: Path) -> None:
    name = 'a"\n[expect]\nending = "FIN'
    (tmp_path / name).write_bytes(capture(segments(ORDERLY)))
    out = tmp_path / "my.scenario.toml"
    code = main(["import", str(tmp_path / name), "--connection", "1", "--out", str(out)])
    assert (code, json.dumps(tomllib.loads(out.read_text())["sources"])[:4]) == (EXIT_AS_EXPECTED, '["a\\')


def test_the_only_connection_needs_no_number_and_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dump.pcap").write_bytes(capture(segments(ORDERLY)))
    assert (main(["import", "dump.pcap"]), Path("dump.scenario.toml").is_file()) == (0, True)


def test_of_several_connections_one_is_to_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dump := tmp_path / "dump.pcap").write_bytes(
        capture([*segments(ORDERLY), *segments(ORDERLY, a=A._replace(port=40_001))])
    )
    code = main(["import", str(dump)])
    assert (code, "which of the capture's 2 connections?" in capsys.readouterr().err) == (EXIT_USAGE, True)
