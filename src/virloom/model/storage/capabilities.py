# SPDX-License-Identifier: Apache-2.0
"""``<storagepoolCapabilities>``: which kinds of pools there can be, and their formats."""

from __future__ import annotations

from virloom.model.schema import PathSchema, schema
from virloom.model.storage.target import FormatType
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, group, leaves
from virloom.xml.kinds import STRING, YES_NO


class Values(Element):
    """``<enum name='targetFormatType'><value>raw</value></enum>``."""

    empty = "lines"

    name: str | None = attribute(STRING)
    values: list[str] = leaves(STRING, "value")


class FormatOptions(Element):
    """``<volOptions>`` or ``<poolOptions>``."""

    default_format: FormatType = group(FormatType, "defaultFormat")
    enums: list[Values] = children(Values, "enum")


class PoolKind(Element):
    """``<pool type='dir' supported='yes'>``."""

    empty = "lines"

    type: str | None = attribute(STRING)
    supported: bool | None = attribute(YES_NO)
    pool_options: FormatOptions | None = child(FormatOptions, "poolOptions")
    vol_options: FormatOptions | None = child(FormatOptions, "volOptions")


class PoolCapabilities(Element):
    """``<storagepoolCapabilities>``."""

    tag = "storagepoolCapabilities"
    schema_path = "storagepoolCapabilities"

    pools: list[PoolKind] = children(PoolKind, "pool")

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of these capabilities."""
        return schema("storagepoolCapabilities")
