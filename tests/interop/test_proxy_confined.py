# SPDX-License-Identifier: Apache-2.0
"""Code that somebody runs inside virtproxyd can reach nothing but the sockets of the daemons.

It is run as what virtproxyd is: its user, groups, capabilities and namespaces; and it tries.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import virloom
from tests.interop.conftest import STEP, Virtlogd, Virtproxyd, Virtqemud, Virtsecretd
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.errors import AccessDenied, VirloomError
from virloom.testing.documents import paused_guest_xml

#: A user that nobody is, and nothing belongs to.
USER = 54321
SECRET = "<secret><usage type='ceph'><name>disk</name></usage></secret>"

#: What somebody tries, as JSON: action and path, and what came of it.
ATTACK = """
import ctypes, errno, json, os, socket, sys
def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)
def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, int(pid), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
actions = {
    "read": lambda path: open(path, "rb").close(),
    "write": lambda path: open(path, "r+b").close(),
    "list": os.listdir,
    "delete": os.unlink,
    "take": lambda path: os.chmod(path, 0o777),
    "plant": lambda path: open(path + "/planted", "w").close(),
    "connect": connect,
    "kill": lambda pid: os.kill(int(pid), 9),
    "trace": trace,
    "become root": lambda _: os.setresuid(0, 0, 0),
}
for action, target in json.load(sys.stdin):
    try:
        actions[action](target)
        print(json.dumps([action, target, "done"]))
    except OSError as error:
        print(json.dumps([action, target, errno.errorcode[error.errno]]))
"""


class Confined(NamedTuple):
    """The daemons over one root, the proxy as a user of its own."""

    root: Path
    log: Virtlogd
    qemu: Virtqemud
    secret: Virtsecretd
    proxy: Virtproxyd

    def status(self) -> dict[str, str]:
        """What the kernel says of the proxy."""
        lines = Path(f"/proc/{self.proxy.pid}/status").read_text().splitlines()
        return {key: " ".join(value.split()) for key, _, value in (x.partition(":") for x in lines)}

    def attack(self, *tries: tuple[str, object]) -> dict[tuple[str, str], str]:
        """What comes of actions of code inside the proxy."""
        status = self.status()
        groups = status["Groups"].replace(" ", ",")
        drop = [
            *("setpriv", f"--reuid={status['Uid'].split()[0]}"),
            *(f"--regid={status['Gid'].split()[0]}", "--no-new-privs"),
            *("--bounding-set=-all", "--inh-caps=-all"),
            f"--groups={groups}" if groups else "--clear-groups",
        ]
        done = subprocess.run(
            [*drop, "/usr/bin/python3", "-I", "-c", ATTACK],
            input=json.dumps([(action, str(target)) for action, target in tries]),
            cwd="/", capture_output=True, text=True, timeout=STEP, check=True,
        )  # fmt: skip
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return {(action, target): came for action, target, came in told}


@pytest.fixture
def confined() -> Iterator[Confined]:
    for program in ("virsh", "setpriv"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    try:
        find_emulator("x86_64")
    except VirloomError as error:
        pytest.skip(error.message)
    root = Path(tempfile.mkdtemp(prefix="vc"))
    root.chmod(0o755)
    daemons = Virtlogd(root), Virtqemud(root), Virtsecretd(root), Virtproxyd(root)
    made = Confined(root, *daemons)
    settings = root / "etc/libvirt"
    settings.mkdir(parents=True)
    for daemon in daemons:
        (settings / f"{daemon.name}.conf").write_text(f'proxy_user = "+{USER}"\n')
    started = []
    try:
        for daemon in daemons:
            daemon.start()
            started.append(daemon)
        yield made
        made.qemu.try_virsh("destroy", "web")
    finally:
        for daemon in reversed(started):
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


def _guest(confined: Confined) -> Path:
    """A guest with a disk and a secret with a value, both made through the proxy."""
    image = confined.root / "disk.img"
    image.write_bytes(bytes(1 << 20))
    image.chmod(0o600)
    disk = (
        f"<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/>"
        "<target dev='vda' bus='virtio'/></disk></devices>"
    )
    document = paused_guest_xml("web").replace("</devices>", disk)
    with virloom.open_sync(confined.proxy.uri()) as conn:
        conn.create_xml(document, 1)
        conn.secrets.define_xml(SECRET).set_value(b"open sesame")
    return image


def test_it_has_no_right_at_all(confined: Confined) -> None:
    status = confined.status()
    assert status["Uid"] == status["Gid"] == " ".join([str(USER)] * 4)
    assert status["Groups"] == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    ours = {entry.name: os.readlink(entry) for entry in Path("/proc/self/ns").iterdir()}
    theirs = Path(f"/proc/{confined.proxy.pid}/ns").iterdir()
    assert {entry.name: os.readlink(entry) for entry in theirs} == ours


def test_what_code_inside_it_can_reach(confined: Confined) -> None:
    image = _guest(confined)
    root = confined.root
    run, state = root / "run/libvirt", root / "var/lib/libvirt"
    monitors = [path for path in state.rglob("*") if path.is_socket()]
    values = [path for path in (root / "etc/libvirt/secrets").iterdir() if path.is_file()]
    assert monitors
    assert values
    tries: list[tuple[str, object]] = [("become root", "")]
    for path in [image, *values, *(root / "run/libvirt/qemu").glob("*.xml")]:
        tries += [(action, path) for action in ("read", "write", "take", "delete")]
    sockets = [*monitors, *run.glob("*-admin-sock"), run / "virtlogd-sock"]
    tries += [("connect", path) for path in sockets]
    tries += [("read", path) for path in run.rglob("*token*") if path.is_file()]
    closed = [values[0].parent, run / "qemu", run / "secrets"]
    tries += [("list", path) for path in closed if path.exists()]
    tries += [("plant", path) for path in (root, run, root / "etc/libvirt", state)]
    for daemon in (confined.log, confined.qemu, confined.secret):
        tries += [("kill", daemon.pid), ("trace", daemon.pid), ("read", f"/proc/{daemon.pid}/mem")]
    came = confined.attack(*tries)
    assert len(came) == len(tries)
    reached = {what: how for what, how in came.items() if how not in ("EACCES", "EPERM")}
    assert reached == {}


def test_it_reaches_the_daemons_and_is_believed(confined: Confined) -> None:
    """What it is there for; so the refusals above are not those of a broken one."""
    run = confined.root / "run/libvirt"
    sockets = [run / f"{name}-sock" for name in ("virtqemud", "virtsecretd")]
    came = confined.attack(*(("connect", path) for path in sockets))
    assert set(came.values()) == {"done"}
    _guest(confined)
    assert "web" in confined.proxy.virsh("list", "--name")
    assert "ceph" in confined.proxy.virsh("secret-list")


def test_another_user_is_not_believed(confined: Confined) -> None:
    """Where the daemons know another user, they believe nothing that the proxy states."""
    settings = confined.root / "etc/libvirt/virtsecretd.conf"
    settings.write_text(f'proxy_user = "+{USER + 1}"\nunix_sock_rw_perms = "0777"\n')
    assert confined.secret.signal(signal.SIGTERM) == 0
    confined.secret.start()
    with (
        virloom.open_sync(confined.proxy.uri()) as conn,
        pytest.raises(AccessDenied, match="may state an identity"),
    ):
        conn.secrets.list()
