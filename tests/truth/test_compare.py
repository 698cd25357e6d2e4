"""A judge that says what is true is right, and one that lies is caught."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.truth import adapter, campaign
from tests.truth.adapter import Said
from tests.truth.compare import Wrong, compare
from tests.truth.conversation import Conversation, converse
from tests.truth.meeting import meet
from tests.truth.tally import Tally, normal, report
from tests.truth.truth import Truth
from tests.truth.world import MS

HERE = Path(__file__).parent
ORDERLY = meet([("close", 0)], [("eof", 0), ("close", 0)]).conversation
OPEN = meet([("send", 5)], []).conversation
LATE_DATA = meet([("close", 0)], [("eof", 0), ("sleep", 5 * MS), ("send", 9)]).conversation
ABORTED = meet([("sleep", 5 * MS), ("linger", 0)], []).conversation
WORDS = {
    ("FIN", "FIN"): "SF",
    ("FIN", "none"): "S2",
    ("none", "FIN"): "S3",
    ("none", "none"): "S1",
}


def honest(conversation: Conversation, truth: Truth) -> Said:
    """Return what a judge says that knows the truth of one connection."""
    addresses, ports = conversation.plan.addresses, truth.conn.ports
    ends = ((addresses.a, ports[0]), (addresses.b, ports[1]))
    client = truth.client or 0
    sides = (client, 1 - client)
    endings = (min(truth.endings[sides[0]]), min(truth.endings[sides[1]]))
    causes = tuple(min(truth.causes[side], default="unknown") for side in sides)
    resets = ["RST" in ending for ending in endings]
    word = "RSTO" if resets[0] else "RSTR" if resets[1] else WORDS[endings]
    unit_ns, start_ns = conversation.plan.capture.unit_ns, conversation.plan.start_ns
    return Said(
        client=ends[sides[0]],
        server=ends[sides[1]],
        endings=endings,
        causes=(causes[0], causes[1]),
        conn_state=word,
        doubts=() if truth.over or truth.may_be_over else ("still open",),
        times_ns=tuple(
            (start_ns + at_ns) // unit_ns * unit_ns
            for crossing, at_ns in conversation.shown
            if crossing.conn.root() is truth.conn
        ),
    )


def wrongs(conversation: Conversation, **lie: object) -> list[str]:
    """Return what kinds of wrong a judge is caught at that lies about the only connection."""
    said = replace(honest(conversation, conversation.truths[0]), **lie)  # type: ignore[arg-type]
    return [wrong.kind for wrong in compare(conversation, [said]).wrongs]


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_a_judge_that_knows_the_truth_is_never_wrong(first: int) -> None:
    found: list[Wrong] = []
    for seed in range(first, first + 100):
        conversation = converse(seed)
        found += compare(conversation, [honest(conversation, truth) for truth in conversation.truths]).wrongs
    assert found == []


def test_a_right_verdict_is_counted() -> None:
    assert compare(ORDERLY, [honest(ORDERLY, ORDERLY.truths[0])]).right == 1


@pytest.mark.parametrize(
    ("conversation", "lie", "kind"),
    [
        (ORDERLY, {"endings": ("FIN then RST", "FIN"), "conn_state": "SF"}, "client ending"),
        (ORDERLY, {"endings": ("FIN", "none"), "conn_state": "S2"}, "server ending"),
        (ORDERLY, {"conn_state": "RSTR"}, "conn_state"),
        (ORDERLY, {"client": ("10.0.0.2", 80), "server": ("10.0.0.1", 40000)}, "client"),
        (OPEN, {"doubts": ()}, "not over"),
        (LATE_DATA, {"causes": ("late segment after close", "unknown")}, "client cause"),
        (ABORTED, {"causes": ("data after close", "unknown")}, "client cause"),
        (ABORTED, {"conn_state": "SF"}, "conn_state"),
    ],
)
def test_a_lie_is_caught(conversation: Conversation, lie: dict[str, object], kind: str) -> None:
    assert wrongs(conversation, **lie) == [kind]


def test_an_unknown_cause_is_always_right() -> None:
    assert wrongs(LATE_DATA, causes=("unknown", "unknown")) == []


def test_doubts_are_never_wrong() -> None:
    lie = {"endings": ("RST", "RST"), "conn_state": "OTH", "doubts": ("who knows",)}
    assert wrongs(ORDERLY, **lie) == []


def test_one_connection_too_many_is_caught() -> None:
    said = honest(ORDERLY, ORDERLY.truths[0])
    assert [wrong.kind for wrong in compare(ORDERLY, [said, said]).wrongs] == ["count"]


def test_a_timid_judge_falls_below_the_floor() -> None:
    timid = replace(honest(ORDERLY, ORDERLY.truths[0]), doubts=("who knows",))
    result = compare(ORDERLY, [timid])
    assert (result.floor, result.floor_doubts) == (1, [("who knows",)])


# The campaign


@pytest.mark.parametrize(
    ("doubt", "same"),
    [
        ("a hole: . -7:-7(0) ack 12 acknowledges it", "a hole: SEGMENT acknowledges it"),
        ("the kernel dropped 12 frames", "the kernel dropped N frames"),
        ("of 10.0.0.1:40000 only", "of ADDRESS only"),
        ("of [2001:db8::1]:40000 only", "of ADDRESS only"),
    ],
)
def test_alike_doubts_count_together(doubt: str, same: str) -> None:
    assert normal(doubt) == same


def test_a_judge_that_crashes_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "verdicts", lambda capture: [][0])
    tally = campaign.examine(range(3))
    assert sum(count for (wrong, _), count in tally.wrongs.items() if wrong.kind == "crash") == 3


WRONG = Wrong(kind="count", said="1", true="2")
ONE_WRONG = Tally(conversations=1, wrongs=Counter({(WRONG, ("lossy",)): 1}), seeds={WRONG: [7]})


def test_a_capture_that_a_judge_is_wrong_about_is_kept(tmp_path: Path) -> None:
    campaign.keep(ONE_WRONG, tmp_path / "wrong")
    assert (tmp_path / "wrong" / "7.pcap").read_bytes() == converse(7).pcap


def test_a_report_says_what_was_wrong_and_where() -> None:
    assert "count: said 1, is 2  e.g. [7]" in report(ONE_WRONG, 1.0)


@pytest.mark.parametrize(
    ("tally", "failed"),
    [
        (Tally(floor=2000, hesitant=4), False),
        (Tally(floor=2000, hesitant=5), True),
        (ONE_WRONG, True),
    ],
)
def test_a_campaign_fails_where_a_judge_is_wrong_or_timid(tally: Tally, failed: bool) -> None:
    assert tally.failed == failed


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_campaign_is_the_same_with_any_number_of_jobs(jobs: int) -> None:
    assert campaign.run(5, 450, jobs).wrongs == campaign.examine(range(5, 455)).wrongs


def test_a_replay_shows_states_truth_and_verdict() -> None:
    text = campaign.replay(453)
    assert all(word in text for word in ("SYN-SENT | -", "truth: #0", "verdict: client"))


# Independence


# What asks the judge, and what holds its roads against each other: neither makes a conversation.
KNOW_THE_JUDGE = {"adapter.py", "test_columns.py", "test_sifting.py", "test_streaming.py"}


@pytest.mark.parametrize("path", sorted(HERE.glob("*.py")), ids=lambda path: path.name)
def test_nothing_that_makes_conversations_knows_the_judge(path: Path) -> None:
    imported = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert ("rst_or_fin" in imported) == (path.name in KNOW_THE_JUDGE)
