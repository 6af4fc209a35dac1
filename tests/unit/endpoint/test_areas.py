# SPDX-License-Identifier: Apache-2.0
"""The connections to other areas are handed in, or are not there."""

from __future__ import annotations

import asyncio

import pytest

from virloom.endpoint.areas import Areas
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.errors import NoSupport

CALLER = Identity(uid=1000, readonly=True)


async def test_an_area_that_nobody_handed_in_is_not_installed() -> None:
    with pytest.raises(NoSupport, match="storage"):
        await Areas().connect("storage", CALLER)


async def test_an_area_is_opened_for_the_caller() -> None:
    callers: list[Identity] = []

    async def release() -> None:
        return None

    async def open_network(identity: Identity) -> Endpoint:
        callers.append(identity)
        return LocalEndpoint(Dispatcher([]), asyncio.get_running_loop(), identity, release)

    areas = Areas({"network": open_network})
    endpoint = await areas.connect("network", CALLER)
    await endpoint.close()
    assert callers == [CALLER]
    with pytest.raises(NoSupport):
        await areas.connect("secret", CALLER)
