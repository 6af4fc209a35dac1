# SPDX-License-Identifier: Apache-2.0
"""``<seclabel>``: what a security driver puts on the guest and on what it uses."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, leaf
from virloom.xml.kinds import STRING, YES_NO, choice, lenient


class Seclabel(Element):
    """``<seclabel type='dynamic' model='dac' relabel='yes'>`` of the guest."""

    type: str | None = attribute(choice("none", "dynamic", "static"))
    model: str | None = attribute(STRING)
    relabel: bool | None = attribute(YES_NO)
    label: str | None = leaf(STRING)
    imagelabel: str | None = leaf(STRING)
    baselabel: str | None = leaf(STRING)

    @property
    def given_here(self) -> bool:
        """Whether this host's driver chose the label of a running guest."""
        return self.type == "dynamic" and self.imagelabel is not None and self.baselabel is None


class SourceSeclabel(Element):
    """``<seclabel model='dac' relabel='no'/>`` of one source."""

    model: str | None = attribute(STRING)
    labelskip: bool | None = attribute(lenient(YES_NO))
    relabel: bool | None = attribute(YES_NO)
    label: str | None = leaf(STRING)
