# SPDX-License-Identifier: Apache-2.0
"""An etcd that speaks TLS alone, knows its hosts by their certificates, and asks for a password."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.system.backing import authority
from tests.system.etcd import Etcd
from virloom.drivers.qemu.locks.etcd import EtcdManager
from virloom.drivers.qemu.locks.etcd_config import EtcdConfig
from virloom.drivers.qemu.locks.etcd_gateway import EtcdError, EtcdGateway, encoded
from virloom.drivers.qemu.locks.interface import Claim, Owner
from virloom.errors import OperationFailed, ResourceBusy
from virloom.testing.documents import paused_guest_xml

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd-server is not installed")

ONE = Owner("11111111-1111-1111-1111-111111111111", "one", 1, 11)
TWO = Owner("22222222-2222-2222-2222-222222222222", "two", 2, 22)
A = Claim("file", "/srv/a")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority(tmp_path_factory.mktemp("certificates") / "pki")


@pytest.fixture(scope="module")
def strict(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """One that wants certificates of its authority."""
    options = (
        "--cert-file", certificates / "server-cert.pem",
        "--key-file", certificates / "server-key.pem",
        "--client-cert-auth", "--trusted-ca-file", certificates / "ca-cert.pem",
    )  # fmt: skip
    etcd = Etcd(tmp_path_factory.mktemp("etcd"), scheme="https", options=options)
    etcd.start()
    yield etcd
    etcd.end()


def settings(etcd: Etcd, certificates: Path, url: str = "") -> dict[str, object]:
    return {
        "endpoints": [url or etcd.url],
        "ca_file": str(certificates / "ca-cert.pem"),
        "cert_file": str(certificates / "client-cert.pem"),
        "key_file": str(certificates / "client-key.pem"),
    }


def configured(**values: object) -> EtcdConfig:
    config = EtcdConfig()
    for name, value in values.items():
        setattr(config, name, value)
    return config


async def test_with_the_right_certificates(strict: Etcd, certificates: Path) -> None:
    config = configured(**settings(strict, certificates))
    here, there = EtcdManager(config), EtcdManager(config)
    await here.ready()
    await here.acquire(ONE, [A])
    with pytest.raises(ResourceBusy, match="by domain 'one'"):
        await there.acquire(TWO, [A])
    await here.release(ONE, [A])
    for manager in (here, there):
        await manager.close()


async def test_with_others(strict: Etcd, certificates: Path, tmp_path: Path) -> None:
    """None at all, one of another authority, a server of another one, and one of another name."""
    right = settings(strict, certificates)
    stranger = authority(tmp_path / "pki")
    theirs = {name: str(stranger / f"client-{name.removesuffix('_file')}.pem")
              for name in ("cert_file", "key_file")}  # fmt: skip
    for wrong, said in (
        ({"cert_file": "", "key_file": ""}, "required|alert|EOF"),
        (theirs, "certificate|alert|EOF"),
        ({"ca_file": str(stranger / "ca-cert.pem")}, "CERTIFICATE_VERIFY_FAILED"),
        ({"ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
        ({"endpoints": [strict.url.replace("127.0.0.1", "[::ffff:127.0.0.1]")]}, "mismatch"),
        ({"endpoints": [strict.url.replace("https", "http")]}, "closed connection|HTTP"),
    ):
        with pytest.raises(OperationFailed, match=said):
            await EtcdManager(configured(**right | wrong)).ready()


async def test_a_root_that_uses_it(strict: Etcd, certificates: Path, tmp_path: Path) -> None:
    """Its settings come from the file."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/qemu.conf").write_text('lock_manager = "etcd"\n')
    lines = [
        f"{name} = {value!r}".replace("'", '"')
        for name, value in settings(strict, certificates).items()
    ]
    (tmp_path / "etc/qemu-etcd.conf").write_text("\n".join([*lines, ""]))
    lease = "<lease><lockspace>s</lockspace><key>k</key><target path='/spaces'/></lease>"
    async with virloom.open(f"qemu:///embed?root={tmp_path}") as conn:
        guest = await conn.create_xml(paused_guest_xml("one", extra_devices=lease), 0)
        other = EtcdManager(configured(**settings(strict, certificates)))
        claim = Claim("lease", "/spaces", lockspace="s", key="k")
        with pytest.raises(ResourceBusy, match="by domain 'one'"):
            await other.acquire(TWO, [claim])
        await guest.destroy()
        await other.acquire(TWO, [claim])
        await other.release(TWO, [claim])
        await other.close()


@pytest.mark.long
async def test_with_a_password(tmp_path: Path) -> None:
    """A token that etcd no longer knows is asked for anew."""
    etcd = Etcd(tmp_path)
    etcd.start()
    try:
        open_to_all = EtcdGateway(etcd.config())
        for path, message in (
            ("auth/user/add", {"name": "root", "password": "secret"}),
            ("auth/user/grant", {"user": "root", "role": "root"}),
            ("auth/user/add", {"name": "host", "password": "word"}),
            ("auth/role/add", {"name": "leases"}),
            ("auth/role/grant", {"name": "leases", "perm": {
                "permType": "READWRITE", "key": encoded("/virloom/leases/"),
                "range_end": encoded("/virloom/leases0")}}),
            ("auth/user/grant", {"user": "host", "role": "leases"}),
            ("auth/enable", {}),
        ):  # fmt: skip
            await open_to_all.call(path, message)
        manager = EtcdManager(configured(endpoints=[etcd.url], user="host", password="word"))
        await manager.ready()
        await manager.acquire(ONE, [A])
        etcd.end()
        etcd.start()  # it has forgotten all tokens
        other = EtcdManager(configured(endpoints=[etcd.url], user="host", password="word"))
        with pytest.raises(ResourceBusy, match="by domain 'one'"):
            await other.acquire(TWO, [A])
        await manager.release(ONE, [A])
        await other.close()
        await manager.close()
        for wrong in ({"password": "x"}, {"user": "nobody"}, {"user": "", "password": ""}):
            right = {"endpoints": [etcd.url], "user": "host", "password": "word"}
            with pytest.raises(EtcdError):
                await EtcdManager(configured(**right | wrong)).ready()
    finally:
        etcd.end()
