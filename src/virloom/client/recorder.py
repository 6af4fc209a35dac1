# SPDX-License-Identifier: Apache-2.0
"""What happened to the domains of a Virloom host; libvirt has no such calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from virloom.client.domain.events import KINDS, DomainEvent
from virloom.client.domain.ref import DomainRef
from virloom.client.link import Link
from virloom.client.value import Value
from virloom.procedures import recorder as p
from virloom.rpc.xdr import codec_for

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HistoryEntry(Value):
    """One thing that happened."""

    sequence: int
    """Its number; they only grow."""
    time: datetime
    """UTC."""
    kind: str
    """``event``, ``job``, ``monitor`` or ``process``."""
    domain: DomainRef
    text: str
    """What it was, for a person; empty for an event."""
    event: DomainEvent | None
    """The event, as a subscriber gets it; None for what is none, or was too long to keep."""


class History(Value):
    """A part of what happened, oldest first."""

    entries: Sequence[HistoryEntry]
    last: int
    """The number of the host's latest entry, whether it is among these or not."""
    lost: bool
    """Whether entries between the number that was given and the first of these are gone."""


class RecorderCalls:
    """The part of a connection that is about the past."""

    _link: Link

    async def history(
        self,
        *,
        after: int = 0,
        domain: DomainRef | None = None,
        only_events: bool = False,
        most: int = 1000,
    ) -> History:
        """What happened after the entry of that number; a client that was away asks for it.

        Args:
            after: The last number that was seen; 0 for all that is kept, which is never *lost*.
            domain: Only what happened to this one; also of one that is gone.
            only_events: Only what subscribers to events would have got.
            most: How many entries at once, up to 16,384; ask again after the last of them.

        Raises:
            NoSupport: A driver or a libvirt without this program.
            VirloomError: ``unknown program``, of a libvirt.
        """
        uuid = domain.uuid.bytes if domain is not None else None
        args = p.RecorderGetEntriesArgs(after, uuid, int(only_events), most)
        found = await self._link.call(p.RECORDER_GET_ENTRIES, args)
        entries = [_entry(entry) for entry in found.entries]
        return History(entries, found.last, bool(after) and after + 1 < found.first)


def _entry(wire: p.RecorderEntry) -> HistoryEntry:
    when = _EPOCH + timedelta(microseconds=wire.time // 1000)
    ref = DomainRef.of_wire(wire.dom)
    return HistoryEntry(wire.sequence, when, wire.kind, ref, wire.text, _event(wire))


def _event(wire: p.RecorderEntry) -> DomainEvent | None:
    kind = KINDS.get(wire.event)
    if kind is None or not wire.message:
        return None
    return kind.decode(codec_for(kind.procedure.args).decode(wire.message))
