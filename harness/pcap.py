"""Capture bytes to TCP segments, and frames to capture bytes. No paths, no opinions.

The file format is libpcap's classic one (draft-ietf-opsawg-pcap): both byte orders, micro- and nanosecond
time stamps. Headers are cut out with `struct`: judging a replay must cost less than playing it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address

from harness.errors import UsageError
from harness.evidence import Frame
from harness.tcp import Endpoint, Segment

ETHERNET = 1
RAW_IP = (12, 14, 101, 228, 229)
LINUX_COOKED = 113
LINUX_COOKED_V2 = 276
NULL_LOOPBACK = 0
KNOWN_LINK_TYPES = (ETHERNET, *RAW_IP, LINUX_COOKED, LINUX_COOKED_V2, NULL_LOOPBACK)

_SNAP_LENGTH = 262_144  # tcpdump's own default; a larger record is taken for a damaged one
_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_IPV6 = 0x86DD
_VLAN_TAGS = (0x8100, 0x88A8)
_TCP = 6
_IPV6_EXTENSIONS = (0, 43, 60)

_MAGIC = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
_TCP_HEADER = struct.Struct("!HHIIHH")


class CaptureError(UsageError):
    """The bytes are no capture that can be judged: foreign, truncated or damaged."""


class CutOffError(CaptureError):
    """The capture ends in the middle of a record."""


def header() -> bytes:
    """The 24 bytes that open a capture file of Ethernet frames with nanosecond time stamps."""
    return struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, _SNAP_LENGTH, ETHERNET)


def records(frames: Iterable[Frame]) -> bytes:
    """The frames as capture records, to be appended to `header()`."""
    return b"".join(
        struct.pack(
            "<IIII", frame.t_ns // 1_000_000_000, frame.t_ns % 1_000_000_000, len(frame.data), len(frame.data)
        )
        + frame.data
        for frame in frames
    )


def frames(capture: bytes) -> Iterator[tuple[int, Frame]]:
    """Every record of a capture as (link type, frame), in file order.

    Raises CaptureError where the bytes are no classic pcap file or end in the middle of a record.
    """
    if capture[:4] == b"\x0a\x0d\x0d\x0a":
        raise CaptureError(
            "the capture is in pcapng format, which is not read here",
            "convert it: editcap -F pcap IN.pcapng OUT.pcap",
        )
    if capture[:4] not in _MAGIC:
        raise CaptureError(
            f"not a pcap capture: it begins with {capture[:4].hex(' ') or 'nothing'}",
            "give a file that tcpdump -w or this program wrote",
        )
    order, unit_ns = _MAGIC[capture[:4]]
    if len(capture) < 24:
        raise CaptureError(
            f"the capture is cut off inside its header ({len(capture)} of 24 bytes)", "capture it again"
        )
    (link_type,) = struct.unpack_from(order + "I", capture, 20)
    link_type &= 0x0FFFFFFF  # the upper bits may carry the length of a frame check sequence
    if link_type not in KNOWN_LINK_TYPES:
        raise CaptureError(
            f"the capture's link type {link_type} is not one that carries IP in a known way",
            f"capture on an Ethernet, loopback or 'any' interface (known: {KNOWN_LINK_TYPES})",
        )
    record = struct.Struct(order + "IIII")
    offset, end = 24, len(capture)
    while offset < end:
        if offset + 16 > end:
            raise _cut_off(offset, end)
        seconds, fraction, captured_len, wire_len = record.unpack_from(capture, offset)
        if captured_len > _SNAP_LENGTH or captured_len > wire_len:
            raise CaptureError(
                f"the capture is damaged at byte {offset}: a record of {captured_len} bytes for a frame of"
                f" {wire_len}",
                "capture it again",
            )
        offset += 16
        if offset + captured_len > end:
            raise _cut_off(offset - 16, end)
        yield (
            link_type,
            Frame(
                t_ns=seconds * 1_000_000_000 + fraction * unit_ns,
                data=capture[offset : offset + captured_len],
            ),
        )
        offset += captured_len


def whole_records(capture: bytes) -> bytes:
    """The capture without a last record that a killed run left unfinished."""
    end = 24
    try:
        for _, frame in frames(capture):
            end += 16 + len(frame.data)
    except CutOffError:
        return capture[:end]
    return capture


def segments(capture: bytes) -> Iterator[Segment]:
    """The TCP segments of a capture, in the order they were seen; all else is passed over."""
    for link_type, frame in frames(capture):
        found = segment(frame, link_type)
        if found is not None:
            yield found


def segment(frame: Frame, link_type: int = ETHERNET) -> Segment | None:
    """The TCP segment inside a frame; None where it is something else, a later fragment, or cut too short."""
    data = frame.data
    try:
        offset = _ip_offset(data, link_type)
        if offset < 0:
            return None
        version = data[offset] >> 4
        if version == 4:
            return _over_ipv4(frame.t_ns, data, offset)
        if version == 6:
            return _over_ipv6(frame.t_ns, data, offset)
    except (IndexError, ValueError, struct.error):  # ValueError: an address cut short
        pass  # a header cut short by the snap length: nothing can be said of this frame
    return None


def _ip_offset(data: bytes, link_type: int) -> int:
    """Where the IP header starts, or -1 where the frame carries none."""
    if link_type == ETHERNET:
        offset = 12
        ethertype = data[offset] << 8 | data[offset + 1]
        while ethertype in _VLAN_TAGS:
            offset += 4
            ethertype = data[offset] << 8 | data[offset + 1]
        return offset + 2 if ethertype in (_ETHERTYPE_IPV4, _ETHERTYPE_IPV6) else -1
    if link_type in RAW_IP:
        return 0
    if link_type == NULL_LOOPBACK:
        return 4
    at, size = (14, 16) if link_type == LINUX_COOKED else (0, 20)
    return size if (data[at] << 8 | data[at + 1]) in (_ETHERTYPE_IPV4, _ETHERTYPE_IPV6) else -1


def _over_ipv4(t_ns: int, data: bytes, at: int) -> Segment | None:
    header_len = (data[at] & 0x0F) * 4
    # 0: what a network card was still to cut up (TSO) is as long as the frame
    total_len = (data[at + 2] << 8 | data[at + 3]) or len(data) - at
    fragment_offset = (data[at + 6] & 0x1F) << 8 | data[at + 7]
    if data[at + 9] != _TCP or fragment_offset or header_len < 20:
        return None
    return _tcp(
        t_ns,
        data,
        at + header_len,
        at + total_len,
        _address(data[at + 12 : at + 16]),
        _address(data[at + 16 : at + 20]),
    )


def _over_ipv6(t_ns: int, data: bytes, at: int) -> Segment | None:
    payload_len = data[at + 4] << 8 | data[at + 5]
    next_header, offset = data[at + 6], at + 40
    while next_header in _IPV6_EXTENSIONS:
        next_header, offset = data[offset], offset + (data[offset + 1] + 1) * 8
    if next_header != _TCP:
        return None
    return _tcp(
        t_ns,
        data,
        offset,
        at + 40 + payload_len,
        _address(data[at + 8 : at + 24]),
        _address(data[at + 24 : at + 40]),
    )


@lru_cache(maxsize=1024)
def _address(packed: bytes) -> str:
    return str(ip_address(packed))


def _tcp(t_ns: int, data: bytes, at: int, end: int, source: str, destination: str) -> Segment | None:
    source_port, destination_port, seq, ack, offset_and_flags, window = _TCP_HEADER.unpack_from(data, at)
    header_len = (offset_and_flags >> 12) * 4
    if header_len < 20 or end < at + header_len:
        return None
    return Segment(
        t_ns=t_ns,
        src=Endpoint(source, source_port),
        dst=Endpoint(destination, destination_port),
        seq=seq,
        ack=ack,
        flags=offset_and_flags & 0xFF,
        window=window,
        payload_len=end - at - header_len,
        payload=data[at + header_len : end],
        options=data[at + 20 : at + header_len],
    )


def _cut_off(offset: int, end: int) -> CutOffError:
    return CutOffError(
        f"the capture is cut off: its last record starts at byte {offset} and the file ends at byte {end}",
        "capture it again, or cut it back to whole records: editcap -F pcap IN OUT",
    )
