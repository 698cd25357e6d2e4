"""The simulated hosts end connections as this machine's own kernel does, script by script."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.truth.app import Step
from tests.truth.boxes import Forgery
from tests.truth.host import NEVER, Opening
from tests.truth.kernel_wire import Forged, NoNamespaceError, play
from tests.truth.meeting import CLIENT_PORT, PLAIN, SERVER_PORT, meet, with_
from tests.truth.scenes import Event
from tests.truth.segment import ACK, RST, SYN
from tests.truth.world import MS, SECOND, US

pytestmark = pytest.mark.local

DELAY = 20 * MS
# What the kernel is told in its namespace, or does by itself; FIN-WAIT-2 lasts a second there.
KERNEL = with_(PLAIN, fin_timeout_ns=1 * SECOND, turnaround_ns=100 * US, stamps=True)
SOON, LATE = ("sleep", 100 * MS), ("sleep", 2500 * MS)
END: list[Step] = [("eof", 0), ("close", 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two scripts, what the wire loses of them, and what becomes of the server's listener.

    `lazy`: this kernel happens to delay the ACK of a FIN here.
    """

    client: Sequence[Step]
    server: Sequence[Step] = ()
    lost: tuple[tuple[int, int], ...] = ()
    listens: bool = True
    unlisten_ns: int = 0
    both_open: bool = False
    times: int = 1
    forged: Sequence[tuple[Forged, Forgery]] = ()
    lasts_s: float = 1.0
    lazy: bool = False


def forged(
    nth: int, victim: int, flags: int, seq: int, *, ack: int = 0, shift: int
) -> list[tuple[Forged, Forgery]]:
    """Return the same forgery for the kernel's wire (`seq`) and for the simulated path (`shift`)."""
    forgery = Forgery(
        word="syn" if flags & SYN else "rst",
        place=0.0,
        flags=0,
        nth=nth,
        after_ns=0,
        victims=(victim,),
        shift=shift,
        acks=bool(flags & ACK),
        junk=0,
        mimic=True,
        repeats=1,
    )
    return [(Forged(nth=nth, victim=victim, flags=flags, seq=seq, ack=ack), forgery)]


TALK: list[Step] = [("send", 10), SOON, ("send", 5), SOON, ("close", 0)]
CASES = {
    "the client closes first": Case(
        client=[("send", 18), ("recv", 100), ("close", 0)], server=[("recv", 18), ("send", 100), *END]
    ),
    "the server closes first": Case(
        client=[("send", 18), *END], server=[("recv", 18), ("send", 100), ("close", 0)]
    ),
    "both close at once": Case(
        client=[("sleep", 30 * MS), ("close", 0)], server=[("sleep", 10 * MS), ("close", 0)]
    ),
    "closed with data unread": Case(client=[SOON, ("close", 0)], server=[("send", 100), *END]),
    "the server closes with data unread": Case(client=[("send", 18), *END], server=[SOON, ("close", 0)]),
    "data after close": Case(client=[("close", 0)], server=[("eof", 0), SOON, ("send", 100), ("close", 0)]),
    "data that crosses the close": Case(
        client=[("sleep", 30 * MS), ("close", 0)], server=[("send", 100), ("sleep", 300 * MS), ("close", 0)]
    ),
    "data that crosses data, both closed": Case(
        client=[("sleep", 30 * MS), ("send", 50), ("close", 0)],
        server=[("sleep", 10 * MS), ("send", 100), ("close", 0)],
    ),
    "zero linger": Case(client=[("send", 18), SOON, ("linger", 0)], server=END),
    "zero linger with data unread": Case(client=[SOON, ("linger", 0)], server=[("send", 100), *END]),
    "zero linger behind data": Case(client=[("send", 100), ("linger", 0)], server=[SOON, *END]),
    "zero linger from both": Case(
        client=[("sleep", 30 * MS), ("linger", 0)], server=[("sleep", 10 * MS), ("linger", 0)]
    ),
    "zero linger after the other end's FIN": Case(client=[("eof", 0), ("linger", 0)], server=[("close", 0)]),
    "zero linger after our own FIN": Case(
        client=[("shutdown", 0), SOON, ("linger", 0)], server=[("eof", 0), SOON]
    ),
    "zero linger before our own FIN is acknowledged": Case(
        client=[("shutdown", 0), ("linger", 0)], server=[*END], lazy=True
    ),
    "a zero linger that is lost": Case(
        client=[("sleep", 50 * MS), ("linger", 0)],
        server=[SOON, SOON, ("send", 10), SOON, ("close", 0)],
        lost=((0, 2),),
    ),
    "half closed, answered, closed": Case(
        client=[("send", 18), ("shutdown", 0), *END],
        server=[("eof", 0), SOON, ("send", 100), SOON, ("close", 0)],
    ),
    "half closed, then closed with data unread": Case(
        client=[("shutdown", 0), SOON, SOON, ("close", 0)],
        server=[("eof", 0), ("send", 100), SOON, SOON, SOON],
    ),
    "closed with data unread after the other end's FIN": Case(
        client=[SOON, ("close", 0)], server=[("send", 100), ("close", 0)]
    ),
    "closed with data unread in LAST-ACK": Case(
        client=[SOON, SOON, ("shutdown", 0), ("sleep", 5 * MS), ("close", 0)],
        server=[("send", 100), ("close", 0)],
    ),
    "closed with data unread in CLOSING": Case(
        client=[SOON, ("shutdown", 0), ("sleep", 35 * MS), ("close", 0)],
        server=[("sleep", 80 * MS), ("send", 100), ("shutdown", 0), *END],
    ),
    "zero linger in CLOSING": Case(
        client=[SOON, ("shutdown", 0), ("sleep", 35 * MS), ("linger", 0)],
        server=[("sleep", 80 * MS), ("shutdown", 0), *END],
    ),
    "zero linger in LAST-ACK": Case(
        client=[("eof", 0), ("shutdown", 0), ("sleep", 5 * MS), ("linger", 0)], server=[("close", 0)]
    ),
    "a FIN after FIN-WAIT-2 expired": Case(
        client=[("close", 0)], server=[("eof", 0), LATE, ("close", 0)], lasts_s=3
    ),
    "data after FIN-WAIT-2 expired": Case(
        client=[("close", 0)], server=[("eof", 0), LATE, ("send", 10), SOON, ("close", 0)], lasts_s=3
    ),
    "zero linger after FIN-WAIT-2 expired": Case(
        client=[("close", 0)], server=[("eof", 0), LATE, ("linger", 0)], lasts_s=3
    ),
    "the last ACK is lost": Case(client=[("close", 0)], server=END, lost=((0, 3),)),
    "the FIN is lost": Case(client=[("close", 0)], server=END, lost=((0, 2),)),
    "the SYN ACK is lost": Case(client=[("send", 5), ("close", 0)], server=END, lost=((1, 0),), lasts_s=2.5),
    "the third ACK is lost": Case(client=[("send", 5), ("close", 0)], server=END, lost=((0, 1),)),
    "a closed port": Case(client=[("close", 0)], listens=False),
    "a listener closed while a connection waits": Case(client=[("send", 5), *END], unlisten_ns=200 * MS),
    "a listener closed while a connection opens": Case(
        client=[("sleep", 50 * MS), ("send", 5), *END], lost=((0, 1),), unlisten_ns=50 * MS
    ),
    "both open at once": Case(client=[SOON, ("close", 0)], server=[SOON, *END], both_open=True),
    "the same port again after the server's TIME-WAIT": Case(
        client=[("eof", 0), ("close", 0)], server=[("close", 0)], times=2, lasts_s=3
    ),
    "a RST in the window": Case(client=TALK, server=END, forged=forged(4, 1, RST, 50, shift=39)),
    "a RST that is expected": Case(client=TALK, server=END, forged=forged(4, 1, RST, 11, shift=0)),
    "a RST that the client expects": Case(client=TALK, server=END, forged=forged(5, 0, RST, 1, shift=0)),
    "an old RST": Case(client=TALK, server=END, forged=forged(4, 1, RST, 5, shift=-6)),
    "a RST far away": Case(client=TALK, server=END, forged=forged(4, 1, RST, 1 << 29, shift=(1 << 29) - 11)),
    "a SYN to an established end": Case(client=TALK, server=END, forged=forged(5, 1, SYN, 1 << 29, shift=0)),
    "a SYN to an end in CLOSE-WAIT": Case(
        client=[("close", 0)], server=[("eof", 0), SOON, *END], forged=forged(5, 1, SYN, 1 << 29, shift=0)
    ),
    "a bare RST in SYN-SENT": Case(client=TALK, server=END, forged=forged(1, 0, RST, 0, shift=0)),
    "a refusal that is forged": Case(
        client=TALK, server=END, forged=forged(1, 0, RST | ACK, 0, ack=1, shift=0)
    ),
    "a RST before the FIN in CLOSE-WAIT": Case(
        client=[("close", 0)], server=[("eof", 0), SOON, ("close", 0)], forged=forged(5, 1, RST, 1, shift=-1)
    ),
    "a RST in the window of FIN-WAIT-2": Case(
        client=[("close", 0)], server=[("eof", 0), SOON, ("close", 0)], forged=forged(5, 0, RST, 50, shift=49)
    ),
    "a RST in the window of FIN-WAIT-2, half closed": Case(
        client=[("shutdown", 0), *END],
        server=[("eof", 0), SOON, ("close", 0)],
        forged=forged(5, 0, RST, 50, shift=49),
    ),
    "a RST in TIME-WAIT": Case(
        client=[("close", 0)], server=END, lost=((0, 3),), forged=forged(6, 0, RST, 2, shift=0)
    ),
    "a RST in the window of SYN-RECEIVED": Case(
        client=TALK, server=END, forged=forged(2, 1, RST, 500, shift=499)
    ),
    "a RST that SYN-RECEIVED expects": Case(client=TALK, server=END, forged=forged(2, 1, RST, 1, shift=0)),
}


def real(case: Case) -> list[str] | str:
    """Return the wire between two kernels, or why there is none."""
    server = {
        "script": [] if case.listens and not case.both_open and case.unlisten_ns else case.server,
        "listens": case.listens and not case.both_open,
        "accepts": 0 if case.unlisten_ns else case.times,
        "unlisten_ns": case.unlisten_ns,
        "lport": SERVER_PORT,
        "rport": CLIENT_PORT,
    }
    client = {"script": case.client, "lport": CLIENT_PORT, "rport": SERVER_PORT, "times": case.times}
    try:
        scripts = ({**client, "pause_ns": 1500 * MS}, server)
        return play(
            scripts,
            delay_s=DELAY / SECOND,
            lasts_s=case.lasts_s,
            lost=case.lost,
            forged=[forged for forged, _ in case.forged],
        )
    except NoNamespaceError as error:
        return f"no network namespace with a TUN device here: {error}"


def simulated(case: Case) -> list[str]:
    """Return the wire between two simulated hosts."""
    events = []
    then = None
    kernel = with_(KERNEL, lazy_fin_ack=case.lazy)
    if case.unlisten_ns:
        events.append(Event(at_ns=case.unlisten_ns, side=1, word="unlisten"))
    if case.both_open:
        opening = Opening(lport=SERVER_PORT, rport=CLIENT_PORT, script=case.server, isn=7)
        events.append(Event(at_ns=0, side=1, word="open", opening=opening))
    if case.times == 2:
        then = Opening(lport=CLIENT_PORT, rport=SERVER_PORT, script=case.client)
    return meet(
        [*case.client, ("again", 1500 * MS)],
        case.server,
        events=events,
        listening=case.listens and not case.both_open,
        ways={"accept_after_ns": NEVER if case.unlisten_ns else 0},
        then=then,
        traits=(kernel, kernel),
        delay_ns=DELAY,
        lost=case.lost,
        forgeries=[forgery for _, forgery in case.forged],
    ).lines


def closing(lines: Sequence[str]) -> list[str]:
    """Return SYNs, FINs and RSTs, each once: how often a segment is sent again is not what matters."""
    wanted = [line.replace("FP.", "F.") for line in lines if set("SFR") & set(line.split()[1])]
    return list(dict.fromkeys(wanted))


@pytest.fixture(scope="module")
def wires() -> Mapping[str, list[str] | str]:
    """Every case on the real kernel, several at a time: they mostly wait."""
    with ThreadPoolExecutor(6) as pool:
        return dict(zip(CASES, pool.map(real, CASES.values()), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_script_ends_as_on_a_real_kernel(name: str, wires: Mapping[str, list[str] | str]) -> None:
    wire, expected = wires[name], closing(simulated(CASES[name]))
    for _ in range(3):  # a busy machine may be late for what has to cross
        if isinstance(wire, str):
            pytest.fail(wire) if os.environ.get("CI") else pytest.skip(wire)
        if closing(wire) == expected:
            break
        wire = real(CASES[name])
    assert closing(wire) == expected
