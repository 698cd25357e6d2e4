"""Makes the networks of one run: the test network between the hosts, and one to reach the node over."""

from __future__ import annotations

import random

from rst_or_fin.errors import MachineError
from rst_or_fin.testbed.run_containers import RunContainers

_SUBNET_TRIES = 20


def make_control_network(run: RunContainers) -> str:
    """Make the network over which the node's distribution port is published; return its id."""
    return str(
        run.client.api.create_network(
            f"rst-or-fin-{run.run_id}-control",
            driver="bridge",
            labels=run.labels,
            options={
                "com.docker.network.bridge.enable_ip_masquerade": "false",
                "com.docker.network.bridge.enable_icc": "false",
            },
        )["Id"]
    )


def make_test_network(run: RunContainers, family: int) -> tuple[str, str]:
    """Make the test network; return its id and what its addresses begin with.

    They are in 198.18.0.0/15 (RFC 2544) or fd00::/8.
    """
    import docker.errors
    import docker.types

    for _ in range(_SUBNET_TRIES):
        four = f"198.{random.choice((18, 19))}.{random.randrange(256)}."
        pools = [docker.types.IPAMPool(subnet=f"{four}0/28", gateway=f"{four}1")]
        six = f"fd{random.randrange(1 << 8):02x}:{random.randrange(1 << 16):x}::"
        if family == 6:
            pools.append(docker.types.IPAMPool(subnet=f"{six}/64", gateway=f"{six}1"))
        try:
            network = run.client.api.create_network(
                f"rst-or-fin-{run.run_id}-test",
                driver="bridge",
                internal=True,
                enable_ipv6=family == 6,
                labels=run.labels,
                ipam=docker.types.IPAMConfig(pool_configs=pools),
            )
        except docker.errors.APIError as error:
            if "overlap" not in str(error.explanation):
                raise
            continue
        return str(network["Id"]), six if family == 6 else four
    raise MachineError(
        f"no free subnet for the test network after {_SUBNET_TRIES} tries",
        "remove networks that are not needed: docker network prune",
    )
