# SPDX-License-Identifier: Apache-2.0
"""A domain of the test driver: its documents and what state it pretends to be in."""

from __future__ import annotations

import uuid as uuids

from virloom.drivers.runtime.moments import Moments
from virloom.drivers.test.iothreads import IoThreads
from virloom.enums.domain import DomainShutoffReason, DomainState
from virloom.model.domain import Domain
from virloom.model.snapshot import Checkpoint, Snapshot
from virloom.procedures.types import NonnullDomain


class Guest:
    """A domain.

    Attributes:
        name, uuid: Its identity.
        live: The document of the running domain; None while it is shut off.
        config: The document of the next start; None of a domain that has only ever been transient.
        persistent: Whether it stays when it is shut off.
        state, reason: As libvirt numbers them.
        autostart: What somebody set.
        saved: Whether it pretends to have a managed save image.
        snapshots, checkpoints: What was made of it.
        iothreads: How its threads poll.
        frozen: Mount points of the guest to which nothing is written.
    """

    def __init__(self, name: str, uuid: bytes) -> None:
        self.name = name
        self.uuid = uuid
        self.live: Domain | None = None
        self.config: Domain | None = None
        self.persistent = False
        self.state = DomainState.SHUTOFF
        self.reason: int = DomainShutoffReason.UNKNOWN
        self.autostart = False
        self.saved = False
        self.snapshots: Moments[Snapshot] = Moments()
        self.checkpoints: Moments[Checkpoint] = Moments()
        self.iothreads = IoThreads()
        self.frozen: set[str] = set()

    @property
    def uuid_text(self) -> str:
        """The UUID in its usual form."""
        return str(uuids.UUID(bytes=self.uuid))

    @property
    def id(self) -> int:
        """The number of the running domain, -1 otherwise."""
        return -1 if self.live is None or self.live.id is None else self.live.id

    @property
    def active(self) -> bool:
        """Whether it runs, or is paused."""
        return self.live is not None

    @property
    def model(self) -> Domain:
        """The live document of a running domain, else the persistent one."""
        found = self.live if self.live is not None else self.config
        assert found is not None, "a domain has a document"
        return found

    def ref(self) -> NonnullDomain:
        """What calls and events name it by."""
        return NonnullDomain(self.name, self.uuid, self.id)

    def set_state(self, state: DomainState, reason: int) -> None:
        """Notes a new state."""
        self.state = state
        self.reason = reason
