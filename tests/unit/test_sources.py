"""Sources lead to where they can be read, and nothing else becomes a link."""

from __future__ import annotations

import pytest
from rst_or_fin.report.sources import linked

RFC = "https://www.rfc-editor.org/rfc/"


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("RFC 2525 section 2.17: failure to RST", f"{RFC}rfc2525#section-2.17"),
        ("RFC 6093: on the urgent mechanism", f"{RFC}rfc6093"),
        (
            "Linux 6.12, net/ipv4/tcp.c, __tcp_close: x",
            "https://elixir.bootlin.com/linux/v6.12/source/net/ipv4/tcp.c",
        ),
        ("Linux commit 5f9238530970 (tcp: fix)", "https://git.kernel.org/torvalds/c/5f9238530970"),
        (
            "OTP 27, erts/emulator/drivers/common/inet_drv.c, tcp_recv",
            "https://github.com/erlang/otp/blob/OTP-27.0/erts/emulator/drivers/common/inet_drv.c",
        ),
        ("OTP, inet:setopts/2: option", "https://www.erlang.org/doc/apps/kernel/inet.html#setopts/2"),
        ("our wiki (https://wiki.example/close).", "https://wiki.example/close"),
    ],
)
def test_a_source_leads_to_its_text(source: str, address: str) -> None:
    assert [found for _, found in linked(source) if found] == [address]


@pytest.mark.parametrize(
    "source", ["javascript:alert(1)", "data:text/html,x", "http://plain.example", "a mail of last week", ""]
)
def test_what_is_no_known_source_leads_nowhere(source: str) -> None:
    assert not any(address for _, address in linked(source))


@pytest.mark.parametrize(
    "source", ["RFC 9293 section 3.10.4 and 3.10.5: CLOSE", "see https://a.example/b, c"]
)
def test_no_word_of_a_source_is_lost(source: str) -> None:
    assert "".join(text for text, _ in linked(source)) == source
