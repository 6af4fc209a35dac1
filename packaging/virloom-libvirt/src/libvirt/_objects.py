# SPDX-License-Identifier: Apache-2.0
"""How the objects of the binding begin and end."""

from __future__ import annotations

from typing import Any
from uuid import UUID


def begin_connection(self: Any, handle: Any) -> None:
    """A virConnect over an open connection."""
    _must_be_open(handle)
    self._o = self._handle = handle
    self._close_data = None
    handle.hold()


def begin(self: Any, conn: Any, obj: Any) -> None:
    """An object of a connection, which stays open for it."""
    _must_be_open(obj)
    self._conn = conn
    self._o = obj
    self._handle = conn._handle
    if self._handle is not None:
        self._handle.hold()


def begin_within(self: Any, parent: Any, field: str, obj: Any) -> None:
    """An object within another one: a snapshot of a domain, a port of a network."""
    _must_be_open(obj)
    setattr(self, field, parent)
    self._conn = parent._conn
    self._o = obj
    self._handle = parent._handle
    if self._handle is not None:
        self._handle.hold()


def _must_be_open(obj: Any) -> None:
    """Refuses what no call of the binding has given, as the binding does (with this exception)."""
    if obj is None:
        raise Exception(f"Expected a wrapped C Object but got {type(obj)}")


def end(self: Any) -> None:
    """The object is gone."""
    handle, self._handle = getattr(self, "_handle", None), None
    if handle is not None:
        handle.drop(wait=False)


def end_stream(self: Any) -> None:
    """The same for a stream, whose callback and data go with it."""
    state = getattr(self, "_o", None)
    if state is not None:
        state.release()
        if state.end is not None:
            state.handle.soon(state.end.abort)  # in process it starts work on the loop
    end(self)


def uuid_text(self: Any) -> str:
    """The UUID as text."""
    return str(UUID(bytes=bytes(self._o.uuid)))
