# SPDX-License-Identifier: Apache-2.0
"""Documents from files, as commands are given them."""

from __future__ import annotations

import os
import sys

from virloom.errors import VirloomError, XmlError, system_failure
from virloom.model import DOCUMENTS, document_class
from virloom.model.domain import Domain
from virloom.xml import Limits, parse_document, parse_node
from virloom.xml.element import Element


def read_domain(path: str) -> Domain:
    """The document in the file *path*, or on standard input where that is ``-``.

    Raises:
        SystemFailure: The file cannot be read.
        VirloomError: It is no domain document; the message has file, line and path in it.
    """
    data = read_bytes(path)
    try:
        return parse_document(Domain, data)
    except VirloomError as error:
        raise type(error)(f"'{path}': {error.detail}", domain=error.domain) from error


def read_valid(path: str) -> Element:
    """The document of any type in the file *path*, or on standard input where that is ``-``.

    Raises:
        SystemFailure: The file cannot be read.
        VirloomError: It is not valid; the message has file, line and path in it.
    """
    data = read_bytes(path)
    try:
        root = parse_node(data).tag
        cls = document_class(root)
        if cls is None:
            known = ", ".join(DOCUMENTS)
            raise XmlError(f"no document has the root element '{root[:64]}' (known: {known})")
        return parse_document(cls, data, validate=True)
    except VirloomError as error:
        raise type(error)(f"'{path}': {error.detail}", domain=error.domain) from error


def read_bytes(path: str) -> bytes:
    """The bytes of the file *path*, or of standard input: of too many no more than tells so.

    Raises:
        SystemFailure: The file cannot be read.
    """
    # One byte more than the parser takes tells it that the document is too big.
    limit = Limits().size + 1
    try:
        if path == "-":
            return sys.stdin.buffer.read(limit)
        with open(os.fspath(path), "rb") as file:
            return file.read(limit)
    except OSError as error:
        raise system_failure(f"cannot read the document '{path}'", error) from error
