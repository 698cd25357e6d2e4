"""Lists the kernel's counters in one table: what each is used for, and why.

All of them are evidence. The judge is given some; of these most must be the same wherever a close goes the
same way. Of the rest some are noise by what they count, whatever kernel counts it. The counters are Linux's
(Documentation/networking/snmp_counter.rst, 6.12); a kernel that lacks one raises it nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A counter that the judge is given: what raises it, what for, and why it is compared or not."""

    name: str
    raised_by: str
    judged: str
    equal: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Counters that differ between two equal closes: in words, by a pattern of their whole names, and why."""

    what: str
    pattern: re.Pattern[str]
    why: str


_OF_A_CAUSE = "proves its cause"
_ONE_EACH = "the close alone raises it, once for each connection"

JUDGED = (
    Counter(
        name="TcpExt:TCPAbortOnClose",
        raised_by="a RST because data lay unread at the close",
        judged=_OF_A_CAUSE,
        equal=True,
        because=_ONE_EACH,
    ),
    Counter(
        name="TcpExt:TCPAbortOnData",
        raised_by="a RST because the linger time was zero, or because data came after the close",
        judged=_OF_A_CAUSE,
        equal=True,
        because=_ONE_EACH,
    ),
    Counter(
        name="TcpExt:TCPAbortOnLinger",
        raised_by="a RST because the peer's FIN did not come within TCP_LINGER2",
        judged=_OF_A_CAUSE,
        equal=True,
        because=_ONE_EACH,
    ),
    Counter(
        name="TcpExt:TCPAbortOnTimeout",
        raised_by="given up after retransmissions, keepalive probes or TCP_USER_TIMEOUT",
        judged=_OF_A_CAUSE,
        equal=True,
        because=_ONE_EACH,
    ),
    Counter(
        name="TcpExt:TCPAbortOnMemory",
        raised_by="a RST because there was no memory left for the socket",
        judged=_OF_A_CAUSE,
        equal=True,
        because=_ONE_EACH,
    ),
    Counter(
        name="Tcp:OutRsts",
        raised_by="RSTs sent, for whatever reason",
        judged="is held against the RSTs in the capture",
        equal=True,
        because="the number of RSTs is part of how the close went",
    ),
    Counter(
        name="Tcp:EstabResets",
        raised_by="connections that went from ESTABLISHED or CLOSE_WAIT straight to CLOSED",
        judged="is shown with the verdict",
        equal=True,
        because="a close that is counted here skips FIN_WAIT",
    ),
    Counter(
        name="Tcp:RetransSegs",
        raised_by="retransmitted segments",
        judged="is shown with the verdict",
        equal=False,
        because="the number of retransmissions depends on the machine's load",
    ),
)

NOISE = (
    Noise(
        what="packets, segments and bytes: `Tcp:InSegs`, `IpExt:OutOctets`, `Ip6OutTransmits`",
        pattern=re.compile(
            r"Tcp:(In|Out)Segs|Ip(6|:|Ext:)(In|Out)(\w*(Octets|Pkts)|Receives|Delivers|Requests|Transmits)"
        ),
        why="how many packets and bytes there were depends on delayed ACKs and on retransmissions",
    ),
    Noise(
        what="ways to handle a segment: `TcpExt:TCPPureAcks`, `TcpExt:TCPHPHits`, `TcpExt:DelayedACKs`",
        pattern=re.compile(
            r"TcpExt:(DelayedACK\w*|TCPHP\w+|TCPPureAcks|TCPDelivered|TCPOrigDataSent|TCPAutoCorking"
            r"|TCP\w*Coalesce|TCPBacklog\w*|TCPHystart\w*|TCPPrequeue\w*|TCPRcvCollapsed)"
        ),
        why="the path, the pieces and the ACK with which a segment is handled depend on scheduling",
    ),
    Noise(
        what="retransmissions, and what counts them: `Tcp:RetransSegs`, `TcpExt:TCPDSACKRecv`",
        pattern=re.compile(
            r"Tcp:RetransSegs|TcpExt:(TCP\w*Retrans\w*|TCPTimeouts|TCPLossProbe\w*|TCP\w*D?S[Aa][Cc][Kk]\w*"
            r"|TCPSpuriousRTOs|TCPLossUndo|TCP\w*Reorder)"
        ),
        why="the number of retransmissions depends on the machine's load",
    ),
    Noise(
        what="`TcpExt:TW` and others of TIME_WAIT, `Tcp:CurrEstab`",
        pattern=re.compile(r"TcpExt:(TW\w*|PAWS\w*|TCPTimeWaitOverflow)|Tcp:CurrEstab"),
        why="it counts earlier connections that end now, or those that exist at the moment",
    ),
    Noise(
        what="ICMPv6 other than errors: `Icmp6OutNeighborSolicits`, `Icmp6OutMLDv2Reports`",
        pattern=re.compile(
            r"Icmp6(In|Out)(Msgs|Type13\d|Type143|Neighbor\w+|Router\w+|GroupMemb\w+|MLDv2Reports)"
        ),
        why="neighbour discovery and multicast listener reports are the interface's, not the connection's",
    ),
)

COUNTERS = tuple(counter.name for counter in JUDGED)
MUST_BE_EQUAL = frozenset(counter.name for counter in JUDGED if counter.equal)


def is_noise(name: str) -> bool:
    """Return whether two equal closes may differ in this counter."""
    return any(noise.pattern.fullmatch(name) for noise in NOISE)
