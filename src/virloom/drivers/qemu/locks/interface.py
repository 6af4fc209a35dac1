# SPDX-License-Identifier: Apache-2.0
"""What the driver asks of whoever gives leases: one file beside this one for each.

A package of others brings its own as an entry point of the group ``virloom.lock_managers``: a
callable that is given the driver and returns a :class:`LockManager`; ``lock_manager`` in qemu.conf
names it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from virloom.model.domain import Domain


class Owner(NamedTuple):
    """A guest, as long as its process lives.

    Attributes:
        uuid, name, id: Of the domain.
        pid: Its QEMU.
    """

    uuid: str
    name: str
    id: int
    pid: int


class Claim(NamedTuple):
    """What a guest is to have for itself, or beside others that share it.

    Attributes:
        kind: ``file``, ``block`` or ``network`` for an image, ``lease`` for what ``<lease>`` says.
        path: Of the image; of another host's ``PROTOCOL:NAME``; of a lease the path of its target.
        shared: Others may have it too, if they share it.
        lockspace, key, offset: Of a lease.
    """

    kind: str
    path: str
    shared: bool = False
    lockspace: str = ""
    key: str = ""
    offset: int = 0


class LockManager(ABC):
    """Gives leases. Methods may be called for several guests at once, for one after the other.

    Attributes:
        name: As in qemu.conf.
        lost: Set by the driver: called with a guest's UUID when it has lost what it had.
        leaving: What is giving back just now what guests had that have ended.
    """

    name: str
    lost: Callable[[str], None]

    def __init__(self) -> None:
        self.leaving: set[asyncio.Task[Any]] = set()

    def check(self, model: Domain) -> None:  # noqa: B027 # most take any guest
        """Before a guest starts: whether leases of it can be given at all.

        Raises:
            VirloomError: They cannot.
        """

    @abstractmethod
    async def ready(self) -> None:
        """Before a guest starts: whether somebody is there who gives leases.

        Raises:
            VirloomError: Nobody is.
        """

    @abstractmethod
    async def acquire(self, owner: Owner, claims: Sequence[Claim]) -> None:
        """Gives all of *claims* or none. What the owner has already is not among them.

        Raises:
            ResourceBusy: Somebody else has one.
            VirloomError: It cannot be found out.
        """

    @abstractmethod
    async def release(self, owner: Owner, claims: Sequence[Claim]) -> None:
        """Takes *claims* back; those that the owner does not have are passed over.

        Raises:
            VirloomError: It has them still.
        """

    async def adopt(  # noqa: B027 # some keep leases themselves
        self, owner: Owner, claims: Sequence[Claim]
    ) -> None:
        """The driver was started again, and its guest has *claims* of before.

        Raises:
            VirloomError: It has them no longer.
        """

    async def close(self) -> None:  # noqa: B027 # most have nothing open
        """The driver ends; guests keep what they have."""
