"""The kinds of peers with their options, as the programs and the check have them (agents/kinds.py)."""

from __future__ import annotations

from collections.abc import Iterator

from rst_or_fin.agents.kinds import ABOUT, ENDS, OPTIONS, WITHOUT_KERNEL, Option
from rst_or_fin.scenario.model import Server
from rst_or_fin.scenario.peers import KINDS

from docs.blocks.words import table


def peers() -> str:
    """Write a section for every kind."""
    return "\n\n".join("\n\n".join(_section(kind)) for kind in KINDS)


def _section(kind: str) -> Iterator[str]:
    chosen = " (what the peer is where no kind is named)" if kind == Server().kind else ""
    yield f"### `{kind}`"
    yield f"{ABOUT[kind]}{chosen}."
    if KINDS[kind].connects:
        yield "It needs `start_after_line`: after which line of the session, from 1, it is told to connect."
    rows = [(f"`{name}`", _meaning(kind, name), *_values(option)) for name, option in OPTIONS[kind].items()]
    yield table(("option", "meaning", "values", "default"), rows)
    ends = " or ".join(f"`{end}`" for end in ENDS[kind])
    errnos = "" if kind in WITHOUT_KERNEL else ", or the name of an errno such as `ECONNRESET`"
    yield f"`peer_sees`: {ends}{errnos}."


def _meaning(kind: str, name: str) -> str:
    option = OPTIONS[kind][name]
    others = " and ".join(f"`{other}`" for other in option.excludes)
    return option.meaning + (f" (not beside {others})" if others else "")


def _values(option: Option) -> tuple[str, str]:
    if option.type is bool:
        return "`true` or `false`", f"`{str(option.default).lower()}`"
    if option.type is str:
        choices = " or ".join(f"`{choice}`" for choice in option.choices)
        default = "" if option.default is None else f"`{option.default}`"
        return choices or f"a string, {option.most} {option.unit} at most", (
            "required" if option.required else default
        )
    return f"{option.least} to {option.most} {option.unit}", "" if option.default is None else str(
        option.default
    )
