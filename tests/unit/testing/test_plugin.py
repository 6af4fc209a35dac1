# SPDX-License-Identifier: Apache-2.0
"""The fixture of the pytest plug-in, as other people's tests have it."""

from __future__ import annotations

import pytest

import virloom
from virloom.sync.portal import portal
from virloom.testing.plugin import served_libvirt  # noqa: F401 # a fixture of this module
from virloom.testing.served import ServedLibvirt


@pytest.fixture(scope="module", autouse=True)
def _portal() -> None:
    """Lives as long as the process: no leak of the test that happens to be first."""
    portal()


def test_a_fresh_host(served_libvirt: ServedLibvirt) -> None:  # noqa: F811 # the fixture
    with virloom.open_sync(served_libvirt.uri) as conn:
        assert [dom.name for dom in conn.list_all_domains()] == ["test"]
