"""Reads what was gathered on the closing host with stock tools, as text: counters, sockets. Pure.

The tracepoint's lines are read by `tracepoint`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from rst_or_fin.evidence.counters import COUNTERS
from rst_or_fin.evidence.tracepoint import Reset, parse
from rst_or_fin.tcp.segment import Endpoint

_NSTAT = re.compile(r"(?P<name>(?:TcpExt|Tcp)\w+)\s+(?P<value>\d+)\s+\S+")
_SHORT = {counter.replace(":", ""): counter for counter in COUNTERS}
_SOCKET = re.compile(
    r"(?:tcp\s+)?(?P<state>[A-Z][A-Z0-9-]+)\s+(?P<unread>\d+)\s+\d+\s+(?P<local>\S+)\s+(?P<remote>\S+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLine:
    """One connected socket as `ss -tn` shows it; `unread` are the bytes in its receive queue."""

    state: str
    unread: int
    local: Endpoint
    remote: Endpoint


def counters(text: str) -> dict[str, int]:
    """Read the counters that concern RSTs from `nstat -az`, or /proc/net/netstat and /proc/net/snmp."""
    found: dict[str, int] = {}
    heads: dict[str, list[str]] = {}
    for line in text.splitlines():
        nstat = _NSTAT.fullmatch(line.strip())
        if nstat is not None and nstat["name"] in _SHORT:
            found[_SHORT[nstat["name"]]] = int(nstat["value"])
        elif line.startswith(("Tcp:", "TcpExt:")):
            family, *words = line.split()
            if family in heads and all(word.lstrip("-").isdigit() for word in words):
                pairs = zip(heads.pop(family), words, strict=False)
                found |= {
                    f"{family}{name}": int(value) for name, value in pairs if f"{family}{name}" in COUNTERS
                }
            else:
                heads[family] = words
    return found


def resets(text: str) -> list[Reset]:
    """Read what the tracepoint tcp:tcp_send_reset wrote."""
    return [found for line in text.splitlines() if (found := parse(line)) is not None]


def sockets(text: str) -> list[SocketLine]:
    """Read the connected sockets from `ss -tn`; listening sockets are left out."""
    return list(_sockets(text.splitlines()))


def _sockets(lines: Iterable[str]) -> Iterator[SocketLine]:
    for line in lines:
        found = _SOCKET.match(line.strip())
        if found is None:
            continue
        local, remote = _endpoint(found["local"]), _endpoint(found["remote"])
        if local is not None and remote is not None:
            yield SocketLine(state=found["state"], unread=int(found["unread"]), local=local, remote=remote)


def _endpoint(text: str) -> Endpoint | None:
    address, _, port = text.rpartition(":")
    address = address.strip("[]").partition("%")[0]
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return Endpoint(str(mapped or parsed), int(port)) if port.isdigit() else None
