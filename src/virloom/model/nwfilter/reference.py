# SPDX-License-Identifier: Apache-2.0
"""``<filterref>``: another filter, with values for its variables."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children
from virloom.xml.kinds import STRING


class FilterParameter(Element):
    """``<parameter name='IP' value='10.0.0.1'/>``; a name may stand several times."""

    name: str | None = attribute(STRING)
    value: str | None = attribute(STRING)


class FilterReference(Element):
    """``<filterref filter='clean-traffic'>``."""

    tag = "filterref"

    filter: str | None = attribute(STRING)
    parameters: list[FilterParameter] = children(FilterParameter, "parameter")
