# SPDX-License-Identifier: Apache-2.0
"""What of a guest's confinement is made between fork and exec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.confine.devices import WantedDevice, nodes_of, wanted_devices
from virloom.drivers.qemu.confine.limits import limits_of, memory_policy
from virloom.host.device_nodes import PrivateDev
from virloom.host.process import Confinement
from virloom.model.cpuset import numbers_in
from virloom.model.domain import Domain
from virloom.security.dac import Ids

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_NODES_WITH_MEMORY = Path("/sys/devices/system/node/has_memory")


def confinement_of(
    driver: QemuDriver,
    model: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
    ids: Ids,
    *,
    grouped: bool,
) -> Confinement:
    """What the spawn helper does to a guest's QEMU.

    Args:
        chains: Backing chain by alias of its disk.
        ids: Whom QEMU runs as.
        grouped: The guest is in a group that is strict about NUMA nodes.

    Raises:
        ConfigUnsupported: The document wants memory of a node that is not there.
    """
    config = driver.config
    root = driver.dac.privileged and ids.uid == 0
    return Confinement(
        limits=limits_of(config, model),
        memory_policy=memory_policy(model, host_nodes(), grouped=grouped),
        private_dev=private_dev(driver, model, chains, ids) if driver.private_dev else None,
        # Another user than root has none, and with -sandbox on never gets any.
        capabilities=() if root and config.clear_emulator_capabilities else None,
        # QEMU's filter does the same; but a label's change at the exec would be kept from it.
        no_new_privileges=driver.dac.privileged and not driver.security.models,
    )


def private_dev(
    driver: QemuDriver,
    model: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
    ids: Ids,
) -> PrivateDev:
    """The ``/dev`` of a guest: what every guest has, and what its document wants."""
    usual = driver.config.cgroup_device_acl
    wanted = [WantedDevice(path, given=False) for path in usual]
    wanted += wanted_devices(model, chains)
    owner = (ids.uid, ids.gid) if driver.dac.dynamic else None
    return PrivateDev(nodes_of(wanted, owner))


def host_nodes() -> list[int]:
    """The host's NUMA nodes that have memory; a kernel without NUMA has node 0."""
    try:
        return sorted(numbers_in(_NODES_WITH_MEMORY.read_text().strip()))
    except OSError:
        return [0]
