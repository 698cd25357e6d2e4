"""A testbed: two hosts and one wire between them, ready for replays. What every kind of it offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.evidence.strace import SystemCall
from rst_or_fin.evidence.tracepoint import Reset
from rst_or_fin.node.link import Link
from rst_or_fin.scenario import peers
from rst_or_fin.scenario.model import Server
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed.wire_program import WireProgram

if TYPE_CHECKING:
    from rst_or_fin.testbed.credentials import Credentials

# Every sysctl that bears on how a connection ends, pinned so that a host's own tuning cannot change a
# verdict; the values are Linux 6.12's defaults.
PINNED_SYSCTLS = {
    "net.ipv4.tcp_timestamps": "1",
    "net.ipv4.tcp_sack": "1",
    "net.ipv4.tcp_window_scaling": "1",
    "net.ipv4.tcp_ecn": "2",
    "net.ipv4.tcp_fin_timeout": "60",
    "net.ipv4.tcp_orphan_retries": "0",
    "net.ipv4.tcp_retries2": "15",
    "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
    "net.ipv4.ip_local_port_range": "32768\t60999",
}


class Testbed(Protocol):
    """Two hosts and one wire: an Erlang node on one, a server on the other, a capture in between.

    Times are seconds; every wait is bounded and a wait that ends without its event is an error or a None.
    """

    @property
    def link(self) -> Link:
        """The control link to the Erlang node."""

    @property
    def server(self) -> Endpoint:
        """Where the server listens on the test network."""

    @property
    def client_address(self) -> str:
        """The node's address on the test network."""

    @property
    def wire(self) -> WireProgram | None:
        """The program that stands between the two hosts; None where nothing does."""

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        """Every frame since the last drain, complete up to this call.

        Where there is none yet, waits up to `timeout_s` for the first.
        """

    def dropped(self) -> int:
        """How many frames the kernel dropped from the capture since it began."""

    @property
    def bindings(self) -> Mapping[str, str]:
        """What a session knows beyond the addresses: Erlang terms as text, by their variables' names."""

    def secrets(self) -> list[str]:
        """The lines of TLS key log that the peer has told since the last time."""

    @property
    def shares_clock(self) -> bool:
        """Whether the node's kernel is the one that the capture's time stamps come from."""

    def now_ns(self) -> int:
        """The capture's clock when it was last drained, or later, in nanoseconds since the epoch."""

    def holds(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Whether the kernel of either host still has the connection between these two, TIME_WAIT aside.

        None where a kernel cannot be asked.
        """

    def node_holds(self, one: Endpoint, other: Endpoint) -> bool | None:
        """The same of the node's host alone."""

    def counters(self) -> Mapping[str, int]:
        """The kernel's counters of the node's network namespace, read from beside the node.

        For what a node that is gone cannot tell any more, and where that costs less than to ask the node.
        """

    @property
    def counters_at_hand(self) -> bool:
        """Whether `counters` costs less than to ask the node."""

    def check(self) -> None:
        """Raise MachineError, with its last words, where a program but the node has ended."""

    def node_status(self) -> int | None:
        """How the process of a node that is gone ended: its exit code, or minus the signal's number.

        None where nobody tells.
        """

    def ports_waiting(self) -> int | None:
        """How many of the node's host's connections are in TIME_WAIT; None where nobody tells."""

    def start_peer(self) -> None:
        """Tell a peer that is a client to connect: one line, whatever it says, on its stdin."""

    def peer_report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        """What the peer's application saw of the connection from `client`, once it has ended there."""

    def system_calls(self, local: Endpoint, remote: Endpoint) -> tuple[SystemCall, ...] | None:
        """Those of the node's socket between these two, complete up to this call; None where nobody asked."""

    def resets(self, local: Endpoint, remote: Endpoint) -> tuple[Reset, ...] | None:
        """Why the node's kernel sent its RSTs from `local` to `remote`; None where it does not say."""

    def facts(self) -> dict[str, object]:
        """What the manifest records: runtime, image digests, kernel and tool versions, sysctls."""

    def close(self) -> None:
        """End everything that this testbed started. May be called twice."""


def credentials_for(server: Server, peer: str, node: str) -> Credentials | None:
    """Certificates for hosts with these addresses, where the peer speaks TLS."""
    if not peers.tls_version(server):
        return None
    from rst_or_fin.testbed import credentials  # 60 ms, for those who need it

    return credentials.make(peer, node)
