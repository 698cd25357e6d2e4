"""The kernel's counters of this network namespace: /proc/net/netstat, snmp and snmp6, concatenated.

The first two hold pairs of lines, names and then values, each beginning with a group's name ("TcpExt:",
"Tcp:"); snmp6 has a line for each counter. A counter is named by group and name, "TcpExt:TCPAbortOnClose"; of
snmp6 as it stands there, "Ip6InReceives".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

FILES = ("netstat", "snmp", "snmp6")


def read(net: str = "/proc/self/net") -> bytes:
    """Return the text of all three; a kernel without IPv6 has no snmp6."""
    found = b""
    for file in FILES:
        try:
            with open(f"{net}/{file}", "rb") as table:
                found += table.read()
        except FileNotFoundError:
            pass
    return found


def waiting(sockstat: str) -> int | None:
    """Count the TCP connections in TIME_WAIT from /proc/net/sockstat; None if it does not say."""
    for line in sockstat.splitlines():
        words = line.split()
        if words[:1] == ["TCP:"] and "tw" in words:
            return int(words[words.index("tw") + 1])
    return None


def pick(tables: bytes, names: tuple[str, ...]) -> dict[str, int]:
    """Return the counters of `names` that netstat and snmp contain; their columns are cached."""
    lines = tables.split(b"\n")
    found = {}
    for heads, values in zip(lines[::2], lines[1::2]):  # noqa: B905 (hosts run Python 3.9)
        if b":" not in heads:
            break
        columns = _columns(heads, names)
        if columns:
            last = max(column for _, column in columns)
            fields = values.split(None, last + 1)  # what follows the last of them is left together
            found.update({name: int(fields[column]) for name, column in columns})
    return found


def changed(before: bytes, after: bytes) -> dict[str, int]:
    """Return every counter that differs between two readings, and by how much.

    Most lines are as they were, and only the others are taken apart.
    """
    old, new = before.split(b"\n"), after.split(b"\n")
    if len(old) != len(new):
        return _difference(parse(before), parse(after))
    found: dict[str, int] = {}
    heads = b""
    for was, line in zip(old, new):  # noqa: B905
        if was != line:
            names = _names(heads) if b":" in line else (line.split()[0].decode("ascii"),)
            values = line.split()[1:]
            if len(names) != len(values) or not values[0].lstrip(b"-").isdigit():
                return _difference(parse(before), parse(after))
            pairs = zip(names, was.split()[1:], values)  # noqa: B905
            found.update({name: int(now) - int(then) for name, then, now in pairs if then != now})
        heads = line
    return found


def parse(tables: bytes) -> dict[str, int]:
    """Return every counter of such text, by its name."""
    found: dict[str, int] = {}
    heads = b""
    for line in tables.split(b"\n"):
        if b":" not in line:
            words = line.split()
            found.update({words[0].decode("ascii"): int(words[1])} if len(words) == 2 else {})
        elif heads:
            found.update(zip(_names(heads), map(int, line.split()[1:])))  # noqa: B905
            heads = b""
        else:
            heads = line
    return found


def _difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much counters differ. IcmpMsg names only what has been counted: all else was 0."""
    return {
        name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)
    }


@lru_cache(maxsize=64)
def _columns(heads: bytes, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return which of these counters a line of names has, and in which columns."""
    found = {name: column for column, name in enumerate(_names(heads), 1)}
    return tuple((name, found[name]) for name in names if name in found)


@lru_cache(maxsize=64)
def _names(heads: bytes) -> tuple[str, ...]:
    """Return the names that a line of names gives, each with its group."""
    group, *heading = heads.decode("ascii").split() or [""]
    return tuple(f"{group}{name}" for name in heading)
