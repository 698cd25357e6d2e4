"""Real libraries on the node, as docs/stack.md says: cowboy, ranch and gun of Debian's rabbitmq-server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import Command, document
from tests.support.needs import skip_or_fail

SCENARIOS = sorted(Path("docs/libraries").resolve().glob("*.scenario.toml"))
pytestmark = [pytest.mark.local, pytest.mark.timeout(600)]


def downloaded(folder: Path) -> subprocess.CompletedProcess[str]:
    """Fetch the package into a folder."""
    command = ["apt-get", "download", "-qq", "rabbitmq-server"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package unpacked, beside which the scenarios can lie."""
    folder = tmp_path_factory.mktemp("libraries")
    if shutil.which("dpkg") is None:
        pytest.skip("there is no dpkg on this machine")
    got = downloaded(folder)
    if got.returncode:  # a machine that has installed nothing for long, or ever, has no lists of packages
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        got = downloaded(folder)
    if got.returncode:
        skip_or_fail(f"apt-get download rabbitmq-server: {got.stderr.strip()}")
    [package] = folder.glob("*.deb")
    subprocess.run(["dpkg", "-x", package.name, "rabbitmq-server"], cwd=folder, check=True)
    for each in (folder, *folder.parents):
        if each != Path("/tmp") and each.is_relative_to("/tmp"):
            each.chmod(0o755)  # nobody reads it, in there
    return folder


@pytest.mark.parametrize("scenario", [path.name for path in SCENARIOS])
def test_a_librarys_close_is_as_its_scenario_says(command: Command, libraries: Path, scenario: str) -> None:
    shutil.copy(SCENARIOS[0].parent / scenario, libraries)
    done = command("run", str(libraries / scenario), "--runtime", "local", "--otp", "system", "--json")
    [run] = document(done)["runs"]
    assert run["outcome"] == "as expected"
