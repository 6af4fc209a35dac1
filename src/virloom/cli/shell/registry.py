# SPDX-License-Identifier: Apache-2.0
"""Finds the function of a command; loads only the module that has it."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.session import Session
from virloom.cli.words import MODULES

Run = Callable[[Session, Arguments], Awaitable[None]]

_FOUND: dict[str, Run] = {}


def command(name: str) -> Callable[[Run], Run]:
    """Makes a function the command *name*; its docstring's first line is the help."""

    def register(function: Run) -> Run:
        _FOUND[name] = function
        return function

    return register


def function_of(name: str) -> Run:
    """The function of the command *name* of the table."""
    if name not in _FOUND:
        importlib.import_module(f"virloom.cli.words.{home_of(name)}")
    return _FOUND[name]


def home_of(name: str) -> str:
    """The module under ``virloom.cli.words`` that has the command."""
    for module, names in MODULES.items():
        if name in names.split():
            return module
    raise LookupError(f"no module has the command '{name}'")
