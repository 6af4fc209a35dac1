# SPDX-License-Identifier: Apache-2.0
"""How names of the tables become Python names."""

from __future__ import annotations

import keyword
import re

#: Words that stay in capitals inside a class name.
_ACRONYMS = {"xml": "XML", "uuid": "UUID", "cpu": "CPU", "cpus": "CPUs", "pm": "PM", "mac": "MAC"}

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """``nrVirtCpu`` → ``nr_virt_cpu``; a Python keyword gets a trailing underscore."""
    snake = _WORD_START.sub("_", name).lower()
    return f"{snake}_" if keyword.iskeyword(snake) else snake


def class_name(wire_name: str) -> str:
    """``remote_domain_create_xml_args`` → ``DomainCreateXMLArgs``."""
    words = wire_name.split("_")
    if words[0] in ("remote", "admin"):
        words = words[1:]
    return "".join(_ACRONYMS.get(word.lower(), word[:1].upper() + word[1:]) for word in words)


def enum_class_name(api_name: str) -> str:
    """``virDomainCreateFlags`` → ``DomainCreateFlags``."""
    return api_name.removeprefix("vir")


def common_prefix(names: list[str]) -> str:
    """The longest prefix of *names* that ends in an underscore.

    A single name gives the prefix up to its last word, so that something is left over.
    """
    first, last = min(names), max(names)
    if first == last:
        return first[: first.rfind("_") + 1]
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    shared = first if length is None else first[:length]
    return shared[: shared.rfind("_") + 1]


def member_name(name: str, prefix: str) -> str:
    """The enum member for *name*: without *prefix*, never starting with a digit."""
    short = name.removeprefix(prefix)
    if short[0].isdigit() or keyword.iskeyword(short.lower()) or not short.isidentifier():
        return f"_{short}" if short[0].isdigit() else short
    return short
