# SPDX-License-Identifier: Apache-2.0
"""Pools of other hosts' file systems: what mount(8), showmount(8) and gluster(8) are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Answer, RecordedHost
from virloom.drivers.storage.backends.netfs import NetfsBackend
from virloom.drivers.storage.pools import parse_pool
from virloom.errors import ConfigUnsupported, InvalidArg, OperationFailed, OperationInvalid
from virloom.model.storage import Pool
from virloom.model.storage.pool import PoolSource, SourceHost

SAFE = "nodev,nosuid,noexec"
EXPORTS = "/srv/nfs/other 127.0.0.1\n/srv/nfs/pool  10.0.0.0/8,127.0.0.1\n"
#: As gluster 10 has it, shortened.
VOLUMES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><cliOutput><opRet>0</opRet><volInfo>'
    "<volumes><volume><name>images</name><status>1</status></volume><count>1</count></volumes>"
    "</volInfo></cliOutput>"
)


def pool(target: Path, form: str, *, path: str = "/srv", more: str = "", behind: str = "") -> Pool:
    return parse_pool(
        "<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>"
        f"<name>nf</name><source><host name='server'/><dir path='{path}'/>"
        f"<format type='{form}'/>{more}</source><target><path>{target}</path></target>{behind}"
        "</pool>"
    )


def host_of(root: Path, mounts: str = "", **answers: Answer) -> RecordedHost:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/mounts").write_text(mounts)
    return RecordedHost(root, answers)


@pytest.mark.parametrize(
    ("form", "more", "behind", "words"),
    [
        ("nfs", "", "", f"{SAFE} -t nfs -- server:/srv"),
        ("auto", "", "", f"{SAFE} -- server:/srv"),
        ("nfs", "<protocol ver='4.2'/>",
         "<fs:mount_opts><fs:option name='soft'/><fs:option name='ro'/></fs:mount_opts>",
         f"{SAFE},nfsvers=4.2,soft,ro -t nfs -- server:/srv"),
        ("glusterfs", "", "", f"{SAFE},direct-io-mode=1 -t glusterfs -- server:/srv"),
        ("cifs", "", "", f"{SAFE},guest -t cifs -- //server/srv"),
    ],
)  # fmt: skip
async def test_what_mount_is_told(
    tmp_path: Path, form: str, more: str, behind: str, words: str
) -> None:
    host = host_of(tmp_path)
    target = tmp_path / "mnt"
    await NetfsBackend(host).start(pool(target, form, more=more, behind=behind))
    assert host.asked == [f"mount -o {words} {target}"]


async def test_what_is_mounted_is_left(tmp_path: Path) -> None:
    target = tmp_path / "mnt"
    target.mkdir()
    host = host_of(tmp_path, f"server:/srv {target} nfs4 rw 0 0\n")
    model = pool(target, "nfs")
    assert await NetfsBackend(host).is_active(model)
    await NetfsBackend(host).start(model)
    assert host.asked == []
    other = pool(target, "nfs", path="/other")
    assert not await NetfsBackend(host).is_active(other)
    await NetfsBackend(host).stop(other)
    assert host.asked == []


async def test_build_has_no_device(tmp_path: Path) -> None:
    model = pool(tmp_path / "mnt", "nfs")
    with pytest.raises(OperationInvalid, match="No source device"):
        await NetfsBackend(host_of(tmp_path)).build(model, 8)
    assert (tmp_path / "mnt").is_dir()
    with pytest.raises(InvalidArg):
        await NetfsBackend(host_of(tmp_path)).build(model, 2)


async def test_sources(tmp_path: Path) -> None:
    spec = PoolSource(hosts=[SourceHost(name="server")])
    host = host_of(tmp_path, showmount=Answer(EXPORTS), gluster=Answer(VOLUMES))
    found = await NetfsBackend(host).find_sources(spec)
    assert [(each.dir.path, each.format.type) for each in found] == [
        ("/srv/nfs/other", "nfs"), ("/srv/nfs/pool", "nfs"), ("/images", "glusterfs")
    ]  # fmt: skip
    away = Answer(code=1, error="clnt_create: RPC: Unable to receive")
    only = host_of(tmp_path, showmount=away, gluster=Answer(VOLUMES))
    assert len(await NetfsBackend(only).find_sources(spec)) == 1
    none = host_of(tmp_path, showmount=away, gluster=Answer("<no"))
    with pytest.raises(OperationFailed, match="RPC"):
        await NetfsBackend(none).find_sources(spec)
    with pytest.raises(InvalidArg, match="hostname"):
        await NetfsBackend(none).find_sources(None)
    with pytest.raises(ConfigUnsupported, match="exactly 1 host"):
        await NetfsBackend(none).find_sources(PoolSource())
