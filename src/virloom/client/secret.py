# SPDX-License-Identifier: Apache-2.0
"""Secrets that a host keeps for its guests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from virloom.client.families import Family, Kind, Kinds, Watchable
from virloom.client.link import text_of
from virloom.client.params import member
from virloom.client.resource import Resource, uuid_of
from virloom.client.subscription import QUEUE_SIZE, EventStream
from virloom.client.value import Value
from virloom.enums.secret import SecretEventID, SecretEventLifecycleType, SecretUsageType
from virloom.procedures import secret as p

if TYPE_CHECKING:
    from virloom.xml import Element


class SecretRef(Value):
    """A secret's identity as the host told it: plain data, good on any connection."""

    uuid: UUID
    usage_type: SecretUsageType | int
    usage_id: str

    @classmethod
    def of_wire(cls, secret: p.NonnullSecret) -> SecretRef:
        """From the protocol's record."""
        kind = member(SecretUsageType, secret.usage_type)
        return cls(UUID(bytes=secret.uuid), kind, secret.usage_id)

    @property
    def wire(self) -> p.NonnullSecret:
        """The protocol's record."""
        return p.NonnullSecret(self.uuid.bytes, int(self.usage_type), self.usage_id)


class SecretEvent(Value):
    """The base of all events of secrets."""

    secret: SecretRef


class SecretLifecycleEvent(SecretEvent):
    """Defined, undefined."""

    event: SecretEventLifecycleType | int
    detail: int


class SecretValueChangedEvent(SecretEvent):
    """It has another value."""


def _lifecycle(message: Any) -> SecretLifecycleEvent:
    event = member(SecretEventLifecycleType, message.event)
    return SecretLifecycleEvent(SecretRef.of_wire(message.secret), event, message.detail)


def _changed(message: Any) -> SecretValueChangedEvent:
    return SecretValueChangedEvent(SecretRef.of_wire(message.secret))


_FAMILY = Family(
    p.CONNECT_SECRET_EVENT_REGISTER_ANY,
    p.CONNECT_SECRET_EVENT_DEREGISTER_ANY,
    {
        SecretEventID.LIFECYCLE: Kind(p.SECRET_EVENT_LIFECYCLE, SecretLifecycleEvent, _lifecycle),
        SecretEventID.VALUE_CHANGED: Kind(
            p.SECRET_EVENT_VALUE_CHANGED, SecretValueChangedEvent, _changed
        ),
    },
)


class Secret(Resource):
    """One secret; calls raise NoSecret when it is gone."""

    _ref: SecretRef

    @property
    def ref(self) -> SecretRef:
        """The identity as plain data; what events carry."""
        return self._ref

    @property
    def uuid(self) -> UUID:
        """The UUID."""
        return self._ref.uuid

    @property
    def usage_type(self) -> SecretUsageType | int:
        """What it is for."""
        return self._ref.usage_type

    @property
    def usage_id(self) -> str:
        """Which one of that kind."""
        return self._ref.usage_id

    async def xml_desc(self, flags: int = 0) -> str:
        """The document; never with the value."""
        args = p.SecretGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.SECRET_GET_XML_DESC, args)).xml

    async def value(self, flags: int = 0) -> bytes:
        """The value.

        Raises:
            NoSecret: It has none yet.
            InvalidSecret: It is private.
        """
        args = p.SecretGetValueArgs(self._ref.wire, flags)
        return (await self._link.call(p.SECRET_GET_VALUE, args)).value

    async def set_value(self, value: bytes, flags: int = 0) -> None:
        """Gives it a value.

        Raises:
            TypeError: It is not bytes.
        """
        args = p.SecretSetValueArgs(self._ref.wire, bytes(memoryview(value)), flags)
        await self._link.call(p.SECRET_SET_VALUE, args)

    async def undefine(self) -> None:
        """Forgets it, value and all."""
        await self._link.call(p.SECRET_UNDEFINE, p.SecretUndefineArgs(self._ref.wire))


class Secrets(Watchable):
    """``conn.secrets``."""

    _family = _FAMILY

    async def define_xml(self, document: str | Element, flags: int = 0) -> Secret:
        """Defines a secret, or changes its definition (SecretDefineFlags)."""
        args = p.SecretDefineXMLArgs(text_of(document), flags)
        return self._secret((await self._link.call(p.SECRET_DEFINE_XML, args)).secret)

    def secret(self, ref: SecretRef) -> Secret:
        """The object of a secret that an event names; asks nobody."""
        return Secret(self._link, ref)

    async def lookup_by_uuid(self, uuid: UUID | str) -> Secret:
        """Finds a secret.

        Raises:
            InvalidArg: *uuid* is a text that is none.
            NoSecret: There is none with it.
        """
        args = p.SecretLookupByUUIDArgs(uuid_of(uuid).bytes)
        return self._secret((await self._link.call(p.SECRET_LOOKUP_BY_UUID, args)).secret)

    async def lookup_by_usage(self, type: int, id: str) -> Secret:
        """Finds a secret by what it is for (:class:`~virloom.enums.secret.SecretUsageType`).

        Raises:
            NoSecret: There is none.
        """
        args = p.SecretLookupByUsageArgs(type, id)
        return self._secret((await self._link.call(p.SECRET_LOOKUP_BY_USAGE, args)).secret)

    async def list(self, flags: int = 0) -> list[Secret]:
        """All secrets, or some (:class:`~virloom.enums.secret.ConnectListAllSecretsFlags`)."""
        args = p.ConnectListAllSecretsArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_SECRETS, args)
        return [self._secret(one) for one in ret.secrets]

    def events(
        self, kind: Kinds = None, *, only: SecretRef | None = None, queue: int = QUEUE_SIZE
    ) -> EventStream[SecretEvent]:
        """Events as an async iterator (see :class:`~virloom.client.subscription.EventStream`).

        Args:
            kind: An event class, or several of them or of libvirt's event ids; None for all.
            only: Only those of this secret (``secret.ref``).
            queue: How many events may wait before the reader is told of a gap.
        """
        topics = _FAMILY.topics(kind, only)
        return EventStream(self._hub, topics, queue, partly=kind is None)

    def _secret(self, secret: p.NonnullSecret) -> Secret:
        return self.secret(SecretRef.of_wire(secret))
