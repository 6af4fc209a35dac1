# SPDX-License-Identifier: Apache-2.0
"""The real polkitd on a bus of our own, asked by libvirtd 9 and by our virtqemud: the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import STEP, Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.host.identity import start_time

HERE = Path(__file__).parent
POLKITD = "/usr/lib/polkit-1/polkitd"

pytestmark = [
    *needs_libvirtd,
    pytest.mark.skipif(
        not os.path.exists(POLKITD) or shutil.which("dbus-daemon") is None,
        reason="polkitd or dbus-daemon is not installed",
    ),
]

#: Users that every Debian has: one who may, one who would have to be asked, one who may not.
MAY, ASK, MAY_NOT = 65534, 33, 2

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>
"""

_RULES = """polkit.addRule(function(action, subject) {
  if (action.id != "org.libvirt.unix.manage") return polkit.Result.NOT_HANDLED;
  if (subject.user == "nobody") return polkit.Result.YES;
  if (subject.user == "www-data") return polkit.Result.AUTH_ADMIN;
  return polkit.Result.NO;
});
"""

_POLKITD = """
mount -t tmpfs -o mode=755 private /etc/polkit-1/rules.d
cp "$1" /etc/polkit-1/rules.d/10-test.rules
exec {polkitd}
"""


class Host:
    """A bus with polkit on it, and a place with what other users need to run."""

    def __init__(self, place: Path, resources: ExitStack) -> None:
        self.place = place
        self.bus = f"unix:path={place}/bus"
        self._resources = resources
        (place / "bus.conf").write_text(_BUS.format(path=place / "bus"))
        (place / "rules").write_text(_RULES)
        shutil.copytree(
            Path(virloom.__file__).parent,
            place / "src/virloom",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for script in ("authentication_session.py", "polkit_agent.py"):
            shutil.copy(HERE / script, place)

    def start(self) -> None:
        """Returns when polkit can be asked."""
        config = self.place / "bus.conf"
        bus = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1"]
        self._process(bus, "unix:path")
        script = _POLKITD.format(polkitd=POLKITD)
        unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
        self._process([*unshare, "sh", str(self.place / "rules")], "Acquired the name")

    def _process(self, argv: list[str], sign: str) -> None:
        """Starts a process that ends with the host; returns when it has said *sign*."""
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus},
        )  # fmt: skip
        self._resources.callback(process.wait, STEP)
        self._resources.callback(process.terminate)
        assert process.stdout is not None
        self._resources.callback(process.stdout.close)
        said = ""
        while sign not in said:
            line = process.stdout.readline()
            assert line, f"{argv[0]} ended: {said}"
            said += line

    def become(self, uid: int, *words: str) -> list[str]:
        """The command line that runs Python as another user."""
        user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        environment = ["env", "-i", f"PYTHONPATH={self.place}/src", "PYTHONDONTWRITEBYTECODE=1"]
        return [*user, *environment, "/usr/bin/python3", *words]

    def session(self, path: Path, uid: int) -> list[str]:
        """What a user of the daemon at *path* is answered."""
        script = str(self.place / "authentication_session.py")
        done = subprocess.run(
            self.become(uid, script, str(path)),
            capture_output=True, text=True, timeout=STEP, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def refusing_session(self, path: Path, uid: int) -> list[str]:
        """The same of a user who is asked for a password, and does not want to."""
        script = str(self.place / "authentication_session.py")
        with subprocess.Popen(
            self.become(uid, script, str(path), "wait"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as client:  # fmt: skip
            assert client.stdout is not None
            pid = int(client.stdout.readline())
            agent = self.become(uid, str(self.place / "polkit_agent.py"), self.bus, str(pid))
            with subprocess.Popen(
                [*agent, str(start_time(pid))], stdout=subprocess.PIPE, text=True
            ) as asker:
                assert asker.stdout is not None
                assert asker.stdout.readline() == "ready\n"
                said, _ = client.communicate("\n", timeout=STEP)
                asker.terminate()
        return said.splitlines()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="pk-") as name, ExitStack() as resources:
        place = Path(name)
        place.chmod(0o755)
        made = Host(place, resources)
        made.start()
        yield made


@pytest.fixture(scope="module")
def asking_libvirtd(host: Host) -> Iterator[Libvirtd]:
    """libvirtd 9 that asks polkit, its default."""
    with tempfile.TemporaryDirectory(prefix="lv-") as name, pytest.MonkeyPatch.context() as patch:
        Path(name).chmod(0o755)
        patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", host.bus)
        daemon = Libvirtd(Path(name), authentication="polkit")
        try:
            daemon.await_socket()
            yield daemon
        finally:
            daemon.end()


@pytest.fixture
def asking_virtqemud(host: Host) -> Iterator[Virtqemud]:
    """Our daemon on the same bus, without a word in its configuration."""
    with tempfile.TemporaryDirectory(prefix="vq") as name, pytest.MonkeyPatch.context() as patch:
        root = Path(name)
        root.chmod(0o755)
        patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", host.bus)
        daemon = Virtqemud(root)
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.signal(15)


def test_who_may_and_who_may_not(
    host: Host, asking_libvirtd: Libvirtd, asking_virtqemud: Virtqemud
) -> None:
    for readonly in (False, True):
        theirs = asking_libvirtd.directory / f"libvirt-sock{'-ro' if readonly else ''}"
        ours = asking_virtqemud.socket(readonly=readonly)
        for uid in (0, MAY, ASK, MAY_NOT):
            reference = host.session(theirs, uid)
            assert host.session(ours, uid) == reference, f"uid {uid}, read-only: {readonly}"
            opened = not readonly and uid in (ASK, MAY_NOT)
            assert reference[-1].startswith("type 39 " if opened else "type ConnectGetTypeRet")


def test_somebody_who_does_not_want_to(
    host: Host, asking_libvirtd: Libvirtd, asking_virtqemud: Virtqemud
) -> None:
    reference = host.refusing_session(asking_libvirtd.directory / "libvirt-sock", ASK)
    assert any(line.startswith("polkit 79 60 authentication cancelled") for line in reference)
    assert host.refusing_session(asking_virtqemud.socket(), ASK) == reference


def test_nobody_else_states_an_identity(host: Host, asking_virtqemud: Virtqemud) -> None:
    script = (host.place / "authentication_session.py").read_text()
    other = host.place / "claims.py"
    other.write_text(script.replace("if not os.getuid()", "if True"))
    done = subprocess.run(
        host.become(MAY, str(other), str(asking_virtqemud.socket())),
        capture_output=True, text=True, timeout=STEP, check=True,
    )  # fmt: skip
    said = [line for line in done.stdout.splitlines() if line.startswith("as somebody")]
    assert said == [
        "as somebody 88 55 access denied: only root, the daemon's own user and virtproxyd's "
        "may state an identity"
    ]


@pytest.mark.parametrize(
    ("uid", "found", "words"),
    [(MAY, True, "answers as 9.0.0"), (MAY_NOT, False, "answers, and refuses 'bin': ")],
)
def test_doctor_tells_who_is_refused(
    uid: int, found: bool, words: str, host: Host, asking_virtqemud: Virtqemud
) -> None:
    code = "import sys; from virloom.cli.main import main; sys.exit(main())"
    options = ["doctor", "-o", "json", "--root", str(asking_virtqemud.root)]
    done = subprocess.run(
        host.become(uid, "-c", code, *options),
        capture_output=True, text=True, timeout=STEP, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    rows = {(item["area"], item["name"]): item for item in json.loads(done.stdout)["findings"]}
    row = rows["daemons", "virtqemud"]
    assert row["found"] is found
    assert words in row["detail"]
    assert ("org.libvirt.unix.manage" in row["remedy"]) is not found
    assert rows["sockets", "virtqemud-sock"]["found"]
