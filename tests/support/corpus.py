"""One small capture for everything that is read: formats, compressions, link layers, tunnels, fragments."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.capture_files import COMPRESSIONS, FORMATS, classic
from tests.support.packets import (
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
    in_gre,
    packet,
    wrapped,
)


def in_link_layer(layer: LinkLayer, family: int) -> bytes:
    return classic(wrapped(layer.wrap, SENT[family]), link_type=layer.link_type)


def in_tunnel(tunnel: Wrap, family: int) -> bytes:
    return classic(wrapped(lambda of: ethernet(tunnel(of)), SENT[family]))


def in_fragments(family: int, size: int) -> bytes:
    """Cut every packet into fragments of its own identification."""
    whole = [packet(segment) for segment in SENT[family]]
    return classic(at_once([piece for n, of in enumerate(whole) for piece in fragments(of, size, ident=n)]))


def behind_extensions(*names: str) -> bytes:
    return classic(wrapped(lambda of: ethernet(extended(of, *names)), SENT[6]))


def _corpus() -> Iterator[tuple[str, bytes]]:
    for name, write in FORMATS.items():
        for family, sent in SENT.items():
            yield f"{name}, IPv{family}", write(wrapped(ethernet, sent))
    for name, layer in LINK_LAYERS.items():
        for family in SENT:
            yield f"{name}, IPv{family}", in_link_layer(layer, family)
    yield from ((name, in_link_layer(layer, 4)) for name, layer in ONLY_IPV4.items())
    yield from ((name, in_link_layer(layer, 6)) for name, layer in ONLY_IPV6.items())
    for name, tunnel in TUNNELS.items():
        for family in SENT:
            yield f"{name}, IPv{family}", in_tunnel(tunnel, family)
    yield from ((name, in_tunnel(tunnel, 6)) for name, tunnel in ONLY_IPV6_TUNNELS.items())
    for family in SENT:
        yield f"fragments, IPv{family}", in_fragments(family, 16)
    yield (
        "fragments of a tunnel",
        classic(
            at_once(
                [
                    piece
                    for n, of in enumerate(SENT[4])
                    for piece in fragments(in_gre(packet(of)), 32, ident=n)
                ]
            )
        ),
    )
    yield from ((name, behind_extensions(name)) for name in EXTENSIONS)
    yield "all extension headers", behind_extensions(*EXTENSIONS)


UNCOMPRESSED: dict[str, bytes] = dict(_corpus())
COMPRESSED: dict[str, bytes] = {
    f"{name}, {written}": pack(FORMATS[written](wrapped(ethernet, SENT[4])))
    for name, pack in COMPRESSIONS.items()
    for written in ("pcap, little-endian", "pcapng, big-endian")
}
