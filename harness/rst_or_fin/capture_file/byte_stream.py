"""Bytes that come in chunks, seen through a window that never holds more than was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rst_or_fin.capture_file.damage import DamageError


class ByteStream:
    """A window on a stream of bytes: `data`, with the next unread byte at index `at`.

    A source that breaks off (a DamageError) ends like any other; `broken` then says why.
    """

    __slots__ = ("_base", "_chunks", "at", "broken", "data")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.data = b""
        self.at = 0
        self.broken = ""
        self._base = 0
        self._chunks = iter(chunks)

    @property
    def position(self) -> int:
        """How many bytes of the stream lie before the next unread one."""
        return self._base + self.at

    @property
    def available(self) -> int:
        """How many unread bytes the window holds."""
        return len(self.data) - self.at

    def fill(self, count: int) -> bool:
        """Read until the window holds `count` unread bytes; return False if the stream ends before."""
        available = len(self.data) - self.at
        if available >= count:
            return True
        pieces = [self.data[self.at :]]
        while available < count and (chunk := self._next()):
            pieces.append(chunk)
            available += len(chunk)
        self._base += self.at
        self.data, self.at = b"".join(pieces), 0
        return available >= count

    def skip(self, count: int) -> bool:
        """Skip `count` bytes without holding them; return False if the stream ends before."""
        while count > (available := len(self.data) - self.at):
            count -= available
            self._base += len(self.data)
            self.data, self.at = self._next(), 0
            if not self.data:
                return False
        self.at += count
        return True

    def rest(self) -> Iterator[bytes]:
        """Yield every unread byte, in chunks. Raises DamageError if the source breaks off."""
        if self.at < len(self.data):
            yield self.data[self.at :]
        while chunk := self._next():
            yield chunk
        if self.broken:
            raise DamageError(self.broken)

    def _next(self) -> bytes:
        """Return the next chunk that holds anything; b"" at the end."""
        try:
            return next(filter(None, self._chunks), b"")
        except DamageError as error:
            self.broken = str(error)
            return b""
