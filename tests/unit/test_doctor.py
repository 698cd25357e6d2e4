"""What is found of a machine, and what an engine costs that accepts connections and never answers."""

from __future__ import annotations

import argparse
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rst_or_fin.commands import machine
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import kvm
from rst_or_fin.errors import EXIT_ENVIRONMENT, MachineError
from rst_or_fin.testbed import local


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An engine's socket that accepts connections and says nothing."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield path


def test_an_engine_that_never_answers_is_given_up(silent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FIRST_ANSWER_S", 0.2)
    began_s = time.monotonic()
    with pytest.raises(MachineError, match=r"gave no answer in 0.2 s, though unix://.*accepts conn"):
        engine.connect()
    assert time.monotonic() - began_s < 1.2


def test_a_silent_engine_costs_less_than_five_seconds() -> None:
    assert engine._FIRST_ANSWER_S < 5


def test_a_machine_without_kvm_is_told_from_one_whose_module_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kvm, "_DEVICE", str(tmp_path / "kvm"))
    told = []
    for word in ("vmx", ""):
        monkeypatch.setattr(kvm, "_virtualisation", lambda word=word: word)
        told.append((kvm.device().says.partition(", ")[2], kvm.device().hint[:8]))
    assert told == [
        ("though the processor has vmx", "load its"),
        ("and the processor shows no vmx or svm", ""),
    ]


def test_a_device_that_is_no_kvm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(kvm, "_DEVICE", str(tmp_path / "kvm"))
    found = kvm.device()
    assert (found.usable, "does not answer" in found.says) == (False, True)


def test_a_device_that_may_not_be_opened_names_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied() -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(kvm, "_DEVICE", "/dev/null")
    monkeypatch.setattr(kvm, "_api_version", denied)
    assert kvm.device().hint.startswith("join its group")


def test_a_device_says_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "_DEVICE", "/dev/null")
    monkeypatch.setattr(kvm, "_api_version", lambda: 12)
    found = kvm.device()
    assert (found.usable, "opens (API 12" in found.says) == (True, True)


def test_namespaces_are_no_runtime_where_the_node_cannot_be_confined(
    silent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(spec: object) -> None:
        raise MachineError("the Erlang node could not be confined: Operation not permitted", "let it mount")

    monkeypatch.setattr(engine, "_FIRST_ANSWER_S", 0.1)
    monkeypatch.setattr(local, "probe", lambda: "user")
    monkeypatch.setattr(local, "LocalTestbed", refused)
    code = machine.doctor(argparse.Namespace(json=True))
    found = {each["what"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert (code, found["local Erlang node"]["remedy"]) == (EXIT_ENVIRONMENT, "let it mount")
