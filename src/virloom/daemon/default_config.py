# SPDX-License-Identifier: Apache-2.0
"""The file of settings that changes nothing: each key with what it means and its default.

Names and defaults are those of the class that reads the file; the meaning is the ``Attributes:``
of its docstring and of those of its bases.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from virloom.daemon.config import DaemonConfig, NetworkConfig
from virloom.daemon.spec import DaemonSpec

_ENTRY = re.compile(r"^(\w+(?:, \w+)*): (.*)$")
_WIDTH = 98


class Explained(NamedTuple):
    """A key, or several that are alike.

    Attributes:
        names: As the file has them.
        default: Of the first.
        meaning: In words.
    """

    names: tuple[str, ...]
    default: Any
    meaning: str


def documented(docstring: str) -> dict[str, str]:
    """The entries of a docstring's ``Attributes:`` section; one may be of several names."""
    found: dict[str, str] = {}
    name = ""
    section = inspect.cleandoc(docstring).partition("Attributes:\n")[2]
    for line in inspect.cleandoc(section).splitlines():
        entry = _ENTRY.match(line)
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif name:
            found[name] += " " + line.strip()
    return found


def explained(config: type) -> Iterator[Explained]:
    """Every key that a class of settings has.

    Raises:
        ValueError: A docstring does not explain a key.
    """
    meaning: dict[str, str] = {}
    for base in reversed(config.__mro__):
        meaning |= documented(base.__doc__ or "")
    values = vars(config())
    told = {name for entry in meaning for name in entry.split(", ")}
    if missing := values.keys() - told:
        raise ValueError(f"{config.__name__} does not explain {', '.join(sorted(missing))}")
    for entry, text in meaning.items():
        names = tuple(entry.split(", "))
        if names[0] in values:
            yield Explained(names, values[names[0]], text)


def as_written(value: Any) -> str:
    """A default as it would stand in the file."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(as_written, value)) + "]"
    return str(int(value))


def default_config(spec: DaemonSpec) -> str:
    """The text of a daemon's file, in which each key is a comment."""
    kind: type[DaemonConfig] = NetworkConfig if spec.network else spec.config
    parts = [f"# {spec.description}. What is commented out is the default."]
    for key in explained(kind):
        meaning = key.meaning.replace("``", "'")
        lines = textwrap.wrap(meaning, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        default = as_written(key.default) or '"..."'  # decided when the daemon starts
        lines += [f"#{name} = {default}" for name in key.names]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
