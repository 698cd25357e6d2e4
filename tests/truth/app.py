"""Play an application on one end of a connection: a list of steps, each taken when its time has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tests.truth import close, output, timers
from tests.truth.tcb import Gone, State, Tcb

if TYPE_CHECKING:
    from tests.truth.host import Host, Opening

Step = tuple[str, int]
"""A word and a number: `("send", 100)` bytes, `("recv", 10)` bytes more, `("sleep", 5)` nanoseconds.

`eof` reads until the other end's FIN, `drained` waits until all that was sent is acknowledged, `keepalive`
asks every so many nanoseconds; `shutdown`, `close`, `linger` and `kill` end the connection; `again` opens the
next one that is in store, so many nanoseconds later. `wait` and `cancel` are a sleep and a close that do not
wait until the connection is established.
"""


class App:
    """One application: reads, writes and closes as its script says."""

    __slots__ = ("_at", "_busy", "_want", "host", "script", "tcb", "then")

    def __init__(self, host: Host, tcb: Tcb, script: Sequence[Step], then: Opening | None = None) -> None:
        self.host = host
        self.tcb = tcb
        self.script = script
        self.then = then
        self._at = 0
        self._busy = False
        self._want = -1

    def poke(self) -> None:
        """Look whether the next step can be taken, after the time that it takes to wake up."""
        if not self._busy and self._at < len(self.script):
            self._busy = True
            world = self.host.world
            world.at(world.now + self.host.traits.latency_ns, _wake, self)

    def wake(self) -> None:
        """Take all steps that can be taken now."""
        self._busy = False
        while self._at < len(self.script) and not self._busy:
            word, number = self.script[self._at]
            if not _READY[word](self, number):
                return
            self._at += 1
            _TAKE[word](self, number)

    def sleep(self, time_ns: int) -> None:
        """Take no step for a time."""
        self._busy = True
        world = self.host.world
        world.at(world.now + time_ns, _wake, self)

    def started(self) -> bool:
        """Return whether the connection has been established (and whether it has ended again)."""
        return self.tcb.state not in (State.SYN_SENT, State.SYN_RECEIVED)

    def has_read(self, length: int) -> bool:
        """Read, and return whether so many more bytes have been read than when this was first asked."""
        tcb = self.tcb
        if self._want < 0:
            self._want = tcb.read_len + length
        self._read(min(tcb.received_len, self._want) - tcb.read_len)
        done = tcb.read_len >= self._want or self.at_end()
        if done:
            self._want = -1
        return done

    def at_end(self) -> bool:
        """Return whether nothing more can come."""
        return self.tcb.got_fin or self.tcb.gone is not Gone.NOT

    def has_read_all(self) -> bool:
        """Read all there is, and return whether nothing more can come."""
        self._read(self.tcb.unread_len)
        return self.at_end()

    def _read(self, length: int) -> None:
        tcb = self.tcb
        tcb.read_len += length
        buffer_len = self.host.traits.buffer_len
        could_offer = tcb.rcv_nxt + buffer_len - tcb.unread_len
        grown = could_offer - tcb.rcv_edge >= max(min(2 * tcb.mss, buffer_len // 2), 1)
        # A window that was nearly closed and opens again is told (__tcp_cleanup_rbuf)
        nearly_closed = tcb.rcv_edge - tcb.rcv_nxt < buffer_len // 4
        if length and grown and nearly_closed and tcb.gone is Gone.NOT and not tcb.got_fin:
            output.acknowledge(tcb)


def _wake(app: App) -> None:
    app.wake()


def _established(app: App, _: int) -> bool:
    return app.started()


def _drained(app: App, _: int) -> bool:
    tcb = app.tcb
    return tcb.gone is not Gone.NOT or (app.started() and tcb.snd_una > tcb.write_len)


def _always(app: App, _: int) -> bool:
    return True


def _send(app: App, length: int) -> None:
    tcb = app.tcb
    if tcb.gone is Gone.NOT and not tcb.fin_queued:
        tcb.write_len += length
        output.push(tcb)


def _keepalive(app: App, interval_ns: int) -> None:
    if app.tcb.gone is Gone.NOT:
        app.tcb.keepalive_ns = interval_ns
        timers.start_keepalive(app.tcb)


def _again(app: App, after_ns: int) -> None:
    if app.then is not None:
        world = app.host.world
        world.at(world.now + after_ns, app.host.open, app.then)


_READY: dict[str, Callable[[App, int], bool]] = {
    "send": _established,
    "recv": lambda app, length: app.started() and app.has_read(length),
    "eof": lambda app, _: app.started() and app.has_read_all(),
    "drained": _drained,
    "sleep": _established,
    "wait": _always,
    "keepalive": _established,
    "shutdown": _established,
    "close": _established,
    "linger": _established,
    "kill": _established,
    "cancel": _always,
    "again": _always,
}
_TAKE: dict[str, Callable[[App, int], None]] = {
    "send": _send,
    "recv": lambda app, _: None,
    "eof": lambda app, _: None,
    "drained": lambda app, _: None,
    "sleep": lambda app, time_ns: app.sleep(time_ns),
    "wait": lambda app, time_ns: app.sleep(time_ns),
    "keepalive": _keepalive,
    "shutdown": lambda app, _: close.shutdown(app.tcb),
    "close": lambda app, _: close.close(app.tcb),
    "linger": lambda app, _: close.linger(app.tcb),
    "kill": lambda app, _: close.kill(app.tcb),
    "cancel": lambda app, _: close.close(app.tcb),
    "again": _again,
}
