"""Plays the published sessions on a local testbed, without the runner."""

from __future__ import annotations

from ipaddress import ip_address

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.evidence.records import Replay
from rst_or_fin.node import session
from rst_or_fin.tcp.segment import Segment
from rst_or_fin.testbed.local import LocalTestbed

from tests.support.decoding import segment_of
from tests.support.sessions import begin

UNREAD = """\
{ok, Sock} = gen_tcp:connect(Server, Port, [{active, false}]).
gen_tcp:send(Sock, "GET / HTTP/1.1\\r\\n\\r\\n").
await_unread(Sock, 485).
gen_tcp:close(Sock).
"""
DRAINED = UNREAD.replace("gen_tcp:close", "gen_tcp:recv(Sock, 0).\ngen_tcp:close")
_MANY = 100_000


def play(testbed: LocalTestbed, text: str) -> Replay:
    """Play a session to its end; when this returns, its close has returned on the node."""
    bindings = {"Server": _tuple(testbed.server.address), "Port": str(testbed.server.port)}
    ref = begin(testbed.link, text, bindings, line_timeout_s=5)
    return session.collect(testbed.link, ref, 0, 10.0)


def segments(frames: list[Frame]) -> list[Segment]:
    """The TCP segments among the frames."""
    return [found for frame in frames if (found := segment_of(frame)) is not None]


def _tuple(address: str) -> str:
    parsed = ip_address(address)
    groups = parsed.exploded.split(":" if parsed.version == 6 else ".")
    return "{" + ",".join(f"16#{group}" if parsed.version == 6 else group for group in groups) + "}"


def main() -> None:
    """Play and play, until somebody kills this process."""
    with LocalTestbed() as testbed:
        for _ in range(_MANY):
            play(testbed, UNREAD)
            testbed.drain()
