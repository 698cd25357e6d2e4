"""A session's lines are where erl_scan and erl_parse find them, on every release at hand."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rst_or_fin.scenario.erlang_lines import expressions
from rst_or_fin.scenario.session_check import read
from rst_or_fin.storage import scenario_files

from tests.erlang.conftest import erl

SPLIT = Path(__file__).with_name("split.escript")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erlang:
    """A node that answers, text by text, how it splits a session (see split.escript)."""

    process: subprocess.Popen[bytes]

    def __call__(self, text: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(base64.b64encode(text.encode()) + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], home: Path) -> Iterator[Erlang]:
    process = subprocess.Popen(
        [*command, "-boot", "no_dot_erlang", "-noshell", "-run", "escript", "start", "-extra", str(SPLIT)],
        env={**environment, "HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    yield Erlang(process=process)
    process.communicate(timeout=30)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erlang]:
    """The newest release at hand, which knows what OTP 27 brought."""
    with started(*erl(), tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erlang]:
    """The machine's own `erl`, most often an older release."""
    found = shutil.which("erl")
    if found is None:
        pytest.skip("there is no `erl` on this machine")
    with started([found], os.environ, tmp_path_factory.mktemp("home")) as node:
        yield node


@pytest.fixture(scope="session", params=["embedded", "installed"])
def erlang(request: pytest.FixtureRequest) -> Erlang:
    found: Erlang = request.getfixturevalue(request.param)
    return found


def spans(text: str) -> str:
    """The lines that each expression begins and ends on, as the node writes them."""
    found = [f" {e.tokens[0].line}-{e.tokens[-1].line}" for e in expressions(text)]
    return "ok" + "".join(found)


_UNKNOWN = "which a session does not know"  # what a call means is no matter of parsing


def first_complaint(text: str) -> str:
    """What is first said to be wrong with a text; empty where nothing is."""
    said = (f"line {fault.line}: {fault.why}" for fault in read(text)[1] if _UNKNOWN not in fault.why)
    return next(said, "")


LAYOUT = st.sampled_from(["", " ", "\n", " % a. \"b' c\n", "\t", "\n\n", "%%\n", " \x0c", "\x85"])
NAMES = st.sampled_from(["a", "ok", "éa", "'q. %'", "'it\\'s'", "'\n'", "gen_tcp", "x@y_1", "'end'"])
VARIABLES = st.sampled_from(["X", "_", "_y", "Éa", "Sock"])
NUMBERS = st.sampled_from(["1", "1.5", "1_000", "16#fF", "2#1_0", "1.5e-3", "0", "36#zZ"])
CHARACTERS = st.sampled_from(
    ["$a", "$.", '$"', "$'", "$ ", "$%", "$\\\\", "$\\n", "$\\x{2e}", "$\\x2e", "$\\056"]
)
STRINGS = st.sampled_from(
    ['""', '"a. b"', '"\\""', '"% no"', '"\\\\"', '"a" "b"', '"\n"', '"$"', '"\\x{2e}."', '"ż"']
)
ATOMIC = st.one_of(NAMES, VARIABLES, NUMBERS, CHARACTERS, STRINGS)


def _composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Valid Erlang made of valid Erlang, with layout wherever it may stand."""
    a, b = inner, inner
    return st.one_of(
        st.builds("{{{}{},{}{}}}".format, LAYOUT, a, LAYOUT, b),
        st.builds("[{}|{}{}]".format, a, LAYOUT, b),
        st.builds("<<({}){}/binary>>".format, a, LAYOUT),
        st.builds("gen_tcp:send({}{},{}{})".format, LAYOUT, a, LAYOUT, b),
        st.builds("({}){}=:={}({})".format, a, LAYOUT, LAYOUT, b),
        st.builds("#{{{} =>{}{}}}".format, a, LAYOUT, b),
        st.builds("#r{{f= {}{}}}".format, LAYOUT, a),
        st.builds("X#r.f{}==({})".format, LAYOUT, a),
        st.builds("fun() -> {}{} end".format, a, LAYOUT),
        st.builds("fun F(X){} when X -> {}; F(_) -> {} end".format, LAYOUT, a, b),
        st.builds("lists:map(fun erlang:abs/1,{}{})".format, LAYOUT, a),
        st.builds("foo(fun bar/1,{}{})".format, LAYOUT, a),
        st.builds("case {} of{} X -> {} end".format, a, LAYOUT, b),
        st.builds("receive X -> {}{} after 5 -> {} end".format, a, LAYOUT, b),
        st.builds("try {} of _ -> {}{} catch _:_ -> a end".format, a, b, LAYOUT),
        st.builds("begin {},{}{} end".format, a, LAYOUT, b),
        st.builds("if {} -> {}{} ; true -> ok end".format, a, b, LAYOUT),
        st.builds("[{} || _ <- {}{}]".format, a, LAYOUT, b),
        st.builds("(catch {}{})".format, a, LAYOUT),
        st.builds("(fun() -> {} end)(){}".format, a, LAYOUT),
    )


EXPRESSIONS = st.recursive(ATOMIC, _composed, max_leaves=12)
ENDS = st.sampled_from([".\n", ". ", ".% c. d\n", " .\n\n", "\n.\n", ".\x00", ".\t"])
SESSIONS = st.lists(st.builds("{}{}{}".format, LAYOUT, EXPRESSIONS, ENDS), min_size=1, max_size=6).map(
    "".join
)

WORDS = r"""
.. ... << >> fun end case of -> 1.5 16# e1 ok maybe else =< || receive after
X#r.f #r{ not && ?= \^ \x{ x}
"""
SIGNS = [*"abX_1 .,;()[]{}#'\"$\\%|=<>-+/:\n\t~`^@”é\x85", ". ", ".\n", "$.", '$"', '\\"', "%.\n"]
SCRAPS = st.sampled_from(SIGNS + WORDS.split())
NEW_SCRAPS = st.sampled_from(
    ['"""\n', '\n"""', '""""\n', '~s"', "~S(", '~"', "~b<", "~B[", '~"""\n', '  """']
)


@given(SESSIONS)
@example("X = #r{}.\n#r{f = 1}#r.f. X#r{f = 2}.")
@example("fun(X) -> X end(1). fun F() -> F() end.")
@example('<<"a" "b", 5:8/little-unit:2>>.')
def test_a_valid_session_is_split_as_erl_scan_splits_it(erlang: Erlang, text: str) -> None:
    assert (erlang(text), first_complaint(text)) == (spans(text), "")


def agrees(said: str, text: str) -> bool:
    """Whether what we say of a text and what the node said of it can both be true."""
    complaint = first_complaint(text)
    if said.startswith("ok "):
        return complaint == "" and said == spans(text)
    if said.startswith("dotless"):
        return complaint != ""
    return True  # where the node refuses the text, nothing has to be said beforehand


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A shipped session with a piece of it gone, or with a scrap in it."""
    text = scenario_files.find(draw(st.sampled_from(scenario_files.names()))).scenario.session
    begin = draw(st.integers(0, len(text)))
    end = begin + draw(st.integers(0, 3))
    return text[:begin] + draw(st.just("") | SCRAPS) + text[end:]


@given(spoiled())
@settings(max_examples=400)
def test_what_is_said_of_a_spoiled_session_is_true(erlang: Erlang, text: str) -> None:
    said = erlang(text)
    assert agrees(said, text), (said, first_complaint(text))


@given(st.lists(SCRAPS, max_size=14).map("".join))
@settings(max_examples=400)
def test_nothing_is_said_of_a_text_that_the_node_takes(erlang: Erlang, text: str) -> None:
    said = erlang(text)
    assert agrees(said, text), (said, first_complaint(text))


@given(st.lists(st.one_of(SCRAPS, NEW_SCRAPS), max_size=14).map("".join))
@settings(max_examples=400)
def test_nothing_is_said_of_strings_that_otp_27_brought(embedded: Erlang, text: str) -> None:
    said = embedded(text)
    assert agrees(said, text), (said, first_complaint(text))
