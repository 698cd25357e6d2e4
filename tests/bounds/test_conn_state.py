"""A long connection gets its word at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rst_or_fin.tcp.zeek_conn_state import conn_state

from tests.support.segments import EXCHANGE, connection


@pytest.mark.timeout(20)
def test_a_hundred_thousand_segments_are_no_trouble() -> None:
    opened = connection(EXCHANGE + "> R. 19:19(0) ack 486\n< R. 486:486(0) ack 19")
    talk = opened.segments[3:-2] * 20_000
    assert conn_state(replace(opened, segments=opened.segments[:3] + talk + opened.segments[-2:])) == "RSTR"
