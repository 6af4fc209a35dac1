# SPDX-License-Identifier: Apache-2.0
"""What a host and its hypervisor can do: ``<capabilities>`` and ``<domainCapabilities>``."""

from __future__ import annotations

from virloom.model.capabilities.capabilities import Capabilities
from virloom.model.capabilities.domain import DomainCapabilities

__all__ = ["Capabilities", "DomainCapabilities"]
