# SPDX-License-Identifier: Apache-2.0
"""A program that owns a network and dies: ``network_owner.py ROOT STEP DOCUMENT``.

It starts the network of the document, stops it again, and is killed by SIGKILL at STEP. ``look``
as STEP opens the driver as a daemon does, prints which networks are active, and stops them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.steps import observed


def die() -> None:
    """What no handler can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


async def own(root: Path, document: str) -> None:
    """Starts and stops the network, until it is killed."""
    driver = await NetworkDriver.open(NetworkDirectories.system(root), "network:///system")
    network = await driver.define(parse_network(document))
    await driver.start(network)
    await driver.destroy(network)


async def look(root: Path) -> None:
    """What a new daemon makes of what was left."""
    driver = await NetworkDriver.open(NetworkDirectories.system(root), "network:///system")
    for network in list(driver.all):
        print(network.name, "active" if network.active else "inactive", flush=True)
        if network.active:
            await driver.destroy(network)
    await driver.close()


def main() -> None:
    """Entry point."""
    root, step, path = sys.argv[1:]
    if step == "look":
        asyncio.run(look(Path(root)))
        return
    with observed(lambda reached: die() if reached == step else None):
        asyncio.run(own(Path(root), Path(path).read_text()))


main()
