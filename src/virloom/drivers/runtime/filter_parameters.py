# SPDX-License-Identifier: Apache-2.0
"""What a reference to a network filter gives it: names and values that can be, sorted by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar


class Parameter(Protocol):
    """``<parameter name='IP' value='10.0.0.1'/>``."""

    name: str | None
    value: str | None


P = TypeVar("P", bound=Parameter)

_NAME = re.compile(r"[A-Za-z0-9_]+")
_VALUE = re.compile(r"[A-Za-z0-9_.:]+")


def usable(parameters: Iterable[P]) -> list[P]:
    """Those that can be, sorted by name; the others are left out without a word, as by libvirt."""
    found = [
        parameter
        for parameter in parameters
        if _NAME.fullmatch(parameter.name or "") and _VALUE.fullmatch(parameter.value or "")
    ]
    return sorted(found, key=lambda one: one.name or "")
