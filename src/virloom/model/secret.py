# SPDX-License-Identifier: Apache-2.0
"""``<secret>``: what a secret is for; never its value."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, leaf
from virloom.xml.kinds import STRING, UUID, YES_NO, option


class Usage(Element):
    """``<usage type='ceph'><name>admin</name></usage>``."""

    type: str | None = attribute(option("none", "volume", "ceph", "iscsi", "tls", "vtpm"))
    volume: str | None = leaf(STRING)
    name: str | None = leaf(STRING)
    target: str | None = leaf(STRING)


class Secret(Element):
    """``<secret ephemeral='no' private='yes'>``."""

    tag = "secret"
    schema_path = "secret"
    error_domain = ErrorDomain.SECRET

    ephemeral: bool | None = attribute(YES_NO)
    private: bool | None = attribute(YES_NO)
    uuid: str | None = leaf(UUID)
    description: str | None = leaf(STRING)
    usage: Usage | None = child(Usage)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of secrets."""
        return schema("secret")
