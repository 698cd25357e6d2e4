"""Hold the judge against the truth, conversation after conversation."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.truth import adapter, show
from tests.truth.compare import Result, Wrong, compare
from tests.truth.conversation import Conversation, converse
from tests.truth.tally import Tally, report, tags

CHUNK = 200
TELL_S = 10.0
CRASHES = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
COMMAND = ".venv/bin/python -m tests.truth.campaign --replay"


def examine(seeds: Sequence[int]) -> Tally:
    """Return what the judge makes of the conversations of some seeds."""
    tally = Tally()
    for seed in seeds:
        conversation = converse(seed)
        tally.count(seed, _held_against(conversation), tags(conversation))
    return tally


def _held_against(conversation: Conversation) -> Result:
    try:
        return compare(conversation, adapter.verdicts(conversation.pcap))
    except CRASHES as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Result(wrongs=[Wrong(kind="crash", said=f"{error!r} in {where.name}", true="a verdict")])


def run(first: int, count: int, jobs: int) -> Tally:
    """Examine so many seeds from the first on, several at a time, and say now and then how far that is."""
    total, started = Tally(), time.monotonic()
    starts = range(first, first + count, CHUNK)
    chunks = [range(start, min(start + CHUNK, first + count)) for start in starts]
    told = started
    with multiprocessing.Pool(jobs) as pool:
        for chunk, tally in zip(chunks, pool.imap(examine, chunks), strict=True):
            total.add(tally)
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                print(_progress(total, told - started, chunk[-1] + 1), file=sys.stderr)
    return total


def _progress(total: Tally, took_s: float, next_seed: int) -> str:
    return (
        f"{total.conversations} conversations, {total.conversations / took_s:.0f} a second,"
        f" {total.wrongs.total()} wrong; go on with --from {next_seed}"
    )


def keep(tally: Tally, folder: Path) -> None:
    """Write the captures of the examples that the judge is wrong about."""
    folder.mkdir(parents=True, exist_ok=True)
    for wrong in {wrong for wrong, _ in tally.wrongs}:
        for seed in tally.seeds[wrong]:
            (folder / f"{seed}.pcap").write_bytes(converse(seed).pcap)


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
    parser.add_argument("--out", type=Path, default=Path("build/truth"), help="where to keep captures")
    parser.add_argument("--replay", type=int, metavar="SEED", help="show one conversation")
    options = parser.parse_args()
    if options.replay is not None:
        print(replay(options.replay))
        return 0
    started = time.monotonic()
    tally = run(options.seed, options.count, options.jobs)
    print(report(tally, time.monotonic() - started))
    if tally.wrongs:
        keep(tally, options.out)
        print(
            f"\nSome of their captures: {options.out}/SEED.pcap. One with all that is known: {COMMAND} SEED"
        )
    return int(tally.failed)


if __name__ == "__main__":
    sys.exit(main())
