# SPDX-License-Identifier: Apache-2.0
"""The test driver: all that it pretends there is."""

from __future__ import annotations

from uuid import UUID

from virloom.drivers.runtime.events import DomainEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.test.device import Devices
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.host import HostFacts
from virloom.drivers.test.interface import Interfaces
from virloom.drivers.test.network import Networks
from virloom.drivers.test.storage import StoragePools
from virloom.enums.domain import DomainEventID, DomainEventType
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomain, NoDomainCheckpoint, NoDomainSnapshot
from virloom.model.snapshot import Checkpoint, Snapshot
from virloom.procedures.domain import NonnullDomainCheckpoint, NonnullDomainSnapshot
from virloom.procedures.types import NonnullDomain


class InMemoryDriver:
    """A host in memory; nothing outlives it.

    Attributes:
        uri: What clients are told.
        host: The host itself.
        guests: Its domains.
        events: Who listens to what happens to them.
        networks: Its virtual networks.
        interfaces: Its interfaces.
        devices: Its devices.
        pools: Its storage pools.
    """

    def __init__(self, uri: str, host: HostFacts | None = None) -> None:
        self.uri = uri
        self.host = host or HostFacts()
        self.guests: ObjectIndex[Guest] = ObjectIndex()
        self.events = DomainEvents()
        self.networks = Networks()
        self.interfaces = Interfaces()
        self.devices = Devices()
        self.pools = StoragePools()
        self._last_id = 0

    def next_id(self) -> int:
        """A number that no domain has had."""
        self._last_id += 1
        return self._last_id

    def find(self, ref: NonnullDomain) -> Guest:
        """The domain that a call names.

        Raises:
            NoDomain: There is none with its UUID.
        """
        guest = self.guests.by_uuid(ref.uuid)
        if guest is None:
            text = UUID(bytes=ref.uuid)
            raise NoDomain(
                f"no domain with matching uuid '{text}' ({ref.name})", domain=ErrorDomain.TEST
            )
        return guest

    def find_snapshot(self, ref: NonnullDomainSnapshot) -> tuple[Guest, Snapshot]:
        """The domain and the snapshot that a call names.

        Raises:
            NoDomain: There is no such domain.
            NoDomainSnapshot: It has no such snapshot.
        """
        guest = self.find(ref.dom)
        snapshot = guest.snapshots.get(ref.name)
        if snapshot is None:
            raise NoDomainSnapshot(
                f"no domain snapshot with matching name '{ref.name}'", domain=ErrorDomain.TEST
            )
        return guest, snapshot

    def find_checkpoint(self, ref: NonnullDomainCheckpoint) -> tuple[Guest, Checkpoint]:
        """The domain and the checkpoint that a call names.

        Raises:
            NoDomain: There is no such domain.
            NoDomainCheckpoint: It has no such checkpoint.
        """
        guest = self.find(ref.dom)
        checkpoint = guest.checkpoints.get(ref.name)
        if checkpoint is None:
            raise NoDomainCheckpoint(
                f"no domain checkpoint with matching name '{ref.name}'", domain=ErrorDomain.TEST
            )
        return guest, checkpoint

    def tell(self, ref: NonnullDomain, event: DomainEventType, detail: int) -> None:
        """Tells whoever listens of a change in the life of a domain."""
        self.events.emit(DomainEventID.LIFECYCLE, ref, int(event), int(detail))
