# SPDX-License-Identifier: Apache-2.0
"""The network ``default``, which a fresh host has, as with libvirt's packages."""

from __future__ import annotations

import logging

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.driver import NetworkDriver
from virloom.errors import VirloomError

logger = logging.getLogger(__name__)

#: libvirt's addresses: programs and people know them.
DEFAULT = """
<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.122.254'/>
    </dhcp>
  </ip>
</network>
"""


async def install(driver: NetworkDriver) -> None:
    """Defines the network, to start by itself, and starts it if its subnet is free.

    For a host that never had a place for networks: whoever removes this one does not get it back.

    Raises:
        SystemFailure: It cannot be written.
    """
    network = await driver.define(parse_network(DEFAULT))
    await driver.set_autostart(network, True)
    try:
        await driver.start(network)
    except VirloomError as exc:
        logger.warning("network 'default' is not started: %s", exc)
