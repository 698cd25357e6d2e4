"""Builds what the origin answers: the published response, and plain ones of any size. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

REQUEST_END = b"\r\n\r\n"

# The response of the published case: 178 bytes of header, then 307 bytes of one chunk and the last chunk.
_PUBLISHED_HEADER = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"Date: Fri, 01 Jul 2011 09:24:37 GMT\r\n"
    b"Server: Apache\r\n"
    b"Connection: Keep-Alive\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"Content-Type: text/html; charset=iso-8859-1\r\n"
    b"\r\n"
)
_PUBLISHED_PAGE = (
    b'<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n'
    b"<HTML><HEAD>\n"
    b"<TITLE>400 Bad Request</TITLE>\n"
    b"</HEAD><BODY>\n"
    b"<H1>Bad Request</H1>\n"
    b"Your browser sent a request that this server could not understand.<P>\n"
    b"client sent HTTP/1.1 request without hostname (see RFC2616 section 14.23): /<P>\n"
    b"</BODY></HTML>\n"
)
PUBLISHED = (_PUBLISHED_HEADER, b"%x\r\n%b\r\n0\r\n\r\n" % (len(_PUBLISHED_PAGE), _PUBLISHED_PAGE))


def plain(body_len: int) -> tuple[bytes, bytes]:
    """Make a `200 OK` with a body of `body_len` bytes: (header, body)."""
    header = b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Length: %d\r\n\r\n" % body_len
    return header, (b"0123456789abcdef" * (body_len // 16 + 1))[:body_len]


_PADDED_HEADER = b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Length: %08d\r\n\r\n"
LEAST_LEN = len(_PADDED_HEADER % 0)


def exactly(response_len: int) -> tuple[bytes, bytes]:
    """Make a `200 OK` of that many bytes in all, LEAST_LEN or more: (header, body).

    The length is written with leading zeros (RFC 9110 section 8.6 allows any digits), so that every size is
    possible: with as many digits as it needs, the header would grow at some of them.
    """
    body_len = response_len - LEAST_LEN
    if body_len < 0:
        raise ValueError(f"a response of {response_len} bytes: its header alone has {LEAST_LEN}")
    return _PADDED_HEADER % body_len, plain(body_len)[1]


@dataclass(frozen=True)
class OriginOptions:
    """How the origin answers a request, and who closes.

    `writes` are sent one by one, `delay_s` seconds apart, each beginning a segment of its own.
    `think_s`: how long it waits before the first write. `urgent`: one urgent byte follows the response.
    `close_after_response`: the origin closes first. `half_open`: it does not close after the peer's FIN.
    """

    writes: tuple[bytes, ...] = PUBLISHED
    delay_s: float = 0.0
    think_s: float = 0.0
    urgent: bool = False
    close_after_response: bool = False
    half_open: bool = False
