# SPDX-License-Identifier: Apache-2.0
"""A domain as the driver keeps it: its documents, its state, and its process while it runs."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from virloom.drivers.qemu.associated import FdGroups
from virloom.drivers.qemu.patience import Patience
from virloom.drivers.qemu.persistent import Definition
from virloom.drivers.runtime.jobs import DomainJobs
from virloom.drivers.runtime.objects import uuid_text
from virloom.drivers.runtime.recorder import Recorder
from virloom.enums.domain import (
    DomainAgentResponseTimeoutValues,
    DomainShutoffReason,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.procedures.types import NonnullDomain
from virloom.rpc.xdr import codec_for

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.progress import LongJob
    from virloom.drivers.qemu.process.running import RunningGuest
    from virloom.drivers.runtime.moments import Moments
    from virloom.model.domain import Domain
    from virloom.model.snapshot import Checkpoint, Snapshot


_PATIENCE = Patience()


class _Ref(NonnullDomain):
    """A reference that never changes, and is encoded once: lists are made of thousands."""

    __slots__ = ("encoded",)

    def __init__(self, name: str, uuid: bytes, id: int) -> None:
        super().__init__(name, uuid, id)
        self.encoded = codec_for(NonnullDomain).encode(self)


class Guest:
    """A domain, running or not.

    Attributes:
        name, uuid: Its identity.
        definition: The persistent document; None for a transient domain.
        running: Its process and monitor; None while it is shut off. A call that has waited
            compares this with what it was before: another one is another incarnation.
        updated: Whether the running domain differs from what it was started with.
        id: The number of the running domain, -1 otherwise.
        state, reason: As libvirt numbers them.
        state_since: Monotonic time of the last change of state.
        patience: How long its callers wait.
        jobs: Who works on it.
        agent_timeout: Seconds that its agent has for an answer, or one of
            DomainAgentResponseTimeoutValues.
        job: The long job in progress; ``completed_job`` the last one that has ended well.
        checkpoints: Its checkpoints, once somebody has asked (:mod:`..checkpoints.files`).
        fd_groups: Descriptors that clients opened for its images.
        snapshots: Its snapshots, once somebody has asked (:mod:`.snapshots.store`).
        after_end: What is still being done about its last end.
        writing: Held from reading the persistent document until its change is durable. Not a
            job: a definition does not wait for a monitor that hangs.
    """

    def __init__(
        self,
        name: str,
        uuid: bytes,
        *,
        max_queued: int = 0,
        patience: Patience = _PATIENCE,
        recorder: Recorder | None = None,
    ) -> None:
        self.name = name
        self.uuid = uuid
        self.definition: Definition | None = None
        self.running: RunningGuest | None = None
        self.after_end: asyncio.Task[None] | None = None
        self.id = -1
        self._ref = _Ref(name, uuid, -1)
        self.updated = False
        self.state = DomainState.SHUTOFF
        self.reason: int = DomainShutoffReason.UNKNOWN
        self.state_since = time.monotonic()
        self.patience = patience
        self.jobs = DomainJobs(
            name, wait_limit=patience.job, max_queued=max_queued, note=partial(self.note, "job")
        )
        self.job: LongJob | None = None
        self.completed_job: LongJob | None = None
        self._recorder = recorder
        self.agent_timeout: int = DomainAgentResponseTimeoutValues.BLOCK
        self.checkpoints: Moments[Checkpoint] | None = None
        self.fd_groups = FdGroups()
        self.snapshots: Moments[Snapshot] | None = None
        self.writing = asyncio.Lock()

    @property
    def uuid_text(self) -> str:
        """The UUID in its usual form."""
        return uuid_text(self.uuid)

    @property
    def persistent(self) -> bool:
        """Whether the domain stays when its process ends."""
        return self.definition is not None

    @property
    def known(self) -> bool:
        """Whether it exists for others; until it runs or its document is durable it does not."""
        return self.definition is not None or self.running is not None

    @property
    def active(self) -> bool:
        """Whether the domain has a process, paused ones and those that crashed included."""
        return self.running is not None

    def ref(self) -> NonnullDomain:
        """What calls and events name the domain by; the same one until name or number change."""
        ref = self._ref
        if ref.id != self.id or ref.name != self.name:
            ref = self._ref = _Ref(self.name, self.uuid, self.id)
        return ref

    async def hooks_done(self) -> None:
        """Returns when the host's scripts have been told of its last end."""
        if self.after_end is not None:
            await asyncio.wait({self.after_end})

    def note(self, kind: str, text: str) -> None:
        """Adds what was done to the domain, or was seen of it, to what is known of its life."""
        if self._recorder is not None:
            self._recorder.note(kind, self.ref(), text)

    def set_state(self, state: DomainState, reason: int) -> None:
        """Notes a new state."""
        self.state = state
        self.reason = reason
        self.state_since = time.monotonic()

    @property
    def model(self) -> Domain:
        """The live tree of a running domain, the persistent one otherwise; not to be changed."""
        if self.running is not None:
            return self.running.model
        return self.persistent_model()

    def persistent_model(self) -> Domain:
        """The tree that the next start uses: of a transient domain, the live one."""
        if self.definition is not None:
            return self.definition.model
        if self.running is not None:
            return self.running.model
        raise OperationInvalid(f"domain '{self.name}' has gone", domain=ErrorDomain.QEMU)

    def require_running(self, domain: ErrorDomain = ErrorDomain.DOMAIN) -> RunningGuest:
        """The process of an active domain.

        Raises:
            OperationInvalid: It is shut off.
        """
        if self.running is None:
            raise OperationInvalid("domain is not running", domain=domain)
        return self.running
