"""What a scenario can expect, the script's grammar and pytest's options, as the code has them."""

from __future__ import annotations

import argparse
import inspect
from types import ModuleType
from typing import Any

import pytest
from rst_or_fin import pytest_plugin
from rst_or_fin.agents import client_steps, script
from rst_or_fin.agents.kinds import ENDS
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.tcp.zeek_conn_state import MEANING

from docs.blocks.words import table


def expected_values() -> str:
    """Every point of an expectation with the values that it can have."""
    ends = dict.fromkeys(end for kind in ENDS.values() for end in kind)
    rows = (
        ("`ending`", "what the end under test does", _words(Ending)),
        ("`peer_ending`", "what its peer does", _words(Ending)),
        ("`cause`", "why it sent a RST: [the table](causes.md)", _words(Cause)),
        ("`closing_segment`", "its first closing segment", "as tcpdump writes it: `R. 19:19(0) ack 486`"),
        (
            "`peer_sees`",
            "what the peer's application got in the end",
            f"{_words(ends)}, or an errno's name: `ECONNRESET`, `EPIPE`, `ETIMEDOUT`",
        ),
        ("`peer_received`", "bytes that the peer's application read", "a whole number"),
        ("`peer_received_below`", "a bound for them, where a buffer decides", "a whole number"),
        ("`sent`", "bytes that the end under test sent", "a whole number"),
        ("`lost`", "how many of them the peer never read", 'a whole number, or `"some"`'),
        ("`conn_state`", "Zeek's word: [what they mean](conn-state.md)", _words(MEANING)),
        ("`returns`", "what the close line returned", "as the shell prints it: `ok`, `{error,closed}`"),
    )
    return table(("field", "what it is", "values"), rows)


def script_grammar() -> str:
    """Show the grammar of a scripted peer, with what its words mean."""
    return _grammar(script)


def steps_grammar() -> str:
    """Show the grammar of a client's steps, with what its words mean."""
    return _grammar(client_steps)


def _grammar(module: ModuleType) -> str:
    _, _, told = (inspect.getdoc(module) or "").partition("\n\n")
    return f"```text\n{told}\n```"


def pytest_options() -> str:
    """List what the plugin adds to pytest's command line."""
    parser = pytest.Parser(_ispytest=True)
    pytest_plugin.pytest_addoption(parser)
    group = parser.getgroup("rst-or-fin")
    return table(("option", "meaning", "default"), (_option(option) for option in group.options))


def _option(option: Any) -> tuple[str, str, str]:
    attributes: dict[str, Any] = option.attrs()
    choices = attributes.get("choices")
    what = "\\|".join(choices) if choices else attributes.get("metavar", "")
    default = attributes.get("default")
    name = next(iter(option.names()))
    return (
        f"`{name} {what}`",
        attributes["help"],
        "" if default in (None, argparse.SUPPRESS) else f"`{default}`",
    )


def _words(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)
