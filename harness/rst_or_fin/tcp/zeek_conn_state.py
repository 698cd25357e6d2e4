"""Computes Zeek's one-word summary of a connection: SF, RSTO, RSTR, S1, REJ and the rest.

The words and their meaning are Zeek's (`conn_state` in its conn.log). Each end is in one state: `TRANSITIONS`
says what a segment does to the states, `WORDS` what is said of the two that are left. Both follow Zeek
9.1.0-dev (TCPSessionAdapter.cc, base/protocols/conn/main.zeek) without its timers. In both the first row that
fits counts; a cell names one state or event, or several with a space between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.segment import Flags, Segment

MEANING = {
    "S0": "connection attempt seen, no reply",
    "S1": "established, not terminated",
    "SF": "normal establishment and termination",
    "REJ": "connection attempt rejected",
    "S2": "established, the client closed, no FIN from the server",
    "S3": "established, the server closed, no FIN from the client",
    "RSTO": "established, the client aborted (sent a RST)",
    "RSTR": "the server sent a RST",
    "RSTOS0": "the client sent a SYN and then a RST; no answer seen",
    "RSTRH": "the server sent a SYN ACK and then a RST; no SYN seen",
    "SH": "the client sent a SYN and then a FIN; no answer seen",
    "SHR": "the server sent a SYN ACK and then a FIN; no SYN seen",
    "OTH": "no SYN seen, midstream traffic",
}

STATES = {
    "INACTIVE": "nothing seen of this end",
    "SYN_SENT": "a SYN, and no answer to it",
    "SYN_ACK_SENT": "a SYN ACK that nobody asked for",
    "PARTIAL": "segments without a SYN before them",
    "ESTABLISHED": "its SYN was answered, or is an answer",
    "CLOSED": "a FIN",
    "RESET": "a RST",
    "CLOSED_RESET": "a FIN, then a RST",
}
_CONTROL = int(Flags.SYN | Flags.FIN | Flags.RST)
_ANY = " ".join(STATES)
_OPEN = "PARTIAL ESTABLISHED"
_NOT_OVER = f"INACTIVE SYN_SENT SYN_ACK_SENT {_OPEN}"
_NOT_OPENED = "INACTIVE PARTIAL"
_RESET = "RESET CLOSED_RESET"


class Transition(NamedTuple):
    """What an event at one end makes of that end's state and of the other's (empty: that one stays)."""

    event: str
    end: str
    own: str
    peer: str
    becomes: str
    peer_becomes: str
    because: str


_BOTH = "client server"
_PLAIN = "ACK DATA BARE_DATA BARE"  # BARE: without ACK

TRANSITIONS = tuple(
    Transition(*row)
    for row in (
        ("SYN", "client", "INACTIVE", "ESTABLISHED", "ESTABLISHED", "", "the SYN ACK was captured first"),
        ("SYN", "client", "INACTIVE", _ANY, "SYN_SENT", "", "an attempt"),
        ("SYN_ACK", "client", "INACTIVE", _ANY, "SYN_ACK_SENT", "", "a scan, or its sender is the server"),
        ("SYN SYN_ACK", "server", "INACTIVE", "SYN_SENT", "ESTABLISHED", "ESTABLISHED", "the answer"),
        ("SYN SYN_ACK", "server", "INACTIVE", _ANY, "ESTABLISHED", "", "the SYN was not captured"),
        ("SYN", _BOTH, "PARTIAL", "INACTIVE", "SYN_SENT", "", "a later segment was captured first"),
        ("FIN", _BOTH, _OPEN, "CLOSED_RESET", "CLOSED", "CLOSED", "two FINs are an orderly end after all"),
        ("FIN", _BOTH, _NOT_OVER, _ANY, "CLOSED", "", "a close"),
        ("RST", _BOTH, _NOT_OVER, _ANY, "RESET", "", "an abort or a refusal"),
        ("RST", _BOTH, "CLOSED", f"{_NOT_OVER} {_RESET}", "CLOSED_RESET", "", "a close cut short"),
        ("ACK BARE", "server", "INACTIVE", "SYN_SENT", "INACTIVE", "", "some acknowledge, then answer"),
        ("ACK DATA", _BOTH, "INACTIVE", "ESTABLISHED", "ESTABLISHED", "", "only the SYN is missing"),
        (_PLAIN, _BOTH, "INACTIVE", _ANY, "PARTIAL", "", "midstream"),
    )
)


class Word(NamedTuple):
    """The word for these two states, if `also` holds of the connection."""

    word: str
    client: str
    server: str
    also: Callable[[Connection], bool] | None = None


def _neither_sent_data(connection: Connection) -> bool:
    """Return whether neither end sent data.

    Counted by numbers, as Zeek does: what was sent or acknowledged and never captured counts too. Of an end
    that has sent its RST only a FIN is still believed.
    """
    reached = {Role.CLIENT: 1, Role.SERVER: 1}  # the number behind the SYN
    closed: set[Role] = set()
    reset: set[Role] = set()
    for segment in connection.segments:
        role = connection.role(segment)
        seq, ack = connection.relative(segment)
        if segment.fin:
            closed.add(role)
        if segment.fin or role not in reset:
            length = 0 if segment.rst else segment.payload_len
            reached[role] = max(reached[role], seq + length + segment.syn + segment.fin)
        if segment.rst:
            reset.add(role)
        else:
            reached[role.other] = max(reached[role.other], ack)
    return all(reached[role] <= (2 if role in closed else 1) for role in Role)


def _syn_then_rst(connection: Connection) -> bool:
    """Return whether the client's SYN came first, and nothing but data came from it until its RST."""
    return _SYN_THEN_RST.match("".join(_letters(connection))) is not None


WORDS = (
    Word("REJ", "SYN_SENT SYN_ACK_SENT", _RESET),
    Word("REJ", _RESET, _RESET, _neither_sent_data),
    Word("RSTRH", _NOT_OPENED, _RESET),
    Word("RSTR", _ANY, _RESET),
    Word("RSTOS0", _RESET, _NOT_OPENED, _syn_then_rst),
    Word("OTH", _RESET, _NOT_OPENED),
    Word("RSTO", _RESET, _ANY),
    Word("SF", "CLOSED", "CLOSED"),
    Word("SH", "CLOSED", _NOT_OPENED),
    Word("S2", "CLOSED", _ANY),
    Word("SHR", _NOT_OPENED, "CLOSED"),
    Word("S3", _ANY, "CLOSED"),
    Word("S0", "SYN_SENT", "INACTIVE"),
    Word("S1", "ESTABLISHED", "ESTABLISHED"),
    Word("OTH", _ANY, _ANY),
)


def conn_state(connection: Connection) -> str:
    """Return Zeek's `conn_state` of this connection; its meaning is in `MEANING`."""
    rows = _CANDIDATES[_last_states(connection)]
    return next(row.word for row in rows if row.also is None or row.also(connection))


def _last_states(connection: Connection) -> tuple[str, str]:
    states = dict.fromkeys(Role, "INACTIVE")
    for segment in connection.segments:
        role = connection.role(segment)
        flags = segment.flags
        plain = () if flags & _CONTROL else (_PLAIN_EVENT[segment.has_ack, segment.payload_len > 0],)
        for event in plain or _events(segment):
            own, peer = states[role], states[role.other]
            states[role], states[role.other] = _NEXT.get((event, role, own, peer), (own, peer))
    return states[Role.CLIENT], states[Role.SERVER]


def _events(segment: Segment) -> Iterator[str]:
    """Yield what a segment is, in the order in which it counts.

    Source: RFC 9293 section 3.10.7.4 (no FIN beside a RST).
    """
    if segment.syn:
        yield "SYN_ACK" if segment.has_ack else "SYN"
    if segment.rst:
        yield "RST"
    elif segment.fin:
        yield "FIN"
    elif not segment.syn:
        yield _PLAIN_EVENT[segment.has_ack, segment.payload_len > 0]


def _letters(connection: Connection) -> Iterator[str]:
    """Yield Zeek's `history`, but a letter for each segment; small letters are the server's."""
    for segment in connection.segments:
        control = segment.flags & (Flags.SYN | Flags.FIN | Flags.RST)
        if control:
            letter = "H" if control == Flags.SYN and segment.has_ack else _LETTER.get(control, "Q")
        else:
            letter = "D" if segment.payload_len else "A" if segment.has_ack else ""
        yield letter if connection.role(segment) is Role.CLIENT else letter.lower()


# Zeek's own pattern names H too, but a SYN ACK with the SYN's own number leaves no H in its history.
_SYN_THEN_RST = re.compile("S[^AFIQ]*R")
_LETTER = {Flags.SYN: "S", Flags.FIN: "F", Flags.RST: "R", Flags.FIN | Flags.RST: "I"}
_PLAIN_EVENT = {
    (True, False): "ACK",
    (True, True): "DATA",
    (False, True): "BARE_DATA",
    (False, False): "BARE",
}

# The tables spelt out, so that a segment costs one look-up.


def _spelt_out(transitions: Sequence[Transition]) -> dict[tuple[str, Role, str, str], tuple[str, str]]:
    return {
        (event, Role(end), own, peer): (row.becomes, row.peer_becomes or peer)
        for row in reversed(transitions)  # the first row that fits is the last to be written
        for event, end, own, peer in product(*(cell.split() for cell in row[:4]))
    }


def _by_states(words: Sequence[Word]) -> dict[tuple[str, str], list[Word]]:
    return {
        (client, server): [
            row for row in words if client in row.client.split() and server in row.server.split()
        ]
        for client, server in product(STATES, repeat=2)
    }


_NEXT = _spelt_out(TRANSITIONS)
_CANDIDATES = _by_states(WORDS)
