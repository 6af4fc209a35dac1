# SPDX-License-Identifier: Apache-2.0
"""Pools of LVM's groups, by what LVM 2.03 has said in a guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Answer, RecordedHost
from virloom.drivers.storage.activation import Activation
from virloom.drivers.storage.backends.logical import LogicalBackend
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.logical_volumes import (
    describe,
    is_abandoned,
    is_being_made,
    is_whole,
    making_tag,
    wanted,
)
from virloom.drivers.storage.lvm import check_name, groups, logical_volumes, sizes
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.volumes import in_bytes, parse_volume
from virloom.enums.storage import StoragePoolBuildFlags as Flags
from virloom.enums.storage import StorageVolWipeAlgorithm as Algorithm
from virloom.errors import (
    ArgumentUnsupported,
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    NoSupport,
    StoragePoolBuilt,
    SystemFailure,
)
from virloom.model.storage import Pool, Volume

LVS = """{"report": [{"lv": [
 {"lv_name":"plain", "lv_uuid":"Hqtzq5", "lv_attr":"owi-a-s---", "origin":"",
  "lv_size":"12582912", "lv_tags":"", "devices":"/dev/vda(0)", "seg_size":"8388608",
  "vg_extent_size":"4194304"},
 {"lv_name":"plain", "lv_uuid":"Hqtzq5", "lv_attr":"owi-a-s---", "origin":"",
  "lv_size":"12582912", "lv_tags":"", "devices":"/dev/vdb(7)", "seg_size":"4194304",
  "vg_extent_size":"4194304"},
 {"lv_name":"sparse", "lv_uuid":"1vRlS0", "lv_attr":"swi-a-s---", "origin":"[sparse_vorigin]",
  "lv_size":"4194304", "lv_tags":"", "devices":"/dev/vda(3)", "seg_size":"4194304",
  "vg_extent_size":"4194304"},
 {"lv_name":"full", "lv_uuid":"tYiQR4", "lv_attr":"swi-I-s---", "origin":"plain",
  "lv_size":"12582912", "lv_tags":"", "devices":"/dev/vda(4)", "seg_size":"12582912",
  "vg_extent_size":"4194304"}]}]}"""
THIN = """{"report": [{"lv": [
 {"lv_name":"pool", "lv_uuid":"a", "lv_attr":"twi-aotz--", "origin":"", "lv_size":"12582912",
  "data_percent":"8.33", "lv_tags":"", "devices":"pool_tdata(0)", "seg_size":"12582912",
  "vg_extent_size":"4194304"},
 {"lv_name":"thin", "lv_uuid":"b", "lv_attr":"Vwi-a-tz--", "origin":"", "lv_size":"67108864",
  "data_percent":"12.50", "lv_tags":"", "devices":"", "seg_size":"67108864",
  "vg_extent_size":"4194304"}]}]}"""
VGS = '{"report": [{"vg": [{"vg_size":"415236096", "vg_free":"377487360"}]}]}'
PVS = """{"report": [{"pv": [
 {"pv_name":"/dev/vda", "vg_name":"vrl"}, {"pv_name":"/dev/vdc", "vg_name":""},
 {"pv_name":"/dev/vdb", "vg_name":"vrl"}]}]}"""
NO_PVS = '{"report": [{"pv": []}]}'
ANSWERS = {"lvs": Answer(LVS), "vgs": Answer(VGS), "pvs": Answer(PVS), "blkid": Answer(code=2)}


def pool(*devices: str) -> Pool:
    parts = "".join(f"<device path='{device}'/>" for device in devices)
    return parse_pool(
        f"<pool type='logical'><name>lg</name><source>{parts}<name>vrl</name></source></pool>"
    )


async def test_reports(tmp_path: Path) -> None:
    host = RecordedHost(tmp_path, ANSWERS)
    assert [(each.name, each.devices) for each in await groups(host)] == [
        ("vrl", ["/dev/vda", "/dev/vdb"]), ("", ["/dev/vdc"])
    ]  # fmt: skip
    assert await sizes(host, "vrl") == (415236096, 377487360)
    plain, sparse, full = await logical_volumes(host, "vrl")
    assert [(each.places, each.size) for each in plain.segments] == [
        ([("/dev/vda", 0)], 8388608), ([("/dev/vdb", 7 * 4194304)], 4194304)
    ]  # fmt: skip
    assert (sparse.origin, sparse.size) == ("[sparse_vorigin]", 4194304)
    assert full.attributes[4] == "I"
    with pytest.raises(InternalError, match="not understood"):
        await groups(RecordedHost(tmp_path, {"pvs": Answer("WARNING: nothing")}))


async def test_build(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    device = tmp_path / "dev" / "vda"
    device.write_bytes(b"x" * 8192)
    host = RecordedHost(tmp_path, ANSWERS)
    await LogicalBackend(host).build(pool("/dev/vda"), 0)
    assert host.asked[-1] == "vgcreate --yes vrl /dev/vda"
    assert device.read_bytes() == bytes(4096) + b"x" * 4096
    with pytest.raises(InvalidArg):
        await LogicalBackend(host).build(pool("/dev/vda"), Flags.OVERWRITE | Flags.NO_OVERWRITE)


async def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    device = tmp_path / "dev" / "vda"
    device.write_bytes(b"x" * 8192)
    member = RecordedHost(tmp_path, ANSWERS | {"blkid": Answer("TYPE=LVM2_member\n")})
    with pytest.raises(StoragePoolBuilt):
        await LogicalBackend(member).build(pool("/dev/vda"), 0)
    with pytest.raises(SystemFailure, match="/dev/vdx"):
        await LogicalBackend(member).build(pool("/dev/vda", "/dev/vdx"), Flags.OVERWRITE)
    assert device.read_bytes() == b"x" * 8192
    assert not any(line.startswith("vgcreate") for line in member.asked)


async def test_start_and_stop(tmp_path: Path) -> None:
    host = RecordedHost(tmp_path, ANSWERS)
    backend = LogicalBackend(host)
    await backend.start(pool("/dev/vdb"))
    await backend.stop(pool())
    assert [line for line in host.asked if "vgchange" in line] == [
        "vgchange -aly vrl", "vgchange -aln vrl"
    ]  # fmt: skip
    with pytest.raises(ConfigUnsupported, match="matching source devices"):
        await backend.start(pool("/dev/vdd"))
    none = RecordedHost(tmp_path, {"pvs": Answer(NO_PVS)})
    with pytest.raises(ConfigUnsupported, match="'vrl'"):
        await LogicalBackend(none).start(pool("/dev/vdb"))
    await LogicalBackend(none).stop(pool())
    assert not any("vgchange" in line for line in none.asked)


async def test_a_delete_is_taken_up_again(tmp_path: Path) -> None:
    host = RecordedHost(tmp_path, ANSWERS)
    await LogicalBackend(host).delete(pool("/dev/vda"), 0)
    assert host.asked[-2:] == ["vgremove -f vrl", "pvremove --yes /dev/vda"]
    loose = Answer(PVS.replace("vrl", ""))
    host = RecordedHost(tmp_path, {"pvs": loose})
    await LogicalBackend(host).delete(pool("/dev/vda"), 0)
    assert host.asked[1:] == ["pvremove --yes /dev/vda"]


async def test_sources(tmp_path: Path) -> None:
    (found,) = await LogicalBackend(RecordedHost(tmp_path, ANSWERS)).find_sources(None)
    assert (found.name, found.format.type) == ("vrl", "lvm2")
    assert [device.path for device in found.devices] == ["/dev/vda", "/dev/vdb"]


async def test_a_start_that_was_cut_off_is_undone(tmp_path: Path) -> None:
    host = RecordedHost(tmp_path, ANSWERS)
    directories = StorageDirectories.system(tmp_path)
    directories.make()
    assert await Activation(directories, host).resume(pool(), "starting", ()) is None
    assert host.asked[-1] == "vgchange -aln vrl"


@pytest.mark.parametrize("name", ["", "-x", "a b", "../x", ".", "a" * 128, "x\n", "--config"])
def test_names_that_lvm_does_not_give(name: str) -> None:
    with pytest.raises(InternalError):
        check_name(name, "logical volume")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ("", "-L 10240K vrl"),
        ("<allocation unit='MiB'>4</allocation>",
         "-L 4096K --type snapshot --virtualsize 10240K vrl"),
        ("<allocation>0</allocation>", "-L 1K --type snapshot --virtualsize 10240K vrl"),
        ("<backingStore><path>/dev/vrl/o</path></backingStore>", "-L 10240K -s -- /dev/vrl/o"),
        ("<allocation unit='MiB'>4</allocation><backingStore><path>/dev/vrl/o</path>"
         "</backingStore>", "-L 4096K -s -- /dev/vrl/o"),
        ("<target><encryption format='luks'><secret type='passphrase' usage='x'/></encryption>"
         "</target>", "-L 12288K vrl"),
    ],
)  # fmt: skip
def test_what_lvcreate_is_told(parts: str, words: str) -> None:
    text = f"<volume><name>v</name><capacity unit='MiB'>10</capacity>{parts}</volume>"
    assert wanted(parse_volume(pool(), text), "vrl") == ["--name", "v", *words.split()]


def test_a_copy_has_room() -> None:
    model = parse_volume(pool(), "<volume><name>v</name><capacity>4096</capacity></volume>")
    model.allocation = in_bytes(0)
    assert wanted(model, "vrl", copied=True) == ["--name", "v", "-L", "4K", "vrl"]


def of(tags: str) -> str:
    """The report, with one volume that has tags."""
    return LVS.replace('"lv_tags":""', f'"lv_tags":"{tags}"', 1)


async def test_unfinished_volumes(tmp_path: Path) -> None:
    host = RecordedHost(tmp_path, ANSWERS | {"lvs": Answer(of(f"mine,{making_tag()}"))})
    (found, *_) = await logical_volumes(host, "vrl")
    assert is_being_made(found)
    assert not is_abandoned(found)
    dead = making_tag().replace(".making.", ".making.9")
    for tag in (dead, "virloom.making.x"):
        host = RecordedHost(tmp_path, ANSWERS | {"lvs": Answer(of(tag))})
        (found, *_) = await logical_volumes(host, "vrl")
        assert is_abandoned(found)
        await LogicalBackend(host).look(pool())
        assert "lvremove -f vrl/plain" in host.asked


async def test_thin_volumes_occupy_less_than_they_hold(tmp_path: Path) -> None:
    holder, thin = await logical_volumes(RecordedHost(tmp_path, {"lvs": Answer(THIN)}), "vrl")
    assert (is_whole(holder), is_whole(thin)) == (False, True)
    volume = Volume(capacity=in_bytes(64 << 20))
    describe(volume, pool(), thin)
    assert volume.allocation.value == 8 << 20
    assert volume.source.devices == [], "they are on no device"
    backend = LogicalBackend(RecordedHost(tmp_path, {}))
    with pytest.raises(NoSupport, match="sparse"):
        backend.check_wipe(volume, Algorithm.ZERO)
    volume.allocation = volume.capacity
    backend.check_wipe(volume, Algorithm.ZERO)
    with pytest.raises(ArgumentUnsupported):
        backend.check_wipe(volume, Algorithm.TRIM)


def test_a_volume_has_a_size(tmp_path: Path) -> None:
    model = parse_volume(pool(), "<volume><name>v</name><capacity>0</capacity></volume>")
    with pytest.raises(NoSupport, match="capacity"):
        LogicalBackend(RecordedHost(tmp_path, {})).check_new(StoragePool(pool()), model)


async def test_what_was_there_before_is_not_undone(tmp_path: Path) -> None:
    refused = Answer(code=5, error='Logical Volume "plain" already exists\n')
    model = parse_volume(pool(), "<volume><name>plain</name><capacity>4096</capacity></volume>")
    host = RecordedHost(tmp_path, ANSWERS | {"lvcreate": refused})
    with pytest.raises(InternalError, match="already exists"):
        await LogicalBackend(host).make(pool(), model, metadata=False)
    assert not any("lvremove" in line for line in host.asked)
    half = Answer(of(making_tag()))
    host = RecordedHost(tmp_path, ANSWERS | {"lvcreate": refused, "lvs": half})
    with pytest.raises(InternalError, match="already exists"):
        await LogicalBackend(host).make(pool(), model, metadata=False)
    assert host.asked[-1] == "lvremove -f vrl/plain"
