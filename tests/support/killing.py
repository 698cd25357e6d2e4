"""Kills drivers of the local runtime and counts what they leave: python -m tests.support.killing N.

It is the subreaper of all that it starts: whatever a killed driver leaves becomes its child, and can hide
from no count, in whatever namespace it is. Prints JSON: how many drivers were killed, how many of them had
namespaces by then, what was left of them in the end, and the longest time that it took to be gone.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from tests.support import replaying

_PR_SET_CHILD_SUBREAPER = 36
_LATEST_S = 0.4  # by then a driver is in the middle of its replays, or nearly so on a busy machine
_GONE_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 0.005


def descendants() -> set[int]:
    """Every living process below this one, in whatever namespace; zombies do not count."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def namespaces(processes: set[int]) -> set[str]:
    """The network namespaces that these processes are in, but for our own."""
    found = set()
    for pid in processes:
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/net"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found - {os.readlink("/proc/self/ns/net")}


def kill_one(moment_s: float) -> tuple[set[str], set[int], float]:
    """Kill a driver that long after its start: the namespaces it had, what it leaves, how long that took."""
    driver = os.fork()  # with everything imported: the moments fall into the set-up and into the replays
    if driver == 0:
        try:
            replaying.main()
        finally:
            os._exit(1)
    time.sleep(moment_s)  # nothing is awaited: the moment is the point
    held = namespaces(descendants())
    os.kill(driver, signal.SIGKILL)
    killed_at = time.monotonic()
    while (left := _reaped_descendants()) and time.monotonic() < killed_at + _GONE_TIMEOUT_S:
        time.sleep(_LOOK_EVERY_S)
    return held, left, time.monotonic() - killed_at


def main(count: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    moments = [random.uniform(0.0, _LATEST_S) for _ in range(count)]
    ends = [kill_one(moment) for moment in moments]
    print(
        json.dumps(
            {
                "killed": len(ends),
                "had_namespaces": sum(bool(held) for held, _, _ in ends),
                "left": [
                    [round(moment, 3), len(left)]
                    for moment, (_, left, _) in zip(moments, ends, strict=True)
                    if left
                ],
                "slowest_s": max(took for _, _, took in ends),
            }
        )
    )


def _reaped_descendants() -> set[int]:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return set()
    return descendants()


if __name__ == "__main__":
    main(int(sys.argv[1]))
