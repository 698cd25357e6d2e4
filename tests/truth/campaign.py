"""Hold the judge against the truth, conversation after conversation."""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.truth import adapter, show
from tests.truth.compare import Result, Wrong, compare
from tests.truth.conversation import Conversation, converse

CHUNK = 200
CRASHES = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_COMMAND = ".venv/bin/python -m tests.truth.campaign --replay"


@dataclass(slots=True, eq=False)
class Tally:
    """What came of many conversations; `wrongs` are (seed, wrong, tags)."""

    conversations: int = 0
    right: int = 0
    doubts: Counter[str] = field(default_factory=Counter)
    inconclusive: int = 0
    wrongs: list[tuple[int, Wrong, tuple[str, ...]]] = field(default_factory=list)
    floor: int = 0
    floor_doubts: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the counts of another."""
        self.conversations += other.conversations
        self.right += other.right
        self.doubts += other.doubts
        self.inconclusive += other.inconclusive
        self.wrongs += other.wrongs
        self.floor += other.floor
        self.floor_doubts += other.floor_doubts


def examine(seeds: Sequence[int], folder: Path | None = None) -> Tally:
    """Return what the judge makes of the conversations of some seeds; keep the captures it is wrong about."""
    tally = Tally(conversations=len(seeds))
    for seed in seeds:
        conversation = converse(seed)
        result = _held_against(conversation)
        tally.right += result.right
        tally.inconclusive += len(result.doubts)
        tally.doubts.update(normal(doubt) for doubts in result.doubts for doubt in doubts)
        tally.wrongs += [(seed, wrong, tags(conversation)) for wrong in result.wrongs]
        tally.floor += result.floor
        tally.floor_doubts += [(seed, doubts) for doubts in result.floor_doubts]
        if result.wrongs and folder is not None:
            (folder / f"{seed}.pcap").write_bytes(conversation.pcap)
    return tally


def _held_against(conversation: Conversation) -> Result:
    try:
        return compare(conversation, adapter.verdicts(conversation.pcap))
    except CRASHES as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Result(wrongs=[Wrong(kind="crash", said=f"{error!r} in {where.name}", true="a verdict")])


def normal(doubt: str) -> str:
    """Return a doubt without its numbers and addresses, so that alike ones count together."""
    doubt = re.sub(r"[FSRPUEW]*\.? -?\d+:-?\d+\(\d+\)( ack -?\d+)?", "SEGMENT", doubt)
    return re.sub(r"\d+", "N", re.sub(r"\[?[0-9a-f:.]*[:.][0-9a-f:.]+\]?(:\d+)?", "ADDRESS", doubt))


def tags(conversation: Conversation) -> tuple[str, ...]:
    """Return what is out of the ordinary in a conversation."""
    plan = conversation.plan
    shown = [crossing for crossing, _ in conversation.shown]
    found = {
        "forged RST": any(c.segment.reason == "forged" for c in shown),
        "stray SYN": any(c.segment.reason == "stray" for c in shown),
        "corrupted": any(c.corrupted for c in shown),
        "lossy": not plan.weather.calm,
        "early end": plan.capture.end < 1,
        "late start": plan.capture.start > 0,
        "dropped": bool(plan.capture.drop or plan.capture.lose_one),
        "swapped": bool(plan.capture.swap or plan.capture.syn_swap),
        "doubled": plan.capture.doubled,
        "lag": plan.abort_lags_ns != (0, 0),
    }
    return tuple(word for word, holds in found.items() if holds)


def run(first: int, count: int, jobs: int, folder: Path) -> Tally:
    """Examine so many seeds from the first on, several at a time, and say now and then how far that is."""
    total, started = Tally(), time.monotonic()
    starts = range(first, first + count, CHUNK)
    chunks = [range(start, min(start + CHUNK, first + count)) for start in starts]
    told = started
    with multiprocessing.Pool(jobs) as pool:
        for done, tally in enumerate(pool.imap(partial(examine, folder=folder), chunks), 1):
            total.add(tally)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                speed = total.conversations / (told - started)
                print(
                    f"{total.conversations} conversations, {speed:.0f} a second, {len(total.wrongs)} wrong;"
                    f" go on with --from {chunks[done - 1][-1] + 1}",
                    file=sys.stderr,
                )
    return total


def report(tally: Tally, folder: Path, took_s: float) -> str:
    """Return the tables of a campaign."""
    verdicts = tally.right + tally.inconclusive + len({seed for seed, _, _ in tally.wrongs})
    speed = tally.conversations / took_s
    text = [f"{tally.conversations} conversations, {verdicts} verdicts, {speed:.0f} conversations a second"]
    text.append(f"{tally.right:8} right\n{tally.inconclusive:8} inconclusive\n{len(tally.wrongs):8} wrong")
    text.append("\nInconclusive because")
    text += [f"{count:8} {doubt}" for doubt, count in tally.doubts.most_common()]
    conclusive = tally.floor - len(tally.floor_doubts)
    share = 100 * conclusive / max(tally.floor, 1)
    text.append(
        f"\nPlain connections: {conclusive} of {tally.floor} conclusive ({share:.2f} %, 99.9 % wanted)"
    )
    floor = Counter(normal(doubt) for _, doubts in tally.floor_doubts for doubt in doubts)
    examples = {normal(doubt): seed for seed, doubts in tally.floor_doubts for doubt in doubts}
    text += [f"{count:8} {doubt}  e.g. {examples[doubt]}" for doubt, count in floor.most_common()]
    text.append("\nWrong")
    text += _wrong_lines(tally)
    if tally.wrongs:
        text.append(f"\ntheir captures: {folder}/SEED.pcap; one with all that is known: {_COMMAND} SEED")
    return "\n".join(text)


def _wrong_lines(tally: Tally) -> list[str]:
    kinds: Counter[tuple[str, str, str]] = Counter()
    seeds: dict[tuple[str, str, str], list[int]] = {}
    by_tags: dict[tuple[str, str, str], Counter[str]] = {}
    for seed, wrong, words in tally.wrongs:
        key = (wrong.kind, wrong.said, wrong.true)
        kinds[key] += 1
        seeds.setdefault(key, []).append(seed)
        by_tags.setdefault(key, Counter())[", ".join(words) or "nothing special"] += 1
    found = []
    for key, count in kinds.most_common():
        found.append(f"{count:8} {key[0]}: said {key[1]}, is {key[2]}   e.g. {seeds[key][:3]}")
        found += [f"         {times:6} with {words}" for words, times in by_tags[key].most_common(6)]
    return found


def replay(seed: int) -> str:
    """Return everything that is known of one conversation, and what the judge says."""
    conversation = converse(seed, verbose=True)
    verdicts = adapter.verdicts(conversation.pcap)
    wrongs = [f"WRONG {wrong}" for wrong in compare(conversation, verdicts).wrongs]
    return "\n".join([*show.lines(conversation, verdicts), *wrongs])


def main() -> int:
    """Run a campaign, or show one conversation; exit with 1 where the judge is wrong, or too timid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="how many conversations")
    parser.add_argument("--seed", "--from", type=int, default=1, help="the first one's seed")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument(
        "--out", type=Path, default=Path("build/truth"), help="where to keep wrong ones' captures"
    )
    parser.add_argument("--replay", type=int, metavar="SEED", help="show one conversation")
    options = parser.parse_args()
    if options.replay is not None:
        print(replay(options.replay))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    tally = run(options.seed, options.count, options.jobs, options.out)
    print(report(tally, options.out, time.monotonic() - started))
    timid = len(tally.floor_doubts) > tally.floor / 1000
    return 1 if tally.wrongs or timid else 0


if __name__ == "__main__":
    sys.exit(main())
