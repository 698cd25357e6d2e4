"""Speaks with the node's `rst_or_fin` process: commands, and its events as evidence records.

A command is sent as `{From, Ref, Command}`; every string in it and in an event is a binary.

    ping                -> {Ref, pong, #{<<"otp">> => <<"27">>, erts, kernel, kernel_build, backend}}
    {sysctls, Names}    -> {Ref, sysctls, #{Name => Value}}
    counters            -> {Ref, counters, Reading}
    {play, Session, Bindings, CloseLine, LineTimeoutMs, Live}
                        -> {Ref, events, [Event]}, again and again until one of them ends the play:
        {begun, Reading}                                        before the first line
        {line, Index, Source, Printed, DurationUs, StartNs, Bound}      after each expression
        {closing, SocketStates, Reading, Source, StartNs}       right before the close line
        {closed, Reading}                                       right after it
        {sent, Sent}                                            what was sent so far, where anything was
        {done, Listening} | {crashed, Index, Source, ErrorText} | {timed_out, Index, Source}
        | {unparsable, LineNo, Why}

A Session is Erlang as a text, or {elixir, Text}. A Reading is {FromNs, ToNs, [Netstat, Snmp]}, the times
being those of the node's kernel, and the two what it had in /proc/net/netstat and /proc/net/snmp; the first
reading and the one that is asked for have snmp6, too. Bound are the connected sockets that the line bound to
variables, as {Name, Local, Remote}; SocketStates those of them that are open, as {Name, Local, Remote,
Received, Unread, State}; Listening those that listen or did, as {Name, Local, Closed}; Sent the bytes handed
to each connected socket, as {Local, Remote, Bytes}, told again where they are others. An address is the tuple
that Erlang has for it.

Plays that are begun before the last one ended wait for it. A session's process, and its sockets with it,
stays until the next play begins; one that crashed or timed out is gone at once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping
from socket import AF_INET6, inet_ntop
from typing import Any, cast

from rst_or_fin.agents import counters as proc_counters
from rst_or_fin.errors import LinkError, LinkLostError, LinkTimeoutError, UnparsableError
from rst_or_fin.evidence.counters import COUNTERS
from rst_or_fin.evidence.records import (
    BoundSocket,
    Call,
    CounterReading,
    ListeningSocket,
    Moment,
    Replay,
    SentBytes,
    SessionEnd,
    SocketState,
)
from rst_or_fin.node.link import Atom, Encoded, Event, Link, Term, encoded
from rst_or_fin.scenario.applications import missing
from rst_or_fin.tcp.segment import Endpoint

# A call into a module that is not there, and the start of an application that is not.
_ABSENT = re.compile(r"undefined function '?(\w+)'?:|no such file or directory\",\s*\"(\w+)\.app\"")
Session = str | tuple[Atom, str]
_MEANWHILE_S = 0.5
_ANSWER_S = 5.0  # for commands that the node answers out of hand


def written_in(language: str, text: str) -> Session:
    """Return a session's text as a node takes it: Erlang as it is, other languages by their names."""
    return text if language == "erlang" else (Atom(language), text)


def encode_play(
    *,
    session: Session,
    bindings: Mapping[str, str],
    close_line: int,
    line_timeout_s: float,
    live: bool,
) -> Encoded:
    """Encode the command that plays a session; `collect` takes the ref that it is sent under.

    `bindings` holds Erlang terms as text; `close_line` counts expressions from 1 (0 is the last one). `live`:
    every line is reported as it returns, rather than together with the close line.
    """
    line_timeout_ms = round(line_timeout_s * 1000)
    return encoded((Atom("play"), session, dict(bindings), close_line, line_timeout_ms, live))


def collect(
    link: Link,
    ref: bytes,
    index: int,
    timeout_s: float,
    on_call: Callable[[Call], None] | None = None,
    meanwhile: Callable[[], None] | None = None,
    between: Callable[[], object] | None = None,
    on_begun: Callable[[bytes], None] | None = None,
) -> Replay:
    """Gather a play's events until it ends; `index` is the caller's number for it.

    `timeout_s` is how long each next event may take. `on_call` gets every Call as it arrives; `meanwhile` is
    called now and then while none does, `between` after some have come, while the node plays on; `on_begun`
    gets the text of all counters as the session began. A node that is gone ends the Replay. Raises
    UnparsableError, LinkTimeoutError.
    """
    replay = _Gathering(on_call, on_begun)
    try:
        replay.take_all(_next_event(link, ref, timeout_s, meanwhile))
        while replay.end is None:
            if between is not None:
                between()
            replay.take_all(_next_event(link, ref, timeout_s, meanwhile))
    except LinkLostError as error:
        replay.node_gone(str(error))
    finally:
        link.release(ref)
    return replay.finished(index)


def _next_event(link: Link, ref: bytes, timeout_s: float, meanwhile: Callable[[], None] | None) -> Event:
    while meanwhile is not None and timeout_s > _MEANWHILE_S:
        try:
            return link.next_event(ref, _MEANWHILE_S)
        except LinkTimeoutError:
            meanwhile()
            timeout_s -= _MEANWHILE_S
    return link.next_event(ref, timeout_s)


def node_facts(link: Link) -> dict[str, str]:
    """Return what the node says of itself: otp, erts, kernel, kernel_build and backend (gen_tcp's)."""
    return _texts(link.call(Atom("ping"), _ANSWER_S))


def sysctls(link: Link, names: Iterable[str]) -> dict[str, str]:
    """Return the node's sysctls by their dotted names, without those that its kernel does not have."""
    return _texts(link.call((Atom("sysctls"), list(names)), _ANSWER_S))


def counters(link: Link, names: tuple[str, ...] = COUNTERS) -> CounterReading:
    """Read counters of the node's namespace; those that its kernel does not have are left out."""
    return _reading(Moment.SETTLED, link.call(Atom("counters"), _ANSWER_S), names)


def ask_counters(link: Link) -> bytes:
    """Ask for the counters as they stand before anything that is sent later; return the ref."""
    return link.send(Atom("counters"))


def answered_counters(link: Link, ref: bytes, moment: Moment) -> tuple[CounterReading, bytes]:
    """Return the answer to `ask_counters`. Raises LinkLostError if the node is gone, LinkTimeoutError."""
    try:
        match link.next_event(ref, _ANSWER_S):
            case ("counters", reading):
                return _reading(moment, reading), _tables(reading)
            case event:
                raise _unexpected(event)
    finally:
        link.release(ref)


class _Gathering:
    """Collects a play's events into a Replay."""

    def __init__(
        self, on_call: Callable[[Call], None] | None, on_begun: Callable[[bytes], None] | None
    ) -> None:
        self._on_call = on_call
        self._on_begun = on_begun
        self._calls: list[Call] = []
        self._close_line = 0
        self._closing_source = ""
        self._sockets: tuple[SocketState, ...] = ()
        self._readings: list[CounterReading] = []
        self._bound: list[BoundSocket] = []
        self._listening: tuple[ListeningSocket, ...] = ()
        self._sent: tuple[SentBytes, ...] = ()
        self._closing_ns: int | None = None
        self._error = ""
        self.end: SessionEnd | None = None

    def take_all(self, event: Event) -> None:
        match event:
            case ("events", list(events)):
                for name, *values in events:
                    self._take(name.name, *values)
            case _:
                raise _unexpected(event)

    def _take(self, *event: Any) -> None:
        match event:
            case ("begun", reading):
                self._readings.append(_reading(Moment.BEGUN, reading))
                if self._on_begun is not None:
                    self._on_begun(_tables(reading))
            case ("line", _, source, printed, duration_us, start_ns, bound):
                self._call(_text(source), _text(printed), duration_us, start_ns)
                self._bound += [_bound_socket(socket, len(self._calls)) for socket in bound]
            case ("closing", sockets, reading, source, start_ns):
                self._close_line = len(self._calls) + 1
                self._closing_source, self._closing_ns = _text(source), start_ns
                self._sockets = tuple(_socket_state(socket) for socket in sockets)
                self._readings.append(_reading(Moment.BEFORE, reading))
            case ("closed", reading):
                self._readings.append(_reading(Moment.AFTER, reading))
            case ("sent", sent):
                self._sent = tuple(_sent_bytes(each) for each in sent)
            case ("done", listening):
                self._listening = tuple(_listening_socket(socket) for socket in listening)
                self.end = SessionEnd.DONE
            case ("crashed", _, source, error):
                said = _with_application(_text(error))
                self._call(_text(source), said, 0)
                self._finish(SessionEnd.CRASHED, said)
            case ("timed_out", line, source):
                self._call(_text(source), "** no result in time", 0)
                self._finish(SessionEnd.TIMED_OUT, f"line {line} did not return in time")
            case ("unparsable", line, why):
                raise UnparsableError(line, _text(why), "see docs/scenarios.md for how a session is written")
            case _:
                raise _unexpected(event)

    def node_gone(self, why: str) -> None:
        """End the replay: the node, perhaps on purpose, ended and took the close's result with it."""
        if self._close_line == len(self._calls) + 1:
            self._call(self._closing_source, "** the node is gone", 0, self._closing_ns)
        self._finish(SessionEnd.NODE_GONE, why)

    def finished(self, index: int) -> Replay:
        assert self.end is not None
        return Replay(
            index=index,
            calls=tuple(self._calls),
            end=self.end,
            error=self._error,
            close_line=self._close_line,
            sockets=self._sockets,
            readings=tuple(self._readings),
            bound=tuple(self._bound),
            listening=self._listening,
            sent=self._sent,
        )

    def _call(self, source: str, result: str, duration_us: int, t_ns: int | None = None) -> None:
        call = Call(source=source, result=result, duration_us=duration_us, t_ns=t_ns)
        self._calls.append(call)
        if self._on_call is not None:
            self._on_call(call)

    def _finish(self, end: SessionEnd, error: str) -> None:
        self.end = end
        self._error = error


def _with_application(error: str) -> str:
    """Return the error of a crashed line, with the application that its node lacks, if any."""
    found = _ABSENT.search(error)
    hint = missing(found.group(1) or found.group(2)) if found else ""
    return f"{error}\n{hint}" if hint else error


def _unexpected(event: Event) -> LinkError:
    return LinkError(
        f"the Erlang node sent an unknown event: {event!r}",
        "rebuild the node's image: it runs another version of session_node.escript",
    )


def _socket_state(told: tuple[Any, ...]) -> SocketState:
    name, local, remote, received, unread, state = told
    return SocketState(
        name=_text(name),
        local=_endpoint(local),
        remote=_endpoint(remote),
        received=received,
        unread=unread,
        state=state,
    )


def _bound_socket(told: tuple[Any, ...], line: int) -> BoundSocket:
    name, local, remote = told
    return BoundSocket(name=_text(name), local=_endpoint(local), remote=_endpoint(remote), line=line)


def _listening_socket(told: tuple[Any, ...]) -> ListeningSocket:
    name, local, closed = told
    return ListeningSocket(name=_text(name), local=_endpoint(local), closed=bool(closed))


def _sent_bytes(told: tuple[Any, ...]) -> SentBytes:
    local, remote, count = told
    return SentBytes(local=_endpoint(local), remote=_endpoint(remote), bytes=count)


def _reading(moment: Moment, reading: Any, names: tuple[str, ...] = COUNTERS) -> CounterReading:
    from_ns, to_ns, (netstat, snmp, *_) = reading
    numbers = proc_counters.pick(netstat, names) | proc_counters.pick(snmp, names)
    return CounterReading(moment=moment, counters=numbers, from_ns=from_ns, to_ns=to_ns)


def _tables(reading: Any) -> bytes:
    return b"".join(reading[2])


def _endpoint(pair: tuple[tuple[int, ...], int]) -> Endpoint:
    address, port = pair
    if len(address) == 4:
        return Endpoint(".".join(map(str, address)), port)
    return Endpoint(inet_ntop(AF_INET6, struct.pack(">8H", *address)), port)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _texts(term: Term) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in cast("dict[bytes, bytes]", term).items()}
