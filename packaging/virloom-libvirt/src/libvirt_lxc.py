# SPDX-License-Identifier: Apache-2.0
"""libvirt's ``libvirt_lxc`` over Virloom: the namespaces of containers."""

from __future__ import annotations

import libvirt
from libvirt._invoke import invoke_with_fds, unsupported


def lxcOpenNamespace(domain: libvirt.virDomain, flags: int) -> list[int]:
    """Descriptors of the container's namespaces, which the caller closes."""
    _, fds = invoke_with_fds(domain, "virDomainLxcOpenNamespace", [], flags)
    return fds


def lxcEnterCGroup(domain: libvirt.virDomain, flags: int) -> int:
    """Not supported."""
    return int(unsupported("virDomainLxcEnterCGroup"))
