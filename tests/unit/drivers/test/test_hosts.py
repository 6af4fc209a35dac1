# SPDX-License-Identifier: Apache-2.0
"""Whose the hosts of the test driver are, and what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

import virloom
from virloom.enums.domain import DomainState
from virloom.errors import (
    InvalidArg,
    NoDomain,
    OperationDenied,
    OperationFailed,
    VirloomError,
    XmlDetail,
    XmlError,
)

DEFAULT = "test:///default"
DOMAIN = (
    "<domain type='test'><name>{}</name><memory>65536</memory><os><type>hvm</type></os></domain>"
)
HOST = """
<node xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
  <cpu><mhz>3000</mhz><nodes>1</nodes><sockets>2</sockets><cores>3</cores><active>6</active></cpu>
  <memory>4000000</memory>
  <domain type='test'>
    <name>paused</name><memory>65536</memory><os><type>hvm</type></os>
    <test:runstate>3</test:runstate>
  </domain>
  <domain file='beside.xml'/>
  <network><name>blue</name></network>
</node>
"""


@pytest.fixture
def described(tmp_path: Path) -> str:
    (tmp_path / "beside.xml").write_text(DOMAIN.format("beside"))
    path = tmp_path / "host.xml"
    path.write_text(HOST)
    return f"test://{path}"


async def test_the_default_host() -> None:
    async with await virloom.open(DEFAULT) as conn:
        assert await conn.type() == "TEST"
        assert [dom.name for dom in await conn.list_all_domains()] == ["test"]
        assert [net.name for net in await conn.networks.list()] == ["default"]
        assert [pool.name for pool in await conn.storage_pools.list()] == ["default-pool"]
        assert [interface.name for interface in await conn.interfaces.list()] == ["eth1"]
        assert "computer" in [device.name for device in await conn.node_devices.list()]


async def test_the_default_host_is_one_as_long_as_it_is_open() -> None:
    async with await virloom.open(DEFAULT) as one, await virloom.open(DEFAULT) as other:
        await one.define_xml(DOMAIN.format("seen"))
        assert (await other.lookup_by_name("seen")).name == "seen"
    async with await virloom.open(DEFAULT) as conn:
        with pytest.raises(NoDomain):
            await conn.lookup_by_name("seen")


async def test_a_described_host(described: str) -> None:
    async with await virloom.open(described) as conn:
        assert (await conn.node_info()).mhz == 3000
        paused = await conn.lookup_by_name("paused")
        beside = await conn.lookup_by_name("beside")
        assert (await paused.info()).state is DomainState.PAUSED
        assert (await beside.info()).state is DomainState.RUNNING
        assert [net.name for net in await conn.networks.list()] == ["blue"]


async def test_a_described_host_is_its_opener_s_own(described: str) -> None:
    async with await virloom.open(described) as one, await virloom.open(described) as other:
        await one.define_xml(DOMAIN.format("mine"))
        with pytest.raises(NoDomain):
            await other.lookup_by_name("mine")


async def test_who_may_only_read_changes_nothing() -> None:
    async with await virloom.open(DEFAULT, readonly=True) as conn:
        dom = await conn.lookup_by_name("test")
        with pytest.raises(OperationDenied):
            await dom.destroy()
        assert await dom.is_active()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<node><domain type='test'><name>a", XmlDetail),
        ("<nodes/>", XmlError),
        ("<node><domain file='nowhere.xml'/></node>", XmlError),
        ("<node><cpu><mhz>fast</mhz></cpu></node>", XmlError),
        ("<node><memory>much</memory></node>", XmlError),
        (f"<node>{DOMAIN.format('a')}{DOMAIN.format('a')}</node>", OperationFailed),
    ],
)
async def test_a_host_that_is_badly_described(
    tmp_path: Path, text: str, error: type[VirloomError]
) -> None:
    path = tmp_path / "host.xml"
    path.write_text(text)
    with pytest.raises(error):
        await virloom.open(f"test://{path}")


async def test_a_uri_that_names_no_host() -> None:
    with pytest.raises(InvalidArg, match="names no host"):
        await virloom.open("test:///")
    with pytest.raises(XmlError, match="nowhere"):
        await virloom.open("test:///nowhere/host.xml")
