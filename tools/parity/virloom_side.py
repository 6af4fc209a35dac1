# SPDX-License-Identifier: Apache-2.0
"""Asks Virloom, embedded in this process."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator

import virloom
from tools.parity.outcome import Outcome, Refusal
from virloom.enums.domain import DomainUndefineFlagsValues, DomainXMLFlags
from virloom.errors import VirloomError
from virloom.sync.connection import Connection

_ROOT = "@ROOT@"


def answers(documents: dict[str, str]) -> dict[str, Outcome]:
    """What Virloom makes of each document, by its name."""
    with _quiet(), tempfile.TemporaryDirectory(prefix="parity-") as place:
        root = f"{place}/r"
        with virloom.open_sync(f"qemu:///embed?root={root}") as connection:
            return {name: _ask(connection, text, root) for name, text in documents.items()}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that a corpus is full of."""
    logger = logging.getLogger("virloom")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _ask(connection: Connection, text: str, root: str) -> Outcome:
    """Defines one document, looks at it, and undefines it."""
    try:
        domain = connection.define_xml(text)
        try:
            told = domain.xml_desc(DomainXMLFlags.INACTIVE | DomainXMLFlags.SECURE)
        finally:
            domain.undefine(DomainUndefineFlagsValues.NVRAM)
    except VirloomError as error:
        return Outcome(_refusal(error), None)
    try:
        native: str | Refusal = connection.domain_xml_to_native("qemu-argv", text)
    except VirloomError as error:
        native = _refusal(error)
    if isinstance(native, str):
        native = native.replace(root, _ROOT)
    return Outcome(told.replace(root, _ROOT), native)


def _refusal(error: VirloomError) -> Refusal:
    return Refusal(int(error.code), int(error.domain), error.message)
