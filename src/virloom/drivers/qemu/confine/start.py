# SPDX-License-Identifier: Apache-2.0
"""What a starting guest gets of the host: its files become its own, and carry its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.confine.labels import enforce, plan_labels
from virloom.drivers.qemu.confine.owners import owned_files, plan_owners
from virloom.drivers.qemu.confine.plugged import note_nodes
from virloom.drivers.qemu.confine.spawning import confinement_of
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.steps import reached
from virloom.host.process import Confinement
from virloom.model.domain import Domain
from virloom.security.dac import Ids

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def hand_over(
    driver: QemuDriver,
    record: GuestRecord,
    model: Domain,
    chains: Mapping[str, tuple[ImageLayer, ...]],
    ids: Ids,
    *,
    grouped: bool,
) -> Confinement:
    """Makes QEMU's own what it writes to, and labels it; the record lists all of it first.

    Args:
        chains: Backing chain by alias of its disk.
        ids: Whom QEMU runs as.
        grouped: The guest is in a group that is strict about NUMA nodes.

    Returns:
        What the spawn helper does to QEMU.

    Raises:
        VirloomError: That is not possible; what the record lists is to be undone.
    """
    confinement = confinement_of(driver, model, chains, ids, grouped=grouped)
    note_nodes(record.runtime, confinement, model, chains)
    owners = plan_owners(driver, model, owned_files(model, chains), record.marker, ids)
    if owners:
        record.resources += owners
        record.save()
        reached("owners-recorded")
        for resource in owners:
            driver.dac.take(resource)
        reached("owners-changed")
    labels = plan_labels(driver, model, chains, record.directory)
    if labels is None:
        return confinement
    record.resources += labels.resources
    record.save()
    reached("labels-recorded")
    await enforce(labels)
    return confinement._replace(exec_labels=labels.exec_labels)
