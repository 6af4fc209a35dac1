# SPDX-License-Identifier: Apache-2.0
"""Limits of links, measured: what really passes between two namespaces."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from virloom.host.process import Completed, run
from virloom.host.traffic import Limit, companion, limit, release

pytestmark = needs("iperf3", root=True)


@pytest.fixture(scope="module")
def spaces() -> Iterator[tuple[NetworkNamespace, NetworkNamespace]]:
    with NetworkNamespace("true") as here, NetworkNamespace("true") as there:
        here.run(
            *("ip", "link", "add", "near", "type", "veth", "peer", "name", "far"),
            *("netns", str(there.pid)),
        )
        for space, name, address in ((here, "near", "10.5.0.1/24"), (there, "far", "10.5.0.2/24")):
            space.run("ip", "address", "add", address, "dev", name)
            space.run("ip", "link", "set", name, "up")
        yield here, there


def rate(here: NetworkNamespace, there: NetworkNamespace, *, back: bool) -> float:
    """Kilobytes a second from *here* to *there*, or back, over a second."""
    server = subprocess.Popen(
        [*there.prefix, "iperf3", "-s", "-1", "--forceflush"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        while b"listening" not in server.stdout.readline():
            pass
        words = (
            "iperf3",
            "-c",
            "10.5.0.2",
            "-t",
            "1.5",
            "-O",
            "0.5",
            "-J",
            *(["-R"] if back else []),
        )
        told = json.loads(here.run(*words))
    finally:
        server.communicate(timeout=20)
    return float(told["end"]["sum_received"]["bits_per_second"]) / 8000


async def test_no_more_passes_than_is_allowed(
    spaces: tuple[NetworkNamespace, NetworkNamespace],
) -> None:
    here, there = spaces

    async def there_too(argv: Sequence[str], input: bytes) -> Completed:
        return await run([*here.prefix, *argv], input=input)

    async def measured(*, back: bool) -> float:
        return await asyncio.to_thread(rate, here, there, back=back)

    await limit(there_too, "near", Limit(2000), Limit(1000, burst=64))
    assert 1000 < await measured(back=False) < 2600
    assert 400 < await measured(back=True) < 1500
    await limit(there_too, "near", Limit(8000), None)  # in place of the former ones
    assert 4000 < await measured(back=False) < 10400
    assert companion("near") not in here.run("ip", "link")
    await release(there_too, "near")
    assert await measured(back=False) > 20000
    assert "htb" not in here.run("tc", "qdisc", "show", "dev", "near")
