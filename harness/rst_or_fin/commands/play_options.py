"""Adds the options of commands that play scenarios, and reads which testbed they ask for."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from rst_or_fin.commands.argument_types import count, random_faults
from rst_or_fin.commands.output_options import add_report_options, add_verbosity_options
from rst_or_fin.testbed.spec import TestbedSpec

RUNTIMES = ("auto", "docker", "local")
BACKENDS = ("inet", "socket")
FAMILIES = ("4", "6")


def add_play_options(parser: ArgumentParser) -> None:
    """Add what `reproduce`, `run`, `sweep` and `remedies` have in common."""
    add_testbed_options(parser)
    parser.add_argument("--repeat", type=count, default=1, metavar="N", help="play each scenario N times")
    parser.add_argument(
        "--out", metavar="DIR", default="runs", help="where evidence folders go (default: runs)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_report_options(parser)
    add_verbosity_options(parser)


def add_cell_options(parser: ArgumentParser, out: str) -> None:
    """Add what `matrix` and `bisect` have in common; evidence goes to the folder `out` by default."""
    add_wire_option(parser)
    parser.add_argument("--repeat", type=count, default=1, metavar="N", help="play each cell N times")
    parser.add_argument(
        "--limit", type=count, default=120, metavar="S", help="seconds a cell may take (default: 120)"
    )
    parser.add_argument("--again", action="store_true", help="play also cells of which --out holds evidence")
    add_report_options(parser)
    add_verbosity_options(parser)
    parser.add_argument("--out", metavar="DIR", default=out, help=f"where evidence goes (default: {out})")


def add_testbed_options(parser: ArgumentParser) -> None:
    """Add what `testbed_spec` reads, but for --strace, and the faults between the hosts."""
    add_wire_option(parser)
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="where the two hosts live: containers, or network namespaces of this machine (default: auto)",
    )
    parser.add_argument(
        "--otp", metavar="RELEASE", help="Erlang/OTP release of the node (docker: default 27)"
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, default="inet", help="what gen_tcp runs on (default: inet)"
    )
    parser.add_argument(
        "--family", choices=FAMILIES, default="4", help="IPv4 or IPv6 on the test network (default: 4)"
    )
    parser.add_argument(
        "--kernel",
        metavar="NAME",
        help="boot this kernel under the node: a release, a series, `newest`, or a bzImage (docker only)",
    )
    parser.set_defaults(strace=False)


def add_strace_option(parser: ArgumentParser) -> None:
    """Add --strace."""
    parser.add_argument(
        "--strace", action="store_true", help="also record the tested socket's system calls (docker only)"
    )


def add_node_options(parser: ArgumentParser) -> None:
    """Add the axes of a node in a container, but for its kernel."""
    parser.add_argument("--otp", metavar="RELEASE", help="Erlang/OTP release of the node (default: 27)")
    parser.add_argument("--backend", choices=BACKENDS, default="inet", help="default: inet")
    parser.add_argument("--family", choices=FAMILIES, default="4", help="default: 4")


def add_wire_option(parser: ArgumentParser) -> None:
    """Add --wire, faults between the hosts."""
    parser.add_argument(
        "--wire",
        type=random_faults,
        metavar="FAULTS",
        help="random faults between the two hosts: 'loss=0.1 delay_ms=50 seed=7'"
        " (loss, duplicate, reorder, delay_ms, jitter_ms, seed)",
    )


def testbed_spec(options: Namespace) -> TestbedSpec:
    """Return what `--runtime`, `--otp`, `--backend`, `--family`, `--kernel` and `--strace` ask for."""
    return TestbedSpec(
        runtime=options.runtime,
        otp=options.otp or "",
        backend=options.backend,
        family=int(options.family),
        kernel=options.kernel or "",
        strace=options.strace,
    )
