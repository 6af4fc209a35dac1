# SPDX-License-Identifier: Apache-2.0
"""Pools of iSCSI targets, by what iscsiadm 2.1.8 has said in a guest, and a made-up sysfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.storage_host import Answer, RecordedHost
from virloom.drivers.storage.activation import Activation
from virloom.drivers.storage.backends.iscsi import IscsiBackend
from virloom.drivers.storage.backends.scsi_units import units
from virloom.drivers.storage.chap import Login
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.iscsiadm import Portal, log_in
from virloom.drivers.storage.pools import parse_pool
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, OperationFailed
from virloom.model.storage import Pool
from virloom.model.storage.pool import PoolSource, SourceHost

TARGET = "iqn.2026-11.org.virloom:store"
NONE = Answer(code=21, error="iscsiadm: No active sessions.\n")
SESSION = Answer(f"tcp: [7] 127.0.0.1:3260,1 {TARGET} (non-flash)\n")
DISCOVERED = f"127.0.0.1:3260,1 {TARGET}\n127.0.0.1:3260,1 {TARGET}-locked\n"
IFACES = (
    "default tcp,<empty>,<empty>,<empty>,<empty>\n"
    "mine tcp,<empty>,<empty>,<empty>,iqn.2026-11.org.virloom:me\n"
)
REFUSED = Answer(code=24, error="iSCSI login failed due to authorization failure\n")
NODE = f"iscsiadm --mode node --portal 127.0.0.1:3260,1 --targetname {TARGET}"
RECORD = "node.name = x\nnode.session.auth.password = old\n# END RECORD\n"


def pool(more: str = "") -> Pool:
    return parse_pool(
        "<pool type='iscsi'><name>is</name><source><host name='127.0.0.1'/>"
        f"<device path='{TARGET}'/>{more}</source>"
        "<target><path>/dev/disk/by-path</path></target></pool>"
    )


async def test_a_session(tmp_path: Path) -> None:
    host = RecordedHost(tmp_path, {"iscsiadm --mode session": NONE})
    backend = IscsiBackend(host)
    await backend.start(pool())
    assert host.asked[1:] == [
        f"{NODE} --interface default --op new", f"{NODE} --interface default --login"
    ]  # fmt: skip
    host = RecordedHost(tmp_path, {"iscsiadm --mode session": SESSION})
    await IscsiBackend(host).start(pool())
    assert host.asked == ["iscsiadm --mode session"]
    await IscsiBackend(host).stop(pool())
    assert host.asked[2:] == [f"{NODE} --logout", f"{NODE} --op delete"]


async def test_an_initiator(tmp_path: Path) -> None:
    answers = {"iscsiadm --mode session": NONE, "iscsiadm --mode iface": Answer(IFACES)}
    host = RecordedHost(tmp_path, answers)
    known = "<initiator><iqn name='iqn.2026-11.org.virloom:me'/></initiator>"
    await IscsiBackend(host).start(pool(known))
    assert host.asked[-1] == f"{NODE} --interface mine --login"
    await IscsiBackend(host).start(pool(known.replace(":me", ":new")))
    made = [line for line in host.asked if "libvirt-iface-" in line and "--mode iface" in line]
    assert made[0].endswith("--op new")
    assert made[1].endswith("--name iface.initiatorname --value iqn.2026-11.org.virloom:new")


@pytest.mark.parametrize("place", ["127.0.0.1,3260,1/default", "127.0.0.1,3260,1"])
async def test_a_password_is_on_no_command_line(tmp_path: Path, place: str) -> None:
    record = tmp_path / "etc/iscsi/nodes" / TARGET / place
    record.parent.mkdir(parents=True)
    record.write_text(RECORD)
    host = RecordedHost(tmp_path, {})
    await log_in(host, Portal("127.0.0.1:3260", TARGET), None, Login("joe", b"secret"))
    lines = ["node.name = x", "node.session.auth.password = secret", "# END RECORD"]
    assert record.read_text().splitlines() == lines
    assert record.stat().st_mode & 0o777 == 0o600
    assert not any("secret" in line for line in host.asked)
    other = Portal("127.0.0.1:3260", f"../nodes/{TARGET}")
    with pytest.raises(InternalError, match="cannot be the name"):
        await log_in(host, other, None, Login("joe", b"secret"))
    bad = Login("joe", b"a\nnode.startup = automatic")
    with pytest.raises(InternalError):
        await log_in(host, Portal("127.0.0.1:3260", TARGET), None, bad)
    assert record.read_text().splitlines() == lines


async def test_a_start_that_was_cut_off_is_undone(tmp_path: Path) -> None:
    """Also where it had got no further than to the record with the password."""
    for sessions, undone in ((NONE, ["op delete"]), (SESSION, ["logout", "op delete"])):
        answers = {"iscsiadm --mode session": sessions}
        host = RecordedHost(tmp_path, answers)
        directories = StorageDirectories.system(tmp_path)
        directories.make()
        assert await Activation(directories, host).resume(pool(), "starting", ()) is None
        assert [line.split(" --")[-1] for line in host.asked[-len(undone) :]] == undone


async def test_a_refused_login_leaves_nothing(tmp_path: Path) -> None:
    answers = {"iscsiadm --mode session": NONE, f"{NODE} --interface default --login": REFUSED}
    host = RecordedHost(tmp_path, answers)
    with pytest.raises(InternalError, match="authorization failure"):
        await IscsiBackend(host).start(pool())
    assert host.asked[-1] == f"{NODE} --op delete"


def unit(root: Path, address: str, kind: str, block: str) -> None:
    place = root / "sys/bus/scsi/devices" / address
    (place / "block" / block).mkdir(parents=True)
    (place / "type").write_text(f"{kind}\n")


def test_units_of_a_host(tmp_path: Path) -> None:
    unit(tmp_path, "2:0:0:1", "0", "sda")
    unit(tmp_path, "2:0:1:10", "5", "sr0")
    unit(tmp_path, "2:0:0:0", "12", "none")
    unit(tmp_path, "3:0:0:1", "0", "sdb")
    (tmp_path / "sys/bus/scsi/devices/target2:0:0").mkdir()
    host = RecordedHost(tmp_path, {})
    assert units(host, 2) == [("unit:0:0:1", "sda"), ("unit:0:1:10", "sr0")]


async def test_sources(tmp_path: Path) -> None:
    answers = {
        "iscsiadm --mode discovery": Answer(DISCOVERED), "iscsiadm --mode iface": Answer(IFACES)
    }  # fmt: skip
    backend = IscsiBackend(RecordedHost(tmp_path, answers))
    found = await backend.find_sources(PoolSource(hosts=[SourceHost(name="127.0.0.1")]))
    assert [each.devices[0].path for each in found] == [TARGET, f"{TARGET}-locked"]
    assert {(each.hosts[0].name, each.hosts[0].port) for each in found} == {("127.0.0.1", 3260)}
    with pytest.raises(InvalidArg, match="hostname"):
        await backend.find_sources(None)
    spec = PoolSource(hosts=[SourceHost(name="127.0.0.1")])
    spec.initiator.iqn.name = "iqn.2026-11.org.virloom:other"
    with pytest.raises(OperationFailed, match="no iSCSI interface"):
        await backend.find_sources(spec)


async def test_a_session_that_somebody_ended(tmp_path: Path) -> None:
    """A refresh fails as libvirt's does, with the code of a program that did not work."""
    backend = IscsiBackend(RecordedHost(tmp_path, {"iscsiadm --mode session": NONE}))
    with pytest.raises(InternalError, match="no session") as refused:
        await backend.look(pool())
    assert refused.value.domain == ErrorDomain.NONE
