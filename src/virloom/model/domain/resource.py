# SPDX-License-Identifier: Apache-2.0
"""``<resource>``: where on the host the guest is accounted."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import leaf, verbatim
from virloom.xml.kinds import STRING
from virloom.xml.node import Node


class Resource(Element):
    """``<resource><partition>/machine</partition></resource>``."""

    partition: str | None = leaf(STRING)
    fibrechannel: list[Node] = verbatim("fibrechannel")
