"""What to type on the closing host to tell the causes of a RST apart that a capture leaves open. Pure."""

from __future__ import annotations

from collections.abc import Collection

from rst_or_fin.tcp.causes import BY_CAUSE
from rst_or_fin.tcp.ending import Cause, Role
from rst_or_fin.tcp.segment import Endpoint

_EVENTS = "/sys/kernel/tracing/events/tcp/tcp_send_reset/enable"


def commands(candidates: Collection[Cause], closing: Role, server: Endpoint) -> list[str]:
    """Return shell commands, each with its meaning as a comment; none where nothing is left to tell."""
    found = []
    sockets = f"{'s' if closing is Role.SERVER else 'd'}port = :{server.port}"
    counters = [BY_CAUSE[cause].counter.replace(":", "") for cause in candidates if BY_CAUSE[cause].counter]
    if counters:
        found.append(f"nstat -az {' '.join(dict.fromkeys(counters))}  # before and after: which one grew?")
    if Cause.UNREAD_DATA in candidates:
        found.append(f"ss -tn '{sockets}'  # before: a Recv-Q that is not 0 is unread data")
    if Cause.LISTENER_CLOSED in candidates:
        found.append(f"ss -ltn '{sockets}'  # does it still listen? Recv-Q: who waits for accept")
    if candidates:
        found.append(
            f"echo 1 > {_EVENTS}; cat /sys/kernel/tracing/trace_pipe  # the kernel's reason (Linux 6.12)"
        )
    return found
