# SPDX-License-Identifier: Apache-2.0
"""Hardware that this host has not, read by libvirtd 9 and by us from the same tree of files."""

from __future__ import annotations

import html
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.fakes import sys_hardware
from tests.interop.conftest import Virtnodedevd
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "hardware.py"
#: libudev looks whether it is sysfs that it reads, unless it is told not to.
_SPACE = f"""
mount -t tmpfs own /sys
/usr/bin/python3 {sys_hardware.__file__} /sys
export SYSTEMD_DEVICE_VERIFY_SYSFS=0
exec "$@"
"""
SPACE = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _SPACE, "sh"]

pytestmark = [pytest.mark.long, *needs_libvirtd]


class Own(Virtnodedevd):
    """One on a host of files."""

    @property
    def command(self) -> list[str]:
        return [*SPACE, *super().command]


def documents(uri: str) -> list[str]:
    """What the session prints; the kernel has no order of what is in a directory."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = re.sub(r"<(\w+)([^<>]*)></\1>", r"<\1\2/>", html.unescape(done.stdout))
    return sorted("\n".join(sorted(part.splitlines())) for part in text.split("\n\n"))


def test_the_same_hardware(tmp_path: Path) -> None:
    root, directory = (Path(tempfile.mkdtemp(prefix=prefix)) for prefix in ("vd", "lv"))
    ours, theirs = Own(root), Libvirtd(directory, prefix=SPACE)
    try:
        ours.start()
        theirs.await_socket()
        found = documents(ours.uri())
        assert found == documents(theirs.uri)
        assert sum("<capability type='vpd'>" in document for document in found) == 7
    finally:
        assert ours.signal(signal.SIGTERM) == 0
        theirs.end()
        shutil.rmtree(root)
        shutil.rmtree(directory)
