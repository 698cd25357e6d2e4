"""A container's streams are closed in an order that leaves nothing to complain of."""

from __future__ import annotations

import socket
from http.client import HTTPResponse
from types import SimpleNamespace
from typing import Any, cast

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
