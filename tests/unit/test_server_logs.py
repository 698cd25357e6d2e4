"""What nginx's and httpd's own logs say becomes a report: who closed, and how much went over the wire."""

from __future__ import annotations

import pytest
from rst_or_fin.agents import httpd, nginx
from rst_or_fin.agents.server_log import Log

NGINX = '{"connection":"7","address":"10.0.0.2","port":"40000","received":"18","sent":"533","then":"%s"}'
HTTPD = '{"connection":"yJLy","address":"10.0.0.2","port":40000,"received":18,"sent":487,"then":"%s"}'


def told(read: object, *lines: str) -> list[tuple[object, object, object]]:
    """(received, sent, end) of every connection that these lines tell all of."""
    assert callable(read)
    log, found = Log(), []
    for line in lines:
        said = read(line)
        event = log.take(said) if said is not None else None
        if event is not None:
            found.append((event["received"], event["sent"], event["end"]))
    return found


@pytest.mark.parametrize(
    ("what", "read", "lines", "owed"),
    [
        ("nginx closes first", nginx.read, (NGINX % "close",), (18, 533, "closed")),
        ("nginx refuses the request", nginx.read, (NGINX % "",), (18, 533, "closed")),
        (
            "the client closes",
            nginx.read,
            (NGINX % "keep-alive", "[info] 9#9: *7 client 10.0.0.2 closed keepalive connection"),
            (18, 533, "end of file"),
        ),
        (
            "the client resets",
            nginx.read,
            (
                NGINX % "keep-alive",
                "[info] 9#9: *7 client 10.0.0.2 closed keepalive connection (104: Connection reset by peer)",
            ),
            (18, 533, "ECONNRESET"),
        ),
        (
            "httpd closes first",
            httpd.Reader(),
            (HTTPD % "-", "yJLy cleanup connection from state 6"),
            (18, 487, "closed"),
        ),
        (
            "the client closes",
            httpd.Reader(),
            (HTTPD % "+", "yJLy cleanup connection from state 6"),
            (18, 487, "end of file"),
        ),
        (
            "the client closes after a read that found nothing",
            httpd.Reader(),
            (HTTPD % "+", "yJLy mod_dumpio: dumpio_in - 11", "yJLy cleanup connection from state 6"),
            (18, 487, "end of file"),
        ),
        (
            "the client resets",
            httpd.Reader(),
            (HTTPD % "+", "yJLy mod_dumpio: dumpio_in - 104", "yJLy cleanup connection from state 5"),
            (18, 487, "ECONNRESET"),
        ),
    ],
)
def test_who_closed_is_told(what: str, read: object, lines: tuple[str, ...], owed: object) -> None:
    assert told(read, *lines) == [owed], what


def test_httpd_speaks_the_version_of_tls_that_it_is_told() -> None:
    told = httpd.configuration("192.0.2.1", 8080, "/folder", "1.2")
    assert "SSLProtocol -all +TLSv1.2\n" in told


def test_httpd_speaks_no_tls_where_it_is_not_told() -> None:
    assert "SSL" not in httpd.configuration("192.0.2.1", 8080, "/folder")
