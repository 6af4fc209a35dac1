# SPDX-License-Identifier: Apache-2.0
"""A PCI device changes hands because somebody asks for that: from the host to VFIO, and back.

What is about to be done is on disk first. Whoever finds it, after a kill, puts the device back
where it was: the caller was never told that it had gone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.hostdevs import pci as devices_of_pci
from virloom.drivers.qemu.hostdevs.claims import HostDevice
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, system_failure
from virloom.host import pci
from virloom.host.files import write_atomic
from virloom.model.nodedev import NodeDevice
from virloom.procedures import nodedev as p
from virloom.xml import parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: What is noted in the run directory, by the address of its device.
SUFFIX = ".pci"


async def find(driver: QemuDriver, name: str) -> str:
    """The kernel's directory of a device.

    Args:
        name: The node device's: ``pci_0000_01_00_0``.

    Raises:
        NoNodeDevice: There is no such device.
        InvalidArg: It is no PCI device.
        SystemFailure: It has gone.
        VirloomError: The driver of node devices is not there.
    """
    async with driver.areas.opened("nodedev") as endpoint:
        answer = await endpoint.call(
            p.NODE_DEVICE_GET_XML_DESC, p.NodeDeviceGetXMLDescArgs(name, 0)
        )
    for capability in parse_document(NodeDevice, answer.xml).capabilities:
        if capability.type == "pci":
            bus, slot = int(capability.bus or "0", 0), capability.slot or 0
            place = f"{capability.domain or 0:04x}:{bus:02x}:{slot:02x}"
            return devices_of_pci.find(f"{place}.{capability.function or 0:x}")
    raise InvalidArg(f"device {name} is not a PCI device", domain=ErrorDomain.DOMAIN)


async def detach(driver: QemuDriver, device: str) -> None:
    """Has VFIO take a device from the host's driver.

    Raises:
        OperationInvalid: A guest has it.
        InternalError: It is a bridge.
        SystemFailure: The kernel would not; the host has the device as before.
    """
    address = os.path.basename(device)
    driver.claims.check(HostDevice("PCI", address))
    if pci.is_bridge(device):
        raise InternalError(
            f"PCI device {address} is a bridge, which no guest can have", domain=ErrorDomain.NONE
        )
    if pci.driver_of(device) == pci.VFIO:
        return
    await devices_of_pci.load_driver()
    await _hand(driver, device, f"cannot take PCI device {address} from the host", pci.bind)


async def reattach(driver: QemuDriver, device: str) -> None:
    """Gives a device back to the host, whose drivers take it if one fits.

    Raises:
        OperationInvalid: A guest has it.
        SystemFailure: The kernel would not.
    """
    address = os.path.basename(device)
    driver.claims.check(HostDevice("PCI", address))
    if pci.driver_of(device) != pci.VFIO and pci.override_of(device) != pci.VFIO:
        return  # the host has it
    await _hand(driver, device, f"cannot give PCI device {address} back to the host", pci.unbind)


async def reset(driver: QemuDriver, device: str) -> None:
    """Resets a device; one that VFIO has is reset whenever somebody opens it.

    Raises:
        InternalError: A guest has it, it is a bridge, or there is no way to do so.
        SystemFailure: The kernel would not.
    """
    address = os.path.basename(device)
    if driver.claims.holder(HostDevice("PCI", address)) is not None:
        raise InternalError(
            f"PCI device {address} is not reset: a guest has it", domain=ErrorDomain.NONE
        )
    if pci.is_bridge(device):
        raise InternalError(
            f"PCI device {address} is a bridge: only single devices are reset",
            domain=ErrorDomain.NONE,
        )
    if pci.driver_of(device) == pci.VFIO:
        return
    try:
        await asyncio.to_thread(pci.reset, device)
    except FileNotFoundError as exc:
        raise InternalError(
            f"PCI device {address} has no way to be reset: neither alone (FLR, power management) "
            "nor with its bus",
            domain=ErrorDomain.NONE,
        ) from exc
    except OSError as exc:
        raise system_failure(
            f"cannot reset PCI device {address}", exc, domain=ErrorDomain.NONE
        ) from exc


async def _hand(driver: QemuDriver, device: str, doing: str, work: Callable[[str], None]) -> None:
    """Does *work* in a thread, which nobody interrupts: drivers of the kernel may take their time.

    Raises:
        SystemFailure: It failed; the device is where it was.
    """
    note = driver.directories.run / f"{os.path.basename(device)}{SUFFIX}"
    async with driver.claims.changing:
        try:
            await asyncio.to_thread(_noted, note, device, work)
        except OSError as exc:
            raise system_failure(doing, exc, domain=ErrorDomain.NONE) from exc


def _noted(note: Path, device: str, work: Callable[[str], None]) -> None:
    """Does *work*; it is noted on disk until then where the device was."""
    former = {"path": device, "override": pci.override_of(device)}
    write_atomic(note, json.dumps(former).encode(), durable=False)
    reached("handing-noted")
    try:
        work(device)
    except OSError:
        _put_back(former)
        note.unlink()
        raise
    reached("handed-over")
    note.unlink()


def _put_back(former: dict[str, Any]) -> None:
    if not os.path.exists(former["path"]):
        return  # it has been pulled out
    try:
        pci.unbind(former["path"], former["override"])
    except OSError as exc:
        logger.error("'%s' is not where it was: %s", former["path"], exc)


async def put_back_all(notes: list[Path]) -> None:
    """Puts devices back that were between two hands when their driver was killed."""
    for note in notes:
        try:
            former = json.loads(note.read_bytes())
            path = str(former["path"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            logger.error("'%s' does not say where a device was: %s", note, exc)
            continue
        logger.info("'%s' is put back where it was before the last end", path)
        await asyncio.to_thread(_put_back, former)
        note.unlink(missing_ok=True)
