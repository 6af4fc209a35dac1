# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``qemu-conf-keys``: the keys of qemu.conf, their defaults and meaning.

Names and defaults are the configuration's own; the meaning is its docstring.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.support_table import reread_each_time, table
from virloom.drivers.qemu.config import QemuConfig

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_ENTRY = re.compile(r"^(\w+): (.*)$")


def documented(docstring: str) -> dict[str, str]:
    """The entries of a docstring's ``Attributes:`` section."""
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


def _as_written(value: Any) -> str:
    """A default as it would stand in the file."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_as_written, value)) + "]"
    return str(int(value))


class QemuConfKeys(Directive):
    """A row per key."""

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        meaning = documented(QemuConfig.__doc__ or "")
        rows = [["key", "default", "meaning"]]
        for key, default in vars(QemuConfig()).items():
            if key not in meaning:
                raise self.error(f"QemuConfig's docstring does not explain '{key}'")
            rows.append([key, _as_written(default), meaning[key]])
        return [table(rows)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("qemu-conf-keys", QemuConfKeys)
    return {"parallel_read_safe": True}
