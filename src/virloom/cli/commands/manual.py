# SPDX-License-Identifier: Apache-2.0
"""``virloom manual``: prints the manual page (``virloom manual | man -l -``)."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator


def configure(parser: argparse.ArgumentParser) -> None:
    """There are no options."""
    parser.epilog = "exit code: 0"


def execute(options: argparse.Namespace) -> int:
    """Prints the page; exit code 0."""
    print("\n".join(page()))
    return 0


def page() -> Iterator[str]:
    """The lines of the page, in the language of man(7)."""
    from virloom.cli.main import COMMANDS as OWN
    from virloom.cli.shell import guide
    from virloom.cli.shell.registry import function_of
    from virloom.cli.shell.table import COMMANDS, GROUPS

    yield '.TH VIRLOOM 1 "" "Virloom" "User Commands"'
    yield from (".SH NAME", "virloom \\- virtual machines from the command line")
    yield from (".SH SYNOPSIS", ".nf", _plain(guide.OPTIONS.rstrip()), ".fi")
    yield ".SH COMMANDS OF ITS OWN"
    for name, summary in OWN.items():
        yield from (".TP", f".B {_plain(name)}", _plain(summary.capitalize()) + ".")
    for keyword, title in GROUPS.items():
        yield f".SH {title.upper()}"
        for name, (group, _) in COMMANDS.items():
            if group != keyword:
                continue
            command = guide.command_called(name)
            yield from (".TP", f".B {_plain(guide.synopsis(command))}")
            yield _plain(inspect.getdoc(function_of(name)) or "")


def _plain(text: str) -> str:
    """Text without what man(7) would take for its own."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)
