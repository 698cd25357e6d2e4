"""Reads the kernel's TCP counters of a network namespace from /proc/net/netstat and /proc/net/snmp.

Both files hold pairs of lines, names and then values, each beginning with a group's name ("TcpExt:", "Tcp:").
"""

from __future__ import annotations

from functools import lru_cache


def read_all(net: str = "/proc/self/net") -> dict[str, int]:
    """Read every counter of both files by group and name: "TcpExt:TCPAbortOnClose", "Tcp:OutRsts"."""
    found: dict[str, int] = {}
    for file in ("netstat", "snmp"):
        with open(f"{net}/{file}", encoding="ascii") as table:
            found.update(parse(table.read()))
    return found


def waiting(sockstat: str) -> int | None:
    """Count the TCP connections in TIME_WAIT from /proc/net/sockstat; None where it does not say."""
    for line in sockstat.splitlines():
        words = line.split()
        if words[:1] == ["TCP:"] and "tw" in words:
            return int(words[words.index("tw") + 1])
    return None


def parse(table: str) -> dict[str, int]:
    """Return every counter of such a file, by group and name."""
    lines = table.splitlines()
    found = {}
    for heads, values in zip(lines[::2], lines[1::2]):  # noqa: B905 (hosts run Python 3.9)
        group, _, names = heads.partition(": ")
        for name, value in zip(names.split(), values.partition(": ")[2].split()):  # noqa: B905
            found[f"{group}:{name}"] = int(value)
    return found


def pick(table: bytes, names: tuple[str, ...]) -> dict[str, int]:
    """Return those of these counters that such a file has; remember where they stand."""
    lines = table.split(b"\n")
    found = {}
    for heads, values in zip(lines[::2], lines[1::2]):  # noqa: B905 (hosts run Python 3.9)
        columns = _columns(heads, names)
        if columns:
            last = max(column for _, column in columns)
            fields = values.split(None, last + 1)  # what follows the last of them is left together
            found.update({name: int(fields[column]) for name, column in columns})
    return found


@lru_cache(maxsize=64)
def _columns(heads: bytes, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return which of these counters a line of names has, and in which columns."""
    group, *heading = heads.decode("ascii").split() or [""]
    found = {f"{group}{name}": column for column, name in enumerate(heading, 1)}
    return tuple((name, found[name]) for name in names if name in found)
