"""The kinds of peer that a scenario can name: which program plays it, in which image, with which rights.

Every one of them is a module of rst_or_fin.agents that takes `--bind`, `--port`, `--clean-offloads` and
`--drop-to-uid` beside its own options, says what it saw as JSON lines on stdout (see agents/origin.py) and
leaves when its stdin ends. What it is started with stays the scenario's business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from msgspec.structs import replace

from rst_or_fin.agents.kinds import OPTIONS
from rst_or_fin.errors import UsageError
from rst_or_fin.scenario.model import Server
from rst_or_fin.tcp.segment import Endpoint

_HTTP_PORT, _TLS_PORT = 8080, 8443  # Wireshark takes all that is on 8080 for plain HTTP
_CAPABILITIES = ("NET_ADMIN", "SETGID", "SETUID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of peer. `capabilities` are what its program needs before it becomes an unprivileged user.

    `port` is where the connection's server listens, be it this peer or the session. `spare`: it speaks
    for an address that no kernel owns. `connects`: it is the client, told to connect by a line on its
    stdin, and takes `--target`. `requires_peer_report`: without its report a replay is inconclusive.
    `program` is what it runs on a machine that has it. `counts_bytes`: what it tells counts every byte of a
    connection, not only those of requests that its log knows. `reports_once`: it tells of all connections of
    a replay together, once. `adjustable`: it takes other options while it runs, as a line of JSON on its
    stdin.
    """

    image: str
    module: str
    capabilities: tuple[str, ...] = _CAPABILITIES
    port: int = 80
    spare: bool = False
    connects: bool = False
    requires_peer_report: bool = False
    counts_bytes: bool = True
    reports_once: bool = False
    program: str = ""
    adjustable: bool = False


def _proxy(program: str) -> Kind:
    return Kind(
        image="proxy",
        module=f"agents.{program}_proxy",
        port=_HTTP_PORT,
        connects=True,
        requires_peer_report=True,
        counts_bytes=False,
        reports_once=True,
        program=program,
    )


KINDS = {
    "origin": Kind(image="peer", module="agents.origin", adjustable=True),
    "tls-origin": Kind(image="peer", module="agents.tls_origin", port=443, requires_peer_report=True),
    "client": Kind(
        image="peer", module="agents.client", port=_HTTP_PORT, connects=True, requires_peer_report=True
    ),
    "scripted": Kind(
        image="scripted",
        module="agents.scripted",
        capabilities=(*_CAPABILITIES, "NET_RAW"),
        spare=True,
        requires_peer_report=True,
    ),
    "scripted-client": Kind(
        image="scripted",
        module="agents.scripted_client",
        capabilities=(*_CAPABILITIES, "NET_RAW"),
        port=_HTTP_PORT,
        spare=True,
        connects=True,
        requires_peer_report=True,
    ),
    # Above 1023: they open their ports themselves, when they are nobody already.
    "nginx": Kind(
        image="nginx", module="agents.nginx", port=_HTTP_PORT, requires_peer_report=True, counts_bytes=False
    ),
    "httpd": Kind(
        image="httpd", module="agents.httpd", port=_HTTP_PORT, requires_peer_report=True, counts_bytes=False
    ),
    "nginx-proxy": _proxy("nginx"),
    "haproxy-proxy": _proxy("haproxy"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Addresses on the test network: the peer's host's, a spare one that no kernel has, and the node's."""

    own: str
    spare: str
    node: str


def kind_of(server: Server) -> Kind:
    """Return the kind that a scenario names. Raises UsageError for an unknown one."""
    try:
        return KINDS[server.kind]
    except KeyError:
        raise UsageError(
            f"no server is called {server.kind!r}", f"known: {', '.join(sorted(KINDS))}"
        ) from None


def endpoint(server: Server, addresses: Addresses) -> Endpoint:
    """Return what a session knows as `Server` and `Port`: the peer's address, and the listening port."""
    kind = kind_of(server)
    port = _TLS_PORT if kind.port == _HTTP_PORT and tls_version(server) else kind.port
    return Endpoint(addresses.spare if kind.spare else addresses.own, port)


def tls_version(server: Server) -> str:
    """Return the version of TLS that a peer speaks; "" if it speaks none."""
    option = OPTIONS[server.kind].get("tls") if server.kind in OPTIONS else None
    return "" if option is None else str(server.options.get("tls", option.default or ""))


def can_reconfigure(one: Server, other: Server) -> bool:
    """Return whether a peer that runs can be told to be another one."""
    return adjustable(one) == adjustable(other)


def adjustable(server: Server) -> Server:
    """Return the peer without those of its options that it can be told while it runs."""
    return replace(server, options={}) if kind_of(server).adjustable else server


def reconfigure_line(server: Server) -> bytes:
    """Return the line that tells an adjustable peer to be this one from now on."""
    return json.dumps(server.options).encode() + b"\n"


def arguments(server: Server, addresses: Addresses) -> list[str]:
    """Return the command line of a peer's program: its addresses, then its options from the scenario.

    `body_bytes = 20000` becomes `--body-bytes=20000`; a true flag stands alone, a false one is left out.
    """
    kind = kind_of(server)
    address, port = endpoint(server, addresses)
    found = ["--bind", address, "--port", str(port), "--clean-offloads", addresses.own]
    if kind.connects:
        found += ["--target", addresses.node]
    for name, value in server.options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            found.append(flag)
        elif value is not False:
            found.append(f"{flag}={value}")
    return found
