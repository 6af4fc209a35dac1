# SPDX-License-Identifier: Apache-2.0
"""Commands of our own: each has its options in a module of :mod:`virloom.cli.commands`."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import NoReturn

WRONG_LINE = 2


def run_own(words: Sequence[str], known: Mapping[str, str]) -> int:
    """Runs the command that *words* begin with; *known* are all of ours with their summaries."""
    options = _parser(words, known).parse_args(words)
    return int(options.execute(options))


def _parser(words: Sequence[str], known: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="virloom", description="Virtual machines by libvirt's documents.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, summary in known.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == chosen:
            module = importlib.import_module(f"virloom.cli.commands.{name}")
            module.configure(command)
            command.set_defaults(execute=module.execute)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_LINE, f"{self.prog}: {message} (try '{self.prog} --help')\n")
