"""A process of a soak: plays what it is told on testbeds of its own, and says what came of each play."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from rst_or_fin.errors import RstOrFinError
from rst_or_fin.runner.player import Player
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.testbed import select
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.verdict.assessment import Assessment

from tests.soak import oracle
from tests.soak.plays import Plays, suitable
from tests.soak.tally import Result
from tests.truth.campaign import CRASHES


def work(link: Connection, seed: int, out: Path, deadline: float) -> None:
    """Play lists of numbers that come over `link` until it closes; after each list say None.

    What the deadline leaves over is not played.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the campaign says when it is over
    runtime = select.choose(TestbedSpec(runtime="local"), _tell_nobody)
    with TestbedPool(runtime, _tell_nobody) as pool, suppress(EOFError, ConnectionError):
        plays = Plays(entries=suitable(pool.excluded_beforehand), seed=seed)
        while True:
            for number in link.recv():
                if time.monotonic() < deadline:
                    link.send(play(pool, plays, number, out))
            link.send(None)


def play(pool: TestbedPool, plays: Plays, number: int, out: Path) -> Result:
    """Play that number. Its evidence is kept where the verdict is wrong."""
    entry, chance = plays.entry(number), plays.faults(number)
    under = entry.under(chance)
    folder = out / f"play-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    player = Player(pool, repeat=1, command_line=("soak", str(plays.seed), str(number)))
    try:
        testbed = pool.get(under.scenario)
        addresses = testbed.node_address, testbed.server.address
        (judged,) = player.play(under, folder)
        came_to, why = _held_against(judged, folder, *addresses)
    except RstOrFinError as error:
        pool.discard()
        came_to, why = "trouble", str(error)
    except CRASHES as error:  # a mistake in the program is as bad as a wrong verdict
        pool.discard()
        came_to, why = "wrong", f"{folder}: {error!r}"
    if came_to != "wrong":
        shutil.rmtree(folder, ignore_errors=True)
    again = f'rst-or-fin run {entry.scenario.name} --runtime local --wire "{chance.told}"'
    return Result(number=number, came_to=came_to, why=why, again=again)


def _held_against(judged: Assessment, folder: Path, node: str, peer: str) -> tuple[str, str]:
    """Say what a verdict is, by the soak's own judge, and why."""
    if judged.verdict.doubts:
        return "inconclusive", judged.verdict.doubts[0]
    why = "; ".join(_wrong(judged, folder, node, peer))
    return ("wrong", f"{folder}: {why}") if why else ("right", "")


def _wrong(judged: Assessment, folder: Path, node: str, peer: str) -> Iterator[str]:
    """Why the verdict cannot be right, by the two captures and the peer's own word."""
    if judged.connection is None:
        return
    ports = judged.connection.client.port, judged.connection.server.port
    near = oracle.side(folder / "capture.pcap", node, ports)
    far = oracle.side(folder / "capture-peer.pcap", peer, ports)
    says = judged.peer_report.end if judged.peer_report is not None else None
    yield from oracle.contradictions(judged.record(), near, far, says)


def _tell_nobody(line: object) -> None:
    """Let progress pass."""
