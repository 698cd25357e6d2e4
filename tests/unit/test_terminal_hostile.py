"""A hostile peer, session or evidence folder cannot move the reader's cursor."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.evidence.records import Call
from rst_or_fin.report import terminal


@given(source=st.text(), result=st.text())
def test_a_session_prints_no_control_character(source: str, result: str) -> None:
    shown = terminal.session([Call(source=source, result=result, duration_us=1)])
    assert all(line.isprintable() for line in shown.split("\n"))
