# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``conf-keys``: the keys of a configuration file, their defaults and meaning.

Its argument is the class that reads the file, ``MODULE:CLASS``. Names and defaults are the class's
own; the meaning is the ``Attributes:`` of its docstring and of those of its bases.

``conf-idle-keys`` lists the keys that are taken and do nothing; its argument names them likewise.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives

from tools.support_table import reread_each_time, table

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_ENTRY = re.compile(r"^(\w+(?:, \w+)*): (.*)$")


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


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def read(config: str) -> type:
    """The class that ``MODULE:CLASS`` names."""
    found = _named(config)
    assert isinstance(found, type)
    return found


def rows(config: type, beyond: type | None = None, host: str = "") -> list[list[str]]:
    """Key, default and meaning of each key of a file.

    Args:
        beyond: The keys of this class are left out, but for those with another default.
        host: A key whose default is this host's, and so not told.

    Raises:
        ValueError: A docstring does not explain a key.
    """
    meaning: dict[str, str] = {}
    for base in reversed(config.__mro__):
        meaning |= documented(base.__doc__ or "")
    values, others = vars(config()), vars(beyond()) if beyond is not None else {}
    told = {name for entry in meaning for name in entry.split(", ")}
    if missing := values.keys() - told:
        raise ValueError(f"{config.__name__} does not explain {', '.join(sorted(missing))}")
    found = []
    for entry, text in meaning.items():
        first = entry.split(", ")[0]
        if first in values and (first not in others or others[first] != values[first]):
            default = "" if first == host else _as_written(values[first])
            found.append([entry, default, text])
    return found


def _as_written(value: Any) -> str:
    """A default as it would stand in the file."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_as_written, value)) + "]"
    return str(int(value))


class ConfKeys(Directive):
    """A row per key."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {
        "beyond": directives.unchanged,
        "host": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        beyond = self.options.get("beyond")
        try:
            found = rows(
                read(self.arguments[0]),
                read(beyond) if beyond else None,
                self.options.get("host", ""),
            )
        except ValueError as exc:
            raise self.error(str(exc)) from exc
        return [table([["key", "default", "meaning"], *found])]


class IdleKeys(Directive):
    """A paragraph of names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        paragraph = nodes.paragraph()
        for number, key in enumerate(sorted(_named(self.arguments[0]))):
            paragraph += nodes.Text(", " if number else "")
            paragraph += nodes.literal(text=key)
        return [paragraph]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("conf-keys", ConfKeys)
    app.add_directive("conf-idle-keys", IdleKeys)
    return {"parallel_read_safe": True}
