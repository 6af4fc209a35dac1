# SPDX-License-Identifier: Apache-2.0
"""PCI buses of a guest while addresses are given out: what fits where, and what is taken.

The rules are those of libvirt 9's ``virDomainPCIAddressSet``: which kind of device a bus of each
controller model takes, in which order free slots are found, and which controller is added when
none is free. Addresses are part of a guest's hardware, so they have to come out the same.
"""

from __future__ import annotations

from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError, XmlError

# What a bus takes and a device asks for (libvirt: virDomainPCIConnectFlags).
HOTPLUG = 1 << 0
AGGREGATE = 1 << 1
PCI_DEVICE = 1 << 2
PCIE_DEVICE = 1 << 3
PCIE_ROOT_PORT = 1 << 4
SWITCH_UPSTREAM = 1 << 5
SWITCH_DOWNSTREAM = 1 << 6
DMI_TO_PCI_BRIDGE = 1 << 7
PCI_EXPANDER = 1 << 8
PCIE_EXPANDER = 1 << 9
PCI_BRIDGE = 1 << 10
PCIE_TO_PCI_BRIDGE = 1 << 11

ENDPOINT = PCI_DEVICE | PCIE_DEVICE
KINDS = (
    ENDPOINT
    | PCIE_ROOT_PORT
    | SWITCH_UPSTREAM
    | SWITCH_DOWNSTREAM
    | DMI_TO_PCI_BRIDGE
    | PCI_EXPANDER
    | PCIE_EXPANDER
    | PCI_BRIDGE
    | PCIE_TO_PCI_BRIDGE
)


class BusKind(NamedTuple):
    """What the bus of a controller model takes, and its first and last slot."""

    flags: int
    first: int
    last: int


_CONVENTIONAL = HOTPLUG | PCI_DEVICE | PCI_BRIDGE
BUS_KINDS = {
    "pci-root": BusKind(_CONVENTIONAL | PCI_EXPANDER, 1, 31),
    "pci-bridge": BusKind(_CONVENTIONAL, 1, 31),
    "pci-expander-bus": BusKind(_CONVENTIONAL, 0, 31),
    "pcie-to-pci-bridge": BusKind(_CONVENTIONAL, 1, 31),
    "dmi-to-pci-bridge": BusKind(PCI_DEVICE | PCI_BRIDGE, 0, 31),
    "pcie-root": BusKind(
        PCIE_DEVICE | PCIE_ROOT_PORT | PCIE_EXPANDER | DMI_TO_PCI_BRIDGE,
        1,
        31,
    ),
    "pcie-root-port": BusKind(HOTPLUG | PCIE_DEVICE | SWITCH_UPSTREAM | PCIE_TO_PCI_BRIDGE, 0, 0),
    "pcie-switch-upstream-port": BusKind(SWITCH_DOWNSTREAM, 0, 31),
    "pcie-switch-downstream-port": BusKind(
        HOTPLUG | PCIE_DEVICE | SWITCH_UPSTREAM | PCIE_TO_PCI_BRIDGE, 0, 0
    ),
    "pcie-expander-bus": BusKind(PCIE_ROOT_PORT | DMI_TO_PCI_BRIDGE, 0, 0),
}

CONTROLLER_FLAGS = {
    "pci-bridge": PCI_BRIDGE,
    "pci-expander-bus": PCI_EXPANDER,
    "pcie-to-pci-bridge": PCIE_TO_PCI_BRIDGE,
    "dmi-to-pci-bridge": DMI_TO_PCI_BRIDGE,
    "pcie-root-port": PCIE_ROOT_PORT | AGGREGATE,
    "pcie-switch-upstream-port": SWITCH_UPSTREAM,
    "pcie-switch-downstream-port": SWITCH_DOWNSTREAM,
    "pcie-expander-bus": PCIE_EXPANDER,
}
"""What each model of PCI controller has to be plugged into."""

_LAST_FUNCTION = 7


class PciAddress(NamedTuple):
    """Where a device sits; the domain is 0 in every guest that QEMU makes."""

    bus: int
    slot: int
    function: int = 0
    domain: int = 0

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.slot:02x}.{self.function}"


class PciBus:
    """One bus: what its controller takes, and which functions are taken."""

    __slots__ = ("aggregates", "kind", "model", "slots")

    def __init__(self, model: str, flags: int | None = None) -> None:
        self.model = model
        self.kind = BUS_KINDS[model]
        if flags is not None:
            self.kind = self.kind._replace(flags=flags)
        self.slots: dict[int, int] = {}
        self.aggregates: set[int] = set()

    def is_full(self) -> bool:
        """Whether no slot is without a device."""
        return all(self.slots.get(slot) for slot in range(self.kind.first, self.kind.last + 1))

    def take(self, slot: int, function: int, flags: int) -> None:
        """Notes who is there from now on: a device that asks for *flags*."""
        taken = self.slots.get(slot, 0)
        if not taken and flags & AGGREGATE:
            self.aggregates.add(slot)
        self.slots[slot] = taken | (1 << function)

    def free(self, flags: int, function: int | None) -> tuple[int, int] | None:
        """The first slot and function for a device that asks for *flags*; None without one."""
        kind = self.kind
        if not _compatible(kind.flags, flags, chosen=False):
            return None
        if kind.first == kind.last and not flags & AGGREGATE:  # as nearly all buses are
            return None if self.slots.get(kind.first) else (kind.first, function or 0)
        wanted = function or 0
        for slot in range(kind.first, kind.last + 1):
            taken = self.slots.get(slot, 0)
            if not taken:
                return slot, wanted
            if flags & AGGREGATE and slot in self.aggregates:
                candidates = range(_LAST_FUNCTION + 1) if function is None else (wanted,)
                for candidate in candidates:
                    if not taken & (1 << candidate):
                        return slot, candidate
        return None


def _compatible(bus_flags: int, flags: int, *, chosen: bool) -> bool:
    if chosen:
        # Whoever chose the bus may put a PCI device on PCIe and one to be unplugged anywhere.
        if bus_flags & ENDPOINT:
            bus_flags |= ENDPOINT
        bus_flags |= flags & HOTPLUG
    if not flags & bus_flags & KINDS:
        return False
    return not flags & HOTPLUG or bool(bus_flags & HOTPLUG)


class PciAddressSet:
    """All buses of a guest.

    Args:
        models: The controller model of each bus, by index.
        grows: Whether a bus is added where none has room (to find out how many are needed).
    """

    def __init__(self, models: list[str], *, grows: bool) -> None:
        self.buses = [PciBus(model) for model in models]
        self.grows = grows

    def in_use(self, bus: int, slot: int) -> bool:
        """Whether any function of the slot is taken."""
        return bool(self.buses[bus].slots.get(slot))

    def reserve(self, address: PciAddress, flags: int, *, chosen: bool) -> PciAddress:
        """Takes one function and returns where it is.

        That is *address*, but for a device on the first bus that is missing, where the port of
        its bridge has to go.

        Args:
            chosen: The document asks for this address (which relaxes what fits where).

        Raises:
            XmlError: The document's choice does not exist, does not fit, or is taken.
            InternalError: Ours is.
        """
        error: type[VirloomError] = XmlError if chosen else InternalError
        missing = address.bus + 1 - len(self.buses)
        if self.grows and missing > 0 and self.buses:
            self._grow(missing, flags)
            address = address._replace(bus=max(address.bus, len(self.buses) - 1))
        self._check(address, flags, chosen, error)
        bus = self.buses[address.bus]
        if bus.slots.get(address.slot, 0) & (1 << address.function):
            raise error(f"PCI address {address} is used by two devices", domain=ErrorDomain.DOMAIN)
        bus.take(address.slot, address.function, flags)
        return address

    def _check(
        self, address: PciAddress, flags: int, chosen: bool, error: type[VirloomError]
    ) -> None:
        wrong = ""
        if not self.buses:
            wrong = "this machine has no PCI bus"
        elif address.domain:
            wrong = "only PCI domain 0 exists"
        elif address.bus >= len(self.buses):
            wrong = f"only buses up to {len(self.buses) - 1} exist"
        else:
            bus = self.buses[address.bus]
            kind = bus.kind
            if not _compatible(kind.flags, flags, chosen=chosen):
                wrong = f"bus {address.bus} ({bus.model}) does not take this kind of device"
            elif not kind.first <= address.slot <= kind.last:
                wrong = f"slots of bus {address.bus} are {kind.first} to {kind.last}"
            elif address.function > _LAST_FUNCTION:
                wrong = f"functions are 0 to {_LAST_FUNCTION}"
        if wrong:
            raise error(f"PCI address {address} cannot be used: {wrong}", domain=ErrorDomain.DOMAIN)

    def reserve_next(self, flags: int, function: int | None = None) -> PciAddress:
        """Takes and returns the first address for a device that asks for *flags*.

        Raises:
            XmlError: There is none.
        """
        if not self.buses:
            raise XmlError(
                "it needs a PCI bus, and this machine has none",
                domain=ErrorDomain.DOMAIN,
                remedy="virtio devices of a microvm sit on virtio-mmio",
            )
        for number, bus in enumerate(self.buses):
            found = bus.free(flags, function)
            if found is not None:
                bus.take(*found, flags)
                return PciAddress(number, *found)
        if not self.grows:
            raise XmlError("no PCI slot is left for it", domain=ErrorDomain.DOMAIN)
        self._grow(1, flags)
        last = len(self.buses) - 1
        address = PciAddress(last, self.buses[last].kind.first, function or 0)
        return self.reserve(address, flags, chosen=False)

    def _grow(self, count: int, flags: int) -> None:
        """Adds at least *count* buses of which the last takes such a device."""
        models = []
        if flags & (PCI_DEVICE | PCI_BRIDGE):
            model = "pci-bridge"
            if not any(bus.kind.flags & PCI_BRIDGE for bus in self.buses):
                # The port is the bridge's own, which no other device may be given.
                models = [
                    PciBus("pcie-root-port", PCIE_TO_PCI_BRIDGE),
                    PciBus("pcie-to-pci-bridge"),
                ]
        elif flags & (PCIE_DEVICE | SWITCH_UPSTREAM):
            model = "pcie-root-port"
        else:
            raise InternalError(
                f"no PCI bus takes a device of this kind ({flags:#x}), and none can be added",
                domain=ErrorDomain.DOMAIN,
            )
        models += [PciBus(model) for _ in range(count - len(models))]
        self.buses += models
