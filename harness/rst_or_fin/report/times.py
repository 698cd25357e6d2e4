"""Formats points in time for display: UTC, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime

_SECOND = 1_000_000_000
_LAST_YEAR_S = 253_402_300_799  # 9999-12-31, the last that datetime knows


def date_time(t_ns: int) -> str:
    """Format as `2026-11-26 11:39:07.123456`; as plain seconds where the calendar has no such date."""
    seconds = t_ns // _SECOND
    if not 0 <= seconds <= _LAST_YEAR_S:
        return f"{t_ns / _SECOND:.6f}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{t_ns % _SECOND // 1000:06d}"


def time_of_day(t_ns: int) -> str:
    """Format as `11:39:07.123456`."""
    return date_time(t_ns).rpartition(" ")[2]


def span(first_ns: int, last_ns: int) -> str:
    """Format as `2026-11-26 11:39:07 to 11:41:02 UTC`; the second date only where it differs."""
    first, last = date_time(first_ns).partition(".")[0], date_time(last_ns).partition(".")[0]
    if first.partition(" ")[0] == last.partition(" ")[0]:
        last = last.rpartition(" ")[2]
    return f"{first} to {last} UTC"


def iso(t_ns: int) -> str:
    """Format as `2026-11-26T11:39:07.123456Z`, for programs."""
    return date_time(t_ns).replace(" ", "T") + "Z"
