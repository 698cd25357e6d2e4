"""A judged capture at the terminal: the answer on the first screen, and one connection in full. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rst_or_fin.analysis.captured import Case, JudgedCapture
from rst_or_fin.analysis.overview import Overview, ResetGroup, ResetPattern, causes_of, in_words
from rst_or_fin.escaping import clipped, visible
from rst_or_fin.report import times
from rst_or_fin.report.how_to_tell import commands
from rst_or_fin.report.palette import PLAIN, Palette
from rst_or_fin.report.wording import counted
from rst_or_fin.tcp.connection import Connection, Roles
from rst_or_fin.tcp.ending import Ending, Role, Validity
from rst_or_fin.tcp.segment import Endpoint, Segment
from rst_or_fin.verdict.signs import signs
from rst_or_fin.verdict.witnesses import WitnessName

_Row = TypeVar("_Row")
WIDTH = 80
_AGREES = {True: "agrees", False: "DISAGREES", None: "says"}
_NOT_SHOWN = (WitnessName.WIRE, WitnessName.PEER)  # the segments are shown, and no application reports
_ROWS_MAX = 10  # of a table, before the rest is summed up
_LONG_STRETCH = 14  # segments in a row that decide nothing, before their middle is left out
_KEPT = 5


def overview(seen: Overview, capture: JudgedCapture, name: str, palette: Palette = PLAIN) -> str:
    """Render the first screen: endings, who resets whom, what cannot be told, what is worth a look.

    Where nothing passes the filters, say so, and when the capture was made.
    """
    if not seen.total:
        return _nothing(capture, name, palette)
    blocks = [
        _heading(seen, capture, name, palette),
        _block("How they ended", _endings(seen, palette), palette),
        _block("Who resets whom", list(_resets(seen)), palette),
        _block("What the capture cannot tell", list(_open(seen, capture)), palette),
        _block("Worth a look, RSTs first", list(_look(seen, palette)), palette),
    ]
    return "\n\n".join(block for block in blocks if block)


def _heading(seen: Overview, capture: JudgedCapture, name: str, palette: Palette) -> str:
    number = counted(seen.total, "connection")
    if seen.total != capture.connections:
        number = f"{seen.total} of {counted(capture.connections, 'connection')}"
    when = times.span(seen.first_ns, seen.last_ns) if seen.first_ns is not None and seen.last_ns else ""
    return _wrapped(f"{palette.bold}{visible(name)}{palette.plain}: {number}, {when}", indent="  ")


def _nothing(capture: JudgedCapture, name: str, palette: Palette) -> str:
    number = counted(capture.connections, "connection")
    when = f"; the capture spans {times.span(*capture.span)}" if capture.span else ""
    return _wrapped(
        f"{palette.bold}{visible(name)}{palette.plain}: none of {number} matches the filters{when}",
        indent="  ",
    )


def _block(title: str, lines: Sequence[str], palette: Palette) -> str:
    return "\n".join([f"{palette.bold}{title}{palette.plain}", *lines]) if lines else ""


def _endings(seen: Overview, palette: Palette) -> list[str]:
    rows = []
    for (how, validity), number in _most(seen.ranked_endings):
        colour = palette.bad if "RST" in how else palette.good if how.startswith("FIN") else ""
        doubted = f" {palette.warn}(inconclusive){palette.plain}" if validity != Validity.CONCLUSIVE else ""
        rows.append(f"{number:>9}  {colour}{how}{palette.plain if colour else ''}{doubted}")
    return rows + _rest(len(seen.endings))


def _resets(seen: Overview) -> Iterator[str]:
    for way, group in _most(seen.ranked_patterns):
        doubted = f", {group.inconclusive} of them inconclusive" if group.inconclusive else ""
        text = f"{who(way, group)}: {way.ending}, {way.why}{doubted} (such as #{group.number})"
        yield _wrapped(text, lead=f"{group.total:>9}  ")
    yield from _rest(len(seen.groups))


def who(way: ResetPattern, group: ResetGroup) -> str:
    """Say who resets whom: `server 10.0.0.3:80 resets 2 clients`, `3 clients reset the server of port 80`."""
    several = len(group.resetting) > 1
    host = f"{len(group.resetting)} hosts" if several else next(iter(group.resetting))
    verb = "reset" if several else "resets"
    if way.by == "server":
        host = (
            f"{len(group.resetting)} servers of port {way.port}"
            if several
            else f"server {_at(host, way.port)}"
        )
        others = "its client" if len(group.others) == 1 else f"{len(group.others)} clients"
    elif way.by == "client":
        host = f"{len(group.resetting)} clients" if several else f"client {host}"
        others = f"server port {way.port}" + (
            f" of {len(group.others)} hosts" if len(group.others) > 1 else ""
        )
    else:
        others = f"the other end (lower port: {way.port})"
    return f"{host} {verb} {others}"


def _at(host: str, port: int) -> str:
    return str(Endpoint(host, port))


def _open(seen: Overview, capture: JudgedCapture) -> Iterator[str]:
    for candidates, known in list(seen.open_causes.items())[:_ROWS_MAX]:
        text = f"why the RST left: {' or '.join(candidates)}"
        text += f"; {known.told_apart_by} would tell" if known.told_apart_by else ""
        yield _wrapped(f"{text} (#{known.number})", lead=f"{known.total:>9}  ")
    for doubt, number in _most(seen.doubts.most_common()):
        yield _wrapped(f"{visible(doubt)} (#{seen.doubted[doubt]})", lead=f"{number:>9}  ")
    yield from _rest(len(seen.doubts))
    yield from (_wrapped(line, lead=" " * 11) for line in of_capture(capture))


def of_capture(capture: JudgedCapture) -> Iterator[str]:
    """Yield what the capture says of itself, a line each: where it breaks off, what was skipped."""
    reading = capture.reading
    yield from (f"the capture: {visible(doubt)}" for doubt in reading.doubts)
    if reading.dropped:
        yield f"the capture: {counted(reading.dropped, 'frame')} dropped"
    for host in capture.offloaded:
        yield f"the capture: every checksum from {host} is wrong: probably checksum offload"
    others = ", ".join(f"{number} {what}" for what, number in reading.passed_over.most_common(8))
    if others:
        yield f"frames without a TCP segment: {others}"


def _look(seen: Overview, palette: Palette) -> Iterator[str]:
    shown = seen.shown
    yield from (line(case, palette) for case in shown)
    if seen.worth_a_look > len(shown):
        more = seen.worth_a_look - len(shown)
        yield f"  ... and {more} more: --ending RST, --cause, --host, --port, --json-lines"
    if shown:
        yield f"  one of them in full: --connection {shown[0].number}"


def line(case: Case, palette: Palette = PLAIN) -> str:
    """Render one connection in two lines: when, who, how it ended and by which segment."""
    connection, found = case.connection, case.verdict
    colour = palette.bad if _is_reset(case) else palette.good
    doubted = "" if found.validity is Validity.CONCLUSIVE else ", inconclusive"
    said = f"{in_words(connection, found)}{doubted}"
    first = f"  #{case.number} {times.time_of_day(case.first_ns)} {connection.client} > {connection.server}"
    second = f"{colour}{said}{palette.plain}"
    told = [second, *(f"{connection.notation(s)} (frame {s.frame_no})" for s in _shown(case)[:1])]
    return "\n".join([clipped(first, WIDTH), _wrapped(": ".join(told), lead="      ")])


def _shown(case: Case) -> list[Segment]:
    """Return the deciding segments, RSTs before FINs."""
    deciding = [case.connection.segments[index] for index in case.verdict.deciding]
    return sorted(deciding, key=lambda segment: not segment.rst)


def _is_reset(case: Case) -> bool:
    return any(e in (Ending.RST, Ending.FIN_THEN_RST) for e in (case.verdict.client, case.verdict.server))


# One connection


def detail(case: Case, palette: Palette = PLAIN) -> str:
    """Render one connection with absolute times, frame numbers and the segments that decide."""
    connection, found = case.connection, case.verdict
    lines = [
        f"{palette.bold}connection {case.number}{palette.plain}: {ends(connection)}",
        f"{times.date_time(case.first_ns)} UTC, {counted(len(connection.segments), 'segment')}",
        "",
        *segments(case, palette),
        "",
        *verdict_lines(case, palette),
    ]
    lines += [
        _wrapped(f"{w.name} {_AGREES[w.agrees]}: {visible(w.says)}", indent="  ")
        for w in found.witnesses
        if w.name not in _NOT_SHOWN
    ]
    lines += [_wrapped(f"sign: {visible(sign)}", indent="  ") for sign in signs(connection)]
    closer = f"{_the(connection, found.active_closer)} closed first, " if found.active_closer else ""
    lines += [_wrapped(f"note: {visible(remark)}", indent="  ") for remark in found.remarks]
    lines.append(f"{closer}conn_state {found.conn_state}, {found.validity}")
    for doubt in found.doubts:
        lines.append(
            f"{palette.warn}{_wrapped(f'inconclusive: {visible(doubt)}', indent='  ')}{palette.plain}"
        )
    return "\n".join(lines)


def ends(connection: Connection) -> str:
    """Name both ends: `client 10.0.0.2:40000, server 10.0.0.3:80`.

    Only the addresses where nothing tells which is which.
    """
    if connection.roles is Roles.NOT_SEEN:
        return f"{connection.client}, {connection.server}"
    told = "" if connection.roles is Roles.HANDSHAKE else f" (by {connection.roles})"
    return f"client {connection.client}, server {connection.server}{told}"


def segments(case: Case, palette: Palette = PLAIN) -> Iterator[str]:
    """Yield a line for each segment: frame, time of day, seconds since the first, direction, notation."""
    connection, deciding = case.connection, set(case.verdict.deciding)
    every = connection.segments
    wide = max(5, len(str(every[-1].frame_no)))
    yield f"  {'frame':>{wide}} {'time (UTC)':<15} {'seconds':>10}"
    skipped = 0
    for index, segment in enumerate(every):
        if _is_left_out(case, index):
            skipped += 1
            continue
        if skipped:
            yield f"  {'...':>{wide}} {counted(skipped, 'segment')} omitted (data and ACKs)"
            skipped = 0
        text = (
            f"{segment.frame_no:>{wide}} {times.time_of_day(segment.t_ns)} "
            f"{(segment.t_ns - every[0].t_ns) / 1e9:>10.6f} {_way(connection, connection.role(segment))} "
            f"{connection.notation(segment)} win {segment.window}"
        )
        if index in deciding:
            colour = palette.bad if segment.rst else palette.good
            yield f"{colour}> {text}{palette.plain}  <- decides"
        else:
            yield f"  {text}"


def _is_left_out(case: Case, index: int) -> bool:
    """Return whether a segment is in the middle of a long stretch that opens and ends nothing."""
    every, deciding = case.connection.segments, case.verdict.deciding
    if len(every) <= 2 * _LONG_STRETCH or index in deciding:
        return False
    segment = every[index]
    if segment.syn or segment.fin or segment.rst:
        return False
    places = (0, len(every) - 1, *deciding)
    return all(abs(index - place) > _KEPT for place in places)


def _way(connection: Connection, role: Role) -> str:
    if connection.roles is Roles.NOT_SEEN:
        return f"{connection.name(role)} >"
    return f"{role} > {role.other}"


def verdict_lines(case: Case, palette: Palette = PLAIN) -> Iterator[str]:
    """Yield how each end ended and why; where the cause is open, the candidates and how to tell."""
    connection, found = case.connection, case.verdict
    for role, ending in ((Role.CLIENT, found.client), (Role.SERVER, found.server)):
        cause, candidates, _ = causes_of(found, role)
        colour = palette.bad if ending in (Ending.RST, Ending.FIN_THEN_RST) else palette.good
        because = f" ({cause})" if cause else ""
        yield f"{connection.name(role)}: {palette.bold}{colour}{ending}{palette.plain}{because}"
        if candidates:
            yield _wrapped(f"it may be {' or '.join(candidates)}", lead="  ")
            yield f"  to tell, on {connection.endpoint(role).address}:"
            yield from (f"    {command}" for command in commands(candidates, role, connection.server))


def _the(connection: Connection, role: Role) -> str:
    name = connection.name(role)
    return f"the {name}" if name in tuple(Role) else name


def _wrapped(text: str, *, lead: str = "", indent: str | None = None) -> str:
    blank = " " * len(lead) if indent is None else indent
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=blank,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _most(rows: Sequence[_Row]) -> Sequence[_Row]:
    return rows[:_ROWS_MAX]


def _rest(number: int) -> list[str]:
    return [f"{'...':>9}  and {number - _ROWS_MAX} more kinds (--json has all)"] if number > _ROWS_MAX else []
