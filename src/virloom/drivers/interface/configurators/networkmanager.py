# SPDX-License-Identifier: Apache-2.0
"""NetworkManager: a key file for each device (``man 5 nm-settings-keyfile``), and nmcli(1)."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from virloom.drivers.interface.configurators.commands import said, succeed, undo
from virloom.drivers.interface.configurators.configurator import Foreign
from virloom.drivers.interface.documents import with_document
from virloom.drivers.interface.plan import ANYWHERE, addresses, bond_options, delay_ticks
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, OperationFailed
from virloom.host.process import run
from virloom.model.interface import Bond, HostInterface, InterfaceVlan, Protocol

logger = logging.getLogger(__name__)

#: Seconds that nmcli is waited for; it waits less itself.
_PATIENCE = 60.0
#: nmcli's exit code for a connection or device that is not there, or not up.
_NOT_THERE = 10
_PREFIX, _SUFFIX = "virloom-", ".nmconnection"
#: Names make ids that stay the same, so that a file written again is the same connection.
_NAMESPACE = uuid.UUID("5d1b8f5e-7a1c-4c05-9f0e-2f6f6b1d7a11")
Section = dict[str, str]
#: Sections by name.
KeyFile = dict[str, Section]


class NetworkManager:
    """By NetworkManager.

    Args:
        directory: ``/etc/NetworkManager/system-connections``.
    """

    title = "NetworkManager"
    lasting = True
    mode = 0o600  # NetworkManager ignores files that others may read

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def check(self, model: HostInterface) -> None:
        """NetworkManager counts a bridge's delay in seconds, from 2 on, or has none."""
        delay = model.bridge.delay if model.bridge is not None else None
        if delay is not None and float(delay) not in (0.0, *map(float, range(2, 31))):
            raise ConfigUnsupported(
                f"NetworkManager cannot give a bridge a delay of {delay} seconds",
                domain=ErrorDomain.INTERFACE,
                remedy="0, or a whole number from 2 to 30",
            )

    def files(self, model: HostInterface) -> dict[str, str]:
        """One for the interface, one for each of its parts."""
        made: dict[str, str] = {}
        for name, sections in _connections(model):
            text = "\n".join(_lines(sections))
            if not made:
                text = with_document(model, text)
            mine = name if name == model.name else f"{model.name}--{name}"
            made[f"{_PREFIX}{mine}{_SUFFIX}"] = text
        return made

    def is_ours(self, name: str) -> bool:
        """By its name."""
        return name.startswith(_PREFIX) and name.endswith(_SUFFIX)

    def foreign(self) -> Mapping[str, Foreign]:
        """Not read: what other connections make is seen when it is there."""
        return {}

    async def up(self, model: HostInterface) -> None:
        """The parts follow the whole (``connection.autoconnect-slaves``).

        Only its own files are read: others that are to start with the host would come up as well.
        """
        await self.reread()
        files = [str(self.directory / name) for name in self.files(model)]
        done = await run(["nmcli", "connection", "load", *files], timeout=_PATIENCE)
        if done.returncode or done.stderr:  # it ends with 0 though it could load none
            raise OperationFailed(
                f"NetworkManager does not read the files of '{model.name}': {said(done)}",
                domain=ErrorDomain.INTERFACE,
            )
        argv = ["nmcli", "--wait", "50", "connection", "up", "uuid", _uuid(model.name)]
        await succeed(argv, f"NetworkManager does not bring '{model.name}' up")

    async def down(self, model: HostInterface) -> None:
        """NetworkManager removes what it has made; it need not have got far with it."""
        argv = ["nmcli", "--wait", "50", "connection", "down", "uuid", _uuid(model.name)]
        done = await run(argv, timeout=_PATIENCE)
        if done.returncode not in (0, _NOT_THERE):
            logger.warning("NetworkManager does not take '%s' down: %s", model.name, said(done))
        await undo(model)  # which also finds out whether all has gone
        await self.reread()

    async def reread(self) -> None:
        """NetworkManager forgets connections of ours whose files have gone, and that are not up.

        It would take down what it forgets. New files it does not read before they are brought up,
        or it starts: it has up at once what it reads and is to start with the host.
        """
        argv = ["nmcli", "-t", "-e", "no", "-f", "UUID,ACTIVE,FILENAME", "connection", "show"]
        done = await run(argv, timeout=_PATIENCE)
        if done.returncode:
            raise OperationFailed(
                f"NetworkManager does not tell its connections: {said(done)}",
                domain=ErrorDomain.INTERFACE,
            )
        told = [line.split(":", 2) for line in done.stdout.decode(errors="replace").splitlines()]
        gone = [one for one, active, path in told if active == "no" and self._has_gone(Path(path))]
        if gone:
            # Some may have been forgotten by now.
            await run(["nmcli", "connection", "delete", *gone], timeout=_PATIENCE)

    def _has_gone(self, path: Path) -> bool:
        return path.parent == self.directory and self.is_ours(path.name) and not path.exists()


def _connections(model: HostInterface) -> Iterator[tuple[str, KeyFile]]:
    """Name and content of each connection, the interface itself first."""
    yield model.name or "", _whole(model)
    if model.bond is not None:
        yield from _bond_parts(model.bond, model.name, onboot=_starts(model))
    for port in model.bridge.interfaces if model.bridge is not None else ():
        # One that starts by itself would have the whole start.
        sections = _connection(port.type, port.name, onboot=_starts(model))
        sections["connection"] |= {"master": model.name or "", "slave-type": "bridge"}
        if port.bond is not None and port.type == "bond":
            sections["connection"]["autoconnect-slaves"] = "1"
            sections["bond"] = _bond(port.bond)
        elif port.vlan is not None and port.type == "vlan":
            sections["vlan"] = _vlan(port.vlan)
        elif port.mac.address is not None:
            sections["ethernet"] = {"cloned-mac-address": port.mac.address}
        yield port.name or "", sections
        if port.bond is not None:
            yield from _bond_parts(port.bond, port.name, onboot=_starts(model))


def _starts(model: HostInterface) -> bool:
    return model.start.mode != "none"


def _bond_parts(bond: Bond, name: str | None, *, onboot: bool) -> Iterator[tuple[str, KeyFile]]:
    for part in bond.interfaces:
        sections = _connection("ethernet", part.name, onboot=onboot)
        sections["connection"] |= {"master": name or "", "slave-type": "bond"}
        yield part.name or "", sections


def _connection(kind: str | None, name: str | None, *, onboot: bool) -> KeyFile:
    return {
        "connection": {
            "id": f"virloom-{name}",
            "uuid": _uuid(name),
            "type": kind or "ethernet",
            "interface-name": name or "",
            "autoconnect": "true" if onboot else "false",
        }
    }


def _whole(model: HostInterface) -> KeyFile:
    sections = _connection(model.type, model.name, onboot=_starts(model))
    if model.type in ("bridge", "bond"):
        sections["connection"]["autoconnect-slaves"] = "1"
    if model.bridge is not None:
        sections["bridge"] = {"stp": "true" if model.bridge.stp else "false"}
        if model.bridge.delay is not None:
            sections["bridge"]["forward-delay"] = str((delay_ticks(model.bridge) or 0) // 100)
    elif model.bond is not None:
        sections["bond"] = _bond(model.bond)
    elif model.vlan is not None:
        sections["vlan"] = _vlan(model.vlan)
    ethernet: Section = {}
    if model.mac.address is not None:
        ethernet["cloned-mac-address"] = model.mac.address
    if model.mtu.size is not None:
        ethernet["mtu"] = str(model.mtu.size)
    if ethernet:
        sections["ethernet"] = ethernet
    for family in ("ipv4", "ipv6"):
        sections[family] = _protocol(model.protocols, family)
    return sections


def _protocol(protocols: list[Protocol], family: str) -> Section:
    """A family that the document does not have is off."""
    protocol = next((one for one in protocols if one.family == family), None)
    if protocol is None:
        return {"method": "disabled"}
    fixed = addresses(protocol)
    section: Section = {"method": _method(protocol, fixed)}
    section |= {f"address{n}": address for n, address in enumerate(fixed, 1)}
    if protocol.route.gateway is not None:
        # Its "gateway" is refused where no address is fixed.
        section["route1"] = f"{ANYWHERE[family]},{protocol.route.gateway}"
    if protocol.dhcp is not None and protocol.dhcp.peerdns is False:
        section["ignore-auto-dns"] = "true"
    return section


def _method(protocol: Protocol, fixed: list[str]) -> str:
    if protocol.autoconf is not None or (protocol.dhcp is not None and protocol.family == "ipv4"):
        return "auto"
    if protocol.dhcp is not None:
        return "dhcp"
    return "manual" if fixed else "disabled"


def _bond(bond: Bond) -> Section:
    return {key: str(value) for key, value in bond_options(bond)}


def _vlan(vlan: InterfaceVlan) -> Section:
    return {"id": str(vlan.tag_), "parent": vlan.interface.name or ""}


def _uuid(name: str | None) -> str:
    return str(uuid.uuid5(_NAMESPACE, name or ""))


def _lines(sections: KeyFile) -> Iterator[str]:
    for section, values in sections.items():
        yield f"[{section}]"
        for key, value in values.items():
            yield f"{key}={value}"
        yield ""
