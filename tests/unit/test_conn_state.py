"""Each of Zeek's words, on the connection that it is for; what no trace of Zeek's shows, by its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from rst_or_fin.tcp import zeek_conn_state as module
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.zeek_conn_state import MEANING, STATES, TRANSITIONS, WORDS, Transition, Word, conn_state

from tests.support.segments import EXCHANGE, HANDSHAKE, connection
from tests.support.zeek_rows import rows

CLIENT_CLOSES = EXCHANGE + "> F. 19:19(0) ack 486\n< . 486:486(0) ack 20\n"
SERVER_CLOSES = EXCHANGE + "< F. 486:486(0) ack 19\n> . 19:19(0) ack 487\n"

WORDS_SEEN = {
    "S0": "> S 0:0(0)\n> S 0:0(0)",
    "S1": EXCHANGE,
    "SF": CLIENT_CLOSES + "< F. 486:486(0) ack 20\n> . 20:20(0) ack 487",
    "REJ": "> S 0:0(0)\n< R. 0:0(0) ack 1",
    "S2": CLIENT_CLOSES,
    "S3": SERVER_CLOSES,
    "RSTO": EXCHANGE + "> R. 19:19(0) ack 486",
    "RSTR": EXCHANGE + "< R. 486:486(0) ack 19",
    "RSTOS0": "> S 0:0(0)\n> R 1:1(0)",
    "RSTRH": "< S. 0:0(0) ack 1\n< R 1:1(0)",
    "SH": "> S 0:0(0)\n> F 1:1(0)",
    "SHR": "< S. 0:0(0) ack 1\n< F. 1:1(0) ack 1",
    "OTH": "> P. 5000:5018(18) ack 700\n< P. 700:885(185) ack 5018",
}


@pytest.mark.parametrize("word", WORDS_SEEN)
def test_the_word_for(word: str) -> None:
    assert conn_state(connection(WORDS_SEEN[word])) == word


def test_every_word_has_a_connection_here() -> None:
    assert set(WORDS_SEEN) == set(MEANING)


CORNERS = {
    "closed at once by both ends": (
        EXCHANGE
        + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 19\n> . 20:20(0) ack 487\n< . 487:487(0) ack 20",
        "SF",
    ),
    "FIN, then a bare RST for late data": (CLIENT_CLOSES + "< P. 486:496(10) ack 20\n> R 20:20(0)", "RSTO"),
    "shutdown, then an abort": (
        CLIENT_CLOSES + "< P. 486:496(10) ack 20\n> R. 20:20(0) ack 496",
        "RSTO",
    ),
    "the peer closed, then an abort": (SERVER_CLOSES + "> R. 19:19(0) ack 487", "RSTO"),
    "FIN and RST, and then the peer's FIN": (CLIENT_CLOSES + "> R 20:20(0)\n< F. 486:486(0) ack 20", "SF"),
    "RST without FIN, and then the peer's FIN": (
        EXCHANGE + "> R. 19:19(0) ack 486\n< F. 486:486(0) ack 19",
        "RSTO",
    ),
    "a FIN that carries data": (EXCHANGE + "> FP. 19:29(10) ack 486\n< F. 486:486(0) ack 30", "SF"),
    "opened, nothing sent, aborted by the client": (HANDSHAKE + "> R. 1:1(0) ack 1", "RSTO"),
    "opened, nothing sent, aborted by the server": (HANDSHAKE + "< R. 1:1(0) ack 1", "RSTR"),
    "opened, nothing sent, aborted by both": (HANDSHAKE + "> R. 1:1(0) ack 1\n< R. 1:1(0) ack 1", "REJ"),
    "opened, closed without a byte, aborted by both": (
        HANDSHAKE + "> F. 1:1(0) ack 1\n< . 1:1(0) ack 2\n< R. 1:1(0) ack 2\n> R 2:2(0)",
        "REJ",
    ),
    "aborted by both": (EXCHANGE + "> R. 19:19(0) ack 486\n< R. 486:486(0) ack 19", "RSTR"),
    "aborted by both after data that was not captured": (
        HANDSHAKE + "> R. 19:19(0) ack 1\n< R. 1:1(0) ack 19",
        "RSTR",
    ),
    "aborted by both after an ACK of data that was not captured": (
        HANDSHAKE + "< . 1:1(0) ack 19\n< R. 1:1(0) ack 19\n> R. 1:1(0) ack 1",
        "RSTR",
    ),
    "a SYN twice": ("> S 0:0(0)\n" + EXCHANGE, "S1"),
    "a SYN ACK twice": ("> S 0:0(0)\n< S. 0:0(0) ack 1\n" + HANDSHAKE, "S1"),
    "a keepalive after the exchange": (EXCHANGE + "> . 18:18(0) ack 486\n< . 486:486(0) ack 19", "S1"),
    "a RST after both FINs": (WORDS_SEEN["SF"] + "\n> R 20:20(0)", "SF"),
    "a simultaneous open": ("> S 0:0(0)\n< S 0:0(0)\n> S. 0:0(0) ack 1\n< S. 0:0(0) ack 1", "S1"),
    "the SYN ACK captured before its SYN": ("< S. 0:0(0) ack 1\n> S 0:0(0)", "S1"),
    "the SYN not captured": ("< S. 0:0(0) ack 1\n> . 1:1(0) ack 1", "S1"),
    "an ACK captured before the SYN": ("> . 1:1(0) ack 1\n> S 0:0(0)", "S0"),
    "a SYN acknowledged, and not answered": ("> S 0:0(0)\n< . 0:0(0) ack 1", "S0"),
    "a SYN acknowledged, and then answered": ("> S 0:0(0)\n< . 0:0(0) ack 1\n< S. 0:0(0) ack 1", "S1"),
    "a SYN answered by data": ("> S 0:0(0)\n< P. 1:11(10) ack 1", "OTH"),
    "a lone RST": ("> R 1:1(0)", "OTH"),
    "a lone RST of the server": ("> . 1:1(0) ack 1\n< R 1:1(0)", "RSTRH"),
    "a RST midstream": ("> P. 1:19(18) ack 1\n< . 1:1(0) ack 19\n> R. 19:19(0) ack 1", "OTH"),
    "SYN, data, RST": ("> S 0:0(0)\n> P. 1:19(18) ack 1\n> R 19:19(0)", "RSTOS0"),
    "SYN, ACK, RST": ("> S 0:0(0)\n> . 1:1(0) ack 1\n> R 1:1(0)", "OTH"),
    "SYN, FIN, RST": ("> S 0:0(0)\n> F. 1:1(0) ack 1\n> R 2:2(0)", "OTH"),
    "SYN, then a RST with a FIN": ("> S 0:0(0)\n> FR 1:1(0)", "OTH"),
    "a SYN that is a RST": ("> SR 0:0(0)\n> R 1:1(0)", "OTH"),
    "SYN, RST, while the server's answer was not captured": (
        "> S 0:0(0)\n< . 1:1(0) ack 1\n< P. 1:11(10) ack 1\n> R 1:1(0)",
        "RSTOS0",
    ),
}


@pytest.mark.parametrize("what", CORNERS)
def test_the_word_for_a_corner_case(what: str) -> None:
    text, word = CORNERS[what]
    assert conn_state(connection(text)) == word


# Where nothing tells Zeek who the server is, whoever begins is the client, also with a SYN ACK.
BEGUN_BY_A_SYN_ACK = {
    "unanswered": ("< S. 0:0(0) ack 1", "OTH"),
    "refused": ("< S. 0:0(0) ack 1\n> R 1:1(0)", "REJ"),
    "taken back": ("< S. 0:0(0) ack 1\n< R 1:1(0)", "OTH"),
}


def turned(of: Connection) -> Connection:
    return replace(of, client=of.server, server=of.client, client_isn=of.server_isn, server_isn=of.client_isn)


@pytest.mark.parametrize("what", BEGUN_BY_A_SYN_ACK)
def test_the_word_for_a_client_that_begins_with_a_syn_ack(what: str) -> None:
    text, word = BEGUN_BY_A_SYN_ACK[what]
    assert conn_state(turned(connection(text))) == word


# Every row of both tables is needed

KNOWN = [
    *((connection(text), word) for word, text in WORDS_SEEN.items()),
    *((connection(text), word) for text, word in CORNERS.values()),
    *((turned(connection(text)), word) for text, word in BEGUN_BY_A_SYN_ACK.values()),
    *(
        (part, word)
        for section in ("captured", "told by the history alone", "cut by a timer")
        for row in rows(section)
        for part, word in zip(row.parts, row.words, strict=True)
    ),
]
CHANGED = {
    f"{row.event} of {row.end} in {row.own}, peer {row.peer}: {becomes or 'no such row'}": [
        *TRANSITIONS[:index],
        *([row._replace(becomes=becomes)] if becomes else []),
        *TRANSITIONS[index + 1 :],
    ]
    for index, row in enumerate(TRANSITIONS)
    for becomes in ("", *STATES)
    if becomes != row.becomes
}


def all_known_words_are_right() -> bool:
    return all(conn_state(connection) == word for connection, word in KNOWN)


def test_all_known_words_are_right() -> None:
    assert all_known_words_are_right()


def test_every_changed_transition_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    unnoticed = []
    for what, changed in CHANGED.items():
        monkeypatch.setattr(module, "_NEXT", module._spelt_out(changed))
        if all_known_words_are_right():
            unnoticed.append(what)
    assert unnoticed == []


def without(index: int) -> Sequence[Word]:
    return [*WORDS[:index], *WORDS[index + 1 :]]


def test_every_missing_row_of_words_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    unnoticed = []
    for index in range(len(WORDS) - 1):
        monkeypatch.setattr(module, "_CANDIDATES", module._by_states(without(index)))
        if all_known_words_are_right():
            unnoticed.append(index)
    assert unnoticed == []


@pytest.mark.parametrize("index", [index for index, row in enumerate(WORDS) if row.also])
def test_a_missing_condition_is_noticed(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*WORDS[:index], WORDS[index]._replace(also=None), *WORDS[index + 1 :]]
    monkeypatch.setattr(module, "_CANDIDATES", module._by_states(words))
    assert not all_known_words_are_right()


def test_the_peers_return_to_closed_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Transition] = [row._replace(peer_becomes="") for row in TRANSITIONS]
    monkeypatch.setattr(module, "_NEXT", module._spelt_out(kept))
    assert not all_known_words_are_right()
