"""Soak the judge: python -m tests.soak.campaign [--minutes 10] [--jobs 8] [--seed 1] [--out runs/soak].

Plays random scenarios of the catalogue under random faults on the local runtime, many at a time since a
replay mostly waits, and holds each conclusive verdict against `oracle`. It goes on where an earlier campaign
with the same folder stopped. Whatever is wrong keeps its evidence, and the one command that plays it again is
printed. What it takes of the machine is written to footprint.jsonl, twice a minute. Exit code 1 where
anything is wrong, or left behind.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.soak import footprint, worker
from tests.soak.tally import Tally

_PR_SET_CHILD_SUBREAPER = 36
_LOOK_EVERY_S = 30.0
_LEAVE_TIMEOUT_S = 60.0  # a play may be in the middle of its waiting


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=0, help="stop after so many replays in all")
    parser.add_argument("--jobs", type=int, default=4 * (os.cpu_count() or 1), help="replays at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    # What a killed process leaves becomes a child of this one, and can hide from no count.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    tally = Tally(options.out / "tally.json")
    campaign = Campaign(options, tally)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        campaign.run()
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
    finally:
        left = campaign.end()
        tally.save()
    print(tally.told())
    print(f"left behind: {left or 'nothing'}")
    return 1 if tally.counts["wrong"] or left else 0


class Campaign:
    """The processes of one campaign, and what they say."""

    def __init__(self, options: argparse.Namespace, tally: Tally) -> None:
        self._options = options
        self._tally = tally
        self._began = self._looked = time.monotonic()
        self._deadline = self._began + options.minutes * 60
        self._before = tally.played
        self._processes: dict[Connection, BaseProcess] = {}
        self._ended: list[BaseProcess] = []

    def run(self) -> None:
        """Keep every process busy until the deadline, or until all is played."""
        # Spawned, not forked: none holds another's link, and each hears when this process is gone.
        context = multiprocessing.get_context("spawn")
        for _ in range(self._options.jobs):
            link, theirs = context.Pipe()
            said = theirs, self._options.seed, self._options.out, self._deadline
            self._processes[link] = context.Process(target=worker.work, args=said)
            self._processes[link].start()
            theirs.close()
            self._give(link)
        while self._processes:
            ready = wait(list(self._processes), _LOOK_EVERY_S)
            for link in [link for link in self._processes if link in ready]:
                self._hear(link)
            if time.monotonic() - self._looked > _LOOK_EVERY_S:
                self._look()

    def end(self) -> str:
        """Wait until every process has left; say what is there all the same."""
        for link in list(self._processes):
            self._dismiss(link)
        for process in self._ended:
            process.join(_LEAVE_TIMEOUT_S)
        return footprint.left(_LEAVE_TIMEOUT_S)

    def _hear(self, link: Connection) -> None:
        try:
            result = link.recv()
        except EOFError:
            print("a process of the soak has died; its plays come next time", file=sys.stderr)
            self._dismiss(link)
            return
        if result is None:
            self._give(link)
            return
        self._tally.add(result)
        if result.came_to == "wrong":
            self._tally.save()
            print(self._tally.wrong[-1], file=sys.stderr, flush=True)

    def _give(self, link: Connection) -> None:
        block = self._tally.take(self._options.count) if time.monotonic() < self._deadline else []
        if block:
            link.send(block)
        else:
            self._dismiss(link)

    def _dismiss(self, link: Connection) -> None:
        self._ended.append(self._processes.pop(link))
        link.close()

    def _look(self) -> None:
        """Save, tell how far it is, and note what the campaign takes of the machine."""
        self._looked = time.monotonic()
        self._tally.save()
        played = self._tally.played - self._before
        rate = played / (self._looked - self._began)
        print(
            f"{self._tally.played} played, {rate:.1f}/s: {dict(self._tally.counts)}",
            file=sys.stderr,
            flush=True,
        )
        seen = {"at": round(time.time()), "played": self._tally.played, **footprint.measured()}
        with (self._options.out / "footprint.jsonl").open("a") as file:
            file.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    sys.exit(main())
