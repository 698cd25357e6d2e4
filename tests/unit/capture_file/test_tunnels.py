"""The innermost segment of every tunnel is the one that is given, with its own addresses and TTL."""

from __future__ import annotations

from collections import Counter

import pytest
from rst_or_fin.capture_file.reading import read

from tests.support.capture_files import classic
from tests.support.packets import (
    ONLY_IPV6_TUNNELS,
    SENT,
    TUNNELS,
    Wrap,
    ethernet,
    in_gre,
    in_ip_over_ipv4,
    ipv4,
    packet,
    plain,
    udp,
    wrapped,
)
from tests.support.segments import segments

(ONE,) = segments("> P. 1:19(18) ack 1")


def found_in(tunnel: Wrap, family: int) -> bool:
    """Tell whether what was sent is read again from Ethernet frames that hold this tunnel."""
    file = classic(wrapped(lambda of: ethernet(tunnel(of)), SENT[family]), magic=0xA1B23C4D)
    return plain(read([file])) == SENT[family]


@pytest.mark.parametrize("name", TUNNELS)
def test_a_segment_is_found_in_every_tunnel(name: str) -> None:
    assert [found_in(TUNNELS[name], family) for family in (4, 6)] == [True, True]


@pytest.mark.parametrize("name", ONLY_IPV6_TUNNELS)
def test_a_segment_is_found_in_every_tunnel_for_ipv6(name: str) -> None:
    assert found_in(ONLY_IPV6_TUNNELS[name], 6)


@pytest.mark.parametrize(
    ("of", "what"),
    [
        (udp(53, bytes(20)), "UDP"),
        (udp(4789, bytes(20)), "UDP"),
        (udp(6081, b"\x40" + bytes(20)), "UDP"),
        (udp(2152, b"\x30\x01" + bytes(20)), "UDP"),
        (udp(2152, b"\x34\xff" + bytes(9) + b"\x85" + bytes(20)), "malformed"),
        (udp(1701, b"\xc8\x02" + bytes(20)), "UDP"),
        (udp(3544, bytes(40)), "UDP"),
    ],
)
def test_what_only_has_a_tunnels_port_is_udp(of: bytes, what: str) -> None:
    reading = read([classic(wrapped(lambda _: ethernet(ipv4(17, of)), [ONE]))])
    assert (list(reading), reading.passed_over) == ([], Counter({what: 1}))


@pytest.mark.parametrize("wrap", [in_gre, in_ip_over_ipv4])
def test_what_is_nested_too_deeply_is_passed_over(wrap: Wrap) -> None:
    nested = packet(ONE)
    for _ in range(40):
        nested = wrap(nested)
    reading = read([classic(wrapped(lambda _: ethernet(nested), [ONE]))])
    assert (list(reading), reading.passed_over) == ([], Counter({"nested too deeply": 1}))


def test_a_tunnel_that_the_snap_length_cut_still_says_how_long_the_payload_was() -> None:
    file = classic(wrapped(lambda of: ethernet(in_gre(of)), [ONE]), snap_len=80)
    (found,) = read([file])
    assert (found.payload_len, len(found.payload)) == (18, 2)


def test_source_routes_in_gre_are_passed_over() -> None:
    reading = read([classic(wrapped(lambda of: ethernet(ipv4(47, b"\x40\0\x08\0" + of)), [ONE]))])
    assert (list(reading), reading.passed_over) == ([], Counter({"not IP": 1}))
