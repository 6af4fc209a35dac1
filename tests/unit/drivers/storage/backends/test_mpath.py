# SPDX-License-Identifier: Apache-2.0
"""Devices of several paths, as dmsetup(8) tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Dialogue, Exchange
from virloom.drivers.storage.backends.mpath import MpathBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import NoSupport

POOL = "<pool type='mpath'><name>m</name><target><path>/dev/mapper</path></target></pool>"
LIST = "dmsetup ls --target multipath"


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("No devices found\n", {}),
        ("mpatha\t(253:0)\nmpath b\t(253:1)\n36001405\t(253, 12)\n",
         {"dm-0": "/dev/mapper/mpatha", "dm-12": "/dev/mapper/36001405"}),
    ],
)  # fmt: skip
async def test_what_there_is(tmp_path: Path, printed: str, names: dict[str, str]) -> None:
    (tmp_path / "sys/class/misc/device-mapper").mkdir(parents=True)
    exchanges: list[Exchange] = [(LIST, printed)]
    host = Dialogue(tmp_path, exchanges, dict.fromkeys(names.values(), 1024))
    model = parse_pool(POOL)
    volumes = await MpathBackend(host).look(model)
    assert {name: volume.target.path for name, volume in volumes.items()} == names
    assert model.capacity.value == 1024 * len(names)


async def test_a_kernel_without_device_mapper(tmp_path: Path) -> None:
    assert await MpathBackend(Dialogue(tmp_path)).look(parse_pool(POOL)) == {}


async def test_nothing_of_it_is_deleted(tmp_path: Path) -> None:
    with pytest.raises(NoSupport):
        await MpathBackend(Dialogue(tmp_path)).delete(parse_pool(POOL), 0)
