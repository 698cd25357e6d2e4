"""The record of a verdict: how a connection ended, and how far that can be relied on. Knows no rules."""

from __future__ import annotations

from dataclasses import dataclass

from rst_or_fin.tcp import causes
from rst_or_fin.tcp.ending import Cause, Ending, Role, Validity
from rst_or_fin.tcp.two_ends import Passage
from rst_or_fin.verdict.delivery import Delivery
from rst_or_fin.verdict.witnesses import Witness

NODE, PEER = "Erlang node", "peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a connection ended, and how far that can be relied on.

    `subject` is the end under test; `deciding` are indices into the connection's segments: the active
    closer's first closing segment, then what follows it; `closing_segment` is the first of the subject's
    in tcpdump's notation. `cause` explains the subject's RST, or that its kernel gave up without one
    (None if neither was seen), `peer_cause` the peer's; if it is unknown, `candidates` are what the
    evidence leaves open. `delivery` is what became of the subject's bytes, `passages` of each segment where
    both ends were captured (then indices are theirs). `remarks` are RSTs that decide
    nothing, and why. `doubts` are the reasons why the verdict is inconclusive; it is conclusive when
    there are none.
    """

    subject: Role
    client: Ending
    server: Ending
    active_closer: Role | None
    cause: Cause | None
    peer_cause: Cause | None
    candidates: tuple[Cause, ...] = ()
    peer_candidates: tuple[Cause, ...] = ()
    closing_segment: str
    deciding: tuple[int, ...]
    conn_state: str
    witnesses: tuple[Witness, ...]
    delivery: Delivery | None = None
    passages: tuple[Passage, ...] = ()
    remarks: tuple[str, ...] = ()
    doubts: tuple[str, ...]

    @property
    def validity(self) -> Validity:
        """Whether the verdict can be relied on."""
        return Validity.INCONCLUSIVE if self.doubts else Validity.CONCLUSIVE

    @property
    def ending(self) -> Ending:
        """How the end under test ended."""
        return self.client if self.subject is Role.CLIENT else self.server

    @property
    def peer_ending(self) -> Ending:
        """How the peer ended."""
        return self.server if self.subject is Role.CLIENT else self.client

    @property
    def told_apart_by(self) -> str:
        """What would distinguish the candidates of an unknown cause; empty if it is known."""
        return causes.told_apart_by(self.candidates)

    @property
    def peer_told_apart_by(self) -> str:
        """What would distinguish the candidates of the peer's unknown cause; empty if it is known."""
        return causes.told_apart_by(self.peer_candidates)
