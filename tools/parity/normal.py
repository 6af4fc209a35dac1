# SPDX-License-Identifier: Apache-2.0
"""What of a document and of a command line is compared: not white space, not what is random."""

from __future__ import annotations

import json
import re
import shlex
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_MAC = re.compile(r"52:54:00(?::[0-9a-f]{2}){3}")
_TAP = re.compile(r'"fd":"\d+"')
_MOMENT = re.compile(r"base=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def without_random(text: str, given: str) -> str:
    """*text* with what was made up for it replaced: UUIDs and MACs that *given* does not have."""
    known = given.lower()
    for pattern, name in ((_UUID, "uuid"), (_MAC, "mac")):
        numbers: dict[str, str] = {}

        def placed(
            match: re.Match[str], name: str = name, numbers: dict[str, str] = numbers
        ) -> str:
            found = match.group()
            if found in known:
                return found
            return numbers.setdefault(found, f"@{name}{len(numbers)}@")

        text = pattern.sub(placed, text)
    return text


def document(text: str, given: str) -> list[str]:
    """The facts of a document in their order: paths of elements, attributes, and their values."""
    return list(_facts(ElementTree.fromstring(without_random(text, given)), ""))


def _facts(element: ElementTree.Element, above: str) -> Iterator[str]:
    path = f"{above}/{element.tag}" if above else element.tag
    content = (element.text or "").strip()
    yield f"{path} = {content}" if content else path
    for name in sorted(element.attrib):
        yield f"{path}/@{name} = {element.attrib[name]}"
    for child in element:
        yield from _facts(child, path)


def options(text: str, given: str) -> Counter[str]:
    """The options of a command line, each with its value, and the variables before it."""
    return Counter(_options(shlex.split(without_random(text, given))))


def _options(words: list[str]) -> Iterator[str]:
    program = next(n for n, word in enumerate(words) if "=" not in word.split("/", 1)[0])
    for word in words[:program]:
        yield "PATH=" if word.startswith("PATH=") else word
    unit = words[program]
    for word in words[program + 1 :]:
        if word.startswith("-") and len(word) > 1:
            yield unit
            unit = word
        else:
            unit += f" {_value(word)}"
    yield unit


def _value(word: str) -> str:
    """A value as it compares: keys of JSON in order, no number of a descriptor, no moment."""
    word = _MOMENT.sub("base=@now@", word)
    if not word.startswith("{"):
        return word
    word = _TAP.sub('"fd":"@tap@"', word)
    try:
        return json.dumps(json.loads(word), sort_keys=True)
    except ValueError:
        return word
