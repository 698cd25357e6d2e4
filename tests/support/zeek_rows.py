"""Reads tests/data/zeek_conn_states.txt: connections with Zeek's own word for them, as synthetic segments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from rst_or_fin.tcp.acceptance import read
from rst_or_fin.tcp.connection import Connection, Roles
from rst_or_fin.tcp.segment import Endpoint, Segment

_FILE = Path(__file__).parents[1] / "data/zeek_conn_states.txt"
_ENTRY = re.compile(
    r"(?P<way>[<>])(?P<flags>[FSR]*\.?)(?P<seq>-?\d+)(?:\+(?P<bytes>\d+))?(?:x(?P<times>\d+))?(?:,(?P<ack>-?\d+))?"
)
_BITS = {"F": 0x01, "S": 0x02, "R": 0x04, ".": 0x10}
_CLIENT_ISN, _SERVER_ISN = 1_000_000, 9_000_000
_STEP_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A connection, in the parts that Zeek took it for (one, but where a timer cut it), and the words it has.

    `ours` is the word of the whole.
    """

    words: tuple[str, ...]
    ours: str
    parts: tuple[Connection, ...]

    @property
    def whole(self) -> Connection:
        return replace(self.parts[0], segments=tuple(s for part in self.parts for s in part.segments))

    def __str__(self) -> str:
        return f"{'+'.join(self.words)} {self.whole.client} {self.whole.server}"


def rows(section: str) -> list[Row]:
    """The rows below `== section ==`."""
    text = _FILE.read_text(encoding="utf-8").split(f"== {section} ==\n")[1].partition("\n==")[0]
    lines = [line.partition("#")[0].rstrip() for line in text.splitlines()]
    entries: list[tuple[str, list[str]]] = []
    for indented, group in groupby(filter(None, lines), key=lambda line: line.startswith(" ")):
        if indented:
            entries[-1][1].extend(" ".join(group).split())
        else:
            entries += [(head, []) for head in group]
    return [_row(head, shape) for head, shape in entries]


def _row(head: str, shape: list[str]) -> Row:
    told, *ends = head.split()
    words, _, ours = told.partition("=")
    parts = " ".join(shape).split(" | ")
    return Row(
        words=tuple(words.split("+")),
        ours=ours or words,
        parts=tuple(_connection(part.split(), *map(_endpoint, ends)) for part in parts),
    )


def _connection(shape: list[str], client: Endpoint, server: Endpoint) -> Connection:
    found = tuple(_segments(shape, client, server))
    return Connection(
        client=client,
        server=server,
        roles=Roles.HANDSHAKE,  # Zeek's, whatever tells them
        segments=found,
        client_isn=_CLIENT_ISN,
        server_isn=_SERVER_ISN,
        reading=read(found),
    )


def _endpoint(text: str) -> Endpoint:
    address, _, port = text.rpartition(":")
    return Endpoint(address.strip("[]"), int(port))


def _segments(shape: list[str], client: Endpoint, server: Endpoint) -> Iterator[Segment]:
    t_ns = 0
    for entry in shape:
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(f"no segment: {entry!r}")
        src, dst, own, other = (
            (client, server, _CLIENT_ISN, _SERVER_ISN)
            if found["way"] == ">"
            else (server, client, _SERVER_ISN, _CLIENT_ISN)
        )
        seq = own + int(found["seq"])
        for payload_len in _shares(int(found["bytes"] or 0), int(found["times"] or 1)):
            t_ns += _STEP_NS
            yield Segment(
                t_ns=t_ns,
                src=src,
                dst=dst,
                seq=seq,
                ack=other + int(found["ack"]) if found["ack"] else 0,
                flags=sum(_BITS[letter] for letter in found["flags"]),
                window=502,
                payload_len=payload_len,
            )
            seq += payload_len


def _shares(total: int, times: int) -> Iterator[int]:
    """`total` bytes in `times` segments, as equal as can be."""
    for index in range(times):
        yield total * (index + 1) // times - total * index // times
