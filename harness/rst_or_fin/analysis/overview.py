"""Many connections in one view: how they ended, who resets whom and why, what cannot be told. Pure.

Holds counts and a few connections that are worth a look, however many there are.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from rst_or_fin.analysis.captured import Case
from rst_or_fin.tcp.connection import Connection, Roles
from rst_or_fin.tcp.ending import Cause, Ending, Role, Validity
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.verdict.verdict import Verdict

if TYPE_CHECKING:
    from rst_or_fin.analysis.sifting import PlainConnections

_HOSTS_MAX = 1_000  # of a group, told apart up to here
_SHOWN_MAX = 12
_RESETS = (Ending.RST, Ending.FIN_THEN_RST)
# A segment in tcpdump's notation, and whose it is: what tells one doubt from another of its kind
_SEGMENT = re.compile(r"[FSRPUEW]*\.? -?\d+:-?\d+\(\d+\)(?: ack -?\d+)?(?: from the \S+)?")
_NUMBER = re.compile(r"\b\d+ (?=bytes)")


@dataclass(frozen=True, slots=True, order=True)
class ResetPattern:
    """Who resets whom, and why: connections that are alike in this are counted together.

    `by` is the end that resets: "client" or "server" (empty if nothing tells which is which). `port` is
    the server's, `why` the cause, or what it may be.
    """

    by: str
    ending: Ending
    port: int
    why: str


@dataclass(slots=True)
class ResetGroup:
    """The connections of one way: how many, an example, and between which hosts."""

    number: int  # of the first one
    total: int = 0
    inconclusive: int = 0
    resetting: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)


@dataclass(slots=True)
class OpenCause:
    """Causes that a capture cannot distinguish: how often, and what on the closing host would."""

    total: int = 0
    told_apart_by: str = ""
    number: int = 0


class Overview:
    """Counts cases as they come."""

    def __init__(self) -> None:
        self.total = 0
        self.segments = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.validity: Counter[Validity] = Counter()
        self.endings: Counter[tuple[str, Validity]] = Counter()
        self.groups: dict[ResetPattern, ResetGroup] = {}
        self.doubts: Counter[str] = Counter()
        self.doubted: dict[str, int] = {}  # the number of the first connection with each doubt
        self.open_causes: dict[tuple[Cause, ...], OpenCause] = {}
        self.worth_a_look = 0
        self._best: list[tuple[int, int, int, Case]] = []
        self._order = count()

    def add(self, case: Case) -> None:
        """Count one more case."""
        found, connection = case.verdict, case.connection
        self.total += 1
        self.segments += len(connection.segments)
        self.first_ns = case.first_ns if self.first_ns is None else min(self.first_ns, case.first_ns)
        self.last_ns = case.last_ns if self.last_ns is None else max(self.last_ns, case.last_ns)
        self.validity[found.validity] += 1
        self.endings[in_words(connection, found), found.validity] += 1
        for role in Role:
            if _ending(found, role) in _RESETS:
                self._group(case, role)
            self._cause(case, role)
        for doubt in dict.fromkeys(map(kind_of_doubt, found.doubts)):
            self.doubts[doubt] += 1
            self.doubted.setdefault(doubt, case.number)
        self._consider(case)

    def add_plain(self, plain: PlainConnections) -> None:
        """Count connections that both ends closed with a FIN, undisturbed."""
        self.total += plain.total
        self.segments += plain.segments
        self.first_ns = plain.first_ns if self.first_ns is None else min(self.first_ns, plain.first_ns)
        self.last_ns = plain.ended_ns if self.last_ns is None else max(self.last_ns, plain.ended_ns)
        self.validity[Validity.CONCLUSIVE] += plain.total
        self.endings[_by_both(Ending.FIN), Validity.CONCLUSIVE] += plain.total

    @property
    def ranked_endings(self) -> list[tuple[tuple[str, Validity], int]]:
        """How connections ended, the most first."""
        return sorted(self.endings.items(), key=lambda item: (-item[1], item[0]))

    @property
    def shown(self) -> list[Case]:
        """The connections worth a look, RSTs before the rest, then in the order in which they began."""
        return [case for *_, case in sorted(self._best, key=lambda best: (-best[0], -best[1]))]

    @property
    def ranked_patterns(self) -> list[tuple[ResetPattern, ResetGroup]]:
        """Who resets whom, the most first."""
        return sorted(self.groups.items(), key=lambda item: (-item[1].total, item[0]))

    def _group(self, case: Case, role: Role) -> None:
        way = way_of(case.connection, case.verdict, role)
        group = self.groups.setdefault(way, ResetGroup(number=case.number))
        group.number = min(group.number, case.number)
        group.total += 1
        group.inconclusive += case.verdict.validity is Validity.INCONCLUSIVE
        for known, end in ((group.resetting, role), (group.others, role.other)):
            if len(known) < _HOSTS_MAX:
                known.add(case.connection.endpoint(end).address)

    def _cause(self, case: Case, role: Role) -> None:
        _, candidates, apart = causes_of(case.verdict, role)
        if candidates:
            known = self.open_causes.setdefault(
                candidates, OpenCause(told_apart_by=apart, number=case.number)
            )
            known.total += 1

    def _consider(self, case: Case) -> None:
        """Keep a case if it is more worth a look than one of those kept."""
        worth = _worth(case.verdict)
        self.worth_a_look += worth > 0
        if worth:
            entry = (worth, -case.number, next(self._order), case)
            if len(self._best) < _SHOWN_MAX:
                heapq.heappush(self._best, entry)
            else:
                heapq.heappushpop(self._best, entry)


def in_words(connection: Connection, found: Verdict) -> str:
    """Say how a connection ended: `FIN by both ends`, `RST by the server`, `neither FIN nor RST seen`."""
    if found.client is found.server and found.client is not Ending.NONE:
        return _by_both(found.client)
    said = [
        f"{ending} by {_the(connection, role)}"
        for role in Role
        if (ending := _ending(found, role)) is not Ending.NONE
    ]
    refused = Cause.CLOSED_PORT in (found.cause, found.peer_cause)
    return "refused (RST answers the SYN)" if refused else ", ".join(said) or "neither FIN nor RST seen"


def _by_both(ending: Ending) -> str:
    return f"{ending} by both ends"


def way_of(connection: Connection, found: Verdict, role: Role) -> ResetPattern:
    """Return the group in which a reset of that end counts."""
    cause, candidates, _ = causes_of(found, role)
    why = str(cause or Cause.UNKNOWN) if not candidates else " or ".join(candidates)
    by = "" if connection.roles is Roles.NOT_SEEN else str(role)
    return ResetPattern(by=by, ending=_ending(found, role), port=_service(connection).port, why=why)


def causes_of(found: Verdict, role: Role) -> tuple[Cause | None, tuple[Cause, ...], str]:
    """Return the cause of that end's RST, its candidates if unknown, and what would distinguish these."""
    if role is found.subject:
        return found.cause, found.candidates, found.told_apart_by
    return found.peer_cause, found.peer_candidates, found.peer_told_apart_by


def kind_of_doubt(text: str) -> str:
    """Return a doubt without its numbers and segments, so that doubts of one kind are equal."""
    return _NUMBER.sub("", _SEGMENT.sub("a segment", text))


def _ending(found: Verdict, role: Role) -> Ending:
    return found.client if role is Role.CLIENT else found.server


def _the(connection: Connection, role: Role) -> str:
    return "one end" if connection.roles is Roles.NOT_SEEN else f"the {role}"


def _service(connection: Connection) -> Endpoint:
    """Return the server; if the roles are unknown, the end with the lower port."""
    if connection.roles is not Roles.NOT_SEEN:
        return connection.server
    return min(connection.client, connection.server, key=lambda end: end.port)


def _worth(found: Verdict) -> int:
    """Rank how much a connection deserves a look; 0 for an orderly end without doubts."""
    resets = any(ending in _RESETS for ending in (found.client, found.server))
    refused = Cause.CLOSED_PORT in (found.cause, found.peer_cause)
    if resets and not refused:
        return 4 if found.validity is Validity.CONCLUSIVE else 3
    if refused:
        return 2
    return 1 if found.doubts or found.remarks or found.cause or found.peer_cause else 0
