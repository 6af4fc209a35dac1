# SPDX-License-Identifier: Apache-2.0
"""Hardware that this host has not, read by libvirtd 9 and by us from the same tree of files."""

from __future__ import annotations

import html
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import sys_hardware, sys_machine
from tests.interop.conftest import Virtnodedevd
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "hardware.py"
#: libudev looks whether it is sysfs that it reads, unless it is told not to.
_SPACE = """
mount --bind {sys} /sys
mount -t tmpfs own /run
{udev}
export SYSTEMD_DEVICE_VERIFY_SYSFS=0
exec "$@"
"""
_UDEV = "mkdir -p /run/udev/data; mount --bind {udev} /run/udev/data"

pytestmark = [pytest.mark.long, *needs_libvirtd]


class Host:
    """A host of files, which each daemon gets in namespaces of its own."""

    def __init__(self, directory: Path) -> None:
        self.sys, self.udev = directory / "sys", directory / "udev"
        self.udev.mkdir()
        self.words = _UDEV.format(udev=self.udev)
        script = _SPACE.format(sys=self.sys, udev=self.words)
        self.space = ["unshare", "--mount", "--net", "--propagation", "private"]
        self.space += ["sh", "-ec", script, "sh"]


class Own(Virtnodedevd):
    """One on a host of files."""

    space: list[str]

    @property
    def command(self) -> list[str]:
        return [*self.space, *super().command]


def documents(uri: str) -> list[str]:
    """What the session prints."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = re.sub(r"<(\w+)([^<>]*)></\1>", r"<\1\2/>", html.unescape(done.stdout))
    text = text.replace(" />", "/>")
    return text.split("\n\n")


def hardware(host: Host) -> None:
    """Hardware that hardly a machine has."""
    sys_hardware.build(host.sys)


def machine(host: Host) -> None:
    """Disks of each kind, units, sticks, links, cards."""
    sys_machine.build(host.sys, host.udev)


@pytest.mark.parametrize(("build", "told"), [
    (hardware, {"<capability type='vpd'>": 7}),
    (machine, {"<capability type='storage'>": 23, "<capability type='removable'>": 8,
               "<feature name='rdma'/>": 1, "speed='64'": 2, "<type>render</type>": 1}),
])  # fmt: skip
def test_the_same_hardware(
    build: Callable[[Host], None], told: dict[str, int], tmp_path: Path
) -> None:
    host = Host(tmp_path)
    build(host)
    root, directory = (Path(tempfile.mkdtemp(prefix=prefix)) for prefix in ("vd", "lv"))
    ours, theirs = Own(root), Libvirtd(directory, prefix=host.space, before=host.words)
    ours.space = host.space
    try:
        ours.start()
        theirs.await_socket()
        found = documents(ours.uri())
        assert found == documents(theirs.uri)
        for text, count in told.items():
            assert (text, sum(text in document for document in found)) == (text, count)
    finally:
        assert ours.signal(signal.SIGTERM) == 0
        theirs.end()
        shutil.rmtree(root)
        shutil.rmtree(directory)
