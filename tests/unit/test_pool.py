"""Which scenarios share a testbed, and what is changed of it in between."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest
from rst_or_fin.runner.pool import TestbedPool
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Hosts, Node, Server, parse
from rst_or_fin.testbed.select import Runtime

PLAIN = parse('claim = "A."\nsources = ["a test"]\nsession = "close."\nexpect = {ending = "RST"}\n', "plain")


class _Bed:
    """A testbed that notes what its peer was told to be."""

    wire = None

    def __init__(self, hosts: Hosts) -> None:
        self.served = [hosts.server]

    def serve(self, server: Server) -> None:
        self.served.append(server)

    def close(self) -> None:
        pass


class _Opening:
    def __init__(self) -> None:
        self.opened: list[_Bed] = []

    def open(self, hosts: Hosts, progress: object) -> _Bed:
        self.opened.append(_Bed(hosts))
        return self.opened[-1]


def _served(*servers: Server, node: Node | None = None) -> list[list[Server]]:
    """What the peer of each testbed was, for scenarios with these servers; `node` is the last one's."""
    opening = _Opening()
    with TestbedPool(cast(Runtime, opening), lambda line: None) as pool:
        for server in servers:
            last = node is not None and server is servers[-1]
            pool.get(msgspec.structs.replace(PLAIN, server=server, node=node if last else PLAIN.node))
    return [testbed.served for testbed in opening.opened]


SHORT, LONG = Server(options={"body_bytes": 1}), Server(options={"body_bytes": 2})


def test_a_peer_that_can_be_told_other_options_stays() -> None:
    assert _served(SHORT, LONG, LONG) == [[SHORT, LONG]]


def test_a_peer_that_cannot_gives_way_to_another_testbed() -> None:
    short, long = (Server(kind="nginx", options=server.options) for server in (SHORT, LONG))
    assert _served(short, long) == [[short], [long]]


def test_another_kind_of_peer_has_another_testbed() -> None:
    assert len(_served(SHORT, Server(kind="nginx"))) == 2


def test_another_node_has_another_testbed_whatever_the_peer() -> None:
    assert len(_served(SHORT, LONG, node=Node(applications=("ssl",)))) == 2


@pytest.mark.parametrize("kind", [name for name, kind in peers.KINDS.items() if kind.adjustable])
def test_a_peer_that_can_be_adjusted_takes_its_orders_as_a_line_of_json(kind: str) -> None:
    order = peers.reconfigure_line(Server(kind=kind, options={"body_bytes": 3}))
    assert (msgspec.json.decode(order), order.endswith(b"\n")) == ({"body_bytes": 3}, True)
