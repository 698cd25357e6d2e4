"""Hosts get numbers, one each."""

from __future__ import annotations

from ipaddress import IPv6Address

import numpy as np
from rst_or_fin.capture_file.batches import Column
from rst_or_fin.capture_file.hosts import Hosts

SPACE = 1 << 64
ONE, OTHER = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F  # what the halves of an address are multiplied by


def halves(*addresses: str) -> Column:
    numbers = [int(IPv6Address(address)) for address in addresses]
    return np.array([divmod(number, SPACE) for number in numbers], dtype=np.uint64)


def confused_with(address: str) -> str:
    """Return another address with the same key."""
    one, other = divmod(int(IPv6Address(address)), SPACE)
    key = one * ONE % SPACE ^ other * OTHER % SPACE
    return str(IPv6Address((key ^ 2 * OTHER % SPACE) * pow(ONE, -1, SPACE) % SPACE * SPACE + 2))


def test_an_ipv6_address_has_the_number_that_it_got() -> None:
    hosts = Hosts()
    given = hosts.ipv6(halves("fd00::2", "fd00::1", "fd00::2", "fd00:0:0:1::1"))
    again = hosts.ipv6(halves("fd00::1", "fd00::3"))
    told = [hosts.number(f"fd00::{host}") for host in ("1", "2", "3", "4")]
    assert told == [int(given[1]), int(given[0]), int(again[1]), None]
    assert (given[0] == given[2], again[0] == given[1], hosts.has_collision) == (True, True, False)


def test_no_ipv6_address_has_the_number_of_an_ipv4_address() -> None:
    hosts = Hosts()
    (number,) = hosts.ipv6(halves("::1"))
    assert (hosts.number("255.255.255.255"), int(number)) == (2**32 - 1, 2**32)


def test_two_addresses_with_one_key_are_noticed() -> None:
    hosts = Hosts()
    hosts.ipv6(halves("fd00::1"))
    hosts.ipv6(halves(confused_with("fd00::1")))
    assert (hosts.has_collision, hosts.number(confused_with("fd00::1"))) == (True, None)
