# SPDX-License-Identifier: Apache-2.0
"""A command's options as records, read from its line of the table when it is called."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from virloom.cli.shell.table import COMMANDS

#: Older names that virsh still takes: command → option or alias → what it stands for.
COMMAND_ALIASES = {"nodedev-dettach": "nodedev-detach"}
_SHAREABLE = {"attach-disk": {"shareable": ("mode", "shareable")}}


class Option(NamedTuple):
    """One option of a command."""

    name: str
    kind: str
    """``flag``, ``string`` or ``int``."""
    required: bool
    positional: bool
    """Whether a word without a name may be its value."""
    repeatable: bool
    """Whether it takes all words that are left."""


class Command(NamedTuple):
    """A command of the table."""

    name: str
    group: str
    options: tuple[Option, ...]

    def find(self, name: str) -> tuple[Option, str | None] | None:
        """The option called *name*, and the value that an alias of it implies."""
        target, value = _SHAREABLE.get(self.name, {}).get(name, (name, None))
        if self.name == "blkdeviotune":
            target = target.replace("_", "-")
        for option in self.options:
            if option.name == target:
                return option, value
        return None


@cache
def find_command(name: str) -> Command | None:
    """The command called *name*, an older name included; None where there is none."""
    name = COMMAND_ALIASES.get(name, name)
    if name not in COMMANDS:
        return None
    group, line = COMMANDS[name]
    return Command(name, group, tuple(_option(word) for word in line.split()))


_KINDS = {"": "flag", "s": "string", "i": "int"}


def _option(word: str) -> Option:
    marked, _, kind = word.partition("=")
    name = marked.lstrip("!@*")
    marks = marked[: len(marked) - len(name)]
    return Option(name, _KINDS[kind], "!" in marks, "@" in marks, "*" in marks)
