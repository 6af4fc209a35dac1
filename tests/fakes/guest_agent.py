# SPDX-License-Identifier: Apache-2.0
"""QEMU's own guest agent inside the tiny guest."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from xml.sax.saxutils import quoteattr

from virloom.errors import OperationFailed
from virloom.testing import guest, initramfs
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import tiny_guest_xml

AGENT_VARIABLE = "VIRLOOM_GUEST_AGENT"

CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
"""The port of an agent, for ``extra_devices`` of a document."""

PORT = "/dev/vport*p1"
"""Where the guest has it."""

#: What the agent needs before it starts: the names that BusyBox has, and places for its files.
_PREPARE = "/bin/busybox --install -s /bin 2>/dev/null; mkdir -p /run /var/run /mnt /sbin"
_START = (
    f"LD_LIBRARY_PATH=/lib /bin/qemu-ga -m virtio-serial -p $(echo {PORT}) -t /run "
    "-f /run/agent.pid -d"
)


def program() -> Path:
    """The agent: ``$VIRLOOM_GUEST_AGENT``, or the one that is installed.

    Raises:
        OperationFailed: There is none.
    """
    path = Path(os.environ.get(AGENT_VARIABLE) or "/usr/sbin/qemu-ga")
    if not path.is_file():
        raise OperationFailed(
            f"no guest agent: '{path}'",
            remedy=f"apt install qemu-guest-agent, or set {AGENT_VARIABLE}",
        )
    return path


def initial_file_system(directory: Path) -> Path:
    """The tiny guest's, with the agent and its libraries, made in *directory*.

    Raises:
        OperationFailed: The agent, BusyBox or the kernel is missing.
    """
    files = {"bin/qemu-ga": (program(), 0o755)}
    listed = subprocess.run(
        ["ldd", str(program())], capture_output=True, text=True, check=True
    ).stdout
    for name, path in re.findall(r"^\s*(\S+)(?: => (\S+))? \(0x", listed, re.MULTILINE):
        if path:
            files[f"lib/{name}"] = (Path(path).resolve(), 0o755)
        elif name.startswith("/"):  # the loader, which is known by its place
            files[name.removeprefix("/")] = (Path(name).resolve(), 0o755)
    passwd, release = directory / "passwd", directory / "os-release"
    passwd.write_text("root:x:0:0:root:/root:/bin/sh\n")
    release.write_text("ID=tiny\nNAME=Tiny\nVERSION_ID=1\n")
    files |= {"etc/passwd": (passwd, 0o644), "etc/os-release": (release, 0o644)}
    packed = initramfs.build(guest.busybox(), guest.module_closure(guest.MODULES), files)
    path = directory / "initrd-agent.gz"
    path.write_bytes(packed)
    return path


def agent_guest_xml(
    name: str, initrd: Path, *, machine: str = "q35", disks: tuple[Path, ...] = (), vcpus: int = 1
) -> str:
    """A tiny guest with the port of an agent, and that initial file system."""
    document = tiny_guest_xml(
        name, machine=machine, memory_mib=160, vcpus=vcpus, disks=disks, extra_devices=CHANNEL
    )
    usual = f"<initrd>{guest.initramfs()}</initrd>"
    assert usual in document
    return document.replace(usual, f"<initrd>{quoteattr(str(initrd))[1:-1]}</initrd>")


async def prepare(dialogue: Dialogue) -> None:
    """Gives the guest the programs and places that the agent needs."""
    await dialogue.ask(_PREPARE)


async def start_agent(dialogue: Dialogue, options: str = "") -> None:
    """Starts the agent of a guest that reads lines; it opens its port in a moment."""
    await prepare(dialogue)
    said = await dialogue.ask(f"{_START} {options}; echo started=$?")
    if "started=0" not in said:
        raise OperationFailed(f"the guest agent does not start: {said}")
