# SPDX-License-Identifier: Apache-2.0
"""Gratuitous ARP: frames that tell of the address that they ask for.

nftables cannot compare two fields of a frame. So the one is put in a set and the other looked for
there, with the number of the processor: one frame at a time is on each, so that it finds itself
alone. It is taken out again at once.
"""

from __future__ import annotations

from typing import Any

Expression = dict[str, Any]

_SET = "announced"
_CPU: Expression = {"meta": {"key": "cpu"}}
#: Frames on one processor at a time: one; some, for what a kill between rules could leave.
_SIZE = 4096


def announced_set(table: str) -> dict[str, Any]:
    """The command that makes the set in a table."""
    return {
        "add": {
            "set": {
                "family": "bridge",
                "table": table,
                "name": _SET,
                "type": ["ipv4_addr", "integer"],
                "flags": ["dynamic"],
                "size": _SIZE,
            }
        }
    }


def gratuitous(
    matches: list[Expression], verdict: Expression, *, negated: bool
) -> list[list[Expression]]:
    """Three rules: for frames that match besides, and are gratuitous (*negated*: are not)."""
    found: Expression = {
        "match": {"op": "!=" if negated else "==", "left": _key("daddr ip"), "right": f"@{_SET}"}
    }
    taken = _statement("delete")
    return [
        [*matches, _statement("update")],
        [*matches, found, taken, verdict],
        [*matches, taken],
    ]


def _key(field: str) -> Expression:
    return {"concat": [{"payload": {"protocol": "arp", "field": field}}, _CPU]}


def _statement(operation: str) -> Expression:
    return {"set": {"op": operation, "elem": _key("saddr ip"), "set": f"@{_SET}"}}
