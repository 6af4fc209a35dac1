# SPDX-License-Identifier: Apache-2.0
"""The back ends: what each kind of pools does in its own way.

A kind is a file here, named after it, with one class on top of :class:`Backend` (nothing is like
files), :class:`PathBackend` (volumes have paths) or :class:`FileBackend` (volumes are files of a
directory), and a line below.
"""

from __future__ import annotations

from virloom.drivers.storage.backends.dir import DirBackend
from virloom.drivers.storage.backends.disk import DiskBackend
from virloom.drivers.storage.backends.fs import FsBackend
from virloom.drivers.storage.backends.gluster import GlusterBackend
from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.backends.iscsi import IscsiBackend
from virloom.drivers.storage.backends.iscsi_direct import IscsiDirectBackend
from virloom.drivers.storage.backends.logical import LogicalBackend
from virloom.drivers.storage.backends.mpath import MpathBackend
from virloom.drivers.storage.backends.netfs import NetfsBackend
from virloom.drivers.storage.backends.rbd import RbdBackend
from virloom.drivers.storage.backends.scsi import ScsiBackend
from virloom.drivers.storage.backends.vstorage import VstorageBackend
from virloom.drivers.storage.backends.zfs import ZfsBackend
from virloom.drivers.storage.host import StorageHost
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

__all__ = ["BACKENDS", "Backend", "backend_of"]

#: The kinds that can be started here.
BACKENDS: dict[str, type[Backend]] = {
    each.kind: each
    for each in (
        DirBackend,
        DiskBackend,
        FsBackend,
        GlusterBackend,
        IscsiBackend,
        IscsiDirectBackend,
        LogicalBackend,
        MpathBackend,
        RbdBackend,
        NetfsBackend,
        ScsiBackend,
        VstorageBackend,
        ZfsBackend,
    )
}

#: Kinds that nobody serves any more, libvirt 9 of Debian included: they cannot even be defined.
GONE = frozenset(("sheepdog",))


def backend_of(kind: str, host: StorageHost) -> Backend:
    """The back end of a kind.

    Raises:
        InternalError: There is none here (libvirt's code for it).
    """
    found = BACKENDS.get(kind)
    if found is None:
        raise InternalError(f"missing backend for pool type '{kind}'", domain=ErrorDomain.STORAGE)
    return found(host)
