"""A client behind a real proxy, where the session is the server: what it got, and what the proxy says.

The proxy listens on loopback and passes requests on to the session; every line on stdin makes the client ask
through it. One JSON line to stdout at the start, and one for every request when its answer has come:
    {"event": "listening", "address": "10.0.0.3", "port": 8080}
    {"event": "ended", "peer": ["10.0.0.3", 0], "received": 0, "sent": 1000000, "end": "502",
     "log": "... recv() failed (104: Connection reset by peer) while reading response ...", "t_ns": ...}
`peer` is the proxy's end of its connection to the session, whose port no log tells: 0. `received` and `sent`
are the client's bytes of body. `end` is the status of its answer, with ", cut short" where the body was, or
"no answer" where the connection ended without one, or nothing came for 1.5 s.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from .command_line import parse, parser
from .kinds import CUT_SHORT, NO_ANSWER

_OWN = ("127.0.0.1", 8081)
_START_S = 10.0
_WORDS_S = 1.0
_PATIENCE_S = 1.5  # of the client, with silence: more than the proxy's own by default
_LAST_WORDS_S = 0.2  # for the proxy to write down why
_QUIET = ("notice", "start worker")

_NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {own};
        location / {{
            proxy_pass http://{target};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout {timeout_ms}ms;
        }}
    }}
}}
"""
_HAPROXY = """\
global
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option dontlognull
    retries 0
    timeout connect {timeout_ms}ms
    timeout client 30s
    timeout server {timeout_ms}ms
frontend front
    bind {own}
    default_backend session
backend session
    server session {target}
"""
_CONFIGURATIONS = {"nginx": _NGINX, "haproxy": _HAPROXY}
_COMMANDS = {
    "nginx": lambda path: ["nginx", "-c", path, "-e", "stderr"],
    "haproxy": lambda path: ["haproxy", "-db", "-f", path],
}


class Proxy:
    """The proxy's process, and what it has written since the last time."""

    def __init__(self, program: str, folder: str, target: tuple[str, int], timeout_ms: int) -> None:
        address, port = target
        text = _CONFIGURATIONS[program].format(
            folder=folder,
            own=f"{_OWN[0]}:{_OWN[1]}",
            target=f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
            timeout_ms=timeout_ms,
        )
        path = os.path.join(folder, "proxy.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        self._said: list[str] = []
        self.process = subprocess.Popen(
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
        """Wait until it accepts connections. Raises OSError where it does not."""
        until = time.monotonic() + _START_S
        while True:
            try:
                _connected().close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > until or self.process.poll() is not None:
                    self._listener.join(_WORDS_S)  # its last words come after its end
                    raise OSError(f"the proxy does not listen: {self.words()}") from None
                time.sleep(0.02)

    def words(self) -> str:
        """Return what it has written since the last time, on one line."""
        said, self._said = self._said, []
        return " | ".join(line for line in said if not any(word in line for word in _QUIET))

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.append(line.strip())


def _connected() -> socket.socket:
    """Connect to the proxy, without a name lookup: that takes encodings that a holder cannot load."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(_PATIENCE_S)
    try:
        sock.connect(_OWN)
    except OSError:
        sock.close()
        raise
    return sock


def ask(body_len: int) -> tuple[str, int]:
    """Send one request through the proxy; return the answer's status and how much of its body came."""
    client = http.client.HTTPConnection(*_OWN)
    try:
        client.sock = _connected()
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
    finally:
        client.close()


def say(event: dict[str, object]) -> None:
    """Print an event as one whole line: several requests may end at once."""
    os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


def _asks(proxy: Proxy, own: str, body_len: int) -> None:
    end, received = ask(body_len)
    told_ns = time.time_ns()
    time.sleep(_LAST_WORDS_S)
    say(
        {
            "event": "ended",
            "peer": [own, 0],
            "received": received,
            "sent": body_len,
            "end": end,
            "log": proxy.words(),
            "t_ns": told_ns,
        }
    )


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
    with tempfile.TemporaryDirectory(prefix=f"{kind}-") as folder:
        program = kind.partition("-")[0]
        proxy = Proxy(program, folder, (options.target, options.port), options.timeout_ms)
        try:
            proxy.wait_until_open()
            say({"event": "listening", "address": options.target, "port": options.port})
            for _ in sys.stdin:
                asking = (proxy, options.bind, options.body_bytes)
                threading.Thread(target=_asks, args=asking, daemon=True).start()
        finally:
            proxy.process.terminate()
    return 0
