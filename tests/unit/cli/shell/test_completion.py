# SPDX-License-Identifier: Apache-2.0
"""What may stand in the last word's place, on the host in memory."""

from __future__ import annotations

import pytest

from virloom.cli.shell.completion import candidates
from virloom.cli.shell.session import Session


async def complete(*words: str) -> list[str]:
    session = Session("test:///default")
    try:
        return await candidates(session, words)
    finally:
        await session.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("net-st",), ["net-start"]),
        (("net-start", ""), ["default"]),
        (("net-info", "--"), ["--network"]),
        (("net-update", "default", ""), ["add", "add-first", "add-last", "delete", "modify"]),
        (("net-update", "--section", "dns-"), ["dns-host", "dns-srv", "dns-txt"]),
        (("pool-event", "--event", ""), ["lifecycle", "refresh"]),
        (("event", "--event", "reb"), ["reboot"]),
        (("secret-event", "--event", "v"), ["value-changed"]),
        (("pool-define-as", "p", "i"), ["iscsi", "iscsi-direct"]),
        (("nodedev-list", "--cap", "pci,mdev"), ["pci,mdev", "pci,mdev_types"]),
        (("nodedev-list", "--cap", "pci,pc"), []),
        (("vol-wipe", "v", "--algorithm", "p"), ["pfitzner33", "pfitzner7"]),
        (("vol-info", "--pool", ""), ["default-pool"]),
        (("iface-start", ""), ["eth1"]),
        (("net-define", ""), []),
        (("zork", ""), []),
    ],
)
async def test_candidates(words: tuple[str, ...], expected: list[str]) -> None:
    assert await complete(*words) == expected


async def test_a_host_that_is_not_there_gives_no_error() -> None:
    session = Session("test+unix:///default?socket=/nope")
    assert await candidates(session, ["net-start", ""]) == []
