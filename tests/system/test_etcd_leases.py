# SPDX-License-Identifier: Apache-2.0
"""Leases of a real etcd: given, refused, kept over the end of who renews them, and lost."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import virloom
from tests.system.etcd import Etcd
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.drivers.qemu.locks.etcd import EtcdManager
from virloom.drivers.qemu.locks.etcd_gateway import EtcdGateway, decoded, encoded
from virloom.drivers.qemu.locks.interface import Claim, Owner
from virloom.enums.domain import DomainState
from virloom.errors import OperationFailed, ResourceBusy
from virloom.testing.documents import paused_guest_xml

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd-server is not installed")

ONE = Owner("11111111-1111-1111-1111-111111111111", "one", 1, 11)
TWO = Owner("22222222-2222-2222-2222-222222222222", "two", 2, 22)
A, B = Claim("file", "/srv/a"), Claim("block", "/dev/b")
SHARED = Claim("file", "/srv/s", shared=True)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def member() -> Iterator[Etcd]:
    directory = Path(tempfile.mkdtemp(prefix="et"))
    etcd = Etcd(directory)
    etcd.start()
    try:
        yield etcd
    finally:
        etcd.end()
        shutil.rmtree(directory)


@pytest.fixture
async def etcd(member: Etcd) -> Etcd:
    """Running, and without a key."""
    everything = {"key": encoded("/virloom/"), "range_end": encoded("/virloom0")}
    await EtcdGateway(member.config()).call("kv/deleterange", everything)
    return member


async def keys(etcd: Etcd) -> dict[str, str]:
    """The keys, without what all begin with, and the lease of each."""
    everything = {"key": encoded("/virloom/"), "range_end": encoded("/virloom0")}
    answer = await EtcdGateway(etcd.config()).call("kv/range", everything)
    return {
        decoded(kv["key"]).removeprefix("/virloom/leases/"): kv["lease"]
        for kv in answer.get("kvs", ())
    }


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


async def test_given_refused_shared_and_taken_back(etcd: Etcd) -> None:
    here, there = EtcdManager(etcd.config()), EtcdManager(etcd.config())
    await here.ready()
    await here.acquire(ONE, [A, B])
    assert set(await keys(etcd)) == {"one/file:/srv/a", "one/file:/dev/b"}
    with pytest.raises(ResourceBusy, match="'/srv/a' is leased by domain 'one' on host"):
        await there.acquire(TWO, [SHARED, A])
    assert len(await keys(etcd)) == 2, "all or none"
    await there.acquire(TWO, [SHARED])
    await here.acquire(ONE, [SHARED])
    with pytest.raises(ResourceBusy, match="'/srv/s' is leased"):
        await here.acquire(ONE, [SHARED._replace(shared=False)])
    await there.release(ONE, [A])  # as one does who has found the guest's record
    await there.release(TWO, [B, SHARED, A])  # which it does not have
    assert set(await keys(etcd)) == {"one/file:/dev/b", f"all/file:/srv/s\n{ONE.uuid}"}
    await here.release(ONE, [A, B, SHARED])
    assert await keys(etcd) == {}
    for manager in (here, there):
        await manager.close()


async def test_kept_by_the_next_one(etcd: Etcd) -> None:
    before, after = EtcdManager(etcd.config()), EtcdManager(etcd.config())
    await before.acquire(ONE, [A, B])
    found = await keys(etcd)
    await before.close()
    await after.adopt(ONE, [A, B])
    assert await keys(etcd) == found
    await after.acquire(ONE, [SHARED])
    assert set((await keys(etcd)).values()) == set(found.values()), "of one lease"
    await after.release(ONE, [A, B, SHARED])
    assert await keys(etcd) == {}
    await before.acquire(TWO, [A])
    with pytest.raises(ResourceBusy):  # it is another's by now
        await after.adopt(ONE, [A])
    await before.release(TWO, [A])
    await after.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Etcd]:
    """One that a test may end."""
    etcd = Etcd(tmp_path)
    etcd.start()
    yield etcd
    etcd.end()


@pytest.mark.long
async def test_renewed_and_lost(alone: Etcd) -> None:
    """Over its time, a short absence of etcd, a long one, and somebody who takes it away."""
    lost: list[str] = []
    manager = EtcdManager(alone.config(ttl=6))
    manager.lost = lost.append
    await manager.acquire(ONE, [A])
    started = time.monotonic()
    await until(lambda: time.monotonic() > started + 7)
    alone.end()
    alone.start()
    await until(lambda: time.monotonic() > started + 11)
    assert (lost, set(await keys(alone))) == ([], {"one/file:/srv/a"})
    (lease,) = (await keys(alone)).values()
    await EtcdGateway(alone.config()).call("lease/revoke", {"ID": lease})
    await until(lambda: lost == [ONE.uuid])
    await manager.acquire(ONE, [A])
    alone.end()
    gone = time.monotonic()
    await until(lambda: lost == [ONE.uuid, ONE.uuid])
    assert time.monotonic() - gone < 6, "before anybody else can have it"
    with pytest.raises(OperationFailed, match="no member of etcd answers"):
        await manager.ready()
    await manager.close()


LEASE = """<lease><lockspace>s</lockspace><key>{key}</key><target path='/spaces'/></lease>"""


async def started(conn: Connection, name: str, key: str, action: str) -> Domain:
    document = paused_guest_xml(name, extra_devices=LEASE.format(key=key))
    action = f"<on_lockfailure>{action}</on_lockfailure>"
    return await conn.create_xml(document.replace("<devices>", f"{action}<devices>", 1), 1)


def configured(root: Path, etcd: Etcd) -> str:
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text('lock_manager = "etcd"\n')
    text = f'endpoints = [ "{etcd.url}" ]\nttl = 10\n'
    (root / "etc/qemu-etcd.conf").write_text(text)
    return f"qemu:///embed?root={root}"


async def test_guests_of_two_roots(etcd: Etcd, tmp_path: Path) -> None:
    uris = [configured(tmp_path / name, etcd) for name in ("here", "there")]
    async with virloom.open(uris[0]) as here, virloom.open(uris[1]) as there:
        one = await started(here, "one", "k", "pause")
        two = await started(there, "two", "k", "poweroff")
        assert await keys(etcd) == {}
        await one.resume()
        (lease,) = (await keys(etcd)).values()
        with pytest.raises(ResourceBusy, match="is leased by domain 'one'"):
            await two.resume()
        await EtcdGateway(etcd.config()).call("lease/revoke", {"ID": lease})
        await _becomes(one, DomainState.PAUSED)
        await two.resume()
        (lease,) = (await keys(etcd)).values()
        await EtcdGateway(etcd.config()).call("lease/revoke", {"ID": lease})
        await _ends(there)
        await one.resume()
    async with virloom.open(uris[0]) as here:  # another owner of the root
        found = await keys(etcd)
        assert set(found) == {"one/lease:s/k"}
        await (await here.lookup_by_name("one")).destroy()
        assert await keys(etcd) == {}


async def _becomes(dom: Domain, state: DomainState) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await dom.state())[0] != state:
            await asyncio.sleep(0.05)


async def _ends(conn: Connection) -> None:
    async with asyncio.timeout(PATIENCE):
        while await conn.list_all_domains(1):
            await asyncio.sleep(0.05)


OWNER = Path(__file__).parents[1] / "fakes" / "owner.py"

#: Where an owner is killed: whether the guest runs then, and so has its leases still.
KILLED_AT = {
    "spawned": False,
    "leases-noted": False,
    "leases-given": False,
    "started": False,
    "running": True,
    "terminated": False,
    "record-removed": False,
    "leases-returned": False,
}


@pytest.mark.long
@pytest.mark.parametrize("step", KILLED_AT)
async def test_the_owner_is_killed(etcd: Etcd, tmp_path: Path, step: str) -> None:
    """A guest that runs has its lease; the next owner gives back what those had that do not."""
    root, path = tmp_path / "root", tmp_path / "run.xml"
    uri = configured(root, etcd)
    path.write_text(paused_guest_xml("web", machine="microvm", extra_devices=LEASE.format(key="k")))
    command = [sys.executable, str(OWNER), str(root), step, str(path)]
    assert (await asyncio.to_thread(subprocess.run, command, check=False)).returncode == -9
    async with virloom.open(uri) as conn:
        active = await conn.list_all_domains(1)
        assert len(active) == len(await keys(etcd)) == KILLED_AT[step]
        for guest in active:
            await guest.destroy()
        assert await keys(etcd) == {}


@pytest.mark.long
async def test_another_has_it_when_the_owner_comes_back(etcd: Etcd, tmp_path: Path) -> None:
    """A guest whose lease ran out while nobody renewed it is powered off: another one writes."""
    root, path = tmp_path / "root", tmp_path / "run.xml"
    uri = configured(root, etcd)
    path.write_text(paused_guest_xml("web", machine="microvm", extra_devices=LEASE.format(key="k")))
    command = [sys.executable, str(OWNER), str(root), "running", str(path)]
    assert (await asyncio.to_thread(subprocess.run, command, check=False)).returncode == -9
    (lease,) = (await keys(etcd)).values()
    await EtcdGateway(etcd.config()).call("lease/revoke", {"ID": lease})
    document = paused_guest_xml("other", machine="microvm", extra_devices=LEASE.format(key="k"))
    async with virloom.open(configured(tmp_path / "second", etcd)) as there:
        other = await there.create_xml(document)
        async with virloom.open(uri) as here:
            await _ends(here)
        assert len(await keys(etcd)) == 1
        await other.destroy()
