"""What nginx and haproxy are told, as proxies in front of the session. Pure.

Both are started anew for every replay (see `proxy`), so that which server comes first, and which connections
are kept, is the same in each.
"""

from __future__ import annotations

from collections.abc import Sequence

OWN = ("127.0.0.1", 8081)
NEVER, IDEMPOTENT, ALWAYS = RETRIES = ("never", "idempotent", "always")
TCP, HTTP, HTTP_LINGER = CHECKS = ("tcp", "http", "http-linger")

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
    upstream session {{
{servers}
    }}
    server {{
        listen {own};
        location / {{
            proxy_pass http://session;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_read_timeout {timeout_ms}ms;
            proxy_next_upstream {retries};
        }}
    }}
}}
"""
_NGINX_RETRIES = {NEVER: "off", IDEMPOTENT: "error timeout", ALWAYS: "error timeout non_idempotent"}

_HAPROXY = """\
global
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option dontlognull
    timeout connect {timeout_ms}ms
    timeout client 30s
    timeout server {timeout_ms}ms
    timeout check {timeout_ms}ms
frontend front
    bind {own}
    default_backend session
backend session
    balance roundrobin
{rules}
"""
_HAPROXY_AGAIN = ("retries 1", "option redispatch", "retry-on all-retryable-errors")
_HAPROXY_RETRIES = {
    NEVER: ("retries 0",),
    IDEMPOTENT: (*_HAPROXY_AGAIN, "http-request disable-l7-retry if METH_POST"),
    ALWAYS: _HAPROXY_AGAIN,
}
_TOLD = "option log-health-checks"
_ORDERLY = ("http-check connect linger", "http-check send meth OPTIONS uri /")
_HAPROXY_CHECKS = {
    "": (),
    TCP: (_TOLD,),
    HTTP: (_TOLD, "option httpchk"),
    HTTP_LINGER: (_TOLD, "option httpchk", *_ORDERLY),
}
_ONCE = " check inter 1h"  # the first one is at once


def nginx(
    folder: str, servers: Sequence[tuple[str, int]], timeout_ms: int, retries: str, keepalive: int
) -> str:
    """Write nginx.conf. `keepalive` is how many idle connections to the session it keeps."""
    lines = [f"server {_written(server)} max_fails=0;" for server in servers]
    lines += [f"keepalive {keepalive};"] if keepalive else []
    return _NGINX.format(
        folder=folder,
        own=_written(OWN),
        servers=_indented(lines, 8),
        timeout_ms=timeout_ms,
        retries=_NGINX_RETRIES[retries],
    )


def haproxy(servers: Sequence[tuple[str, int]], timeout_ms: int, retries: str, check: str) -> str:
    """Write haproxy.cfg. `check` is the kind of its health checks, "" for none."""
    lines = [*_HAPROXY_RETRIES[retries], *_HAPROXY_CHECKS[check]]
    lines += [
        f"server session{number} {_written(server)}{_ONCE if check else ''}"
        for number, server in enumerate(servers, start=1)
    ]
    return _HAPROXY.format(own=_written(OWN), timeout_ms=timeout_ms, rules=_indented(lines, 4))


def _written(server: tuple[str, int]) -> str:
    address, port = server
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _indented(lines: Sequence[str], width: int) -> str:
    return "\n".join(" " * width + line for line in lines)
