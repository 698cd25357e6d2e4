"""Selects connections of a capture: by host, port, ending, cause, time or number. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from rst_or_fin.analysis.captured import Case
from rst_or_fin.errors import UsageError
from rst_or_fin.tcp.ending import Cause, Ending

_DAY_NS = 86_400_000_000_000
_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?Z?")
_EPOCH = re.compile(r"\d{9,}(?:\.\d{1,9})?")
_REMEDY = "give 11:39:07.5 (of the day, UTC), 2026-11-26T11:39:07 or seconds since the epoch"


@dataclass(frozen=True, slots=True)
class TimeFilter:
    """A point in time in nanoseconds: since the epoch, or of whichever day a connection began on (UTC)."""

    ns: int
    of_day: bool

    def on_day_of(self, t_ns: int) -> int:
        """Return it in nanoseconds since the epoch, a time of day on the day (UTC) of `t_ns`."""
        return t_ns - t_ns % _DAY_NS + self.ns if self.of_day else self.ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is asked for; None leaves a point open.

    `host` and `port` are those of either end; `ending` and `cause` those of either end, a cause also where it
    is a candidate. `since` and `until` enclose any part of the connection.
    """

    host: str | None = None
    port: int | None = None
    ending: Ending | None = None
    cause: Cause | None = None
    since: TimeFilter | None = None
    until: TimeFilter | None = None
    connection: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()

    def takes(self, case: Case) -> bool:
        """Return whether a connection is asked for."""
        return self._is_of_ends(case) and self._ended_so(case) and self._is_in_time(case)

    def _is_of_ends(self, case: Case) -> bool:
        if self.connection is not None and case.number != self.connection:
            return False
        ends = (case.connection.client, case.connection.server)
        if self.host is not None and all(end.address != self.host for end in ends):
            return False
        return self.port is None or any(end.port == self.port for end in ends)

    def _ended_so(self, case: Case) -> bool:
        found = case.verdict
        if self.ending is not None and self.ending not in (found.client, found.server):
            return False
        causes = (found.cause, found.peer_cause, *found.candidates, *found.peer_candidates)
        return self.cause is None or self.cause in causes

    def _is_in_time(self, case: Case) -> bool:
        begun = case.first_ns
        if self.since is not None and case.last_ns < self.since.on_day_of(begun):
            return False
        return self.until is None or begun <= self.until.on_day_of(begun)


def moment(text: str) -> TimeFilter:
    """Parse a time: of the day, a date and time (UTC where it names no zone), or seconds since the epoch.

    Raises UsageError for anything else.
    """
    of_day = _OF_DAY.fullmatch(text)
    if of_day:
        hours, minutes, seconds = (int(part or 0) for part in of_day.groups()[:3])
        if hours > 24 or minutes > 59 or seconds > 60:
            raise UsageError(f"{text!r} is not a time of day", _REMEDY)
        return TimeFilter(
            (hours * 3600 + minutes * 60 + seconds) * 1_000_000_000 + _fraction_ns(of_day[4]), True
        )
    if _EPOCH.fullmatch(text):
        whole, _, fraction = text.partition(".")
        return TimeFilter(int(whole) * 1_000_000_000 + _fraction_ns(fraction), False)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a time", _REMEDY) from None
    found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return TimeFilter(int(found.timestamp()) * 1_000_000_000 + found.microsecond * 1000, False)


def host(text: str) -> str:
    """Parse an address as captures are read. Raises UsageError if it is not one."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise UsageError(f"{text!r} is not an IP address", "captures hold no host names") from None


def _fraction_ns(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0")) if digits else 0
