# SPDX-License-Identifier: Apache-2.0
"""What a kind of pools does in its own way: one class per kind, in the file of its name.

The driver calls these under the pool's lock, and turns none of their errors into another. What a
kind does not have is refused here, with libvirt's codes. Nothing here may wait on the loop: work
at files is a thread's, other programs are run by :class:`StorageHost`.

A method that changes the host is called only after a record of it is on disk, and may be called
again, or its opposite, after a kill at any moment of it: ``start`` where it is started already
and ``stop`` where it is not are no errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.transfer import Opened
from virloom.enums.error import ErrorDomain
from virloom.errors import NoSupport, StorageVolExist
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource

_DOMAIN = ErrorDomain.STORAGE


class Backend:
    """A kind of pools; objects hold nothing of a pool.

    Args:
        host: Where it works.

    Attributes:
        kind: libvirt's name of it, as in ``<pool type=…>``.
        named_at_once: Volumes have their names before they are whole: the pool's record has those
            that are being made, and a restarted daemon removes them.
        narrows_sources: What is said of the sources that are looked for counts.
    """

    kind: ClassVar[str]
    named_at_once: ClassVar[bool] = False
    narrows_sources: ClassVar[bool] = True

    def __init__(self, host: StorageHost) -> None:
        self.host = host

    @property
    def undoing(self) -> Self:
        """The same, for the removal of what was made by work that is given up."""
        return type(self)(self.host.working(LongWork()))

    # -- the pool ------------------------------------------------------------------------------

    async def is_active(self, model: Pool) -> bool:
        """Whether it is started, by whoever; asked of pools that a record tells of, after a
        restart.
        """
        return True

    async def build(self, model: Pool, flags: int) -> None:
        """Makes what the pool needs before it can be started: a directory, a file system, a table.

        Args:
            flags: Of ``StoragePoolBuildFlags``; each kind refuses those that it does not know.

        Raises:
            VirloomError: It cannot be made, or there is something that may not be overwritten.
        """

    @property
    def builds(self) -> bool:
        """Whether pools of the kind need to be built."""
        return type(self).build is not Backend.build

    async def start(self, model: Pool) -> None:
        """Makes its volumes reachable: mounts, logs in, activates.

        Raises:
            VirloomError: That fails; whatever was begun is undone by :meth:`stop`.
        """

    async def look(self, model: Pool) -> dict[str, Volume]:
        """The volumes of a started pool, by name; its sizes are noted in *model*.

        Raises:
            VirloomError: It cannot be looked at; the pool is stopped then.
        """
        raise NotImplementedError

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        """Notes its sizes in *model*, after a volume was made, resized or deleted, and those of
        the *volumes* that hold others.
        """

    async def stop(self, model: Pool) -> None:
        """Undoes :meth:`start`; the volumes stay.

        Raises:
            VirloomError: It is in use, say; the pool stays active then.
        """

    async def delete(self, model: Pool, flags: int) -> None:
        """Undoes :meth:`build`: of a stopped pool.

        Args:
            flags: Of ``StoragePoolDeleteFlags``.

        Raises:
            NoSupport: Such pools are not deleted.
            VirloomError: It cannot be.
        """
        raise _without("pool does not support pool deletion")

    @property
    def finds_sources(self) -> bool:
        """Whether sources of the kind can be found."""
        return type(self).find_sources is not Backend.find_sources

    async def find_sources(self, spec: PoolSource | None) -> list[PoolSource]:
        """The sources that such pools could have.

        Args:
            spec: Where is to be looked.

        Raises:
            NoSupport: Sources of the kind cannot be found.
        """
        raise _without(f"pool type '{self.kind}' does not support source discovery")

    # -- its volumes ---------------------------------------------------------------------------

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        """Refuses a volume that cannot be one of this pool, and gives it its place.

        Raises:
            StorageVolExist: There is one of that name, or one is being made.
            NoSupport: Volumes of such pools are not made.
        """
        if model.name in pool.volumes:
            raise StorageVolExist(f"'{model.name}'", domain=_DOMAIN)
        raise _without("storage pool does not support volume creation")

    async def make(
        self,
        pool: Pool,
        model: Volume,
        *,
        metadata: bool,
        origin: Volume | None = None,
        reflink: bool = False,
    ) -> Volume:
        """Makes a volume; after an error nothing of it is there.

        Args:
            metadata: Its tables are written for all of its capacity.
            origin: The volume whose content it gets.
            reflink: It is to share the blocks of that.
        """
        raise _without("storage pool does not support volume creation")

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        """The volume as it is now: a guest may have written to it since.

        Args:
            probing: Its format is looked at anew; else it keeps the one that it had.

        Raises:
            SystemFailure: It is gone.
        """
        return volume

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> dict[str, Volume] | None:
        """Deletes a volume; one that is gone already is no error.

        Returns the volumes that are left, where that can have changed others too.

        Args:
            flags: Of ``StorageVolDeleteFlags``.
        """
        raise _without("storage pool does not support vol deletion")

    async def resize(
        self, pool: Pool, volume: Volume, capacity: int, *, allocate: bool, shrink: bool
    ) -> None:
        """Gives a volume that capacity, in bytes."""
        raise _without("storage pool does not support changing of volume capacity")

    def check_wipe(self, volume: Volume, algorithm: int) -> None:
        """Refuses a wipe that cannot be done.

        Args:
            algorithm: Of ``StorageVolWipeAlgorithm``.

        Raises:
            NoSupport: Volumes of such pools are not wiped.
            VirloomError: This one is not, or not so.
        """
        raise _without("storage pool doesn't support volume wiping")

    async def wipe(self, pool: Pool, volume: Volume, algorithm: int) -> None:
        """Overwrites what is in a volume, which :meth:`check_wipe` has let pass."""
        raise NotImplementedError

    async def open(self, volume: Volume, offset: int, *, writing: bool, sparse: bool) -> Opened:
        """A volume's bytes from *offset* on, for a stream, which closes them.

        Args:
            sparse: Whether holes are looked for.
        """
        what = "upload" if writing else "download"
        raise _without(f"storage pool doesn't support volume {what}")


def _without(what: str) -> NoSupport:
    return NoSupport(what, domain=_DOMAIN)
