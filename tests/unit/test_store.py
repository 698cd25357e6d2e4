"""An evidence folder comes back as it was written; what is missing, damaged or foreign is named."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rst_or_fin.capture_file.frame import Frame
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.evidence import pcap
from rst_or_fin.evidence.records import CaptureFacts, PeerReport, Replay
from rst_or_fin.scenario.axes import Axes
from rst_or_fin.storage import evidence_format, evidence_reader, evidence_writer

from tests.support.cases import CASES, heard, replay
from tests.support.segments import frame, segments

SCENARIO = """claim = "é"
sources = ["RFC 9293"]
session = '''gen_tcp:close(Sock).'''
expect = {ending = "FIN"}
"""
MANIFEST = evidence_format.Manifest(
    format=evidence_format.FORMAT,
    program="rst-or-fin 0.1.0",
    command_line=("rst-or-fin", "run", "x"),
    started="2026-01-01T00:00:00.000+00:00",
    finished=None,
    scenario="x",
    axes=Axes(otp="27", kernel="6.12.57"),
    server=("10.0.0.3", 80),
    client_address="10.0.0.2",
    capture=CaptureFacts(dropped=0, fenced=False),
    facts={"node": {"otp": "27"}, "sysctls": {}},
)
FRAMES = [frame(s) for s in segments(CASES["the published abort: closed with everything unread"].wire)]
FILES = ("manifest.json", "scenario.toml", "capture.pcap", "transcript.jsonl", "counters.jsonl", "peer.jsonl")
LINE_FILES = ("transcript.jsonl", "counters.jsonl", "peer.jsonl")


def _counting(changed: dict[str, int] | None, **given: Any) -> Replay:
    return replace(replay(**given), changed=changed)


replays = st.builds(
    _counting,
    st.none() | st.dictionaries(st.text(), st.integers(-9, 2**40)),
    unread=st.integers(0, 2**40),
    received=st.integers(0, 2**40),
    raised=st.dictionaries(st.sampled_from(["Tcp:OutRsts", "TcpExt:TCPAbortOnClose"]), st.integers(0, 9)),
    returned=st.text(),
    reasons=st.none() | st.lists(st.text(), max_size=2),
)
peer_reports = st.none() | st.builds(heard, st.text(), trouble=st.text())


def write(folder: Path, told: list[tuple[Replay, PeerReport | None]], frames: list[Frame] = FRAMES) -> Path:
    with evidence_writer.Writer(folder, scenario_text=SCENARIO, manifest=MANIFEST) as writer:
        writer.frames(frames)
        for number, (one, peer_report) in enumerate(told):
            writer.replay(one, [peer_report] if peer_report else [], peer_report)
            writer.verdict({"index": number})
        writer.finish(finished="later", capture=CaptureFacts(dropped=0, fenced=True))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "run", [(replay(index=n), heard("end of file")) for n in range(3)])


@settings(max_examples=30)
@given(st.lists(st.tuples(replays, peer_reports), max_size=4))
def test_what_was_told_comes_back(told: list[tuple[Replay, PeerReport | None]]) -> None:
    told = [(replace(one, index=number), peer_report) for number, (one, peer_report) in enumerate(told)]
    with TemporaryDirectory() as place:
        read = evidence_reader.read(write(Path(place, "run"), told))
    heard_again = [each[0] if each else None for each in read.peer_reports]
    assert list(zip(read.replays, heard_again, strict=True)) == told


def test_what_passed_on_the_wire_comes_back(folder: Path) -> None:
    assert [found for _, found in pcap.frames(evidence_reader.read(folder).capture)] == FRAMES


def test_the_manifest_comes_back_sealed(folder: Path) -> None:
    sealed = msgspec.structs.replace(MANIFEST, finished="later", capture=CaptureFacts(dropped=0, fenced=True))
    assert evidence_reader.read(folder).manifest == sealed


def test_the_scenario_is_kept_word_for_word(folder: Path) -> None:
    assert evidence_reader.read_scenario_text(folder) == SCENARIO


def test_the_scenario_comes_back_under_its_name(folder: Path) -> None:
    assert (evidence_reader.read(folder).scenario.name, evidence_reader.read(folder).scenario.claim) == (
        "x",
        "é",
    )


def test_a_run_that_was_never_finished_vouches_for_no_capture(tmp_path: Path) -> None:
    with evidence_writer.Writer(tmp_path / "run", scenario_text=SCENARIO, manifest=MANIFEST) as writer:
        writer.replay(replay(), [], None)
    assert evidence_reader.read(tmp_path / "run").manifest.capture == CaptureFacts(dropped=0, fenced=False)


def test_flushed_evidence_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    with evidence_writer.Writer(tmp_path / "run", scenario_text=SCENARIO, manifest=MANIFEST) as writer:
        writer.frames(FRAMES)
        writer.replay(replay(), [], None)
        writer.flush()
        assert len(evidence_reader.read(tmp_path / "run").replays) == 1


def test_verdicts_are_replaced_whole(folder: Path) -> None:
    evidence_writer.write_verdicts(folder, [{"index": 0, "ending": "RST"}])
    assert (folder / "verdicts.jsonl").read_text() == '{"index":0,"ending":"RST"}\n'


def test_two_runs_of_a_scenario_never_share_a_folder(tmp_path: Path) -> None:
    assert len({evidence_writer.new_folder(tmp_path, "x") for _ in range(50)}) == 50


def test_a_folder_that_exists_is_not_written_over(folder: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        evidence_writer.Writer(folder, scenario_text=SCENARIO, manifest=MANIFEST)


# What happened to it in between


def damage(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    return folder


@pytest.mark.parametrize("name", LINE_FILES)
def test_an_unfinished_last_line_costs_its_replay_and_no_other(folder: Path, name: str) -> None:
    read = evidence_reader.read(damage(folder, name, lambda whole: whole[:-9]))
    assert [one.index for one in read.replays] == [0, 1]


@pytest.mark.parametrize("name", LINE_FILES)
def test_wherever_a_file_of_lines_is_cut_off_whole_replays_remain(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for cut in range(0, 300, 7):
        (folder / name).write_bytes(whole[:cut])
        read = evidence_reader.read(folder)
        assert [one.index for one in read.replays] == list(range(len(read.replays))), cut


@pytest.mark.parametrize("name", LINE_FILES)
@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b'{"index":"0"}', b'{"index":0}', b"null", b'{"index":0,"end":"bored"}']
)
def test_a_damaged_line_is_named_with_its_file_and_number(folder: Path, name: str, line: bytes) -> None:
    damage(folder, name, lambda whole: b"\n".join([whole.split(b"\n")[0], line, b""]))
    with pytest.raises(UsageError, match=rf"{name}, line 2, is damaged: "):
        evidence_reader.read(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_makes_it_no_evidence_folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"is not an evidence folder: {name} is missing"):
        evidence_reader.read(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(name)
    with pytest.raises(UsageError, match=f"cannot read .*{name}: Too many levels of symbolic links"):
        evidence_reader.read(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format":"1"}', b"\xff\xfe"])
def test_a_damaged_manifest_is_named(folder: Path, content: bytes) -> None:
    with pytest.raises(UsageError, match=r"manifest\.json is damaged: "):
        evidence_reader.read(damage(folder, "manifest.json", lambda _: content))


def test_a_scenario_that_was_edited_badly_is_a_usage_error(folder: Path) -> None:
    with pytest.raises(UsageError, match="x: not valid TOML"):
        evidence_reader.read(damage(folder, "scenario.toml", lambda _: b"\xff = ["))


def reformatted(whole: bytes) -> dict[str, Any]:
    return {**json.loads(whole), "format": 99, "program": "rst-or-fin 9.9"}


def test_another_format_names_the_program_that_wrote_it(folder: Path) -> None:
    damage(folder, "manifest.json", lambda whole: json.dumps(reformatted(whole)).encode())
    with pytest.raises(UsageError, match="format 99; this program reads formats 1 and 2") as caught:
        evidence_reader.read(folder)
    assert "rst-or-fin 9.9" in caught.value.hint


# A disk that cannot take it


class FullDisk:
    """Once it takes a file, that file has no space left; `opened` are all that were opened since."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[IO[Any]] = []
        self._real = Path.open
        self._full = ""
        monkeypatch.setattr(Path, "open", lambda *arguments, **options: self._open(*arguments, **options))

    def takes(self, name: str) -> None:
        self._full = name

    def _open(self, path: Path, mode: str = "r", **options: Any) -> IO[Any]:
        # What replaces a file is written under a longer name first.
        if self._full and self._full in path.name:
            path, mode = Path("/dev/full"), mode.replace("x", "w")
        self.opened.append(self._real(path, mode, **options))
        return self.opened[-1]

    @property
    def left_open(self) -> list[IO[Any]]:
        return [file for file in self.opened if not file.closed]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    disk = FullDisk(monkeypatch)
    yield disk
    for file in disk.left_open:
        with suppress(OSError):
            file.close()


def test_a_full_disk_is_an_environment_trouble(tmp_path: Path, full_disk: FullDisk) -> None:
    full_disk.takes("transcript.jsonl")
    writer = evidence_writer.Writer(tmp_path / "run", scenario_text=SCENARIO, manifest=MANIFEST)
    writer.replay(replay(), [], None)
    with pytest.raises(MachineError, match="No space left on device") as caught:
        writer.flush()
    assert "free some space" in caught.value.hint


@pytest.mark.parametrize("name", ["capture.pcap", "manifest.json", "scenario.toml"])
def test_a_disk_that_is_full_from_the_start_is_an_environment_trouble(
    tmp_path: Path, full_disk: FullDisk, name: str
) -> None:
    full_disk.takes(name)
    with pytest.raises(MachineError, match="No space left on device"):
        evidence_writer.Writer(tmp_path / "run", scenario_text=SCENARIO, manifest=MANIFEST)


def test_a_place_that_is_no_folder_is_an_environment_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match=r"cannot write the evidence to .*Not a directory"):
        evidence_writer.Writer(tmp_path / "file" / "run", scenario_text=SCENARIO, manifest=MANIFEST)


def test_any_other_error_of_the_disk_is_named_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MachineError, match="Read-only file system"):
        evidence_writer.write_verdicts(folder, [])


# What once went wrong


def test_a_later_format_is_told_from_damage_whatever_its_fields(folder: Path) -> None:
    damage(folder, "manifest.json", lambda _: b'{"format": 99, "program": "rst-or-fin 9.9", "runs": []}')
    with pytest.raises(UsageError, match="format 99"):
        evidence_reader.read(folder)


@pytest.mark.parametrize("name", ["manifest.json", *LINE_FILES])
def test_bytes_that_are_no_text_are_damage(folder: Path, name: str) -> None:
    damage(folder, name, lambda whole: re.sub(rb': ?"\w', b':"\xff', whole))
    with pytest.raises(UsageError, match="damaged"):
        evidence_reader.read(folder)


def test_lines_of_different_replays_are_damage(folder: Path) -> None:
    damage(folder, "counters.jsonl", lambda whole: b"\n".join([*whole.split(b"\n")[1:3], b""]))
    with pytest.raises(UsageError, match="counters"):
        evidence_reader.read(folder)


def test_a_disk_that_fills_up_at_the_end_still_closes_every_file(tmp_path: Path, full_disk: FullDisk) -> None:
    full_disk.takes("transcript.jsonl")
    writer = evidence_writer.Writer(tmp_path / "run", scenario_text=SCENARIO, manifest=MANIFEST)
    writer.replay(replay(), [], None)
    with pytest.raises(MachineError), writer:
        pass
    assert full_disk.left_open == []


def test_a_disk_that_is_full_from_the_start_leaves_no_file_open(tmp_path: Path, full_disk: FullDisk) -> None:
    full_disk.takes("capture.pcap")
    with pytest.raises(MachineError):
        evidence_writer.Writer(tmp_path / "run", scenario_text=SCENARIO, manifest=MANIFEST)
    assert full_disk.left_open == []


def test_a_killed_run_is_read_up_to_its_last_whole_frame(tmp_path: Path) -> None:
    whole = pcap.header() + pcap.records([Frame(t_ns=1, data=b"x" * 60)])
    assert pcap.whole_records(whole + pcap.records([Frame(t_ns=2, data=b"y" * 60)])[:30]) == whole


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def a_folder(path: Path) -> None:
    path.mkdir()


SPOILED: dict[str, Callable[[Path], None]] = {
    "is a pipe": a_pipe,
    "is a device": a_device,
    "is a folder": a_folder,
    "is too long to be": endless,
}


@pytest.mark.timeout(30)  # nothing waits for a pipe's writer, or reads a device to its end
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("says", SPOILED)
def test_what_is_no_regular_file_or_endless_is_refused(folder: Path, name: str, says: str) -> None:
    (folder / name).unlink()
    SPOILED[says](folder / name)
    with pytest.raises(UsageError, match=f"{name} {says}"):
        evidence_reader.read(folder)


@pytest.mark.timeout(10)
def test_a_key_of_many_parts_is_refused_at_once(folder: Path) -> None:
    """tomllib alone takes 39 s for it."""
    key = ".".join(["a"] * 50_000)
    (folder / "scenario.toml").write_text(f"{key} = 1\n{SCENARIO}", encoding="utf-8")
    with pytest.raises(UsageError, match="a key of more than 20 parts"):
        evidence_reader.read(folder)


def test_json_that_is_nested_without_end_is_damaged(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b'{"format":1,"facts":' + b"[" * 100_000)
    with pytest.raises(UsageError, match="is damaged"):
        evidence_reader.read(folder)


def test_judging_again_replaces_the_verdicts_and_follows_no_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "verdicts.jsonl").symlink_to(precious)
    evidence_writer.write_verdicts(tmp_path, [{"index": 0}])
    assert (precious.read_text(), (tmp_path / "verdicts.jsonl").is_symlink()) == ("kept", False)


def test_the_manifest_is_replaced_and_never_rewritten_in_place(tmp_path: Path) -> None:
    facts = CaptureFacts(dropped=0, fenced=True)
    writer = evidence_writer.Writer(tmp_path / "run", scenario_text=SCENARIO, manifest=MANIFEST)
    with writer, (tmp_path / "run" / "manifest.json").open("rb") as reading:
        writer.finish(finished="2026-01-01T00:00:01.000+00:00", capture=facts)
        assert json.load(reading)["finished"] is None
