"""A judge that looked the other way would be caught: every mutant here gives some case another answer.

Each mutant is a module of the harness with one thing changed in its syntax tree, or the table of causes
without one of its rows, or with one inverted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType

import pytest
from rst_or_fin.tcp import acceptance, causes, sender_state, windows
from rst_or_fin.tcp.causes import CAUSES, Row
from rst_or_fin.verdict import aborts, doubts, judge, witnesses

from tests.support.cases import CASES
from tests.support.mutants import BeginWith, Swap, functions, mutated

# What is wrong with the judge -> (the module and function that are changed, what the function begins with).
BEGINS_WITH: dict[str, tuple[ModuleType, str, str]] = {
    "ignores the precondition": (judge, "judge", "precondition = Precondition()"),
    "ignores dropped frames": (
        doubts,
        "doubts_of_capture",
        "capture = type(capture)(dropped=0, fenced=False)",
    ),
    "ignores a missing fence": (
        doubts,
        "doubts_of_capture",
        "capture = type(capture)(dropped=capture.dropped, fenced=True)",
    ),
    "ignores what the closing host reports": (judge, "judge", "report = None"),
    "ignores the peer's application": (judge, "judge", "peer_report = None"),
    "ignores a missing report of the peer": (judge, "judge", "peer = PeerTraits()"),
    "ignores a peer in trouble": (doubts, "doubts_of_peer", "return []"),
    "takes any unread byte for all of them": (
        doubts,
        "_holds",
        'wanted = "some" if wanted == "all" else wanted',
    ),
    "takes every session for a whole one": (doubts, "doubts_of_replay", "return []"),
    "concludes what is still open": (doubts, "doubts_of_end", "return []"),
    "sees a FIN in every ending": (judge, "_ending", "return Ending.FIN"),
    "sees a RST in every ending": (judge, "_ending", "return Ending.RST"),
    "ignores the kernel's counters": (witnesses, "interval", "return None"),
    "takes every reset in an interval for its own": (
        witnesses,
        "aborts_raised",
        "report = replace(report, aborts_ns=()) if report else None",
    ),
    "takes any reason for the counter's": (witnesses, "tracepoint", "cause = None"),
    "ignores the tracepoint": (judge, "_reasons", "return None"),
    "takes the first RST for the abort": (
        aborts,
        "abort_index",
        "r = connection.reading.end(connection.endpoint(role)).reset(); return r.index if r else None",
    ),
    "takes a repeated byte for news": (aborts, "_answered", "return Answered.NEW_DATA"),
    "ignores keepalive probes": (aborts, "_unanswered", "return 0, 0"),
    "ignores a missing handshake": (acceptance, "opened", "return True"),
    "ignores a hole in the capture": (acceptance, "hole", "return None"),
    "takes a wrong checksum for a right one": (acceptance, "add", "segment = _intact(segment)"),
    "takes a RST anywhere in the sequence space": (windows, "acceptable", "return seq, seq"),
    "takes a RST with any TTL": (sender_state, "has_ttl_of", "return True"),
    "takes a RST with any IP ID": (sender_state, "has_id_of", "return True"),
    "believes a RST of an end that went on": (acceptance, "_goes_on", "return"),
    "takes any RST for a refusal": (acceptance, "_refusal", "segment = _acknowledging(segment, peer)"),
    "takes what comes after both FINs": (acceptance, "closed_by_fins", "return False"),
    "blames every RST on unread data": (causes, "cause_of", "return Cause.UNREAD_DATA"),
    "knows no cause": (causes, "cause_of", "return Cause.UNKNOWN"),
    "takes every reason for a fitting one": (causes, "fits_reason", "return True"),
}
HELPERS = """
from dataclasses import replace
from msgspec.structs import replace as changed

from rst_or_fin.tcp.segment import Checksum


def _intact(segment):
    return changed(segment, checksum=Checksum.GOOD)


def _acknowledging(segment, peer):
    return changed(segment, flags=segment.flags | 0x10, ack=(peer.isn or 0) + 1)
"""


class _WithHelpers(BeginWith):
    def visit_Module(self, node: ast.Module) -> ast.AST:
        self.generic_visit(node)
        after_future = next(i for i, s in enumerate(node.body) if isinstance(s, ast.ImportFrom)) + 1
        node.body[after_future:after_future] = ast.parse(HELPERS).body
        return node


def wrong_answers() -> list[str]:
    return [name for name, case in CASES.items() if case.answer(judge) != case.answer_owed]


def some_answer_is_wrong() -> bool:
    return any(case.answer(judge) != case.answer_owed for case in CASES.values())


def test_the_judge_itself_gives_every_answer_owed() -> None:
    assert wrong_answers() == []


def test_a_module_that_is_loaded_the_same_way_unchanged_changes_no_answer() -> None:
    with mutated(acceptance, BeginWith("no such function", "")):
        assert wrong_answers() == []


@pytest.mark.parametrize("mutant", BEGINS_WITH)
def test_some_case_tells_the_judge_from_one_that(mutant: str) -> None:
    module, function, statement = BEGINS_WITH[mutant]
    with mutated(module, _WithHelpers(function, statement)):
        assert some_answer_is_wrong(), "no case notices"


@pytest.mark.parametrize(
    ("module", "one", "other"),
    [
        (causes, "UNREAD_DATA", "ZERO_LINGER"),
        (aborts, "NEW_DATA", "NOTHING_NEW"),
    ],
)
def test_some_case_tells_the_judge_from_one_that_swaps(module: ModuleType, one: str, other: str) -> None:
    with mutated(module, Swap(one, other)):
        assert some_answer_is_wrong(), "no case notices"


@pytest.mark.parametrize("mutant", BEGINS_WITH)
def test_every_mutant_changes_a_function_that_exists(mutant: str) -> None:
    module, function, _ = BEGINS_WITH[mutant]
    assert function in functions(module)


# The table of causes, row by row


@contextmanager
def table(rows: tuple[Row, ...]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(causes, "CAUSES", rows)
        yield


@pytest.mark.parametrize("row", CAUSES, ids=lambda row: str(row.cause))
def test_some_case_misses_a_cause_that_is_taken_out_of_the_table(row: Row) -> None:
    with table(tuple(each for each in CAUSES if each is not row)):
        assert some_answer_is_wrong(), "no case notices"


@pytest.mark.parametrize("row", CAUSES, ids=lambda row: str(row.cause))
def test_some_case_notices_a_cause_that_is_told_when_it_does_not_fit(row: Row) -> None:
    inverted = replace(
        row, fits=lambda abort: not row.fits(abort), counter="", by_segments=lambda abort: True
    )
    with table(tuple(inverted if each is row else each for each in CAUSES)):
        assert some_answer_is_wrong(), "no case notices"
