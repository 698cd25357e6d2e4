"""Soak the judge: python -m tests.soak.campaign [--minutes 10] [--seed 1] [--out runs/soak].

Plays random scenarios of the catalogue under random faults on the local runtime, and holds each conclusive
verdict against `oracle`. It goes on where an earlier campaign with the same folder stopped. Whatever is wrong
keeps its evidence, and the one command that plays it again is printed. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rst_or_fin.errors import RstOrFinError
from rst_or_fin.runner import replay as conductor
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.scenario.wire import RandomFaults
from rst_or_fin.storage import scenario_files
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.local import LocalTestbed
from rst_or_fin.testbed.select import Runtime
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.verdict.assess import Assessment

from tests.soak import oracle

_KINDS = ("origin", "client")
_BLOCK = 25  # plays of one scenario in a row: they share a testbed
_NUMBER = re.compile(r"\d+")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=0, help="stop after so many replays in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tally = Tally(options.out / "tally.json", options.seed)
    deadline = time.monotonic() + options.minutes * 60
    runtime = Runtime(TestbedSpec(runtime="local"), lambda spec, _: LocalTestbed(spec), lambda spec: "")
    with TestbedPool(runtime, lambda line: None) as beds:
        for entry, number in plays(tally.played, options.seed):
            if time.monotonic() > deadline or 0 < options.count <= tally.played:
                break
            play(beds, entry, number, options.out, tally)
    tally.save()
    print(tally.told())
    return 1 if tally.counts["wrong"] else 0


def plays(first: int, seed: int) -> Iterator[tuple[Entry, int]]:
    """Scenarios with the numbers of their plays, without end: the same for the same seed."""
    entries = [scenario_files.find(name) for name in scenario_files.names()]
    pool = [e for e in entries if e.scenario.server.kind in _KINDS and not e.scenario.rules and plain(e)]
    number = first
    while True:
        block = number // _BLOCK
        entry = random.Random(f"{seed} {block}").choice(pool)
        yield entry, number
        number += 1


def plain(entry: Entry) -> bool:
    """It needs no testbed of its own for every play, and is no race."""
    scenario = entry.scenario
    return not (scenario.race or scenario.ends_node or scenario.node.applications or scenario.excluded)


def faults(seed: int, number: int) -> RandomFaults:
    """The faults of that play."""
    dice = random.Random(f"{seed} {number} faults")
    return RandomFaults(
        loss=dice.choice((0.0, 0.02, 0.05, 0.1, 0.2)),
        duplicate=dice.choice((0.0, 0.0, 0.1, 0.3)),
        reorder=dice.choice((0.0, 0.0, 0.1, 0.3)),
        delay_ms=dice.choice((0, 0, 1, 5)),
        jitter_ms=dice.choice((0, 0, 2, 10)),
        seed=dice.randrange(1 << 31),
    )


def play(beds: TestbedPool, entry: Entry, number: int, out: Path, tally: Tally) -> None:
    chance = faults(tally.seed, number)
    under = entry.under(chance)
    folder = out / f"play-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    request = conductor.Request(
        scenario=under.scenario,
        scenario_text=under.text,
        repeat=1,
        folder=folder,
        command_line=("soak", str(tally.seed), str(number)),
    )
    command = f'rst-or-fin run {entry.scenario.name} --runtime local --wire "{chance.told}"'
    try:
        bed = beds.get(under.scenario)
        (judged,) = conductor.run(request, bed, partial(beds.renew, under.scenario))
    except RstOrFinError as error:
        beds.discard()
        tally.add("trouble", str(error), command)
        shutil.rmtree(folder, ignore_errors=True)
        return
    why = list(wrong(judged, folder, bed.client_address, bed.server.address))
    if judged.verdict.doubts:
        tally.add("inconclusive", judged.verdict.doubts[0], command)
    elif why:
        tally.add("wrong", f"{folder}: {'; '.join(why)}", command)
        return
    else:
        tally.add("right", "", command)
    shutil.rmtree(folder, ignore_errors=True)


def wrong(judged: Assessment, folder: Path, node: str, peer: str) -> Iterator[str]:
    """Why the verdict cannot be right, by the two captures and the peer's own word."""
    if judged.connection is None or judged.verdict.doubts:
        return
    ports = judged.connection.client.port, judged.connection.server.port
    near = oracle.side(folder / "capture.pcap", node, ports)
    far = oracle.side(folder / "capture-peer.pcap", peer, ports)
    says = judged.peer_report.end if judged.peer_report is not None else None
    yield from oracle.contradictions(judged.record(), near, far, says)


class Tally:
    """What has come of all plays so far, kept in a file."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self.seed = seed
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.played: int = known.get("played", 0)
        self.counts: Counter[str] = Counter(known.get("counts", {}))
        self.reasons: Counter[str] = Counter(known.get("reasons", {}))
        self.wrong: list[str] = known.get("wrong", [])

    def add(self, what: str, why: str, command: str) -> None:
        self.played += 1
        self.counts[what] += 1
        if what in ("inconclusive", "trouble"):
            self.reasons[_NUMBER.sub("N", why)] += 1
        if what == "wrong":
            self.wrong.append(f"{why}\n  again: {command}")
            print(self.wrong[-1], file=sys.stderr, flush=True)
        if self.played % 100 == 0:
            self.save()
            print(f"{self.played} played: {dict(self.counts)}", file=sys.stderr, flush=True)

    def save(self) -> None:
        document = {
            "played": self.played,
            "counts": self.counts,
            "reasons": self.reasons,
            "wrong": self.wrong,
        }
        self._path.write_text(json.dumps(document, indent=2))

    def told(self) -> str:
        lines = [f"{self.played} replays: " + ", ".join(f"{n} {what}" for what, n in self.counts.items())]
        lines += [f"{count:>7}  {reason}" for reason, count in self.reasons.most_common(40)]
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        lines.append(f"open files {len(os.listdir('/proc/self/fd'))}, memory at most {memory_mb} MB")
        return "\n".join([*lines, *self.wrong])


if __name__ == "__main__":
    sys.exit(main())
