"""What every test shares: no example of a property is held against the clock of a busy machine."""

from __future__ import annotations

from hypothesis import settings

collect_ignore_glob = ["data", "*/data"]  # what tests read, scenario files among it, is played by them alone

settings.register_profile("patient", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)  # for `make test-unit`
settings.load_profile("patient")
