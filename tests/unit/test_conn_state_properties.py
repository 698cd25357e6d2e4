"""What holds of `conn_state` whatever the segments: of any flags, from any end, in any order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.tcp.acceptance import ConnectionReading
from rst_or_fin.tcp.connection import Connection, Roles
from rst_or_fin.tcp.segment import Endpoint, Flags, Segment
from rst_or_fin.tcp.zeek_conn_state import MEANING, conn_state

from tests.support.segments import EXCHANGE, A, B, connection

ENDS = ((A, B), (B, A))
CONTROL = (0, Flags.SYN, Flags.FIN, Flags.RST)
ISN = 1_000


def segment(ends: tuple[Endpoint, Endpoint], flags: int, seq: int, ack: int, payload_len: int) -> Segment:
    return Segment(
        t_ns=0,
        src=ends[0],
        dst=ends[1],
        seq=ISN + seq,
        ack=ISN + ack,
        flags=flags,
        window=502,
        payload_len=payload_len,
    )


def segments(*flags: int) -> st.SearchStrategy[Segment]:
    """Any segment with one of these control bits, with or without ACK and payload."""
    number = st.integers(0, 20)
    with_ack = st.sampled_from([value | ack for value in flags for ack in (0, int(Flags.ACK))])
    return st.builds(segment, st.sampled_from(ENDS), with_ack, number, number, st.sampled_from((0, 10)))


def connections(*flags: int) -> st.SearchStrategy[Connection]:
    return st.lists(segments(*flags), max_size=12).map(
        lambda found: Connection(
            client=A,
            server=B,
            roles=Roles.HANDSHAKE,
            segments=tuple(found),
            client_isn=ISN,
            server_isn=ISN,
            reading=ConnectionReading(A),
        )
    )


@given(connections(*range(256)))
def test_there_is_a_word_for_everything(any_: Connection) -> None:
    assert conn_state(any_) in MEANING


@given(connections(*range(256)))
def test_a_copy_of_every_segment_changes_nothing(any_: Connection) -> None:
    twice = replace(any_, segments=tuple(s for s in any_.segments for _ in range(2)))
    assert conn_state(twice) == conn_state(any_)


@given(connections(0, Flags.SYN))
def test_without_fin_and_rst_nothing_has_ended(open_: Connection) -> None:
    assert conn_state(open_) in {"S0", "S1", "OTH"}


@given(connections(0, Flags.SYN, Flags.FIN))
def test_two_fins_and_no_rst_are_an_orderly_end(closed: Connection) -> None:
    both = {s.src for s in closed.segments if s.fin} == {A, B}
    assert (conn_state(closed) == "SF") is both


@given(connections(0, Flags.SYN), st.permutations(ENDS), connections(*CONTROL))
def test_an_orderly_end_is_final(
    first: Connection, order: list[tuple[Endpoint, Endpoint]], more: Connection
) -> None:
    fins = tuple(segment(ends, Flags.FIN | Flags.ACK, 1, 1, 0) for ends in order)
    assert conn_state(replace(first, segments=(*first.segments, *fins, *more.segments))) == "SF"


@given(connections(0, Flags.SYN), st.sampled_from(ENDS), connections(*CONTROL))
def test_an_abort_before_any_fin_is_never_forgotten(
    first: Connection, ends: tuple[Endpoint, Endpoint], more: Connection
) -> None:
    reset = segment(ends, Flags.RST, 1, 0, 0)
    aborted = replace(first, segments=(*first.segments, reset, *more.segments))
    assert conn_state(aborted) in {"REJ", "RSTO", "RSTR", "RSTRH", "RSTOS0", "OTH"}


@given(st.lists(segments(0), max_size=12))
def test_an_open_connection_stays_open_whatever_is_said(talk: list[Segment]) -> None:
    opened = connection(EXCHANGE)
    assert conn_state(replace(opened, segments=(*opened.segments, *talk))) == "S1"


@pytest.mark.parametrize(("ends", "word"), [(ENDS[0], "RSTO"), (ENDS[1], "RSTR")])
@given(talk=st.lists(segments(0), max_size=12))
def test_who_aborts_an_open_connection_is_named(
    ends: tuple[Endpoint, Endpoint], word: str, talk: list[Segment]
) -> None:
    opened = connection(EXCHANGE)
    reset = segment(ends, Flags.RST | Flags.ACK, 1, 1, 0)
    assert conn_state(replace(opened, segments=(*opened.segments, *talk, reset))) == word
