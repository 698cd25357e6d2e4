"""Turns an evidence folder into a judged run: the one way that every command takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rst_or_fin.errors import UsageError
from rst_or_fin.evidence import pcap
from rst_or_fin.scenario.model import Scenario
from rst_or_fin.storage import evidence_reader
from rst_or_fin.storage.evidence_reader import Evidence
from rst_or_fin.verdict.assess import assess_run
from rst_or_fin.verdict.assessment import Assessment


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun:
    """One evidence folder, judged anew. `scenario` is as it stands at the run's axes."""

    evidence: Evidence
    scenario: Scenario
    judgements: tuple[Assessment, ...]


def load_run(folder: Path) -> JudgedRun:
    """Read an evidence folder and judge it. Raises UsageError if it is not one, or is damaged."""
    return judge_evidence(evidence_reader.read(folder))


def load_played_run(folder: Path) -> JudgedRun:
    """Do the same for a run of at least one replay. Raises UsageError also if it has none."""
    run = load_run(folder)
    if not run.judgements:
        raise UsageError(f"{folder} holds no replay: the run ended before its first one did", "run it again")
    return run


def judge_evidence(evidence: Evidence) -> JudgedRun:
    """Judge evidence that has been read."""
    manifest = evidence.manifest
    scenario = evidence.scenario.at(manifest.axes)
    judgements = assess_run(
        scenario,
        (frame for _, frame in pcap.frames(evidence.capture)),
        manifest.capture,
        evidence.replays,
        evidence.peer_reports,
        manifest.client_address,
        manifest.clock_error_ns,
        (frame for _, frame in pcap.frames(evidence.capture_at_peer)) if evidence.capture_at_peer else (),
    )
    return JudgedRun(evidence=evidence, scenario=scenario, judgements=tuple(judgements))
