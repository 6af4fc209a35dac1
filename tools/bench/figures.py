# SPDX-License-Identifier: Apache-2.0
"""Guests at work: their statistics in one call, and their states in files.

Ours is embedded. libvirtd is asked over its socket, which is a small part of such calls.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tools.bench import side
from tools.bench.side import Side, SideError
from tools.bench.table import list_table, milliseconds, ratio
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

GUESTS = 100
CALLS = 10
GOAL = 0.8
"""Of libvirt's time for one call."""

_FILLED_MB = 256
_DEVICES = """<memballoon model='virtio'/>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>
<target dev='vda' bus='virtio'/></disk>"""


def bulk(directory: Path, _count: int) -> str:
    """Every group of statistics of a hundred guests, each with a disk and a balloon."""
    images = directory / "bulk"
    images.mkdir(mode=0o755)
    answers = [
        _asked(home, "bulk", documents=_documents(images, name), calls=CALLS)
        for name, home in _homes(directory, "bulk")
    ]
    ours, theirs = (answer.get("call") for answer in answers)
    cells = [milliseconds(value * 1000 if value else None) for value in (ours, theirs)]
    row = [f"all groups of {GUESTS} guests (ms)", *cells, ratio(ours, theirs), str(GOAL)]
    header = ["what", "Virloom", "libvirtd", "Virloom / libvirt", "goal"]
    return list_table("Bulk statistics of running guests", header, [row])


def saving(directory: Path, _count: int) -> str:
    """A guest whose memory is full is saved and restored."""
    initrd = directory / "filled"
    initrd.write_bytes(os.urandom(1 << 20) * _FILLED_MB)
    floor = _copied(initrd, directory / "copied")
    rows = []
    answers = []
    for name, home in _homes(directory, "saving"):
        document = tiny_guest_xml(f"saving-{name}", memory_mib=3 * _FILLED_MB, console="null")
        before, _, rest = document.partition("<initrd>")
        document = f"{before}<initrd>{initrd}{rest[rest.index('</initrd>') :]}"
        answers.append(_asked(home, "save", xml=document, path=str(directory / f"{name}.save")))
    for step in ("save", "restore"):
        ours, theirs = (answer.get(step) for answer in answers)
        cells = [f"{value:.0f}" if value else "-" for value in (floor, ours, theirs)]
        rows.append([f"{step} (MB/s)", *cells, ratio(ours, floor), ratio(ours, theirs)])
    header = [
        "what",
        "dd and sync",
        "Virloom",
        "libvirtd",
        "Virloom / dd",
        "Virloom / libvirt",
    ]
    return list_table("States of guests in files", header, rows)


def _homes(directory: Path, bench: str) -> list[tuple[str, Side]]:
    return [
        ("ours", side.virloom(directory, directory / f"{bench}-v")),
        ("theirs", side.libvirt(directory, "daemon", directory / f"{bench}-l")),
    ]


def _documents(images: Path, name: str) -> list[str]:
    documents = []
    for number in range(GUESTS):
        guest = f"bulk-{name}-{number}"
        image = images / f"{guest}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
        devices = _DEVICES.format(image)
        documents.append(paused_guest_xml(guest, machine="pc", extra_devices=devices))
    return documents


def _asked(home: Side, request: str, **arguments: object) -> dict[str, float]:
    with home:
        try:
            answer: dict[str, float] = home.ask(request, **arguments)
        except SideError as error:
            print(f"{request}: {error}")
            return {}
        return answer


def _copied(source: Path, target: Path) -> float:
    """Megabytes a second of a copy that has reached the disk."""
    command = ["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync", "status=none"]
    start = time.perf_counter()
    subprocess.run(command, check=True)
    took = time.perf_counter() - start
    target.unlink()
    return source.stat().st_size / took / 1e6
