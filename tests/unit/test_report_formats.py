"""Every format from the same runs: well formed, complete, and saying what the verdict says."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import dpkt
import msgspec
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rst_or_fin.evidence import pcap
from rst_or_fin.report import (
    html,
    junit,
    ladder_mermaid,
    ladder_svg,
    ladder_text,
    markdown,
    pcapng,
    runs_grid,
)
from rst_or_fin.report.ladder import Ladder, ladder
from rst_or_fin.report.palette import COLOURS
from rst_or_fin.report.records import Run, Unplayed, documents
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.tcp.ending import Ending
from rst_or_fin.verdict.outcome import Outcome

from tests.support.cases import ABORT, CLOSE
from tests.support.report_runs import aborted, closed, crashed, repeated, scenario, shut_down

SVG = "{http://www.w3.org/2000/svg}"
RUNS = [aborted(), closed(), shut_down(), crashed()]


def drawn(of: Run) -> Ladder:
    return ladder(of.scenario, of.judgements[0])


def svg(of: Run) -> ET.Element:
    return ET.fromstring(ladder_svg.render(drawn(of)))


# Runs


def test_replays_that_went_the_same_way_are_shown_once() -> None:
    assert [alike.count for alike in repeated(ABORT, ABORT, ABORT).groups()] == [3]


def test_the_way_that_differs_is_shown_first() -> None:
    shown = [(a.first.verdict.ending, a.count) for a in repeated(ABORT, CLOSE, ABORT).groups()]
    assert shown == [(Ending.FIN, 1), (Ending.RST, 2)]


def test_endings_that_differ_are_counted() -> None:
    assert repeated(ABORT, CLOSE, ABORT).endings == "2 RST, 1 FIN"


def test_json_holds_the_records_that_judge_prints() -> None:
    found = json.loads(msgspec.json.encode(documents([aborted()])))
    record = json.loads(msgspec.json.encode(aborted().judgements[0].record()))
    assert found["runs"][0]["replays"] == [record]


def test_json_has_the_outcome_of_all() -> None:
    assert documents([aborted(), repeated(ABORT, CLOSE)])["outcome"] is Outcome.DIFFERS


# The ladder's drawings


@pytest.mark.parametrize("of", RUNS, ids=lambda of: of.scenario.name)
def test_an_svg_holds_every_segment_as_text(of: Run) -> None:
    connection = of.judgements[0].connection
    assert connection is not None
    texts = {element.text for element in svg(of).iter(f"{SVG}text")}
    assert {connection.notation(segment) for segment in connection.segments} <= texts


def test_an_svg_is_an_image_with_a_title_and_a_description() -> None:
    root = svg(aborted())
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert (root.get("role"), root.get("aria-labelledby")) == (
        "img",
        f"{title.get('id')} {description.get('id')}",
    )


def test_an_svgs_description_tells_what_the_picture_shows() -> None:
    description = svg(aborted()).findtext(f"{SVG}desc") or ""
    assert "the Erlang node sends R. 19:19(0) ack 486, RST: 485 of 485 bytes lay unread" in description


def test_an_svgs_deciding_segment_stands_out_in_colour_and_in_words() -> None:
    groups = [g for g in svg(aborted()).iter(f"{SVG}g") if g.get("class") == "rst"]
    assert [[t.text for t in g.iter(f"{SVG}text")] for g in groups] == [
        ["R. 19:19(0) ack 486", "RST: 485 of 485 bytes lay unread at the close"]
    ]


@pytest.mark.parametrize("of", RUNS, ids=lambda of: of.scenario.name)
def test_nothing_in_an_svg_leaves_its_canvas(of: Run) -> None:
    root = svg(of)
    wide, high = int(root.attrib["width"]), int(root.attrib["height"])
    places = [(float(t.attrib["x"]), float(t.attrib["y"])) for t in root.iter(f"{SVG}text")]
    assert all(0 <= x <= wide and 0 <= y <= high for x, y in places)


def test_an_svg_asks_for_nothing_from_elsewhere() -> None:
    text = ladder_svg.render(drawn(aborted())).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|href|url\(|@import", text)


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("of", RUNS, ids=lambda of: of.scenario.name)
def test_a_text_ladder_keeps_to_its_width(of: Run, width: int) -> None:
    assert max(map(len, ladder_text.render(drawn(of), width=width).splitlines())) <= width


def test_a_text_ladder_in_colour_says_nothing_else() -> None:
    plain, coloured = ladder_text.render(drawn(aborted())), ladder_text.render(drawn(aborted()), COLOURS)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_a_text_ladder_marks_the_deciding_segment_without_colour() -> None:
    heavy = [line for line in ladder_text.render(drawn(closed())).splitlines() if "━" in line]
    assert len(heavy) == 1
    assert "F. 19:19(0) ack 486" in heavy[0]


def test_a_mermaid_ladder_puts_the_deciding_reset_in_a_box_and_ends_it_with_a_cross() -> None:
    lines = [line.strip() for line in ladder_mermaid.render(drawn(aborted())).splitlines()]
    box = lines.index("rect rgba(207, 34, 46, 0.16)")
    assert lines[box + 1 : box + 4] == [
        "L-xR: R. 19:19(0) ack 486",
        "Note over L,R: RST: 485 of 485 bytes lay unread<br/>at the close",
        "end",
    ]


# JUnit


def test_junit_counts_what_differs_and_what_is_inconclusive() -> None:
    root = ET.fromstring(junit.render([aborted(), repeated(ABORT, CLOSE), crashed()]))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")


def test_a_junit_failure_names_what_was_expected_and_what_was_seen() -> None:
    root = ET.fromstring(junit.render([closed(expect=scenario().expect)]))
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "expected RST, got FIN"


def test_an_inconclusive_replay_is_a_junit_error_and_no_pass() -> None:
    root = ET.fromstring(junit.render([crashed()]))
    assert [child.tag for child in root.iter() if child.tag in ("failure", "error")] == ["error"]


def test_a_race_is_neither_a_pass_nor_a_failure_to_junit() -> None:
    root = ET.fromstring(junit.render([aborted(race=True)]))
    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("0", "0", "1")


def test_every_junit_case_has_what_the_schema_asks_for() -> None:
    cases = list(ET.fromstring(junit.render(RUNS)).iter("testcase"))
    assert all(set(case.attrib) == {"classname", "name", "time"} for case in cases)
    assert all(float(case.attrib["time"]) > 0 for case in cases)


def test_every_junit_suite_has_its_children_in_the_schemas_order() -> None:
    for suite in ET.fromstring(junit.render(RUNS)).iter("testsuite"):
        assert [child.tag for child in suite] == ["properties", "testcase"]
        assert [child.tag for child in suite[1]][-1] == "system-out"


def test_a_junit_time_stamp_is_one_of_xml_schema() -> None:
    suite = ET.fromstring(junit.render([aborted()])).find("testsuite")
    assert suite is not None
    assert suite.get("timestamp") == "2026-11-23T12:25:28"


def _cases(*of: Run, unplayed: tuple[Unplayed, ...] = ()) -> list[str | None]:
    return [case.get("name") for case in ET.fromstring(junit.render(of, unplayed)).iter("testcase")]


def _at(of: Run, **axes: object) -> Run:
    return replace(of, axes=msgspec.structs.replace(of.axes, **axes))


def test_a_run_of_many_replays_is_one_junit_case() -> None:
    assert _cases(repeated(ABORT, ABORT, CLOSE)) == ["close-with-unread-response"]


def test_a_junit_failure_says_how_many_replays_differ() -> None:
    failure = ET.fromstring(junit.render([repeated(ABORT, ABORT, CLOSE)])).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "1 of 3 replays: expected RST, got FIN"


def test_a_junit_case_is_named_by_the_axes_that_vary() -> None:
    name = "close-with-unread-response"
    assert _cases(_at(aborted(), otp="27"), _at(aborted(), otp="28")) == [
        f"{name} [OTP 27]",
        f"{name} [OTP 28]",
    ]


def test_no_two_junit_cases_have_one_name() -> None:
    assert len(set(_cases(aborted(), aborted(), closed()))) == 3


EXCLUDED = Unplayed(
    scenario="a-close", axes=Axes(kernel="6.1.9", otp="27"), is_error=False, why="no such option"
)
ERROR = replace(EXCLUDED, scenario="b-close", is_error=True, why="it hung", hint="wait")


def test_junit_has_a_case_for_what_could_not_be_played() -> None:
    suites = ET.fromstring(junit.render([], [EXCLUDED, ERROR]))
    found = [(case.get("name"), case[0].tag, case[0].get("message")) for case in suites.iter("testcase")]
    assert found == [
        ("a-close", "skipped", "excluded: no such option"),
        ("b-close", "error", "it hung wait"),
    ]


@pytest.mark.parametrize(
    "rendered",
    [
        lambda runs, unplayed: html.render(runs, unplayed),
        lambda runs, unplayed: markdown.render(runs, unplayed),
        lambda runs, unplayed: runs_grid.text(runs, unplayed),
    ],
    ids=["html", "markdown", "text"],
)
def test_a_report_tells_what_could_not_be_played(rendered: Callable[..., str]) -> None:
    page = rendered([aborted()], [ERROR])
    assert ("b-close" in page, "error" in page) == (True, True)


def test_the_page_says_where_it_could_not_be_played() -> None:
    assert "b-close, kernel 6.1.9, OTP 27, inet, IPv4: it hung (wait)" in html.render([], [ERROR])


# Markdown and HTML


def test_markdown_holds_session_trace_ladder_and_verdict() -> None:
    fences = [
        t.info
        for t in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown.render([aborted()]))
        if t.type == "fence"
    ]
    assert fences == ["erlang", "text", "mermaid"]


def test_markdown_of_many_runs_opens_with_a_table_of_them() -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.render(RUNS))
    first_table = next(i for i, t in enumerate(tokens) if t.type == "table_open")
    rows = [t for t in tokens[first_table : _closing(tokens, first_table)] if t.type == "tr_open"]
    assert len(rows) == len(RUNS) + 1


@pytest.mark.parametrize(
    ("axis", "values", "head"),
    [
        ("otp", ("27", "28"), "OTP"),
        ("kernel", ("6.1.9", "6.12.1"), "kernel"),
        ("backend", ("inet", "socket"), "backend"),
        ("family", (4, 6), "family"),
        ("runtime", ("local", "docker"), "runtime"),
    ],
)
def test_markdowns_table_has_the_axis_that_varies(axis: str, values: tuple[object, ...], head: str) -> None:
    page = markdown.render([_at(aborted(), **{axis: value}) for value in values])
    assert f"| scenario | ending | cause | outcome | {head} |" in page


def test_markdowns_table_has_first_what_needs_a_look() -> None:
    page = markdown.render([aborted(), closed(name="odd", expect=scenario().expect)])
    assert page.index("| odd |") < page.index("| close-with-unread-response |")


def test_a_page_leads_from_its_table_to_every_run() -> None:
    page = _Page(html.render(RUNS))
    assert {f"#{identity}" for identity in page.articles} == set(page.anchors)


def test_a_page_asks_for_nothing_from_elsewhere() -> None:
    page = _Page(html.render(RUNS))
    assert {link.partition(":")[0] for link in page.asked if not link.startswith("#")} == {"data"}


def test_a_page_links_to_the_sources_that_have_an_address() -> None:
    page = _Page(html.render([aborted()]))
    assert "https://www.rfc-editor.org/rfc/rfc2525#section-2.17" in page.left_to


def test_what_needs_a_look_comes_first_in_a_page() -> None:
    page = html.render([closed(), aborted(), closed(name="odd", expect=scenario().expect)])
    assert re.findall(r'<h2 id="run-\d+-name">([^<]*)', page)[0] == "odd"


def test_ten_thousand_replays_make_a_page_of_less_than_five_megabytes() -> None:
    one = repeated(ABORT, CLOSE)
    many = replace(one, judgements=one.judgements * 5000, capture=bytes(12_000_000))
    assert len(html.render([many])) < 5_000_000


def test_ten_thousand_runs_make_a_page_of_less_than_five_megabytes() -> None:
    assert len(html.render([aborted(), closed()] * 5000)) < 5_000_000


def test_a_page_says_what_it_has_no_room_for() -> None:
    assert "and 200 more as expected: too many for a page" in html.render([closed()] * 1200)


def test_a_scenario_by_axes_is_a_grid() -> None:
    other = replace(closed(), axes=msgspec.structs.replace(closed().axes, otp="28"))
    page = html.render([closed(), other])
    assert re.findall(r'<td data-head="([^"]*)"', page.partition('id="grid"')[2])[:2] == ["OTP 27", "OTP 28"]


def test_a_long_axis_stands_at_the_side_of_a_pages_grid() -> None:
    runs = [_at(closed(), otp=str(otp), family=family) for otp in range(20, 28) for family in (4, 6)]
    page = html.render(runs)
    assert re.findall(r'class="side">([^<]*)', page)[:2] == ["OTP 20", "OTP 21"]


def test_ids_of_a_page_are_unique() -> None:
    found = re.findall(r'\sid="([^"]+)"', html.render([*RUNS, repeated(ABORT, CLOSE)]))
    assert len(found) == len(set(found))


class _Page(HTMLParser):
    """What a page links to, and the runs that it holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.left_to: list[str] = []
        self.anchors: list[str] = []
        self.articles: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        links = [value for name, value in attrs if name in ("href", "src", "srcset") and value]
        (self.left_to if given.get("rel") == "noreferrer noopener" else self.asked).extend(links)
        if tag == "div" and given.get("class") == "body":
            self.articles.append(given["id"] or "")
        if tag == "a" and (given.get("href") or "").startswith("#run-"):
            self.anchors.append(given["href"] or "")


def _closing(tokens: Sequence[Token], at: int) -> int:
    return next(i for i in range(at, len(tokens)) if tokens[i].type == "table_close")


# pcapng


def packets(of: Run) -> list[tuple[int, bytes]]:
    reader = dpkt.pcapng.Reader(io.BytesIO(pcapng.annotated(of)))
    return [(round(float(t_s) * 1e6), data) for t_s, data in reader]


def test_a_pcapng_holds_the_captures_frames() -> None:
    frames = [(frame.t_ns // 1000, frame.data) for _, frame in pcap.frames(aborted().capture)]
    assert packets(aborted()) == frames


def test_the_section_of_a_pcapng_carries_the_claim() -> None:
    assert b"A close with unread data sends a RST." in pcapng.annotated(aborted())[:200]
