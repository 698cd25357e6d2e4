"""Reads what the tracepoint tcp:tcp_send_reset wrote of each RST that the kernel sent. Pure text.

From Linux 6.10 on the tracepoint gives a reason, from 6.12 on also that of a local abort
(include/trace/events/tcp.h; the reasons: include/net/rstreason.h, Linux 6.12).

    beam.smp-96 [000] b..1. 3.141593: tcp_send_reset: skbaddr=00000000c1b6c4ad skaddr=00000000d3b07384
    src=198.18.0.3:42002 dest=198.18.0.4:80 state=TCP_CLOSE reason=TCP_ABORT_ON_CLOSE
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from rst_or_fin.tcp.segment import Endpoint

MARK = "tracing_mark_write: "  # before text that was written into the trace (trace_marker)
LOST = "[LOST "  # in a line that stands for events that were overwritten before they were read

_LINE = re.compile(r"\btcp_send_reset: .*\bsrc=(?P<src>\S+) dest=(?P<dest>\S+) .*\breason=(?P<reason>\w+)")
_ENDPOINT = re.compile(r"\[?(?P<address>[0-9a-fA-F.:]+?)\]?:(?P<port>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """A RST that the kernel sent from `source` to `destination`, and the reason that it gives for it."""

    source: Endpoint
    destination: Endpoint
    reason: str


def parse(line: str) -> Reset | None:
    """Parse the RST that a line of the trace reports; None if it reports none, or gives no reason."""
    found = _LINE.search(line)
    if found is None:
        return None
    try:
        source, destination = _endpoint(found["src"]), _endpoint(found["dest"])
    except ValueError:
        return None
    return Reset(source=source, destination=destination, reason=found["reason"])


def _endpoint(text: str) -> Endpoint:
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an address and a port")
    return Endpoint(str(ip_address(found["address"])), int(found["port"]))
