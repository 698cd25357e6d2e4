"""`test-kernel`: scenarios on one kernel of the user's own, answered as `git bisect run` wants it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rst_or_fin.commands.console import progress, show
from rst_or_fin.commands.play_options import add_node_options
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import images, kernel_images
from rst_or_fin.errors import EXIT_AS_EXPECTED, EXIT_DIFFERS, RstOrFinError
from rst_or_fin.escaping import visible
from rst_or_fin.own_files import temporary_folder
from rst_or_fin.runner.player import Player
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.storage import scenario_files
from rst_or_fin.storage.scenario_files import Entry
from rst_or_fin.testbed.select import choose
from rst_or_fin.testbed.spec import DEFAULT_OTP, TestbedSpec
from rst_or_fin.verdict.outcome import Outcome
from rst_or_fin.verdict.reason import reason

EXIT_SKIP = 125  # "cannot be tested": git-bisect(1), "bisect run"


def test_kernel_options(parser: argparse.ArgumentParser) -> None:
    """Add what `test-kernel` takes."""
    parser.add_argument("bzimage", metavar="BZIMAGE", help="a kernel built by `make bzImage`")
    parser.add_argument(
        "scenarios", nargs="+", metavar="SCENARIO", help="a name (see `list`) or a .toml file"
    )
    add_node_options(parser)


def test_kernel(options: argparse.Namespace) -> int:
    """Play on the kernel; exit with 0 if all is as expected, 1 if one differs, 125 if it cannot be said.

    Nothing is kept: no evidence, and no image that was not there before. An error of any kind is 125: another
    exit code up to 127 would call the kernel bad.
    """
    try:
        entries = [scenario_files.find(name) for name in options.scenarios]
        with _leaving_no_image(Path(options.bzimage), options.otp or DEFAULT_OTP):
            outcomes = _play(entries, str(Path(options.bzimage).resolve()), options)
    except RstOrFinError as error:
        print(f"rst-or-fin: {error}\n  hint: {error.hint}", file=sys.stderr)
        return EXIT_SKIP
    if Outcome.DIFFERS in outcomes:
        return EXIT_DIFFERS
    return EXIT_AS_EXPECTED if set(outcomes) == {Outcome.AS_EXPECTED} else EXIT_SKIP


@contextmanager
def _leaving_no_image(bzimage: Path, otp: str) -> Iterator[None]:
    """Remove the kernel's image afterwards, unless it was there before."""
    image = kernel_images.image(f"kernel:{kernel_images.own(bzimage)}-otp{otp}")
    with closing(engine.connect()) as client:
        was_there = images.present(client, image) is not None
        try:
            yield
        finally:
            made = None if was_there else images.present(client, image)
            if made is not None:
                with engine.calls("removing the kernel's image"):
                    client.api.remove_image(made, force=True)


def _play(entries: list[Entry], kernel: str, options: argparse.Namespace) -> list[Outcome]:
    asked = TestbedSpec(
        runtime="docker",
        otp=options.otp or "",
        backend=options.backend,
        family=int(options.family),
        kernel=kernel,
    )
    outcomes = []
    with (
        TestbedPool(choose(asked, progress), progress) as pool,
        temporary_folder("test-kernel") as folder,
    ):
        player = Player(pool, repeat=1, command_line=options.command_line)
        for entry in entries:
            excluded = player.excluded(entry)
            if excluded:
                show(f"{entry.scenario.name}: left out: {excluded}")
                continue
            [judged] = player.play(entry, Path(folder) / entry.scenario.name)
            outcomes.append(judged.outcome)
            why = "" if judged.outcome is Outcome.AS_EXPECTED else f": {visible(reason(judged))}"
            show(f"{entry.scenario.name}: {judged.outcome}{why}")
    return outcomes
