"""What is said of a session before any node has it, with its line; tests/erlang holds it to real nodes."""

from __future__ import annotations

import pytest
from rst_or_fin.scenario.erlang_lines import UnreadableError, expressions
from rst_or_fin.scenario.session_check import read, waits_in_vain
from rst_or_fin.storage import scenario_files

FIRST = "{ok, L} = gen_tcp:listen(Port, [{ip, Self}]).\n"
ACCEPT = FIRST + "{ok, Sock} = gen_tcp:accept(L).\n"


@pytest.mark.parametrize(
    "text",
    [
        "a. b.",
        '"a. b". c.',
        "$. . b.",
        '$". b.',
        "'a. b'. c.",
        "a. % b. c.\nd.",
        "1.5. 2.",
        "#r.f. b.",
        '"""\n a. "b". c\n """. d.',
        "~S(a. b). c.",
        "~S(\\). c.",
        '~"a. \\" b". c.',
        "[a||_<-b]. c.",
    ],
)
def test_there_are_two_expressions(text: str) -> None:
    assert len(expressions(text)) == 2


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a.\n\nb", 3, "the last expression of the session does not end with a dot"),
        ("a.\nb.c", 2, "the last expression of the session does not end with a dot"),
        ("a.\nf(1,\n2)\n% b.", 3, "the last expression of the session does not end with a dot"),
        (" % nothing\n", 0, "the session has no expression"),
        ('a.\nf("b).\nc.', 2, "the string that begins here has no closing quote"),
        ("a.\nf('b).\nc.", 2, "the quoted atom that begins here has no closing quote"),
        ("a.\n$", 2, "a character has to follow `$`"),
        ("a.\nf(“b”).", 2, "'“' means nothing in Erlang outside of quotes"),
        ("f(a)\ng(b).", 1, "a dot, a comma or an operator is missing between `)` and `g`"),
        ("a.\n.\nb.", 2, "nothing stands before this dot"),
        ("f(a).g(b).", 1, "white space has to follow a dot that ends an expression"),
        ("X=<<1>>.", 1, "`=<<` is read as `=<` and `<`: put a blank before `<<`"),
        ("f(\na.", 1, "`(` is not closed: `)` is missing"),
        ("a.\nf(a)).", 2, "`)` closes nothing"),
        ("f([a).", 1, "`[` is closed by `]`, not by `)`"),
        ("case a of\nb -> c.", 1, "`case` is not closed: `end` is missing"),
        ("F = fun() -> ok.", 1, "`fun` is not closed: `end` is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, why: str) -> None:
    assert (line, True) in [(problem.line, problem.why.endswith(why)) for problem in read(text)[1]]


def test_nothing_is_wrong_with_any_shipped_session() -> None:
    shipped = [scenario_files.find(name).scenario for name in scenario_files.names()]
    sessions = {each.name: each.session for each in shipped if each.language == "erlang"}
    assert {name: wrong for name, text in sessions.items() if (wrong := read(text)[1])} == {}


@pytest.mark.parametrize("text", ["maybe a else b end.", "X = maybe.", "f(else) g."])
def test_nothing_is_said_of_words_that_only_some_releases_reserve(text: str) -> None:
    assert read(text)[1] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "await_unred(Sock, 2000).",
            "calls `await_unred`, which a session does not know (did you mean `await_unread`?)",
        ),
        ("a,\n'awaitclosed'(Sock).", "(did you mean `await_closed`?)"),
        (
            "F = fun() -> shut_it(Sock) end.",
            "calls `shut_it`, which a session does not know: name its module",
        ),
    ],
)
def test_a_word_that_no_session_knows_is_named(text: str, why: str) -> None:
    assert [why in problem.why for problem in read(text)[1]] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "gen_tcp:close(Sock).",
        "Mod:f(a).",
        "F(a), F2 = fun foo/1.",
        "F = fun Loop(N) -> Loop(N - 1) end.",
        "flush().",
        "self() ! {a, length([])}.",
        "case is_list(X) of true when is_atom(hd(X)) -> (ok) end.",
        "fun erlang:halt/0.",
        "catch throw(a).",
    ],
)
def test_nothing_is_said_of_words_that_mean_something(text: str) -> None:
    assert read(text)[1] == []


def test_a_text_that_cannot_be_read_has_no_expressions() -> None:
    with pytest.raises(UnreadableError, match=r"^line 2: the string"):
        expressions('a.\n"b')


@pytest.mark.parametrize(
    ("text", "after", "line"),
    [
        (ACCEPT, 1, 0),
        (ACCEPT, 2, 2),
        (ACCEPT + "gen_tcp:close(Sock).\n", 3, 2),
        (FIRST + "{ok, Sock} = gen_tcp:accept(L, infinity).", 2, 2),
        (FIRST + "{ok, Sock} = gen_tcp:accept(L, 3000).", 2, 2),
        (FIRST + "Tried = gen_tcp:accept(L, 300).", 2, 0),
        (FIRST + "begin ok, gen_tcp:accept(f(L, 3)) end.", 2, 2),
        (FIRST + "spawn(fun() -> {ok, S} = gen_tcp:accept(L) end).", 2, 0),
        (FIRST + "F = fun gen_tcp:accept/1.", 2, 0),
        (FIRST + "my:accept(L).", 2, 0),
        (FIRST + "{ok, _} = gen_tcp:connect(Self, Port, []).\n{ok, Sock} = gen_tcp:accept(L).", 3, 0),
        ("{ok, L} = socket:open(inet, stream).\n{ok, Sock} = socket:accept(L).", 2, 2),
    ],
)
def test_a_line_that_waits_in_vain_is_found(text: str, after: int, line: int) -> None:
    assert waits_in_vain(expressions(text), after) == line
