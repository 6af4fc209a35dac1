# SPDX-License-Identifier: Apache-2.0
"""libvirt's ``libvirt_lxc`` over Virloom: there is no container driver yet, and it says so."""

from __future__ import annotations

import libvirt
from libvirt._invoke import unsupported


def lxcOpenNamespace(domain: libvirt.virDomain, flags: int) -> list[int]:
    """Not supported."""
    return list(unsupported("virDomainLxcOpenNamespace"))


def lxcEnterCGroup(domain: libvirt.virDomain, flags: int) -> int:
    """Not supported."""
    return int(unsupported("virDomainLxcEnterCGroup"))
