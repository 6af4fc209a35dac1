# SPDX-License-Identifier: Apache-2.0
"""A disk and a network card are plugged into a guest that runs, and taken out again."""

from __future__ import annotations

import itertools
from pathlib import Path

from tools.bench import side
from tools.bench.side import SideError
from tools.bench.table import list_table, median_ms, milliseconds, ratio
from virloom.testing.documents import tiny_guest_xml

_TURNS = 3
_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "button", "evdev")
_PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "".join(
    f"<controller type='pci' index='{number}' model='pcie-root-port'/>" for number in range(1, 9)
)
_CARD = (
    "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/></interface>"
)


def plug(directory: Path, count: int) -> str:
    """Seconds of each call, the homes in turn; the guest's own part of an unplug is in both."""
    figures: dict[str, dict[str, list[float]]] = {"virloom": {}, "embed": {}}
    for number, home in itertools.product(range(_TURNS), figures):
        place = directory / f"plug-{home}-{number}"
        place.mkdir(mode=0o755)
        try:
            measured = _measured(directory, home, place, -(-count // _TURNS))
        except SideError as error:
            print(f"plug, {home}: {error}")
            continue
        for name, seconds in measured.items():
            figures[home].setdefault(name, []).extend(seconds)
    rows = []
    for name in figures["virloom"]:
        ours = median_ms(figures["virloom"][name])
        theirs = median_ms(figures["embed"].get(name, []))
        rows.append([name, milliseconds(ours), milliseconds(theirs), ratio(ours, theirs)])
    title = f"Devices of a guest that runs (ms, medians of {count})"
    return list_table(title, ["what", "Virloom", "libvirt embed", "Virloom / libvirt"], rows)


def _measured(directory: Path, home: str, place: Path, count: int) -> dict[str, list[float]]:
    console, image = place / "console", place / "disk.raw"
    image.write_bytes(bytes(1 << 20))
    image.chmod(0o666)
    xml = tiny_guest_xml(
        f"plug-{home}", console=f"file:{console}", extra_devices=_PORTS, modules=_MODULES
    )
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        f"<source file='{image}'/><target dev='vdb' bus='virtio'/></disk>"
    )
    devices = {"a disk": disk, "a network card": _CARD}
    root = directory / f"{home[0]}{place.name[-1]}"
    start = side.virloom if home == "virloom" else _embedded
    with start(directory, root) as program:
        answer: dict[str, list[float]] = program.ask(
            "plug", xml=xml, console=str(console), devices=devices, count=count
        )
    return answer


def _embedded(directory: Path, root: Path) -> side.Side:
    return side.libvirt(directory, "embed", root)
