"""The ladder as SVG: selectable text, on its own ground in light and in dark, readable without colour.

Three columns: the Erlang session, the ladder, the peer's view. One pass lays the rows out from top to bottom,
each drawing itself at its height; the rails and bars come last, as their lengths are known only then.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from rst_or_fin.escaping import clipped, visible, wrapped
from rst_or_fin.report.ladder import (
    BufferRow,
    CallRow,
    FoldRow,
    Ladder,
    PeerRow,
    ReturnRow,
    Row,
    SegmentRow,
)

# Geometry in pixels. A column of monospaced text is as wide as its widest common font: 0.61 em.
_FONT = 12
_CHARACTER = _FONT * 0.61
_LINE = 17
_MARGIN = 18
_SESSION_LEN, _PEER_LEN, _WORDS_LEN = 50, 35, 46
_GAP = 18
_LEFT = round(_MARGIN + _SESSION_LEN * _CHARACTER + _GAP)
_SPAN = 340
_RIGHT = _LEFT + _SPAN
_WIDTH = round(_RIGHT + _GAP + _PEER_LEN * _CHARACTER + _MARGIN)
_HEAD = 66
_RESULT_LINES = 2

STYLE = """
.ladder { --paper: #ffffff; --ink: #1f2328; --dim: #5d6670; --rail: #a8b1bb; --faint: #eef1f4;
  --rst: #c1121f; --fin: #11713b; --mark: #8a5a00; font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas,
  "DejaVu Sans Mono", "Liberation Mono", monospace; }
@media (prefers-color-scheme: dark) { .ladder { --paper: #12171d; --ink: #e4e9ee; --dim: #98a3af;
  --rail: #55606c; --faint: #1c232b; --rst: #ff7b72; --fin: #57d177; --mark: #e3b341; } }
.ladder text { fill: var(--ink); white-space: pre; }
.ladder .paper { fill: var(--paper); }
.ladder .dim { fill: var(--dim); }
.ladder .strong { font-weight: 600; }
.ladder .words, .ladder .head { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
.ladder .rail { stroke: var(--rail); stroke-width: 1.5; }
.ladder .gone { stroke-dasharray: 2 5; }
.ladder .box { fill: var(--faint); stroke: var(--rail); }
.ladder .bar { fill: var(--faint); stroke: var(--rail); }
.ladder .dot { fill: var(--ink); }
.ladder .arrow { stroke: var(--dim); stroke-width: 1.25; fill: none; }
.ladder .tip { fill: var(--dim); }
.ladder .fold { stroke: var(--rail); stroke-dasharray: 1 4; }
.ladder .rst text, .ladder text.rst { fill: var(--rst); }
.ladder .fin text, .ladder text.fin { fill: var(--fin); }
.ladder .rst .arrow, .ladder .fin .arrow { stroke-width: 2.5; }
.ladder .rst .arrow { stroke: var(--rst); }
.ladder .fin .arrow { stroke: var(--fin); }
.ladder .rst .tip { fill: var(--rst); }
.ladder .fin .tip { fill: var(--fin); }
.ladder .band { opacity: 0.1; }
.ladder .rst .band { fill: var(--rst); }
.ladder .fin .band { fill: var(--fin); }
.ladder text.mark { fill: var(--mark); }
.ladder .gauge { fill: none; stroke: var(--mark); }
.ladder .level { fill: var(--mark); }
"""


def render(ladder: Ladder, name: str = "ladder", *, style: bool = True) -> str:
    """Render the drawing.

    `name` tells its ids from others' in a page; without `style` the page must hold STYLE.
    """
    drawing = _Drawing(ladder)
    body = "\n".join(drawing.parts)
    sheet = f"<style>{STYLE}</style>\n" if style else ""
    size = f'width="{_WIDTH}" height="{drawing.height}" viewBox="0 0 {_WIDTH} {drawing.height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" {size} role="img"'
        f' aria-labelledby="{_safe(name)}-title {_safe(name)}-desc">\n'
        f'<title id="{_safe(name)}-title">{_safe(ladder.title)}</title>\n'
        f'<desc id="{_safe(name)}-desc">{_safe(ladder.description)}</desc>\n'
        f"{sheet}{body}\n</svg>\n"
    )


class _Drawing:
    """The parts drawn so far and the height they have reached."""

    def __init__(self, ladder: Ladder) -> None:
        self.parts: list[str] = []
        self._y = _HEAD
        self._called: dict[int, int] = {}
        self._bars: list[tuple[int, int]] = []
        self._reset_y: int | None = None
        for row in ladder.rows:
            self._row(row)
        foot = self._y + 8
        self._bars += [(top, foot) for top in self._called.values()]  # a call that never returned
        self._y = foot + 8
        self._footer(ladder)
        self.height = self._y + 12
        ground = f'<rect class="paper" width="{_WIDTH}" height="{self.height}" rx="8"/>'
        self.parts = [ground, *self._rails(foot), *self._heads(ladder), *self.parts]

    def _row(self, row: Row) -> None:
        match row:
            case SegmentRow():
                self._segment(row)
            case CallRow():
                self._call(row)
            case ReturnRow():
                top = self._called.pop(row.number, self._y)
                self._result(row.number, row.result)
                self._bars.append((top, self._y - 5))
            case BufferRow():
                self._buffer(row)
            case PeerRow():
                self._peer(row)
            case FoldRow():
                self._fold(row)

    def _segment(self, row: SegmentRow) -> None:
        kind = ("rst" if row.reset else "fin") if row.meaning else "plain"
        words = wrapped(row.meaning, _WORDS_LEN) if row.meaning else []
        height = 30 + (_LINE * len(words) + 6 if words else 0)
        y = self._y + 22
        self.parts.append(f'<g class="{kind}">')
        if row.meaning:
            self.parts.append(
                f'<rect class="band" x="{_LEFT}" y="{self._y + 3}" width="{_SPAN}" height="{height - 3}"/>'
            )
        middle = (_LEFT + _RIGHT) // 2
        strong = "strong" if row.meaning else ""
        self._text(middle, y - 6, row.label, f"{strong} ".strip(), anchor="middle")
        self._arrow(y, row)
        for number, line in enumerate(words):
            self._text(middle, y + 19 + number * _LINE, line, "words strong", anchor="middle")
        self.parts.append("</g>")
        self._text(_LEFT - _GAP, y + 4, _time(row.t_ns), "dim", anchor="end")
        if row.payload_len:
            self._text(_RIGHT + _GAP, y + 4, _payload(row), "dim")
        self._y += height
        if row.reset and row.meaning and self._reset_y is None:
            self._reset_y = y

    def _arrow(self, y: int, row: SegmentRow) -> None:
        """Draw a segment's arrow; a deciding RST's ends in a cross too, so that colour is not its only sign.

        That of a lost segment ends in a bar on its way; that of one which its end never sent begins there, in
        a ring.
        """
        start, end, way = (_LEFT + 5, _RIGHT - 3, 1) if row.rightward else (_RIGHT - 5, _LEFT + 3, -1)
        if not row.leaves:
            start += _SPAN // 3 * way
            self.parts.append(f'<circle class="arrow" cx="{start}" cy="{y}" r="4" fill="none"/>')
        if not row.arrives:
            end -= _SPAN // 3 * way
            self.parts.append(f'<path class="arrow" d="M{start} {y}H{end}M{end} {y - 7}v14"/>')
            return
        self.parts.append(f'<path class="arrow" d="M{start} {y}H{end - 6 * way}"/>')
        self.parts.append(f'<path class="tip" d="M{end} {y}l{-10 * way} -5v10z"/>')
        if row.reset and row.meaning:
            x = end - 20 * way
            self.parts.append(f'<path class="arrow" d="M{x - 5} {y - 5}l10 10m-10 0l10 -10"/>')

    def _call(self, row: CallRow) -> None:
        prompt = f"{row.number}> "
        y = self._y + 16
        self.parts.append(f'<path class="rail" d="M{_LEFT - _GAP + 4} {y - 4}H{_LEFT - 5}"/>')
        if row.t_ns is not None:
            self._text(_LEFT + 12, y, _time(row.t_ns), "dim")
        for number, line in enumerate(wrapped(row.source, _SESSION_LEN - len(prompt))):
            lead = prompt if number == 0 else " " * len(prompt)
            self._text(_MARGIN, y + number * _LINE, lead + line, "strong" if row.closes else "")
            self._y += _LINE
        self._y += 5
        if row.result is None:
            self._called[row.number] = y - 9
        else:
            self._result(None, row.result)
            self._bars.append((y - 9, self._y - 5))

    def _result(self, number: int | None, result: str) -> None:
        lead = "   = " if number is None else f"{number}: = "
        width = _SESSION_LEN - len(lead)
        lines = wrapped(result, width)
        if len(lines) > _RESULT_LINES:
            lines = [*lines[: _RESULT_LINES - 1], clipped(lines[_RESULT_LINES - 1] + " …", width)]
        for index, line in enumerate(lines):
            self._text(_MARGIN, self._y + 14, (lead if index == 0 else " " * len(lead)) + line, "dim")
            self._y += _LINE
        self._y += 5

    def _buffer(self, row: BufferRow) -> None:
        """Draw how full the receive buffer is at the close, as a gauge and in words."""
        y, width = self._y + 8, 64
        level = width * min(row.unread, row.received) // row.received if row.received else 0
        self.parts.append(f'<rect class="level" x="{_MARGIN}" y="{y}" width="{level}" height="10"/>')
        self.parts.append(
            f'<rect class="gauge" x="{_MARGIN}.5" y="{y}.5" width="{width}" height="10" rx="1"/>'
        )
        share = f"{row.unread} of {row.received}" if row.unread <= row.received else f"{row.unread}"
        text = f"{share} bytes unread"
        self._text(_MARGIN + width + 10, y + 9, text, "words strong mark")
        self.parts.append(
            f'<path class="gauge" stroke-dasharray="3 3" d="M{_LEFT + 5} {y + 5}H{_RIGHT - 5}"/>'
        )
        label = "right before the close"
        self.parts.append(
            f'<rect class="paper" x="{(_LEFT + _RIGHT) // 2 - 78}" y="{y - 2}" width="156" height="14"/>'
        )
        self._text((_LEFT + _RIGHT) // 2, y + 9, label, "words mark", anchor="middle")
        self._y += 26

    def _peer(self, row: PeerRow) -> None:
        x, y = _RIGHT + _GAP, self._y + 16
        self.parts.append(f'<path class="rail" d="M{_RIGHT} {y - 4}H{x - 4}"/>')
        self.parts.append(f'<circle class="dot" cx="{_RIGHT}" cy="{y - 4}" r="3.5"/>')
        if row.t_ns is not None:
            self._text(_RIGHT - 12, y, _time(row.t_ns), "dim", anchor="end")
        lines = [(line, "strong") for line in wrapped(row.says, _PEER_LEN)]
        lines += [(line, "dim") for line in wrapped(row.detail, _PEER_LEN)]
        for line, style in lines:
            self._text(x, self._y + 16, line, style)
            self._y += _LINE
        self._y += 6

    def _fold(self, row: FoldRow) -> None:
        y = self._y + 15
        self.parts.append(f'<path class="fold" d="M{_LEFT + 6} {y + 7}H{_RIGHT - 6}"/>')
        self._text((_LEFT + _RIGHT) // 2, y, f"… {row.count} segments …", "dim", anchor="middle")
        self._text(_RIGHT + _GAP, y, f"{row.rightward_len} bytes →, {row.leftward_len} bytes ←", "dim")
        self._y += 30

    def _footer(self, ladder: Ladder) -> None:
        width = round((_WIDTH - 2 * _MARGIN) / (_FONT * 0.55))
        for text, style in ((ladder.verdict, "words strong"), *((n, "words dim") for n in ladder.notes)):
            for line in wrapped(text, width):
                self._text(_MARGIN, self._y + 14, line, style)
                self._y += _LINE

    def _rails(self, foot: int) -> Iterable[str]:
        """Yield both hosts' lines, dotted after a RST, when nothing holds the connection any more."""
        gone = foot if self._reset_y is None else self._reset_y
        for x in (_LEFT, _RIGHT):
            yield f'<path class="rail" d="M{x} {_HEAD - 14}V{gone}"/>'
            if gone < foot:
                yield f'<path class="rail gone" d="M{x} {gone}V{foot}"/>'
        for top, end in self._bars:
            yield f'<rect class="bar" x="{_LEFT - 4}" y="{top}" width="8" height="{end - top}" rx="2"/>'

    def _heads(self, ladder: Ladder) -> Iterable[str]:
        """Yield the columns' headings and both hosts; a foreign capture's ladder has two empty columns."""
        left, right = ladder.left, ladder.right
        has_session = any(isinstance(row, CallRow) for row in ladder.rows)
        drawn, self.parts = self.parts, []
        if has_session:
            self._text(_MARGIN, 24, "Erlang session", "head dim")
        self._text(_MARGIN, 41, "(seconds since the first segment)", "head dim")
        if has_session:
            self._text(_WIDTH - _MARGIN, 24, "the peer's view", "head dim", anchor="end")
        for host, x in ((left, _LEFT), (right, _RIGHT)):
            self.parts.append(f'<rect class="box" x="{x - 88}" y="8" width="176" height="44" rx="6"/>')
            self._text(x, 26, f"{host.name} ({host.role})", "head strong", anchor="middle")
            self._text(x, 43, clipped(host.address, 24), "dim", anchor="middle")
        heads, self.parts = self.parts, drawn
        return heads

    def _text(self, x: int, y: int, text: str, style: str, anchor: str = "start") -> None:
        words = f' class="{style}"' if style else ""
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text x="{x}" y="{y}"{words}{at}>{_safe(text)}</text>')


def _payload(row: SegmentRow) -> str:
    return clipped(f"{row.payload_len} bytes: {row.payload}", _PEER_LEN)


def _time(t_ns: int) -> str:
    return f"{t_ns / 1e9:.6f}"


def _safe(text: str) -> str:
    return escape(visible(text))
