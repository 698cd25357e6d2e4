"""Renders what a terminal shows: the session, the connection, the witnesses, the verdict.

Pure: everything here returns text. Colour is an argument; without it no control character is printed.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from rst_or_fin.analysis.wilson import shares
from rst_or_fin.escaping import on_one_line, visible, visible_lines
from rst_or_fin.evidence.records import Call
from rst_or_fin.report.fitting import WIDTH, fitted
from rst_or_fin.report.palette import PLAIN, Palette
from rst_or_fin.report.trace_text import TraceLine, left_first, long_name, trace_lines
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.tcp.causes import BY_CAUSE
from rst_or_fin.tcp.connection import Connection
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.tcp.two_ends import Passage
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.outcome import Outcome, worst
from rst_or_fin.verdict.reason import reason
from rst_or_fin.verdict.verdict import Verdict

_INDENT = "  "
_LONG_RESULT = 12  # lines of one printed result before the middle is left out
_LONG_LINE = 1000  # characters of one line of a result before the rest is left out
_SLOW_US = 10_000  # how long a session line takes before that is worth a word
_MANY = 12  # other connections before the rest is only counted


def case(
    scenario: Scenario,
    judged: Assessment,
    palette: Palette = PLAIN,
    *,
    width: int = WIDTH,
    everything: bool = False,
) -> str:
    """Render one replay, whole: everything that a reader needs to believe the verdict or to doubt it.

    What needs a look comes first. Long runs of segments take one line, unless `everything` is wanted.
    """
    blocks = [heading(scenario, palette, width=width)]
    if judged.outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE):
        blocks.append(f"{_INDENT}{needs_a_look(judged, palette)}")
    blocks.append(_section("Session", session(judged.replay.calls, everything=everything)))
    if judged.connection is not None:
        found = judged.verdict
        shown = wire(
            judged.connection,
            found.deciding,
            palette,
            found.subject,
            everything=everything,
            passages=found.passages,
        )
        blocks.append(_section("On the wire", shown))
    if judged.others:
        blocks.append(_section("Other connections", others(judged, palette, everything=everything)))
    blocks.append(_section("Witnesses", witnesses(judged.verdict, palette)))
    if judged.comparisons:
        blocks.append(_section("Expected and seen", comparisons(judged, palette)))
    body = verdict(judged, palette)
    if scenario.published:
        body += f"\npublished trace: {scenario.published}; here: {judged.verdict.closing_segment or 'none'}"
    blocks.append(_section("Verdict", body))
    return fitted("\n\n".join(blocks), width)


def needs_a_look(judged: Assessment, palette: Palette = PLAIN) -> str:
    """Say why: `DIFFERS: expected FIN, got RST: unread data at close`, or every doubt, a line each."""
    if judged.outcome is Outcome.DIFFERS:
        return f"{palette.bold}{palette.bad}DIFFERS: {visible(reason(judged))}{palette.plain}"
    doubts = (f"{palette.warn}inconclusive: {visible(d)}{palette.plain}" for d in judged.verdict.doubts)
    return f"\n{_INDENT}".join(doubts)


def heading(scenario: Scenario, palette: Palette = PLAIN, *, width: int = WIDTH) -> str:
    """Render the scenario's name and its claim."""
    claim = textwrap.fill(
        visible(on_one_line(scenario.claim)),
        width - 2,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
    )
    return f"{palette.bold}== {scenario.name} =={palette.plain}\n{claim}"


def session(calls: Sequence[Call], *, everything: bool = False) -> str:
    """Render the session as a shell shows it."""
    return "\n".join(
        line for number, call in enumerate(calls, start=1) for line in prompt(number, call, everything)
    )


def prompt(number: int, call: Call, everything: bool = False) -> Iterator[str]:
    """Yield one line of the session and its result; also how long it took, where more than 10 ms."""
    source = visible_lines(call.source)
    if call.duration_us > _SLOW_US:
        source[-1] += f"  % {took(call.duration_us)}"
    yield f"{number}> {source[0]}"
    yield from (f"   {line}" for line in source[1:])
    result = visible_lines(call.result)
    if everything:
        yield from result
        return
    if len(result) > _LONG_RESULT:
        left_out = len(result) - _LONG_RESULT + 1
        result = [*result[: _LONG_RESULT - 3], f"... ({left_out} lines)", *result[-2:]]
    yield from map(_shortened, result)


def took(duration_us: int) -> str:
    """Format a duration for display: `12 ms`, `1.5 s`."""
    return f"{duration_us / 1e6:.3g} s" if duration_us >= 1_000_000 else f"{duration_us / 1000:.0f} ms"


def _shortened(line: str) -> str:
    if len(line) <= _LONG_LINE:
        return line
    return f"{line[:_LONG_LINE]}... ({len(line) - _LONG_LINE:,} characters more)"


def wire(
    connection: Connection,
    deciding: Sequence[int] = (),
    palette: Palette = PLAIN,
    node: Role | None = None,
    *,
    everything: bool = False,
    passages: Sequence[Passage] = (),
) -> str:
    """Render the connection in tcpdump's notation, relative numbers; seconds since its first segment.

    `node` is the role of the Erlang node, where there is one; for `passages` see trace_lines.
    """
    ends, *lines = trace_lines(connection, deciding, node, everything=everything, passages=passages)
    return "\n".join([ends.text, *(_traced(line, connection, deciding, palette) for line in lines)])


def _traced(line: TraceLine, connection: Connection, deciding: Sequence[int], palette: Palette) -> str:
    if line.index is None:
        return f"{palette.dim}  {line.text} (--all shows them){palette.plain}"
    if line.index not in deciding:
        return f"  {line.text}"
    colour = palette.bad if connection.segments[line.index].rst else palette.good
    return f"{colour}> {line.text}{palette.plain}  <- decides"


def witnesses(verdict: Verdict, palette: Palette = PLAIN) -> str:
    """Render what each witness says, and whether it agrees."""
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


def comparisons(judged: Assessment, palette: Palette = PLAIN) -> str:
    """Render each expectation and whether it was met."""
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


def verdict(judged: Assessment, palette: Palette = PLAIN) -> str:
    """Render how it ended, what the peer's own RST means where there is one, and the remarks."""
    found = judged.verdict
    lines = [headline(judged, palette), *why(found.candidates, found.told_apart_by)]
    if found.delivery is not None:
        lines.append(str(found.delivery))
    lines += peer_reset(found)
    lines += [f"note: {visible(remark)}" for remark in found.remarks]
    return "\n".join(lines)


def peer_reset(found: Verdict) -> list[str]:
    """Say why the peer sent a RST of its own.

    For example `the peer sent a RST (zero linger): linger time 0 was set ...`.
    """
    if found.peer_ending not in (Ending.RST, Ending.FIN_THEN_RST):
        return []
    cause = found.peer_cause if found.peer_cause is not None else Cause.UNKNOWN
    means = "the evidence does not say why" if cause is Cause.UNKNOWN else BY_CAUSE[cause].means
    candidates = why(found.peer_candidates, found.peer_told_apart_by)
    return [f"the peer sent a RST of its own ({cause}): {means}", *(f"  {line}" for line in candidates)]


def why(candidates: Sequence[Cause], told_apart_by: str) -> list[str]:
    """Say what an unknown cause may be, and what would tell.

    For example `it may be unread data at close or zero linger`.
    """
    if not candidates:
        return []
    apart = f"; {told_apart_by} would tell" if told_apart_by else ""
    return [f"it may be {' or '.join(candidates)}{apart}"]


def others(judged: Assessment, palette: Palette = PLAIN, *, everything: bool = False) -> str:
    """Render the other connections, a line each; of many only the first ones, unless `everything`."""
    lines = []
    shown = judged.others if everything else judged.others[:_MANY]
    for other in shown:
        name = f"{visible(other.name)}: " if other.name else ""
        ends = " ".join(
            long_name(other.connection, role, other.verdict.subject)
            for role in left_first(other.verdict.subject)
        )
        lines.append(f"{other.order}. {name}{summary(other.verdict, palette)}; {ends}")
        lines += [f"   {palette.warn}inconclusive: {visible(d)}{palette.plain}" for d in other.verdict.doubts]
    rest = Counter(str(other.verdict.ending) for other in judged.others[len(shown) :])
    if rest:
        lines.append(f"… {rest.total()} more: " + ", ".join(f"{n} {ending}" for ending, n in rest.items()))
    return "\n".join(lines)


def headline(judged: Assessment, palette: Palette = PLAIN) -> str:
    """Render the verdict in one line: ending, cause, closing segment, and whether it was expected."""
    if judged.outcome is Outcome.INCONCLUSIVE:  # which the verdict says itself
        return summary(judged.verdict, palette)
    return f"{summary(judged.verdict, palette)}: {outcome_word(judged.outcome, palette)}"


def summary(found: Verdict, palette: Palette = PLAIN) -> str:
    """Render a verdict in one line: ending, cause, closing segment, and how far it can be relied on."""
    colour = palette.bad if found.ending in (Ending.RST, Ending.FIN_THEN_RST) else palette.good
    because = f" ({found.cause})" if found.cause else ""
    segment = f" by {found.closing_segment}" if found.closing_segment else ""
    return (
        f"{palette.bold}{colour}{found.ending}{palette.plain}{because}{segment},"
        f" conn_state {found.conn_state}, {found.validity}"
    )


def outcome_word(outcome: Outcome, palette: Palette = PLAIN) -> str:
    """Return the outcome in its colour."""
    colour = {Outcome.AS_EXPECTED: palette.good, Outcome.DIFFERS: palette.bad}.get(outcome, palette.warn)
    return f"{colour}{outcome}{palette.plain}"


class Tally:
    """Counts many replays of one scenario as they come; keeps whole only those that were not as expected.

    `endings` counts them all, `conclusive` only those whose ending can be relied on, `peer_ends` how these
    ended for the peer's application. `examples` has a replay for each of the first five reasons to need a
    look, `count_by_reason` how many replays there were of each reason.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.endings: Counter[str] = Counter()
        self.conclusive: Counter[str] = Counter()
        self.peer_ends: Counter[str] = Counter()
        self.examples: list[Assessment] = []
        self.count_by_reason: Counter[str] = Counter()
        self.worst: Assessment | None = None
        self._kept = 5

    def add(self, judged: Assessment) -> None:
        """Count one more replay."""
        self.outcomes[judged.outcome] += 1
        self.endings[judged.verdict.ending] += 1
        if not judged.verdict.doubts:
            self.conclusive[judged.verdict.ending] += 1
            if judged.peer_report is not None:
                self.peer_ends[visible(judged.peer_report.end)] += 1
        if judged.outcome in (Outcome.DIFFERS, Outcome.INCONCLUSIVE):
            self._needs_a_look(judged)

    def _needs_a_look(self, judged: Assessment) -> None:
        why = reason(judged)
        if not self.count_by_reason[why] and len(self.examples) < self._kept:
            self.examples.append(judged)
        self.count_by_reason[why] += 1
        if self.worst is None or (self.worst.outcome, judged.outcome) == (
            Outcome.INCONCLUSIVE,
            Outcome.DIFFERS,
        ):
            self.worst = judged

    @property
    def total(self) -> int:
        """How many replays were counted."""
        return self.outcomes.total()

    @property
    def outcome(self) -> Outcome:
        """The worst outcome so far."""
        return worst(self.outcomes)

    def line(self, palette: Palette = PLAIN, *, interrupted_of: int | None = None) -> str:
        """Render the endings (shares of the conclusive ones) and outcomes (shares of all).

        In a race what the peer saw is as open as the ending: its shares instead of the outcomes'.
        `interrupted_of` is how many replays an interrupted run was to have, 0 where that is not known.
        """
        rows = shares(self.conclusive)
        if self.outcome is Outcome.RACE:
            rows |= {f"the peer sees {seen}": share for seen, share in shares(self.peer_ends).items()}
        else:
            rows |= shares({str(outcome): count for outcome, count in self.outcomes.items()})
        wide = max(map(len, rows), default=0)
        what = "a race: a distribution, no pass or fail; " if self.outcomes[Outcome.RACE] else ""
        doubted = self.total - self.conclusive.total()
        left_out = f"; {doubted} inconclusive, their endings left out" if doubted else ""
        number = f"{self.total} replay{'' if self.total == 1 else 's'}"
        if interrupted_of is not None and interrupted_of != self.total:
            number = f"{self.total:,} of {interrupted_of:,} replays" if interrupted_of else number
            number += ": interrupted"
        lines = [f"{number} ({what}with 95 % Wilson intervals{left_out})"]
        words = {str(outcome): outcome_word(outcome, palette) for outcome in self.outcomes}
        for name, s in rows.items():
            shown = words.get(name, name)
            lines.append(f"    {shown}{'':<{wide - len(name)}}  {s.count:>6}  {s.value:>6.1%}  [{s}]")
        return "\n".join(lines)


def _section(title: str, body: str) -> str:
    return f"{_INDENT}{title}\n{textwrap.indent(body, _INDENT * 2)}"
