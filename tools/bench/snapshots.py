# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a guest that runs: ours, and libvirt embedded and as a daemon, in turn."""

from __future__ import annotations

import contextlib
import subprocess
from collections import defaultdict
from pathlib import Path

from tools.bench import side
from tools.bench.side import SideError
from tools.bench.table import list_table, median_ms, milliseconds, ratio
from virloom.testing.documents import paused_guest_xml

HOMES = ("virloom", "embed", "daemon")
GOAL = 1.0
"""At most libvirt's time (issue 6)."""

_DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


def snapshot(directory: Path, count: int) -> str:
    """External snapshots of one disk, one upon the other, each home in turn."""
    figures: dict[str, list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        homes = {
            "virloom": stack.enter_context(side.virloom(directory, directory / "virloom")),
            "embed": stack.enter_context(side.libvirt(directory, "embed", directory / "libvirt")),
            "daemon": stack.enter_context(side.libvirt(directory, "daemon", directory / "daemon")),
        }
        images = directory / "images"
        images.mkdir(mode=0o777)
        images.chmod(0o777)  # libvirt's QEMU is another user
        problems: set[str] = set()
        for name, home in homes.items():
            image = images / f"{name}.qcow2"
            command = ["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1G"]
            subprocess.run(command, check=True)
            image.chmod(0o666)
            xml = paused_guest_xml(f"snap-{name}", extra_devices=_DISK.format(image))
            with contextlib.suppress(SideError):
                home.ask("disk", xml=xml)
        for number in range(count + 1):  # the first warms up
            for name, home in homes.items():
                if name in problems:
                    continue
                try:
                    seconds = home.ask("snapshot", name=f"s{number}")
                except SideError as error:
                    problems.add(name)
                    print(f"snapshot, {name}: {error}")
                    continue
                if number:
                    figures[name].append(seconds)
    return _table(figures, count)


def _table(figures: dict[str, list[float]], count: int) -> str:
    values = {home: median_ms(figures[home]) for home in HOMES}
    row = [
        "external, of one disk",
        *(milliseconds(values[home]) for home in HOMES),
        f"{GOAL:g}",
        ratio(values["virloom"], values["embed"]),
        ratio(values["virloom"], values["daemon"]),
    ]
    header = ["snapshot", "Virloom", "libvirt embed", "libvirtd", "goal",
              "Virloom / libvirt embed", "Virloom / libvirtd"]  # fmt: skip
    return list_table(f"Snapshots of a guest that runs (ms, medians of {count})", header, [row])
