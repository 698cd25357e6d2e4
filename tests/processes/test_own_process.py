"""What shows only in a process of its own: standard input, and what was imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.capture_files import COMPRESSIONS, classic
from tests.support.cases import ABORT_ON_CLOSE, heard, replay
from tests.unit.capture_file.test_compression import PLAIN
from tests.unit.test_judge_command import OVER
from tests.unit.test_store import write


def test_standard_input_is_judged() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rst_or_fin.cli", "judge", "-", "--json"],
        input=classic(OVER),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert json.loads(done.stdout)["connections"][0]["conn_state"] == "RSTO"


def test_a_text_report_loads_no_template_engine(tmp_path: Path) -> None:
    write(tmp_path / "run", [(replay(raised=ABORT_ON_CLOSE), heard("ECONNRESET"))])
    asked = (
        "import sys; from rst_or_fin.cli import main; main(sys.argv[1:]); sys.exit('jinja2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked, "report", str(tmp_path / "run")],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0


def test_the_help_loads_no_command() -> None:
    asked = "import sys; from rst_or_fin.cli import main; main(['--help'])"
    loaded = "import atexit, sys; atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))"
    done = subprocess.run(
        [sys.executable, "-c", f"{loaded}; {asked}"], capture_output=True, text=True, timeout=60, check=True
    )
    names = {name for name in done.stderr.splitlines() if name.startswith(("docker", "rst_or_fin.commands."))}
    assert names == {"rst_or_fin.commands.progress"}


def test_a_small_capture_does_not_load_numpy(tmp_path: Path) -> None:
    (tmp_path / "small.pcap").write_bytes(classic(OVER))
    asked = (
        "import sys; from rst_or_fin.cli import main; main(sys.argv[1:]); sys.exit('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked, "judge", str(tmp_path / "small.pcap")],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0


def test_without_a_zstd_module_the_error_says_what_to_install() -> None:
    file = COMPRESSIONS["zstd"](PLAIN)
    program = (
        "import sys\n"
        "sys.modules['backports'] = sys.modules['compression'] = None\n"
        "from rst_or_fin.capture_file.reading import read\n"
        "from rst_or_fin.errors import UsageError\n"
        "try:\n"
        "    read([sys.stdin.buffer.read()])\n"
        "except UsageError as error:\n"
        "    print(error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=file, capture_output=True, check=True, timeout=60
    )
    assert b"pip install backports.zstd" in done.stdout
