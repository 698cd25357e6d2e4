"""The parts of the local testbed that need no namespace: remedies, the server's log, which Erlang."""

from __future__ import annotations

import errno
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.evidence.records import PeerReport
from rst_or_fin.netns import confinement, messages
from rst_or_fin.node import runtime
from rst_or_fin.tcp.segment import Endpoint
from rst_or_fin.testbed import holder_process
from rst_or_fin.testbed.peer_log import PeerLog

PEER = Endpoint("198.18.0.3", 40000)
ENDED = {"event": "ended", "peer": [*PEER], "received": 18, "sent": 485, "end": "ECONNRESET", "t_ns": 1}
LOG = b'{"event": "listening", "address": "198.18.0.4", "port": 80}\n' + json.dumps(ENDED).encode() + b"\n"


@pytest.mark.parametrize(
    ("number", "sysctl", "hint"),
    [
        (errno.ENOSPC, "", "user.max_net_namespaces=10000"),
        (errno.EINVAL, "", "CONFIG_NET_NS"),
        (errno.EPERM, "apparmor_restrict_unprivileged_userns", "apparmor_restrict_unprivileged_userns=0"),
        (errno.EPERM, "unprivileged_userns_clone", "unprivileged_userns_clone=1"),
        (errno.EPERM, "", "seccomp=unconfined"),
    ],
)
def test_each_refusal_has_its_hint(
    monkeypatch: pytest.MonkeyPatch, number: int, sysctl: str, hint: str
) -> None:
    monkeypatch.setattr(holder_process, "_reads", lambda path, text: bool(sysctl) and path.endswith(sysctl))
    refused = holder_process.error_from(
        {"event": "failed", "step": "namespaces", "errno": number, "error": "refused"}
    )
    assert hint in refused.hint


def test_a_programs_last_words_are_told() -> None:
    ended = {"event": "ended", "who": "node", "status": 1, "output": "usage: ...\nno such cookie"}
    assert str(holder_process.error_from(ended)) == "the node ended with status 1: no such cookie"


def test_a_confinement_that_is_refused_has_its_hint() -> None:
    output = f"{confinement.REFUSED}: [Errno 13] mounting /: Permission denied"
    refused = holder_process.error_from({"event": "ended", "who": "node", "status": 1, "output": output})
    assert (str(refused), "apparmor=unconfined" in refused.hint) == (output, True)


@given(st.integers(1, len(LOG)))
def test_a_report_survives_any_cut_of_the_log(step: int) -> None:
    heard = PeerLog()
    for start in range(0, len(LOG), step):
        heard.feed(LOG[start : start + step])
    assert heard.take(PEER) == PeerReport(peer=PEER, received=18, sent=485, end="ECONNRESET", t_ns=1)


def test_a_report_is_given_once() -> None:
    heard = PeerLog()
    heard.feed(LOG)
    assert [heard.take(PEER) is None, heard.take(PEER) is None] == [False, True]


def test_an_order_arrives_as_it_was_sent() -> None:
    config = messages.HolderConfig(
        [], ["198.18.0.4/24"], ["erl"], "/", {"HOME": "/"}, [], "", 4370, "", [], [], {"a.b": "1"}, {}
    )
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        messages.send_config(near, config)
        assert messages.receive_config(far) == config


def test_the_bundled_erlang_is_known_by_its_release_too() -> None:
    assert runtime.find("28") == runtime.find("bundled") == runtime.find(None)


def test_another_release_is_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no OTP 23"):
        runtime.find("23")


def test_a_missing_system_erlang_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MachineError, match="no `erl` on the PATH"):
        runtime.find("system")
