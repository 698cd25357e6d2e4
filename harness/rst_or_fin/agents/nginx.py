"""nginx at the other end of the tested connection, and its logs as reports (see `server_log`).

An idle connection's end stands in the error log at level info, with the errno of the read where it had one:
"closed keepalive connection" and "closed keepalive connection (104: Connection reset by peer)"
(ngx_http_keepalive_handler, nginx 1.26). During a request it is "prematurely closed" or "recv() failed". Of
an end that nginx makes itself nothing is logged at that level; the Connection header of its answer tells it,
as it stands before the answer is made (when the line is written it always says "close":
ngx_http_set_keepalive). A request that is refused before that has none, and is the connection's last.
"""

from __future__ import annotations

import re

from .server_log import Ended, Listening, Requested, main, name_of, requested

_END = re.compile(
    r" \*(\d+) .*?(?:closed keepalive connection|prematurely closed connection|[a-z]+\(\) failed)"
    r"(?: \((\d+):)?"
)

_CONFIGURATION = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 1024; }}
http {{
    log_format testimony escape=json '{{"connection":"$connection","address":"$remote_addr",\
"port":"$remote_port","received":"$request_length","sent":"$bytes_sent","then":"$then"}}';
    access_log /dev/stderr testimony;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server_tokens off;
    keepalive_timeout 60s;
    default_type text/html;
    server {{
        listen {endpoint}{tls};
        root {folder};
        set $then $sent_http_connection;
    }}
}}
"""


_TLS = """ ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_protocols TLSv{version}"""


def configuration(address: str, port: int, folder: str, tls: str = "") -> str:
    """Write nginx.conf: one process, everything it writes in that folder, both logs on stderr."""
    endpoint = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    secured = _TLS.format(folder=folder, version=tls) if tls else ""
    return _CONFIGURATION.format(endpoint=endpoint, folder=folder, tls=secured)


def command(path: str) -> list[str]:
    """Return the command that runs nginx with the configuration at `path`."""
    return ["nginx", "-c", path, "-e", "stderr"]


def read(line: str) -> Listening | Requested | Ended | None:
    """Return the event that a line of either log reports, or None.

    nginx listens before it logs the kernel it runs on.
    """
    if line.startswith("{"):
        return requested(line)
    if "[notice]" in line and ": OS: " in line:
        return Listening()
    found = _END.search(line)
    return Ended(found.group(1), name_of(found.group(2))) if found else None


if __name__ == "__main__":
    raise SystemExit(main("nginx", configuration, command, read))
