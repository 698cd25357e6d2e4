"""Which images exist, what identifies one, and what a failed build is called."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rst_or_fin import data_files
from rst_or_fin.engine import base_images, build, image_table, images, kernel_images
from rst_or_fin.engine import client as engine
from rst_or_fin.engine.image_table import IMAGES, ContextFile, Image
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.scenario.applications import APPLICATIONS, package_of

FILE = ContextFile(name="Dockerfile", content=b"FROM x\n", digest="d1", executable=False)
IMAGE = Image(name="test", base="base:trixie", folder="test", arguments={"BESIDE": "a"})


def test_every_image_stands_on_a_suite_in_the_end() -> None:
    bases = set(IMAGES)
    while any(IMAGES[name].base for name in bases):
        bases = {IMAGES[name].base or name for name in bases}
    assert bases == {name for name, image in IMAGES.items() if image.suite}


def test_every_image_is_either_a_suite_or_has_a_base_and_a_folder() -> None:
    assert all(bool(image.suite) != bool(image.base and image.folder) for image in IMAGES.values())


def test_every_folder_is_used_and_has_a_dockerfile() -> None:
    folders = {path.parent.name for path in data_files.path("containers").glob("*/Dockerfile")}
    made = [
        *IMAGES.values(),
        kernel_images.image("kernel:6.12.43-otp27"),
    ]
    assert folders == {image.folder for image in made if image.folder}


@pytest.mark.parametrize("folder", sorted({image.folder for image in IMAGES.values() if image.folder}))
def test_every_dockerfile_stands_on_a_base_of_the_table(folder: str) -> None:
    recipe = (data_files.path("containers") / folder / "Dockerfile").read_text()
    default = re.search(r"^ARG BASE=(\S+)\nFROM \$\{BASE\}$", recipe, re.MULTILINE)
    assert default is not None
    stands_on = {IMAGES[image.base].tag for image in IMAGES.values() if image.folder == folder}
    assert default[1] in stands_on


def test_every_default_argument_of_the_table_is_declared_in_its_dockerfile() -> None:
    for image in IMAGES.values():
        for argument in image.arguments:
            assert (
                f"ARG {argument}="
                in (data_files.path("containers") / image.folder / "Dockerfile").read_text()
            )


@pytest.mark.parametrize(
    ("image", "base_id", "file"),
    [
        (IMAGE, "b1", replace(FILE, digest="d2")),
        (IMAGE, "b1", replace(FILE, name="other")),
        (IMAGE, "b1", replace(FILE, executable=True)),
        (IMAGE, "b2", FILE),
        (replace(IMAGE, arguments={"BESIDE": "b"}), "b1", FILE),
    ],
)
def test_whatever_goes_into_an_image_changes_its_digest(
    image: Image, base_id: str, file: ContextFile
) -> None:
    assert images.digest(image, base_id, [file]) != images.digest(IMAGE, "b1", [FILE])


def test_a_file_that_changes_changes_what_the_context_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(data_files, "path", lambda name: tmp_path)
    recipe = tmp_path / "test" / "Dockerfile"
    recipe.parent.mkdir()
    recipe.write_text("FROM a\n")
    before = images.digest(IMAGE, "b1", images.context_files(IMAGE))
    recipe.write_text("FROM b\n")
    assert images.digest(IMAGE, "b1", images.context_files(IMAGE)) != before


def test_two_suites_have_two_digests() -> None:
    assert images.digest(IMAGES["base:trixie"], "", ()) != images.digest(IMAGES["base:bullseye"], "", ())


def test_the_context_depends_on_nothing_but_the_files() -> None:
    first, second = io.BytesIO(), io.BytesIO()
    images._pack([FILE], first)
    images._pack([FILE], second)
    assert first.getvalue() == second.getvalue()
    with tarfile.open(fileobj=first) as tar:
        assert [(entry.name, entry.mode, entry.mtime) for entry in tar] == [("Dockerfile", 0o644, 0)]


def test_the_embedded_runtime_has_what_a_node_needs_and_nothing_of_crypto() -> None:
    names = {file.name for file in image_table.embedded_runtime()}
    programs = {name.rsplit("/", 1)[1] for name in names if "/bin/" in name}
    assert programs >= {
        "erl",
        "escript",
        "beam.smp",
        "erlexec",
        "erl_child_setup",
        "inet_gethost",
        "start.boot",
    }
    assert not [name for name in names if "crypto" in name]


def test_an_unknown_image_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no image 'node:otp99'"):
        images.present(cast(Any, None), "node:otp99")


def fake_client(monkeypatch: pytest.MonkeyPatch, labels: dict[str, str]) -> Any:
    """A client that knows every image, each with those labels; it can do nothing else."""
    found = SimpleNamespace(id="sha256:there", labels=labels)
    return SimpleNamespace(images=SimpleNamespace(get=lambda tag: found))


def test_an_image_with_the_right_digest_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = fake_client(monkeypatch, {engine.LABEL: images.digest(IMAGES["base:trixie"], "", ())})
    assert images.ensure(client, "base:trixie") == "sha256:there"


def test_an_image_with_another_digest_is_not_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    assert images.present(fake_client(monkeypatch, {engine.LABEL: "old"}), "base:trixie") is None


def test_a_step_that_knows_what_is_wrong_is_quoted_first() -> None:
    said = ["The last lines of its console:", "(nothing)", "rst-or-fin: this kernel hangs"]
    trouble = build.failure("kernel:6.12.43-otp27", "step 18/27 (RUN ...)", said)
    assert str(trouble) == (
        "the image kernel:6.12.43-otp27 could not be made: this kernel hangs\n"
        "    The last lines of its console:\n    (nothing)"
    )


def test_a_failed_step_is_shown_without_the_engines_own_words_and_colours() -> None:
    events = [
        {"stream": "Step 9/27 : RUN sh /kernel/fetch-kernel.sh\n"},
        {"stream": " ---> Running in 3c041faf5de9\n"},
        {"stream": "\x1b[91mE: \x1b[0m"},
        {"stream": "\x1b[91mit went wrong\n\x1b[0m"},
        {"stream": "Removing intermediate container 3c041faf5de9\n"},
        {"error": "The command '/bin/sh -c sh /kernel/fetch-kernel.sh' returned a non-zero code: 100"},
    ]
    with pytest.raises(MachineError) as caught:
        build._follow("x", events, lambda line: None)
    assert str(caught.value).splitlines()[1:] == ["    E: it went wrong", "    exit status 100"]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("E: Failed to fetch http://archive/x  Could not connect", "can't be reached"),
        ("Err: Temporary failure resolving 'archive'", "can't be reached"),
        ("Temporary failure resolving 'archive' E: Unable to locate package erlang", "can't be reached"),
        (
            "E: The repository 'x bullseye Release' does not have a Release file.",
            "does not carry this release",
        ),
        ("E: Unable to locate package linux-image-6.12.58+deb12-cloud-amd64", "kernels list --refresh"),
        ("E: Version '6.12.58-1' for 'linux-image-x' was not found", "kernels list --refresh"),
        ("W: GPG error: NO_PUBKEY 0E98404D386FA1D9", "debian-archive-keyring"),
        ("E: something else", "last output"),
    ],
)
def test_a_failed_step_names_the_hint(line: str, hint: str) -> None:
    assert hint in build.failure("peer", "step 3/6", [line]).hint


def test_a_package_that_the_archive_names_and_does_not_have_is_told_from_other_failures() -> None:
    line = "E: Failed to fetch http://archive/pool/linux-image-x_amd64.deb  404  Not Found [IP: 192.0.2.1 80]"
    assert isinstance(build.failure("kernel:6.12.43-otp27", "step 9/27", [line]), build.PackageGoneError)


def test_a_full_disk_is_called_a_full_disk() -> None:
    trouble = build.failure("peer", "step 3/6", ["dpkg: error: No space left on device"])
    assert "disk is full" in str(trouble)


def test_a_failed_build_shows_its_step_and_its_last_words() -> None:
    events = [
        {"stream": "Step 1/2 : FROM x\n"},
        {"stream": "Step 2/2 : RUN false\n"},
        {"stream": "about to fail\n"},
        {"error": "returned a non-zero code: 1"},
    ]
    with pytest.raises(MachineError, match=r"(?s)step 2/2 \(RUN false\) failed.*about to fail"):
        build._follow("peer", events, lambda line: None)


def test_the_hosts_own_mirror_is_used_for_other_suites_too() -> None:
    listed = (
        "Other|Other|main|https://packages.invalid/other/\n"
        "Debian|Debian|contrib|http://wrong.invalid/debian/\n"
        "Debian|Debian|main|http://mirror.invalid/debian/\n"
        "Debian|Debian-Security|main|http://mirror.invalid/security/\n"
    )
    assert base_images.sources_of(listed, "trixie") == (
        "deb http://mirror.invalid/debian/ trixie main",
        "deb http://mirror.invalid/debian/ trixie-updates main",
        "deb http://mirror.invalid/security/ trixie-security main",
    )


@pytest.mark.parametrize("listed", ["", "Ubuntu|Ubuntu|main|http://mirror.invalid/ubuntu/\n"])
def test_a_host_without_a_mirror_of_debian_leaves_the_choice_to_the_tool(listed: str) -> None:
    assert base_images.sources_of(listed, "trixie") is None


def test_without_a_tool_and_without_root_one_line_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MachineError) as caught:
        base_images._install_tool("base:trixie", lambda line: None)
    assert "mmdebstrap" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("node:otp27", "erlang-inets erlang-ssl"),
        ("node:otp29", "systemd-standalone-sysusers erlang-inets erlang-ssl"),
        ("node-strace:otp27", "erlang-inets erlang-ssl strace"),
    ],
)
def test_a_node_with_applications_is_made_as_the_node_is_with_more_packages(name: str, beside: str) -> None:
    image = image_table.with_applications(name, ["ssl", "inets", "ssl"])
    assert (image.name, image.folder, image.arguments) == (
        f"{name}-inets-ssl",
        "node",
        {"BESIDE": beside},
    )


def test_a_node_for_elixir_has_debians_package() -> None:
    image = image_table.with_applications("node:otp27", ["elixir"])
    assert (image.name, image.arguments) == ("node:otp27-elixir", {"BESIDE": "elixir"})


def test_a_node_without_applications_is_the_tables_own() -> None:
    assert image_table.with_applications("node:otp27", []) is image_table.row("node:otp27")


def test_every_application_has_a_package() -> None:
    assert all(package_of(each).startswith("erlang-") for each in APPLICATIONS)
