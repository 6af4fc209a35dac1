# SPDX-License-Identifier: Apache-2.0
"""``virloom explain``: what happened to a guest, who asked for it, and why it ended."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import virloom
from virloom.client.recorder import HistoryEntry

_EPILOG = """\
exit code: 0 told; 1 nothing is known of such a guest; 2 the host cannot be asked
"""

_PART = 1000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EPILOG
    parser.add_argument("-c", "--connect", metavar="URI", help="the host to ask")
    parser.add_argument("guest", metavar="GUEST", help="name or UUID; also of one that is gone")
    parser.add_argument("--events", action="store_true", help="only libvirt's events")
    parser.add_argument("--after", metavar="N", type=int, default=0, help="what came after entry N")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")


def execute(options: argparse.Namespace) -> int:
    """Print what the host's recorder has of the guest."""
    with virloom.open_sync(options.connect) as conn:
        found: list[HistoryEntry] = []
        after = options.after
        while True:
            part = conn.history(after=after, only_events=options.events, most=_PART).entries
            found += [entry for entry in part if _is(entry, options.guest)]
            if len(part) < _PART:
                break
            after = part[-1].sequence
    if options.output == "json":
        print(json.dumps([_fields(entry) for entry in found], indent=2))
    else:
        _print(found)
    return 0 if found else 1


def _is(entry: HistoryEntry, guest: str) -> bool:
    return guest in (entry.domain.name, str(entry.domain.uuid))


def _print(found: Sequence[HistoryEntry]) -> None:
    for entry in found:
        when = entry.time.astimezone().isoformat(sep=" ", timespec="milliseconds")
        print(f"{entry.sequence} {when} {entry.kind:<8} {_text(entry)}")


def _text(entry: HistoryEntry) -> str:
    return entry.text or described(entry)


def described(entry: HistoryEntry) -> str:
    """An event in words: its kind, and each of its fields."""
    event = entry.event
    if event is None:
        return "an event of which no more is kept"
    name = type(event).__name__.removesuffix("Event")
    fields = [f"{field}={_value(getattr(event, field))}" for field in _own_fields(event)]
    return " ".join([name, *fields])


def _own_fields(event: Any) -> list[str]:
    return [field for field in event._fields if field != "domain"]


def _value(value: Any) -> str:
    return str(getattr(value, "name", value)).lower()


def _fields(entry: HistoryEntry) -> dict[str, Any]:
    event = entry.event
    return {
        "sequence": entry.sequence,
        "time": entry.time.isoformat(),
        "kind": entry.kind,
        "domain": entry.domain.name,
        "uuid": str(entry.domain.uuid),
        "text": _text(entry),
        "event": None
        if event is None
        else {field: _value(getattr(event, field)) for field in _own_fields(event)},
    }
