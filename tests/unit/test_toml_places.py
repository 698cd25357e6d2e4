"""Where values stand in a TOML file agrees with what tomllib finds in it, and nothing takes it for ever."""

from __future__ import annotations

import itertools
import time
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.scenario.toml_places import MOST_DEEP, Path, TooDeepError, places
from rst_or_fin.storage import scenario_files

TEXT = """\
# a comment with = and [brackets]
claim = "x"   # and "quotes
'odd key'."and \\"another\\"" = 2
session = '''
first
second'''
sources = [
  "a",  # ]
  'b', { c = 1, d.e = [ 2,
    3 ] },
]

[server.options]
script = \"\"\"
expect S
one \\
   line\\ntwo
three\"\"\"
[[variants]]
when = { otp = [">=29"] }
[variants.expect]
ending = "RST"
[[variants]]
date = 1979-05-27 07:32:00
"""
PLACES = places(TEXT)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("claim",), 2),
        (("odd key", 'and "another"'), 3),
        (("session",), 4),
        (("sources",), 7),
        (("sources", 1), 9),
        (("sources", 2, "d", "e", 1), 10),
        (("server",), 13),
        (("server", "kind"), 13),
        (("server", "options", "script"), 14),
        (("variants", 0, "when", "otp", 0), 20),
        (("variants", 0, "expect", "ending"), 22),
        (("variants", 1), 23),
        (("variants", 1, "date"), 24),
        (("nowhere",), 0),
        ((), 0),
    ],
)
def test_a_value_stands_on_its_line(path: Path, line: int) -> None:
    assert PLACES.line(path) == line


@pytest.mark.parametrize(("inner", "line"), [(1, 5), (2, 6), (3, 4), (0, 4)])
def test_a_line_of_a_literal_string_is_a_line_of_the_file(inner: int, line: int) -> None:
    assert PLACES.line_within(("session",), inner) == line


@pytest.mark.parametrize(("inner", "line"), [(1, 15), (2, 16), (3, 17), (4, 18)])
def test_a_line_of_a_basic_string_is_a_line_of_the_file_whatever_is_escaped(inner: int, line: int) -> None:
    assert PLACES.line_within(("server", "options", "script"), inner) == line


def test_carriage_returns_change_nothing() -> None:
    assert places(TEXT.replace("\n", "\r\n")) == PLACES


def test_what_is_no_toml_is_read_up_to_there() -> None:
    assert places("a = 1\nb = = 2\nc = 3").lines == {("a",): 1, ("b",): 2}


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is no table and no array, with its path."""
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if inner is None:
        yield path, value
    else:
        for key, each in inner:
            yield from leaves(each, (*path, key))


def document(text: str) -> dict[str, Any]:
    """What tomllib makes of a text; nothing where it is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


KEYS = st.sampled_from(["a", "b", "claim", "x-1", '"quo.ted"', "'lit = eral'", '"\\u00e9"'])
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
STRINGS = st.sampled_from(
    ['"# [no"', "'it = \"'", '"""\n"quotes" and\n\\\n  [more]"""', "'''a\n''b'''", '"""x""""', '"\\"]"']
)
SCALARS = st.one_of(
    st.sampled_from(["1", "-2.5e3", "true", "inf", "2021-02-03 04:05:06", "0x1F", "[]", "{}"]), STRINGS
)
ARRAY_ENDS = st.sampled_from(["]", ",\n]", " # ] \n ]"])


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.builds("[{}{}".format, st.lists(inner, max_size=3).map(" ,\n # c\n".join), ARRAY_ENDS)
    pairs = st.builds("{} ={}".format, DOTTED, inner)
    tables = st.lists(pairs, max_size=3).map(lambda each: "{ " + ", ".join(each) + " }")
    return st.one_of(arrays, tables)


VALUES = st.recursive(SCALARS, _nested, max_leaves=6)
LINES = st.one_of(
    st.builds("{} = {}\n".format, DOTTED, VALUES),
    st.builds("[{}]  # h\n".format, DOTTED),
    st.builds("[[ {} ]]\n".format, DOTTED),
    st.just("\n# nothing\n"),
)


@given(st.lists(LINES, max_size=8).map("".join))
def test_every_value_that_tomllib_finds_has_its_place(text: str) -> None:
    assert [path for path, _ in leaves(document(text)) if path not in places(text).lines] == []


@given(st.lists(LINES, max_size=8).map("".join))
def test_every_line_of_a_string_has_its_place(text: str) -> None:
    found = places(text).inside
    strings = [(path, value) for path, value in leaves(document(text)) if isinstance(value, str)]
    assert [len(found[path]) for path, _ in strings] == [value.count("\n") + 1 for _, value in strings]


@given(
    st.lists(
        st.sampled_from(["[a]\n", "[[b]]\n", "\n", "c = {}\n", "d.{} = [\n{},\n {}]\n", "e = '''\n'''\n"])
    )
)
def test_a_value_stands_where_its_text_does(shapes: list[str]) -> None:
    numbers = itertools.count(100)
    text = "".join(shape.format(*itertools.islice(numbers, 3)) for shape in shapes)
    found = places(text)
    numbered = [(path, value) for path, value in leaves(document(text)) if isinstance(value, int)]
    assert [found.line(path) for path, _ in numbered] == [
        text[: text.index(str(value))].count("\n") + 1 for _, value in numbered
    ]


@given(st.text(alphabet="ab01 \t\n\"'[]{}=.,#_-+:\\\0\u00e9"))
def test_any_text_has_places_or_is_too_deep(text: str) -> None:
    try:
        found = places(text).lines
    except TooDeepError as error:
        found = {(): error.line}
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@pytest.mark.parametrize(
    "text",
    [
        "\n" + ".".join("a" * 50_000) + " = 1",
        "\n[" + ".".join("a" * 50_000) + "]",
        "\nx = " + "[" * 50_000,
        "\nx = " + "{a = " * 50_000,
        "\nx = [" + "{a.b.c = [" * 50_000,
    ],
)
def test_what_is_deeper_than_any_scenario_is_told_at_once(text: str) -> None:
    began_s = time.perf_counter()
    with pytest.raises(TooDeepError, match=rf"^line 2: (a key of|nested) more than {MOST_DEEP}"):
        places(text)
    assert time.perf_counter() - began_s < 1  # tomllib takes 39 s


def test_every_shipped_session_has_all_its_lines_in_the_file() -> None:
    for entry in map(scenario_files.find, scenario_files.names()):
        lines = entry.text.splitlines()
        found = places(entry.text)
        session = entry.scenario.session.splitlines()
        assert [lines[found.line_within(("session",), n) - 1] for n in range(1, len(session) + 1)] == session
