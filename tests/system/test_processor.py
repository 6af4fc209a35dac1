# SPDX-License-Identifier: Apache-2.0
"""The processor that a running guest shows: what QEMU gave it, and what another host is asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import virloom
from tests.system.conftest import embedded
from virloom.client.connection import Connection
from virloom.enums.domain import DomainCreateFlags, DomainXMLFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed
from virloom.model.domain import Cpu, Domain
from virloom.testing.documents import paused_guest_xml
from virloom.xml import parse_document

PAUSED = DomainCreateFlags.START_PAUSED


def asking(cpu: str) -> str:
    return paused_guest_xml("web").replace("<devices>", f"{cpu}<devices>", 1)


def processor(document: str) -> Cpu:
    cpu = parse_document(Domain, document).cpu
    assert cpu is not None
    return cpu


def policies(cpu: Cpu) -> dict[str | None, str | None]:
    return {feature.name: feature.policy for feature in cpu.features}


async def test_a_running_guest_shows_what_it_has_got(conn: Connection, root: Path) -> None:
    document = asking(
        "<cpu mode='custom' match='exact' check='partial'><model>Westmere</model>"
        "<feature policy='force' name='vmx'/><feature policy='optional' name='invtsc'/>"
        "<feature policy='optional' name='aes'/></cpu>"
    )
    dom = await conn.define_xml(document)
    await dom.create(PAUSED)
    live = processor(await dom.xml_desc())
    assert (live.match, live.check, live.model.fallback) == ("exact", "full", "forbid")
    assert policies(live) == {
        "vmx": "disable",  # TCG has none
        "invtsc": "disable",
        "aes": "require",
        "hypervisor": "require",
    }
    asked = processor(await dom.xml_desc(DomainXMLFlags.MIGRATABLE))
    assert asked.check == "partial"
    assert policies(asked) == {"vmx": "force", "invtsc": "disable", "aes": "require"}
    defined = processor(await dom.xml_desc(DomainXMLFlags.INACTIVE))
    assert policies(defined) == {"vmx": "force", "invtsc": "optional", "aes": "optional"}


async def test_a_check_of_all_refuses_what_is_more_than_asked(conn: Connection) -> None:
    with pytest.raises(OperationFailed, match=r"extra features: hypervisor$") as refused:
        await conn.create_xml(
            asking("<cpu mode='custom' check='full'><model>Nehalem</model></cpu>"), PAUSED
        )
    assert refused.value.domain == ErrorDomain.CPU
    assert await conn.list_all_domains() == []
    exact = (
        "<cpu mode='custom' check='full'><model>Nehalem</model>"
        "<feature policy='require' name='hypervisor'/></cpu>"
    )
    dom = await conn.create_xml(asking(exact), PAUSED)
    assert policies(processor(await dom.xml_desc())) == {"hypervisor": "require"}


async def test_a_minimum_becomes_all_that_the_host_has(conn: Connection) -> None:
    dom = await conn.create_xml(
        asking("<cpu mode='custom' match='minimum'><model>core2duo</model></cpu>"), PAUSED
    )
    live = processor(await dom.xml_desc())
    # What TCG has at most, as libvirt 9 gives it too.
    assert (live.match, live.model.value, live.vendor) == ("exact", "EPYC", "AMD")
    assert {"hypervisor", "umip"} <= policies(live).keys()


@pytest.mark.parametrize("mode", ["maximum", "host-model"])
async def test_modes_that_the_host_settles(conn: Connection, mode: str) -> None:
    dom = await conn.create_xml(asking(f"<cpu mode='{mode}'/>"), PAUSED)
    live = processor(await dom.xml_desc())
    if mode == "maximum":
        assert (live.mode, live.check, live.features) == ("maximum", "none", [])
    else:
        assert (live.mode, live.check) == ("custom", "full")
        assert live.model.value
        assert await dom.xml_desc(DomainXMLFlags.MIGRATABLE)


async def test_what_was_asked_is_known_after_a_take_over(root: Path) -> None:
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.define_xml(asking("<cpu mode='custom'><model>Nehalem</model></cpu>"))
        await dom.create(PAUSED)
        before = [await dom.xml_desc(flags) for flags in (0, DomainXMLFlags.MIGRATABLE)]
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        after = [await dom.xml_desc(flags) for flags in (0, DomainXMLFlags.MIGRATABLE)]
        await dom.destroy()
    cpu = re.compile(r"<cpu .*?</cpu>", re.DOTALL)
    assert [cpu.findall(text) for text in after] == [cpu.findall(text) for text in before]
    assert cpu.findall(after[0]) != cpu.findall(after[1])
