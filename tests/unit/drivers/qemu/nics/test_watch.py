# SPDX-License-Identifier: Apache-2.0
"""The connection to networks: kept for the next guest, made again when it breaks, and closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.nics.watch import NetworkWatch
from virloom.endpoint.areas import Areas
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.errors import NoSupport, OperationFailed
from virloom.procedures import network as p


class Networks:
    """A network driver that says who came and who left.

    Attributes:
        away: It cannot be reached.
        opened: Its connections.
        left: Done when one has ended.
        heard: Set when somebody has asked to hear of events.
    """

    def __init__(self) -> None:
        self.away = False
        self.opened: list[LocalEndpoint] = []
        self.left = asyncio.Event()
        self.heard = asyncio.Event()

    async def open(self, identity: Identity) -> Endpoint:
        if self.away:
            raise OperationFailed("away")
        loop = asyncio.get_running_loop()
        self.opened.append(LocalEndpoint(Dispatcher([self]), loop, identity, self._leave))
        return self.opened[-1]

    async def _leave(self) -> None:
        self.left.set()

    @serves(p.CONNECT_NETWORK_EVENT_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectNetworkEventRegisterAnyArgs
    ) -> p.ConnectNetworkEventRegisterAnyRet:
        self.heard.set()
        return p.ConnectNetworkEventRegisterAnyRet(1)


@pytest.fixture
def networks() -> Networks:
    return Networks()


@pytest.fixture
async def driver(tmp_path: Path, networks: Networks) -> AsyncIterator[QemuDriver]:
    areas = Areas({"network": networks.open})
    directories = Directories.embedded(tmp_path)
    opened = await QemuDriver.open(directories, "qemu:///embed", areas=areas)
    yield opened
    await opened.close()


async def test_one_connection_serves_whoever_comes_soon(
    driver: QemuDriver, networks: Networks
) -> None:
    watch = NetworkWatch(driver)
    async with watch.used() as first, watch.used() as second:
        assert first is second
    async with watch.used() as third:
        assert third is first
    await asyncio.wait_for(networks.heard.wait(), 5)
    assert not networks.left.is_set()
    await watch.close()
    assert networks.left.is_set()
    assert len(networks.opened) == 1


async def test_it_ends_when_nobody_needs_it(driver: QemuDriver, networks: Networks) -> None:
    watch = NetworkWatch(driver, linger=0)
    async with watch.used() as held:
        async with watch.used():
            pass
        await asyncio.sleep(0.01)
        assert not networks.left.is_set(), "somebody still uses it"
    await asyncio.wait_for(networks.left.wait(), 5)
    async with watch.used() as again:
        assert again is not held
    await watch.close()


async def test_one_that_broke_is_made_again(driver: QemuDriver, networks: Networks) -> None:
    watch = NetworkWatch(driver)
    async with watch.used() as broken:
        assert broken.on_close is not None
        broken.on_close(OperationFailed("killed"))
    async with watch.used() as made:
        assert made is not broken
    await watch.close()
    await broken.close()


async def test_who_uses_it_at_the_end_still_can(driver: QemuDriver, networks: Networks) -> None:
    watch = NetworkWatch(driver)
    async with watch.used():
        await watch.close()
        assert not networks.left.is_set()
    assert networks.left.is_set()


async def test_a_driver_that_is_away_is_an_error(driver: QemuDriver, networks: Networks) -> None:
    watch = NetworkWatch(driver)
    networks.away = True
    with pytest.raises(OperationFailed, match="away"):
        async with watch.used():
            pass
    networks.away = False
    async with watch.used():
        pass
    await watch.close()


async def test_without_networks_there_is_none(tmp_path: Path) -> None:
    driver = await QemuDriver.open(Directories.embedded(tmp_path), "qemu:///embed")
    with pytest.raises(NoSupport):
        async with driver.networks.used():
            pass
    await driver.close()
