# SPDX-License-Identifier: Apache-2.0
"""Writes the expected QEMU command lines of ``tests/golden/qemu-args`` anew.

    python -m tools.golden_args [NAME…]

Each ``NAME.xml`` there is a complete document: what libvirt 9 shows of the running guest, without
what belongs to that run only. ``NAME.args`` is the command line for it, one option per line.
Review the change with ``git diff`` before committing it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from virloom.drivers.qemu.block.chain import disk_chain
from virloom.drivers.qemu.capabilities import BinaryCaps, Machine
from virloom.drivers.qemu.command.builder import build
from virloom.drivers.qemu.command.context import BuildContext, FileRequest
from virloom.drivers.qemu.command.files import plan_files
from virloom.drivers.runtime.image import ImageHead
from virloom.model.domain import Domain
from virloom.xml import parse_document

DIRECTORY = Path(__file__).parents[1] / "tests" / "golden" / "qemu-args"

#: The first descriptor of a guest's files in the expected command lines.
FIRST_FILE = 100

CAPS = BinaryCaps(
    path="/usr/bin/qemu-system-x86_64",
    version=(7, 2, 0),
    arch="x86_64",
    machines=[
        Machine("pc-q35-7.2", "q35", default_ram_id="pc.ram"),
        Machine("pc-i440fx-7.2", "pc", default_ram_id="pc.ram"),
        Machine("microvm", default_ram_id="microvm.ram"),
    ],
)


def parse(path: Path) -> Domain:
    """The domain of a golden document."""
    return parse_document(Domain, path.read_bytes())


def render(dom: Domain) -> str:
    """What the launcher opens, and the command line, as the expected file has them."""
    chains = {
        disk.alias.name: chain
        for disk in dom.devices.disks
        if disk.alias is not None and disk.alias.name and (chain := disk_chain(disk, _no_content))
    }
    requests = plan_files(dom, chains)
    files = {request.key: FIRST_FILE + number for number, request in enumerate(requests)}
    context = BuildContext(
        guest_name=dom.name,
        monitor_fd=3,
        lib_dir="/var/lib/libvirt/qemu/domain-1-guest",
        files=files,
        chains=chains,
        stdio=True,
        # 2023-11-14T22:13:20 in UTC.
        now=1_700_000_000,
    )
    line = build(dom, CAPS, context)
    lines = [_opened(request, files[request.key]) for request in requests]
    lines += [f"{name}={value}" for name, value in sorted(line.environment.items())]
    return "\n".join([*lines, *_options(line.argv)]) + "\n"


def _opened(request: FileRequest, descriptor: int) -> str:
    flags = [name for name in ("create", "truncate", "image", "reopened") if getattr(request, name)]
    return " ".join([f"{descriptor}<{request.path}", request.access, *flags])


def _options(argv: list[str]) -> list[str]:
    """The program, then one option with its value per line."""
    lines = [argv[0]]
    for argument in argv[1:]:
        if argument.startswith("-"):
            lines.append(argument)
        else:
            lines[-1] += f" {argument}"
    return lines


def _no_content(_path: str) -> ImageHead:
    """Golden documents spell their chains out; nothing is read."""
    return ImageHead((0, 0), block=False, data=b"")


def main(names: list[str]) -> int:
    """Renews the named cases, or all."""
    for path in sorted(DIRECTORY.glob("*.xml")):
        if not names or path.stem in names:
            path.with_suffix(".args").write_text(render(parse(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
