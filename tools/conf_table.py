# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``conf-keys``: the keys of a configuration file, their defaults and meaning.

Its argument is the class that reads the file, ``MODULE:CLASS``; what is told of it is that of
:mod:`virloom.daemon.default_config`.

``conf-idle-keys`` lists the keys that are taken and do nothing; its argument names them likewise.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives

from tools.support_table import reread_each_time, table
from virloom.daemon.default_config import as_written, explained

if TYPE_CHECKING:
    from sphinx.application import Sphinx


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
    others = vars(beyond()) if beyond is not None else {}
    found = []
    for key in explained(config):
        first = key.names[0]
        if first not in others or others[first] != key.default:
            default = "" if first == host else as_written(key.default)
            found.append([", ".join(key.names), default, key.meaning])
    return found


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
