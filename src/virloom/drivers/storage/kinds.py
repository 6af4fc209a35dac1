# SPDX-License-Identifier: Apache-2.0
"""The kinds of pools: what each must say of its source, its formats, and what its volumes are."""

from __future__ import annotations

from typing import NamedTuple

from virloom.enums.storage import StorageVolType

_FILE_SYSTEMS = (
    "auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+",
    "xfs", "ocfs2", "vmfs",
)  # fmt: skip
_TABLES = ("unknown", "dos", "dvh", "gpt", "mac", "bsd", "pc98", "sun", "lvm2")
_PARTITIONS = (
    "none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended",
)  # fmt: skip
_IMAGES = (
    "raw", "none", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop",
    "cow", "qcow", "qcow2", "qed", "vmdk",
)  # fmt: skip
_FILE, _BLOCK, _NETWORK = StorageVolType.FILE, StorageVolType.BLOCK, StorageVolType.NETWORK


class PoolKind(NamedTuple):
    """A kind of pools.

    Attributes:
        volumes: What its volumes are.
        needs: What its source must say: ``host``, ``device``, ``dir``, ``adapter``, ``name``
            or ``initiator``.
        takes: What it may say beside that, all else is dropped.
        formats: Of the pool; the first is the default.
        volume_formats: Of its volumes; the first is the default.
        target: Where it is seen, if that follows from the source's name (``{}``).
        local: Whether it is seen on the host.
    """

    volumes: StorageVolType
    needs: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    volume_formats: tuple[str, ...] = ()
    target: str | None = None
    local: bool = True
    takes: tuple[str, ...] = ()


KINDS = {
    "dir": PoolKind(_FILE, volume_formats=_IMAGES),
    "fs": PoolKind(_FILE, ("device",), _FILE_SYSTEMS, _IMAGES),
    "netfs": PoolKind(_FILE, ("host", "dir"), ("auto", "nfs", "glusterfs", "cifs"), _IMAGES),
    "logical": PoolKind(
        _BLOCK, ("name",), ("lvm2", "unknown"), target="/dev/{}", takes=("device",)
    ),
    "disk": PoolKind(_BLOCK, ("device",), _TABLES, _PARTITIONS),
    "iscsi": PoolKind(_BLOCK, ("host",), takes=("device", "initiator")),
    "iscsi-direct": PoolKind(_NETWORK, ("host", "initiator"), local=False, takes=("device",)),
    "scsi": PoolKind(_BLOCK, ("adapter",)),
    "mpath": PoolKind(_BLOCK),
    "rbd": PoolKind(_NETWORK, ("host", "name"), volume_formats=_IMAGES, local=False),
    "sheepdog": PoolKind(_NETWORK, ("host", "name"), volume_formats=_IMAGES, local=False),
    "gluster": PoolKind(
        _NETWORK, ("host", "name"), volume_formats=_IMAGES, local=False, takes=("dir",)
    ),
    "zfs": PoolKind(_BLOCK, ("name",), target="/dev/zvol/{}", takes=("device",)),
    "vstorage": PoolKind(_FILE, ("name",), volume_formats=_IMAGES),
}
