"""Say in which ways hosts differ, as far as it shows on the wire or in what they take."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.truth.world import MS, SECOND, US

NO_SCALE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One host's ways.

    `ids` is how it numbers IPv4 packets: "zero" (with the don't-fragment bit, as Linux answers without a
    socket), "socket" (each socket counts its own, as Linux does), "host" (all count together).
    `rfc5961`: a RST is taken only at RCV.NXT exactly; otherwise anywhere in the window. `lax_request`:
    anywhere in the window before the connection is established, as older Linux does. `takes_before_fin`: a
    RST at RCV.NXT - 1 is taken after a FIN (tcp_reset_check of Linux). `counts_resent`: a payload that came
    again with the FIN counts as unread (__tcp_close of Linux before commit 5f9238530970).
    """

    ttl: int
    ids: str
    stamps: bool
    scale: int
    mss: int
    buffer_len: int
    rfc5961: bool
    lax_request: bool
    takes_before_fin: bool
    counts_resent: bool
    turnaround_ns: int
    latency_ns: int
    delayed_ack: bool
    lazy_fin_ack: bool
    syn_rto_ns: int
    rto_ns: int
    syn_retries: int
    retries: int
    fin_timeout_ns: int
    time_wait_ns: int
    window_segments: int  # how many segments are in flight at most


def draw(rng: Random) -> Traits:
    """Return the ways of some host; most are those of a current Linux."""
    chance = rng.random
    return Traits(
        ttl=rng.choice((64, 64, 64, 128, 255)),
        ids=rng.choice(("zero", "socket", "socket", "host")),
        stamps=chance() < 0.6,
        scale=rng.choice((NO_SCALE, 0, 2, 7, 7, 10)),
        mss=rng.choice((1460, 1460, 1448, 536, 536, 200)),
        buffer_len=rng.choice((65535, 65535, 40000, 3000, 600)),
        rfc5961=chance() < 0.85,
        lax_request=chance() < 0.5,
        takes_before_fin=chance() < 0.8,
        counts_resent=chance() < 0.5,
        turnaround_ns=rng.randint(1, 40) * US,
        latency_ns=rng.choice((5 * US, 60 * US, 2 * MS)),
        delayed_ack=chance() < 0.4,
        lazy_fin_ack=chance() < 0.5,
        syn_rto_ns=SECOND,
        rto_ns=rng.choice((200 * MS, 210 * MS, 300 * MS)),
        syn_retries=rng.randint(1, 4),
        retries=rng.randint(2, 6),
        fin_timeout_ns=rng.choice((60 * SECOND, 60 * SECOND, 2 * SECOND)),
        time_wait_ns=rng.choice((60 * SECOND, 60 * SECOND, 1 * SECOND)),
        window_segments=rng.choice((10, 10, 3)),
    )
