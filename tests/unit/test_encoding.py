"""A stream that lacks a character gets its escape; a command does not end for that."""

from __future__ import annotations

import io

import pytest
from rst_or_fin.cli import _take_any_text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_what_an_encoding_lacks_is_shown_as_an_escape(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    _take_any_text(stream)
    print("──▶", file=stream, end="", flush=True)
    assert stream.buffer.getvalue() == b"\\u2500\\u2500\\u25b6"


def test_what_an_encoding_has_is_shown_as_it_is() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    _take_any_text(stream)
    print("▶", file=stream, end="", flush=True)
    assert stream.buffer.getvalue().decode() == "▶"
