# SPDX-License-Identifier: Apache-2.0
"""``<pool>``: where volumes come from."""

from __future__ import annotations

from typing import ClassVar, Self

from virloom.enums.error import ErrorDomain
from virloom.model.namespaces import declarations
from virloom.model.schema import PathSchema, schema
from virloom.model.storage.target import Amount, Auth, FormatType, Named, Permissions
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, group, leaf
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import (
    ON_OFF,
    STRING,
    UINT,
    UUID,
    YES_NO,
    choice,
    hexadecimal,
    lenient,
)

#: libvirt's kinds of pools.
TYPE = choice(
    "dir", "fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd",
    "sheepdog", "gluster", "zfs", "vstorage",
)  # fmt: skip


class Cow(Element):
    """``<cow state='no'/>``: whether the file system copies what it writes."""

    state: bool | None = attribute(YES_NO)


class PoolFeatures(Element):
    """``<features>``."""

    cow: Cow = group(Cow)


class SourceHost(Element):
    """``<host name='server' port='6789'/>``."""

    name: str | None = attribute(STRING)
    port: int | None = attribute(UINT)


class FreeExtent(Element):
    """``<freeExtent start='0' end='1024'/>``, in bytes."""

    start: str | None = attribute(STRING)
    end: str | None = attribute(STRING)


class SourceDevice(Element):
    """``<device path='/dev/sda' part_separator='no'>``."""

    path: str | None = attribute(STRING)
    part_separator: bool | None = attribute(YES_NO)
    free_extents: list[FreeExtent] = children(FreeExtent, "freeExtent")


class SourceDir(Element):
    """``<dir path='/exports'/>``."""

    path: str | None = attribute(STRING)


class ParentAddress(Element):
    """``<address domain='0x0000' bus='0x00' slot='0x1f' function='0x2'/>`` of an adapter."""

    domain: int = attribute(hexadecimal(4), default=0)
    bus: int = attribute(hexadecimal(2), default=0)
    slot: int = attribute(hexadecimal(2), default=0)
    function: int = attribute(hexadecimal(1), default=0)
    multifunction: bool | None = attribute(ON_OFF)


class AdapterParent(Element):
    """``<parentaddr unique_id='1'>``."""

    unique_id: int | None = attribute(lenient(UINT))
    address: ParentAddress | None = child(ParentAddress)


class Adapter(Element):
    """``<adapter type='fc_host' wwnn='…' wwpn='…'/>`` or ``<adapter type='scsi_host'>``."""

    type: str | None = attribute(choice("scsi_host", "fc_host"))
    name: str | None = attribute(STRING)
    parent: str | None = attribute(STRING)
    parent_wwnn: str | None = attribute(STRING)
    parent_wwpn: str | None = attribute(STRING)
    parent_fabric_wwn: str | None = attribute(STRING)
    managed: bool | None = attribute(YES_NO)
    wwnn: str | None = attribute(STRING)
    wwpn: str | None = attribute(STRING)
    parentaddr: AdapterParent | None = child(AdapterParent)


class Initiator(Element):
    """``<initiator><iqn name='…'/></initiator>``."""

    iqn: Named = group(Named)


class Protocol(Element):
    """``<protocol ver='4.1'/>``: the version of NFS."""

    ver: str | None = attribute(STRING)


class PoolSource(Element):
    """``<source>`` of a pool; what counts follows its type."""

    empty = "lines"

    hosts: list[SourceHost] = children(SourceHost, "host")
    devices: list[SourceDevice] = children(SourceDevice, "device")
    dir: SourceDir = group(SourceDir)
    adapter: Adapter | None = child(Adapter)
    name: str | None = leaf(STRING)
    initiator: Initiator = group(Initiator)
    format: FormatType = group(FormatType)
    protocol: Protocol = group(Protocol)
    auth: Auth | None = child(Auth)
    vendor: Named = group(Named)
    product: Named = group(Named)


class PoolTarget(Element):
    """``<target>``: where the pool is seen on the host."""

    path: str | None = leaf(STRING)
    permissions: Permissions = group(Permissions)


class RefreshVolume(Element):
    """``<volume allocation='capacity'/>``: how a refresh counts what a volume occupies."""

    allocation: str | None = attribute(choice("default", "capacity"))


class Refresh(Element):
    """``<refresh>``."""

    volume: RefreshVolume = group(RefreshVolume)


class MountOption(Element):
    """``<fs:option name='sync'/>``: an option of mount(8)."""

    name: str | None = attribute(STRING)


class MountOptions(Element):
    """``<fs:mount_opts>``."""

    options: list[MountOption] = children(MountOption, "fs:option")


class RbdOption(Element):
    """``<rbd:option name='client_mount_timeout' value='45'/>``: an option of Ceph's client."""

    name: str | None = attribute(STRING)
    value: str | None = attribute(STRING)


class RbdOptions(Element):
    """``<rbd:config_opts>``."""

    options: list[RbdOption] = children(RbdOption, "rbd:option")


class Pool(Element):
    """``<pool type='dir'>``."""

    tag = "pool"
    schema_path = "pool"
    error_domain = ErrorDomain.STORAGE
    namespaces: ClassVar[dict[str, str]] = {
        "http://libvirt.org/schemas/storagepool/fs/1.0": "fs",
        "http://libvirt.org/schemas/storagepool/rbd/1.0": "rbd",
    }

    type: str | None = attribute(TYPE)
    xmlns_fs: str | None = attribute(STRING, "xmlns:fs")
    xmlns_rbd: str | None = attribute(STRING, "xmlns:rbd")
    name: str | None = leaf(STRING)
    uuid: str | None = leaf(UUID)
    capacity: Amount = group(Amount)
    allocation: Amount = group(Amount)
    available: Amount = group(Amount)
    features: PoolFeatures = group(PoolFeatures)
    source: PoolSource | None = child(PoolSource)
    target: PoolTarget = group(PoolTarget)
    refresh: Refresh = group(Refresh)
    mount_options: MountOptions = group(MountOptions, "fs:mount_opts")
    rbd_options: RbdOptions = group(RbdOptions, "rbd:config_opts")

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of pools."""
        return schema("pool")

    def adapted(self, flags: FormatFlags) -> Self:
        """The name spaces that are used."""
        changes = declarations(self)
        return self.beside(**changes) if changes else self
