# SPDX-License-Identifier: Apache-2.0
"""Options whose values are some words that no host has to be asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from virloom.cli.shell.table import COMMANDS

#: Command and option → the module that has the words, and the table there.
_TABLES = {
    ("net-update", "command"): ("network", "COMMANDS"),
    ("net-update", "section"): ("network", "SECTIONS"),
    ("event", "event"): ("domain_events", "EVENTS"),
    ("net-event", "event"): ("object_events", "NETWORK_EVENTS"),
    ("nodedev-event", "event"): ("object_events", "DEVICE_EVENTS"),
    ("secret-event", "event"): ("object_events", "SECRET_EVENTS"),
    ("pool-event", "event"): ("pool_events", "EVENTS"),
    ("nodedev-list", "cap"): ("node_device", "CAPABILITIES"),
    **{
        (name, "type"): ("pool_listing", "TYPES")
        for name, (group, _) in COMMANDS.items()
        if group == "pool"
    },
    ("vol-wipe", "algorithm"): ("volume", "ALGORITHMS"),
}
#: Those that take several words, with commas between them.
_LISTS = (("nodedev-list", "cap"), ("pool-list", "type"))


def fixed_words(command: str, option: str, current: str) -> Iterable[str] | None:
    """What the value may be; None where it is not one of some words.

    Args:
        current: What has been typed of it: of a list, the words before the last comma stay.
    """
    place = _TABLES.get((command, option))
    if place is None:
        return None
    words = getattr(importlib.import_module(f"virloom.cli.words.{place[0]}"), place[1])
    if (command, option) not in _LISTS or "," not in current:
        return list(words)
    before = current.rpartition(",")[0]
    return [f"{before},{word}" for word in words if word not in before.split(",")]
