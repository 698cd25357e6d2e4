"""A client's steps: what is one, and what is said of what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.agents.client_steps import (
    Action,
    AwaitEnd,
    Close,
    Connect,
    Fin,
    Read,
    Request,
    Rst,
    SendBytes,
    SendCount,
    errors,
    parse,
)
from rst_or_fin.agents.script import Wait

WORDS = [*"1:2:", "1:", "2:", "send", "request", "read", "expect", "wait", "FIN", "RST", "close", "connect"]
WORDS += [
    "body",
    "continue",
    "within",
    "answer",
    "all",
    "end",
    "bytes",
    "5",
    "50ms",
    '"',
    "#",
    '"a\\r"',
    "\\",
]


def told(text: str) -> list[tuple[int, str]]:
    return [(error.line, error.why) for error in errors(text)]


@given(st.one_of(st.text(), st.lists(st.sampled_from([*WORDS, "\n"])).map(" ".join)))
def test_any_text_is_steps_or_has_errors_on_its_own_lines(text: str) -> None:
    lines = {line for line, _ in told(text)} or {step.line for step in parse(text)}
    assert lines <= set(range(text.count("\n") + 2))


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("connect", Connect()),
        ('send "GET / HTTP/1.1\\r\\n\\r\\n"', SendBytes(b"GET / HTTP/1.1\r\n\r\n")),
        ('send "a # b" # a comment', SendBytes(b"a # b")),
        ('send "\\x00\\xff\\x7f\\\\\\"\\t"', SendBytes(b'\x00\xff\x7f\\"\t')),
        ('send "\u00e9"', SendBytes(b"\xc3\xa9")),
        ("send 5000 bytes", SendCount(5000)),
        ("request", Request()),
        ("request body 5", Request(5)),
        ("request body 5 continue", Request(5, 1.0)),
        ("request body 5 continue within 2s", Request(5, 2.0)),
        ("read 10", Read(10)),
        ("read answer within 50ms", Read(within_s=0.05)),
        ("read all", Read(to_end=True)),
        ("expect end", AwaitEnd(5.0)),
        ("wait 50ms", Wait(1, 0.05)),
        ("FIN", Fin()),
        ("RST", Rst()),
        ("close", Close()),
    ],
)
def test_a_line_is_a_step(line: str, action: Action) -> None:
    assert [step.action for step in parse(line)] == [action]


def test_a_number_names_the_connection() -> None:
    text = "request\n2: request\n\n# a comment\n1:read all\n2: RST"
    assert [(step.line, step.connection) for step in parse(text)] == [(1, 1), (2, 2), (5, 1), (6, 2)]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 0, "there is no step"),
        ("# nothing", 0, "there is no step"),
        (
            "sned 5 bytes",
            1,
            "'sned' is not a step; a step begins with one of: send, request, read, expect, wait",
        ),
        ("fin", 1, "'fin' is not a step"),
        ('"GET"', 1, "a text is not a step"),
        ("0: request", 1, "'0:' is not a step"),
        ("2:", 1, "a step is missing after the connection's number"),
        ("send", 1, "`send` takes a text"),
        ("send 5", 1, "`send` takes a text"),
        ('send ""', 1, "an empty text sends nothing"),
        ('send "GET', 1, "the text is not closed"),
        ('send "\\q"', 1, "`\\q` is none of"),
        ('send "a" "b"', 1, "a text is not known after `send`"),
        ("send 0 bytes", 1, "expected a number of bytes from 1 to 100000000, got '0'"),
        ("request body", 1, "expected a number of bytes from 1 to 100000000, got ''"),
        ("request body 5 continue within", 1, "`within` needs a value"),
        ("request continue", 1, "`continue` is about a body"),
        ("request again", 1, "'again' is not known after `request`"),
        ("request within 5s", 1, "'within' is not known after `request`"),
        ("read", 1, "`read` takes a number of bytes, `answer` or `all`"),
        ("read 5 within soon", 1, "'soon' is not a duration"),
        ("wait", 1, "`wait` takes one duration"),
        ("wait 61s", 1, "'61s' is too long"),
        ("expect FIN", 1, "a client can expect one thing"),
        ("FIN now", 1, "'now' is not known after `FIN`"),
        ("request\nconnect", 2, "connection 1 is connected already"),
        ("request\nFIN\nrequest", 3, "connection 1 has sent its FIN already"),
        ("FIN\nFIN", 2, "connection 1 has sent its FIN already"),
        ("2: RST\n2: read all", 2, "connection 2 is closed already"),
        ("close\nwait 5ms", 2, "connection 1 is closed already"),
    ],
)
def test_what_is_none_is_told_with_its_line(text: str, line: int, why: str) -> None:
    [(found, said)] = told(text)
    assert (found, said[: len(why)]) == (line, why)


def test_everything_that_is_wrong_is_told_in_the_order_of_lines() -> None:
    assert [line for line, _ in told("RST\nrequest\nsned\nread\n")] == [2, 3, 4]
