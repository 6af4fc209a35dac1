# SPDX-License-Identifier: Apache-2.0
"""Controllers of a guest: where a new one goes in the document, and whether one is there."""

from __future__ import annotations

from virloom.model.domain import Controller, Domain


def find_controller(dom: Domain, type: str, index: int) -> Controller | None:
    """The controller of that type and index; None if the guest has none."""
    for controller in dom.devices.controllers:
        if controller.type == type and (controller.index or 0) == index:
            return controller
    return None


def insert_controller(dom: Domain, controller: Controller) -> None:
    """Adds a document's controller where libvirt has it: beside others of its type, by index.

    The order shows in the document and decides who gets which address. Controllers that
    libvirt adds are at the end instead (:func:`ensure_controller`).
    """
    controllers = dom.devices.controllers
    place = len(controllers)
    beside = False
    for number in range(len(controllers) - 1, -1, -1):
        other = controllers[number]
        if other.type != controller.type:
            continue
        if controller.index is None:
            place, beside = number + 1, True
            break
        if (other.index or 0) > controller.index or (
            controller.master is None
            and other.master is not None
            and other.index == controller.index
        ):
            place, beside = number, True
        elif not beside:
            place, beside = number + 1, True
    controllers.insert(place, controller)


def ensure_controller(dom: Domain, type: str, index: int, model: str | None = None) -> None:
    """Adds a controller of that type and index unless there is one."""
    if find_controller(dom, type, index) is None:
        dom.devices.controllers.append(Controller(type=type, index=index, model=model))
