"""Hold what a judge said against the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.truth.adapter import Said
from tests.truth.conversation import Conversation
from tests.truth.expected import counts
from tests.truth.segment import A, Conn
from tests.truth.truth import Truth

UNKNOWN = "unknown"
_RSTS = ("RST", "FIN then RST")
_ORDERLY_WORD = {
    ("FIN", "FIN"): {"SF"},
    ("FIN", "none"): {"S2", "SH"},
    ("none", "FIN"): {"S3", "SHR"},
    ("none", "none"): {"S0", "S1"},
}
_FIRST_WORDS = {"RSTO", "RSTOS0"}
_SECOND_WORDS = {"RSTR", "REJ", "RSTRH"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Something conclusive that is not true: what kind of thing, and both answers."""

    kind: str
    said: str
    true: str


@dataclass(slots=True, eq=False)
class Result:
    """What came of holding one conversation's verdicts against the truth.

    `floor` are the connections that must be conclusive, and those that were.
    """

    right: int = 0
    doubts: list[tuple[str, ...]] = field(default_factory=list)
    wrongs: list[Wrong] = field(default_factory=list)
    floor_doubts: list[tuple[str, ...]] = field(default_factory=list)
    floor: int = 0


def compare(conversation: Conversation, verdicts: Sequence[Said]) -> Result:
    """Return how a judge did."""
    result = Result()
    conn_at = _conns_by_time(conversation)
    for said in verdicts:
        truth, *others = _meant(said, conn_at, conversation.truths)
        plain = conversation.plan.clean and truth.plain and truth.over and truth.answered
        result.floor += plain
        if said.doubts:
            result.doubts.append(said.doubts)
            if plain:
                result.floor_doubts.append(said.doubts)
            continue
        wrongs = list(_wrongs(said, truth, conversation))
        if any(not list(_wrongs(said, other, conversation)) for other in others):
            wrongs = []
        result.wrongs += wrongs
        result.right += not wrongs
    result.wrongs += _miscounted(conversation, verdicts)
    return result


def _conns_by_time(conversation: Conversation) -> dict[int, Conn]:
    unit_ns = conversation.plan.capture.unit_ns
    start_ns = conversation.plan.start_ns
    return {
        (start_ns + at_ns) // unit_ns * unit_ns: crossing.conn.root()
        for crossing, at_ns in conversation.shown
    }


def _meant(said: Said, conn_at: dict[int, Conn], truths: Sequence[Truth]) -> list[Truth]:
    """Return what a verdict may be about, first the connection that most of its segments are of.

    A SYN and its copies may be several connections to the hosts and one in the capture, and a late segment
    may be one of another: any of them is meant.
    """
    conns = Counter(conn_at[time_ns] for time_ns in said.times_ns)
    most = conns.most_common(1)[0][0]
    alike = [truth for truth in truths if truth.conn in conns]
    return sorted(alike, key=lambda truth: truth.conn is not most)


def _wrongs(said: Said, truth: Truth, conversation: Conversation) -> Iterable[Wrong]:
    client = _side(said.client, truth.conn, conversation)
    if truth.opened and truth.client is not None and client != truth.client:
        yield Wrong(kind="client", said="AB"[client], true="AB"[truth.client])
    left_no_trace = any({"none"} < right for right in truth.endings)
    if not truth.over and not truth.may_be_over and not left_no_trace:
        yield Wrong(kind="not over", said=" / ".join(said.endings), true="still open")
        return
    for role, side in (("client", client), ("server", 1 - client)):
        ending, cause = said.endings[role == "server"], said.causes[role == "server"]
        right = truth.endings[side]
        if {"FIN", "none"} <= right:
            right = right | {"RST"}  # the capture does not show the FIN, nor that it was taken
        if ending not in right:
            yield Wrong(kind=f"{role} ending", said=ending, true=" or ".join(sorted(right)))
        elif ending in _RSTS and cause != UNKNOWN and cause not in truth.causes[side]:
            yield Wrong(
                kind=f"{role} cause", said=cause, true=" or ".join(sorted(truth.causes[side])) or UNKNOWN
            )
    if not _fits(said, truth):
        yield Wrong(
            kind="conn_state", said=f"{said.conn_state} for {' / '.join(said.endings)}", true="another word"
        )


def _side(end: tuple[str, int], conn: Conn, conversation: Conversation) -> int:
    addresses = conversation.plan.addresses
    return 0 if end == (addresses.a, conn.ports[A]) else 1


def _fits(said: Said, truth: Truth) -> bool:
    """Return whether Zeek's word goes with the endings beside it."""
    client, server = (ending in _RSTS for ending in said.endings)
    if not truth.answered and said.conn_state == "OTH":
        return True
    if not client and not server:
        return said.conn_state in _ORDERLY_WORD[said.endings]
    orderly = {"SF"} if all("FIN" in ending for ending in said.endings) else set()
    return (
        said.conn_state
        in (_FIRST_WORDS if client else set()) | (_SECOND_WORDS if server else set()) | orderly
    )


def _miscounted(conversation: Conversation, verdicts: Sequence[Said]) -> Iterable[Wrong]:
    """Yield every port pair of which a judge is sure, and sees too many or too few connections.

    It claims to have found as many as it is sure of; each that it doubts may be none, or up to three.
    """
    found: dict[frozenset[int], list[Said]] = defaultdict(list)
    for said in verdicts:
        found[frozenset((said.client[1], said.server[1]))].append(said)
    for ports, (least, most) in counts(conversation).items():
        here = found.get(ports, [])
        sure = sum(not said.doubts for said in here)
        if sure > most or (sure and sure + 3 * (len(here) - sure) < least):
            yield Wrong(
                kind="count", said=str(len(here)), true=f"{least} to {most}" if least < most else f"{least}"
            )
