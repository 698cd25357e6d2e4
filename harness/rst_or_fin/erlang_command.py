"""Builds the command line of the Erlang node, the same in a container and in a namespace."""

from __future__ import annotations

from collections.abc import Sequence

SOURCE = "session_node.escript"


def arguments(
    port: int, listen_on: str, backend: str = "inet", code: Sequence[str] = (), libraries: str = ""
) -> list[str]:
    """Return the arguments of `erl`, in the folder of SOURCE, for a node that listens on `listen_on:port`.

    The port is that of the distribution. Why each of them: the head of erlang/src/session_node.erl. The
    cookie is read from $HOME/.erlang.cookie. `backend` is what gen_tcp uses where a session names none
    ("inet" or "socket": kernel's inet_backend). `code` are folders of compiled modules, as the node finds
    them; `libraries` are folders of applications, with colons between.
    """
    address = "{" + listen_on.replace(".", ",") + "}"
    return [
        *("+S", "1:1", "+SDio", "1", "+A", "1"),
        *("+sbwt", "none", "+sbwtdio", "none", "+sbwtdcpu", "none"),
        *("-boot", "no_dot_erlang", "-noshell"),
        *("-hidden", "-name", "node@127.0.0.1", "-start_epmd", "false", "-erl_epmd_port", str(port)),
        *("-kernel", "inet_dist_use_interface", address, "-kernel", "dist_auto_connect", "never"),
        *("-kernel", "net_ticktime", "100000", "-kernel", "inet_backend", backend),
        *(["-env", "ERL_LIBS", libraries] if libraries else []),
        *(["-pa", *code] if code else []),
        *("-run", "escript", "start", "-extra", SOURCE, "--until-eof"),
    ]
