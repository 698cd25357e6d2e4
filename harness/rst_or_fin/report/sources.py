"""Finds the addresses that a scenario's sources lead to: RFCs, Linux, Erlang/OTP, and bare addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_RFC = r"RFC (?P<rfc>\d+)(?: section (?P<section>\d+(?:\.\d+)*))?"
_COMMIT = r"Linux commit (?P<commit>[0-9a-f]{8,40})\b"
_LINUX = r"Linux (?P<linux>\d+\.\d+), (?P<linux_file>[\w./-]+\.[ch])\b"
_OTP = r"OTP (?P<otp>\d+), (?P<otp_file>[\w./-]+\.(?:c|erl))\b"
_KERNEL_APP = r"\b(?P<module>inet|gen_tcp|socket):(?P<function>[a-z_]+/\d)"
_ADDRESS = r"(?P<address>https://[^\s<>\"'\\]*[^\s<>\"'\\.,;:)])"
_ANY = re.compile("|".join((_RFC, _COMMIT, _LINUX, _OTP, _KERNEL_APP, _ADDRESS)))

_ADDRESSES: tuple[tuple[str, Callable[[dict[str, str]], str]], ...] = (
    (
        "rfc",
        lambda m: (
            f"https://www.rfc-editor.org/rfc/rfc{m['rfc']}"
            + (f"#section-{m['section']}" if m["section"] else "")
        ),
    ),
    ("commit", lambda m: f"https://git.kernel.org/torvalds/c/{m['commit']}"),
    ("linux", lambda m: f"https://elixir.bootlin.com/linux/v{m['linux']}/source/{m['linux_file']}"),
    ("otp", lambda m: f"https://github.com/erlang/otp/blob/OTP-{m['otp']}.0/{m['otp_file']}"),
    ("module", lambda m: f"https://www.erlang.org/doc/apps/kernel/{m['module']}.html#{m['function']}"),
    ("address", lambda m: m["address"]),
)


def linked(source: str) -> Iterator[tuple[str, str]]:
    """Yield the source in pieces, each with the address that it leads to, or ""."""
    done = 0
    for found in _ANY.finditer(source):
        if found.start() > done:
            yield source[done : found.start()], ""
        yield found.group(), _address(found.groupdict())
        done = found.end()
    if done < len(source):
        yield source[done:], ""


def _address(named: dict[str, str]) -> str:
    return next(address(named) for kind, address in _ADDRESSES if named[kind])
