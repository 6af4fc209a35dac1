# SPDX-License-Identifier: Apache-2.0
"""QEMU's last words, as a person understands them."""

from __future__ import annotations

from virloom.drivers.qemu.process.undo import with_images
from virloom.model.domain import Domain
from virloom.xml import parse_document

GUEST = """<domain type='qemu'><name>g</name><devices>
<disk type='file' device='disk'><source file='/pool/top'/>
<backingStore type='file'><format type='raw'/><source file='/pool/base'/></backingStore>
<target dev='vda'/><alias name='virtio-disk0'/></disk>
<disk type='block' device='disk'><source dev='/dev/loop0'/><target dev='vdb'/>
<alias name='virtio-disk1'/></disk>
<disk type='file' device='cdrom'><target dev='hda'/><alias name='ide0-0-0'/></disk>
</devices></domain>"""
FDSETS = {"virtio-disk0.image0": 0, "virtio-disk0.image1": 1, "virtio-disk1.image0": 10, "x.log": 2}


def test_images_are_named_by_their_paths() -> None:
    said = "another process using the image [/dev/fdset/{}]?"
    model = parse_document(Domain, GUEST)
    for number, path in ((0, "/pool/top"), (1, "/pool/base"), (10, "/dev/loop0")):
        told = with_images(said.format(number), model, FDSETS)
        assert told == f"another process using the image [{path}]?"
    assert with_images(said.format(2), model, FDSETS) == said.format(2)
    assert with_images(said.format(0), model, {}) == said.format(0)
