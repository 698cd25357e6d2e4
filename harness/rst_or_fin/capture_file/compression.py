"""Unpacks compressed captures as they come, never held whole: gzip, bzip2, xz and zstd.

zstd is in Python's standard library from 3.14 on; before that the package `backports.zstd` is the same.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from rst_or_fin.capture_file.byte_stream import ByteStream
from rst_or_fin.capture_file.damage import CaptureError, DamageError

_PIECE = 262_144  # bytes unpacked at a time, so that a bomb costs time and no memory
_XZ_MEMORY = 134_217_728  # bytes; `xz -9` makes files that need 65 MiB


class _Member(Protocol):
    """One compressed stream; a file may hold several, one after the other."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = len(unpacked) < max_length
        return unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    name: str
    begin: Callable[[], _Member]
    errors: type[Exception]


def _gzip() -> _Format:
    return _Format(name="gzip", begin=_Gzip, errors=zlib.error)


def _bzip2() -> _Format:
    return _Format(name="bzip2", begin=bz2.BZ2Decompressor, errors=OSError)


def _xz() -> _Format:
    return _Format(
        name="xz", begin=partial(lzma.LZMADecompressor, memlimit=_XZ_MEMORY), errors=lzma.LZMAError
    )


def _zstd() -> _Format:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise CaptureError(
            "the capture is compressed with zstd, which this Python cannot unpack",
            "pip install backports.zstd, or unpack it first: unzstd FILE",
        ) from error
    return _Format(name="zstd", begin=zstd.ZstdDecompressor, errors=zstd.ZstdError)


_FORMATS: dict[bytes, Callable[[], _Format]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _bzip2,
    b"\xfd7zXZ\0": _xz,
    b"\x28\xb5\x2f\xfd": _zstd,
    **{bytes([0x50 + n]) + b"\x2a\x4d\x18": _zstd for n in range(16)},  # frames to skip (RFC 8878, 3.1.2)
}
_LONGEST_MAGIC = 6


def unpacked(stream: ByteStream) -> ByteStream:
    """Return the stream uncompressed, or as it is where it never was compressed.

    Raises CaptureError if its format is one that this Python cannot unpack.
    """
    stream.fill(_LONGEST_MAGIC)
    begin = stream.data[stream.at : stream.at + _LONGEST_MAGIC]
    for magic, known in _FORMATS.items():
        if begin.startswith(magic):
            return ByteStream(_pieces(stream.rest(), known()))
    return stream


def _pieces(chunks: Iterable[bytes], of: _Format) -> Iterator[bytes]:
    """Unpack piece by piece. Raises DamageError if the data is damaged or ends early."""
    member = of.begin()
    for data in chunks:
        while data or not (member.needs_input or member.eof):
            if member.eof:
                data = data.lstrip(b"\0")  # padding between members, or up to the end of a tape's block
                if not data:
                    break
                member = of.begin()
            try:
                piece = member.decompress(data, _PIECE)
            except of.errors as error:
                raise DamageError(f"the {of.name} data is damaged ({error})") from error
            data = member.unused_data if member.eof else b""
            yield piece
    if not member.eof:
        raise DamageError(f"the {of.name} data ends early")
