# SPDX-License-Identifier: Apache-2.0
"""Command lines of the side programs: libvirt's ask for 1, not 2, when they are wrong."""

from __future__ import annotations

import argparse
from typing import NoReturn

VERSION = "9.0.0"
"""The release of libvirt whose programs these stand in for."""


class ProgramParser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line and leaves with a code of one's own.

    Args:
        prog: The name of the program.
        description: What it does.
        version: The words of ``--version``, and its letter.
        wrong: The exit code for a wrong command line.
    """

    def __init__(
        self, prog: str, description: str, version: tuple[str, str], wrong: int = 1
    ) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._wrong = wrong
        words, letter = version
        self.add_argument(
            letter, "--version", action="version", version=words, help="show the version and leave"
        )

    def error(self, message: str) -> NoReturn:
        """Leaves with the code for a wrong command line."""
        self.exit(self._wrong, f"{self.prog}: {message} (try '{self.prog} --help')\n")
