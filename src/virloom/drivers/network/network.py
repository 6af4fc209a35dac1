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
        definition: The document on disk; None of a transient network.
        live: The document of what runs; None while it is not active.
        autostart: Whether it starts with the driver.
        bridge: The index of its own bridge while it is active, if it has one.
        ports: What guests' interfaces have of it, by UUID.
        changing: Held by whoever starts, stops or changes it.
    """

    def __init__(self, model: Network) -> None:
        self.name = model.name
        self.uuid = UUID(model.uuid).bytes
        self.definition: Network | None = None
        self.live: Network | None = None
        self.autostart = False
        self.bridge: int | None = None
        self.ports: dict[str, NetworkPort] = {}
        self.changing = asyncio.Lock()

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

    @property
    def documents(self) -> tuple[Network, ...]:
        """What it has now, and what it will have at its next start."""
        return tuple(model for model in (self.live, self.definition) if model is not None)

    def ref(self) -> NonnullNetwork:
        """What calls and events name it by."""
        return NonnullNetwork(self.name, self.uuid)
