# SPDX-License-Identifier: Apache-2.0
"""What is about to be plugged in, in the guest's record: a daemon may die at any step.

Whoever finds the guest then asks QEMU whether the device is there. If it is, the document gets it;
if not, what was prepared for it is taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.devices.props.memory import memory_object_id
from virloom.drivers.qemu.hotplug.fragment import Fragment, fragment_named
from virloom.drivers.qemu.hotplug.steps import LiveArguments, undone
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import OperationFailed, OperationTimeout, VirloomError
from virloom.xml import FormatFlags, format_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.command.assembly import Assembly

logger = logging.getLogger(__name__)

_KEY = "plugging"


def intend(device: Fragment, place: int, assembly: Assembly, args: LiveArguments) -> dict[str, Any]:
    """All that has to be known of a device, in the form of the record.

    Args:
        place: Where in its list it goes.
    """
    return {
        "alias": alias_of(device.device),
        "tag": device.tag,
        "place": place,
        "document": format_document(device.device, FormatFlags.SECURE | FormatFlags.STATUS),
        "undo": [list(command) for command in undone(args.steps)],
        "nodes": {
            alias: {"top": nodes.top, "layers": [list(names) for names in nodes.layers]}
            for alias, nodes in assembly.nodes.items()
        },
        "fdsets": args.fdsets,
    }


@contextmanager
def noted(running: RunningGuest, intention: dict[str, Any]) -> Iterator[None]:
    """Keeps the intention in the record while the block runs.

    It stays there when QEMU did not answer: nobody knows what has become of the device until QEMU
    is asked again (:func:`settle`).
    """
    running.record.runtime[_KEY] = intention
    running.save()
    try:
        yield
    except (OperationTimeout, OperationFailed):
        raise
    except BaseException:
        running.record.runtime.pop(_KEY, None)  # it came to nothing
        if running.guest.running is running:
            running.save()
        raise


def is_unsettled(running: RunningGuest) -> bool:
    """Whether nobody knows what has become of a device, or of a medium that was to be put in."""
    return bool({_KEY, "medium"} & running.record.runtime.keys())


def take_in(running: RunningGuest, device: Fragment, intention: dict[str, Any]) -> None:
    """Makes the device part of the live document, and its nodes and sets of the record."""
    device.among(running.model).insert(intention["place"], device.device)
    if device.tag == "memory":
        change_memory(running, device.device, 1)
    for name in ("nodes", "fdsets"):
        running.record.runtime.setdefault(name, {}).update(intention[name])
    running.record.runtime.pop(_KEY, None)
    running.set_document()
    running.save()


def added_name(device: Fragment) -> str:
    """What the event of a new device calls it: its alias, but libvirt 9 names a module's memory."""
    if device.tag == "memory":
        return memory_object_id(device.device)
    return alias_of(device.device)


def change_memory(running: RunningGuest, device: Any, sign: int) -> None:
    """Notes that the guest has a module more, or less; it takes virtio-mem by and by."""
    model, size = running.model, sign * (device.target.size or 0)
    model.memory = (model.memory or 0) + size
    if device.model == "virtio-mem":
        return
    model.current_memory = (model.current_memory or 0) + size


async def take_back(running: RunningGuest, commands: Sequence[Sequence[Any]]) -> None:
    """Undoes steps as far as QEMU lets it; it does them in order, and is not waited for between."""
    limit = running.guest.patience.answer
    try:
        monitor = running.require_monitor()
    except VirloomError as exc:
        logger.debug("domain '%s': nothing is taken back: %s", running.guest.name, exc)
        return
    asked = [(name, monitor.submit(name, given, timeout=limit)) for name, given in commands]
    for name, answer in asked:
        try:
            await answer
        except VirloomError as exc:
            logger.debug("domain '%s': %s: %s", running.guest.name, name, exc)
            running.guest.note("monitor", f"{name}: {exc.message}")
        else:
            running.guest.note("monitor", f"{name}: done")


async def present_devices(running: RunningGuest) -> set[str]:
    """Aliases of the devices that QEMU has.

    Raises:
        VirloomError: QEMU does not answer.
    """
    answer = await running.execute("qom-list", {"path": "/machine/peripheral"})
    return {str(item["name"]) for item in answer}


def forget_intention(running: RunningGuest) -> None:
    """Nothing has become of it, and nothing of it is left."""
    running.record.runtime.pop(_KEY, None)
    running.save()


async def settle(running: RunningGuest, present: set[str]) -> str | None:
    """Finishes or undoes what an earlier owner of the guest was about to plug in.

    Args:
        present: Aliases of the devices that QEMU has.

    Returns:
        What the event calls a device that nobody was told of.
    """
    intention = running.record.runtime.pop(_KEY, None)
    if intention is None:
        return None
    alias = str(intention["alias"])
    if alias not in present:
        await take_back(running, intention["undo"])
        return None
    device = fragment_named(intention["tag"], intention["document"])
    take_in(running, device, intention)
    return added_name(device)
