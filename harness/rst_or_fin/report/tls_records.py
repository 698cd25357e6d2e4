"""Names the TLS records that begin in each segment: handshake, tickets, data, close_notify. Pure.

What TLS 1.3 encrypts (RFC 8446 section 5.2) is named with the secrets of the run's key log; without them an
encrypted record is called just that. Of TLS 1.2 the record's own type tells (RFC 5246 section 6.2.1).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from rst_or_fin.tcp.segment import Segment

_HEADER_LEN = 5
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _NEW_TICKET, _FINISHED = 1, 2, 4, 20
_MESSAGES = {
    _CLIENT_HELLO: "ClientHello",
    _SERVER_HELLO: "ServerHello",
    _NEW_TICKET: "session ticket",
    8: "EncryptedExtensions",
    11: "Certificate",
    12: "ServerKeyExchange",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    _FINISHED: "Finished",
}
_ALERTS = {
    0: "close_notify",
    10: "alert unexpected_message",
    42: "alert bad_certificate",
    48: "alert unknown_ca",
}
_RANDOM_AT, _RANDOM_LEN = _HEADER_LEN + 6, 32
# Key length and hash of each cipher suite (RFC 8446 appendix B.4).
_SUITES = {0x1301: (16, "sha256"), 0x1302: (32, "sha384"), 0x1303: (32, "sha256")}
_CHACHA = 0x1303

Secrets = Mapping[tuple[str, bytes], bytes]


def secrets_of(key_log: bytes) -> Secrets:
    """Read the key log's secrets by label and client random; skip lines that are not secrets."""
    found = {}
    for line in key_log.decode("ascii", "replace").splitlines():
        parts = line.split()
        if len(parts) == 3:
            try:
                found[parts[0], bytes.fromhex(parts[1])] = bytes.fromhex(parts[2])
            except ValueError:
                continue
    return found


def names(segments: Sequence[Segment], secrets: Secrets) -> dict[int, list[str]]:
    """Return the names of the records that begin in each segment, by its index; empty without TLS."""
    streams = {src: _Stream() for src in {segment.src for segment in segments}}
    found: dict[int, list[str]] = {}
    session = _Session(secrets)
    for index, segment in enumerate(segments):
        for at, record in streams[segment.src].take(index, segment):
            found.setdefault(at, []).append(session.name(segment, record))
    return found


class _Stream:
    """One direction's bytes as they come in order, cut into records. What comes out of order ends it."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._rest = b""
        self._begins: list[tuple[int, int]] = []  # (bytes of the rest before it, segment)
        self._is_tls = True

    def take(self, index: int, segment: Segment) -> Iterator[tuple[int, bytes]]:
        """Yield every record that is now complete, with the index of the segment that it begins in."""
        if not segment.payload_len or not self._is_tls:
            return
        if self._next is None:
            self._next = segment.seq
            self._is_tls = segment.payload[:2] in (b"\x16\x03", b"\x15\x03")
        if segment.seq != self._next or len(segment.payload) != segment.payload_len:
            self._is_tls = self._is_tls and segment.seq < self._next  # a repetition says nothing new
            return
        self._next = (segment.seq + segment.payload_len) & 0xFFFFFFFF
        self._begins.append((len(self._rest), index))
        self._rest += segment.payload
        while self._is_tls and len(self._rest) >= _HEADER_LEN:
            whole = _HEADER_LEN + int.from_bytes(self._rest[3:5], "big")
            if len(self._rest) < whole:
                break
            at = max(i for before, i in self._begins if before <= 0)
            yield at, self._rest[:whole]
            self._rest = self._rest[whole:]
            self._begins = self._shifted(whole)

    def _shifted(self, by: int) -> list[tuple[int, int]]:
        moved = [(before - by, index) for before, index in self._begins]
        past = [each for each in moved if each[0] <= 0]
        return [*past[-1:], *(each for each in moved if each[0] > 0)]


class _Session:
    """What a connection's handshake has settled so far: random, cipher suite, and how far each end is."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._random = b""
        self._suite = 0
        self._client: object = None
        self._done: dict[bool, bool] = {}  # by whether it is the client
        self._count: dict[bool, int] = {}

    def name(self, segment: Segment, record: bytes) -> str:
        """Name the record, and follow what it settles."""
        kind, body = record[0], record[_HEADER_LEN:]
        if kind == _HANDSHAKE and body[:1] == bytes([_CLIENT_HELLO]):
            self._client, self._random = segment.src, record[_RANDOM_AT : _RANDOM_AT + _RANDOM_LEN]
        elif kind == _HANDSHAKE and body[:1] == bytes([_SERVER_HELLO]):
            at = _RANDOM_AT + _RANDOM_LEN - _HEADER_LEN
            at += 1 + body[at] if len(body) > at else 0
            self._suite = int.from_bytes(body[at : at + 2], "big")
        if kind == _CHANGE_CIPHER_SPEC:
            return "ChangeCipherSpec"
        if kind == _HANDSHAKE:
            return _MESSAGES.get(body[0], "handshake, encrypted") if body else "handshake"
        if kind == _ALERT:
            return _ALERTS.get(body[1], f"alert {body[1]}") if len(body) == 2 else "alert, encrypted"
        if kind != _APPLICATION_DATA:
            return "no TLS"
        return self._opened(segment.src == self._client, record)

    def _opened(self, of_client: bool, record: bytes) -> str:
        if self._suite not in _SUITES:
            return f"application data ({len(record) - _HEADER_LEN} bytes encrypted)"
        plain = self._decrypted(of_client, record)
        if plain is None:
            return f"encrypted record ({len(record) - _HEADER_LEN} bytes)"
        content = plain.rstrip(b"\0")
        kind, body = content[-1], content[:-1]
        if kind == _HANDSHAKE:
            messages = list(_messages(body))
            if _FINISHED in messages:
                self._done[of_client], self._count[of_client] = True, 0
            return ", ".join(_MESSAGES.get(each, "handshake") for each in messages)
        if kind == _ALERT:
            return _ALERTS.get(body[1], f"alert {body[1]}")
        return f"application data ({len(body)} bytes)"

    def _decrypted(self, of_client: bool, record: bytes) -> bytes | None:
        """Return the record's inner plaintext (RFC 8446 section 5.2); None if no secret opens it."""
        who = "CLIENT" if of_client else "SERVER"
        stage = "TRAFFIC_SECRET_0" if self._done.get(of_client) else "HANDSHAKE_TRAFFIC_SECRET"
        secret = self._secrets.get((f"{who}_{stage}", self._random))
        if secret is None:
            return None
        key_len, hashed = _SUITES[self._suite]
        key = _expanded(secret, b"key", key_len, hashed)
        number = self._count.get(of_client, 0)
        iv = int.from_bytes(_expanded(secret, b"iv", 12, hashed), "big") ^ number
        cipher = ChaCha20Poly1305(key) if self._suite == _CHACHA else AESGCM(key)
        try:
            plain = cipher.decrypt(iv.to_bytes(12, "big"), record[_HEADER_LEN:], record[:_HEADER_LEN])
        except InvalidTag:
            return None
        self._count[of_client] = number + 1
        return plain


def _messages(body: bytes) -> Iterator[int]:
    """Yield the types of the handshake messages in a record."""
    at = 0
    while at + 4 <= len(body):
        yield body[at]
        at += 4 + int.from_bytes(body[at + 1 : at + 4], "big")


def _expanded(secret: bytes, label: bytes, length: int, hashed: str) -> bytes:
    """Compute one block of HKDF-Expand-Label without a context (RFC 8446 section 7.1)."""
    whole = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(whole)]) + whole + b"\0"
    return hmac.digest(secret, info + b"\x01", hashed)[:length]
