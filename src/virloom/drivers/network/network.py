# SPDX-License-Identifier: Apache-2.0
"""One virtual network: what is defined of it, and what of it is there."""

from __future__ import annotations

import asyncio
from uuid import UUID

from virloom.model.network import Network
from virloom.model.network.port import NetworkPort
from virloom.procedures.types import NonnullNetwork


class VirtualNetwork:
    """A network.

    Attributes:
        autostart: Whether it starts with the driver.
        bridge: The index of its own bridge while it is active, if it has one.
        bridges: The names of bridges in its documents; each new network is compared with all.
        ports: What guests' interfaces have of it, by UUID.
        changing: Held by whoever starts, stops or changes it.
    """

    def __init__(self, model: Network) -> None:
        self.name = model.name
        self.uuid = UUID(model.uuid).bytes
        self._definition: Network | None = None
        self._live: Network | None = None
        self.bridges: frozenset[str] = frozenset()
        self.autostart = False
        self.bridge: int | None = None
        self.ports: dict[str, NetworkPort] = {}
        self.changing = asyncio.Lock()

    @property
    def definition(self) -> Network | None:
        """The document on disk; None of a transient network."""
        return self._definition

    @definition.setter
    def definition(self, model: Network | None) -> None:
        self._definition = model
        self._note_bridges()

    @property
    def live(self) -> Network | None:
        """The document of what runs; None while it is not active."""
        return self._live

    @live.setter
    def live(self, model: Network | None) -> None:
        self._live = model
        self._note_bridges()

    def _note_bridges(self) -> None:
        """What it has now, and what it will have at its next start."""
        models = (self._live, self._definition)
        self.bridges = frozenset(
            model.bridge.name for model in models if model is not None and model.bridge.name
        )

    @property
    def active(self) -> bool:
        """Whether guests can be connected to it."""
        return self.live is not None

    @property
    def persistent(self) -> bool:
        """Whether it is there after it was stopped."""
        return self.definition is not None

    @property
    def current(self) -> Network:
        """The document that clients see."""
        model = self.live or self.definition
        if model is None:
            raise ValueError(f"network '{self.name}' is gone")
        return model

    def ref(self) -> NonnullNetwork:
        """What calls and events name it by."""
        return NonnullNetwork(self.name, self.uuid)
