"""Which runtime `auto` takes, and what it says of it."""

from __future__ import annotations

import argparse

import pytest
from rst_or_fin.engine import base_images, images
from rst_or_fin.engine import client as engine
from rst_or_fin.errors import EnvironmentTroubleError, UsageError
from rst_or_fin.testbed import select

OPTIONS = argparse.Namespace(runtime="auto", otp=None, backend="inet", family="4", kernel=None)


def no_engine() -> None:
    raise EnvironmentTroubleError("No Docker Engine here.", "install one")


def test_without_an_engine_it_is_local_and_says_why_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", no_engine)
    said: list[object] = []
    chosen = select.choose(OPTIONS, said.append)
    assert (chosen.name, said) == (
        "local",
        ["runtime local: No Docker Engine here. For containers: install one"],
    )


def test_without_a_way_to_images_it_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", lambda: None)
    monkeypatch.setattr(images, "present", lambda client, name: None)
    monkeypatch.setattr(base_images, "source", lambda: (False, "install mmdebstrap"))
    assert select.choose(OPTIONS, lambda line: None).name == "local"


def test_with_images_present_it_is_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "connect", lambda: None)
    monkeypatch.setattr(images, "present", lambda client, name: "sha256:1")
    assert select.choose(OPTIONS, lambda line: None).name == "docker"


def test_another_kernel_is_no_business_of_a_namespace() -> None:
    options = argparse.Namespace(**{**vars(OPTIONS), "runtime": "local", "kernel": "6.12.43"})
    with pytest.raises(UsageError, match="--kernel needs containers"):
        select.choose(options, lambda line: None)
