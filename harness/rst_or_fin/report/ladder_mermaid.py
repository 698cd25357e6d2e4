"""The ladder as a Mermaid sequence diagram, as Markdown on GitHub and GitLab renders it.

Text is limited to letters, digits and a few marks; everything else goes as Mermaid's entity codes (`#60;`),
so that no text from outside can end a statement, open markup or start a directive.
"""

from __future__ import annotations

from collections.abc import Iterator

from rst_or_fin.escaping import clipped, visible, wrapped
from rst_or_fin.report.ladder import (
    BufferRow,
    CallRow,
    FoldRow,
    Host,
    Ladder,
    PeerRow,
    ReturnRow,
    Row,
    SegmentRow,
)

_LITERAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:()=/_+-'\"{}[]\\")
_WIDTH = 44
_OVER_BOTH = 34  # what fits between two hosts that stand as close as Mermaid puts them
_RESULT_LINES = 2
_TINT = {True: "rgba(207, 34, 46, 0.16)", False: "rgba(26, 127, 55, 0.16)"}


def render(ladder: Ladder) -> str:
    """Render one `sequenceDiagram`, ending in a newline."""
    lines = [
        "sequenceDiagram",
        f"    accTitle: {escaped(ladder.title)}",
        f"    accDescr: {escaped(ladder.description)}",
        f"    participant L as {_host(ladder.left)}",
        f"    participant R as {_host(ladder.right)}",
    ]
    for row in ladder.rows:
        lines += (f"    {line}" for line in _row(row))
    lines += (f"    Note over L,R: {_text(text, _OVER_BOTH)}" for text in (ladder.verdict, *ladder.notes))
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Write all but a few harmless characters as entity codes."""
    return "".join(c if c in _LITERAL else f"#{ord(c)};" for c in visible(text))


def _host(host: Host) -> str:
    return "<br/>".join(escaped(part) for part in (f"{host.name} ({host.role})", host.address) if part)


def _row(row: Row) -> Iterator[str]:
    match row:
        case SegmentRow():
            yield from _segment(row)
        case CallRow():
            text = _text(f"{row.number}> {row.source}", _WIDTH)
            if row.result is not None:
                text += f"<br/>{_result(row.result)}"
            yield f"Note left of L: {text}"
        case ReturnRow():
            yield f"Note left of L: {_text(f'{row.number}:', _WIDTH)} {_result(row.result)}"
        case BufferRow():
            yield f"Note over L: {row.text.replace(': ', ':<br/>', 1)}"
        case PeerRow():
            yield f"Note right of R: {_text(row.says, _WIDTH)}<br/>{_text(row.detail, _WIDTH)}"
        case FoldRow():
            yield (
                f"Note over L,R: {row.count} segments left out:"
                f" {row.rightward_len} bytes to the peer, {row.leftward_len} bytes from it"
            )


def _segment(row: SegmentRow) -> Iterator[str]:
    source, target = ("L", "R") if row.rightward else ("R", "L")
    arrow = "-x" if row.reset and row.meaning else "->>"
    message = f"{source}{arrow}{target}: {escaped(row.label)}"
    if not row.meaning:
        yield message
        return
    yield f"rect {_TINT[row.reset]}"
    yield f"    {message}"
    yield f"    Note over L,R: {_text(row.meaning, _OVER_BOTH)}"
    yield "end"


def _result(result: str) -> str:
    parts = wrapped(result, _WIDTH)
    if len(parts) > _RESULT_LINES:
        parts = [*parts[: _RESULT_LINES - 1], clipped(parts[_RESULT_LINES - 1] + " …", _WIDTH)]
    return "<br/>".join(escaped(part) for part in parts)


def _text(text: str, width: int) -> str:
    return "<br/>".join(escaped(part) for part in wrapped(text, width))
