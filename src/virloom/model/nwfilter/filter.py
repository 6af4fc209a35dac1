# SPDX-License-Identifier: Apache-2.0
"""``<filter>``: rules and other filters that it takes in, in the order of writing."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.nwfilter.reference import FilterReference
from virloom.model.nwfilter.rule import FilterRule
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, leaf, mixture
from virloom.xml.kinds import INT, STRING, UUID, Kind


def _priority(text: str) -> int | None:
    assert INT.parse is not None
    return INT.parse(text) if text else None


#: libvirt's refusals of these two are not those of other numbers and UUIDs.
_PRIORITY: Kind[int | None] = Kind(_priority, str, error=InvalidArg, pattern=INT.pattern)
_UUID = Kind(UUID.parse, owned=True, pattern=UUID.pattern)


class Filter(Element):
    """``<filter name='clean-traffic' chain='root'>``.

    The chain's name tells which packets it is for: ``root`` for all, else it begins with ``mac``,
    ``vlan``, ``stp``, ``arp``, ``rarp``, ``ipv4`` or ``ipv6``.
    """

    tag = "filter"
    schema_path = "filter"
    error_domain = ErrorDomain.NWFILTER

    name: str | None = attribute(STRING)
    chain: str | None = attribute(STRING)
    priority: int | None = attribute(_PRIORITY)
    uuid: str | None = leaf(_UUID)
    entries: list[FilterRule | FilterReference] = mixture(FilterRule, FilterReference)

    @property
    def rules(self) -> list[FilterRule]:
        """The rules of the filter itself."""
        return [entry for entry in self.entries if isinstance(entry, FilterRule)]

    @property
    def references(self) -> list[FilterReference]:
        """The filters that it takes in."""
        return [entry for entry in self.entries if isinstance(entry, FilterReference)]

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of filters."""
        return schema("filter")
