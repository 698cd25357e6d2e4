"""A container's streams: closed so that nothing complains; their end is told with how it came."""

from __future__ import annotations

import socket
from contextlib import closing
from http.client import HTTPResponse
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rst_or_fin.errors import MachineError
from rst_or_fin.testbed.container_stdio import ContainerStdio


def test_the_response_is_closed_with_its_stream() -> None:
    ours, engine = socket.socketpair()
    response = HTTPResponse(ours)
    stream = cast(Any, response.fp).raw
    stream._response = response  # as the SDK keeps it
    client = SimpleNamespace(api=SimpleNamespace(attach_socket=lambda *_, **__: stream))
    with engine:
        ContainerStdio(cast(Any, client), "id", "node").close()
        assert response.isclosed()


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"Running": False, "OOMKilled": True, "ExitCode": 137}, ", for lack of memory: no such thing"),
        ({"Running": False, "OOMKilled": False, "ExitCode": 137}, ", with status 137: no such thing"),
        ({"Running": True, "OOMKilled": False, "ExitCode": 0}, " run: no such thing"),
    ],
)
def test_a_container_that_ended_is_told_with_its_last_line(state: dict[str, object], says: str) -> None:
    ours, engine = socket.socketpair()
    api = SimpleNamespace(attach_socket=lambda *_, **__: ours, inspect_container=lambda _: {"State": state})
    words = b"Traceback (most recent call last):\nOSError: no such thing\n"
    with engine, closing(ContainerStdio(cast(Any, SimpleNamespace(api=api)), "id", "server")) as stdio:
        engine.sendall(b"\2\0\0\0" + len(words).to_bytes(4, "big") + words)
        engine.shutdown(socket.SHUT_WR)
        with pytest.raises(MachineError, match=says.replace("no such", "OSError: no such")):
            stdio.read(1.0)
