# SPDX-License-Identifier: Apache-2.0
"""The documents of virtual networks and of their ports."""

from __future__ import annotations

from virloom.model.network.network import Network
from virloom.model.network.port import NetworkPort

__all__ = ["Network", "NetworkPort"]
