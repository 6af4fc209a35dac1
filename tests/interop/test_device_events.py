# SPDX-License-Identifier: Apache-2.0
"""What several clients hear of devices, of libvirtd 9 and of us, where udevd runs."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtnodedevd
from tests.interop.namespace import NetworkNamespace
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "device_events.py"
UDEVD = Path("/usr/lib/systemd/systemd-udevd")
#: A udevd with one rule, which sees this machine's devices and changes nothing of it. It is slow,
#: as a busy one is: whoever looks before it is done sees less.
_UDEV = """
mount -t tmpfs own /run
mkdir {directory}/udev {directory}/dev /run/udev
mount --bind {directory}/udev /run/udev
mount -t tmpfs own {directory}/dev
cd /dev; cp -a null zero full random urandom tty loop-control {directory}/dev/; cd /
mount --move {directory}/dev /dev
for place in /usr/lib/udev/rules.d /etc/udev; do mount -t tmpfs own $place; done
mkdir /etc/udev/rules.d
cat > /etc/udev/rules.d/50-own.rules <<'END'
KERNEL=="loop*", ATTR{{loop/backing_file}}=="*/device-events.img", PROGRAM="/bin/sleep 0.1", \\
    ENV{{ID_TYPE}}="disk", ENV{{ID_SERIAL}}="S_own"
END
{udevd} > {directory}/udevd.log 2>&1 &
echo $! > {directory}/udevd.pid
while [ ! -S /run/udev/control ]; do sleep 0.02; done
"""

pytestmark = [
    *needs_libvirtd,
    pytest.mark.skipif(not UDEVD.exists(), reason="udev is not installed"),
]


@pytest.fixture
def space(tmp_path: Path) -> Iterator[NetworkNamespace]:
    with (tmp_path / "device-events.img").open("wb") as file:
        file.truncate(1 << 20)
    with NetworkNamespace(_UDEV.format(directory=tmp_path, udevd=UDEVD)) as made:
        try:
            yield made
        finally:
            made.run("kill", (tmp_path / "udevd.pid").read_text().strip())


@pytest.fixture
def uris(space: NetworkNamespace, tmp_path: Path) -> Iterator[list[str]]:
    root, directory = (Path(tempfile.mkdtemp(prefix=prefix)) for prefix in ("vd", "lv"))
    ours = Virtnodedevd(root, prefix=space.prefix)
    before = f"mkdir /run/udev; mount --bind {tmp_path}/udev /run/udev"
    try:
        with Libvirtd(directory, prefix=space.prefix, before=before).running() as theirs:
            ours.start()
            yield [ours.uri(), theirs.uri]
            assert ours.signal(signal.SIGTERM) == 0
    finally:
        shutil.rmtree(root)
        shutil.rmtree(directory)


def heard(space: NetworkNamespace, directory: Path, uris: list[str]) -> list[Any]:
    """What the clients of each daemon have heard."""
    done = subprocess.run(
        [*space.prefix, "/usr/bin/python3", str(SESSION), str(directory), *uris],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_client_hears_the_same(
    space: NetworkNamespace, tmp_path: Path, uris: list[str]
) -> None:
    ours, theirs = heard(space, tmp_path, uris)
    at = next(number for number, step in enumerate(ours) if "set first address" in step[0])
    assert ours[: at + 1] == theirs[: at + 1]
    former, present = ([0, f"net_first_02_00_00_00_00_0{last}"] for last in (1, 3))
    # A link with another address is another device; libvirt keeps both, and later ends either.
    assert ours[at + 1][1] == [[*former, 1, 0], [*present, 0, 0]]
    assert theirs[at + 1][1] == [[*present, 0, 0]]
    assert ours[at + 2][1] == [[*present, 1, 0]]
    assert ours[at + 3 :] == theirs[at + 3 :]
    assert "block_loop" in json.dumps(ours[at + 3 :])
    assert "S_own" in json.dumps(ours[at + 3 :])
