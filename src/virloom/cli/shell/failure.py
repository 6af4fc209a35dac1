# SPDX-License-Identifier: Apache-2.0
"""How a command of the command line fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from virloom.errors import VirloomError


class CommandFailed(Exception):
    """What a command says on its failure; the driver's own error, if any, is its cause."""


@contextmanager
def failing(message: str) -> Iterator[None]:
    """Says *message* before the error of a driver's call within."""
    try:
        yield
    except VirloomError as error:
        raise CommandFailed(message) from error
