"""Writes the catalogue's pages: what each scenario claims, why it ends so, what to do, what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from rst_or_fin.embedding import case, read
from rst_or_fin.report.ladder import ladder
from rst_or_fin.report.markdown import escaped
from rst_or_fin.scenario.model import Expectation, Scenario
from rst_or_fin.storage import scenario_files
from rst_or_fin.tcp.ending import Cause, Ending

from docs.blocks.tables import counted, records
from docs.blocks.words import linked, scenarios, slug, theme_of, to, when

EVIDENCE = Path("tests/golden/evidence")

# What happens, and what to do about it, by how the end under test closes and why: (mechanism, advice).
_BECAUSE: dict[tuple[Ending, Cause | None], tuple[str, str]] = {
    (Ending.RST, Cause.UNREAD_DATA): (
        "At the close bytes lie unread in the kernel's receive buffer: the kernel throws them away and tells"
        " the peer so with a RST ([unread data](../phenomenon.md#unread-data)).",
        "Read until the peer's end of file before closing: [remedies](../remedies.md).",
    ),
    (Ending.RST, Cause.ZERO_LINGER): (
        "A linger time of zero makes every close an abort ([zero linger](../phenomenon.md#zero-linger)).",
        "Do not set `{linger, {true, 0}}` unless an abort is what you want.",
    ),
    (Ending.FIN_THEN_RST, Cause.DATA_AFTER_CLOSE): (
        "The close is a FIN. Data then comes for a socket that nobody holds any more, and is answered with a"
        " RST ([data after the close](../phenomenon.md#data-after-the-close)).",
        "Close in stages, and wait for the peer's end of file: [remedies](../remedies.md).",
    ),
    (Ending.FIN_THEN_RST, None): (
        "The close is a FIN. A request then comes for a socket that nobody holds any more, and is answered"
        " with a RST ([data after the close](../phenomenon.md#data-after-the-close)); where the proxy has"
        " closed as well by then, the wire alone cannot say that it was the request.",
        "Say `Connection: close` before you close: [behind a proxy](../proxy.md).",
    ),
    (Ending.FIN_THEN_RST, Cause.UNREAD_DATA): (
        "`shutdown` sends the FIN; the close then finds unread bytes and sends a RST after it"
        " ([unread data](../phenomenon.md#unread-data)).",
        "After `shutdown(Sock, write)` go on reading until the peer's end of file:"
        " [remedies](../remedies.md).",
    ),
    (Ending.FIN_THEN_RST, Cause.FIN_WAIT2_TIMEOUT): (
        "`shutdown` sends the FIN, which the peer acknowledges without one of its own. With a negative"
        " TCP_LINGER2 the close waits for none: the kernel resets what is half closed.",
        "Leave TCP_LINGER2 as it is: then the kernel waits for the peer's FIN, a minute at most.",
    ),
    (Ending.RST, None): (
        "The application asks the kernel to dissolve the connection: that is a RST, whatever was read.",
        "Close the socket instead.",
    ),
    (Ending.FIN, None): (
        "Nothing lies unread in the kernel when the socket is closed: an orderly end"
        " ([FIN](../phenomenon.md#an-orderly-end)).",
        "Nothing, as far as the close goes.",
    ),
    (Ending.RST, Cause.KEEPALIVE_TIMEOUT): (
        "Keepalive probes go unanswered; the kernel gives the connection up, tells the peer so with a RST and"
        " the application with `etimedout`.",
        "Nothing, as far as the close goes: the connection was over before it.",
    ),
    (Ending.NONE, Cause.USER_TIMEOUT): (
        "What was sent goes unacknowledged for longer than TCP_USER_TIMEOUT; the kernel gives up and sends"
        " nothing.",
        "Nothing, as far as the close goes: nobody is left to hear of it.",
    ),
    (Ending.NONE, Cause.RETRANSMISSIONS): (
        "What was sent goes unacknowledged through all retransmissions; the kernel gives up and sends"
        " nothing.",
        "Nothing, as far as the close goes: nobody is left to hear of it.",
    ),
    (Ending.NONE, Cause.NOT_SENT): (
        "A RST came in the name of an end that never sent it: each end takes the other for the one that"
        " reset.",
        "Capture both ends: what arrives at one and never left the other was made on the way.",
    ),
    (Ending.NONE, None): (
        "The peer's RST has already ended the connection: there is nothing left to end.",
        "Look at the peer: it is the peer that resets.",
    ),
}

# FINs that leave with data unread: by a shutdown that is followed by reading, or by one that is not.
_IN_STAGES = (
    "`shutdown(write)` sends the FIN while data is unread; it is read before the close, which has nothing"
    " left to reset ([FIN](../phenomenon.md#an-orderly-end)).",
    "This: it is how to close ([remedies](../remedies.md)).",
)
_OVER_BEFORE = (
    "`shutdown` sent the FIN and the peer's has come: the connection is over before the close, which throws"
    " the unread data away and has nobody to tell.",
    "Read before you close. Here the data is lost and neither end notices.",
)


def by_theme(up: str = "") -> str:
    """List every scenario, by theme: its ending and its claim."""
    lines = []
    in_order = sorted(scenarios(), key=lambda s: scenario_files.THEMES.index(theme_of(s)))
    for name, members in groupby(in_order, key=theme_of):
        page = f"{up}{slug(name)}.md"
        lines += [
            "",
            f"## [{name[:1].upper()}{name[1:]}]({page})",
            "",
            "| scenario | ends | claim |",
            "|---|---|---|",
        ]
        lines += [
            f"| [{each.name}]({page}#{each.name}) | {_tag(each)} | {escaped(each.claim)} |"
            for each in members
        ]
    return "\n".join(lines).strip()


def theme(name: str) -> str:
    """Write a section for each scenario of that theme."""
    sections = [_section(each) for each in scenarios() if theme_of(each) == name]
    if not sections:
        raise ValueError(f"no scenario has the theme {name!r}")
    return "\n\n".join(sections)


def drawing(name: str, up: str = "") -> str:
    """Show the ladder of a stored run; `make docs` draws the file."""
    return f"![{escaped(ladder(*read(EVIDENCE / name)).title)}]({up}ladders/{name}.svg)"


def _section(scenario: Scenario) -> str:
    mechanism, advice = _explained(scenario)
    lines = [f"## {scenario.name}", "", f"> {escaped(scenario.claim)}", ""]
    lines += [f"**Mechanism.** {mechanism}", "", f"**What to do.** {advice}{_remedies(scenario)}", ""]
    lines += [f"```{scenario.language}", *scenario.session.strip().splitlines(), "```", ""]
    title = "Mostly" if scenario.race else "Expected"
    lines += [*_peer(scenario), *_wire(scenario), f"**{title}.** {_expected(scenario.expect)}", ""]
    if scenario.race:
        lines += ["Timing decides: the outcome is shown as a distribution and never passes or fails.", ""]
    for variant in scenario.variants:
        said = f"{when(variant.when)}: {_expected(variant.expect)} {linked(variant.reference)}."
        lines += [f"- **Instead**, {said}"]
    lines += [f"- **Not played** {when(each.when)}: {escaped(each.reason)}." for each in scenario.excluded]
    cells = [record for record in records() if record.scenario == scenario.name]
    if lines[-1]:
        lines.append("")
    lines += [f"**Seen.** {counted(cells)} ([all results](../results.md)).", ""] if cells else []
    if (EVIDENCE / scenario.name).is_dir():
        lines += ["<details><summary>A stored run</summary>", "", case(EVIDENCE / scenario.name)]
        lines += ["", "</details>", ""]
    lines += ["Sources:", "", *(f"- {linked(source)}" for source in scenario.sources)]
    return "\n".join(lines)


def _explained(scenario: Scenario) -> tuple[str, str]:
    if scenario.race:
        return (
            "Two events race, and either may come first.",
            "Do not rely on either outcome; wait for an event before you close.",
        )
    if scenario.expect.ending is Ending.FIN and scenario.precondition.unread:
        return _IN_STAGES if scenario.close_line else _OVER_BEFORE
    return _BECAUSE[scenario.expect.ending, scenario.expect.cause]


def _remedies(scenario: Scenario) -> str:
    remedies = [to(s, "") for s in scenarios() if s.remedy_for == scenario.name]
    if remedies:
        return f" Held against it: {', '.join(remedies)}."
    case_of = [to(s, "") for s in scenarios() if s.name == scenario.remedy_for]
    return f" A remedy held against {case_of[0]}." if case_of else ""


def _peer(scenario: Scenario) -> Iterator[str]:
    options = dict(scenario.server.options)
    script = str(options.pop("script", "") or options.pop("steps", ""))
    told = ", ".join(f"`{name} = {json.dumps(value)}`" for name, value in options.items())
    if scenario.server.kind != "origin" or told:
        yield f"Peer: `{scenario.server.kind}`{', ' if told else ''}{told}."
        yield ""
    if script:
        yield from ("```text", *script.strip().splitlines(), "```", "")


def _wire(scenario: Scenario) -> Iterator[str]:
    """Yield what happens to segments between the hosts, a line for each rule."""
    if scenario.rules:
        yield from ("The wire:", "", *(f"- {each.told}" for each in scenario.rules), "")


def _expected(expect: Expectation) -> str:
    points = [f"{expect.ending}" + (f" ({expect.cause})" if expect.cause else "")]
    if expect.closing_segment:
        points.append(f"by `{expect.closing_segment}`")
    if expect.peer_sees == "script played":
        points.append("the peer's script is played to its end")
    elif expect.peer_sees:
        points.append(f"the peer sees {expect.peer_sees}")
    if expect.peer_received is not None:
        points.append(f"the peer reads {expect.peer_received} bytes")
    if expect.returns:
        points.append(f"the call returns `{expect.returns}`")
    return ", ".join(points).replace(", by ", " by ", 1) + "."


def _tag(scenario: Scenario) -> str:
    if scenario.race:
        return "a race"
    others = dict.fromkeys(
        v.expect.ending for v in scenario.variants if v.expect.ending != scenario.expect.ending
    )
    return str(scenario.expect.ending) + "".join(f" ({ending} on some axes)" for ending in others)
