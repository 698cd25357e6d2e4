"""What every test shares: a limit of time; no example of a property is held against a busy clock."""

from __future__ import annotations

import pytest
from hypothesis import settings

_LIMIT_S = 300  # for a test that sets none of its own

# Minutes each. They come first, because what two workers at a time begin last goes on alone.
_LONGEST = ("test_whole_catalogue.py", "test_faults.py")

collect_ignore_glob = ["data", "*/data"]  # what tests read, scenario files among it, is played by them alone

settings.register_profile("patient", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)  # for `make test-unit`
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Limit every test's time, and put the longest files first.

    The limit is not in pyproject.toml, where pytest without pytest-timeout takes it for a mistake:
    `pytest scenarios/` needs no more than the program does.
    """
    items.sort(key=lambda item: item.path.name not in _LONGEST)
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_LIMIT_S))
