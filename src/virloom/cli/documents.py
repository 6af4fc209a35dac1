# SPDX-License-Identifier: Apache-2.0
"""Domain documents from files, as commands are given them."""

from __future__ import annotations

import os
import sys

from virloom.errors import VirloomError, system_failure
from virloom.model.domain import Domain
from virloom.xml import Limits, parse_document


def read_domain(path: str, *, validate: bool = False) -> Domain:
    """The document in the file *path*, or on standard input where that is ``-``.

    Args:
        validate: An element or attribute that nobody knows is an error.

    Raises:
        SystemFailure: The file cannot be read.
        VirloomError: It is no domain document; the message has file, line and path in it.
    """
    data = _read(path)
    try:
        return parse_document(Domain, data, validate=validate)
    except VirloomError as error:
        raise type(error)(f"'{path}': {error.detail}", domain=error.domain) from error


def _read(path: str) -> bytes:
    # One byte more than the parser takes tells it that the document is too big.
    limit = Limits().size + 1
    try:
        if path == "-":
            return sys.stdin.buffer.read(limit)
        with open(os.fspath(path), "rb") as file:
            return file.read(limit)
    except OSError as error:
        raise system_failure(f"cannot read the document '{path}'", error) from error
