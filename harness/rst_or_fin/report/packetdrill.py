"""A replay's close as a packetdrill script, for a kernel developer who has neither Erlang nor this program.

packetdrill (github.com/google/packetdrill) makes the system calls and the peer's segments of a script and
holds what the kernel sends against it. The capture was made beside that kernel, so its order is the kernel's.
The calls are those that gen_tcp makes, deduced from what was sent; times are the script's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from rst_or_fin.analysis.steps import Kind, Own, Step, own_step, peers_step, window_of
from rst_or_fin.errors import UsageError
from rst_or_fin.escaping import visible
from rst_or_fin.report.terminal import summary
from rst_or_fin.tcp.ending import Cause, Ending, Role
from rst_or_fin.tcp.segment import Checksum, Segment
from rst_or_fin.verdict.assess import Assessment

_LATER = "+0.01"  # seconds until a segment of the peer comes
_IN_TIME = "+0~+0.5"  # within which the kernel has to answer
_FIRST_DATA = 1


def script(judged: Assessment, name: str) -> str:
    """Write the script. Raises UsageError where no segment was captured, or nothing was closed."""
    if judged.connection is None or judged.verdict.ending is Ending.NONE:
        raise UsageError(f"{visible(name)} has no close that packetdrill could play", "choose another format")
    return "\n".join(_Script(judged, name).lines()) + "\n"


class _Script:
    """One connection, segment by segment; `_fd` is the socket that is closed."""

    def __init__(self, judged: Assessment, name: str) -> None:
        assert judged.connection is not None
        self._judged, self._name, self._connection = judged, name, judged.connection
        self._own = judged.verdict.subject
        self._fd = 3 if self._own is Role.CLIENT else 4
        self._sent_to = _FIRST_DATA
        self._fin_sent = self._is_closed = self._is_accepted = False
        self._arrived = 0

    def lines(self) -> Iterator[str]:
        yield f"// {visible(self._name)}: {visible(summary(self._judged.verdict))}"
        yield "// Written from a capture; the Erlang session was:"
        yield from (f"//   {visible(call.source)}" for call in self._judged.replay.calls)
        yield "--tolerance_usecs=100000"
        yield ""
        yield from self._opening()
        for index, segment in enumerate(self._connection.segments):
            if segment.syn or segment.checksum is Checksum.BAD:
                continue
            if self._connection.role(segment) is self._own:
                yield from self._leaves(index, segment)
            else:
                yield self._comes(segment)
        if not self._is_closed:
            yield from self._closes(self._arrived)

    def _opening(self) -> Iterator[str]:
        peer, window = window_of(self._connection, self._own.other)
        options = f"<mss {peer}>"
        yield "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3"
        if self._own is Role.CLIENT:
            yield "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0"
            yield "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)"
            yield f"{_IN_TIME} > S 0:0(0) <...>"
            yield f"{_LATER} < S. 0:0(0) ack 1 win {window} {options}"
            yield f"{_IN_TIME} > . 1:1(0) ack 1"
            yield "+0 setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0"
            return
        yield "+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"
        yield "+0 bind(3, ..., ...) = 0"
        yield "+0 listen(3, 5) = 0"
        yield f"{_LATER} < S 0:0(0) win {window} {options}"
        yield f"{_IN_TIME} > S. 0:0(0) ack 1 <...>"

    def _comes(self, segment: Segment) -> str:
        step = peers_step(self._connection, segment, self._own.other)
        self._arrived = max(self._arrived, step.end - _FIRST_DATA)
        return f"{_LATER} < {_written(step)} win {step.window}"

    def _leaves(self, index: int, segment: Segment) -> Iterator[str]:
        step = own_step(self._connection, segment, self._own, self._sent_to, self._fin_sent)
        if step is None:
            seq, ack = self._connection.relative(segment)
            is_opening = self._own is Role.CLIENT and index == 2  # it stands there already
            if not is_opening and not segment.payload_len:
                yield f"{_IN_TIME} > . {seq}:{seq}(0) ack {ack}"
            return
        if self._own is Role.SERVER:
            yield from self._accepts()
        yield from self._does(step, index)
        self._sent_to = max(self._sent_to, step.end)
        self._fin_sent = self._fin_sent or step.kind is Kind.FIN or segment.fin
        yield f"{_IN_TIME} > {_written(step)}"

    def _accepts(self) -> Iterator[str]:
        if not self._is_accepted:
            self._is_accepted = True
            yield "+0 accept(3, ..., ...) = 4"

    def _does(self, step: Own, index: int) -> Iterator[str]:
        """Make the call that sends a segment."""
        if self._is_closed:
            return  # what the kernel sends by itself
        if step.kind is Kind.DATA:
            length = step.end - step.first
            yield f"+0 write({self._fd}, ..., {length}) = {length}"
        elif step.kind is Kind.FIN and self._goes_on(index):
            yield f"+0 shutdown({self._fd}, SHUT_WR) = 0"
        else:
            yield from self._closes(step.received or 0)

    def _goes_on(self, index: int) -> bool:
        """Return whether the end aborts, or acknowledges more data, after its FIN: then it was a shutdown."""
        later = self._connection.segments[index + 1 :]
        own = [s for s in later if self._connection.role(s) is self._own]
        if any(s.rst for s in own):
            return next(s for s in own if s.rst).has_ack
        return any(s.payload_len for s in later if self._connection.role(s) is not self._own)

    def _closes(self, received: int) -> Iterator[str]:
        """Read what had been read by then, and close."""
        self._is_closed = True
        state = self._judged.socket
        unread = state.unread if state is not None else 0
        if received > unread:
            yield f"+0 read({self._fd}, ..., {received - unread}) = {received - unread}"
        if self._judged.verdict.cause is Cause.ZERO_LINGER:
            yield f"+0 setsockopt({self._fd}, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=0}}, 8) = 0"
        yield f"+0 close({self._fd}) = 0"


def _written(step: Step) -> str:
    ack = "" if step.ack is None else f" ack {step.ack}"
    return f"{step.flags} {step.first}:{step.end}({step.end - step.first}){ack}"
