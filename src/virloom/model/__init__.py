# SPDX-License-Identifier: Apache-2.0
"""The document types as typed objects: ``virloom.model.Domain``, ``virloom.model.Network``, …

A class is imported when it is asked for; :data:`DOCUMENTS` has one entry per document type.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virloom.model.capabilities import Capabilities as Capabilities
    from virloom.model.capabilities import DomainCapabilities as DomainCapabilities
    from virloom.model.cpu import HostCpu as HostCpu
    from virloom.model.domain import Domain as Domain
    from virloom.model.interface import HostInterface as HostInterface
    from virloom.model.network import Network as Network
    from virloom.model.network import NetworkPort as NetworkPort
    from virloom.model.nodedev import NodeDevice as NodeDevice
    from virloom.model.nwfilter import Filter as Filter
    from virloom.model.nwfilter import FilterBinding as FilterBinding
    from virloom.model.secret import Secret as Secret
    from virloom.model.snapshot import (
        Backup as Backup,
    )
    from virloom.model.snapshot import (
        Checkpoint as Checkpoint,
    )
    from virloom.model.snapshot import (
        Snapshot as Snapshot,
    )
    from virloom.model.storage import (
        Pool as Pool,
    )
    from virloom.model.storage import (
        PoolCapabilities as PoolCapabilities,
    )
    from virloom.model.storage import (
        Volume as Volume,
    )
    from virloom.xml.element import Element

DOCUMENTS = {
    "capabilities": ("Capabilities", "capabilities"),
    "cpu": ("HostCpu", "cpu"),
    "device": ("NodeDevice", "nodedev"),
    "domain": ("Domain", "domain"),
    "domainCapabilities": ("DomainCapabilities", "capabilities"),
    "domainbackup": ("Backup", "snapshot"),
    "domaincheckpoint": ("Checkpoint", "snapshot"),
    "domainsnapshot": ("Snapshot", "snapshot"),
    "filter": ("Filter", "nwfilter"),
    "filterbinding": ("FilterBinding", "nwfilter"),
    "interface": ("HostInterface", "interface"),
    "network": ("Network", "network"),
    "networkport": ("NetworkPort", "network"),
    "pool": ("Pool", "storage"),
    "secret": ("Secret", "secret"),
    "storagepoolCapabilities": ("PoolCapabilities", "storage"),
    "volume": ("Volume", "storage"),
}
"""Name of the root element → class of the document and the module here that has it."""

_MODULES = dict(DOCUMENTS.values())


def document_class(root: str) -> type[Element] | None:
    """The class of the documents with this root element; None where there is none."""
    if root not in DOCUMENTS:
        return None
    name, _ = DOCUMENTS[root]
    found: type[Element] = __getattr__(name)
    return found


def __getattr__(name: str) -> type[Element]:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found: type[Element] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
