"""What counts as a difference between runs, what never does, and who knows why."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.analysis.compare import COUNTERS, ComparedRun, Findings, Unseen, compare, observe
from rst_or_fin.analysis.counters import moves
from rst_or_fin.commands.compare import _FORMATS
from rst_or_fin.evidence.counters import COUNTERS as READ
from rst_or_fin.evidence.counters import JUDGED, MUST_BE_EQUAL, NOISE, is_noise
from rst_or_fin.evidence.records import CaptureFacts, PeerReport
from rst_or_fin.report import differences, differences_html
from rst_or_fin.scenario.axes import Axes, When
from rst_or_fin.scenario.model import Expectation, Scenario, Variant
from rst_or_fin.tcp import connection
from rst_or_fin.tcp.ending import Cause, Ending
from rst_or_fin.tcp.precondition import Precondition
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.verdict.assessment import Assessment

from tests.support import cases
from tests.support.segments import segments

RESET = Expectation(
    ending=Ending.RST, cause=Cause.UNREAD_DATA, closing_segment="R. 19:19(0) ack 486", peer_sees="ECONNRESET"
)
ORDERLY = Expectation(ending=Ending.FIN, closing_segment="F. 19:19(0) ack 486", peer_sees="end of file")
OLD, NEW = "6.12.43+deb12-amd64", "6.12.57+deb12-amd64"
REFERENCE = "Linux commit 5f9238530970"


def scenario(*variants: Variant, expect: Expectation = RESET, race: bool = False) -> Scenario:
    return Scenario(
        name="a-close",
        claim="A claim.",
        sources=("a test",),
        session="close.",
        expect=expect,
        variants=variants,
        race=race,
    )


KNOWN = scenario(Variant(when=When(kernel=(">=6.12.57",)), reference=REFERENCE, expect=ORDERLY))


def run(
    of: Scenario,
    ending: Ending = Ending.RST,
    *,
    axes: Axes | None = None,
    ports: tuple[int, int] = (40000, 80),
    isns: tuple[int, int] = (1000, 9000),
    start_ns: int = 1_700_000_000_000_000_000,
    window: int = 502,
    host: str = "10.0.0.2",
    duration_us: int = 30,
    dropped: int = 0,
    retransmitted: int = 0,
    source: str = "a-folder",
) -> ComparedRun:
    """One judged run of a connection that ended so; the rest must never make a difference."""
    axes = axes or Axes(kernel=OLD, otp="27")
    a, b = Endpoint(host, ports[0]), Endpoint("10.0.0.3", ports[1])
    wire = {Ending.RST: cases.ABORT, Ending.FIN: cases.CLOSE, Ending.FIN_THEN_RST: cases.SHUTDOWN_THEN_ABORT}
    passed = [
        msgspec.structs.replace(s, window=(s.window * window) % 65536)
        for s in segments(wire[ending], a=a, b=b, a_isn=isns[0], b_isn=isns[1], start_ns=start_ns)
    ]
    raised = {} if ending is Ending.FIN else dict(cases.ABORT_ON_CLOSE)
    told = cases.replay(
        local=a,
        remote=b,
        unread=0 if ending is Ending.FIN else 485,
        raised={**raised, "Tcp:RetransSegs": retransmitted},
    )
    told = replace(told, calls=tuple(replace(call, duration_us=duration_us) for call in told.calls))
    heard = cases.heard("ECONNRESET" if ending is Ending.RST else "end of file", peer=a)
    judged = cases.judge_one(
        of.at(axes), connection.connection(passed), CaptureFacts(dropped=dropped, fenced=True), told, heard
    )
    return ComparedRun(source=source, axes=axes, scenario=of, judgements=(judged,))


INCIDENTALS = st.fixed_dictionaries(
    {
        "ports": st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
        "isns": st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
        "start_ns": st.integers(0, 2**62),
        "window": st.integers(1, 65535),
        "host": st.sampled_from(["10.0.0.2", "198.18.7.9", "203.0.113.5"]),
        "duration_us": st.integers(0, 10**9),
        "retransmitted": st.integers(0, 5),
        "source": st.text(),
    }
)
ENDINGS = st.sampled_from([Ending.RST, Ending.FIN, Ending.FIN_THEN_RST])


@given(ENDINGS, INCIDENTALS, INCIDENTALS)
def test_no_address_port_number_time_or_window_makes_a_difference(ending, one, other) -> None:  # type: ignore[no-untyped-def]
    found = compare([run(KNOWN, ending, **one), run(KNOWN, ending, **other)])
    assert found.differences == ()


@given(ENDINGS, ENDINGS, INCIDENTALS, INCIDENTALS)
def test_another_ending_always_makes_a_difference(first, second, one, other) -> None:  # type: ignore[no-untyped-def]
    found = compare([run(KNOWN, first, **one), run(KNOWN, second, **other)])
    assert any("ending" in d.points for d in found.differences) == (first is not second)


@given(st.permutations([(OLD, "25"), (OLD, "27"), (NEW, "25"), (NEW, "27")]))
def test_the_order_of_the_runs_changes_nothing(order: list[tuple[str, str]]) -> None:
    runs = [
        run(KNOWN, Ending.FIN if kernel == NEW else Ending.RST, axes=Axes(kernel=kernel, otp=otp))
        for kernel, otp in order
    ]
    [difference] = compare(runs).differences
    assert [(b.where, b.reference) for b in difference.behaviours] == [
        (f"kernel {OLD}", ""),
        (f"kernel {NEW}", REFERENCE),
    ]


def found(*runs: ComparedRun) -> Findings:
    return compare(runs)


def at(
    kernel: str, ending: Ending, of: Scenario = KNOWN, *, otp: str = "27", backend: str = "inet"
) -> ComparedRun:
    return run(of, ending, axes=Axes(kernel=kernel, otp=otp, backend=backend))


def test_a_difference_that_a_variant_foresees_is_known() -> None:
    assert not found(at(OLD, Ending.RST), at(NEW, Ending.FIN)).unexplained


def test_the_same_difference_without_a_variant_is_unexplained() -> None:
    assert found(at(OLD, Ending.RST, scenario()), at(NEW, Ending.FIN, scenario())).unexplained


def test_a_variant_explains_nothing_where_the_run_did_not_do_what_it_says() -> None:
    assert found(at(OLD, Ending.RST), at(NEW, Ending.FIN_THEN_RST)).unexplained


def test_a_difference_within_one_variant_is_unexplained() -> None:
    assert found(at("6.12.57", Ending.FIN), at("6.18.1", Ending.RST)).unexplained


def test_the_same_place_twice_with_two_endings_is_told_apart_by_no_axis() -> None:
    [difference] = found(at(OLD, Ending.RST), at(OLD, Ending.FIN)).differences
    assert difference.axes is None


def test_the_fewest_axes_that_tell_behaviours_apart_are_named() -> None:
    foreseen = scenario(
        Variant(when=When(backend=("socket",), otp=(">=29",)), reference="OTP 29", expect=ORDERLY)
    )
    runs = [
        at(
            OLD,
            Ending.FIN if (otp, backend) == ("29", "socket") else Ending.RST,
            foreseen,
            otp=otp,
            backend=backend,
        )
        for otp in ("28", "29")
        for backend in ("inet", "socket")
    ]
    [difference] = compare(runs).differences
    assert (difference.axes, difference.behaviours[1].where) == (("otp", "backend"), "OTP 29; socket")


def test_releases_are_listed_by_number_and_not_by_letter() -> None:
    runs = [at(k, Ending.RST, scenario()) for k in ("6.9", "6.12", "5.10")] + [
        at("7.0", Ending.FIN, scenario())
    ]
    assert found(*runs).differences[0].behaviours[0].where == "kernel 5.10, 6.9, 6.12"


def test_a_place_that_is_no_full_product_is_not_described_as_one() -> None:
    runs = [
        at(kernel, Ending.FIN if (kernel, otp) == (NEW, "29") else Ending.RST, scenario(), otp=otp)
        for kernel in (OLD, NEW)
        for otp in ("28", "29")
    ]
    assert " | " in found(*runs).differences[0].behaviours[0].where


def test_an_inconclusive_run_is_set_aside_and_is_no_difference() -> None:
    doubtful = run(KNOWN, Ending.FIN, dropped=3)
    result = found(at(OLD, Ending.RST), at(OLD, Ending.RST), doubtful)
    assert (result.differences, [aside.run for aside in result.set_aside]) == ((), [doubtful])


def test_what_showed_nothing_somewhere_is_not_called_the_same() -> None:
    [silent] = run(KNOWN, dropped=3).judgements
    nowhere = replace(run(KNOWN), judgements=(silent,), axes=Axes(kernel=NEW))
    result = found(at(OLD, Ending.RST), at(OLD, Ending.RST), nowhere)
    assert (result.same, [(part.seen, len(part.unseen)) for part in result.in_part]) == ((), [(2, 1)])


def test_a_cell_that_was_not_played_is_named_where_it_is() -> None:
    unplayed = Unseen(scenario=KNOWN.name, where="kernel 6.1, OTP 27", why="error: it does not boot")
    result = compare([at(OLD, Ending.RST), at(OLD, Ending.RST)], [unplayed])
    assert "kernel 6.1, OTP 27: error: it does not boot" in differences.text(result)


def test_a_race_is_set_aside_with_its_endings() -> None:
    race = scenario(race=True)
    result = found(run(race, Ending.RST), run(race, Ending.FIN))
    assert (result.differences, {a.why for a in result.set_aside}) == (
        (),
        {"a race, which timing decides: RST", "a race, which timing decides: FIN"},
    )


def test_another_session_under_the_same_name_is_not_compared_with_it() -> None:
    other = msgspec.structs.replace(KNOWN, session="shutdown.")
    assert found(at(OLD, Ending.RST), at(NEW, Ending.FIN, other)).differences == ()


def test_retransmissions_are_not_among_the_counters_compared() -> None:
    assert observe(run(KNOWN, Ending.FIN, retransmitted=2))[COUNTERS] == "unchanged"


def test_a_counter_alone_makes_a_difference() -> None:
    [judged] = run(KNOWN).judgements
    before, after = judged.replay.readings
    more = replace(after, counters={**after.counters, "TcpExt:TCPAbortOnData": 9})
    other = replace(judged, replay=replace(judged.replay, readings=(before, more)))
    ran = run(KNOWN)
    assert found(ran, replace(ran, judgements=(other,))).differences[0].points == (COUNTERS,)


def counted(kernel: str, *changes: dict[str, int] | None) -> ComparedRun:
    """A run on that kernel, a replay for each of these changes of the counters."""
    ran = run(KNOWN, axes=Axes(kernel=kernel, otp="27"))
    [judged] = ran.judgements
    replays = (replace(judged, replay=replace(judged.replay, changed=change)) for change in changes)
    return replace(ran, judgements=tuple(replays))


ADVERTISED = {"TcpExt:TCPWantZeroWindowAdv": 1}


def test_a_counter_that_moves_in_one_place_alone_is_told_with_both_places() -> None:
    [each] = moves([counted(OLD, ADVERTISED, ADVERTISED), counted(NEW, {}, {}, {})])
    assert [(m.counter, m.by, m.where, m.replays, m.not_where, m.still) for m in each.moves] == [
        ("TcpExt:TCPWantZeroWindowAdv", "+1", f"kernel {OLD}", 2, f"kernel {NEW}", 3)
    ]


def test_a_counter_that_moves_in_some_replays_of_one_place_is_timing() -> None:
    [each] = moves([counted(OLD, ADVERTISED, {}), counted(NEW, {}, {})])
    assert (each.moves, each.unsteady) == ((), ("TcpExt:TCPWantZeroWindowAdv",))


@pytest.mark.parametrize("name", ["Tcp:InSegs", "IpExt:InOctets", "Ip6OutTransmits", "TcpExt:DelayedACKs"])
def test_a_counter_of_packets_is_noise_whatever_the_kernel(name: str) -> None:
    [each] = moves([counted(OLD, {name: 1}), counted(NEW, {})])
    assert (each.moves, each.noise) == ((), (name,))


def test_what_moves_everywhere_is_not_told() -> None:
    [each] = moves([counted(OLD, {"Tcp:ActiveOpens": 1}), counted(NEW, {"Tcp:ActiveOpens": 1})])
    assert each.moves == ()


def test_evidence_without_the_other_counters_is_said_to_have_none() -> None:
    [each] = moves([counted(OLD, None), counted(NEW, {})])
    assert (each.moves, each.unrecorded) == ((), 1)


def test_one_place_alone_has_nothing_to_be_told_apart_from() -> None:
    assert moves([counted(OLD, ADVERTISED), counted(OLD, {})]) == []


@pytest.mark.parametrize("form", list(_FORMATS))
def test_every_format_has_the_counters_that_were_asked_for(form: str) -> None:
    runs = [counted(OLD, ADVERTISED), counted(NEW, {})]
    assert "TCPWantZeroWindowAdv" in _FORMATS[form](compare(runs), moves(runs))


@pytest.mark.parametrize("form", list(_FORMATS))
def test_no_format_has_counters_that_nobody_asked_for(form: str) -> None:
    assert "TCPWantZeroWindowAdv" not in _FORMATS[form](
        compare([counted(OLD, ADVERTISED), counted(NEW, {})]), None
    )


def test_every_counter_that_is_judged_has_its_reasons() -> None:
    assert [c.name for c in JUDGED if not (c.raised_by and c.judged and c.because)] == []


def test_every_rule_of_noise_has_its_reason() -> None:
    assert [noise.pattern for noise in NOISE if not noise.why] == []


def test_what_must_be_equal_is_read_and_is_no_noise() -> None:
    assert (set(READ) >= MUST_BE_EQUAL, [name for name in MUST_BE_EQUAL if is_noise(name)]) == (True, [])


def test_how_much_had_arrived_at_the_close_counts_only_where_a_scenario_states_it() -> None:
    def acknowledging(verdict_of: ComparedRun, segment: str) -> ComparedRun:
        [judged] = verdict_of.judgements
        verdict = replace(judged.verdict, closing_segment=segment, deciding=())
        return replace(verdict_of, judgements=(replace(judged, verdict=verdict),))

    def differ(of: Scenario) -> bool:
        earlier, later = (
            acknowledging(run(of), s) for s in ("FP. 73:80(7) ack 60817", "F. 73:73(0) ack 83665")
        )
        return bool(found(earlier, later).differences)

    assert (differ(scenario()), differ(scenario(expect=Expectation(ending=Ending.RST)))) == (True, False)


def test_a_counter_that_a_late_reset_raises_is_not_compared() -> None:
    def reset_counted(times: int) -> ComparedRun:
        told = cases.replay(unread=0, received=0, raised={"Tcp:OutRsts": times})
        judged = cases.judge_one(
            KNOWN,
            connection.connection(segments(cases.LATE_DATA)),
            cases.WHOLE,
            told,
            cases.heard("end of file"),
        )
        return ComparedRun(source="", axes=Axes(), scenario=KNOWN, judgements=(judged,))

    assert found(reset_counted(0), reset_counted(1)).differences == ()


def _unread(judged: Assessment, unread: int) -> Assessment:
    assert judged.socket is not None
    return replace(judged, socket=replace(judged.socket, unread=unread))


@pytest.mark.parametrize(
    ("precondition", "differ"), [(Precondition(unread=485), True), (Precondition(), False)]
)
def test_unread_bytes_count_only_where_a_scenario_gates_them(
    precondition: Precondition, differ: bool
) -> None:
    ran = run(msgspec.structs.replace(scenario(), precondition=precondition))
    other = replace(ran, judgements=(_unread(ran.judgements[0], 475),))
    assert bool(found(ran, other).differences) is differ


def test_what_the_shell_prints_of_an_identity_makes_no_difference() -> None:
    of = scenario(expect=msgspec.structs.replace(RESET, returns="ok"))

    def returning(text: str) -> ComparedRun:
        ran = run(of)
        [judged] = ran.judgements
        calls = (judged.replay.calls[0], replace(judged.replay.calls[1], result=text))
        return replace(ran, judgements=(replace(judged, replay=replace(judged.replay, calls=calls)),))

    assert (
        found(
            returning("{'EXIT',<0.81.0>,#Port<0.3>}"), returning("{'EXIT',<0.9.0>,#Port<0.44>}")
        ).differences
        == ()
    )


# Reports


def hostile() -> Findings:
    name = "<script>alert(1)</script>|`*\x1b[2J\u202e"
    of = msgspec.structs.replace(scenario(), name=name, claim="<b>A claim</b>")
    return found(at(OLD, Ending.RST, of), at(NEW, Ending.FIN, of))


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_no_report_lets_a_control_character_through(form: str) -> None:
    text = _FORMATS[form](hostile(), None)
    assert not {"\x1b", "\u202e"} & set(text)


def test_the_page_escapes_what_it_is_given() -> None:
    page = differences_html.render(hostile())
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_needs_nothing_from_elsewhere_and_knows_the_dark() -> None:
    page = differences_html.render(hostile())
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_text_says_first_how_much_differs_and_why() -> None:
    text = differences.text(found(at(OLD, Ending.RST), at(NEW, Ending.FIN)))
    assert text.startswith("1 scenario differs: 1 known, 0 unexplained.")
    assert f"because  {REFERENCE}" in text


def test_what_is_the_same_is_one_line() -> None:
    text = differences.text(found(at(OLD, Ending.RST), at("6.1.1", Ending.RST)))
    assert (
        text
        == f"Nothing differs.\n\nThe same wherever it was played (kernel 6.1.1, {OLD}): 1 scenario: a-close"
    )


def test_json_names_the_evidence_of_every_behaviour() -> None:
    document = json.loads(_FORMATS["json"](found(at(OLD, Ending.RST), at(NEW, Ending.FIN)), None))
    [difference] = document["differences"]
    assert [run["axes"]["kernel"] for b in difference["behaviours"] for run in b["runs"]] == [OLD, NEW]


def test_a_peer_that_was_not_heard_is_said_to_be_so() -> None:
    ran = run(KNOWN)
    unheard: PeerReport | None = None
    other = replace(ran, judgements=(replace(ran.judgements[0], peer_report=unheard),))
    assert observe(other)["peer's application sees"] == "no report"
