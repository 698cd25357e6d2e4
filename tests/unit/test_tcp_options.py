"""The options of a TCP header, well formed or not."""

from __future__ import annotations

import pytest
from rst_or_fin.tcp.options import options
from rst_or_fin.tcp.windows import window_scale


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("020405b4 0402 080a0000000100000000 01 030307", [2, 4, 8, 3]),
        ("01 01 00 030307", []),  # what follows the end of the list is padding
        ("0402 0301 020405b4", [4]),  # no option is shorter than 2 bytes
        ("0402 08", [4]),
        ("0402 080a00", [4, 8]),
    ],
)
def test_options_are_read_up_to_the_first_malformed_one(data: str, found: list[int]) -> None:
    assert [kind for kind, _ in options(bytes.fromhex(data))] == found


@pytest.mark.parametrize(
    ("data", "scale"),
    [("020405b4 01 030307", 7), ("0303ff", 14), ("0303", None), ("030400ff", None), ("", None)],
)
def test_a_window_scale_is_14_at_most(data: str, scale: int | None) -> None:
    assert window_scale(bytes.fromhex(data)) == scale
