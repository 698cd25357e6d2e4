"""Each of Zeek's words, on the connection that the word is for."""

from __future__ import annotations

import pytest

from harness.conn_state import MEANING, conn_state
from tests.unit.segments import EXCHANGE, HANDSHAKE, connection

CLIENT_CLOSES = EXCHANGE + "> F. 19:19(0) ack 486\n< . 486:486(0) ack 20\n"
SERVER_CLOSES = EXCHANGE + "< F. 486:486(0) ack 19\n> . 19:19(0) ack 487\n"

WORDS = {
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


@pytest.mark.parametrize("word", WORDS)
def test_the_word_for(word: str) -> None:
    assert conn_state(connection(WORDS[word])) == word


def test_every_word_has_a_connection_here() -> None:
    assert set(WORDS) == set(MEANING)


@pytest.mark.parametrize(
    ("what", "text", "word"),
    [
        (
            "closed at once by both ends",
            EXCHANGE
            + "> F. 19:19(0) ack 486\n< F. 486:486(0) ack 19\n> . 20:20(0) ack 487\n< . 487:487(0) ack 20",
            "SF",
        ),
        (
            "FIN, then a bare RST for late data",
            CLIENT_CLOSES + "< P. 486:496(10) ack 20\n> R 20:20(0)",
            "RSTO",
        ),
        ("shutdown, then an abort", CLIENT_CLOSES + "< P. 486:496(10) ack 20\n> R. 20:20(0) ack 496", "RSTO"),
        ("the peer closed, then an abort", SERVER_CLOSES + "> R. 19:19(0) ack 487", "RSTO"),
        ("a FIN that carries data", EXCHANGE + "> FP. 19:29(10) ack 486\n< F. 486:486(0) ack 30", "SF"),
        ("opened, nothing sent, aborted by the client", HANDSHAKE + "> R. 1:1(0) ack 1", "RSTO"),
        ("opened, nothing sent, aborted by the server", HANDSHAKE + "< R. 1:1(0) ack 1", "RSTR"),
        ("a SYN twice", "> S 0:0(0)\n" + EXCHANGE, "S1"),
        ("a SYN ACK twice", "> S 0:0(0)\n< S. 0:0(0) ack 1\n" + HANDSHAKE, "S1"),
        ("a keepalive after the exchange", EXCHANGE + "> . 18:18(0) ack 486\n< . 486:486(0) ack 19", "S1"),
        ("a RST after both FINs", WORDS["SF"] + "\n> R 20:20(0)", "SF"),
    ],
)
def test_the_word_for_a_corner_case(what: str, text: str, word: str) -> None:
    assert conn_state(connection(text)) == word, what
