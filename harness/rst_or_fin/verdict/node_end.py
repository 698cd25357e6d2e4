"""Finds out whether a node that is gone was ended by its own session's close line, or otherwise.

The kernel closes the sockets of a killed process much as gen_tcp:close/1 closes them: only who ended the node
shows whether that close is the one that the scenario is about. Pure.
"""

from __future__ import annotations

import re
import signal

from rst_or_fin.evidence.records import Replay

# What evidently ends the node that evaluates it: a halt, init's ways, the shell's, Elixir's, and a signal.
_HALTS = re.compile(
    r"\bhalt\s*\(|\binit\s*[:.]\s*(?:stop|reboot|restart)\b|\bq\s*\(\s*\)|\bSystem\.(?:halt|stop|restart)\b"
)
_PID = r"(?:\bgetpid\b|\bSystem\.pid\b)"
_KILLS = re.compile(rf"\bkill\b.*{_PID}|{_PID}.*\bkill\b", re.DOTALL)


def is_evident(source: str) -> bool:
    """Return whether the source of a session's line shows that it ends the node."""
    return bool(_HALTS.search(source) or _KILLS.search(source))


def doubt(replay: Replay, *, ends_node: bool) -> str:
    """Return why the close may not be the session's; "" if the close line ended the node.

    For a node that is gone after its close line was reached. `ends_node`: the scenario says that this line
    ends it.
    """
    source = replay.calls[replay.close_line - 1].source
    if not (ends_node or is_evident(source)):
        return (
            f"the node was ended from outside, not by its session{_by(replay)};"
            " if the close line is meant to end it, set `ends_node = true`"
        )
    halts_alone = _HALTS.search(source) and not _KILLS.search(source)
    if halts_alone and replay.node_status == -signal.SIGKILL:
        return f"the node was ended from outside before its close line could do so{_by(replay)}"
    return ""


def _by(replay: Replay) -> str:
    """Say how the node's process ended, as far as that is known."""
    status = replay.node_status
    if status is None:
        return ""
    if status >= 0:
        return f" (exit code {status})"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f" ({name}, perhaps from the out-of-memory killer)" if status == -signal.SIGKILL else f" ({name})"
