# SPDX-License-Identifier: Apache-2.0
"""The seam of the system: every API is one procedure with typed records.

``virloom.procedures.domain`` and its sisters are generated from the protocol tables.
"""

from __future__ import annotations

import importlib
from typing import Any

from virloom.procedures.numbers import PROCEDURES
from virloom.procedures.record import VOID, Procedure, Record, Void

__all__ = ["VOID", "Procedure", "Record", "Void", "find"]


def find(program: int, number: int) -> Procedure[Any, Any] | None:
    """The procedure of a number on the wire, or None; loads its area's records on first use."""
    entry = PROCEDURES.get(program, {}).get(number)
    if entry is None:
        return None
    area, name = entry
    found = getattr(importlib.import_module(f"virloom.procedures.{area}"), name)
    assert isinstance(found, Procedure)
    return found
