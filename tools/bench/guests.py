# SPDX-License-Identifier: Apache-2.0
"""The guests that are measured, as documents that both Virloom and libvirt 9 take."""

from __future__ import annotations

from typing import NamedTuple

from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

MACHINES = ("q35", "pc", "microvm")

# libvirt 9 gives microvm a PCI bus that it does not have, unless nothing is left to be added.
_MICROVM = "<controller type='usb' index='0' model='none'/><memballoon model='none'/>"


class Case(NamedTuple):
    """A guest to create and destroy.

    Attributes:
        machine: QEMU's machine type.
        paused: Created paused (firmware never runs), else it boots the tiny guest.
    """

    machine: str
    paused: bool

    @property
    def name(self) -> str:
        """Name of the guest and of its rows."""
        return f"{self.machine}-{'paused' if self.paused else 'running'}"

    def document(self, suffix: str) -> str:
        """The guest's document; *suffix* keeps guests of several homes apart."""
        extra = _MICROVM if self.machine == "microvm" else ""
        make = paused_guest_xml if self.paused else tiny_guest_xml
        return make(
            f"{self.name}-{suffix}", machine=self.machine, console="null", extra_devices=extra
        )


CASES = tuple(Case(machine, paused) for machine in MACHINES for paused in (True, False))


def many(count: int, suffix: str) -> list[str]:
    """Documents of *count* guests on ``microvm``, to be created paused."""
    return [
        paused_guest_xml(
            f"many-{suffix}-{number}", machine="microvm", console="null", extra_devices=_MICROVM
        )
        for number in range(count)
    ]
