# SPDX-License-Identifier: Apache-2.0
"""What ``virNetworkPort`` has beyond calls of one procedure with one result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libvirt._invoke import call, typed

_BANDWIDTH = {
    f"bandwidth.{way}.{what}": "uint"
    for way in ("in", "out")
    for what in ("average", "peak", "burst", "floor")
}


def network(self: Any) -> Any:
    """The network that it is a port of."""
    return self._net


def setParameters(self: Any, params: Mapping[str, Any], flags: int = 0) -> int:
    """Sets bandwidths."""
    return int(call(self, "virNetworkPortSetParameters", typed(params, _BANDWIDTH), flags))
