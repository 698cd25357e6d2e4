"""What a person reads at the terminal: the session, the connection, the witnesses, the verdict.

Pure: everything here returns text. Colour is an argument; without it no control character is printed.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rst_or_fin.analysis.wilson import shares
from rst_or_fin.escaping import visible, visible_lines
from rst_or_fin.evidence.records import Call
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.tcp.connection import Connection, Roles
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.verdict.assess import Judged
from rst_or_fin.verdict.judge import NODE, PEER, Verdict
from rst_or_fin.verdict.outcome import Outcome, worst

_WIDTH = 100
_INDENT = "  "
_LONG_RESULT = 12  # lines of one printed result before the middle is left out


@dataclass(frozen=True, slots=True)
class Palette:
    """SGR codes by meaning, or nothing at all."""

    bold: str = ""
    dim: str = ""
    good: str = ""
    bad: str = ""
    warn: str = ""
    plain: str = ""


PLAIN = Palette()
COLOURS = Palette(
    bold="\x1b[1m", dim="\x1b[2m", good="\x1b[32m", bad="\x1b[31m", warn="\x1b[33m", plain="\x1b[0m"
)


def case(scenario: Scenario, judged: Judged, palette: Palette = PLAIN) -> str:
    """One replay, whole: everything that a reader needs to believe the verdict or to doubt it."""
    blocks = [
        heading(scenario, palette),
        _section("Session", session(judged.replay.calls)),
    ]
    if judged.connection is not None:
        found = judged.verdict
        shown = wire(judged.connection, found.deciding, palette, found.subject)
        blocks.append(_section("On the wire", shown))
    if judged.others:
        blocks.append(_section("Other connections", others(judged, palette)))
    blocks.append(_section("Witnesses", witnesses(judged.verdict, palette)))
    if judged.comparisons:
        blocks.append(_section("Expected and seen", comparisons(judged, palette)))
    body = verdict(judged, palette)
    if scenario.published:
        body += f"\npublished trace: {scenario.published}; here: {judged.verdict.closing_segment or 'none'}"
    blocks.append(_section("Verdict", body))
    return "\n\n".join(blocks)


def heading(scenario: Scenario, palette: Palette = PLAIN) -> str:
    claim = textwrap.fill(
        visible(" ".join(scenario.claim.split())),
        _WIDTH - 2,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
    )
    return f"{palette.bold}== {scenario.name} =={palette.plain}\n{claim}"


def session(calls: Sequence[Call]) -> str:
    """The session as a shell shows it."""
    return "\n".join(line for number, call in enumerate(calls, start=1) for line in prompt(number, call))


def prompt(number: int, call: Call) -> Iterator[str]:
    """One line of the session with its result."""
    source = visible_lines(call.source)
    yield f"{number}> {source[0]}"
    yield from (f"   {line}" for line in source[1:])
    result = visible_lines(call.result)
    if len(result) > _LONG_RESULT:
        left_out = len(result) - _LONG_RESULT + 1
        result = [*result[: _LONG_RESULT - 3], f"... ({left_out} lines)", *result[-2:]]
    yield from result


def wire(
    connection: Connection,
    deciding: Sequence[int] = (),
    palette: Palette = PLAIN,
    node: Role | None = None,
) -> str:
    """The connection in tcpdump's notation, relative numbers; times in seconds since its first segment.

    `node` is the role of the Erlang node, where there is one.
    """
    start_ns = connection.segments[0].t_ns
    names = {role: _short_name(connection, role, node) for role in Role}
    lines = [", ".join(_long_name(connection, role, node) for role in _left_first(node))]
    for index, segment in enumerate(connection.segments):
        role = connection.role(segment)
        text = (
            f"{(segment.t_ns - start_ns) / 1e9:9.6f}  {names[role]} > {names[role.other]}  "
            f"{connection.notation(segment)} win {segment.window}"
        )
        if index in deciding:
            colour = palette.bad if segment.rst else palette.good
            lines.append(f"{colour}> {text}{palette.plain}  <- decides")
        else:
            lines.append(f"  {text}")
    return "\n".join(lines)


def _left_first(node: Role | None) -> tuple[Role, Role]:
    return (node, node.other) if node is not None else (Role.CLIENT, Role.SERVER)


def _short_name(connection: Connection, role: Role, node: Role | None) -> str:
    if node is None:
        return connection.name(role)
    return "node" if role is node else "peer"


def _long_name(connection: Connection, role: Role, node: Role | None) -> str:
    """`Erlang node 10.0.0.2:40000 (client)`, or `client 10.0.0.2:40000` where there is no node."""
    endpoint = connection.endpoint(role)
    if node is not None:
        return f"{NODE if role is node else PEER} {endpoint} ({role})"
    return str(endpoint) if connection.roles is Roles.NOT_SEEN else f"{role} {endpoint}"


def witnesses(verdict: Verdict, palette: Palette = PLAIN) -> str:
    marks = {
        True: f"{palette.good}agrees{palette.plain}    ",
        False: f"{palette.bad}DISAGREES{palette.plain} ",
        None: f"{palette.dim}says{palette.plain}      ",
    }
    names = max((len(w.name) for w in verdict.witnesses), default=0)
    return (
        "\n".join(f"{w.name:<{names}}  {marks[w.agrees]} {visible(w.says)}" for w in verdict.witnesses)
        or "none"
    )


def comparisons(judged: Judged, palette: Palette = PLAIN) -> str:
    names = max(len(c.what) for c in judged.comparisons)
    wide = max(len(c.expected) for c in judged.comparisons)
    lines = []
    for c in judged.comparisons:
        mark = (
            f"{palette.good}same{palette.plain}"
            if c.same
            else f"{palette.bad}DIFFERS: {visible(c.actual)}{palette.plain}"
        )
        lines.append(f"{c.what:<{names}}  {visible(c.expected):<{wide}}  {mark}")
    return "\n".join(lines)


def verdict(judged: Judged, palette: Palette = PLAIN) -> str:
    found = judged.verdict
    lines = [headline(judged, palette), *why(found.candidates, found.told_apart_by)]
    if found.delivery is not None:
        lines.append(str(found.delivery))
    lines += [f"note: {visible(remark)}" for remark in found.remarks]
    lines += [
        f"{palette.warn}inconclusive: {visible(doubt)}{palette.plain}" for doubt in judged.verdict.doubts
    ]
    return "\n".join(lines)


def why(candidates: Sequence[Cause], told_apart_by: str) -> list[str]:
    """What an unknown cause may be, and what would tell: `it may be unread data at close or zero linger`."""
    if not candidates:
        return []
    apart = f"; {told_apart_by} would tell" if told_apart_by else ""
    return [f"it may be {' or '.join(candidates)}{apart}"]


def others(judged: Judged, palette: Palette = PLAIN) -> str:
    """Every connection of the replay beside the one under test, in a line each."""
    lines = []
    for other in judged.others:
        name = f"{visible(other.name)}: " if other.name else ""
        ends = " ".join(
            _long_name(other.connection, role, other.verdict.subject)
            for role in _left_first(other.verdict.subject)
        )
        lines.append(f"{other.order}. {name}{summary(other.verdict, palette)}; {ends}")
        lines += [f"   {palette.warn}inconclusive: {visible(d)}{palette.plain}" for d in other.verdict.doubts]
    return "\n".join(lines)


def _the(name: str) -> str:
    return f"the {name}" if name in tuple(Role) else name


def headline(judged: Judged, palette: Palette = PLAIN) -> str:
    """The verdict in one line: ending, cause, the segment that shows it, and what came of the expectation."""
    return f"{summary(judged.verdict, palette)}: {outcome_word(judged.outcome, palette)}"


def summary(found: Verdict, palette: Palette = PLAIN) -> str:
    """A verdict in one line: ending, cause, the segment that shows it, and how far it can be relied on."""
    colour = palette.bad if found.ending in (Ending.RST, Ending.FIN_THEN_RST) else palette.good
    because = f" ({found.cause})" if found.cause else ""
    segment = f" by {found.closing_segment}" if found.closing_segment else ""
    return (
        f"{palette.bold}{colour}{found.ending}{palette.plain}{because}{segment},"
        f" conn_state {found.conn_state}, {found.validity}"
    )


def outcome_word(outcome: Outcome, palette: Palette = PLAIN) -> str:
    colour = {Outcome.AS_EXPECTED: palette.good, Outcome.DIFFERS: palette.bad}.get(outcome, palette.warn)
    return f"{colour}{outcome}{palette.plain}"


class Tally:
    """Many replays of one scenario, counted as they come; only what was not as expected is kept whole.

    `endings` counts them all, `conclusive` only those whose ending can be relied on.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.endings: Counter[str] = Counter()
        self.conclusive: Counter[str] = Counter()
        self.odd: list[Judged] = []
        self._kept = 5

    def add(self, judged: Judged) -> None:
        self.outcomes[judged.outcome] += 1
        self.endings[judged.verdict.ending] += 1
        if not judged.verdict.doubts:
            self.conclusive[judged.verdict.ending] += 1
        if judged.outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE) and len(self.odd) < self._kept:
            self.odd.append(judged)

    @property
    def total(self) -> int:
        return self.outcomes.total()

    @property
    def outcome(self) -> Outcome:
        return worst(self.outcomes)

    def line(self, palette: Palette = PLAIN) -> str:
        """What came of them: endings (a share of the conclusive ones) and outcomes (a share of all)."""
        rows = shares(self.conclusive)
        if self.outcome is not Outcome.RACE:
            rows |= shares({str(outcome): count for outcome, count in self.outcomes.items()})
        wide = max(map(len, rows), default=0)
        what = "a race: a distribution, no pass or fail; " if self.outcomes[Outcome.RACE] else ""
        doubted = self.total - self.conclusive.total()
        left_out = f"; {doubted} inconclusive, their endings left out" if doubted else ""
        lines = [f"{self.total} replays ({what}with 95 % Wilson intervals{left_out})"]
        words = {str(outcome): outcome_word(outcome, palette) for outcome in self.outcomes}
        for name, s in rows.items():
            shown = words.get(name, name)
            lines.append(f"    {shown}{'':<{wide - len(name)}}  {s.count:>6}  {s.value:>6.1%}  [{s}]")
        return "\n".join(lines)


def _section(title: str, body: str) -> str:
    return f"{_INDENT}{title}\n{textwrap.indent(body, _INDENT * 2)}"
