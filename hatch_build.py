"""Complete the package's metadata as it is built: the project's addresses, and a README for PyPI.

No address is written down, because a fork or a mirror is elsewhere: the workflows give that of the repository
that they run in as PROJECT_URL. A build without it names none, and the README's links into the repository
become plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_IMAGE = re.compile(r"!\[([^\]\n]+)\]\((?!https?:)([^)\s]+)\)\n?")
_LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?:|#)([^)\s]+)\)")
_COG = re.compile(r"^<!-- \[\[\[.*\]\]\] -->\n", re.MULTILINE)


class ProjectMetadata(MetadataHookInterface):
    """Hatchling finds this class by its base."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what pyproject.toml lists as dynamic."""
        url = os.environ.get("PROJECT_URL", "").rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": readme(text, f"{url}/blob/v{metadata['version']}" if url else ""),
        }
        metadata["urls"] = urls(url) if url else {}


def readme(text: str, base: str) -> str:
    """Return the README with its links and pictures led to `base`, or without them if it is empty."""
    link, image = (rf"[\1]({base}/\2)", rf"![\1]({base}/\2?raw=true)\n") if base else (r"\1", "")
    return _LINK.sub(link, _IMAGE.sub(image, _COG.sub("", text)))


def urls(url: str) -> dict[str, str]:
    """Return the addresses that PyPI shows beside the README."""
    return {
        "Source": url,
        "Documentation": f"{url}/blob/main/docs/index.md",
        "Changelog": f"{url}/blob/main/CHANGELOG.md",
        "Issues": f"{url}/issues",
    }
