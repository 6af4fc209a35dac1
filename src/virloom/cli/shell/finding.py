# SPDX-License-Identifier: Apache-2.0
"""Finds networks, interfaces, filters, devices and secrets by what an argument says.

Each function returns the object and the word that named it. Where there is none, virsh says so
and then what the driver said last; so do these.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed, failing
from virloom.cli.shell.lookup import as_uuid
from virloom.cli.shell.session import Session
from virloom.errors import InternalError, InvalidArg, VirloomError

if TYPE_CHECKING:
    from virloom.client.interface import HostInterface
    from virloom.client.network.network import Network
    from virloom.client.network.port import NetworkPort
    from virloom.client.node_device import NodeDevice
    from virloom.client.nwfilter import NWFilter, NWFilterBinding
    from virloom.client.secret import Secret

T = TypeVar("T")

_MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
# With hyphens between the bytes or without.
_UUID = re.compile(r"\s*[0-9a-fA-F]{2}(-*[0-9a-fA-F]{2}){15}\s*")
_WWN = re.compile(r"(0x)?[0-9a-fA-F]{16}")


async def network(session: Session, arguments: Arguments) -> tuple[Network, str]:
    """The network with this UUID or name."""
    return await network_called(session, arguments.text("network"))


async def network_called(
    session: Session, name: str, *, by_uuid: bool = True, by_name: bool = True
) -> tuple[Network, str]:
    """The same, by a word."""
    networks = (await session.connection()).networks
    ways: list[Callable[[], Awaitable[Network]]] = []
    uuid = as_uuid(name)
    if by_uuid and uuid is not None:
        ways.append(lambda: networks.lookup_by_uuid(uuid))
    if by_name:
        ways.append(lambda: networks.lookup_by_name(name))
    return await _first(ways, f"failed to get network '{name}'"), name


async def network_port(session: Session, arguments: Arguments) -> NetworkPort | None:
    """The port with this UUID, of the network of the same arguments.

    Complains where there is none, for that is no failure of a command in virsh.
    """
    name = arguments.text("port")
    try:
        found, _ = await network(session, arguments)
    except CommandFailed as failure:
        session.complain(str(failure))
        return None
    uuid = as_uuid(name)
    if uuid is not None:
        with contextlib.suppress(VirloomError):
            return await found.lookup_port(uuid)
    session.complain(f"failed to get network port '{name}'")
    return None


async def interface(session: Session, arguments: Arguments) -> tuple[HostInterface, str]:
    """The host's interface with this name or MAC address."""
    return await interface_called(session, arguments.text("interface"))


async def interface_called(
    session: Session, name: str, *, by_mac: bool = True, by_name: bool = True
) -> tuple[HostInterface, str]:
    """The same, by a word."""
    interfaces = (await session.connection()).interfaces
    ways: list[Callable[[], Awaitable[HostInterface]]] = []
    if by_name and not _MAC.fullmatch(name):
        ways.append(lambda: interfaces.lookup_by_name(name))
    if by_mac and _MAC.fullmatch(name):
        ways.append(lambda: interfaces.lookup_by_mac(name))
    return await _first(ways, f"failed to get interface '{name}'"), name


async def nwfilter(session: Session, arguments: Arguments) -> tuple[NWFilter, str]:
    """The filter with this UUID or name."""
    filters = (await session.connection()).nwfilters
    name = arguments.text("nwfilter")
    ways: list[Callable[[], Awaitable[NWFilter]]] = [lambda: filters.lookup_by_name(name)]
    uuid = as_uuid(name)
    if uuid is not None:
        ways.insert(0, lambda: filters.lookup_by_uuid(uuid))
    return await _first(ways, f"failed to get nwfilter '{name}'"), name


async def binding(session: Session, arguments: Arguments) -> tuple[NWFilterBinding, str]:
    """The filter's binding to this interface."""
    bindings = (await session.connection()).nwfilter_bindings
    name = arguments.text("binding")
    with failing(f"failed to get nwfilter binding '{name}'"):
        return await bindings.lookup_by_port_dev(name), name


async def device(session: Session, arguments: Arguments) -> tuple[NodeDevice, str]:
    """The device with this name."""
    devices = (await session.connection()).node_devices
    name = arguments.text("device")
    with failing(f"Could not find matching device '{name}'"):
        return await devices.lookup_by_name(name), name


async def device_or_wwn(session: Session, arguments: Arguments) -> tuple[NodeDevice, str]:
    """The device with this name, or with these two world wide names."""
    name = arguments.text("device")
    if "," not in name:
        return await device(session, arguments)
    names = name.split(",")
    if len(names) != 2:
        raise CommandFailed(f"Malformed device value '{name}'")
    for one in names:
        if not _WWN.fullmatch(one):
            raise InternalError(f"Malformed wwn: {one}")
    devices = (await session.connection()).node_devices
    with failing(f"Could not find matching device '{name}'"):
        return await devices.lookup_scsi_host_by_wwn(names[0], names[1]), name


async def secret(session: Session, arguments: Arguments) -> tuple[Secret, str]:
    """The secret with this UUID."""
    secrets = (await session.connection()).secrets
    name = arguments.text("secret")
    with failing(f"failed to get secret '{name}'"):
        if not _UUID.fullmatch(name):
            raise InvalidArg.worded("uuidstr in virSecretLookupByUUIDString must be a valid UUID")
        return await secrets.lookup_by_uuid(UUID(hex=name.strip())), name


async def _first(ways: Sequence[Callable[[], Awaitable[T]]], message: str) -> T:
    """What the first of these ways finds; the failure is that of the last."""
    last: VirloomError | None = None
    for way in ways:
        try:
            return await way()
        except VirloomError as error:
            last = error
    raise CommandFailed(message) from last
