"""A capture as pcapng, with the verdict as comments on the segments that decide, for Wireshark to show.

Written after draft-ietf-opsawg-pcapng: four kinds of block, a few options. The libraries that write pcapng
are dormant or large (python-pcapng's last release is of 2022); what is needed here is this page.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from rst_or_fin.escaping import clipped, on_one_line, visible
from rst_or_fin.evidence import pcap
from rst_or_fin.report.explanations import marked
from rst_or_fin.report.records import Run
from rst_or_fin.report.terminal import headline
from rst_or_fin.report.wording import counted
from rst_or_fin.verdict.assessment import Assessment
from rst_or_fin.verdict.witnesses import WitnessName

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE = 1
_ENHANCED_PACKET = 6
_DECRYPTION_SECRETS = 10
_TLS_KEY_LOG = 0x544C534B
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_OPT_END = 0
_OPT_COMMENT = 1
_SHB_USERAPPL = 4
_IF_NAME = 2
_IF_TSRESOL = 9
_NANOSECONDS = b"\x09"  # a power of ten: 10^-9 s
_SNAP_LENGTH = 262_144
_OPTION_LEN = 2000  # bytes; the field could hold 65535, a reader cannot


def annotated(run: Run) -> bytes:
    """Write the run's capture with its claim on the section and each verdict on its deciding segments."""
    comments = _comments(run.judgements)
    interface = run.facts.get("capture")
    name = interface.get("interface", "") if isinstance(interface, dict) else ""
    claim = visible(on_one_line(run.scenario.claim))
    replays = counted(len(run.judgements), "replay")
    comment = f"{visible(run.scenario.name)}: {claim}\n{replays}: {run.endings}; {run.outcome}"
    blocks = [section_block(comment, run.program)]
    if run.secrets:  # before the packets that they are for
        blocks.append(secrets_block(run.secrets))
    numbers: dict[int, int] = {}
    for frame_no, (link_type, frame) in enumerate(pcap.frames(run.capture), start=1):
        if link_type not in numbers:
            numbers[link_type] = len(numbers)
            blocks.append(interface_block(link_type, str(name)))
        blocks.append(packet_block(numbers[link_type], frame.t_ns, frame.data, comments.get(frame_no, ())))
    return b"".join(blocks)


def _comments(judgements: Sequence[Assessment]) -> dict[int, list[str]]:
    """Return the comments of each frame; without a deciding segment, those of the connection's last."""
    said: dict[int, list[str]] = {}
    for judged in judgements:
        connection = judged.connection
        if connection is None:
            continue
        meanings = marked(judged)
        for index, meaning in meanings.items():
            said.setdefault(connection.segments[index].frame_no, []).append(meaning)
        last = connection.segments[max(meanings) if meanings else -1]
        verdict = [f"replay {judged.replay.index}: {headline(judged)}"]
        verdict += [f"inconclusive: {doubt}" for doubt in judged.verdict.doubts]
        verdict += [
            f"{w.name} {_AGREES[w.agrees]} {w.says}"
            for w in judged.verdict.witnesses
            if w.name != WitnessName.WIRE
        ]
        said.setdefault(last.frame_no, []).append("\n".join(clipped(visible(line), 300) for line in verdict))
    return said


_AGREES = {True: "agrees:", False: "DISAGREES:", None: "says:"}


def section_block(comment: str, program: str) -> bytes:
    """Begin a file: what it is about, and who wrote it."""
    body = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)  # version 1.0, section length not given
    return _block(
        _SECTION_HEADER,
        body + _options([(_OPT_COMMENT, _text(comment)), (_SHB_USERAPPL, _text(visible(program)))]),
    )


def secrets_block(key_log: bytes) -> bytes:
    """Write the secrets with which Wireshark decrypts the TLS of the packets that follow."""
    head = struct.pack("<II", _TLS_KEY_LOG, len(key_log))
    return _block(_DECRYPTION_SECRETS, head + _padded(key_log))


def interface_block(link_type: int, name: str) -> bytes:
    """Describe an interface; its packets' times are in nanoseconds."""
    options = [(_IF_NAME, _text(visible(name)))] if name else []
    body = struct.pack("<HHI", link_type, 0, _SNAP_LENGTH)
    return _block(_INTERFACE, body + _options([*options, (_IF_TSRESOL, _NANOSECONDS)]))


def packet_block(
    interface: int, t_ns: int, data: bytes, comments: Iterable[str], wire_len: int | None = None
) -> bytes:
    """Write one packet; `wire_len` is its length where it was not captured whole."""
    whole = len(data) if wire_len is None else wire_len
    head = struct.pack("<IIIII", interface, t_ns >> 32, t_ns & 0xFFFFFFFF, len(data), whole)
    return _block(
        _ENHANCED_PACKET, head + _padded(data) + _options([(_OPT_COMMENT, _text(c)) for c in comments])
    )


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _options(options: Sequence[tuple[int, bytes]]) -> bytes:
    if not options:
        return b""
    packed = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options]
    return b"".join(packed) + struct.pack("<HH", _OPT_END, 0)


def _text(text: str) -> bytes:
    """Encode as UTF-8, cut to a length that readers accept, never inside a character."""
    return text.encode()[:_OPTION_LEN].decode("utf-8", "ignore").encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
