"""A testbed: two hosts and one wire between them, ready for replays. The interface of every kind."""

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
    def node_address(self) -> str:
        """The node's address on the test network."""

    @property
    def wire(self) -> WireProgram | None:
        """The program between the two hosts that drops, delays or changes frames; None if there is none."""

    def drain(self, timeout_s: float = 0.0) -> list[Frame]:
        """Return every frame since the last drain, complete up to this call.

        Where there is none yet, waits up to `timeout_s` for the first.
        """

    def dropped(self) -> int:
        """Return how many frames the kernel dropped from the capture since it began."""

    @property
    def bindings(self) -> Mapping[str, str]:
        """What a session gets besides the addresses: Erlang terms as text, by their variables' names."""

    def secrets(self) -> list[str]:
        """Return the lines of TLS key log that the peer has reported since the last time."""

    @property
    def shares_clock(self) -> bool:
        """Whether the capture's time stamps come from the node's kernel."""

    def now_ns(self) -> int:
        """Return the capture's clock when last drained, or later, in nanoseconds since the epoch."""

    def connection_exists(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Return whether either host's kernel still has this connection, TIME_WAIT aside.

        None if a kernel cannot be asked.
        """

    def node_connection_exists(self, one: Endpoint, other: Endpoint) -> bool | None:
        """Like `connection_exists`, for the kernel of the node's host alone."""

    def counter_tables(self) -> bytes:
        """Return the kernel's counters of the node's network namespace as text, read from beside the node.

        For a node that is gone, and where that costs less than to ask the node.
        """

    @property
    def kernel_queries_are_local(self) -> bool:
        """Whether counters and socket tables cost less than to ask the node."""

    def check(self) -> None:
        """Raise MachineError, with its last output, where a program other than the node has ended."""

    def node_status(self) -> int | None:
        """Return how a node that is gone ended: its exit code, or minus the signal's number.

        None if that is unknown.
        """

    def ports_waiting(self) -> int | None:
        """Return how many connections of the node's host are in TIME_WAIT; None if unknown."""

    def start_peer(self) -> None:
        """Tell a peer that is a client to connect, by a line on its stdin."""

    def serve(self, server: Server) -> None:
        """Have the peer be that server from now on (`peers.can_reconfigure`). Raises MachineError."""

    def peer_report(self, client: Endpoint, timeout_s: float) -> PeerReport | None:
        """Return what the peer's application saw of the connection from `client`, once it ended there.

        None if it did not within `timeout_s`.
        """

    def system_calls(self, local: Endpoint, remote: Endpoint) -> tuple[SystemCall, ...] | None:
        """Return those of the node's socket between these two up to now; None if not recorded."""

    def resets(self, local: Endpoint, remote: Endpoint) -> tuple[Reset, ...] | None:
        """Return why the node's kernel sent its RSTs from `local` to `remote`; None if unknown."""

    def facts(self) -> dict[str, object]:
        """Return what the manifest records: runtime, image digests, kernel and tool versions, sysctls."""

    def close(self) -> None:
        """End everything that this testbed started. May be called twice."""


def credentials_for(server: Server, peer: str, node: str) -> Credentials | None:
    """Make certificates for hosts with these addresses, where the peer speaks TLS; else None."""
    if not peers.tls_version(server):
        return None
    from rst_or_fin.testbed import credentials  # 60 ms, for those who need it

    return credentials.make(peer, node)
