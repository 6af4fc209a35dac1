# SPDX-License-Identifier: Apache-2.0
"""Commands of nftables, in its JSON (libnftables-json(5)), for the table of a port."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Command = dict[str, Any]
#: One of a rule's: a match, or what becomes of what matches.
Expression = dict[str, Any]


def table_of(device: str) -> str:
    """The name of a port's table, of the bridge family."""
    return f"virloom-port-{device}"


def new_chain(device: str, name: str, more: Mapping[str, object]) -> Command:
    """Adds a chain; *more* is what base chains say besides."""
    chain = {"family": "bridge", "table": table_of(device), "name": name, **more}
    return {"add": {"chain": chain}}


def new_rule(device: str, chain: str, expression: list[Expression]) -> Command:
    """Adds a rule at the end of a chain."""
    rule = {"family": "bridge", "table": table_of(device), "chain": chain, "expr": expression}
    return {"add": {"rule": rule}}


def payload(field: tuple[str, int, int]) -> Expression:
    """A field of a frame: from which header, at which bit, how many bits."""
    base, offset, length = field
    return {"payload": {"base": base, "offset": offset, "len": length}}


def match(left: Expression, right: object, *, negated: bool = False) -> Expression:
    """Whether *left* is *right*, or is not."""
    return {"match": {"op": "!=" if negated else "==", "left": left, "right": right}}
