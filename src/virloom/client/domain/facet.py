# SPDX-License-Identifier: Apache-2.0
"""What a domain and its facets have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from virloom.client.domain.ref import DomainRef
from virloom.client.link import Link
from virloom.client.params import ParamsToSet as ParamsToSet
from virloom.client.params import encode, fetch
from virloom.procedures.record import TypedParamValue
from virloom.procedures.types import NonnullDomain, TypedParam


class Handle:
    """A domain on a connection; facets share the handle, so that an id found out is seen by all."""

    __slots__ = ("link", "ref")

    def __init__(self, link: Link, ref: DomainRef) -> None:
        self.link = link
        self.ref = ref

    @property
    def wire(self) -> NonnullDomain:
        """The domain as an argument of a call."""
        return self.ref.wire


class Facet:
    """A group of a domain's calls."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @property
    def _link(self) -> Link:
        return self._handle.link

    @property
    def _dom(self) -> NonnullDomain:
        return self._handle.wire


async def with_types(values: ParamsToSet, ask: Callable[[int], Awaitable[Any]]) -> list[TypedParam]:
    """Parameters to send, with the types that the getter *ask* tells (see :func:`fetch`).

    It is not asked where all the values bring their types.
    """
    return encode(values, [] if are_typed(values) else await fetch(ask))


def one_of(flags: int) -> int:
    """Flags for a getter, which looks at the running domain or at its definition.

    The live one's parameters are those of a definition and more.
    """
    return flags & ~2 if flags & 3 == 3 else flags  # DomainModificationImpact: LIVE 1, CONFIG 2


def are_typed(values: ParamsToSet) -> bool:
    """Whether all values bring their types."""
    return all(isinstance(value, TypedParamValue) for value in values.values())
