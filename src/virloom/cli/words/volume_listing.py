# SPDX-License-Identifier: Apache-2.0
"""Volumes listed, described and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document
from virloom.cli.shell.failure import failing
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.cli.shell.sizes import shown_size
from virloom.cli.words import storage_objects
from virloom.enums.storage import StorageVolInfoFlags, StorageVolType

if TYPE_CHECKING:
    from virloom.client.storage.ref import VolumeInfo
    from virloom.client.storage.volume import Volume


@command("vol-list")
async def list_(session: Session, arguments: Arguments) -> None:
    """List the volumes of a pool."""
    pool, _ = await storage_objects.pool(session, arguments)
    with failing("Failed to list volumes"):
        volumes = await pool.list_volumes()
    volumes.sort(key=lambda volume: volume.name.lower())
    if "details" in arguments:
        rows = [await _details(volume) for volume in volumes]
        session.output.table(("Name", "Path", "Type", "Capacity", "Allocation"), rows)
    else:
        rows = [[volume.name, await volume.path()] for volume in volumes]
        session.output.table(("Name", "Path"), rows)


async def _details(volume: Volume) -> list[str]:
    info = await volume.info()
    sizes = [shown_size(info.capacity), shown_size(info.allocation)]
    return [volume.name, await volume.path(), _type(info), *sizes]


def _type(info: VolumeInfo) -> str:
    return info.type.name.lower() if isinstance(info.type, StorageVolType) else "unknown"


@command("vol-info")
async def info(session: Session, arguments: Arguments) -> None:
    """Print the type and the sizes of a volume."""
    volume, _ = await storage_objects.volume(session, arguments)
    session.output.fields([("Name:", volume.name)])
    found = await volume.info(arguments.flag("physical", StorageVolInfoFlags.GET_PHYSICAL))
    shown = "{} bytes".format if "bytes" in arguments else shown_size
    second = "Physical:" if "physical" in arguments else "Allocation:"
    sizes = [("Capacity:", shown(found.capacity)), (second, shown(found.allocation))]
    session.output.fields([("Type:", _type(found)), *sizes])


@command("vol-dumpxml")
async def dumpxml(session: Session, arguments: Arguments) -> None:
    """Print the document of a volume."""
    volume, _ = await storage_objects.volume(session, arguments)
    print_document(session, arguments, await volume.xml_desc())


@command("vol-key")
async def key(session: Session, arguments: Arguments) -> None:
    """Print a volume's key, which is the only one of its kind."""
    volume, _ = await storage_objects.volume(session, arguments)
    session.output.value("key", volume.key)


@command("vol-path")
async def path(session: Session, arguments: Arguments) -> None:
    """Print where a volume is on the host."""
    volume, _ = await storage_objects.volume(session, arguments)
    session.output.value("path", await volume.path())


@command("vol-name")
async def name(session: Session, arguments: Arguments) -> None:
    """Print the name of the volume with a key or path."""
    volume = await storage_objects.volume_anywhere(session, arguments.text("vol"))
    session.output.value("name", volume.name)


@command("vol-pool")
async def pool(session: Session, arguments: Arguments) -> None:
    """Print the name, or the UUID, of the pool of the volume with a key or path."""
    volume = await storage_objects.volume_anywhere(session, arguments.text("vol"))
    connection = await session.connection()
    with failing(f"failed to get parent pool of volume '{volume.name}'"):
        home = await connection.storage_pools.lookup_by_volume(volume.ref)
    if "uuid" in arguments:
        session.output.value("uuid", home.uuid)
    else:
        session.output.value("name", home.name)
