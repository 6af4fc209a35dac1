# SPDX-License-Identifier: Apache-2.0
"""The documents of network filters: their bindings to guests' ports."""

from __future__ import annotations

from virloom.model.nwfilter.binding import FilterBinding

__all__ = ["FilterBinding"]
