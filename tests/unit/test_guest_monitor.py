"""What QEMU's monitor tells of the guest's processor."""

from __future__ import annotations

import json
import socket

import pytest
from rst_or_fin.guest.monitor import Monitor


@pytest.mark.parametrize(
    ("registers", "stopped"),
    [
        ("RIP=000000000231c6a5 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1", True),
        ("EIP=0010c6a5 EFL=00000006 [-----P-] CPL=0 II=0 A20=1 SMM=0 HLT=1", True),
        ("RIP=ffffffff81c0de0b RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1", False),  # idle
        ("RIP=ffffffff81c0de0b RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0", False),
        ("nothing of the kind", False),
    ],
)
def test_a_processor_that_waits_with_interrupts_off_is_stopped_for_good(
    registers: str, stopped: bool
) -> None:
    ours, qemus = socket.socketpair()
    answers: tuple[dict[str, object], ...] = (
        {"QMP": {}},
        {"return": {}},
        {"return": f"CPU#0\r\nRAX=0\r\n{registers}\r\nES =0"},
    )
    with ours, qemus:
        qemus.sendall(b"".join(json.dumps(answer).encode() + b"\n" for answer in answers))
        assert Monitor(ours).is_stopped_for_good() is stopped
