"""A wait that was in vain says what was waited for, beside the term that the node gave."""

from __future__ import annotations

import pytest
from rst_or_fin.evidence.waits import explained


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("{unread_timeout,485,486}", "485 of 486 bytes were unread after 5 s"),
        ("{received_timeout,0,1}", "0 of 1 bytes had come after 5 s"),
        ("{read_timeout,10,485}", "10 of 485 bytes had been read after 5 s"),
        ("{peer_fin_timeout,{tcp_state,1}}", "the peer's FIN had not come after 5 s"),
        ("closed_timeout", "the kernel's socket had sent neither FIN nor RST after 5 s"),
    ],
)
def test_the_term_stays_and_its_meaning_follows(term: str, words: str) -> None:
    error = f"** exception error: {term}"
    assert explained(error) == f"{error} ({words})"


def test_another_crash_is_left_as_it_is() -> None:
    assert explained("** exception error: badarg") == "** exception error: badarg"
