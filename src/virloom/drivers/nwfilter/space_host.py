# SPDX-License-Identifier: Apache-2.0
"""The network of an embedded root's filters: the namespace that its networks and taps are in."""

from __future__ import annotations

from contextlib import AbstractContextManager

from virloom.drivers.nwfilter.host import FilterHost
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.host.netns import NetworkSpace


class SpaceFilterHost(FilterHost):
    """The network of a namespace, which somebody else makes: filters have nothing to do before.

    Args:
        space: The namespace.
    """

    def __init__(self, space: NetworkSpace) -> None:
        super().__init__()
        self._space = space

    async def load(self, transaction: Transaction) -> None:
        if self._space.find() is not None:  # its rules went with it
            await super().load(transaction)

    def prefix(self) -> list[str]:
        return self._space.prefix()

    def entered(self) -> AbstractContextManager[None]:
        return self._space.entered()

    def index_of(self, link: str) -> int | None:
        if self._space.find() is None:
            return None
        with self.entered():
            return super().index_of(link)
