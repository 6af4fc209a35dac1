# SPDX-License-Identifier: Apache-2.0
"""Every group of statistics, key by key, on libvirtd 9 and on ours, in each state of a guest."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

SESSION = Path(__file__).resolve().parent / "sessions" / "statistics.py"


def prepare(directory: Path) -> None:
    """The images that the session names; of sizes that every file system allots alike."""
    base, overlay, plain = (
        directory / name for name in ("base.qcow2", "overlay.qcow2", "plain.raw")
    )
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    subprocess.run([*create, str(base), "8M"], check=True)
    subprocess.run([*create, "-b", str(base), "-F", "qcow2", str(overlay)], check=True)
    plain.write_bytes(bytes(1 << 20))
    for image in (base, overlay, plain):
        image.chmod(0o666)


async def told(uri: str, directory: Path) -> dict[str, Any]:
    """The session's answers by step."""
    prepare(directory)
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/python3", str(SESSION), uri, str(directory),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return dict(json.loads(line) for line in out.splitlines())


async def test_the_same_statistics(libvirtd: Libvirtd, virtqemud: Any) -> None:
    theirs, ours = await asyncio.gather(
        told(libvirtd.uri, libvirtd.directory), told(virtqemud.uri(), virtqemud.root)
    )
    assert list(ours) == list(theirs)
    different = {step: unlike(theirs[step], ours[step]) for step in ours}
    different = {step: parts for step, parts in different.items() if parts}
    assert not different, "\n".join(f"{step}: {parts}" for step, parts in different.items())


def unlike(theirs: Any, ours: Any) -> Any:
    """The keys that differ, or the whole when it is no mapping; nothing of equals."""
    if theirs == ours:
        return None
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return theirs, ours
    keys = sorted(theirs.keys() | ours.keys())
    return {k: (theirs.get(k), ours.get(k)) for k in keys if theirs.get(k) != ours.get(k)}
