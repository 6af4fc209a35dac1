# SPDX-License-Identifier: Apache-2.0
"""A connection to an embedded driver that does not wait long for anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from virloom.client.connection import Connection
from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers import dispatcher
from virloom.drivers.qemu.patience import Patience
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.uri import ConnectURI

LIMITS = Patience(job=0.5, answer=1.0, greeting=30.0, reunion=0.5)


@asynccontextmanager
async def impatient(root: Path, limits: Patience = LIMITS) -> AsyncIterator[Connection]:
    """A connection to the driver of *root* with limits that a test can wait for."""
    uri = f"qemu:///embed?root={root}"
    driver = await QemuDriver.open(Directories.embedded(root), uri, limits)
    endpoint = LocalEndpoint(
        dispatcher(driver), asyncio.get_running_loop(), Identity.of_this_process(), driver.close
    )
    connection = Connection(endpoint, ConnectURI.parse(uri))
    try:
        yield connection
    finally:
        await connection.close()
