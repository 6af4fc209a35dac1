# SPDX-License-Identifier: Apache-2.0
"""Encrypted disks: their passphrases come from whoever keeps secrets, and guests write on them."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.conftest import BootGuest
from virloom.client.connection import Connection
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import InternalError, InvalidSecret, NoSecret
from virloom.testing.documents import paused_guest_xml

UUID = "1b3a5c7d-0000-4000-8000-00000000beef"
PASSPHRASE = b"correct horse battery staple"


def image(path: Path, form: str) -> Path:
    """A real image, made by qemu-img."""
    secret = ["--object", f"secret,id=s,data={PASSPHRASE.decode()}"]
    keys = "key-secret=s" if form == "luks" else "encrypt.format=luks,encrypt.key-secret=s"
    # Few rounds of the derivation: this is no secret.
    rounds = "iter-time=100" if form == "luks" else "encrypt.iter-time=100"
    options = [*secret, "-f", form, "-o", f"{keys},{rounds}"]
    command = ["qemu-img", "create", "-q", *options, path, "4M"]
    for _ in range(20):  # it measures how fast it is, which fails now and then in a busy guest
        done = subprocess.run(command, capture_output=True, text=True)
        if "accurate CPU usage" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    return path


def disk(path: Path, form: str, secret: str, *, inside: bool = True) -> str:
    encryption = f"<encryption format='luks'><secret type='passphrase' {secret}/></encryption>"
    source = f"<source file='{path}'>{encryption if inside else ''}</source>"
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/>{source}"
        f"<target dev='vda' bus='virtio'/>{'' if inside else encryption}</disk>"
    )


async def define_secret(conn: Connection, path: Path, *, value: bytes | None = PASSPHRASE) -> None:
    secret = await conn.secrets.define_xml(
        f"<secret private='yes'><uuid>{UUID}</uuid>"
        f"<usage type='volume'><volume>{path}</volume></usage></secret>"
    )
    if value is not None:
        await secret.set_value(value)


@pytest.mark.long  # the passphrase's case boots one too
@pytest.mark.parametrize("form", ["raw", "qcow2"])
async def test_a_guest_writes_on_it(
    conn: Connection, boot: BootGuest, tmp_path: Path, form: str
) -> None:
    path = image(tmp_path / "disk.img", "luks" if form == "raw" else form)
    await define_secret(conn, path)
    names = {"raw": f"uuid='{UUID}'", "qcow2": f"usage='{path}'"}
    device = disk(path, form, names[form], inside=form == "raw")
    guest = await boot("web", extra_devices=device)
    await guest.dialogue.ask("echo plain-text-inside > /dev/vda; sync")
    assert await guest.dialogue.ask("head -n 1 /dev/vda") == "plain-text-inside\n"
    assert "passphrase" in await guest.domain.xml_desc()
    await guest.domain.destroy()
    assert b"plain-text-inside" not in path.read_bytes()
    again = await boot("web", extra_devices=device)
    assert await again.dialogue.ask("head -n 1 /dev/vda") == "plain-text-inside\n"


async def test_the_passphrase_is_nowhere_on_the_disk(
    conn: Connection, boot: BootGuest, tmp_path: Path, root: Path
) -> None:
    path = image(tmp_path / "disk.img", "luks")
    await define_secret(conn, path)
    await boot("web", extra_devices=disk(path, "raw", f"uuid='{UUID}'"))
    places = [each for each in root.rglob("*") if each.is_file() and "secrets" not in each.parts]
    assert not [each for each in places if PASSPHRASE in each.read_bytes()]


async def test_without_a_value_or_a_secret(conn: Connection, tmp_path: Path) -> None:
    path = image(tmp_path / "disk.img", "luks")
    document = paused_guest_xml("web", extra_devices=disk(path, "raw", f"uuid='{UUID}'"))
    with pytest.raises(NoSecret, match=f"no secret with matching uuid '{UUID}'"):
        await conn.create_xml(document)
    await define_secret(conn, path, value=None)
    with pytest.raises(NoSecret, match="does not have a value"):
        await conn.create_xml(document)
    await define_secret(conn, path, value=b"wrong")
    with pytest.raises(InternalError, match="Invalid password"):
        await conn.create_xml(document)
    secret = await conn.secrets.lookup_by_uuid(UUID)
    with pytest.raises(InvalidSecret, match="secret is private"):
        await secret.value()  # of the application itself


async def test_the_state_of_a_tpm(conn: Connection, root: Path) -> None:
    if shutil.which("swtpm") is None:
        pytest.skip("swtpm is not installed")
    secret = await conn.secrets.define_xml(
        f"<secret private='yes'><uuid>{UUID}</uuid>"
        "<usage type='vtpm'><name>t</name></usage></secret>"
    )
    backend = f"<backend type='emulator' version='2.0'><encryption secret='{UUID}'/></backend>"
    device = f"<tpm model='tpm-tis'>{backend}</tpm>"
    document = paused_guest_xml("web", extra_devices=device)
    with pytest.raises(NoSecret, match="does not have a value"):
        await conn.create_xml(document)
    await secret.set_value(PASSPHRASE)
    domain = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    await domain.destroy()


@pytest.mark.parametrize("form", ["raw"])
async def test_one_is_plugged_in_and_taken_out(conn: Connection, tmp_path: Path, form: str) -> None:
    path = image(tmp_path / "disk.img", "luks" if form == "raw" else form)
    usb = "<controller type='usb' model='qemu-xhci'/>"
    dom = await conn.create_xml(
        paused_guest_xml("web", extra_devices=usb), DomainCreateFlags.START_PAUSED
    )
    plugged = disk(path, form, f"uuid='{UUID}'").replace("vda", "sda").replace("virtio", "usb")
    with pytest.raises(NoSecret):
        await dom.devices.attach(plugged, 1)
    await define_secret(conn, path)
    await dom.devices.attach(plugged, 1)
    objects = await dom.monitor_command('{"execute":"qom-list","arguments":{"path":"/objects"}}')
    assert "encryption-secret0" in objects
    for record in tmp_path.glob("**/web.json"):
        assert base64.b64encode(PASSPHRASE).decode() not in record.read_text()
    await dom.devices.detach(plugged, 1)
    objects = await dom.monitor_command('{"execute":"qom-list","arguments":{"path":"/objects"}}')
    assert "encryption-secret0" not in objects
    wrong = await conn.secrets.lookup_by_uuid(UUID)
    await wrong.set_value(b"another")
    with pytest.raises(InternalError):
        await dom.devices.attach(plugged, 1)
    objects = await dom.monitor_command('{"execute":"qom-list","arguments":{"path":"/objects"}}')
    assert "encryption-secret0" not in objects
