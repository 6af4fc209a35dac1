# SPDX-License-Identifier: Apache-2.0
"""What libvirt finds in a root that was ours: ``moments_of_ours.py ROOT``, one line of JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import libvirt


def tree(moments: Any) -> list[str]:
    """Each with the one before it, sorted."""
    found = []
    for one in moments:
        try:
            parent = one.getParent().getName()
        except libvirt.libvirtError:
            parent = "-"
        found.append(f"{parent}>{one.getName()}")
    return sorted(found)


def main(root: str) -> None:
    """Looks, goes back to one, deletes another."""
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.open(f"qemu:///embed?root={root}")
    guest, other = (connection.lookupByName(name) for name in ("chk", "other"))
    snapshots = sorted(guest.listAllSnapshots(), key=lambda one: one.getName())
    found = [
        tree(guest.listAllSnapshots()),
        guest.snapshotCurrent().getName(),
        tree(other.listAllCheckpoints()),
        [one.getXMLDesc() for one in snapshots],
    ]
    guest.revertToSnapshot(guest.snapshotLookupByName("a"))
    guest.snapshotLookupByName("b").delete()
    found += [tree(guest.listAllSnapshots()), guest.snapshotCurrent().getName()]
    print(json.dumps(found))


main(*sys.argv[1:])
