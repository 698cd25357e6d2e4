"""The capture beside a host, where its interface goes down in the middle."""

from __future__ import annotations

import errno
import os
import socket
from typing import NoReturn

import pytest
from rst_or_fin.agents import capture, frames


def answers(*, joined: bool) -> list[frames.Record]:
    """What a capture says that is asked for its frames once."""
    orders, asking = os.pipe()
    said, saying = os.pipe()
    near, far = socket.socketpair()
    with near, far, os.fdopen(said, "rb") as out:
        os.write(asking, frames.DRAIN)
        os.close(asking)
        try:
            capture.serve(near, orders, saying, joined=joined)
        finally:
            os.close(saying)
            os.close(orders)
        return frames.Decoder().feed(out.read())


@pytest.fixture(autouse=True)
def interface_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def drain(tap: socket.socket) -> NoReturn:
        raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN))

    monkeypatch.setattr(capture, "drain", drain)
    monkeypatch.setattr(capture, "drops", lambda tap: 0)


def test_the_end_of_a_wires_cable_goes_down_with_the_wire_and_the_capture_goes_on() -> None:
    [answer] = answers(joined=True)
    assert isinstance(answer, frames.Drained)


def test_any_other_interface_that_goes_down_ends_the_capture() -> None:
    with pytest.raises(OSError, match="Network is down"):
        answers(joined=False)


def test_orders_are_taken_whole_however_they_were_cut() -> None:
    said = frames.DRAIN + frames.ask_for(("198.18.0.3", 42002), ("198.18.0.4", 80)) + frames.COUNT
    taken, rest = [], b""
    for start in range(0, len(said), 7):
        orders, rest = frames.orders(rest + said[start : start + 7])
        taken += orders
    assert (taken, rest) == ([b"d", b'["198.18.0.3", 42002, "198.18.0.4", 80]', b"c"], b"")
