"""Zeek's one-word summary of a connection: SF, RSTO, RSTR, S1, REJ and the rest.

The words and their meaning are Zeek's (`conn_state` in its conn.log); the endpoint states below follow the
state machine that Zeek 8 keeps for each end, so that our word and a Zeek log's agree.
"""

from __future__ import annotations

from enum import Enum, auto

from harness.tcp import Role, Segment
from harness.trace import Connection

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


class _State(Enum):
    INACTIVE = auto()
    PARTIAL = auto()
    SYN_SENT = auto()
    ESTABLISHED = auto()
    CLOSED = auto()
    RESET = auto()


_NOT_OPEN = (_State.INACTIVE, _State.PARTIAL)


def conn_state(connection: Connection) -> str:
    """Zeek's `conn_state` of this connection; its meaning is in `MEANING`."""
    states = {Role.CLIENT: _State.INACTIVE, Role.SERVER: _State.INACTIVE}
    closed_before_reset: set[Role] = set()
    carried_data = False
    for segment in connection.segments:
        carried_data = carried_data or segment.payload_len > 0
        _advance(states, closed_before_reset, connection.role(segment), segment)
    return _word(states[Role.CLIENT], states[Role.SERVER], carried_data)


def _advance(
    states: dict[Role, _State], closed_before_reset: set[Role], role: Role, segment: Segment
) -> None:
    own, peer = states[role], states[role.other]
    if own is _State.RESET:
        return
    if segment.syn and own in _NOT_OPEN:
        if role is Role.CLIENT:
            own = _State.SYN_SENT
        else:
            own = _State.ESTABLISHED
            if peer is _State.SYN_SENT:
                states[Role.CLIENT] = _State.ESTABLISHED
    if segment.rst:
        if own is _State.CLOSED:
            if peer is not _State.CLOSED:
                own = _State.RESET
                closed_before_reset.add(role)
        else:
            own = _State.RESET
    elif segment.fin and own is not _State.CLOSED:
        own = _State.CLOSED
        if peer is _State.RESET and role.other in closed_before_reset:
            states[role.other] = _State.CLOSED  # the peer's FIN came first: an orderly end after all
    if own is _State.INACTIVE:
        if segment.has_ack and peer is _State.ESTABLISHED:
            own = _State.ESTABLISHED
        elif not (role is Role.SERVER and peer is _State.SYN_SENT and segment.payload_len == 0):
            own = _State.PARTIAL
    states[role] = own


def _word(client: _State, server: _State, carried_data: bool) -> str:
    if server is _State.RESET:
        if client is _State.SYN_SENT or (client is _State.RESET and not carried_data):
            return "REJ"
        return "RSTRH" if client in _NOT_OPEN else "RSTR"
    if client is _State.RESET:
        return "RSTOS0" if server in _NOT_OPEN else "RSTO"
    if client is _State.CLOSED and server is _State.CLOSED:
        return "SF"
    if client is _State.CLOSED:
        return "SH" if server in _NOT_OPEN else "S2"
    if server is _State.CLOSED:
        return "SHR" if client in _NOT_OPEN else "S3"
    if client is _State.SYN_SENT and server is _State.INACTIVE:
        return "S0"
    if client is server is _State.ESTABLISHED:
        return "S1"
    return "OTH"
