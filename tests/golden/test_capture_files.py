"""tshark reads every format, link layer, tunnel and fragment that our builders write as our reader does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rst_or_fin.capture_file.reading import read
from rst_or_fin.tcp.segment import Checksum

from tests.support import oracle
from tests.support.capture_files import FORMATS, classic, enhanced, interface, section
from tests.support.corpus import COMPRESSED
from tests.support.our_reading import as_we_read_it
from tests.support.packets import (
    ENDING,
    EXTENSIONS,
    LINK_LAYERS,
    ONLY_IPV4,
    ONLY_IPV6,
    ONLY_IPV6_TUNNELS,
    SENT,
    TUNNELS,
    LinkLayer,
    Wrap,
    at_once,
    ethernet,
    extended,
    fragments,
    left_to_the_card,
    packet,
    wrapped,
)
from tests.support.segments import A6, B6, A, B, segments

# What tshark 4.0 does not read by itself: family 10 in loopback frames, NFLOG of two byte orders in one file,
# link type 219, and FabricPath between addresses that are none of its own.
NOT_READ_BY_TSHARK = {
    "loopback, little-endian, Linux",
    "NFLOG, big-endian",
    "MPLS without Ethernet",
    "FabricPath",
}
DECODE_AS = ("-d", "udp.port==8472,vxlan", "-d", "mpls.label==99,pwethcw")


def on_ethernet(tunnel: Wrap) -> LinkLayer:
    return LinkLayer(1, lambda of: ethernet(tunnel(of)))


def behind(*names: str) -> LinkLayer:
    return LinkLayer(1, lambda of: ethernet(extended(of, *names)))


def ways() -> Iterator[tuple[int, LinkLayer]]:
    """Give every way that packets of a family take to the capture."""
    both = [layer for name, layer in LINK_LAYERS.items() if name not in NOT_READ_BY_TSHARK]
    both += map(on_ethernet, TUNNELS.values())
    only_6 = [*ONLY_IPV6.values(), *map(on_ethernet, ONLY_IPV6_TUNNELS.values())]
    only_6 += [*map(behind, EXTENSIONS), behind(*EXTENSIONS)]
    yield from ((4, layer) for layer in [*both, *ONLY_IPV4.values()])
    yield from ((6, layer) for layer in [*both, *only_6])


def every_way() -> bytes:
    """Write one capture with an interface and a connection for every way."""
    interfaces, packets = [], []
    for number, (family, layer) in enumerate(ways()):
        a, b = (A, B) if family == 4 else (A6, B6)
        sent = segments(ENDING, a=a._replace(port=20_000 + number), b=b)
        interfaces.append(interface(link_type=layer.link_type))
        packets += [enhanced(frame, number=number) for frame in wrapped(layer.wrap, sent)]
    return b"".join([section(), *interfaces, *packets])


def both_readings(file: bytes, folder: Path) -> tuple[oracle.Reading, list[oracle.Seen]]:
    path = folder / "x.pcap"
    path.write_bytes(file)
    return oracle.read(path, folder, *DECODE_AS), as_we_read_it(file)


def test_tshark_reads_every_link_layer_and_tunnel_as_we_do(tmp_path: Path) -> None:
    file = every_way()
    theirs, ours = both_readings(file, tmp_path)
    assert (theirs, len(ours)) == (oracle.Reading(ours, [], []), len(SENT[4]) * len(list(ways())))


@pytest.mark.parametrize("name", FORMATS)
def test_tshark_reads_every_format_as_we_do(name: str, tmp_path: Path) -> None:
    theirs, ours = both_readings(FORMATS[name](wrapped(ethernet, SENT[4])), tmp_path)
    assert (theirs, len(ours)) == (oracle.Reading(ours, [], []), len(SENT[4]))


@pytest.mark.parametrize("name", [name for name in COMPRESSED if name.startswith("gzip")])
def test_tshark_unpacks_what_it_can_as_we_do(name: str, tmp_path: Path) -> None:
    theirs, ours = both_readings(COMPRESSED[name], tmp_path)
    assert (theirs, len(ours)) == (oracle.Reading(ours, [], []), len(SENT[4]))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("size", [8, 64])
def test_tshark_puts_fragments_together_as_we_do(family: int, size: int, tmp_path: Path) -> None:
    whole = [packet(segment) for segment in SENT[family]]
    pieces = [piece for n, of in enumerate(whole) for piece in fragments(of, size, ident=n)[::-1]]
    theirs, ours = both_readings(classic(at_once(pieces)), tmp_path)
    assert (theirs, len(ours)) == (oracle.Reading(ours, [], []), len(SENT[family]))


@pytest.mark.parametrize("family", [4, 6])
def test_tshark_calls_bad_what_we_call_bad_or_partial(family: int, tmp_path: Path) -> None:
    """A changed byte in every third segment, the pseudo header's sum alone in every fourth."""
    whole = [packet(segment) for segment in SENT[family]]
    whole[::3] = [of[:-1] + bytes([of[-1] ^ 0xFF]) for of in whole[::3]]
    whole[1::4] = [left_to_the_card(of) for of in whole[1::4]]
    file = classic(at_once(whole))
    theirs, _ = both_readings(file, tmp_path)
    wrong = [segment.frame_no for segment in read([file]) if segment.checksum is not Checksum.GOOD]
    assert (theirs.bad_checksums, len(wrong)) == (wrong, 6)
