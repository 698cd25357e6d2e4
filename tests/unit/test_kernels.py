"""Which kernels are offered, what a name means, and what a kernel image is made of."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from rst_or_fin import cli
from rst_or_fin.commands import test_kernel
from rst_or_fin.engine import images, kernel_images, kernels
from rst_or_fin.engine.kernels import Offer
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.execution import cells
from rst_or_fin.scenario.axes import Axes, version
from rst_or_fin.scenario.kernel_release import running_release
from rst_or_fin.storage import scenario_files
from rst_or_fin.verdict.outcome import Outcome

LISTED = """\
bullseye linux-image-5.10.0-30-cloud-amd64 5.10.218-1
bullseye-security linux-image-6.1-cloud-amd64 6.1.180-1~deb11u1
bullseye-security linux-image-6.1.0-0.deb11.50-cloud-amd64 6.1.176-1~deb11u1
bookworm-security linux-image-6.1.0-50-cloud-amd64 6.1.176-1
bookworm linux-image-6.1.0-50-cloud-amd64 6.1.176-1
bookworm-backports linux-image-6.12.43+deb12-cloud-amd64 6.12.43-1~bpo12+1
bookworm-backports linux-image-6.12.90+deb12-cloud-amd64 6.12.90-1~bpo12+1
bookworm-backports linux-image-6.12.90+deb12.1-cloud-amd64 6.12.90-2~bpo12+1
trixie-backports linux-image-7.0.13+deb13-cloud-amd64 7.0.13-1~bpo13+1
trixie-backports linux-binary-7.0.13+deb13-cloud-amd64 7.0.13-1~bpo13+1
sid linux-image-7.2.13+deb14-cloud-amd64 7.2.13-1
sid linux-binary-7.2.13+deb14-cloud-amd64 7.2.13-1
sid linux-modules-7.2.13+deb14-cloud-amd64 7.2.13-1
experimental linux-binary-7.3-cloud-amd64 7.3~rc7-1~exp1
experimental linux-modules-7.3-cloud-amd64 7.3~rc7-1~exp1
"""
OFFERS = kernels.chosen_offers(LISTED)


def offer(release: str) -> Offer:
    (found,) = [offer for offer in OFFERS if offer.release == release]
    return found


def test_offers_come_oldest_first_and_a_release_candidate_before_what_follows_it() -> None:
    assert [offer.release for offer in OFFERS] == [
        "5.10.218",
        "6.1.176",
        "6.12.43",
        "6.12.90",
        "7.0.13",
        "7.2.13",
        "7.3-rc7",
    ]


def test_a_kernel_whose_modules_have_gone_from_the_archive_is_not_whole() -> None:
    assert [offer.release for offer in OFFERS if not offer.whole] == ["7.0.13"]


@pytest.mark.parametrize("name", ["7.0.13", "7.0"])
def test_asking_for_it_is_answered_with_what_it_lacks_and_what_is_near(name: str) -> None:
    with pytest.raises(UsageError, match="without the modules") as caught:
        kernels.choose(name, OFFERS)
    assert "the nearest: 6.12.43, 6.12.90, 7.2.13, 7.3-rc7;" in caught.value.hint


def test_of_one_release_the_newest_revision_is_taken() -> None:
    assert offer("6.12.90").version == "6.12.90-2~bpo12+1"


def test_of_one_revision_the_suite_that_the_catalogue_names_first_is_taken() -> None:
    assert offer("6.1.176").suite == "bullseye-security"


def test_from_6_19_on_the_kernel_is_in_the_binary_package() -> None:
    assert offer("7.2.13").package == "linux-binary-7.2.13+deb14-cloud-amd64"


@pytest.mark.parametrize(
    ("name", "release"),
    [("6.12.43", "6.12.43"), ("6.12", "6.12.90"), ("5.10", "5.10.218"), ("newest", "7.2.13")],
)
def test_a_name_means_a_release_the_newest_of_its_series_or_the_newest_of_all(
    name: str, release: str
) -> None:
    assert kernels.choose(name, OFFERS).release == release


def test_6_1_is_not_taken_for_6_12() -> None:
    assert kernels.choose("6.1", OFFERS).release == "6.1.176"


def test_an_unknown_release_is_answered_with_the_ones_around_it() -> None:
    with pytest.raises(UsageError) as caught:
        kernels.choose("6.12.44", OFFERS)
    assert "the nearest: 6.1.176, 6.12.43, 6.12.90, 7.2.13;" in caught.value.hint


@pytest.mark.parametrize("name", ["7.3-rcfoo", "6.12.43-rc1-foo", "6.1-rc1.2", "", "-rc", "99"])
def test_no_name_whatever_breaks_it(name: str) -> None:
    with pytest.raises(UsageError):
        kernels.choose(name, OFFERS)


def test_a_bare_number_has_neighbours() -> None:
    assert kernels.nearest("99", [offer.release for offer in OFFERS])[-1] == "7.3-rc7"


def test_something_that_is_no_number_is_answered_with_what_looks_like_it() -> None:
    assert kernels.nearest("v6.12.43", [offer.release for offer in OFFERS])[0] == "6.12.43"


@pytest.mark.parametrize(
    ("release", "included"),
    [
        ("5.10.218", False),
        ("5.10.246", True),
        ("6.12.43", False),
        ("6.12.57", True),
        ("6.16.12", False),
        ("6.17.8", True),
        ("6.18", True),
        ("7.3-rc7", True),
        ("4.19.325", False),
    ],
)
def test_a_change_is_in_a_series_from_its_first_release_on(release: str, included: bool) -> None:
    (change,) = kernels.catalogue().changes
    assert change.included(release) is included


@pytest.mark.parametrize(
    ("osrelease", "version", "release"),
    [
        ("6.1.0-56-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-10-30)", "6.1.192"),
        ("6.12.43+deb12-cloud-amd64", "#1 SMP Debian 6.12.43-1~bpo12+1 (2025-09-06)", "6.12.43"),
        ("7.3-cloud-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 7.3~rc7-1~exp1 (2026-11-02)", "7.3-rc7"),
        ("6.18.44-fc", "#669 SMP Mon Nov 2 10:00:00 UTC 2026", "6.18.44-fc"),
    ],
)
def test_a_running_debian_kernel_is_known_by_its_version(osrelease: str, version: str, release: str) -> None:
    assert running_release(osrelease, version) == release


@pytest.mark.parametrize("name", kernels.catalogue().default)
def test_every_default_kernel_is_newest_a_series_or_a_release(name: str) -> None:
    assert re.fullmatch(r"newest|\d+\.\d+(\.\d+)?", name)


def test_the_known_change_is_where_the_scenario_says_it_is() -> None:
    [change] = kernels.catalogue().changes
    [variant] = scenario_files.find("resent-payload-with-fin").scenario.variants
    edges = [
        (*version(since)[:2], (*version(since), 0)[2] + step) for since in change.since for step in (-1, 0)
    ]
    releases = [".".join(map(str, edge)) for edge in edges if edge[2] >= 0]
    told = {release: not variant.when.holds(Axes(kernel=release)) for release in releases}
    assert told == {release: change.included(release) for release in releases}


# What is remembered of the archive


class Archive:
    """Stands in for the package archive: counts who asks, and answers, or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.asked = 0
        self.said: str | None = LISTED
        self.heard: list[str] = []
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        monkeypatch.setattr(kernels, "_ask_archive", self._ask)

    def _ask(self, client: object, tell: object) -> str:
        self.asked += 1
        if self.said is None:
            raise MachineError("the archive is out of reach")
        return self.said

    def offers(self) -> tuple[Offer, ...]:
        return kernels.offers(cast(Any, None), lambda line: self.heard.append(str(line)))

    def grows_older(self, folder: Path, seconds: float) -> None:
        kept = folder / "rst-or-fin" / "kernel-offers.txt"
        then = kept.stat().st_mtime - seconds
        os.utime(kept, (then, then))


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Archive:
    return Archive(monkeypatch, tmp_path)


def test_the_archive_is_asked_once_a_day(archive: Archive, tmp_path: Path) -> None:
    archive.offers()
    archive.grows_older(tmp_path, 23 * 3600)
    assert (archive.offers(), archive.asked) == (OFFERS, 1)


def test_where_a_suite_could_not_be_read_it_is_soon_asked_again(archive: Archive, tmp_path: Path) -> None:
    archive.said = f"# some suites cannot be read\n{LISTED}"
    archive.offers()
    archive.grows_older(tmp_path, 3600)
    assert (archive.offers(), archive.asked) == (OFFERS, 2)


def test_other_suites_are_another_question(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.offers()
    other = replace(kernels.catalogue(), suites=("sid",))
    monkeypatch.setattr(kernels, "catalogue", lambda: other)
    archive.offers()
    assert archive.asked == 2


def test_an_older_answer_will_do_where_the_archive_is_out_of_reach_and_that_is_said(
    archive: Archive, tmp_path: Path
) -> None:
    archive.offers()
    archive.said = None
    archive.grows_older(tmp_path, 48 * 3600)
    assert (archive.offers(), "using the package list of 48 hours ago" in archive.heard[-1]) == (
        OFFERS,
        True,
    )


def test_where_nothing_can_be_kept_it_is_asked_every_time(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert ([archive.offers(), archive.offers()], archive.asked) == ([OFFERS, OFFERS], 2)


def test_a_release_whose_package_is_gone_is_not_offered(archive: Archive) -> None:
    kernels.leave_out(OFFERS[0].release)
    assert archive.offers() == OFFERS[1:]


def test_what_was_gone_is_offered_again_after_a_day(archive: Archive, tmp_path: Path) -> None:
    kernels.leave_out(OFFERS[0].release)
    kept = tmp_path / "rst-or-fin" / "kernels-gone.txt"
    os.utime(kept, (0, 0))
    assert archive.offers() == OFFERS


def test_what_was_gone_is_offered_again_where_the_archive_is_asked_anew(archive: Archive) -> None:
    kernels.leave_out(OFFERS[0].release)
    assert kernels.offers(cast(Any, None), refresh=True) == OFFERS


# What commands make of names


@pytest.fixture
def no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_is_made", lambda release: False)
    monkeypatch.setattr(cells, "offered_kernels", lambda tell: OFFERS)


def test_a_default_kernel_that_has_gone_from_the_archive_takes_no_other_with_it(no_images: None) -> None:
    settled = cells.resolve_kernels(["default"], "docker", print)
    assert {"6.12.43", "6.12.57", "6.1.176"} <= set(settled)  # of these nobody offers 6.12.57


def test_a_kernel_that_somebody_named_must_be_offered(no_images: None) -> None:
    with pytest.raises(UsageError, match=r"6\.12\.57"):
        cells.resolve_kernels(["6.12.57"], "docker", print)


def test_a_kernel_whose_image_is_there_needs_no_offer(
    no_images: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "_is_made", lambda release: release == "6.12.57")
    assert cells.resolve_kernels(["6.12.57", "host"], "docker", print) == ["6.12.57", ""]


def test_a_file_that_is_no_kernel_is_refused_before_anything_is_played(
    no_images: None, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(UsageError, match="is not a kernel to boot"):
        cells.resolve_kernels([str(tmp_path / "photo.jpg")], "docker", print)


def test_a_kernel_image_stands_on_the_emulator_and_the_plain_node() -> None:
    image = kernel_images.image("kernel:6.12.43-otp25")
    assert (image.base, image.node) == ("emulator", "node:otp25")


def test_a_kernel_image_carries_the_arguments_of_its_node() -> None:
    files = images.context_files(kernel_images.image("kernel:6.12.43-otp27"))
    (content,) = [file.content for file in files if file.name == "arguments"]
    assert isinstance(content, bytes)
    assert b"-erl_epmd_port\n4370\n" in content


@pytest.mark.parametrize("name", ["kernel:6.12.43", "kernel:6.12.43-otp22", "kernel:"])
def test_a_kernel_image_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        kernel_images.image(name)


def bz_image(*, magic: bytes = b"HdrS", flags: int = 1) -> bytes:
    content = bytearray(0x2000)
    content[0x1FE:0x200] = b"\x55\xaa"
    content[0x202:0x206] = magic
    content[0x206:0x208] = (0x20F).to_bytes(2, "little")
    content[0x236] = flags
    return bytes(content)


def test_a_bzimage_is_a_kernel() -> None:
    assert kernel_images.bzimage_defect(bz_image()) == ""


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF" + bytes(0x2000), bz_image(magic=b"HdrX"), bz_image(flags=0)]
)
def test_what_is_no_64_bit_bzimage_is_no_kernel(content: bytes) -> None:
    assert kernel_images.bzimage_defect(content) != ""


def test_a_users_own_kernel_is_named_by_its_content(tmp_path: Path) -> None:
    names = []
    for number, flags in enumerate((1, 3)):
        path = tmp_path / f"bzImage{number}"
        path.write_bytes(bz_image(flags=flags))
        names.append(kernel_images.own(path))
    assert names[0] != names[1]


def test_of_a_users_modules_those_of_a_virtual_network_card_go_along(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(bz_image())
    folder = tmp_path / "modules" / "kernel" / "drivers" / "net"
    folder.mkdir(parents=True)
    for name in ("virtio_net.ko", "e1000.ko"):
        (folder / name).write_bytes(b"\x7fELF")
    release = kernel_images.own(tmp_path / "bzImage")
    files = images.context_files(kernel_images.image(f"kernel:{release}-otp27"))
    own = {file.name for file in files if file.name.startswith("own/")}
    assert own == {"own/bzImage", "own/modules/virtio_net.ko"}


def test_a_file_that_is_no_kernel_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UsageError, match=r"photo\.jpg is not a kernel to boot"):
        kernel_images.own(tmp_path / "photo.jpg")


# test-kernel


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Outcome.AS_EXPECTED, Outcome.AS_EXPECTED], 0),
        ([Outcome.AS_EXPECTED, Outcome.DIFFERS], 1),
        ([Outcome.INCONCLUSIVE, Outcome.DIFFERS], 1),
        ([Outcome.AS_EXPECTED, Outcome.INCONCLUSIVE], 125),
        ([Outcome.RACE], 125),
        ([], 125),
    ],
)
def test_a_bisection_hears_good_bad_or_skip(
    outcomes: list[Outcome], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_kernel, "_leaving_no_image", lambda bzimage, otp: nullcontext())
    monkeypatch.setattr(test_kernel, "_play", lambda entries, kernel, options: outcomes)
    assert cli.main(["test-kernel", "bzImage", "recv-then-close"]) == code


@pytest.mark.parametrize("words", [["no-such-file", "recv-then-close"], ["bzImage", "no-such-scenario"]])
def test_a_bisection_skips_what_cannot_be_tested(words: list[str]) -> None:
    assert cli.main(["test-kernel", *words]) == 125
