# SPDX-License-Identifier: Apache-2.0
"""``<capabilities>``: the host, and the kinds of guests that it can run."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.capabilities.guest import GuestCapabilities
from virloom.model.capabilities.topology import HostTopology
from virloom.model.cpu import HostCpu
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, content, flag, group, leaf, leaves
from virloom.xml.kinds import STRING, UINT, UUID, YES_NO, choice


class PowerManagement(Element):
    """``<power_management>``: how the host itself can sleep."""

    suspend_mem: bool = flag()
    suspend_disk: bool = flag()
    suspend_hybrid: bool = flag()


class HostIommu(Element):
    """``<iommu support='no'/>``."""

    support: bool | None = attribute(YES_NO)


class UriTransports(Element):
    """``<uri_transports>``: the schemes by which a guest can come from another host."""

    transports: list[str] = leaves(STRING, "uri_transport")


class MigrationFeatures(Element):
    """``<migration_features>``."""

    live: bool = flag()
    uri_transports: UriTransports = group(UriTransports)


class CacheControl(Element):
    """``<control granularity='768' min='1536' unit='KiB' type='code' maxAllocs='8'/>``."""

    granularity: int | None = attribute(UINT)
    min: int | None = attribute(UINT)
    unit: str | None = attribute(STRING)
    type: str | None = attribute(choice("both", "code", "data"))
    max_allocs: int | None = attribute(UINT, "maxAllocs")


class CacheBank(Element):
    """``<bank id='0' level='3' type='both' size='15' unit='MiB' cpus='0-5'>``."""

    id: int | None = attribute(UINT)
    level: int | None = attribute(UINT)
    type: str | None = attribute(choice("both", "code", "data"))
    size: int | None = attribute(UINT)
    unit: str | None = attribute(STRING)
    cpus: str | None = attribute(STRING)
    controls: list[CacheControl] = children(CacheControl, "control")


class MonitorFeature(Element):
    """``<feature name='llc_occupancy'/>``."""

    name: str | None = attribute(STRING)


class ResourceMonitor(Element):
    """``<monitor level='3' reuseThreshold='270336' maxMonitors='176'>``; by resctrl."""

    level: int | None = attribute(UINT)
    reuse_threshold: int | None = attribute(UINT, "reuseThreshold")
    max_monitors: int | None = attribute(UINT, "maxMonitors")
    features: list[MonitorFeature] = children(MonitorFeature, "feature")


class HostCache(Element):
    """``<cache>``: the banks of the host's last-level caches."""

    banks: list[CacheBank] = children(CacheBank, "bank")
    monitor: ResourceMonitor | None = child(ResourceMonitor)


class BandwidthControl(Element):
    """``<control granularity='10' min='10' maxAllocs='4'/>``; in percent."""

    granularity: int | None = attribute(UINT)
    min: int | None = attribute(UINT)
    max_allocs: int | None = attribute(UINT, "maxAllocs")


class BandwidthNode(Element):
    """``<node id='0' cpus='0-5'>`` of the memory's bandwidth."""

    id: int | None = attribute(UINT)
    cpus: str | None = attribute(STRING)
    controls: list[BandwidthControl] = children(BandwidthControl, "control")


class MemoryBandwidth(Element):
    """``<memory_bandwidth>``."""

    nodes: list[BandwidthNode] = children(BandwidthNode, "node")
    monitor: ResourceMonitor | None = child(ResourceMonitor)


class BaseLabel(Element):
    """``<baselabel type='kvm'>+64055:+64055</baselabel>``."""

    type: str | None = attribute(STRING)
    value: str | None = content(STRING)


class SecurityModel(Element):
    """``<secmodel>``: how guests are kept apart."""

    model: str | None = leaf(STRING)
    doi: str | None = leaf(STRING)
    baselabels: list[BaseLabel] = children(BaseLabel, "baselabel")


class HostCapabilities(Element):
    """``<host>``."""

    uuid: str | None = leaf(UUID)
    cpu: HostCpu = group(HostCpu)
    power_management: PowerManagement | None = child(PowerManagement)
    iommu: HostIommu = group(HostIommu)
    migration_features: MigrationFeatures = group(MigrationFeatures)
    topology: HostTopology = group(HostTopology)
    cache: HostCache = group(HostCache)
    memory_bandwidth: MemoryBandwidth = group(MemoryBandwidth)
    secmodels: list[SecurityModel] = children(SecurityModel, "secmodel")


class Capabilities(Element):
    """``<capabilities>``."""

    tag = "capabilities"
    schema_path = "capabilities"
    error_domain = ErrorDomain.CAPABILITIES

    host: HostCapabilities = group(HostCapabilities)
    guests: list[GuestCapabilities] = children(GuestCapabilities, "guest")

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of capabilities."""
        return schema("capabilities")
