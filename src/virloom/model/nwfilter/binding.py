# SPDX-License-Identifier: Apache-2.0
"""``<filterbinding>``: a filter that is at work on a guest's port."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.network.traffic import MacAddress
from virloom.model.nwfilter.reference import FilterReference
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, group, leaf
from virloom.xml.kinds import STRING, UUID


class BindingOwner(Element):
    """``<owner>``: the guest."""

    name: str | None = leaf(STRING)
    uuid: str | None = leaf(UUID)


class HostDevice(Element):
    """``<portdev name='vnet0'/>`` or ``<linkdev name='eth0'/>``."""

    name: str | None = attribute(STRING)


class FilterBinding(Element):
    """``<filterbinding>``."""

    tag = "filterbinding"
    schema_path = "filterbinding"
    error_domain = ErrorDomain.NWFILTER

    owner: BindingOwner = group(BindingOwner)
    portdev: HostDevice = group(HostDevice)
    linkdev: HostDevice = group(HostDevice)
    mac: MacAddress = group(MacAddress)
    filterref: FilterReference = group(FilterReference)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of bindings."""
        return schema("filterbinding")
