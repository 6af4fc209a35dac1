# SPDX-License-Identifier: Apache-2.0
"""A program that owns a network and dies: ``network_owner.py ROOT STEP DOCUMENT``.

It starts the network of the document, gives it another range of addresses, stops it again, and is
killed by SIGKILL at STEP. ``look`` as STEP opens the driver as a daemon does, prints which networks
are active, with how many ranges, and stops them.
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
from virloom.drivers.network.updates.update import update
from virloom.drivers.runtime.steps import observed
from virloom.enums.network import NetworkUpdateCommand, NetworkUpdateSection

RANGE = "<range start='10.70.0.20' end='10.70.0.29'/>"


def die() -> None:
    """What no handler can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


async def own(root: Path, document: str) -> None:
    """Starts and stops the network, until it is killed."""
    driver = await NetworkDriver.open(NetworkDirectories.system(root), "network:///system")
    network = await driver.define(parse_network(document))
    await driver.start(network)
    changed = network.current.copy()
    update(changed, NetworkUpdateCommand.ADD_LAST, NetworkUpdateSection.IP_DHCP_RANGE, -1, RANGE)
    async with network.changing:
        await driver.change(network, changed, changed.copy())
    await driver.destroy(network)


async def look(root: Path) -> None:
    """What a new daemon makes of what was left."""
    driver = await NetworkDriver.open(NetworkDirectories.system(root), "network:///system")
    for network in list(driver.all):
        if network.active:
            told = (driver.directories.dnsmasq / f"{network.name}.conf").read_text()
            print(network.name, "active", told.count("dhcp-range="), flush=True)
            await driver.destroy(network)
        else:
            print(network.name, "inactive", flush=True)
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
