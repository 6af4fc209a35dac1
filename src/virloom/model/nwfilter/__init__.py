# SPDX-License-Identifier: Apache-2.0
"""The documents of network filters, and of their bindings to guests' ports."""

from __future__ import annotations

from virloom.model.nwfilter.binding import FilterBinding
from virloom.model.nwfilter.filter import Filter
from virloom.model.nwfilter.reference import FilterReference
from virloom.model.nwfilter.rule import FilterRule

__all__ = ["Filter", "FilterBinding", "FilterReference", "FilterRule"]
