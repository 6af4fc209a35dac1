# SPDX-License-Identifier: Apache-2.0
"""Where the two sides differ over a document, and why, as far as that can be told."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tools.parity import normal
from tools.parity.outcome import CRASHED, Outcome, Refusal

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")


class Comparison(NamedTuple):
    """Two outcomes of one document.

    Attributes:
        name: Of the document.
        verdict: Whether both accept it, or refuse it alike; None if libvirt's process ends over it.
        document: Whether both make the same document of it; None if it is not accepted by both.
        options: Whether both make the same command line, or give none for the same reason;
            None if it is not accepted by both.
        causes: Measure and cause of each difference, and what was found.
    """

    name: str
    verdict: bool | None
    document: bool | None
    options: bool | None
    causes: list[tuple[str, str, str]]


def compare(name: str, given: str, theirs: Outcome, ours: Outcome) -> Comparison:
    """Compares what libvirt made of *given* (*theirs*) and what Virloom made of it."""
    if theirs.document == CRASHED:
        return Comparison(name, None, None, None, [])
    if isinstance(theirs.document, Refusal) or isinstance(ours.document, Refusal):
        causes = list(_verdict_causes("verdict", theirs.document, ours.document))
        return Comparison(name, not causes, None, None, causes)
    causes = list(_document_causes(given, theirs.document, ours.document))
    if theirs.native == CRASHED:
        return Comparison(name, True, not causes, None, causes)
    native = list(_native_causes(given, theirs.native, ours.native))
    return Comparison(name, True, not causes, not native, causes + native)


def _verdict_causes(
    measure: str, theirs: str | Refusal | None, ours: str | Refusal | None
) -> Iterator[tuple[str, str, str]]:
    """A difference between two of which one at least is an error."""
    wanted = theirs.verdict if isinstance(theirs, Refusal) else None
    given = ours.verdict if isinstance(ours, Refusal) else None
    if wanted == given:
        return
    said = [_plain(side) for side in (theirs, ours)]
    yield (
        measure,
        f"libvirt {_code(wanted)}, Virloom {_code(given)}",
        " | ".join(filter(None, said)),
    )


def _code(verdict: tuple[int, int] | None) -> str:
    return "accepts" if verdict is None else f"error {verdict[0]} domain {verdict[1]}"


def _plain(side: str | Refusal | None) -> str:
    return side.message if isinstance(side, Refusal) else ""


def _document_causes(given: str, theirs: str, ours: str) -> Iterator[tuple[str, str, str]]:
    wanted, found = normal.document(theirs, given), normal.document(ours, given)
    if wanted == found:
        return
    missing = Counter(wanted) - Counter(found)
    extra = Counter(found) - Counter(wanted)
    if not missing and not extra:
        moved = next(a for a, b in zip(wanted, found, strict=True) if a != b)
        yield "document", f"order: {_path(moved)}", moved
    for sign, facts in (("lacks", missing), ("has beyond", extra)):
        for fact in facts:
            yield "document", f"{sign} {_path(fact)}", fact


def _path(fact: str) -> str:
    return fact.partition(" = ")[0]


def _native_causes(
    given: str, theirs: str | Refusal | None, ours: str | Refusal | None
) -> Iterator[tuple[str, str, str]]:
    if not (isinstance(theirs, str) and isinstance(ours, str)):
        yield from _verdict_causes("options", theirs, ours)
        return
    wanted, found = normal.options(theirs, given), normal.options(ours, given)
    missing, extra = wanted - found, found - wanted
    for unit in list(missing):
        partner = next((other for other in extra if _identity(other) == _identity(unit)), None)
        if partner is None:
            yield "options", f"lacks {_kind(unit)}", unit
        else:
            del extra[partner]
            yield (
                "options",
                f"differs in {_kind(unit)}: {_keys(unit, partner)}",
                _both(unit, partner),
            )
    for unit in extra:
        yield "options", f"has beyond {_kind(unit)}", unit


def _both(theirs: str, ours: str) -> str:
    return f"{theirs}  ≠  {ours}"


def _identity(unit: str) -> tuple[str, str]:
    """What makes two options the same one with different values."""
    name, _, value = unit.partition(" ")
    if "=" in name:
        return name.partition("=")[0], ""
    pairs = _pairs(value)
    return name, str(pairs.get("id", pairs.get("node-name", "")))


def _kind(unit: str) -> str:
    name, _, value = unit.partition(" ")
    if "=" in name:
        return name.partition("=")[0]
    pairs = _pairs(value)
    detail = pairs.get("driver") or pairs.get("qom-type") or pairs.get("type")
    if name in ("-global",):
        return f"{name} {value.partition('=')[0]}"
    return f"{name} {detail}" if detail else name


def _pairs(value: str) -> dict[str, object]:
    """Keys and values of an option in either syntax."""
    if value.startswith("{"):
        try:
            loaded: dict[str, object] = json.loads(value)
        except ValueError:
            return {}
        return loaded
    pairs: dict[str, object] = {}
    for part in value.replace(",,", "\0").split(","):
        key, equals, text = part.partition("=")
        pairs[key] = text if equals else None
    return pairs


def _keys(theirs: str, ours: str) -> str:
    """Which keys differ."""
    a, b = (_pairs(unit.partition(" ")[2]) for unit in (theirs, ours))
    changed = sorted(key for key in {*a, *b} if a.get(key, "") != b.get(key, ""))
    if not changed:
        return "order"
    return ", ".join(_QUOTED.sub("N", key) for key in changed)
