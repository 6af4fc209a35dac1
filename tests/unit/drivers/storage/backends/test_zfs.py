# SPDX-License-Identifier: Apache-2.0
"""The dialogue with ZFS is that of libvirt 9.0.0, recorded with programs that only answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Dialogue, Exchange
from virloom.drivers.storage.backends.zfs import ZfsBackend
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.volumes import parse_volume
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    OperationInvalid,
    StorageVolExist,
)
from virloom.model.storage import Pool, Volume
from virloom.xml import format_document

NOWHERE = Path("/nowhere")
SIZES = ("zpool get -Hp health,size,free,allocated tank", "tank\thealth\tONLINE\t-\n"
         "tank\tsize\t10737418240\t-\ntank\tfree\t10000000000\t-\ntank\tallocated\t737418240\t-\n"
         )  # fmt: skip
VOLUMES = "zfs list -Hp -t volume -r -o name,volsize,refreservation "


def pool(name: str = "tank") -> Pool:
    devices = "<device path='/dev/loop6'/><device path='/dev/loop7'/>"
    return parse_pool(
        f"<pool type='zfs'><name>z</name><source><name>{name}</name>{devices}</source></pool>"
    )


def backend(*exchanges: Exchange) -> ZfsBackend:
    return ZfsBackend(Dialogue(NOWHERE, exchanges))


async def test_what_there_is() -> None:
    model = pool()
    listed = "tank/one\t10485760\t10485760\ntank/sparse\t20971520\tnone\ntank/sub/three\t4096\t0\n"
    volumes = await backend(SIZES, (VOLUMES + "tank", listed)).look(model)
    shown = format_document(model)
    assert "<capacity unit='bytes'>10737418240</capacity>" in shown
    assert "<allocation unit='bytes'>737418240</allocation>" in shown
    assert "<available unit='bytes'>10000000000</available>" in shown
    assert "<path>/dev/zvol/tank</path>" in shown
    assert {name: volume.allocation.value for name, volume in volumes.items()} == {
        "one": 10485760, "sparse": 0, "three": 0,
    }  # fmt: skip
    assert format_document(volumes["one"]) == (
        "<volume type='block'>\n  <name>one</name>\n  <key>tank/one</key>\n"
        "  <capacity unit='bytes'>10485760</capacity>\n"
        "  <allocation unit='bytes'>10485760</allocation>\n"
        "  <target>\n    <path>/dev/zvol/tank/one</path>\n  </target>\n</volume>\n"
    )
    assert volumes["three"].target.path == "/dev/zvol/tank/sub/three"


@pytest.mark.parametrize(
    ("name", "build", "delete"),
    [
        ("tank", "zpool create tank /dev/loop6 /dev/loop7", "zpool destroy tank"),
        ("tank/sub", "zfs create -o mountpoint=none tank/sub", "zfs destroy -r tank/sub"),
    ],
)
async def test_it_is_built_and_deleted(name: str, build: str, delete: str) -> None:
    zfs = backend((build, ""), (delete, ""))
    await zfs.build(pool(name), 0)
    await zfs.delete(pool(name), 0)
    with pytest.raises(InvalidArg):
        await zfs.build(pool(name), 8)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ("<capacity unit='MiB'>5</capacity>", "-V 5120K"),
        ("<capacity>5000000</capacity><allocation>0</allocation>", "-s -V 4883K"),
        ("<capacity unit='MiB'>5</capacity><allocation unit='MiB'>1</allocation>",
         "-s -o refreservation=1024K -V 5120K"),
    ],
)  # fmt: skip
async def test_a_volume_comes_and_goes(sizes: str, words: str) -> None:
    model = pool()
    zfs = backend((f"zfs create {words} tank/v", ""), ("zfs destroy tank/v", ""))
    document = parse_volume(model, f"<volume><name>v</name>{sizes}</volume>")
    volume = await zfs.make(model, document, metadata=False)
    assert volume.target.path == "/dev/zvol/tank/v"
    await zfs.remove(model, volume, 0)


def test_names_that_lead_elsewhere() -> None:
    model = pool()
    there = StoragePool(model)
    there.volumes["taken"] = Volume(name="taken")
    for name, error in (("a/b", OperationInvalid), ("-r", OperationInvalid),
                        ("a@b", OperationInvalid),
                        ("taken", StorageVolExist)):  # fmt: skip
        text = f"<volume><name>{name}</name><capacity>1</capacity></volume>"
        with pytest.raises(error):
            backend().check_new(there, parse_volume(model, text))
    secret = f"<secret type='passphrase' uuid='{'1' * 32}'/>"
    text = f"<encryption format='luks'>{secret}</encryption>"
    text = f"<volume><name>v</name><capacity>1</capacity><target>{text}</target></volume>"
    with pytest.raises(ConfigUnsupported, match="not encrypted"):
        backend().check_new(there, parse_volume(model, text))


async def test_what_zfs_would_not() -> None:
    refused = ("zpool destroy tank", 1, "cannot open 'tank': no such pool")
    with pytest.raises(InternalError, match="no such pool"):
        await backend(refused).delete(pool(), 0)
    with pytest.raises(InternalError, match="zpool has printed"):
        await backend((SIZES[0], "tank\tsize\todd\t-\n")).look(pool())
    with pytest.raises(InternalError, match="zfs has printed"):
        await backend(SIZES, (VOLUMES + "tank", "tank/one 5\n")).look(pool())
