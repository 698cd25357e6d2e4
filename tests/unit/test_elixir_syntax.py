"""What is said of an Elixir session before any node has it, with its line."""

from __future__ import annotations

import pytest
from rst_or_fin.scenario.elixir_syntax import problems
from rst_or_fin.storage import scenario_files


@pytest.mark.parametrize(
    "text",
    [
        'x = "a ) #{f.("}")} \\" end"',
        "x = 'a ( b'",
        '"""\na """ ( b\n  """',
        "~s(a ] \\) #{1}) <> ~S{#{ \\} } <> ~r/[(]/ <> ~w[a b]",
        '[?(, ?", ?\\), ?#]',
        "f = fn -> 1 end\nf.()",
        "if x, do: 1, else: 2",
        "if x do\n  1\nend # end )",
        "[do: 1, fn: 2, end: 3]",
        "x.end == :end and :{} != :<<>>",
        "<<1, 2::16>> <<< 1",
        "x = 1 >>> 2",
        "@end",
        "await_unread(sock, 485)\nawait_unread_all = 1",
        "defmodule M do\n  def await_unred(s), do: s\nend\nM.await_unred(1)",
        "import M\nawait_unred(sock, 1)",
    ],
)
def test_what_parses_is_not_said_to_be_wrong(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a\nf = fn -> 1", 2, "does not parse: `fn` is not closed: `end` is missing"),
        ("if a do\n(1\nend", 3, "does not parse: `(` is closed by `)`, not by `end`"),
        ("a\nend", 2, "does not parse: `end` closes nothing"),
        ("f([1)", 1, "does not parse: `[` is closed by `]`, not by `)`"),
        ("x = <<1", 1, "does not parse: `<<` is not closed: `>>` is missing"),
        ('a\nx = "b\nc', 2, 'does not parse: the text that begins here has no closing `"`'),
        ('x = """\nb """', 1, 'does not parse: the text that begins here has no closing `"""`'),
        ("\nx = ~r/a", 2, "does not parse: the text that begins here has no closing `/`"),
        ('x = "#{f("\n', 1, 'does not parse: the text that begins here has no closing `"`'),
        (
            "a\nawait_unred(s, 1)",
            2,
            "calls `await_unred`, which a session does not know (did you mean `await_unread`?)",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, why: str) -> None:
    assert [(problem.line, problem.why.endswith(why)) for problem in problems(text)] == [(line, True)]


def test_nothing_is_wrong_with_the_catalogues_own() -> None:
    found = [scenario_files.find(name).scenario for name in scenario_files.names()]
    elixir = [each for each in found if each.language == "elixir"]
    assert ([problems(each.session) for each in elixir], len(elixir) > 0) == ([[]] * len(elixir), True)
