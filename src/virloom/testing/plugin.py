# SPDX-License-Identifier: Apache-2.0
"""The pytest plug-in: ``pytest_plugins = ["virloom.testing.plugin"]`` in a ``conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from virloom.testing.served import ServedLibvirt


@pytest.fixture
def served_libvirt() -> Iterator[ServedLibvirt]:
    """A fresh libvirt over the real wire, with faults to order; it ends with the test."""
    with ServedLibvirt() as host:
        yield host
