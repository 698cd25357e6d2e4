"""The report in a browser: the system's Chromium, driven by Playwright; and Mermaid by its own script."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import distribution
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from rst_or_fin.cli import main
from rst_or_fin.report import html, ladder_mermaid, ladder_svg
from rst_or_fin.report.ladder import ladder
from rst_or_fin.report.records import Run

from tests.support.cases import ABORT, CLOSE
from tests.support.needs import skip_or_fail
from tests.support.report_runs import (
    aborted,
    closed,
    crashed,
    long_transfer,
    repeated,
    scenario,
    shut_down,
    sweeping,
)
from tests.unit.test_report_hostile import ATTACKS, hostile

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
WIDE = {"width": 1920, "height": 1080}
RUNS = [
    aborted(),
    closed(),
    shut_down(),
    crashed(),
    closed(name="expected-a-reset", expect=scenario().expect),
    repeated(ABORT, CLOSE, ABORT),
]
NAMES = [run.scenario.name for run in RUNS]

# WCAG 2.2, section 1.4.3: the ratio between a text's colour and what lies behind it.
CONTRASTS = """(selector) => {
  const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => { const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
  const behind = (e) => { for (; e; e = e.parentElement) {
    if (e.tagName === "svg") return getComputedStyle(e.querySelector(".paper")).fill;
    const c = getComputedStyle(e).backgroundColor;
    if (!c.endsWith(", 0)")) return c; }
    return "rgb(255, 255, 255)"; };
  return [...document.querySelectorAll(selector)].map((e) => {
    const style = getComputedStyle(e);
    const ink = light(e.ownerSVGElement ? style.fill : style.color), ground = light(behind(e));
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  });
}"""


# What is wider than the page, or hides a part of itself at the side; a label for readers alone is none of it.
CUT_OFF = """() => [...document.querySelectorAll("html, body *")].filter((e) => {
  if (e.ownerSVGElement || !e.checkVisibility() || e.closest("thead") || e.tagName === "OPTION") return false;
  const style = getComputedStyle(e);
  const hides = style.display !== "inline" && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1;
  return hides || e.getBoundingClientRect().right > innerWidth + 1;
}).map((e) => `${e.tagName}.${e.className} ${e.textContent.slice(0, 40)}`)"""


@dataclass(slots=True)
class Seen:
    """A page, what it complained about, and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Seen]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        skip_or_fail("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]  # Chromium refuses to sandbox root
        started = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        yield started
        started.close()


def watched(page: Page) -> Seen:
    seen = Seen(page=page)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: seen.complaints.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: seen.requests.append(request.url))
    return seen


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a text as a file in the browser."""
    contexts = []

    def opened(text: str, name: str = "report.html", **context: object) -> Seen:
        (tmp_path / name).write_text(text, encoding="utf-8")
        own = browser.new_context(**{"viewport": DESK, **context})  # type: ignore[arg-type]
        contexts.append(own)
        seen = watched(own.new_page())
        seen.page.goto((tmp_path / name).as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


def shown(page: Page, selector: str = "#runs tbody th") -> list[str]:
    return [element.inner_text() for element in page.locator(selector).all() if element.is_visible()]


def test_a_page_opens_without_a_complaint(show: Open) -> None:
    assert show(html.render(RUNS)).complaints == []


def test_no_request_leaves_a_page(show: Open) -> None:
    seen = show(html.render(RUNS))
    seen.page.get_by_role("button", name="Ending").click()
    seen.page.locator("#runs").get_by_role("link", name=NAMES[2]).click()
    assert {url.partition("#")[0] for url in seen.requests} == {seen.page.url.partition("#")[0]}


def test_a_pages_policy_would_stop_a_request(show: Open) -> None:
    seen = show(html.render([aborted()]))
    stopped = seen.page.evaluate("() => fetch('http://127.0.0.1:9/').then(() => false, () => true)")
    assert stopped
    assert "Content Security Policy" in " ".join(seen.complaints)


def test_the_table_sorts_up_and_down(show: Open) -> None:
    page = show(html.render(RUNS)).page
    head = page.get_by_role("button", name="Scenario")
    head.click()
    up = shown(page)
    head.click()
    assert (up, shown(page)) == (sorted(NAMES), sorted(NAMES, reverse=True))


def test_the_table_sorts_numbers_as_numbers(show: Open) -> None:
    page = show(html.render([repeated(*[ABORT] * count) for count in (2, 10, 1)])).page
    page.get_by_role("button", name="Replays").click()
    assert shown(page, "#runs [data-head=Replays]") == ["1", "2", "10"]


def test_the_sorted_column_says_so(show: Open) -> None:
    page = show(html.render(RUNS)).page
    page.get_by_role("button", name="Cause").click()
    orders = [head.get_attribute("aria-sort") for head in page.locator("#runs thead th").all()]
    assert orders == ["none", "none", "ascending", *["none"] * 5]


def test_the_filter_leaves_the_runs_that_have_every_word(show: Open) -> None:
    page = show(html.render(RUNS)).page
    page.get_by_label("Filter").fill("fin 27 RECV")
    assert shown(page) == ["recv-then-close"]


def test_the_filter_counts_what_it_leaves(show: Open) -> None:
    page = show(html.render(RUNS)).page
    page.get_by_label("Filter").fill("no such run")
    assert page.locator("#shown").inner_text() == f"0 of {len(RUNS)}"


def test_the_outcome_can_be_chosen(show: Open) -> None:
    page = show(html.render(RUNS)).page
    page.get_by_label("Outcome").select_option("differs")
    assert shown(page) == ["expected-a-reset", RUNS[5].scenario.name]


@pytest.mark.parametrize("number", range(1, len(RUNS) + 1))
def test_the_table_leads_to_each_runs_ladder(show: Open, number: int) -> None:
    page = show(html.render(RUNS)).page
    page.get_by_role("button", name="fold all", exact=True).click()
    page.locator(f"#runs a[href='#run-{number}']").click()
    page.wait_for_function(
        "(id) => { const top = document.getElementById(id).getBoundingClientRect().top;"
        " return top >= 0 && top < innerHeight; }",
        arg=f"run-{number}",
    )
    assert page.locator(f"#run-{number} svg.ladder").first.is_visible()


def test_a_page_works_without_its_script(show: Open) -> None:
    page = show(html.render(RUNS), java_script_enabled=False).page
    link = page.locator("#runs").get_by_role("link", name="recv-then-close")
    link.click()
    assert page.locator(f"{link.get_attribute('href')} svg.ladder").is_visible()


def test_the_capture_comes_out_of_the_page_as_it_went_in(show: Open) -> None:
    page = show(html.render([aborted()]), accept_downloads=True).page
    with page.expect_download() as waiting:
        page.get_by_role("link", name="capture.pcap", exact=True).click()
    assert Path(waiting.value.path()).read_bytes() == aborted().capture


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK, WIDE], ids=["phone", "desk", "wide"])
def test_nothing_is_cut_off_at_the_side(show: Open, viewport: dict[str, int], scheme: str) -> None:
    axes = [msgspec.structs.replace(closed().axes, otp=f"{release}") for release in range(23, 30)]
    runs = [*RUNS, long_transfer(), sweeping(), *(replace(closed(), axes=each) for each in axes)]
    page = show(html.render(runs), viewport=viewport, color_scheme=scheme).page
    page.get_by_role("button", name="unfold all").click()
    assert page.evaluate(CUT_OFF) == []


@pytest.mark.parametrize("viewport", [PHONE, DESK, WIDE], ids=["phone", "desk", "wide"])
@pytest.mark.parametrize("kind", ["capture", "comparison"])
def test_nothing_of_another_page_is_cut_off(
    show: Open, viewport: dict[str, int], kind: str, tmp_path: Path
) -> None:
    stored = Path("tests/golden/evidence")
    command = {
        "capture": ["report", str(stored / "close-with-unread-response" / "capture.pcap")],
        "comparison": ["compare", str(stored)],
    }[kind]
    main([*command, "--format", "html", "--out", str(tmp_path / "other.html")])
    page = show((tmp_path / "other.html").read_text(), viewport=viewport).page
    assert page.evaluate(CUT_OFF) == []


def test_runs_that_need_a_look_are_unfolded_and_the_others_folded(show: Open) -> None:
    page = show(html.render(RUNS)).page
    found = page.evaluate("[...document.querySelectorAll('details.run')].map((run) => run.open)")
    assert found == sorted(found, reverse=True)


def test_what_needs_a_look_leads_to_its_run(show: Open) -> None:
    page = show(html.render(RUNS)).page
    link = page.locator(".looks").get_by_role("link", name="expected-a-reset")
    link.click()
    assert page.locator(f"{link.get_attribute('href')}").is_visible()


def picking(show: Open) -> Page:
    return show(html.render([repeated(*[ABORT] * 40, CLOSE, *[ABORT] * 40)])).page


def drawn_replay(page: Page) -> str:
    return " ".join(shown(page, "details.way h3"))


def test_the_picker_begins_with_what_needs_a_look(show: Open) -> None:
    assert drawn_replay(picking(show)).startswith("1 of 81 replays: FIN")


def test_a_replay_can_be_picked_from_the_list(show: Open) -> None:
    page = picking(show)
    page.locator(".picker select").select_option(index=3)
    assert drawn_replay(page) == "Replay 2: RST"


def test_a_replay_that_is_not_drawn_leads_to_one_that_went_the_same_way(show: Open) -> None:
    page = picking(show)
    page.locator(".picker input").fill("77")
    assert page.locator(".picker output").inner_text() == "replay 77 went like replay 0"


def test_bars_are_as_long_as_the_shares(show: Open) -> None:
    widths = picking(show).evaluate(
        "[...document.querySelectorAll('div.bar')].map((e) => e.offsetWidth / e.parentElement.clientWidth)"
    )
    assert widths == pytest.approx([80 / 81, 1 / 81], abs=0.01)


def test_a_phone_has_the_ladder_step_by_step(show: Open) -> None:
    page = show(html.render([aborted()]), viewport=PHONE).page
    assert (page.locator("svg.ladder").is_visible(), page.locator(".steps").is_visible()) == (False, True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(show: Open, scheme: str) -> None:
    page = show(html.render(RUNS), color_scheme=scheme).page
    ratios = page.evaluate(CONTRASTS, "body :is(h1, h2, h4, p, a, th, td, pre, mark, span, text)")
    assert min(ratios) >= 4.5


def test_dark_is_dark_and_light_is_light(show: Open) -> None:
    grounds = [
        show(html.render(RUNS), color_scheme=scheme).page.evaluate(
            "getComputedStyle(document.querySelector('svg.ladder .paper')).fill"
        )
        for scheme in ("light", "dark")
    ]
    assert grounds == ["rgb(255, 255, 255)", "rgb(18, 23, 29)"]


def test_no_attack_runs_in_a_page(show: Open) -> None:
    seen = show(html.render([hostile(attack) for attack in ATTACKS]))
    assert (seen.complaints, len(seen.requests)) == ([], 1)


def drawing(run: Run) -> str:
    return ladder_svg.render(ladder(run.scenario, run.judgements[0]))


@pytest.mark.parametrize("run", RUNS, ids=NAMES)
def test_an_svg_opens_by_itself_and_its_texts_fit(show: Open, run: Run) -> None:
    seen = show(drawing(run), "ladder.svg")
    outside = seen.page.evaluate(
        """() => { const canvas = document.documentElement.getBoundingClientRect();
        return [...document.querySelectorAll("text")].filter((text) => {
          const box = text.getBoundingClientRect();
          return box.left < canvas.left || box.right > canvas.right || box.bottom > canvas.bottom;
        }).map((text) => text.textContent); }"""
    )
    assert (seen.complaints, outside) == ([], [])


def test_no_attack_runs_in_an_svg(show: Open) -> None:
    seen = [show(drawing(hostile(attack)), "ladder.svg") for attack in ATTACKS]
    assert [(each.complaints, len(each.requests)) for each in seen] == [([], 1)] * len(ATTACKS)


# Mermaid, by its own script


@pytest.fixture(scope="module")
def render(browser: Browser) -> Iterator[Callable[[str], tuple[str, list[str]]]]:
    """What Mermaid makes of a diagram: the text that it shows, and what it complained about."""
    # Mermaid is JavaScript; this Python package carries its script, of which nothing else is used.
    script = Path(str(distribution("mermaidx").locate_file("mermaidx/assets/mermaid.js")))
    seen = watched(browser.new_page())
    seen.page.set_content("<!doctype html><body><div id='diagram'></div>")
    seen.page.add_script_tag(path=script)
    seen.page.evaluate("mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' })")

    def rendered(diagram: str) -> tuple[str, list[str]]:
        seen.page.evaluate(
            """async (diagram) => { const { svg } = await mermaid.render("drawn", diagram);
            document.getElementById("diagram").innerHTML = svg; }""",
            diagram,
        )
        return seen.page.evaluate("document.getElementById('diagram').textContent"), seen.complaints

    yield rendered
    seen.page.close()


@pytest.mark.parametrize("run", RUNS, ids=NAMES)
def test_mermaid_shows_every_segment(render: Callable[[str], tuple[str, list[str]]], run: Run) -> None:
    connection = run.judgements[0].connection
    assert connection is not None
    text, _ = render(ladder_mermaid.render(ladder(run.scenario, run.judgements[0])))
    assert [n for n in map(connection.notation, connection.segments) if n not in text] == []


def test_mermaid_shows_the_session_as_it_was_typed(render: Callable[[str], tuple[str, list[str]]]) -> None:
    text, _ = render(ladder_mermaid.render(ladder(aborted().scenario, aborted().judgements[0])))
    assert '2>gen_tcp:send(Sock,"GET/HTTP/1.1\\r\\n\\r\\n").' in text.replace(" ", "")  # wrapped at blanks


@pytest.mark.parametrize("attack", ATTACKS)
def test_mermaid_takes_an_attack_for_text(
    render: Callable[[str], tuple[str, list[str]]], attack: str
) -> None:
    run = hostile(attack)
    text, complaints = render(ladder_mermaid.render(ladder(run.scenario, run.judgements[0])))
    assert complaints == []
    assert "R. 19:19(0) ack 486" in text
