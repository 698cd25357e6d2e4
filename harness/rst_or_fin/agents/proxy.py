"""A client behind a real proxy, where the session is the server: what it got, and what the proxy says.

The proxy listens on loopback and passes requests on to the session. Every line on stdin starts it anew, so
that it remembers nothing, and makes the client ask through it, or haproxy check the session's health. One
JSON line to stdout at the start, and one for every line on stdin when the last answer has come:
    {"event": "listening", "address": "10.0.0.3", "port": 8080}
    {"event": "ended", "peer": ["10.0.0.3", 0], "received": 0, "sent": 1000000, "end": "502", "trouble": "",
     "log": "... recv() failed (104: Connection reset by peer) while reading response ...", "t_ns": ...}
`peer` is the proxy's end of its connections to the session, whose ports no log tells: 0. `received` and
`sent` are the client's bytes of body. `end` is the status of its last answer, with ", cut short" where the
body was, or "no answer" where the connection ended without one, or nothing came for 1.5 s; of a check,
whether it passed. `trouble` names an answer that kept the client from its next request.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from . import proxy_configuration
from .command_line import parse, parser
from .kinds import CHECK_FAILED, CHECK_PASSED, CUT_SHORT, NO_ANSWER
from .proxy_configuration import OWN

_START_S = 10.0
_END_S = 2.0
_WORDS_S = 1.0
_PATIENCE_S = 1.5  # of the client, with silence: more than the proxy's own by default
_LAST_WORDS_S = 0.2  # for the proxy to write down why
_QUIET = ("notice", "start worker")
_CHECKED = re.compile(r"^Health check for server \S+ (succeeded|failed), reason: ")
_COMMANDS = {
    "nginx": lambda path: ["nginx", "-c", path, "-e", "stderr"],
    "haproxy": lambda path: ["haproxy", "-db", "-f", path],
}


class Proxy:
    """The proxy's process, and what it has written since its start."""

    def __init__(self, program: str, folder: str, configuration: str) -> None:
        path = os.path.join(folder, "proxy.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(configuration)
        self._said: list[str] = []
        self._process = subprocess.Popen(
            _COMMANDS[program](path),
            cwd=folder,  # where its driver stands may be closed to the user that it is
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def wait_until_open(self) -> None:
        """Wait until it accepts connections. Raises OSError if it does not."""
        until = time.monotonic() + _START_S
        while True:
            try:
                _connected().close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > until or self._process.poll() is not None:
                    self._listener.join(_WORDS_S)  # its last words come after its end
                    raise OSError(f"the proxy does not listen: {self.words()}") from None
                time.sleep(0.005)

    def checked(self) -> str:
        """Wait until it has checked the session's health; return how that went."""
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            for found in map(_CHECKED.match, tuple(self._said)):
                if found:
                    return CHECK_PASSED if found.group(1) == "succeeded" else CHECK_FAILED
            time.sleep(0.005)
        return NO_ANSWER

    def words(self) -> str:
        """Return what it has written, on one line."""
        return " | ".join(line for line in self._said if not any(word in line for word in _QUIET))

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_WORDS_S)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._said.append(line.strip())


def _connected() -> socket.socket:
    """Connect to the proxy, without a name lookup: that takes encodings that a holder cannot load.

    Without Nagle's algorithm: a body that waits for the acknowledgement of its header comes 40 ms late.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(_PATIENCE_S)
    try:
        sock.connect(OWN)
    except OSError:
        sock.close()
        raise
    return sock


def ask(bodies: Sequence[int]) -> list[tuple[str, int]]:
    """Send requests with bodies of these lengths through the proxy, one after another, on one connection.

    Return the status of each answer and how much of its body came. One that is not whole, or that is an error
    of the server's or the proxy's, is the last.
    """
    answers = []
    client = http.client.HTTPConnection(*OWN)
    try:
        with contextlib.suppress(OSError):
            client.sock = _connected()
        for body_len in bodies:
            answers.append(_asked(client, body_len))
            if not answers[-1][0].isdigit() or answers[-1][0] >= "500":
                break
    finally:
        client.close()
    return answers


def _asked(client: http.client.HTTPConnection, body_len: int) -> tuple[str, int]:
    client.auto_open = 0  # a second request on another connection would be another story
    try:
        with contextlib.suppress(ConnectionError):  # of an unwanted body: the answer may be there
            if body_len:
                client.request("POST", "/", body=(b"0123456789abcdef" * (body_len // 16 + 1))[:body_len])
            else:
                client.request("GET", "/")
        answer = client.getresponse()
        try:
            return str(answer.status), len(answer.read())
        except http.client.IncompleteRead as error:
            return f"{answer.status}{CUT_SHORT}", len(error.partial)
    except (OSError, http.client.HTTPException):
        return NO_ANSWER, 0


def say(event: dict[str, object]) -> None:
    """Print an event as one line."""
    os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


def _configuration(program: str, folder: str, options: argparse.Namespace) -> str:
    servers = [(options.target, options.port + number) for number in range(options.servers)]
    common = (servers, options.timeout_ms, options.retries)
    if program == "nginx":
        return proxy_configuration.nginx(folder, *common, options.keepalive)
    return proxy_configuration.haproxy(*common, options.check or "")


def _told(proxy: Proxy, options: argparse.Namespace) -> dict[str, object]:
    """Let the client ask, or wait for the check; return the event that tells what came of it."""
    asked = 0
    if getattr(options, "check", None):
        answers, sent = [(proxy.checked(), 0)], 0
    else:
        proxy.wait_until_open()
        bodies = [0] * (options.requests - 1) + [options.body_bytes]
        answers, asked, sent = ask(bodies), len(bodies), options.body_bytes
    told_ns = time.time_ns()
    time.sleep(_LAST_WORDS_S)
    end, received = answers[-1]
    whole = len(answers) >= asked
    return {
        "event": "ended",
        "peer": [options.bind, 0],
        "received": received,
        "sent": sent if whole else 0,
        "end": end,
        "trouble": "" if whole else f"the answer to request {len(answers)} of {asked} was: {end}",
        "log": proxy.words(),
        "t_ns": told_ns,
    }


def run(kind: str, arguments: Sequence[str] | None = None) -> int:
    """Run the program for that kind of proxy; return its exit status."""
    made = parser(kind, "A client that asks through a proxy when it is told.", 8080)
    made.add_argument("--target", required=True, metavar="ADDRESS", help="where the server is")
    options = parse(made, kind, arguments)
    if options.clean_offloads:
        from .interfaces import interface_of, switch_off_offloads

        switch_off_offloads(interface_of(options.clean_offloads))
    if options.drop_to_uid is not None:
        from .privileges import drop_to

        drop_to(options.drop_to_uid)
    program = kind.partition("-")[0]
    with tempfile.TemporaryDirectory(prefix=f"{kind}-") as folder, contextlib.ExitStack() as running:
        say({"event": "listening", "address": options.target, "port": options.port})
        for _ in sys.stdin:
            running.close()
            proxy = Proxy(program, folder, _configuration(program, folder, options))
            running.callback(proxy.stop)
            say(_told(proxy, options))
    return 0
