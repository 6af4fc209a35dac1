# SPDX-License-Identifier: Apache-2.0
"""What calls change on the built-in host of the test driver, and the events of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import virloom
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import LifecycleEvent
from virloom.enums.domain import DomainEventType, DomainUndefineFlagsValues
from virloom.enums.network import NetworkUpdateCommand, NetworkUpdateSection
from virloom.errors import (
    NoDomain,
    NoDomainSnapshot,
    NoInterface,
    OperationInvalid,
    SystemFailure,
    VirloomError,
    XmlError,
)

_Command, _Section = NetworkUpdateCommand, NetworkUpdateSection
HOST = "<host mac='52:54:00:00:00:{0:02x}' name='h{0}' ip='192.168.122.{0}'/>"


@pytest_asyncio.fixture
async def conn() -> AsyncIterator[Connection]:
    async with await virloom.open("test:///default") as opened:
        yield opened


@pytest_asyncio.fixture
async def guest(conn: Connection) -> Domain:
    return await conn.lookup_by_name("test")


async def test_a_life_and_its_events(conn: Connection, guest: Domain) -> None:
    heard: list[DomainEventType | int] = []
    await conn.on_event(lambda event: heard.append(event.event), LifecycleEvent)
    await guest.suspend()
    await guest.resume()
    await guest.shutdown()
    await guest.create()
    await guest.destroy()
    await guest.undefine()
    await asyncio.sleep(0.01)
    kinds = ("SUSPENDED", "RESUMED", "STOPPED", "STARTED", "STOPPED", "UNDEFINED")
    assert heard == [DomainEventType[name] for name in kinds]
    with pytest.raises(NoDomain):
        await guest.state()


async def test_a_state_that_is_saved(conn: Connection, guest: Domain, tmp_path: Path) -> None:
    path = tmp_path / "state"
    await guest.saving.save(str(path))
    assert not await guest.is_active()
    assert await conn.save_image_xml_desc(str(path))
    await conn.restore(str(path))
    assert await guest.is_active()
    await guest.saving.managed_save()
    with pytest.raises(OperationInvalid):
        await guest.undefine()
    await guest.undefine(DomainUndefineFlagsValues.MANAGED_SAVE)


@pytest.mark.parametrize("cut", [4, 17, 40])
async def test_a_state_that_is_cut_off(
    conn: Connection, guest: Domain, tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "state"
    await guest.saving.save(str(path))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(VirloomError):
        await conn.restore(str(path))
    with pytest.raises(SystemFailure):
        await conn.restore(str(tmp_path / "nowhere"))
    assert not await guest.is_active()


async def test_snapshots_bring_a_state_back(guest: Domain) -> None:
    await guest.snapshots.create("<domainsnapshot><name>one</name></domainsnapshot>")
    await guest.destroy()
    two = await guest.snapshots.create("<domainsnapshot><name>two</name></domainsnapshot>")
    assert (await two.parent()).name == "one"
    one = await guest.snapshots.lookup("one")
    await one.revert()
    assert await guest.is_active()
    assert await one.is_current()
    await one.delete()
    assert [snapshot.name for snapshot in await guest.snapshots.list()] == ["two"]
    with pytest.raises(NoDomainSnapshot):
        await guest.snapshots.current()


async def test_parts_of_a_network(conn: Connection) -> None:
    network = await conn.networks.lookup_by_name("default")
    await network.update(_Command.ADD_LAST, _Section.IP_DHCP_HOST, HOST.format(9))
    await network.update(_Command.ADD_FIRST, _Section.IP_DHCP_HOST, HOST.format(8))
    text = await network.xml_desc()
    assert text.index("name='h8'") < text.index("name='h9'")
    with pytest.raises(OperationInvalid):
        await network.update(_Command.ADD_LAST, _Section.IP_DHCP_HOST, HOST.format(9))
    await network.update(_Command.DELETE, _Section.IP_DHCP_HOST, HOST.format(9))
    assert "h9" not in await network.xml_desc()


async def test_interfaces_change_back(conn: Connection) -> None:
    await conn.interfaces.change_begin()
    await (await conn.interfaces.lookup_by_name("eth1")).destroy()
    await (await conn.interfaces.lookup_by_name("eth1")).undefine()
    with pytest.raises(NoInterface):
        await conn.interfaces.lookup_by_name("eth1")
    await conn.interfaces.change_rollback()
    assert await (await conn.interfaces.lookup_by_name("eth1")).is_active()


async def test_volumes_take_space_of_their_pool(conn: Connection) -> None:
    pool = await conn.storage_pools.lookup_by_name("default-pool")
    before = await pool.info()
    volume = await pool.create_volume(
        "<volume><name>v</name><capacity unit='MiB'>8</capacity>"
        "<allocation unit='MiB'>2</allocation></volume>"
    )
    after = await pool.info()
    assert after.allocation - before.allocation == 2 << 20
    await volume.delete()
    assert await pool.info() == before


async def test_no_file_holds_the_driver_up(conn: Connection, guest: Domain, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for call in (
        conn.restore(str(pipe)),
        conn.save_image_xml_desc(str(pipe)),
        guest.saving.core_dump(str(pipe)),
        virloom.open(f"test://{pipe}"),
        virloom.open("test:///dev/zero"),
    ):
        with pytest.raises((SystemFailure, XmlError)):
            await call
