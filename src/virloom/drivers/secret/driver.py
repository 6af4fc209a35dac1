# SPDX-License-Identifier: Apache-2.0
"""The secrets of one set of directories, and what may be done to them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from virloom.drivers.secret.config import SecretConfig
from virloom.drivers.secret.document import usage_of
from virloom.drivers.secret.events import SecretEvents
from virloom.drivers.secret.store import SecretStore
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretEventLifecycleType
from virloom.errors import InternalError, InvalidSecret, NoSecret
from virloom.host.files import ensure_directory
from virloom.host.lock import lock_directory
from virloom.model.secret import Secret
from virloom.procedures.secret import NonnullSecret


class SecretDirectories(NamedTuple):
    """Where the driver has its files.

    Attributes:
        secrets: Documents and values.
        run: The lock of the one owner.
        settings: The file ``secret.conf``.
    """

    secrets: Path
    run: Path
    settings: Path


class Entry:
    """One secret."""

    def __init__(self, model: Secret, value: bytes | None = None) -> None:
        self.model = model
        self.value = value

    @property
    def uuid(self) -> bytes:
        """The 16 bytes."""
        return UUID(self.model.uuid or "").bytes

    def ref(self) -> NonnullSecret:
        """What calls and events name it by."""
        return NonnullSecret(self.uuid, *usage_of(self.model))


class SecretDriver:
    """The sole owner of its directories while it is open.

    Attributes:
        uri: What clients are told.
        events: Who listens.
    """

    def __init__(self, directories: SecretDirectories, uri: str) -> None:
        ensure_directory(directories.run, 0o700)
        refusal = f"another process has the secrets of '{directories.secrets}'"
        self._lock = lock_directory(directories.run, refusal, ErrorDomain.SECRET)
        self.uri = uri
        self.events = SecretEvents()
        self._entries: dict[bytes, Entry] = {}
        self._changing = asyncio.Lock()
        try:
            cipher = SecretConfig.load(directories.settings).cipher()
            self._store = SecretStore(directories.secrets, cipher)
            self.reload()
        except BaseException:
            self._lock.release()
            raise

    def reload(self) -> None:
        """Takes in what came to the disk; known ones are left alone."""
        for stored in self._store.load():
            entry = Entry(stored.model, stored.value)
            self._entries.setdefault(entry.uuid, entry)

    async def close(self) -> None:
        """Lets go of everything; ephemeral secrets are gone with it."""
        async with self._changing:
            self._entries.clear()
            self._lock.release()

    # -- looking -------------------------------------------------------------------------------

    def all(self) -> list[Entry]:
        """Every secret."""
        return list(self._entries.values())

    def find(self, uuid: bytes) -> Entry:
        """The secret of that UUID.

        Raises:
            NoSecret: There is none.
        """
        entry = self._entries.get(uuid)
        if entry is None:
            raise NoSecret(
                f"no secret with matching uuid '{UUID(bytes=uuid)}'", domain=ErrorDomain.SECRET
            )
        return entry

    def find_usage(self, kind: int, what: str) -> Entry:
        """The secret that is for that use.

        Raises:
            NoSecret: There is none.
        """
        entry = self._user(kind, what)
        if entry is None:
            raise NoSecret(f"no secret with matching usage '{what}'", domain=ErrorDomain.SECRET)
        return entry

    def _user(self, kind: int, what: str) -> Entry | None:
        wanted = (kind, what)
        found = (entry for entry in self.all() if kind and usage_of(entry.model) == wanted)
        return next(found, None)

    @staticmethod
    def value_of(entry: Entry, *, trusted: bool = False) -> bytes:
        """The value.

        Args:
            trusted: For a daemon of ours, which gets private ones as well.

        Raises:
            InvalidSecret: It is private.
            NoSecret: It has none.
        """
        if entry.model.private and not trusted:
            raise InvalidSecret("secret is private", domain=ErrorDomain.SECRET)
        if not entry.value:
            raise NoSecret(
                f"secret '{entry.model.uuid}' does not have a value", domain=ErrorDomain.SECRET
            )
        return entry.value

    # -- changing ------------------------------------------------------------------------------

    async def define(self, model: Secret) -> Entry:
        """Makes the secret, or gives a known one another document; its value stays.

        Raises:
            InternalError: Another secret has the UUID or the use (libvirt's code for it), or a
                private one is to become readable.
            SystemFailure: It cannot be written; the former one stays.
        """
        async with self._changing:
            entry = self._admit(model)
            was_on_disk = entry is not None and not entry.model.ephemeral
            value = entry.value if entry is not None else None
            if not model.ephemeral:
                await asyncio.to_thread(self._store.save, model, value)
            elif was_on_disk:
                await asyncio.to_thread(self._store.delete, model)
            if entry is None:
                entry = Entry(model)
                self._entries[entry.uuid] = entry
            entry.model = model
        self.events.lifecycle(entry.ref(), SecretEventLifecycleType.DEFINED)
        return entry

    def _admit(self, model: Secret) -> Entry | None:
        kind, what = usage_of(model)
        entry = self._entries.get(UUID(model.uuid or "").bytes)
        if entry is None:
            other = self._user(kind, what)
            if other is not None:
                raise InternalError(
                    f"a secret with UUID {other.model.uuid} already defined for use with {what}",
                    domain=ErrorDomain.SECRET,
                )
            return None
        present = usage_of(entry.model)
        if present != (kind, what):
            raise InternalError(
                f"a secret with UUID {model.uuid} is already defined for use with {present[1]}",
                domain=ErrorDomain.SECRET,
            )
        if entry.model.private and not model.private:
            raise InternalError(
                "cannot change private flag on existing secret", domain=ErrorDomain.SECRET
            )
        return entry

    async def set_value(self, uuid: bytes, value: bytes) -> None:
        """Gives the secret a value.

        Raises:
            NoSecret: There is no such secret.
            SystemFailure: It cannot be written; the former one stays.
        """
        async with self._changing:
            entry = self.find(uuid)
            if not entry.model.ephemeral:
                await asyncio.to_thread(self._store.save_value, entry.model, value)
            entry.value = value
        self.events.value_changed(entry.ref())

    async def undefine(self, uuid: bytes) -> None:
        """Removes the secret.

        Raises:
            NoSecret: There is no such secret.
            SystemFailure: Its files cannot be removed.
        """
        async with self._changing:
            entry = self.find(uuid)
            if not entry.model.ephemeral:
                await asyncio.to_thread(self._store.delete, entry.model)
            del self._entries[uuid]
        self.events.lifecycle(entry.ref(), SecretEventLifecycleType.UNDEFINED)
