"""A judge that says what is true is right, and one that lies is caught."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.truth import adapter, campaign
from tests.truth.adapter import Said
from tests.truth.campaign import Tally, normal, report
from tests.truth.compare import Wrong, compare
from tests.truth.conversation import Conversation, converse
from tests.truth.meeting import meet
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


def judged(judge: Callable[[bytes], list[Said]], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Tally:
    monkeypatch.setattr(adapter, "verdicts", judge)
    return campaign.examine(range(3), folder)


def test_a_judge_that_crashes_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tally = judged(lambda capture: [][0], monkeypatch, tmp_path)
    assert [wrong.kind for _, wrong, _ in tally.wrongs] == ["crash"] * 3


def test_a_capture_that_a_judge_is_wrong_about_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    judged(lambda capture: [][0], monkeypatch, tmp_path)
    assert (tmp_path / "2.pcap").read_bytes() == converse(2).pcap


def test_a_report_names_the_command_that_shows_a_wrong_one(tmp_path: Path) -> None:
    tally = Tally(conversations=1, wrongs=[(7, Wrong(kind="count", said="1", true="2"), ())])
    text = report(tally, tmp_path, 1.0)
    assert ("count: said 1, is 2   e.g. [7]" in text, "--replay SEED" in text) == (True, True)


def test_parts_of_a_campaign_add_up_to_the_whole() -> None:
    parts = Tally()
    for first in (0, 20):
        parts.add(campaign.examine(range(first, first + 20)))
    whole = campaign.examine(range(40))
    assert (parts.right, parts.inconclusive, len(parts.wrongs)) == (
        whole.right,
        whole.inconclusive,
        len(whole.wrongs),
    )


def test_a_replay_shows_states_truth_and_verdict() -> None:
    text = campaign.replay(453)
    assert all(word in text for word in ("SYN-SENT | -", "truth: #0", "verdict: client"))


# Independence


@pytest.mark.parametrize("path", sorted(HERE.glob("*.py")), ids=lambda path: path.name)
def test_only_the_adapter_knows_the_judge(path: Path) -> None:
    imported = {
        (alias.name if isinstance(node, ast.Import) else node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert ("harness" in imported) == (path.name == "adapter.py")
