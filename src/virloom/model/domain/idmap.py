# SPDX-License-Identifier: Apache-2.0
"""``<idmap>``: users of a container and who they are outside."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children
from virloom.xml.kinds import UINT_OWNED


class IdRange(Element):
    """``<uid start='0' target='1000' count='10'/>``."""

    start: int | None = attribute(UINT_OWNED, required=True)
    target: int | None = attribute(UINT_OWNED, required=True)
    count: int | None = attribute(UINT_OWNED, required=True)


class Idmap(Element):
    """``<idmap>``."""

    uids: list[IdRange] = children(IdRange, "uid")
    gids: list[IdRange] = children(IdRange, "gid")
