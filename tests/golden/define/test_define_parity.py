# SPDX-License-Identifier: Apache-2.0
"""What we make of plain microvm documents is a document that libvirt 9 takes and starts."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from virloom.drivers.qemu.capabilities.facts import from_json
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.directories import Directories
from virloom.model.domain import Domain
from virloom.xml import FormatFlags, format_document, parse_document

DEVICES = {
    "bare": "",
    "disk": "<disk type='file'><source file='{root}/a.raw'/><target dev='vda'/></disk>"
    "<interface type='user'/><console type='pty'/>",
    "scsi": "<disk type='file'><source file='{root}/a.raw'/><target dev='sda'/></disk>",
    "more": "<serial type='null'/><memballoon model='virtio'/><input type='tablet' bus='virtio'/>"
    "<channel type='null'><target type='virtio' name='org.example.0'/></channel>"
    "<rng model='virtio'><backend model='random'/></rng>",
}

LIBVIRT = """
import json, libvirt, sys
libvirt.virEventRegisterDefaultImpl()
connection = libvirt.open(f"qemu:///embed?root={sys.argv[1]}/driver")
document = sys.stdin.read()
domain = connection.defineXML(document)
told = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
active = domain.isActive()
domain.destroy()
print(json.dumps({"told": told, "active": active}))
"""


@pytest.mark.parity
@pytest.mark.skipif(
    not Path("/usr/lib/python3/dist-packages/libvirt.py").exists(),
    reason="python3-libvirt is not installed",
)
@pytest.mark.skipif(os.geteuid() != 0, reason="libvirt's embedded driver wants root here")
@pytest.mark.parametrize(
    "name",
    [name if name == "more" else pytest.param(name, marks=pytest.mark.long) for name in DEVICES],
)
def test_libvirt_takes_and_starts_our_microvm(name: str) -> None:
    with tempfile.TemporaryDirectory() as root:  # tmp_path is closed to libvirt's QEMU
        os.chmod(root, 0o755)
        Path(root, "a.raw").write_bytes(bytes(1 << 20))
        settings = Path(root, "driver", "etc", "qemu.conf")
        settings.parent.mkdir(parents=True)
        # There is no virtlogd beside an embedded driver.
        settings.write_text('stdio_handler = "file"\n')
        ours = prepared(name, DEVICES[name].format(root=root), root)
        done = subprocess.run(
            ["/usr/bin/python3", "-c", LIBVIRT, root],
            input=ours,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
    assert result["told"] == ours
    assert result["active"] == 1


def prepared(name: str, devices: str, root: str) -> str:
    caps = from_json(
        json.loads((Path(__file__).parent.parent / "caps" / "qemu-7.2.json").read_text())
    )
    dom = parse_document(
        Domain,
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>"
        f"<os><type machine='microvm'>hvm</type></os><devices>{devices}</devices></domain>",
    )
    prepare_definition(dom, caps, directories=Directories.embedded(Path(root)))
    return format_document(dom, FormatFlags.INACTIVE | FormatFlags.SECURE)
