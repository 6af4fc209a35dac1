# SPDX-License-Identifier: Apache-2.0
"""The zone of firewalld that a network's bridge is in, where firewalld runs.

What one table of nftables accepts firewalld's own may still refuse: only its zones let guests pass,
and ask for addresses and names. A network that names none is in ``libvirt``, or where it is routed
in ``libvirt-routed``, which libvirt's packages bring, as long as firewalld has them.

firewalld is asked by dbus-send(1); its interface: firewalld.dbus(5). It forgets interfaces when it
is loaded again; that its table in the kernel changes then is how that is heard of.
"""

from __future__ import annotations

import logging
import re

from virloom.drivers.network.completion import OWN_BRIDGE, forward_mode
from virloom.drivers.network.host import NetworkHost
from virloom.enums.error import ErrorDomain
from virloom.errors import DbusService, InternalError
from virloom.model.network import Network

logger = logging.getLogger(__name__)

_NAME = "org.fedoraproject.FirewallD1"
_PATH = "/org/fedoraproject/FirewallD1"
_SERVICE, _PROGRAM = "firewalld", "dbus-send"
_ROUTED, _USUAL = "libvirt-routed", "libvirt"
_STRING = re.compile(r'string "([^"]*)"')


class Zones:
    """The zones of the host.

    Args:
        host: Whose firewalld it is.
    """

    def __init__(self, host: NetworkHost) -> None:
        self._host = host

    async def wanted(self, model: Network) -> str | None:
        """The zone that the network's bridge is to be in; None where there is none for it.

        Raises:
            InternalError: The document names one, and firewalld is not active.
            DbusService: firewalld would not say.
        """
        asked = model.bridge.zone
        mode = forward_mode(model)
        if mode not in OWN_BRIDGE or (asked is None and mode == "open"):
            return None
        if not await self._is_active():
            if asked is None:
                return None
            raise InternalError(
                f"zone {asked} requested for network {model.name} but firewalld is not active"
            )
        return asked or await self._usual(model)

    async def _usual(self, model: Network) -> str | None:
        known = await self._ask("zone.getZones")
        usual = [_ROUTED, _USUAL] if forward_mode(model) == "route" else [_USUAL]
        found = next((zone for zone in usual if zone in known), None)
        if found is None:
            logger.warning(
                "firewalld has no zone '%s': it may refuse the guests of network '%s'",
                _USUAL,
                model.name,
            )
        return found

    async def enter(self, bridge: str, zone: str) -> None:
        """Has firewalld treat the bridge as the zone says.

        Raises:
            DbusService: It has no such zone, say.
        """
        await self._ask("zone.changeZoneOfInterface", zone, bridge)

    async def holds(self, bridge: str, zone: str) -> bool:
        """Whether the bridge is in the zone, or there is no firewalld that has any."""
        if not await self._is_active():
            return True
        return await self._ask("zone.getZoneOfInterface", bridge) == [zone]

    async def leave(self, bridge: str) -> None:
        """Has firewalld forget the bridge."""
        if await self._is_active() and await self._ask("zone.getZoneOfInterface", bridge) != [""]:
            await self._ask("zone.removeInterface", "", bridge)

    async def _is_active(self) -> bool:
        needed = (_SERVICE, _PROGRAM)  # most hosts have no firewalld, and need not be asked
        if not self._host.has_system_bus() or not all(map(self._host.is_on_path, needed)):
            return False
        name = ("org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner")
        done = await self._host.run(_call(*name, _NAME))
        return done.returncode == 0 and b"boolean true" in done.stdout

    async def _ask(self, method: str, *words: str) -> list[str]:
        done = await self._host.run(_call(_NAME, _PATH, f"{_NAME}.{method}", *words))
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise DbusService(f"firewalld: {said}", domain=ErrorDomain.DBUS)
        return _STRING.findall(done.stdout.decode(errors="replace"))


def _call(name: str, path: str, method: str, *words: str) -> list[str]:
    options = ["--system", "--print-reply", "--reply-timeout=25000", f"--dest={name}"]
    return [_PROGRAM, *options, path, method, *(f"string:{word}" for word in words)]
