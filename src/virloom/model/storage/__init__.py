# SPDX-License-Identifier: Apache-2.0
"""The documents of storage pools, of their volumes, and of what pools there can be."""

from __future__ import annotations

from virloom.model.storage.capabilities import PoolCapabilities
from virloom.model.storage.pool import Pool
from virloom.model.storage.volume import Volume

__all__ = ["Pool", "PoolCapabilities", "Volume"]
