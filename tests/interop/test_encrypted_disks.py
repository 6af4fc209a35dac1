# SPDX-License-Identifier: Apache-2.0
"""A guest of virtqemud with an encrypted disk, whose passphrase virtsecretd gives to no client."""

from __future__ import annotations

import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import Virtqemud, Virtsecretd
from tests.interop.reference import Libvirtd, needs_libvirtd
from tests.system.test_boot_encrypted import PASSPHRASE, UUID, disk, image
from virloom.daemon.token import SystemToken
from virloom.endpoint.remote import RemoteEndpoint
from virloom.errors import VirloomError
from virloom.procedures import connect as c
from virloom.procedures import secret as p
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import TypedParam
from virloom.testing.documents import paused_guest_xml
from virloom.transport.unix import connect_unix


class Everything(Virtqemud):
    """Both in one."""

    name, sockets = "libvirtd", "libvirt"


@pytest.fixture(params=["two daemons", "libvirtd"])
def guests(request: pytest.FixtureRequest) -> Iterator[Virtqemud]:
    """Who runs guests; who keeps secrets is there as well."""
    if shutil.which("virsh") is None:
        pytest.skip("virsh is not installed")
    root = Path(tempfile.mkdtemp(prefix="ve"))
    root.chmod(0o755)
    (root / "etc/libvirt").mkdir(parents=True)
    (root / "key").write_bytes(bytes(range(32)))
    (root / "etc/libvirt/secret.conf").write_text(f'secrets_encryption_key = "{root}/key"\n')
    both = request.param == "libvirtd"
    daemons = [Everything(root)] if both else [Virtsecretd(root), Virtqemud(root)]
    for daemon in daemons:
        daemon.start()
    try:
        yield daemons[-1]
    finally:
        for daemon in daemons[::-1]:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


def define(guests: Virtqemud) -> Path:
    """The image, its secret with a value, and its guest."""
    root = guests.root
    path = image(root / "disk.img", "qcow2")
    (root / "secret.xml").write_text(
        f"<secret private='yes'><uuid>{UUID}</uuid>"
        f"<usage type='volume'><volume>{path}</volume></usage></secret>"
    )
    guests.virsh("secret-define", str(root / "secret.xml"))
    (root / "value").write_bytes(PASSPHRASE)
    guests.virsh("secret-set-value", UUID, "--file", str(root / "value"), "--plain")
    document = paused_guest_xml("web", extra_devices=disk(path, "qcow2", f"uuid='{UUID}'"))
    (root / "guest.xml").write_text(document)
    return path


def test_it_starts_and_the_passphrase_stays_private(guests: Virtqemud) -> None:
    define(guests)
    root = guests.root
    stored = (root / f"etc/libvirt/secrets/{UUID}.aes256gcm").read_bytes()
    assert len(stored) > len(PASSPHRASE)
    refused = guests.try_virsh("secret-get-value", UUID)
    assert "secret is private" in refused.stderr
    guests.virsh("create", str(root / "guest.xml"), "--paused")
    nodes = guests.virsh("qemu-monitor-command", "web", '{"execute":"query-named-block-nodes"}')
    assert '"encrypted":true' in nodes.replace(" ", "")
    guests.virsh("destroy", "web")


async def test_the_token_opens_it_and_nothing_else(guests: Virtqemud) -> None:
    define(guests)
    run = guests.root / "run/libvirt"
    guests.virsh("create", str(guests.root / "guest.xml"), "--paused")
    guests.virsh("destroy", "web")
    token = SystemToken(run).value()
    direct, uri = run / "virtsecretd-sock", "secret:///system"
    if not direct.exists():
        direct, uri = guests.socket(), "qemu:///system"
    assert await _value_with(direct, uri, token) == PASSPHRASE.decode()
    assert await _value_with(direct, uri, "0" * 32) == "secret is private"
    if guests.name == "virtqemud":  # a relay hands no token on
        assert await _value_with(guests.socket(), "qemu:///system", token) == "secret is private"


@pytest.mark.parity
async def test_libvirt_believes_the_same_token(libvirtd: Libvirtd) -> None:
    """The name, the form and the place of the token are libvirt's."""
    async with virloom.open(libvirtd.uri) as conn:
        document = f"<secret ephemeral='yes' private='yes'><uuid>{UUID}</uuid></secret>"
        secret = await conn.secrets.define_xml(document)
        await secret.set_value(PASSPHRASE)
        run = Path("/proc", str(libvirtd.process.pid), "root") / "run/libvirt"
        token = SystemToken(run).value()  # theirs: it has been made by now
        uri = "qemu:///system"
        assert await _value_with(libvirtd.socket, uri, token) == PASSPHRASE.decode()
        assert "secret is private" in await _value_with(libvirtd.socket, uri, "0" * 32)
        await secret.undefine()


async def _value_with(socket: Path, uri: str, token: str) -> str:
    """The value, or the refusal, for who states a token as libvirt's daemons do."""
    endpoint = RemoteEndpoint(await connect_unix(str(socket)))
    try:
        await endpoint.start()
        await endpoint.open(uri)
        stated = [TypedParam("system.token", TypedParamValue(7, token))]
        await endpoint.call(c.CONNECT_SET_IDENTITY, c.ConnectSetIdentityArgs(stated, 0))
        found = await endpoint.call(
            p.SECRET_LOOKUP_BY_UUID, p.SecretLookupByUUIDArgs(uuid.UUID(UUID).bytes)
        )
        args = p.SecretGetValueArgs(found.secret, 0)
        return (await endpoint.call(p.SECRET_GET_VALUE, args)).value.decode()
    except VirloomError as exc:
        return exc.detail
    finally:
        await endpoint.close()


test_libvirt_believes_the_same_token.pytestmark = [  # type: ignore[attr-defined]
    *needs_libvirtd,
    pytest.mark.parity,
]
