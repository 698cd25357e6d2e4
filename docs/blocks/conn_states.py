"""The tables behind `conn_state`, as a reader wants them."""

from __future__ import annotations

from rst_or_fin.tcp.zeek_conn_state import MEANING, STATES, TRANSITIONS, WORDS, Word

from docs.blocks.words import table


def meanings() -> str:
    """List the words with their meanings."""
    return table(("word", "meaning"), [[f"`{word}`", meaning] for word, meaning in MEANING.items()])


def states() -> str:
    """List the states of an end."""
    return table(
        ("state", "what was seen of the end"), [[f"`{name}`", seen] for name, seen in STATES.items()]
    )


def transitions() -> str:
    """List what each event does; an end or a state left blank is any."""
    rows = [
        [
            _any_of(row.event),
            "" if " " in row.end else row.end,
            _any_of(row.own),
            _any_of(row.peer),
            _any_of(row.becomes) + (f", the peer {_any_of(row.peer_becomes)}" if row.peer_becomes else ""),
            row.because,
        ]
        for row in TRANSITIONS
    ]
    return table(("event", "end", "its state", "the peer's", "becomes", "because"), rows)


def words() -> str:
    """List which word is for which two states; a state left blank is any."""
    rows = [[_any_of(row.client), _any_of(row.server), _also(row), f"`{row.word}`"] for row in WORDS]
    return table(("client", "server", "and", "word"), rows)


def _any_of(cell: str) -> str:
    names = cell.split()
    left_out = [name for name in STATES if name not in names]
    if not left_out:
        return ""
    if len(left_out) == 1:
        return f"not `{left_out[0]}`"
    return " or ".join(f"`{name}`" for name in names)


def _also(row: Word) -> str:
    first, _, _ = (row.also.__doc__ or "").partition("\n") if row.also else ("", "", "")
    return first.removeprefix("Return whether ").rstrip(".")
