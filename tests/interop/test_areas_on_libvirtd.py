# SPDX-License-Identifier: Apache-2.0
"""Our client with networks, storage, secrets and the rest, on a private libvirtd 9.

Its ``test`` driver has networks, pools, volumes, devices and interfaces without touching the host.
"""

from __future__ import annotations

import asyncio
import os
import threading
from uuid import uuid4

import pytest

import virloom
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.client.host import SecurityModel
from virloom.client.subscription import EventStream
from virloom.enums.network import NetworkEventLifecycleType as NetworkLife
from virloom.enums.network import NetworkUpdateCommand, NetworkUpdateSection
from virloom.enums.secret import SecretEventLifecycleType as SecretLife
from virloom.enums.secret import SecretUsageType
from virloom.enums.storage import StoragePoolEventLifecycleType as PoolLife
from virloom.enums.storage import StoragePoolState, StorageVolDownloadFlags, StorageVolType

pytestmark = needs_libvirtd

NETWORK = "<network><name>{name}</name><ip address='10.9.8.1' netmask='255.255.255.0'/></network>"
POOL = "<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>"
VOLUME = "<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation></volume>"
FILTER = "<filter name='{name}'><rule action='drop' direction='in'><tcp/></rule></filter>"


def default_uri(libvirtd: Libvirtd) -> str:
    return f"test+unix:///default?socket={libvirtd.socket}"


async def seen(events: EventStream[object], number: int) -> list[object]:
    """The next *number* events."""
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(number)]


async def test_networks(libvirtd: Libvirtd) -> None:
    async with virloom.open(default_uri(libvirtd)) as conn, conn.networks.events() as events:
        net = await conn.networks.define_xml(NETWORK.format(name="private"))
        assert not await net.is_active()
        assert await net.is_persistent()
        await net.create()
        assert {one.name for one in await conn.networks.list()} == {"default", "private"}
        assert await conn.networks.lookup_by_uuid(net.uuid) == net
        assert "10.9.8.1" in await net.xml_desc()
        await net.set_autostart(True)
        assert await net.autostart()
        host = "<host mac='52:54:00:00:00:01' ip='10.9.8.7'/>"
        with pytest.raises(virloom.VirloomError):
            await net.update(NetworkUpdateCommand.DELETE, NetworkUpdateSection.IP_DHCP_HOST, host)
        with pytest.raises(virloom.NoSupport):
            await net.dhcp_leases()
        with pytest.raises(virloom.NoSupport):
            await net.list_ports()
        await net.destroy()
        await net.undefine()
        with pytest.raises(virloom.NoNetwork):
            await conn.networks.lookup_by_name("private")
        told = await seen(events, 4)
    kinds = [NetworkLife.DEFINED, NetworkLife.STARTED, NetworkLife.STOPPED, NetworkLife.UNDEFINED]
    assert told == [virloom.NetworkLifecycleEvent(net.ref, kind, 0) for kind in kinds]


async def test_pools_and_volumes(libvirtd: Libvirtd) -> None:
    async with virloom.open(default_uri(libvirtd)) as conn, conn.storage_pools.events() as events:
        pools = conn.storage_pools
        pool = await pools.define_xml(POOL.format(name="images", path="/images"))
        await pool.build()
        await pool.create()
        await pool.refresh()
        info = await pool.info()
        assert info.state == StoragePoolState.RUNNING
        assert info.capacity == info.allocation + info.available
        vol = await pool.create_volume(VOLUME.format(name="one", size=65536))
        copy = await pool.create_volume(VOLUME.format(name="two", size=65536), source=vol.ref)
        assert await pool.list_volumes() in ([vol, copy], [copy, vol])
        assert await pool.num_of_volumes() == 2
        assert await pool.lookup_volume("one") == vol
        assert await vol.path() == "/images/one"
        assert await conn.storage_volumes.lookup_by_path("/images/one") == vol
        assert await conn.storage_volumes.lookup_by_key(vol.key) == vol
        assert await pools.lookup_by_volume(vol.ref) == pool
        assert (await vol.info()).type == StorageVolType.FILE
        assert "<capacity unit='bytes'>65536</capacity>" in await vol.xml_desc()
        await copy.delete()
        await vol.delete()
        await pool.destroy()
        await pool.delete()
        await pool.undefine()
        assert pool not in await pools.list()
        told = await seen(events, 7)
    kinds = [
        event.event if isinstance(event, virloom.PoolLifecycleEvent) else type(event)
        for event in told
    ]
    assert kinds == [
        PoolLife.DEFINED,
        PoolLife.CREATED,
        PoolLife.STARTED,
        virloom.PoolRefreshEvent,
        PoolLife.STOPPED,
        PoolLife.DELETED,
        PoolLife.UNDEFINED,
    ]


async def test_a_volume_s_bytes(libvirtd: Libvirtd) -> None:
    """Through the storage driver itself, with holes."""
    place = libvirtd.directory / "pool"
    place.mkdir(exist_ok=True)
    async with virloom.open(libvirtd.uri) as conn:
        pool = await conn.storage_pools.create_xml(POOL.format(name="files", path=place))
        try:
            vol = await pool.create_volume(VOLUME.format(name="data", size=1 << 20))
            content = os.urandom(300_000)
            async with await vol.upload(4096) as stream:
                await stream.write(content)
            async with await vol.download() as stream:
                got = await stream.read_all()
            assert got == bytes(4096) + content + bytes((1 << 20) - 4096 - len(content))
            parts = []
            async with await vol.download(flags=StorageVolDownloadFlags.STREAM) as stream:
                while part := await stream.read_sparse():
                    parts.append(part)
            assert sum(len(p) if isinstance(p, bytes) else p.length for p in parts) == 1 << 20
            assert not isinstance(parts[-1], bytes)
            await vol.resize(2 << 20)
            await vol.wipe()
            assert (await vol.info()).capacity == 2 << 20
            with pytest.raises(virloom.VirloomError, match="nowhere"):
                await conn.storage_pools.lookup_by_target_path("/nowhere")
            assert await conn.storage_pools.lookup_by_target_path(str(place)) == pool
            assert "<pool type='dir'" in await conn.storage_pools.capabilities()
            await vol.delete()
        finally:
            await pool.destroy()


async def test_secrets(libvirtd: Libvirtd) -> None:
    uuid = uuid4()
    document = (
        f"<secret ephemeral='yes'><uuid>{uuid}</uuid>"
        "<usage type='ceph'><name>client.one</name></usage></secret>"
    )
    async with virloom.open(libvirtd.uri) as conn, conn.secrets.events() as events:
        secret = await conn.secrets.define_xml(document)
        assert (secret.uuid, secret.usage_type) == (uuid, SecretUsageType.CEPH)
        with pytest.raises(virloom.NoSecret):
            await secret.value()
        await secret.set_value(b"\0key\xff")
        assert await secret.value() == b"\0key\xff"
        assert await conn.secrets.list() == [secret]
        assert await conn.secrets.lookup_by_usage(SecretUsageType.CEPH, "client.one") == secret
        assert await conn.secrets.lookup_by_uuid(str(uuid)) == secret
        await secret.undefine()
        told = await seen(events, 3)
    assert told == [
        virloom.SecretLifecycleEvent(secret.ref, SecretLife.DEFINED, 0),
        virloom.SecretValueChangedEvent(secret.ref),
        virloom.SecretLifecycleEvent(secret.ref, SecretLife.UNDEFINED, 0),
    ]


async def test_devices_interfaces_and_filters(libvirtd: Libvirtd) -> None:
    async with virloom.open(libvirtd.uri) as conn:
        devices = await conn.node_devices.list()
        root = await conn.node_devices.lookup_by_name("computer")
        assert root in devices
        assert await root.parent() is None
        assert "system" in await root.list_caps()
        assert "<name>computer</name>" in await root.xml_desc()
        assert await root.is_active()
        with pytest.raises(virloom.NoNodeDevice):
            await conn.node_devices.lookup_by_name("none")
        flt = await conn.nwfilters.define_xml(FILTER.format(name="no-tcp"))
        assert flt in await conn.nwfilters.list()
        assert await conn.nwfilters.lookup_by_uuid(flt.uuid) == flt
        assert "<tcp/>" in await flt.xml_desc()
        assert await conn.nwfilter_bindings.list() == []
        await flt.undefine()
        with pytest.raises(virloom.NoNwfilter):
            await conn.nwfilters.lookup_by_name("no-tcp")
        with pytest.raises(virloom.NoNwfilterBinding):
            await conn.nwfilter_bindings.lookup_by_port_dev("vnet0")
    async with virloom.open(default_uri(libvirtd)) as conn:
        (eth1,) = await conn.interfaces.list()
        assert (eth1.name, eth1.mac) == ("eth1", "aa:bb:cc:dd:ee:ff")
        assert await conn.interfaces.lookup_by_mac(eth1.mac) == eth1
        await conn.interfaces.change_begin()
        await eth1.destroy()
        assert not await eth1.is_active()
        await eth1.create()
        assert await eth1.is_active()
        await conn.interfaces.change_commit()


async def test_the_host_s_own_calls(libvirtd: Libvirtd) -> None:
    async with virloom.open(libvirtd.uri) as conn:
        assert (await conn.node_memory_stats())["total"] > 0
        await conn.set_identity({"unix-user-id": os.getuid(), "user-name": "somebody"})
        with pytest.raises(virloom.NoSupport, match="virDomainQemuAttach"):
            await conn.attach_process(1)
    async with virloom.open(default_uri(libvirtd)) as conn:
        assert await conn.security_model() == SecurityModel("testSecurity", "")
        with pytest.raises(virloom.NoSupport, match="virDomainRestoreParams"):
            await conn.restore_params({"file": "/nowhere"})


def test_the_sync_client(libvirtd: Libvirtd) -> None:
    told: list[object] = []
    enough = threading.Event()

    def callback(event: object) -> None:
        told.append(event)
        if len(told) == 2:
            enough.set()

    with virloom.open_sync(default_uri(libvirtd)) as conn:
        unsubscribe = conn.networks.on_event(callback, virloom.NetworkLifecycleEvent)
        net = conn.networks.create_xml(NETWORK.format(name="blocking"))
        assert net in conn.networks.list()
        net.destroy()
        assert enough.wait(20)
        unsubscribe()
        (pool,) = conn.storage_pools.list()
        assert pool.name == "default-pool"
        assert conn.node_devices.lookup_by_name("computer").xml_desc()
    assert [type(event) for event in told] == [virloom.NetworkLifecycleEvent] * 2
