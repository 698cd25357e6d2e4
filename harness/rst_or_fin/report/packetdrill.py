"""A replay's close as a packetdrill script, for a kernel developer who has neither Erlang nor this program.

packetdrill (github.com/google/packetdrill) makes the system calls and the peer's segments of a script and
holds what the kernel sends against it. The capture was made beside that kernel, so its order is the kernel's.
The calls are those that gen_tcp makes, deduced from what was sent; times are the script's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rst_or_fin.analysis.steps import Opening, opening
from rst_or_fin.errors import UsageError
from rst_or_fin.escaping import visible
from rst_or_fin.report.terminal import summary
from rst_or_fin.tcp.connection import Connection, flag_letters
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.tcp.segment import Checksum, Segment
from rst_or_fin.tcp.two_ends import Fate
from rst_or_fin.verdict.assessment import Assessment

_LATER = "+0.01"  # seconds until a segment of the peer comes
_IN_TIME = "+0~+0.5"  # within which the kernel has to answer
_FIRST_DATA = 1
_SMALL = 16_000  # bytes that any send buffer takes
_LARGEST = 60_000  # bytes of one segment: an IP packet has no room for more than 65,535
# What sets a socket up so that its close resets; of the other causes unread data and late data need nothing.
_SET_UP = {
    Cause.ZERO_LINGER: "SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8",
    Cause.FIN_WAIT2_TIMEOUT: "SOL_TCP, TCP_LINGER2, [-1], 4",
}
_PLAYED = (None, Cause.UNREAD_DATA, Cause.DATA_AFTER_CLOSE, Cause.LISTENER_CLOSED, *_SET_UP)


def script(judged: Assessment, name: str) -> str:
    """Write the script. Raises UsageError if nothing was closed, or no call brings the close about."""
    verdict = judged.verdict
    if judged.connection is None or verdict.ending is Ending.NONE:
        raise UsageError(f"{visible(name)} has no close that packetdrill could play", "choose another format")
    if verdict.cause not in _PLAYED:
        raise UsageError(
            f"{visible(name)} was reset for a reason that no call brings about: {verdict.cause}",
            "choose another format",
        )
    return "\n".join(_Script(judged, judged.connection, name).lines()) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """A segment that leaves the end under test, or comes to it; `window` is as the header has it."""

    is_own: bool
    flags: str
    first: int
    end: int
    ack: int | None
    window: int

    @property
    def size(self) -> int:
        return self.end - self.first

    @property
    def is_bare_ack(self) -> bool:
        return self.flags == "." and not self.size

    def __str__(self) -> str:
        ack = "" if self.ack is None else f" ack {self.ack}"
        urgent = f" urg {self.size}" if "U" in self.flags else ""  # a peer's urgent byte is a segment's last
        window = "" if self.is_own else f" win {self.window}"
        return f"{self.flags} {self.first}:{self.end}({self.size}){ack}{window}{urgent}"


class _Script:
    """One connection, segment by segment; `_fd` is the socket that is closed."""

    def __init__(self, judged: Assessment, connection: Connection, name: str) -> None:
        self._judged, self._name, self._connection = judged, name, connection
        self._own = judged.verdict.subject
        self._moves = _joined(_news(_seen(judged, connection), connection, self._own))
        self._peer = opening(connection, self._own.other)
        self._queued_to = -1
        self._is_accepted = (
            self._own is Role.CLIENT or judged.verdict.cause is Cause.LISTENER_CLOSED
        )  # or never
        self._fd = 3 if self._is_accepted else 4
        self._is_closed = False
        self._read = 0
        peers = [move for move in self._moves if not move.is_own]
        self._peer_fin = next((move.end for move in peers if "F" in move.flags), None)
        self._has_urgent = any("U" in move.flags for move in peers)
        is_inline = judged.verdict.cause is not Cause.UNREAD_DATA  # or passed over: the close finds it gone
        self._passed_by = 0 if is_inline else sum("U" in move.flags for move in peers)
        self._arrived = max((move.end for move in peers if move.size), default=_FIRST_DATA) - _FIRST_DATA
        self._readable = self._read_in_all()

    def _read_in_all(self) -> int:
        """Return how much the session read before its close: all, unless its kernel had more."""
        if any("recv(" in call.source and "peek" in call.source for call in self._judged.replay.calls):
            return 0  # the socket counts what was peeked at as read
        state, cause = self._judged.socket, self._judged.verdict.cause
        if state is None:
            is_left = cause in {Cause.UNREAD_DATA, Cause.LISTENER_CLOSED}
            return 0 if is_left else self._arrived - self._passed_by
        return max(0, state.received - state.unread - self._passed_by)

    def lines(self) -> Iterator[str]:
        yield f"// {visible(self._name)}: {visible(summary(self._judged.verdict))}"
        yield "// Written from a capture; the Erlang session was:"
        yield from (f"//   {visible(call.source)}" for call in self._judged.replay.calls)
        yield "--tolerance_usecs=100000"
        if ":" in self._connection.client.address:
            yield "--ip_version=ipv6"
        yield ""
        yield from self._opens(self._peer)
        for index, move in enumerate(self._moves):
            if not move.is_own:
                yield f"{_LATER} < {move}"
                continue
            yield from self._acts(index, move)
            yield f"{_IN_TIME} > {move}"
            yield from self._reads(move)
        yield from self._closes_at_last()
        yield from self._asks_whether_it_lives()

    def _opens(self, peer: Opening) -> Iterator[str]:
        scale = "" if peer.scale is None else f",nop,wscale {peer.scale}"
        rest = f"win {peer.window} <mss {peer.mss}{scale}>"
        yield "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3"
        if self._own is Role.CLIENT:
            yield "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0"
            yield "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)"
            yield f"{_IN_TIME} > S 0:0(0) <...>"
            yield f"{_LATER} < S. 0:0(0) ack 1 {rest}"
            if not (self._moves and self._moves[0].is_own and self._moves[0].is_bare_ack):
                yield f"{_IN_TIME} > . 1:1(0) ack 1"
            yield from self._sets_up()
            return
        yield "+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"
        yield "+0 bind(3, ..., ...) = 0"
        yield "+0 listen(3, 5) = 0"
        yield f"{_LATER} < S 0:0(0) {rest}"
        yield f"{_IN_TIME} > S. 0:0(0) ack 1 <...>"

    def _sets_up(self) -> Iterator[str]:
        """Let every write leave when it was captured, and an urgent byte that was read lie in line."""
        yield f"+0 setsockopt({self._fd}, SOL_TCP, TCP_NODELAY, [1], 4) = 0"
        if self._has_urgent and not self._passed_by:
            yield f"+0 setsockopt({self._fd}, SOL_SOCKET, SO_OOBINLINE, [1], 4) = 0"

    def _accepts(self) -> Iterator[str]:
        if not self._is_accepted:
            self._is_accepted = True
            yield "+0 accept(3, ..., ...) = 4"
            yield from self._sets_up()

    def _acts(self, index: int, move: _Move) -> Iterator[str]:
        """Make the calls that send a segment."""
        if self._is_closed or move.is_bare_ack or index <= self._queued_to:
            return  # what the kernel sends by itself
        self._queued_to = self._queue(index)
        last = self._moves[self._queued_to]
        yield from self._accepts()
        yield from self._reads(move)
        for written in self._moves[index : self._queued_to + 1]:
            if written.size and written.is_own:
                yield from self._writes(written, is_corked="F" in move.flags)
        if "F" in last.flags and self._goes_on(self._queued_to, last):
            yield f"+0 shutdown({self._fd}, SHUT_WR) = 0"
            if self._was_seen_before_a_shutdown() and self._judged.verdict.ending is Ending.FIN:
                self._readable = self._arrived  # what lay unread at the close would have made it a RST
        elif "F" in last.flags or "R" in last.flags:
            yield from self._closes()

    def _was_seen_before_a_shutdown(self) -> bool:
        """Return whether the session went on after the line before which its socket was looked at."""
        calls, line = self._judged.replay.calls, self._judged.replay.close_line
        return 0 < line <= len(calls) and "shutdown(" in calls[line - 1].source

    def _queue(self, index: int) -> int:
        """Return the index of the last segment of the same write: a FIN behind a full one, else this.

        A cork holds back less than a full segment only; before it the peer's window did.
        """
        for after, move in enumerate(self._moves[index + 1 :], index + 1):
            if move.is_own and move.size:
                return after if "F" in move.flags and move.size % self._peer.mss == 0 else index
            if not move.is_bare_ack:
                break
        return index

    def _writes(self, move: _Move, *, is_corked: bool) -> Iterator[str]:
        """Write data; where its end is not pushed, or left with a FIN, more is to come."""
        if move.size > _SMALL:
            yield f"+0 setsockopt({self._fd}, SOL_SOCKET, SO_SNDBUF, [{2 * move.size}], 4) = 0"
        if "P" not in move.flags:
            yield f"+0 send({self._fd}, ..., {move.size}, MSG_MORE) = {move.size}"
            return
        if is_corked:
            yield f"+0 setsockopt({self._fd}, SOL_TCP, TCP_CORK, [1], 4) = 0"
        yield f"+0 write({self._fd}, ..., {move.size}) = {move.size}"

    def _received(self, move: _Move) -> int:
        """Return how many of the peer's bytes a segment acknowledges."""
        ack = move.ack or 0
        return (ack if self._peer_fin is None else min(ack, self._peer_fin)) - _FIRST_DATA

    def _reads(self, move: _Move) -> Iterator[str]:
        """Read what had come by then, as far as the session did: as early, because data may come again."""
        length = min(self._received(move), self._readable) - self._read
        if length > 0 and not self._is_closed:
            yield from self._accepts()
            self._read += length
            yield f"+0 read({self._fd}, ..., {length}) = {length}"

    def _goes_on(self, index: int, fin: _Move) -> bool:
        """Return whether it was a shutdown: data lay unread, the end resets later, or takes more data."""
        if self._received(fin) > self._read + self._passed_by:
            return True
        later = self._moves[index + 1 :]
        resets = [move for move in later if move.is_own and "R" in move.flags]
        if resets:
            return resets[0].ack is not None or self._judged.verdict.cause is Cause.FIN_WAIT2_TIMEOUT
        return any(move.size for move in later if not move.is_own)

    def _closes(self) -> Iterator[str]:
        self._is_closed = True
        set_up = _SET_UP.get(self._judged.verdict.cause) if self._judged.verdict.cause else None
        if set_up is not None:
            yield f"+0 setsockopt({self._fd}, {set_up}) = 0"
        yield f"+0 close({self._fd}) = 0"

    def _closes_at_last(self) -> Iterator[str]:
        """Close what a shutdown left open, without a word on the wire."""
        if self._is_closed:
            return
        left = self._arrived - self._passed_by - self._read
        if self._peer_fin is None and left > 0:
            yield f"+0 read({self._fd}, ..., {left}) = {left}"
        yield from self._closes()

    def _asks_whether_it_lives(self) -> Iterator[str]:
        """If nothing was reset, let the peer retransmit old data: the ACK shows that the socket lives.

        packetdrill does not look at what comes after the last line that expects something.
        """
        verdict, peers = self._judged.verdict, [move for move in self._moves if not move.is_own]
        if verdict.ending is not Ending.FIN or verdict.active_closer is not self._own:
            return
        if any("R" in move.flags for move in peers):
            return
        own = next(move.end for move in self._moves if move.is_own and "F" in move.flags) + 1
        peer = self._arrived + _FIRST_DATA + (self._peer_fin is not None)
        yield "// Not in the capture: an old byte again, to which a connection that was reset sends a RST."
        yield f"{_LATER} < . {peer - 1}:{peer}(1) ack {own} win 1024"
        yield f"{_IN_TIME} > . {own}:{own}(0) ack {peer}"


def _seen(judged: Assessment, connection: Connection) -> list[Segment]:
    """Return what left the end under test and what came to it, in its own kernel's order."""
    own, passages = judged.verdict.subject, judged.verdict.passages
    if not passages:
        return list(connection.segments)
    near = {p.near: p for p in passages if p.near is not None}
    return [p.segment for _, p in sorted(near.items()) if p.sender is own or p.fate is not Fate.CORRUPTED]


def _news(segments: Sequence[Segment], connection: Connection, own: Role) -> Iterator[_Move]:
    """Read segments as moves, without the opening and what the end under test repeats or probes with."""
    sent_to, fin_sent, is_open = _FIRST_DATA, False, False
    for segment in segments:
        is_own = connection.role(segment) is own
        if segment.syn and (is_own or own is Role.SERVER or not is_open):
            is_open = is_open or not is_own  # a copy of the answer to a SYN is acknowledged again
            continue
        if segment.checksum is Checksum.BAD:
            continue
        seq, ack = connection.relative(segment)
        move = _Move(
            is_own=is_own,
            flags=flag_letters(segment).replace("E", "").replace("W", ""),
            first=seq,
            end=seq + segment.payload_len,
            ack=ack if segment.has_ack else None,
            window=segment.window,
        )
        if is_own and not segment.rst:
            is_new = move.end > sent_to or (segment.fin and not fin_sent)
            if not is_new and (move.size or segment.fin or seq < sent_to + fin_sent):
                continue
            move = replace(move, first=max(seq, sent_to) if move.size else seq)
            sent_to, fin_sent = max(sent_to, move.end), fin_sent or segment.fin
        yield move


def _joined(moves: Iterator[_Move]) -> list[_Move]:
    """Join data that came or left in a row: as the peer's burst reaches TCP, and as one write leaves it.

    Not where the end under test acknowledged the one without the other, nor behind its FIN where it resets:
    its kernel may answer each of the peer's segments with a RST.
    """
    every = list(moves)
    acked = {move.ack for move in every if move.is_own}
    resets = any(move.is_own and "R" in move.flags for move in every)
    found: list[_Move] = []
    is_over = False
    for move in every:
        is_over = is_over or (resets and move.is_own and "F" in move.flags)
        if found and not is_over and _is_one(found[-1], move, acked):
            found[-1] = replace(move, first=found[-1].first)
        else:
            found.append(move)
    return found


def _is_one(first: _Move, then: _Move, acked: set[int | None]) -> bool:
    if first.is_own is not then.is_own or first.end != then.first or not (first.size and then.size):
        return False
    if then.end - first.first > _LARGEST or set(first.flags + then.flags) & set("FRU"):
        return False
    return (first.ack == then.ack and "P" not in first.flags) if first.is_own else first.end not in acked
