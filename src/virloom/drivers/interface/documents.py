# SPDX-License-Identifier: Apache-2.0
"""A document inside a file of the host's configuration, as comments in front of what it says.

So one file, written in one go, holds both what the host's own program reads and what clients are
told; neither can be there without the other.
"""

from __future__ import annotations

from virloom.drivers.interface.completion import parse_interface
from virloom.errors import XmlError
from virloom.model.interface import HostInterface
from virloom.xml import format_document

_MARK = "#: "
_HEAD = """\
# This file belongs to Virloom, which makes it from the document below:
# change it by `virsh iface-edit {name}`. Other edits are lost with the next one.
"""


def with_document(model: HostInterface, text: str) -> str:
    """*text*, with the document of *model* above it."""
    lines = [f"{_MARK}{line}\n" for line in format_document(model).splitlines()]
    return _HEAD.format(name=model.name) + "".join(lines) + "\n" + text


def document_in(text: str) -> HostInterface | None:
    """The document that is in a file; None where there is none, or one that is spoilt."""
    lines = [line.removeprefix(_MARK) for line in text.splitlines() if line.startswith(_MARK)]
    try:
        return parse_interface("\n".join(lines)) if lines else None
    except XmlError:
        return None
