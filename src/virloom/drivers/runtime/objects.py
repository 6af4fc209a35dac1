# SPDX-License-Identifier: Apache-2.0
"""Indexes of the objects that a driver keeps: unique by UUID and by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """What an index needs to know of an object."""

    @property
    def name(self) -> str:
        """The name, unique in its index."""
        ...

    @property
    def uuid(self) -> bytes:
        """The 16 bytes of the UUID, unique in its index."""
        ...


T = TypeVar("T", bound=Named)


def uuid_text(uuid: bytes) -> str:
    """A UUID of 16 bytes in its usual form; without the uuid module, which takes 2 ms to load."""
    text = uuid.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class ObjectIndex(Generic[T]):
    """Objects by UUID and by name, in the order in which they came."""

    def __init__(self) -> None:
        self._by_uuid: dict[bytes, T] = {}
        self._by_name: dict[str, T] = {}
        self._reserved: dict[str, T] = {}

    def add(self, item: T) -> None:
        """Adds *item*.

        Raises:
            ValueError: Its name or UUID is taken; callers check first and say so better.
        """
        if item.uuid in self._by_uuid or item.name in self._by_name:
            raise ValueError(f"{item.name!r} or its UUID is in the index already")
        self._by_uuid[item.uuid] = item
        self._by_name[item.name] = item

    def remove(self, item: T) -> None:
        """Takes *item* out; nothing happens when it is gone already."""
        if self._by_uuid.get(item.uuid) is item:
            del self._by_uuid[item.uuid]
            del self._by_name[item.name]

    def by_uuid(self, uuid: bytes) -> T | None:
        """The object with this UUID."""
        return self._by_uuid.get(uuid)

    def by_name(self, name: str) -> T | None:
        """The object with this name."""
        return self._by_name.get(name)

    def owner(self, name: str) -> T | None:
        """The object that has this name, or is about to have it."""
        return self._by_name.get(name) or self._reserved.get(name)

    @contextmanager
    def reserved(self, name: str, item: T) -> Iterator[None]:
        """Keeps *name* for *item*, which is being renamed.

        Raises:
            ValueError: It is taken; callers check first and say so better.
        """
        if self.owner(name) is not None:
            raise ValueError(f"{name!r} is in the index already")
        self._reserved[name] = item
        try:
            yield
        finally:
            del self._reserved[name]

    def __contains__(self, item: T) -> bool:
        return self._by_uuid.get(item.uuid) is item

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._by_uuid.values()))

    def __len__(self) -> int:
        return len(self._by_uuid)
