# SPDX-License-Identifier: Apache-2.0
"""Guests under UEFI: the firmware that the descriptors name, and its variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.client.connection import Connection
from virloom.enums.domain import DomainCreateFlags, DomainUndefineFlagsValues, DomainXMLFlags
from virloom.errors import OperationInvalid
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import tiny_guest_xml


async def test_a_guest_under_uefi(conn: Connection, root: Path) -> None:
    document = tiny_guest_xml("web", memory_mib=256).replace("<os>", "<os firmware='efi'>")
    dom = await conn.define_xml(document)
    defined = await dom.xml_desc()
    await dom.create(DomainCreateFlags.START_PAUSED)
    async with dom.console() as console:
        guest = Dialogue(console)
        await dom.resume()
        await guest.ready()
        assert (await guest.ask("ls -d /sys/firmware/efi")).strip() == "/sys/firmware/efi"
    live = (await dom.model()).os
    assert live.loader.type == "pflash"
    variables = root / "lib" / "qemu" / "nvram" / "web_VARS.fd"
    assert live.nvram.value == str(variables)
    assert await dom.xml_desc(DomainXMLFlags.INACTIVE) == defined
    await dom.destroy()
    with pytest.raises(OperationInvalid, match="nvram"):
        await dom.undefine()
    variables.write_bytes(b"spoilt")
    flags = DomainCreateFlags
    await dom.create(flags.START_PAUSED | flags.START_RESET_NVRAM)
    assert variables.stat().st_size > 6
    await dom.destroy()
    await dom.undefine(DomainUndefineFlagsValues.NVRAM)
    assert not variables.exists()
