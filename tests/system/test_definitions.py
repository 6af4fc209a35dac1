# SPDX-License-Identifier: Apache-2.0
"""Definitions are written beside everything else, and never lose or overtake one another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from virloom.client.connection import Connection
from virloom.enums.domain import DomainMetadataType, DomainModificationImpact
from virloom.errors import NoDomain, OperationFailed, OperationInvalid, SystemFailure
from virloom.testing.documents import paused_guest_xml

CONFIG = DomainModificationImpact.CONFIG


def described(text: str, words: str) -> str:
    return text.replace("<name>", f"<description>{words}</description><name>", 1)


async def description(conn: Connection, name: str) -> str:
    dom = await conn.lookup_by_name(name)
    return await dom.metadata(DomainMetadataType.DESCRIPTION, None, CONFIG)


async def outcomes(*calls: Any) -> list[BaseException | None]:
    found = await asyncio.gather(*calls, return_exceptions=True)
    return [result if isinstance(result, BaseException) else None for result in found]


async def test_of_two_definitions_of_one_name_one_wins(conn: Connection) -> None:
    texts = [described(paused_guest_xml("web"), str(n)) for n in range(4)]  # UUIDs are made up
    found = await outcomes(*map(conn.define_xml, texts))
    assert found.count(None) == 1
    assert all(isinstance(error, OperationFailed) for error in found if error is not None)
    assert await description(conn, "web") == str(found.index(None))


async def test_the_last_definition_stays(conn: Connection, root: Path) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    text = await dom.xml_desc()
    assert await outcomes(*(conn.define_xml(described(text, str(n))) for n in range(8))) == (
        [None] * 8
    )
    assert await description(conn, "web") == "7"
    [file] = root.glob("**/qemu/web.xml")
    assert "<description>7<" in file.read_text()


async def test_changes_at_once_are_all_kept(conn: Connection) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    kind = DomainMetadataType.ELEMENT
    await asyncio.gather(
        *(dom.set_metadata(kind, f"<a{n}/>", f"p{n}", f"urn:{n}", CONFIG) for n in range(8)),
        dom.memory.set(8 << 10, CONFIG),
        dom.set_autostart(True),
    )
    assert [await dom.metadata(kind, f"urn:{n}", CONFIG) for n in range(8)] == (
        [f"<a{n}/>" for n in range(8)]
    )
    assert "<currentMemory unit='KiB'>8192<" in await dom.xml_desc()
    assert await dom.autostart()


async def test_a_name_is_kept_for_who_renames(conn: Connection) -> None:
    dom = await conn.define_xml(paused_guest_xml("old"))
    renamed, defined = await outcomes(dom.rename("new"), conn.define_xml(paused_guest_xml("new")))
    assert (renamed is None) != (defined is None)
    names = {one.name for one in await conn.list_all_domains()}
    assert names == ({"new"} if renamed is None else {"old", "new"})


async def test_define_and_undefine_in_turns(conn: Connection, root: Path) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    text = await dom.xml_desc()
    calls = [call for _ in range(4) for call in (dom.undefine(), conn.define_xml(text))]
    found = await outcomes(*calls)
    assert found[1::2] == [None] * 4  # definitions
    assert all(
        error is None or isinstance(error, (NoDomain, OperationInvalid)) for error in found[::2]
    )
    there = [one.name for one in await conn.list_all_domains()]
    assert there == [path.stem for path in root.glob("**/qemu/web.xml")]


async def test_a_disk_that_fails_leaves_the_former_document(conn: Connection, root: Path) -> None:
    dom = await conn.define_xml(paused_guest_xml("web"))
    text = await dom.xml_desc()
    [file] = root.glob("**/qemu/web.xml")
    away = file.parent.rename(file.parent.with_name("away"))
    calls = [conn.define_xml(described(text, "lost")), conn.define_xml(paused_guest_xml("db"))]
    assert [type(error) for error in await outcomes(*calls)] == [SystemFailure] * 2
    away.rename(file.parent)
    assert await dom.xml_desc() == text
    assert [one.name for one in await conn.list_all_domains()] == ["web"]
    await conn.define_xml(paused_guest_xml("db"))  # the name is free again
