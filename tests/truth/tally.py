"""Count what a judge makes of many conversations, and print the counts."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from tests.truth.compare import Result, Wrong
from tests.truth.conversation import Conversation

EXAMPLES = 20  # seeds that are remembered for each kind of thing
Tags = tuple[str, ...]


@dataclass(slots=True, eq=False)
class Tally:
    """What came of many conversations, with some seeds for each kind of thing.

    `wrongs` counts by what was wrong and by what was out of the ordinary there; `floor` are the plain
    connections, `hesitant` those of them that were not conclusive, `timid` counts the doubts about them.
    """

    conversations: int = 0
    right: int = 0
    inconclusive: int = 0
    doubts: Counter[str] = field(default_factory=Counter)
    wrongs: Counter[tuple[Wrong, Tags]] = field(default_factory=Counter)
    floor: int = 0
    hesitant: int = 0
    timid: Counter[str] = field(default_factory=Counter)
    seeds: dict[Wrong | str, list[int]] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add the counts of another."""
        self.conversations += other.conversations
        self.right += other.right
        self.inconclusive += other.inconclusive
        self.doubts.update(other.doubts)
        self.wrongs.update(other.wrongs)
        self.floor += other.floor
        self.hesitant += other.hesitant
        self.timid.update(other.timid)
        for what, seeds in other.seeds.items():
            for seed in seeds:
                self._note(what, seed)

    def count(self, seed: int, result: Result, words: Tags) -> None:
        """Count what came of one conversation."""
        self.conversations += 1
        self.right += result.right
        self.inconclusive += len(result.doubts)
        self.doubts.update(normal(doubt) for doubts in result.doubts for doubt in doubts)
        for wrong in result.wrongs:
            self.wrongs[wrong, words] += 1
            self._note(wrong, seed)
        self.floor += result.floor
        self.hesitant += len(result.floor_doubts)
        for doubt in (normal(doubt) for doubts in result.floor_doubts for doubt in doubts):
            self.timid[doubt] += 1
            self._note(doubt, seed)

    def _note(self, what: Wrong | str, seed: int) -> None:
        examples = self.seeds.setdefault(what, [])
        if len(examples) < EXAMPLES:
            examples.append(seed)

    @property
    def failed(self) -> bool:
        """Return whether the judge was wrong, or hesitated too often where all is plain."""
        return bool(self.wrongs) or self.hesitant > self.floor / 500


def normal(doubt: str) -> str:
    """Return a doubt without its numbers and addresses, so that alike ones count together."""
    doubt = re.sub(r"[FSRPUEW]*\.? -?\d+:-?\d+\(\d+\)( ack -?\d+)?", "SEGMENT", doubt)
    return re.sub(r"\d+", "N", re.sub(r"\[?[0-9a-f:.]*[:.][0-9a-f:.]+\]?(:\d+)?", "ADDRESS", doubt))


def tags(conversation: Conversation) -> Tags:
    """Return what is out of the ordinary in a conversation."""
    plan = conversation.plan
    shown = [crossing for crossing, _ in conversation.shown]
    found = {
        "forged RST": any(crossing.segment.reason == "forged" for crossing in shown),
        "stray SYN": any(crossing.segment.reason == "stray" for crossing in shown),
        "corrupted": any(crossing.corrupted for crossing in shown),
        "lossy": not plan.weather.calm,
        "early end": plan.capture.end < 1,
        "late start": plan.capture.start > 0,
        "dropped": bool(plan.capture.drop or plan.capture.lose_one),
        "swapped": bool(plan.capture.swap or plan.capture.syn_swap),
        "doubled": plan.capture.doubled,
        "one way": plan.capture.blind is not None,
        "short snap": bool(plan.capture.snap_len),
        "offload": plan.capture.offload is not None,
        "lag": plan.abort_lags_ns != (0, 0),
    }
    return tuple(word for word, holds in found.items() if holds)


def report(tally: Tally, took_s: float) -> str:
    """Return the tables of a campaign."""
    text = [f"{tally.conversations} conversations, {tally.conversations / took_s:.0f} a second"]
    text += [
        f"{tally.right:8} right",
        f"{tally.inconclusive:8} inconclusive",
        f"{tally.wrongs.total():8} wrong",
    ]
    text.append("\nInconclusive because")
    text += [f"{count:8} {doubt}" for doubt, count in tally.doubts.most_common()]
    sure = tally.floor - tally.hesitant
    share = 100 * sure / max(tally.floor, 1)
    text.append(f"\nPlain connections: {sure} of {tally.floor} conclusive ({share:.2f} %, 99.8 % wanted)")
    text += [
        f"{count:8} {doubt}  e.g. {tally.seeds[doubt][:3]}" for doubt, count in tally.timid.most_common()
    ]
    return "\n".join([*text, "\nWrong", *_wrong_lines(tally)])


def _wrong_lines(tally: Tally) -> list[str]:
    by_tags: dict[Wrong, Counter[str]] = {}
    for (wrong, words), count in tally.wrongs.items():
        by_tags.setdefault(wrong, Counter())[", ".join(words) or "nothing special"] += count
    found = []
    for wrong, counts in sorted(by_tags.items(), key=lambda item: -item[1].total()):
        examples = tally.seeds[wrong][:3]
        found.append(f"{counts.total():8} {wrong.kind}: said {wrong.said}, is {wrong.true}  e.g. {examples}")
        found += [f"         {count:6} with {words}" for words, count in counts.most_common(4)]
    return found
