# SPDX-License-Identifier: Apache-2.0
"""netplan: a YAML file of its own for each interface, and ``netplan apply``.

The keys are those of netplan's reference (``man 5 netplan``), version 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from virloom.drivers.interface.configurators.commands import (
    do_steps,
    has_own_type,
    succeed,
    undo,
)
from virloom.drivers.interface.configurators.configurator import Foreign
from virloom.drivers.interface.documents import document_in, with_document
from virloom.drivers.interface.plan import ANYWHERE, Step, addresses, delay_ticks
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.interface import Bond, Bridge, HostInterface, InterfaceVlan, Protocol

#: netplan reads the files by their names' order, and later ones win.
_PREFIX, _SUFFIX = "90-virloom-", ".yaml"
#: A mapping of YAML: what stands behind a key is a word, a list in one line, or another.
Yaml = dict[str, "str | Yaml"]


class Netplan:
    """By netplan.

    Args:
        directory: ``/etc/netplan``.
    """

    title = "netplan"
    lasting = True
    mode = 0o600  # netplan warns of others: there may be passwords in such files

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def check(self, model: HostInterface) -> None:
        """netplan has no word for how a bond asks for a carrier."""
        bonds = [model.bond] if model.bond is not None else []
        if model.bridge is not None:
            bonds += [port.bond for port in model.bridge.interfaces if port.bond is not None]
        if any(bond.miimon.carrier == "ioctl" for bond in bonds):
            raise ConfigUnsupported(
                "netplan cannot have a bond ask for its carrier by ioctl",
                domain=ErrorDomain.INTERFACE,
            )

    def files(self, model: HostInterface) -> dict[str, str]:
        """One file."""
        sections: Yaml = {"version": "2", **self._with_carriers(model, _sections(model))}
        text = "\n".join(_lines({"network": sections})) + "\n"
        return {f"{_PREFIX}{model.name}{_SUFFIX}": with_document(model, text)}

    def _with_carriers(self, model: HostInterface, sections: dict[str, Yaml]) -> Yaml:
        """netplan refuses a VLAN whose carrier it does not know, and a device of two kinds."""
        known = {name for section in sections.values() for name in section}
        ports = model.bridge.interfaces if model.bridge is not None else []
        for vlan in (model.vlan, *(port.vlan for port in ports if port.type == "vlan")):
            carrier = vlan.interface.name or "" if vlan is not None else ""
            if carrier and carrier not in known and not self._is_made(carrier):
                sections.setdefault("ethernets", {})[carrier] = "{}"
        return dict(sections)

    def _is_made(self, carrier: str) -> bool:
        """Whether it is no hardware: then some other file has it, in a section that we know not."""
        try:
            text = (self.directory / f"{_PREFIX}{carrier}{_SUFFIX}").read_text()
        except OSError:
            return has_own_type(carrier)
        document = document_in(text)
        return document is not None and document.type != "ethernet"

    def is_ours(self, name: str) -> bool:
        """By its name."""
        return name.startswith(_PREFIX) and name.endswith(_SUFFIX)

    def foreign(self) -> Mapping[str, Foreign]:
        """Not read: what the administrator's files make is seen when it is there."""
        return {}

    async def up(self, model: HostInterface) -> None:
        """netplan takes all of its files at once; who does not start by itself is switched on."""
        await succeed(["netplan", "apply"], "netplan refuses the host's configuration")
        await do_steps([Step.of(f"link set dev {model.name} up")], f"'{model.name}' is not up")

    async def down(self, model: HostInterface) -> None:
        """The next boot, or the next ``netplan apply``, has it again if it starts by itself."""
        await undo(model)

    async def reread(self) -> None:
        """netplan says whether it takes them all: it would do nothing for any if it refused one."""
        root = str(self.directory.parent.parent)
        argv = ["netplan", "get", "--root-dir", root, "all"]
        await succeed(argv, "netplan refuses the host's configuration")


def _sections(model: HostInterface) -> dict[str, Yaml]:
    found: dict[str, Yaml] = {}

    def add(section: str, name: str | None, body: Yaml) -> None:
        found.setdefault(section, {})[name or ""] = body

    # networkd makes a bridge with its MTU, and does not see the kernel change that to the ports'.
    size = model.mtu.size
    mtu: Yaml = {} if size is None else {"mtu": str(size)}
    for port in model.bridge.interfaces if model.bridge is not None else ():
        if port.bond is not None and port.type == "bond":
            _add_bond_ports(add, port.bond)
            add("bonds", port.name, _bond(port.bond) | mtu)
        elif port.vlan is not None and port.type == "vlan":
            add("vlans", port.name, _vlan(port.vlan) | mtu)
        else:
            mac = port.mac.address
            own: Yaml = {} if mac is None else {"macaddress": f'"{mac}"'}
            add("ethernets", port.name, {"dhcp4": "false", **own, **mtu})
    if model.bond is not None:
        _add_bond_ports(add, model.bond)
    add(f"{model.type}s", model.name, _body(model))
    return found


def _add_bond_ports(add: object, bond: Bond) -> None:
    assert callable(add)
    for part in bond.interfaces:
        add("ethernets", part.name, {"dhcp4": "false"})


def _body(model: HostInterface) -> Yaml:
    body: Yaml = {}
    if model.bridge is not None:
        body |= _bridge(model.bridge)
    elif model.bond is not None:
        body |= _bond(model.bond)
    elif model.vlan is not None:
        body |= _vlan(model.vlan)
    if model.mac.address is not None:
        body["macaddress"] = f'"{model.mac.address}"'
    if model.mtu.size is not None:
        body["mtu"] = str(model.mtu.size)
    if model.start.mode == "none":
        body["activation-mode"] = "manual"
    elif model.start.mode == "hotplug":
        body["optional"] = "true"
    return body | _protocols(model.protocols)


def _protocols(protocols: list[Protocol]) -> Yaml:
    """Addresses of both families are in one list; routes are mappings in one line."""
    body: Yaml = {}
    for protocol in protocols:
        if protocol.dhcp is not None:
            key = "dhcp4" if protocol.family == "ipv4" else "dhcp6"
            body[key] = "true"
            if protocol.dhcp.peerdns is False:
                body[f"{key}-overrides"] = {"use-dns": "false"}
    if any(protocol.autoconf is not None for protocol in protocols):
        body["accept-ra"] = "true"
    fixed = [f'"{one}"' for protocol in protocols for one in addresses(protocol)]
    if fixed:
        body["addresses"] = _list(fixed)
    routes = [
        f'{{to: "{ANYWHERE[protocol.family or ""]}", via: "{protocol.route.gateway}"}}'
        for protocol in protocols
        if protocol.route.gateway is not None
    ]
    if routes:
        body["routes"] = _list(routes)
    return body


def _bridge(bridge: Bridge) -> Yaml:
    parameters: Yaml = {"stp": "true" if bridge.stp else "false"}
    if bridge.delay is not None:
        parameters["forward-delay"] = _seconds(delay_ticks(bridge) or 0)
    ports = [f'"{port.name}"' for port in bridge.interfaces]
    return {"interfaces": _list(ports), "parameters": parameters}


def _seconds(ticks: int) -> str:
    """A number without a unit is of seconds, and must be whole."""
    return f"{ticks * 10}ms" if ticks % 100 else str(ticks // 100)


def _bond(bond: Bond) -> Yaml:
    miimon, arpmon = bond.miimon, bond.arpmon
    found = (
        ("mode", bond.mode),
        ("mii-monitor-interval", miimon.freq),
        ("up-delay", miimon.updelay),
        ("down-delay", miimon.downdelay),
        ("arp-interval", arpmon.interval),
        ("arp-ip-targets", _list([arpmon.target]) if arpmon.target else None),
        ("arp-validate", arpmon.validate),
    )
    parameters: Yaml = {key: str(value) for key, value in found if value is not None}
    body: Yaml = {"interfaces": _list([f'"{part.name}"' for part in bond.interfaces])}
    return body | ({"parameters": parameters} if parameters else {})


def _vlan(vlan: InterfaceVlan) -> Yaml:
    return {"id": str(vlan.tag_), "link": f'"{vlan.interface.name}"'}


def _list(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def _lines(mapping: Yaml, depth: int = 0) -> Iterator[str]:
    for key, value in mapping.items():
        # A name of digits alone would be a number.
        shown = f'"{key}"' if depth == 2 else key
        if isinstance(value, str):
            yield f"{'  ' * depth}{shown}: {value}"
        else:
            yield f"{'  ' * depth}{shown}:"
            yield from _lines(value, depth + 1)
