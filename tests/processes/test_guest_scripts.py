"""What a kernel image's scripts and slimmed programs do when they run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from rst_or_fin.guest import clone_identity, strip_elf

from tests.unit.test_guest import WHO


def test_the_identity_is_a_shell_script_whatever_the_cookie_holds() -> None:
    checked = subprocess.run(["sh", "-n"], input=clone_identity.script(WHO, 0).encode(), check=False)
    assert checked.returncode == 0


def test_a_cookie_reaches_the_node_as_it_is() -> None:
    (line,) = [line for line in clone_identity.script(WHO, 0).splitlines() if line.endswith(">/tmp/told")]
    told = subprocess.run(["sh", "-c", line.removesuffix(">/tmp/told")], capture_output=True, check=True)
    assert told.stdout == b"it's\nsocket\n"


def test_a_slimmed_program_still_runs_and_is_smaller(tmp_path: Path) -> None:
    program = Path("/bin/echo").read_bytes()
    (tmp_path / "echo").write_bytes(
        strip_elf.strip(program) if len(strip_elf.strip(program)) < len(program) else b""
    )
    (tmp_path / "echo").chmod(0o755)
    said = subprocess.run([tmp_path / "echo", "hello"], capture_output=True, check=True)
    assert said.stdout == b"hello\n"
