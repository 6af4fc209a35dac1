# SPDX-License-Identifier: Apache-2.0
"""What OpenStack does with volumes: ``/usr/bin/python3 volumes_session.py URI ROOT``.

There is a pool ``default`` with a bootable volume ``boot``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import libvirt

URI, ROOT = sys.argv[1:]
UUID = "11111111-2222-3333-4444-555555555555"
SECRET = f"""<secret ephemeral='no' private='yes'><uuid>{UUID}</uuid>
<usage type='volume'><volume>{ROOT}/default/locked</volume></usage></secret>"""
ENCRYPTION = f"""<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption>"""


def guest(name: str, disk: str) -> str:
    """A guest that boots the disk."""
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{disk}
<serial type='file'><source path='{ROOT}/{name}.log'/></serial></devices></domain>"""


def until(true: object, what: str) -> None:
    """Returns once it is so."""
    deadline = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def says(name: str, word: str) -> bool:
    """Whether a guest has said it."""
    path = Path(f"{ROOT}/{name}.log")
    return path.exists() and word in path.read_text()


def overlay(conn: libvirt.virConnect) -> None:
    """A volume over another one, which a running guest is freed from."""
    base = conn.storageVolLookupByPath(f"{ROOT}/default/boot")
    print("found", base.name())
    pool = base.storagePoolLookupByVolume()
    volume = pool.createXML(f"""<volume><name>overlay</name><capacity>{base.info()[1]}</capacity>
<target><format type='qcow2'/><compat>1.1</compat></target>
<backingStore><path>{base.path()}</path><format type='raw'/></backingStore></volume>""")
    assert f"<path>{base.path()}</path>" in volume.XMLDesc()
    print("backed by", base.name())
    domain = conn.createXML(
        guest(
            "overlay",
            f"""<disk type='file' device='disk'>
<driver name='qemu' type='qcow2'/><source file='{volume.path()}'/><target dev='vda' bus='virtio'/>
</disk>""",
        )
    )
    until(lambda: says("overlay", "BOOTED-DISK"), "boot")
    domain.blockRebase("vda", None, 0, 0)
    until(lambda: not domain.blockJobInfo("vda", 0), "pull")
    print("rebased")
    domain.destroy()
    pool.refresh()
    volume = conn.storageVolLookupByPath(volume.path())
    assert "backingStore" not in volume.XMLDesc()
    print("stands alone")


def encrypted(conn: libvirt.virConnect) -> None:
    """An encrypted copy of the volume, which a guest boots by name."""
    conn.secretDefineXML(SECRET).setValue(b"open sesame")
    base = conn.storageVolLookupByPath(f"{ROOT}/default/boot")
    pool = base.storagePoolLookupByVolume()
    pool.createXMLFrom(
        f"""<volume><name>locked</name><capacity>1</capacity>
<target><format type='raw'/>{ENCRYPTION}</target></volume>""",
        base,
    )
    domain = conn.createXML(
        guest(
            "encrypted",
            f"""<disk type='volume' device='disk'>
<driver name='qemu' type='raw'/><source pool='default' volume='locked'>{ENCRYPTION}</source>
<target dev='vda' bus='virtio'/></disk>""",
        )
    )
    until(lambda: says("encrypted", "BOOTED-DISK"), "boot")
    domain.destroy()
    print("encrypted booted")


def main() -> None:
    """The session."""
    conn = libvirt.open(URI)
    overlay(conn)
    encrypted(conn)


main()
