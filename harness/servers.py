"""The kinds of peer that a scenario can name: which program plays it, in which image, with which rights.

Every one of them is a module of harness/hosts that takes `--bind`, `--port`, `--clean-offloads` and
`--drop-to-uid` beside its own options, says what it saw as JSON lines on stdout (see hosts/origin.py) and
leaves when its stdin ends. What it is started with stays the scenario's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UsageError
from harness.scenario import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of peer. `capabilities` are what its program needs before it becomes an unprivileged user."""

    image: str
    module: str
    capabilities: tuple[str, ...]


KINDS = {
    "origin": Kind(image="peer", module="hosts.origin", capabilities=("NET_ADMIN", "SETGID", "SETUID")),
}


def kind_of(server: Server) -> Kind:
    """The kind that a scenario names. Raises UsageError where there is none of that name."""
    try:
        return KINDS[server.kind]
    except KeyError:
        raise UsageError(
            f"no server is called {server.kind!r}", f"known: {', '.join(sorted(KINDS))}"
        ) from None


def arguments(server: Server) -> list[str]:
    """The command line of a server from its options as the scenario names them, such as `body_bytes = 20000`.

    A true flag stands alone, a false one is left out.
    """
    found: list[str] = []
    for name, value in server.options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            found.append(flag)
        elif value is not False:
            found += [flag, str(value)]
    return found
