# SPDX-License-Identifier: Apache-2.0
"""Events of networks, pools, node devices and secrets: one table per kind of object."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from enum import IntEnum
from typing import Any, ClassVar, Protocol

from virloom.client.link import Link
from virloom.client.resource import Area
from virloom.client.subscription import Callback, Topic
from virloom.client.value import Value
from virloom.errors import InvalidArg
from virloom.procedures.record import Procedure, Record, Void


class Ref(Protocol):
    """An object's identity."""

    @property
    def wire(self) -> Record:
        """The protocol's record of it."""


class Kind:
    """One row: which procedure brings the event, and what makes one of its message."""

    def __init__(
        self, procedure: Procedure[Any, Void], event: type[Value], decode: Callable[[Any], Value]
    ) -> None:
        self.procedure = procedure
        self.event = event
        self.decode = decode


class Family:
    """The events of one kind of object, by libvirt's event id, and how they are asked for."""

    def __init__(
        self,
        register: Procedure[Any, Any],
        deregister: Procedure[Any, Void],
        kinds: Mapping[int, Kind],
        newer: Iterable[int] = (),
    ) -> None:
        self.register = register
        self.deregister = deregister
        self.kinds = kinds
        #: Those that libvirt 9.0.0 does not know, which one has to ask for.
        self.newer = frozenset(newer)

    def topics(self, kinds: Any, only: Ref | None) -> list[Topic]:
        """The topics of the wanted event classes or ids; of all that libvirt 9.0.0 has for None.

        Raises:
            InvalidArg: One is not an event of this family.
        """
        if kinds is None:
            kinds = [number for number in self.kinds if number not in self.newer]
        elif isinstance(kinds, type | int):
            kinds = (kinds,)
        wanted = dict.fromkeys(self._id_of(kind) for kind in kinds)
        return [ObjectTopic(self, number, only) for number in wanted]

    def _id_of(self, kind: type[Value] | int) -> int:
        for number, row in self.kinds.items():
            if row.event is kind or number == kind:
                return number
        raise InvalidArg(f"{kind!r} is not an event of '{self.register.area}'")


class ObjectTopic(Topic):
    """Events of one kind, of one object or of all."""

    def __init__(self, family: Family, event_id: int, only: Ref | None) -> None:
        self._family = family
        self._event_id = event_id
        self._only = only
        self.area = family.register.area

    def key(self) -> Hashable:
        return self.area, self._event_id, self._only

    async def register(self, link: Link) -> int:
        only = self._only.wire if self._only is not None else None
        args = self._family.register.args(self._event_id, only)
        callback_id: int = (await link.call(self._family.register, args)).callback_id
        return callback_id

    async def deregister(self, link: Link, callback_id: int) -> None:
        await link.call(self._family.deregister, self._family.deregister.args(callback_id))

    def decode(self, message: Any) -> Value:
        return self._family.kinds[self._event_id].decode(message)


#: What is asked for: an event class or several, or libvirt's ids of them; None for all.
Kinds = type[Value] | IntEnum | Iterable[type[Value] | IntEnum] | None


class Watchable(Area):
    """An area whose objects raise events."""

    _family: ClassVar[Family]

    async def on_event(
        self, callback: Callable[[Any], object], kind: Kinds = None, *, only: Ref | None = None
    ) -> Callable[[], None]:
        """Calls *callback* with each event, on the loop that opened the connection.

        It must not wait, and what it raises is logged. Arguments are those of ``events``.

        Returns:
            A function that ends it.
        """
        topics, sink = self._family.topics(kind, only), Callback(callback)
        await self._hub.subscribe(topics, sink, partly=kind is None)
        return lambda: self._hub.forget(topics, sink)
