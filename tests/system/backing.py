# SPDX-License-Identifier: Apache-2.0
"""A guest with qcow2 disks that nobody boots, and what is written to them through QEMU."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainCreateFlags
from virloom.testing.documents import paused_guest_xml

BACKER = Path(__file__).parents[1] / "fakes" / "backer.py"
MIB = 1 << 20
PART = 65536  # a cluster, and what one bit of a bitmap stands for


def image(path: Path, size: int = 4 * MIB, form: str = "qcow2") -> Path:
    """A new image."""
    subprocess.run(["qemu-img", "create", "-q", "-f", form, str(path), str(size)], check=True)
    return path


def disk(path: Path, target: str, form: str = "qcow2") -> str:
    """The element of a disk."""
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/>"
        f"<source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"
    )


async def guest_with(conn: Connection, directory: Path, *targets: str, name: str = "chk") -> Domain:
    """A defined guest that waits, with a qcow2 disk for each target."""
    disks = "".join(disk(image(directory / f"{one}.qcow2"), one) for one in targets)
    dom = await conn.define_xml(paused_guest_xml(name, extra_devices=disks))
    await dom.create(DomainCreateFlags.START_PAUSED)
    return dom


async def disk_io(dom: Domain, number: int, command: str) -> str:
    """Runs a command of qemu-io on a disk, as the guest would do it; what it printed."""
    backend = f"/machine/peripheral/virtio-disk{number}/virtio-backend"
    answer = await dom.monitor_command(f'qemu-io -d {backend} "{command}"', hmp=True)
    assert "error" not in answer.lower(), answer
    return answer


async def write(dom: Domain, number: int, pattern: int, part: int, parts: int = 1) -> None:
    """Fills parts of 64 KiB of a disk with a byte."""
    await disk_io(dom, number, f"write -P {pattern} {part * PART} {parts * PART}")


async def bitmaps(dom: Domain) -> dict[str, list[str]]:
    """The names of the bitmaps of every node that has any."""
    command = '{"execute":"query-named-block-nodes","arguments":{"flat":true}}'
    answer = json.loads(await dom.monitor_command(command))["return"]
    return {
        node["node-name"]: sorted(one["name"] for one in node["dirty-bitmaps"] if "name" in one)
        for node in answer
        if any("name" in one for one in node.get("dirty-bitmaps", ()))
    }


def checkpoint_xml(name: str, *disks: str) -> str:
    """The document of a checkpoint of some disks, or of all."""
    named = "".join(f"<disk name='{one}'/>" for one in disks)
    chosen = f"<disks>{named}</disks>" if disks else ""
    return f"<domaincheckpoint><name>{name}</name>{chosen}</domaincheckpoint>"


async def die_at(root: Path, step: str, name: str, *plan: dict[str, Any]) -> None:
    """Has another owner of *root* follow a plan and be killed."""
    told = json.dumps({"name": name, "plan": plan})
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(BACKER), str(root), step, told],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def authority(place: Path) -> Path:
    """A directory with an authority, and a certificate of its for either end, as QEMU wants it."""
    place.mkdir()
    place.chmod(0o755)  # QEMU may be another user

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca-cert.pem", "-days", "2",
            "-subj", "/CN=authority")  # fmt: skip
    (place / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for who in ("server", "client"):
        openssl("req", *key, "-keyout", f"{who}-key.pem", "-out", f"{who}.csr",
                "-subj", f"/C=DE/O=Virloom/CN={who}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "ca-cert.pem", "-CAkey", "ca-key.pem",
                "-CAcreateserial", "-days", "2", "-out", f"{who}-cert.pem",
                "-extfile", "names")  # fmt: skip
    for path in place.iterdir():
        path.chmod(0o644)
    return place
