"""Explains which wait of a session's line timed out (erlang/src/socket_waits.erl). Pure."""

from __future__ import annotations

import re

_TOO_FEW = re.compile(r"\{(unread|received|read)_timeout,(\d+),(\d+)\}")
_VERBS = {"unread": "were unread", "received": "had come", "read": "had been read"}
_OTHERS = {
    "{peer_fin_timeout,": "the peer's FIN had not come",
    "error: closed_timeout": "the kernel's socket had sent neither FIN nor RST",
}
_AFTER = "after 5 s"


def explained(error: str) -> str:
    """Append what a crash's term means: `485 of 486 bytes were unread after 5 s`."""
    few = _TOO_FEW.search(error)
    if few:
        return f"{error} ({few[2]} of {few[3]} bytes {_VERBS[few[1]]} {_AFTER})"
    meant = next((words for term, words in _OTHERS.items() if term in error), "")
    return f"{error} ({meant} {_AFTER})" if meant else error
