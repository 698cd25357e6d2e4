"""Which runtime `auto` takes, and what it says of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from rst_or_fin.engine import base_images, images
from rst_or_fin.engine import client as engine
from rst_or_fin.errors import MachineError, UsageError
from rst_or_fin.node import runtime
from rst_or_fin.scenario.model import Hosts, Node, Server
from rst_or_fin.storage import scenario_files
from rst_or_fin.testbed import select
from rst_or_fin.testbed.spec import TestbedSpec

AUTO = TestbedSpec()


def no_engine() -> None:
    raise MachineError("no Docker Engine here", "install one")


def test_without_an_engine_it_is_local_and_says_why_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", no_engine)
    said: list[object] = []
    chosen = select.choose(AUTO, said.append)
    assert (chosen.name, said) == (
        "local",
        ["runtime local: no Docker Engine here; for containers: install one"],
    )


def test_it_says_so_where_a_file_of_ones_own_is_played_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "connect", no_engine)
    said: list[object] = []
    select.choose(AUTO, said.append, ["my.scenario.toml"])
    assert str(said[1]).startswith("my.scenario.toml: run as a program on this machine")


def test_only_files_that_did_not_come_with_the_program_are_ones_own(tmp_path: Path) -> None:
    shipped = scenario_files.find("recv-then-close")
    (tmp_path / "my.scenario.toml").write_text(shipped.text)
    own = scenario_files.find(str(tmp_path / "my.scenario.toml"))
    assert scenario_files.not_shipped([shipped, own]) == [own.where]


def test_without_a_way_to_images_it_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", lambda: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(images, "present", lambda client, name: None)
    monkeypatch.setattr(base_images, "source", no_engine)
    assert select.choose(AUTO, lambda line: None).name == "local"


def test_with_images_present_it_is_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", lambda: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(images, "present", lambda client, name: "sha256:1")
    assert select.choose(AUTO, lambda line: None).name == "docker"


def test_another_kernel_is_no_business_of_a_namespace() -> None:
    with pytest.raises(UsageError, match="--kernel needs containers"):
        select.choose(TestbedSpec(runtime="local", kernel="6.12.43"), lambda line: None)


@pytest.fixture
def system_erlang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An Erlang on the PATH that has crypto and nothing else; its root folder."""
    root = tmp_path / "erlang"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "erl").write_text("")
    (root / "bin" / "erl").chmod(0o755)
    (root / "lib" / "crypto-5.1" / "ebin").mkdir(parents=True)
    (root / "lib" / "crypto-5.1" / "ebin" / "crypto.app").write_text("")
    monkeypatch.setenv("PATH", str(root / "bin"))
    return root


def with_ssl(root: Path) -> None:
    (root / "lib" / "ssl-10.9" / "ebin").mkdir(parents=True)
    (root / "lib" / "ssl-10.9" / "ebin" / "ssl.app").write_text("")


def test_what_the_bundled_erlang_lacks_is_taken_from_the_systems(system_erlang: Path) -> None:
    with_ssl(system_erlang)
    assert runtime.find(None, ["ssl"]).source == runtime.SYSTEM


def test_what_the_bundled_erlang_has_is_not_taken_from_the_systems(system_erlang: Path) -> None:
    assert runtime.find(None, ["crypto"]).source == runtime.BUNDLED


def test_an_application_that_is_nowhere_is_named_with_its_package(system_erlang: Path) -> None:
    assert "the system Erlang lacks ssl (apt-get install erlang-ssl" in runtime.excluded(None, ["ssl"])


def with_elixir(root: Path) -> Path:
    """An Elixir on the same PATH; its root folder."""
    elixir = root.parent / "elixir"
    (elixir / "lib/elixir/ebin").mkdir(parents=True)
    (elixir / "lib/elixir/ebin/elixir.app").write_text("")
    (elixir / "bin").mkdir()
    (elixir / "bin/elixir").write_text("")
    (elixir / "bin/elixir").chmod(0o755)
    (root / "bin/elixir").symlink_to(elixir / "bin/elixir")
    return elixir


def test_elixir_runs_on_the_systems_erlang_which_may_read_it(system_erlang: Path) -> None:
    elixir = with_elixir(system_erlang)
    found = runtime.find(None, ["elixir"])
    assert (found.source, found.libraries, found.files[-1]) == (
        runtime.SYSTEM,
        str(elixir / "lib"),
        str(elixir),
    )


def test_an_elixir_that_is_nowhere_is_named_with_its_package(system_erlang: Path) -> None:
    assert "the system Erlang lacks elixir (apt-get install elixir" in runtime.excluded(None, ["elixir"])


def test_elixir_is_not_put_on_the_path_of_who_has_no_use_for_it(system_erlang: Path) -> None:
    with_elixir(system_erlang)
    assert runtime.find("system").libraries == ""


def test_a_bundled_erlang_that_was_asked_for_is_not_replaced(system_erlang: Path) -> None:
    with_ssl(system_erlang)
    assert "the bundled Erlang lacks ssl (leave --otp out" in runtime.excluded("bundled", ["ssl"])


def test_no_application_excludes_nothing(system_erlang: Path) -> None:
    assert runtime.excluded(None, []) == ""


def lacks(server: str = "origin", image: str = "", kernel: str = "") -> str:
    """What the local runtime, or containers where a kernel is named, says of such hosts."""
    hosts = Hosts(server=Server(kind=server), node=Node(image=image))
    spec = TestbedSpec(otp="27" if kernel else "", kernel=kernel, hosts=hosts)
    return select._docker_lacks(spec) if kernel else select._local_lacks(spec)


def test_a_proxy_that_is_not_installed_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lacks("haproxy-proxy") == (
        "there is no haproxy on this machine (apt-get install haproxy, or use containers)"
    )


def test_a_users_own_image_needs_containers() -> None:
    assert lacks(image="my/app:1") == "the node's image my/app:1 needs containers (--runtime docker)"


def test_a_users_own_image_has_no_other_kernel() -> None:
    assert "leave out --kernel" in lacks(image="my/app:1", kernel="6.12.57")


def test_a_plain_server_lacks_nothing() -> None:
    assert lacks() == ""
