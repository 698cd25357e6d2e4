"""Reads what was gathered on the closing host beside a capture, and compares it with its connections."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rst_or_fin.analysis import selection
from rst_or_fin.analysis.captured import Case
from rst_or_fin.commands.captures import is_live, judge_captures
from rst_or_fin.errors import UsageError
from rst_or_fin.evidence import host_tools
from rst_or_fin.tcp.ending import Role
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.verdict.aborts import abort_index
from rst_or_fin.verdict.host_evidence import HostEvidence, corroborated

_LARGEST = 100_000_000  # bytes
_NAMED_MAX = 6  # hosts in an error


def add_witness_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the files."""
    group = parser.add_argument_group("evidence gathered on a capture's closing host")
    group.add_argument(
        "--counters",
        nargs=2,
        metavar=("BEFORE", "AFTER"),
        help="output of nstat -az, or /proc/net/netstat and snmp",
    )
    group.add_argument("--trace", metavar="FILE", help="output of the tracepoint tcp:tcp_send_reset")
    group.add_argument("--sockets", metavar="FILE", help="output of ss -tn, from before the close")
    group.add_argument(
        "--closing-host",
        metavar="ADDRESS",
        help="the host that these files are from, if several hosts send RSTs",
    )


def are_given(options: argparse.Namespace) -> bool:
    """Return whether the command line names any such file."""
    return bool(options.counters or options.trace or options.sockets)


class Witnesses:
    """The witnesses of one host, for every case of a capture.

    Raises UsageError if a file is not of its kind, or if the host that they are from is not clear.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        if is_live(options.paths):
            raise UsageError("witnesses need a capture that is complete", "write it to a file first")
        raised = _raised(options.counters) if options.counters else None
        resets = host_tools.resets(_text(options.trace)) if options.trace else None
        if options.trace and not resets:
            raise UsageError(f"{options.trace} has no line of tcp:tcp_send_reset with a reason", _TRACE)
        sockets = host_tools.sockets(_text(options.sockets)) if options.sockets else []
        if options.sockets and not sockets:
            raise UsageError(f"{options.sockets} has no connected socket", "gather it with: ss -tn")
        self._rsts: Counter[str] = Counter()
        self._aborts: Counter[str] = Counter()
        self._pairs: Counter[frozenset[Endpoint]] = Counter()
        self._hosts: Counter[str] = Counter()
        judge_captures(options.paths, self._count)
        address = self._named(options.closing_host) if options.closing_host else self._only_host()
        self._evidence = HostEvidence(
            address=address,
            raised=raised,
            captured=self._rsts[address],
            aborted=self._aborts[address],
            resets=resets,
            sockets=sockets,
        )

    def corroborated(self, cases: Iterator[Case]) -> Iterator[Case]:
        """Yield the cases with what these witnesses say."""
        for case in cases:
            ends = frozenset((case.connection.client, case.connection.server))
            found = corroborated(
                case.verdict, case.connection, self._evidence, is_only=self._pairs[ends] == 1
            )
            yield replace(case, verdict=found)

    def _count(self, cases: Iterator[Case]) -> None:
        self._rsts.clear()
        self._aborts.clear()
        self._pairs.clear()
        self._hosts.clear()
        for case in cases:
            connection = case.connection
            self._pairs[frozenset((connection.client, connection.server))] += 1
            self._hosts.update((connection.client.address, connection.server.address))
            self._rsts.update(segment.src.address for segment in connection.segments if segment.rst)
            for role in Role:
                if abort_index(connection, role) is not None:
                    self._aborts[connection.endpoint(role).address] += 1

    def _named(self, text: str) -> str:
        """Read the host's address, which has to be that of a connection's end."""
        address = selection.host(text)
        if address in self._hosts:
            return address
        known = [host for host, _ in self._hosts.most_common(_NAMED_MAX)]
        more = f" and {len(self._hosts) - _NAMED_MAX} more" if len(self._hosts) > _NAMED_MAX else ""
        raise UsageError(
            f"no connection in this capture has {address}: it has {', '.join(known)}{more}",
            "give --closing-host the closing host's address as the capture has it",
        )

    def _only_host(self) -> str:
        """Return the one host that resets connections in the capture. Raises UsageError for others."""
        hosts = sorted(self._aborts)
        if len(hosts) != 1:
            several = f"{len(hosts)} hosts reset connections" if hosts else "no host resets a connection"
            raise UsageError(
                f"which host are these files from? {several}", "name it with --closing-host ADDRESS"
            )
        return hosts[0]


_TRACE = "see docs/witnesses.md: the reason is there since Linux 6.10"


def _raised(paths: list[str]) -> dict[str, int]:
    before, after = (host_tools.counters(_text(path)) for path in paths)
    for path, found in zip(paths, (before, after), strict=True):
        if not found:
            raise UsageError(f"{path} has no counter of TCP", "gather it with: nstat -az > before.txt")
    fallen = [name for name in before if after.get(name, 0) < before[name]]
    if fallen:
        raise UsageError(
            f"{fallen[0]} has fallen from {before[fallen[0]]} to {after.get(fallen[0], 0)}",
            "give BEFORE first; with nstat, use -az, which prints absolute values",
        )
    return {name: after[name] - value for name, value in before.items() if name in after}


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "give a text file") from error
    return data.decode("utf-8", "replace")
