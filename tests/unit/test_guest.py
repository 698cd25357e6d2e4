"""What a kernel image's programs work out before they touch a network or a virtual machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rst_or_fin import erlang_command
from rst_or_fin.engine import kernel_images
from rst_or_fin.guest import bridge, clone_identity, start
from rst_or_fin.guest.bridge import Interface
from rst_or_fin.guest.clone_identity import Identity
from rst_or_fin.scenario.sysctls import PINNED_SYSCTLS

INTERFACE = Interface("eth1", "02:42:c6:12:00:03", ("198.18.0.3/28",))
WHO = Identity(
    hostname="4ae1",
    seed="00" * 64,
    cookie="it's",
    backend="socket",
    sysctls={"net.ipv4.tcp_rmem": "4096\t131072\t6291456"},
    interfaces=[INTERFACE],
)
ARGUMENTS = erlang_command.arguments(kernel_images.NODE_PORT, "0.0.0.0")


def test_the_guest_takes_over_the_sysctls_that_testbeds_pin_and_no_others() -> None:
    assert set(clone_identity.SYSCTLS) == set(PINNED_SYSCTLS)


def test_the_clock_is_set_to_the_nanosecond() -> None:
    assert " 1234567890 5 0000" in clone_identity.script(WHO, 1234567890_000000005)


def test_no_card_comes_up_before_everything_else_is_done() -> None:
    lines = clone_identity.script(WHO, 0).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("ip link set"))
    assert lines[first:] == [
        "ip link set lo up",
        "ip link set eth0 address 02:42:c6:12:00:03 up",
        "ip addr add 198.18.0.3/28 dev eth0",
    ]


def test_an_ipv6_address_can_be_used_at_once() -> None:
    who = replace(WHO, interfaces=[replace(INTERFACE, addresses=("fd00::3/64",))])
    assert "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad" in clone_identity.script(who, 0).splitlines()


def test_a_seed_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        clone_identity.script(replace(WHO, seed="00"), 0)


@pytest.mark.parametrize("backend", ["inet", "socket"])
def test_the_backend_may_differ_from_the_snapshots(backend: str) -> None:
    arguments = erlang_command.arguments(kernel_images.NODE_PORT, "0.0.0.0", backend)
    assert start.backend_of(arguments, ARGUMENTS) == backend


@pytest.mark.parametrize(
    "arguments",
    [[], erlang_command.arguments(4371, "0.0.0.0"), [*ARGUMENTS, "--more"], ["-kernel", "inet_backend"]],
)
def test_other_arguments_than_the_snapshots_are_noticed(arguments: list[str]) -> None:
    assert start.backend_of(arguments, ARGUMENTS) is None


def test_the_default_gateway_is_found_among_the_routes() -> None:
    routes = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert bridge.default_gateways(routes) == {"eth0": "172.17.0.1"}


def test_link_local_addresses_are_left_to_the_guest() -> None:
    table = (
        "fe800000000000000042acfffe110002 05 40 20 80     eth1\n"
        "fd1775bb000000000000000000000003 05 40 00 80     eth1\n"
    )
    assert bridge.ipv6_addresses(table) == {"eth1": ["fd17:75bb::3/64"]}
