# SPDX-License-Identifier: Apache-2.0
"""libvirt 9 over a root that was ours: the same tree, and it goes back and deletes in it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.reference import needs_libvirtd
from tests.property.qcow2_reader import content
from tests.system.backing import checkpoint_xml, disk, guest_with, image
from tests.system.conftest import embedded
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs_libvirtd, pytest.mark.timeout(60)]


SESSION = Path(__file__).parent / "sessions" / "moments_of_ours.py"
SIZE = 1 << 18


def write(path: Path, value: int) -> None:
    order = f"write -P {value} 0 {SIZE}"
    command = ["qemu-io", "-f", "qcow2", "-c", order, str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def short() -> Iterator[Path]:
    """libvirt's monitors are sockets below the root, whose paths have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="vs") as name:
        yield Path(name)


async def test_libvirt_goes_on_with_ours(short: Path, tmp_path: Path) -> None:
    root = short / "root"
    path = image(tmp_path / "a.qcow2", SIZE)
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.define_xml(paused_guest_xml("chk", extra_devices=disk(path, "vda")))
        for value, name in enumerate("abc", 1):
            write(path, value)
            await dom.snapshots.create(f"<domainsnapshot><name>{name}</name></domainsnapshot>")
        await (await dom.snapshots.lookup("b")).revert()
        await dom.snapshots.create("<domainsnapshot><name>d</name></domainsnapshot>")
        texts = [await (await dom.snapshots.lookup(name)).xml_desc() for name in "abcd"]
        # QEMU's tools go back to nothing within an image that has bitmaps.
        other = await guest_with(conn, tmp_path, "vda", name="other")
        for name in ("one", "two"):
            await other.checkpoints.create(checkpoint_xml(name))
        await other.destroy()
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/qemu.conf").write_text('stdio_handler = "file"\nsecurity_driver = "none"\n')
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), str(root)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, current, checkpoints, theirs, after, now = json.loads(done.stdout)
    assert (before, current) == (["->a", "a>b", "b>c", "b>d"], "d")
    assert theirs == texts
    assert checkpoints == ["->one", "one>two"]
    assert (after, now) == (["->a", "a>c", "a>d"], "a")
    assert content(str(path)) == bytes([1]) * SIZE
    async with virloom.open(embedded(root)) as conn:  # and back to us
        dom = await conn.lookup_by_name("chk")
        assert sorted(one.name for one in await dom.snapshots.list()) == ["a", "c", "d"]
        await (await dom.snapshots.lookup("c")).revert()
    assert content(str(path)) == bytes([3]) * SIZE
