"""Data on each kind of peer: its options, and how it can say that a connection ended.

The programs take these options on their command line (see `command_line`), a scenario file is checked against
them before anything is started, and the documentation and the JSON schema list them from here.
"""

from __future__ import annotations

from dataclasses import dataclass

from .proxy_configuration import CHECKS, IDEMPOTENT, NEVER, RETRIES
from .responses import LEAST_LEN
from .script_player import NOT_PLAYED, PLAYED

END_OF_FILE = "end of file"
CLOSE_NOTIFY = "close_notify"
CUT_SHORT = ", cut short"
NO_ANSWER = "no answer"
CHECK_PASSED, CHECK_FAILED = "check passed", "check failed"
CLOSED = "closed"

_MOST_BYTES = 100_000_000  # a host has 512 MB of memory, and holds a response or a request more than once
_MOST_BUFFER_BYTES = 1 << 30  # setsockopt takes a C int, and the kernel doubles it (socket(7), SO_RCVBUF)
_MOST_MS = 600_000
_MOST_CHARACTERS = 100_000  # one argument of a command line holds 128 KiB (execve(2), MAX_ARG_STRLEN)


@dataclass(frozen=True)
class Option:
    """One option: `body_bytes` in a scenario is `--body-bytes` on the program's command line.

    `type` is int, bool or str; `least` and `most` bound an int, or a str's length, in `unit`.
    `default` holds where the option is left out; None: see `meaning`. `excludes` names the options of the
    same kind that cannot stand beside it. `choices` are all that a str can be, or its `grammar` says what it
    is: "script" (see `script`), "steps" (see `client_steps`).
    """

    type: type
    meaning: str
    unit: str = ""
    least: int = 0
    most: int = 0
    default: int | bool | str | None = None
    required: bool = False
    excludes: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    grammar: str = ""


def _bytes(
    meaning: str, least: int = 0, most: int = _MOST_BYTES, *, default: int | None = None, excludes: str = ""
) -> Option:
    others = (excludes,) if excludes else ()
    return Option(int, meaning, unit="bytes", least=least, most=most, default=default, excludes=others)


def _ms(meaning: str, excludes: str = "") -> Option:
    others = (excludes,) if excludes else ()
    return Option(int, meaning, unit="ms", most=_MOST_MS, default=0, excludes=others)


def _flag(meaning: str) -> Option:
    return Option(bool, meaning, default=False)


def _text(meaning: str, grammar: str, *, required: bool = False, excludes: tuple[str, ...] = ()) -> Option:
    return Option(
        str,
        meaning,
        unit="characters",
        most=_MOST_CHARACTERS,
        required=required,
        excludes=excludes,
        grammar=grammar,
    )


_SCRIPT = {"script": _text("what to do, one step a line", "script", required=True)}


def _tls(meaning: str, default: str | None = None) -> Option:
    return Option(str, meaning, choices=("1.2", "1.3"), default=default)


def _proxy(retries: str, excludes: tuple[str, ...] = ()) -> dict[str, Option]:
    """Return the options common to both proxies. `retries` is the default of that option."""
    return {
        "body_bytes": Option(
            int,
            "make the (last) request a POST with a body of that length instead of a GET",
            unit="bytes",
            most=_MOST_BYTES,
            default=0,
            excludes=excludes,
        ),
        "requests": Option(
            int,
            "how many requests the client sends on its connection to the proxy, each after the answer to the"
            " one before; what it gets for the last one counts",
            unit="requests",
            least=1,
            most=100,
            default=1,
            excludes=excludes,
        ),
        "servers": Option(
            int,
            "how many servers the proxy knows: the session's at `Port`, at `Port + 1`, and so on",
            unit="servers",
            least=1,
            most=9,
            default=1,
        ),
        "retries": Option(
            str,
            "which requests the proxy sends once more after a failure, to the next server if it knows one",
            choices=RETRIES,
            default=retries,
        ),
        "timeout_ms": Option(
            int, "how long the proxy waits for the answer", unit="ms", least=1, most=_MOST_MS, default=1000
        ),
    }


SERVED = "200"
_STATUSES = (SERVED, "400", "408", "413", "500", "502", "503", "504")
_ANSWERS = (*_STATUSES, *(f"{status}{CUT_SHORT}" for status in _STATUSES), NO_ANSWER)

_PAGE = {"body_bytes": _bytes("the length of its page", default=307)}

ABOUT = {
    "origin": "An HTTP server that answers with the published 485 bytes and keeps the connection open",
    "tls-origin": "An HTTPS server, whose session knows `CaCerts`; it keeps the connection open",
    "client": "An HTTP client, where the session is the server: it connects when told, and reads to the end,"
    " or does the steps that it is given",
    "scripted": "A TCP of its own that sends exactly the segments of a script",
    "scripted-client": "The same as a client, where the session is the server: it connects when told",
    "nginx": "The nginx web server with one page; what it saw is read from its logs",
    "httpd": "The Apache web server with one page; what it saw is read from its logs",
    "nginx-proxy": "A client behind nginx, where the session is the server that nginx asks",
    "haproxy-proxy": "A client behind haproxy, where the session is the server that haproxy asks",
}

OPTIONS: dict[str, dict[str, Option]] = {
    "origin": {
        "body_bytes": _bytes(
            "answer with a 200 and a body of that length, not with the published 400 of 485 bytes",
            excludes="response_bytes",
        ),
        "response_bytes": _bytes(
            "answer with a 200 of that length in all, header and body",
            least=LEAST_LEN,
            excludes="body_bytes",
        ),
        "write_bytes": _bytes(
            "cut the response into writes of that length; else its header and its body are one write each",
            least=1,
        ),
        "delay_ms": _ms("pause between one write and the next"),
        "think_ms": _ms("pause before the first write"),
        "urgent": _flag("send one urgent byte after the response"),
        "close_after_response": _flag("close first, as soon as the response is sent"),
        "half_open": _flag("do not close after the peer's FIN"),
    },
    "tls-origin": {
        "tls": _tls("the version of TLS that it speaks, and no other", default="1.3"),
        "tickets": Option(
            int,
            "session tickets that it sends after a TLS 1.3 handshake",
            unit="tickets",
            most=100,
            default=2,
        ),
        "body_bytes": _bytes("answer with a 200 and a body of that length", default=307),
        "think_ms": _ms("pause before the answer"),
        "close_after_response": _flag("close first, as soon as the response is sent"),
        "without_close_notify": _flag("close the TCP connection without sending close_notify"),
    },
    "client": {
        "tls": _tls("speak that version of TLS, and no other; the session knows `Cert` and `Key`"),
        "steps": _text(
            "what to do, one step a line, on one connection or several",
            "steps",
            excludes=("body_bytes", "idle_ms"),
        ),
        "body_bytes": _bytes(
            "send a POST with a body of that length, not a GET", default=0, excludes="steps"
        ),
        "reads_after_error": _flag("read the answer even after a failed write"),
        "idle_ms": _ms("read nothing before the connection has ended or that time has passed", "steps"),
        "receive_buffer_bytes": _bytes(
            "SO_RCVBUF, which the kernel doubles; else the kernel's own", least=1, most=_MOST_BUFFER_BYTES
        ),
    },
    "scripted": _SCRIPT,
    "scripted-client": _SCRIPT,
    "nginx": {"tls": _tls("speak that version of TLS, and no other"), **_PAGE},
    "httpd": {"tls": _tls("speak that version of TLS, and no other"), **_PAGE},
    "nginx-proxy": {
        **_proxy(IDEMPOTENT),
        "keepalive": Option(
            int,
            "how many idle connections to the session nginx keeps; else each is for one request",
            unit="connections",
            most=100,
            default=0,
        ),
    },
    "haproxy-proxy": {
        **_proxy(NEVER, excludes=("check",)),
        "check": Option(
            str,
            "haproxy checks the session's health once, and no client asks: it connects (`tcp`), asks as well"
            " (`http`), and resets, or asks and closes in order (`http-linger`)",
            choices=CHECKS,
            excludes=("body_bytes", "requests"),
        ),
    },
}

# Set only by what starts the program.
RESERVED = ("bind", "port", "target", "clean_offloads", "drop_to_uid")

# How a connection can have ended for the peer's application: so, or with an error of the kernel's.
ENDS: dict[str, tuple[str, ...]] = {
    "origin": (END_OF_FILE, CLOSED),
    "tls-origin": (CLOSE_NOTIFY, END_OF_FILE, CLOSED),
    "client": (END_OF_FILE, CLOSE_NOTIFY, CLOSED),
    "scripted": (PLAYED, NOT_PLAYED),
    "scripted-client": (PLAYED, NOT_PLAYED),
    "nginx": (END_OF_FILE, CLOSED),
    "httpd": (END_OF_FILE, CLOSED),
    "nginx-proxy": _ANSWERS,
    "haproxy-proxy": (*_ANSWERS, CHECK_PASSED, CHECK_FAILED),
}
# Each is a TCP of its own, or its client has no connection of its own on the wire.
WITHOUT_KERNEL = ("scripted", "scripted-client", "nginx-proxy", "haproxy-proxy")

# What a call on a TCP socket can fail with, the likely first (tcp(7), ip(7), socket(7), connect(2), send(2)).
ERRNOS = (
    *("ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNREFUSED", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH"),
    *("EHOSTDOWN", "ENETDOWN", "ENETRESET", "ENOTCONN", "ENOBUFS", "ENOMEM", "EADDRINUSE", "EADDRNOTAVAIL"),
    *("EPROTO", "EACCES", "EPERM", "EINVAL"),
)


def ends(kind: str) -> tuple[str, ...]:
    """Return every way in which a peer of that kind can say that a connection ended."""
    return ENDS[kind] if kind in WITHOUT_KERNEL else (*ENDS[kind], *ERRNOS)


def flag(name: str) -> str:
    """Return the option as it is written on the program's command line."""
    return "--" + name.replace("_", "-")
