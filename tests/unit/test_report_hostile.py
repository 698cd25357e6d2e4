"""Peers, captures and evidence folders are other people's: whatever they say stays text in every format."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rst_or_fin.escaping import clipped, preview, visible, visible_lines, wrapped
from rst_or_fin.evidence.records import Call
from rst_or_fin.report import html, junit, ladder_mermaid, ladder_svg, ladder_text, markdown, pcapng
from rst_or_fin.report.ladder import ladder
from rst_or_fin.report.records import Run

from tests.support.cases import ABORT, ABORT_ON_CLOSE, heard
from tests.support.report_runs import CONNECT, RESULTS, played, run

ATTACKS = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "]]></title></svg><b>",
    "\x1b]0;owned\x07\x1b[2J",
    "\u202egnp.exe\u2066",
    "\x00\ufffe\ud800",
    "a;b#c%%{init: {}}%%",
    "end\nL->>R: forged",
    "```\n# forged\n",
    "| a | b |\n| - | - |",
    "[x](javascript:alert(1)) ![x](http://x/y) @all #1 $x$ http://x.invalid www.x.invalid",
    "{{ 7 * 7 }}{% raw %}",
    "\"' onload='x' &amp;&lt;",
    "<!-- --> <![CDATA[",
]
HOSTILE = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(st.characters(codec=None), max_size=60),
    st.lists(st.sampled_from(ATTACKS), min_size=2, max_size=3).map("".join),
)
# Escapes for the control characters that a format's own layout needs.
LINE_ENDS = {"\n"}
FORBIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def hostile(text: str) -> Run:
    """A run that says `text` wherever somebody else has a say."""
    of = played(CONNECT, text, raised=ABORT_ON_CLOSE)
    calls = (
        Call(source=text or ".", result=text, duration_us=1),
        *(Call(source=s, result=RESULTS.get(s, text), duration_us=1) for s in (CONNECT, text or ".")),
    )
    facts: dict[str, Any] = {"capture": {"interface": text}, "peer": [text]}
    return run(
        ABORT,
        replace(of, calls=calls, close_line=3),
        heard(text),
        folder=text,
        facts=facts,
        name=text,
        claim=text,
        sources=(text,),
        session=text,
        published=text,
    )


def harmless(text: str) -> bool:
    """Nothing in it steers a terminal, hides, or reorders what is read."""
    return not any(unicodedata.category(c) in FORBIDDEN and c not in LINE_ENDS for c in text)


class Elements(HTMLParser):
    """The elements of a document and the names of their attributes: what a text must never add to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def kinds(text: str) -> set[tuple[str, tuple[str, ...]]]:
    return set(Elements(text).found)


TAME_PAGE = kinds(html.render([hostile("tame")]))


@given(HOSTILE)
def test_what_is_visible_prints_and_is_one_line(text: str) -> None:
    assert visible(text).isprintable()


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@given(HOSTILE, st.integers(8, 60))
def test_wrapping_keeps_to_the_width_and_loses_nothing_but_blanks(text: str, width: int) -> None:
    parts = wrapped(text, width)
    assert all(len(part) <= width for part in parts)
    assert re.sub(" ", "", "".join(parts)) == re.sub(" ", "", "".join(visible_lines(text)))


@given(HOSTILE, st.integers(1, 20))
def test_what_was_left_out_is_said(text: str, width: int) -> None:
    short = clipped(text, width)
    assert short == text or (len(short) == width and short.endswith("…"))


@given(st.binary(max_size=200), st.integers(1, 60))
def test_a_payload_is_shown_as_printable_ascii(payload: bytes, width: int) -> None:
    assert re.fullmatch(r"[ -~]*…?", preview(payload, width))


@given(HOSTILE)
def test_an_svg_stays_one_document_of_the_same_elements(text: str) -> None:
    of = hostile(text)
    drawing = ladder_svg.render(ladder(of.scenario, of.judgements[0]))
    names = {element.tag.rpartition("}")[2] for element in ET.fromstring(drawing).iter()}
    assert names <= {"svg", "title", "desc", "style", "rect", "path", "g", "text", "circle"}


@given(HOSTILE)
def test_a_page_gets_no_element_or_attribute_from_a_text(text: str) -> None:
    assert kinds(html.render([hostile(text)])) <= TAME_PAGE


@given(HOSTILE)
def test_a_page_has_no_control_character(text: str) -> None:
    assert harmless(html.render([hostile(text)]))


@given(HOSTILE)
def test_a_junit_document_is_well_formed_and_one_case(text: str) -> None:
    assert len(list(ET.fromstring(junit.render([hostile(text)])).iter("testcase"))) == 1


@given(HOSTILE)
def test_markdown_gets_no_markup_from_a_text(text: str) -> None:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    flat = [
        (token.type, child.type)
        for token in parser.parse(markdown.render([hostile(text)]))
        for child in (token.children or [token])
    ]
    children = {child for token, child in flat if token == "inline"}
    assert children <= {"text", "text_special", "strong_open", "strong_close", "inline"}
    assert [child for _, child in flat if child in ("html_block", "heading_open")] == ["heading_open"] * 2
    assert sum(child == "fence" for _, child in flat) == 3
    assert sum(child == "table_open" for _, child in flat) == 2


@given(HOSTILE)
def test_a_mermaid_diagram_gets_no_statement_from_a_text(text: str) -> None:
    of = hostile(text)
    diagram = ladder_mermaid.render(ladder(of.scenario, of.judgements[0]))
    wrong = [line for line in diagram.splitlines() if not MERMAID_LINE.fullmatch(line)]
    assert not wrong


# The few statements that a ladder uses, and the marks that may stand in their texts.
_TEXT = r"(?:[A-Za-z0-9 .,:()=/_+\-'\"{}\[\]\\]|#\d+;|<br/>)*"
MERMAID_LINE = re.compile(
    rf"sequenceDiagram|    (?:accTitle: {_TEXT}|accDescr: {_TEXT}|participant [LR] as {_TEXT}"
    rf"|Note (?:left of L|right of R|over L(?:,R)?): {_TEXT}|rect rgba\([\d., ]+\)|end"
    rf"|    Note over L,R: {_TEXT}|(?:    )?(?:L(?:->>|-x)R|R(?:->>|-x)L): {_TEXT})"
)


@given(HOSTILE)
def test_a_terminal_gets_nothing_that_steers_it(text: str) -> None:
    of = hostile(text)
    assert harmless(ladder_text.render(ladder(of.scenario, of.judgements[0])))


@given(HOSTILE)
def test_every_block_of_a_pcapng_says_its_length_twice(text: str) -> None:
    content = pcapng.annotated(hostile(text))
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        assert length % 4 == 0
        assert content[at + length - 4 : at + length] == content[at + 4 : at + 8]
        at += length


@pytest.mark.parametrize("text", ["x" * 100_000, "é" * 50_000], ids=["ascii", "two bytes each"])
def test_a_comment_of_a_pcapng_has_an_end(text: str) -> None:
    assert len(pcapng.annotated(hostile(text))) < 20_000
