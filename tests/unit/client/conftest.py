# SPDX-License-Identifier: Apache-2.0
"""A connection to a driver without hypervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.dispatcher import FakeDriver, endpoint_of
from virloom.client.connection import Connection
from virloom.uri import ConnectURI


@pytest.fixture
async def driver() -> AsyncIterator[FakeDriver]:
    made = FakeDriver()
    yield made
    made.close_sockets()


@pytest.fixture
async def conn(driver: FakeDriver) -> AsyncIterator[Connection]:
    async with Connection(endpoint_of(driver), ConnectURI.parse("qemu:///embed")) as made:
        yield made
