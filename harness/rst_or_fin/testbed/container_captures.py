"""Captures between containers: at the node alone, or at both ends of a wire that can lose frames.

With a wire the captures hold the two hosts' network namespaces, in which node and server then live, and the
wire's program joins them. No network of the engine's is between them: what is bridged there is filtered, on a
host that has br_netfilter, by subnet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS, pinned_with
from rst_or_fin.testbed.capture_client import CaptureClient
from rst_or_fin.testbed.run_containers import NOBODY, Networking, RunContainers
from rst_or_fin.testbed.spec import TestbedSpec
from rst_or_fin.testbed.wire_program import WireProgram

# Offloads are switched off and the tap is opened before the capture becomes an unprivileged user.
_CAPTURE_CAPABILITIES = ["NET_ADMIN", "NET_RAW", "SETGID", "SETUID"]
_WIRE_CAPABILITIES = [*_CAPTURE_CAPABILITIES, "SYS_NICE"]
_WITH_IPV6 = {
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.conf.default.addr_gen_mode": "1",  # no link-local address, for which a router would be sought
}


def start_capture(
    run: RunContainers, image: str, node: str, address: str
) -> tuple[CaptureClient, dict[str, object]]:
    """Start a capture in the node's network namespace; return it with its facts."""
    container = run.create(
        "capture", image, Networking.within(node), _capturing(address), cap_add=_CAPTURE_CAPABILITIES
    )
    capture = CaptureClient(container.stdio)
    container.start()
    return capture, capture.await_ready()


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerWire:
    """A wire between two network namespaces; `near` and `far` are the containers that hold them."""

    near: str
    far: str
    capture: CaptureClient
    at_peer: CaptureClient
    facts: dict[str, object]
    program: WireProgram


def start_wire(
    run: RunContainers,
    image: str,
    control: str,
    spec: TestbedSpec,
    addresses: tuple[str, str],
    published: int,
) -> DockerWire:
    """Start captures and wire between the node's address and the peer's; the near end publishes a port."""
    length = 64 if spec.family == 6 else 24
    node, peer = addresses
    of_family = _WITH_IPV6 if spec.family == 6 else {}
    of_node = {**pinned_with(spec.hosts.node.sysctls), **of_family}
    near = run.create(
        "capture",
        image,
        Networking.on(control, published=published, sysctls=of_node),
        _capturing(node, length),
        cap_add=_CAPTURE_CAPABILITIES,
    )
    near.start()
    beside: dict[str, Any] = {"pid_mode": f"container:{near.id}"}
    far = run.create(
        "peer-capture",
        image,
        Networking.apart({"sysctls": {**PINNED_SYSCTLS, **of_family}, **beside}),
        _capturing(peer, length),
        spoken_of="peer's capture",
        cap_add=_CAPTURE_CAPABILITIES,
    )
    far.start()
    between = run.create(
        "wire",
        image,
        Networking.apart(beside),
        [
            *("python3", "-m", "agents.wire", "--node", "node", "--peer", "peer"),
            *("--drop-to-uid", str(NOBODY)),
            *("--reach", *(f"{address}/{length}" for address in addresses)),
        ],
        cap_add=_WIRE_CAPABILITIES,
    )
    capture, at_peer = CaptureClient(near.stdio), CaptureClient(far.stdio)
    program = WireProgram(between.stdio, at_peer.drain, lambda: at_peer.dropped)
    between.start()
    program.await_ready()
    facts = {**capture.await_ready(), "at_peer": at_peer.await_ready()}
    return DockerWire(
        near=near.id, far=far.id, capture=capture, at_peer=at_peer, facts=facts, program=program
    )


def _capturing(address: str, join_length: int = 0) -> list[str]:
    """Return the command line of a capture; with a prefix length it joins a wire with that address."""
    joining = ["--join", f"{address}/{join_length}"] if join_length else []
    return [
        *("python3", "-m", "agents.capture", "--address", address, *joining),
        *("--drop-to-uid", str(NOBODY)),
    ]
