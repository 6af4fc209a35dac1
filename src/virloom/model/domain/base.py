# SPDX-License-Identifier: Apache-2.0
"""What all elements of a domain document share."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element


class DomainElement(Element):
    """An element that may be the root of a parse, with the domain schema behind it."""

    error_domain = ErrorDomain.DOMAIN

    @classmethod
    def schema(cls) -> PathSchema:
        """The domain schema."""
        return schema("domain")
