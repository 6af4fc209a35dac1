# SPDX-License-Identifier: Apache-2.0
"""The family behind its relays: virsh and our client through virtproxyd and through virtqemud."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import STEP, Virtproxyd, Virtqemud, Virtsecretd
from virloom.client.connection import Connection
from virloom.client.domain.events import LifecycleEvent
from virloom.client.secret import SecretLifecycleEvent
from virloom.errors import InternalError, NoSupport, VirloomError
from virloom.testing.documents import paused_guest_xml

_SECRET = "<secret><usage type='ceph'><name>{}</name></usage></secret>"


class Family:
    """The three daemons over one root."""

    def __init__(self, virtqemud: Virtqemud, tcp: int, tls: int, certificates: Path) -> None:
        self.tcp = f"qemu+tcp://127.0.0.1:{tcp}/system"
        self.tls = f"qemu+tls://127.0.0.1:{tls}/system?pkipath={certificates}"
        self.root = virtqemud.root
        self.qemu = virtqemud
        self.secret = Virtsecretd(self.root)
        self.proxy = Virtproxyd(self.root)

    def write(self, name: str, text: str) -> str:
        path = self.root / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def family(virtqemud: Virtqemud, tmp_path: Path) -> Iterator[Family]:
    tcp, tls = _free_port(), _free_port()
    made = Family(virtqemud, tcp, tls, tmp_path)
    settings = made.root / "etc/libvirt"
    settings.mkdir(parents=True, exist_ok=True)
    _certificates(tmp_path)
    (settings / "virtproxyd.conf").write_text(
        f'listen_tcp = 1\nauth_tcp = "none"\ntcp_port = "{tcp}"\ntls_port = "{tls}"\n'
        f'listen_addr = "127.0.0.1"\nca_file = "{tmp_path}/cacert.pem"\n'
        f'cert_file = "{tmp_path}/servercert.pem"\nkey_file = "{tmp_path}/serverkey.pem"\n'
        'tls_allowed_dn_list = ["C=DE,O=Virloom,CN=cli*"]\n'
    )
    started = []
    try:
        for daemon, options in ((made.secret, ()), (made.proxy, ("--listen",))):
            daemon.start(*options)
            started.append(daemon)
        yield made
    finally:
        for daemon in reversed(started):
            if daemon.process is not None:
                assert daemon.signal(signal.SIGTERM) == 0, daemon.log()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _certificates(place: Path) -> None:
    """An authority, and the certificates of a server and of two clients."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "cakey.pem", "-out", "cacert.pem", "-days", "2",
            "-subj", "/CN=authority")  # fmt: skip
    (place / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for who in ("server", "client", "other"):
        openssl("req", *key, "-keyout", f"{who}key.pem", "-out", f"{who}.csr",
                "-subj", f"/C=DE/O=Virloom/CN={who}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "cacert.pem", "-CAkey", "cakey.pem",
                "-CAcreateserial", "-days", "2", "-out", f"{who}cert.pem",
                "-extfile", "names")  # fmt: skip
    stranger = place / "stranger"
    stranger.mkdir()
    for name, source in (
        ("cacert.pem", "cacert.pem"),
        ("clientcert.pem", "othercert.pem"),
        ("clientkey.pem", "otherkey.pem"),
    ):
        (stranger / name).write_bytes((place / source).read_bytes())


def _virsh(uri: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["virsh", "-c", uri, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=STEP, check=False)


@pytest.mark.parametrize("way", ["virtqemud", "proxy", "tcp", "tls"])
def test_domains_and_secrets_on_one_connection_of_virsh(family: Family, way: str) -> None:
    uri = {
        "virtqemud": family.qemu.uri(),
        "proxy": family.proxy.uri(),
        "tcp": family.tcp,
        "tls": family.tls,
    }[way]
    guest = family.write("guest.xml", paused_guest_xml("web"))
    secret = family.write("secret.xml", _SECRET.format(way))
    steps = f"define {guest}; start web --paused; secret-define {secret}; secret-list; domstate web"
    done = _virsh(uri, steps)
    assert done.returncode == 0, done.stderr
    assert f"ceph {way}" in done.stdout
    assert "paused" in done.stdout
    assert _virsh(uri, "secret-list").stdout == _virsh(family.qemu.uri(), "secret-list").stdout
    missing = _virsh(uri, "net-list")
    assert missing.returncode == 1
    assert "this function is not supported by the connection driver" in missing.stderr
    assert _virsh(uri, "destroy web; undefine web").returncode == 0


def test_a_certificate_of_somebody_else_does_not_come_in(family: Family, tmp_path: Path) -> None:
    uri: str = family.tls
    refused = _virsh(uri.replace(str(tmp_path), f"{tmp_path}/stranger"), "uri")
    assert refused.returncode == 1
    latest = time.monotonic() + 5
    while "CN=other' is not allowed" not in family.proxy.log():  # it is told, and then cut off
        assert time.monotonic() < latest, family.proxy.log()
        time.sleep(0.01)
    assert _virsh(uri, "uri").returncode == 0


def test_read_only_stays_read_only(family: Family) -> None:
    assert family.proxy.virsh("secret-list", readonly=True)
    secret = family.write("secret.xml", _SECRET.format("x"))
    refused = family.proxy.try_virsh("secret-define", secret, readonly=True)
    assert "read only access prevents virSecretDefineXML" in refused.stderr
    refused = family.proxy.try_virsh("destroy", "web", readonly=True)
    assert "read only" in refused.stderr or "failed to get domain" in refused.stderr


def test_events_streams_and_descriptors_pass(family: Family) -> None:
    document = paused_guest_xml("web").replace(
        "</devices>", "<graphics type='vnc' port='-1' autoport='yes'/></devices>"
    )

    async def through(conn: Connection) -> None:
        heard: list[object] = []

        async def listen(events: object) -> None:
            async for event in events:  # type: ignore[attr-defined] # either of the two streams
                heard.append(event)

        tasks = [
            asyncio.ensure_future(listen(conn.lifecycle_events())),
            asyncio.ensure_future(listen(conn.secrets.events())),
        ]
        await asyncio.sleep(0.3)  # registered
        dom = await conn.create_xml(document, 1)
        secret = await conn.secrets.define_xml(_SECRET.format("events"))
        async with asyncio.timeout(STEP):
            wanted = {LifecycleEvent, SecretLifecycleEvent}
            while {type(event) for event in heard} != wanted:
                await asyncio.sleep(0.02)
        assert (await dom.screenshot()).data[:2] in (b"P6", b"\x89P")
        fd = await dom.open_graphics_fd()
        with socket.socket(fileno=fd) as display:
            display.settimeout(STEP)
            assert display.recv(4) == b"RFB "
        await secret.undefine()
        await dom.destroy()
        for task in tasks:
            task.cancel()

    async def run() -> None:
        async with virloom.open(family.proxy.uri()) as conn:
            await through(conn)
        async with virloom.open(family.tcp) as conn:
            dom = await conn.create_xml(document, 1)
            with pytest.raises(InternalError, match="file descriptors"):
                await dom.open_graphics_fd()
            assert (await dom.state()).state
            await dom.destroy()

    asyncio.run(run())


def test_a_daemon_that_dies_is_named_and_found_again(family: Family) -> None:
    with virloom.open_sync(family.proxy.uri()) as conn:
        family_secret = conn.secrets.define_xml(_SECRET.format("kept"))
        assert family.secret.signal(signal.SIGKILL) == -signal.SIGKILL
        with pytest.raises(VirloomError, match="virtsecretd"):
            conn.secrets.list()
        assert conn.list_all_domains() == []  # the other daemon's calls go on
        family.secret.start()
        assert [item.uuid for item in conn.secrets.list()] == [family_secret.uuid]
        family_secret.undefine()


def test_who_may_have_missed_events_is_cut_off(family: Family) -> None:
    with virloom.open_sync(family.proxy.uri()) as conn:
        stop = conn.secrets.on_event(lambda event: None)
        assert family.secret.signal(signal.SIGKILL) == -signal.SIGKILL
        deadline = time.monotonic() + STEP
        while True:
            try:
                conn.list_all_domains()
            except VirloomError:
                break
            assert time.monotonic() < deadline, "a connection that hears nothing goes on"
            time.sleep(0.05)
        del stop
    assert "may have missed events" in family.proxy.log()
    family.secret.start()


def test_who_listens_no_more_is_not_cut_off(family: Family) -> None:
    with virloom.open_sync(family.proxy.uri()) as conn:
        stop = conn.secrets.on_event(lambda event: None)
        stop()
        conn.secrets.list()  # by its answer the end of the registration has arrived
        assert family.secret.signal(signal.SIGKILL) == -signal.SIGKILL
        family.secret.start()
        assert conn.secrets.list() == []
        assert conn.list_all_domains() == []
    assert "may have missed events" not in family.proxy.log()


def test_features_are_the_same_on_all_ways(family: Family) -> None:
    """Passing descriptors (8) among them: as with libvirtd, what refuses is the call."""

    async def asked(uri: str) -> list[int]:
        async with virloom.open(uri) as conn:
            return [int(await conn.supports_feature(number)) for number in range(1, 20)]

    async def run() -> list[list[int]]:
        return [await asked(uri) for uri in (family.qemu.uri(), family.proxy.uri(), family.tcp)]

    direct, proxied, tcp = asyncio.run(run())
    assert direct[8 - 1] == 1
    assert proxied == direct
    assert tcp == direct


def test_a_relay_into_itself_is_refused(family: Family) -> None:
    path = family.root / "run/libvirt"
    (path / "virtnetworkd-sock").symlink_to(path / "libvirt-sock")
    try:
        refused = family.proxy.try_virsh("net-list")
        assert "a relay into itself" in refused.stderr
    finally:
        os.unlink(path / "virtnetworkd-sock")
    with virloom.open_sync(family.proxy.uri()) as conn, pytest.raises(NoSupport):
        conn.networks.list()
