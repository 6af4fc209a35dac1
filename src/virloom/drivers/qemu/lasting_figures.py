# SPDX-License-Identifier: Apache-2.0
"""Figures that stay as they are, or are the same of many domains: made and encoded once."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from virloom.drivers.qemu.block.figures import Figure
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam
from virloom.rpc.xdr import codec_for

#: How many are kept: those of a thousand usual domains, whose names of images differ.
_KEPT = 8192


class _LastingParam(TypedParam):
    """A parameter that never changes; shared, so nobody may change it."""

    __slots__ = ("encoded",)

    def __init__(self, name: str, kind: str, value: int | str) -> None:
        super().__init__(name, typed_value(kind, value))
        self.encoded = codec_for(TypedParam).encode(self)


_made = functools.lru_cache(maxsize=_KEPT)(_LastingParam)


def lasting_parameters(figures: Iterable[Figure]) -> list[TypedParam]:
    """The parameters of figures that are told again and again, of a domain that is shut off."""
    return [_made(*figure) for figure in figures]
