"""What the conductor makes of what a node says."""

from __future__ import annotations

import pytest

from harness import run


@pytest.mark.parametrize(
    ("release", "build", "point_release"),
    [
        ("6.1.0-38-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.147-1 (2025-08-02)", "6.1.147-1"),
        (
            "6.12.43+deb12-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.12.43-1~bpo12+1 (2025-09-06)",
            "6.12.43-1~bpo12+1",
        ),
        ("6.18.44", "#1 SMP PREEMPT_DYNAMIC @0", "6.18.44"),
    ],
)
def test_a_kernels_point_release_is_found_where_its_distribution_hides_it(
    release: str, build: str, point_release: str
) -> None:
    assert run._point_release(release, build) == point_release
