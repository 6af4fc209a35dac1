# SPDX-License-Identifier: Apache-2.0
"""Random documents, defined by libvirt 9 and by us: the same document or the same code."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities.facts import from_json
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.directories import Directories
from virloom.errors import VirloomError
from virloom.model.domain import Domain
from virloom.xml import FormatFlags, format_document, parse_document

#: Raise it, or change the seed, to look for more.
DOCUMENTS = int(os.environ.get("VIRLOOM_RANDOM_DEFINITIONS", "300"))
SEED = int(os.environ.get("VIRLOOM_RANDOM_SEED", "20230116"))

LIBVIRT = """
import json, libvirt, sys
libvirt.virEventRegisterDefaultImpl()
libvirt.registerErrorHandler(lambda *_: None, None)
connection = libvirt.open(f"qemu:///embed?root={sys.argv[1]}")
outcomes = []
for document in json.load(sys.stdin):
    try:
        domain = connection.defineXML(document)
    except libvirt.libvirtError as error:
        outcomes.append(error.get_error_code())
        continue
    outcomes.append(domain.XMLDesc(3))
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
print(json.dumps(outcomes))
"""

_PREFIXES = {"virtio": "vd", "sata": "sd", "scsi": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}
_LETTERS = {"fdc": "ab", "ide": "abcd"}


class Author:
    """Writes documents that are mostly sound; at most one thing in each is likely to be wrong."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._targets: set[str] = set()
        self._number = 0

    def document(self) -> str:
        """The next one."""
        pick = self._random.choice
        self._targets.clear()
        self._number += 1
        machine = pick(["q35", "q35", "pc", "pc-q35-5.0"])
        kinds: list[Callable[[str], str]] = [
            self._disk,
            self._disk,
            self._interface,
            self._serial,
            self._console,
            self._channel,
            self._controller,
            self._other,
        ]
        devices = "".join(pick(kinds)(machine) for _ in range(pick([0, 1, 2, 3, 5, 9])))
        cpu = pick(["", "<cpu mode='maximum'/>", "<cpu><model>Nehalem</model></cpu>"])
        boot = pick(["", "<boot dev='cdrom'/><boot dev='hd'/>"])
        return (
            f"<domain type='qemu'><name>r{self._number}</name>"
            f"<uuid>8f3c0f2e-5a51-4b59-9d3c-{self._number:012x}</uuid>"
            f"<memory unit='MiB'>64</memory><os><type machine='{machine}'>hvm</type>{boot}</os>"
            f"{cpu}<devices>{devices}</devices></domain>"
        )

    def _sometimes(self, text: str) -> str:
        return text if self._random.random() < 0.1 else ""

    def _pci(self) -> str:
        bus, slot = self._random.choice([0, 0, 1, 2, 3]), self._random.choice([0, 1, 5, 7, 31])
        return f"<address type='pci' bus='{bus}' slot='{slot}' function='0'/>"

    def _disk(self, machine: str) -> str:
        buses = ["virtio", "virtio", "sata", "scsi", "usb", "fdc"]
        bus = self._random.choice([*buses, "ide"] if machine == "pc" else buses)
        target = _PREFIXES[bus] + self._random.choice(_LETTERS.get(bus, "abcdefghijklmnop"))
        if target in self._targets:
            return ""
        self._targets.add(target)
        kind = {"fdc": "floppy", "virtio": "disk"}.get(bus) or self._random.choice(
            ["disk", "cdrom"]
        )
        where = self._sometimes(self._pci()) if bus == "virtio" else ""
        return (
            f"<disk type='file' device='{kind}'><source file='/i/{target}'/>"
            f"<target dev='{target}' bus='{bus}'/>{where}</disk>"
        )

    def _interface(self, machine: str) -> str:
        models = ["virtio", "e1000", "e1000e", "rtl8139", "virtio-transitional", "vmxnet3"]
        octet = self._random.randrange(256)
        return (
            f"<interface type='user'><mac address='52:54:00:00:00:{octet:02x}'/>"
            f"<model type='{self._random.choice(models)}'/>{self._sometimes(self._pci())}"
            "</interface>"
        )

    def _serial(self, machine: str) -> str:
        targets = ["", "", "<target type='isa-serial'/>", "<target type='pci-serial'/>"]
        return f"<serial type='null'>{self._random.choice(targets)}</serial>"

    def _console(self, machine: str) -> str:
        kind = self._random.choice(["serial", "virtio", "virtio"])
        return f"<console type='pty'><target type='{kind}'/></console>"

    def _channel(self, machine: str) -> str:
        pick = self._random.choice
        where = f"<address type='virtio-serial' controller='{pick([0, 1])}' port='{pick([0, 3])}'/>"
        return f"<channel type='null'><target type='virtio'/>{self._sometimes(where)}</channel>"

    def _controller(self, machine: str) -> str:
        pick = self._random.choice
        kind, model = pick(
            [
                ("usb", "nec-xhci"),
                ("usb", "ehci"),
                ("scsi", "virtio-scsi"),
                ("scsi", "lsilogic"),
                ("virtio-serial", ""),
                ("sata", ""),
                ("pci", "pci-bridge"),
                ("pci", "pcie-root-port"),
                ("pci", "pcie-to-pci-bridge"),
            ]
        )
        given = f" model='{model}'" if model else ""
        return f"<controller type='{kind}' index='{pick([0, 1, 1, 2, 3])}'{given}/>"

    def _other(self, machine: str) -> str:
        return self._random.choice(
            [
                "<graphics type='vnc'/>",
                "<video><model type='virtio'/></video>",
                "<video><model type='qxl'/></video>",
                "<input type='tablet' bus='usb'/>",
                "<input type='keyboard' bus='virtio'/>",
                "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
                "<sound model='ich9'/>",
                "<hub type='usb'/>",
                "<parallel type='null'/>",
            ]
        )


@pytest.mark.parity
@pytest.mark.skipif(
    not Path("/usr/lib/python3/dist-packages/libvirt.py").exists(),
    reason="python3-libvirt is not installed",
)
@pytest.mark.skipif(os.geteuid() != 0, reason="libvirt's embedded driver wants root here")
@pytest.mark.timeout(400)
def test_random_documents_come_out_as_libvirts() -> None:
    author = Author(SEED)
    documents = [author.document() for _ in range(DOCUMENTS)]
    caps = from_json(
        json.loads((Path(__file__).parent.parent / "caps" / "qemu-7.2.json").read_text())
    )
    with tempfile.TemporaryDirectory() as root:
        theirs = libvirts(documents, root)
        homes = Directories.embedded(Path(root))
    for document, expected in zip(documents, theirs, strict=True):
        try:
            dom = parse_document(Domain, document)
            prepare_definition(dom, caps, directories=homes)
            ours: str | int = format_document(dom, FormatFlags.INACTIVE | FormatFlags.SECURE)
        except VirloomError as error:
            ours = error.code
        if isinstance(expected, int) and isinstance(ours, int):
            continue  # Of several mistakes in one document, each finds its own first.
        assert ours == expected, document
    # The comparison is worth something only while most documents are accepted.
    assert sum(isinstance(outcome, str) for outcome in theirs) > DOCUMENTS // 2


def libvirts(documents: list[str], root: str) -> list[str | int]:
    done = subprocess.run(
        ["/usr/bin/python3", "-c", LIBVIRT, root],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes: list[str | int] = json.loads(done.stdout)
    return outcomes
