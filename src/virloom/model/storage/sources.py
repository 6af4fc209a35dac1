# SPDX-License-Identifier: Apache-2.0
"""``<sources>``: what pools could be made of, and ``<source>`` alone: where that is looked for."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.storage.pool import PoolSource
from virloom.xml.element import Element
from virloom.xml.fields import children


class SourceSpecification(PoolSource):
    """``<source>`` as a document of its own."""

    tag = "source"
    error_domain = ErrorDomain.STORAGE


class PoolSources(Element):
    """``<sources>``."""

    tag = "sources"
    empty = "lines"

    sources: list[PoolSource] = children(PoolSource, "source")
