# SPDX-License-Identifier: Apache-2.0
"""What every configurator of a host does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from virloom.model.interface import HostInterface


class Foreign(NamedTuple):
    """An interface that an administrator has configured.

    Attributes:
        model: What its configuration says, as far as a document can say it.
        place: File and line.
    """

    model: HostInterface
    place: str


class Configurator(Protocol):
    """The program that configures the host's interfaces, or who stands in for it.

    Attributes:
        title: Its name, for messages.
        directory: Where its files are, ours among them.
        lasting: Whether what is there outlives the host's boot.
        mode: Of its files.
    """

    title: str
    directory: Path
    lasting: bool
    mode: int

    def check(self, model: HostInterface) -> None:
        """Refuses what it cannot configure.

        Raises:
            ConfigUnsupported: It cannot, and why.
        """
        ...

    def files(self, model: HostInterface) -> dict[str, str]:
        """The files, by name in :attr:`directory`, that configure the interface.

        The first holds the document (:mod:`..documents`).
        """
        ...

    def is_ours(self, name: str) -> bool:
        """Whether the file of that name in :attr:`directory` is one of ours."""
        ...

    def foreign(self) -> Mapping[str, Foreign]:
        """The interfaces that administrators have configured."""
        ...

    async def up(self, model: HostInterface) -> None:
        """Has the interface up, as its files or *model* say.

        Raises:
            OperationFailed: It does not come up, with the program's own words. Some of it may be
                done: :meth:`down` is for the caller.
        """
        ...

    async def down(self, model: HostInterface) -> None:
        """Takes the interface down, and what was made for it away.

        Raises:
            OperationFailed: It is still there.
        """
        ...

    async def reread(self) -> None:
        """Has the program learn that files have come, changed or gone.

        Raises:
            OperationFailed: It refuses them; the caller puts back what was there.
        """
        ...
