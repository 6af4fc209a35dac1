# SPDX-License-Identifier: Apache-2.0
"""What the agent within a guest does for its host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from virloom.client.domain.facet import Facet
from virloom.client.domain.results import FSInfo, GuestTime
from virloom.client.params import ParamValue, decode
from virloom.enums.qemu import DomainQemuAgentCommandTimeoutValues
from virloom.procedures import domain as p
from virloom.procedures import qemu as q


class Agent(Facet):
    """``dom.agent``. Calls raise AgentUnresponsive when the guest has none that answers."""

    async def command(
        self,
        command: str | Mapping[str, Any],
        timeout: int = DomainQemuAgentCommandTimeoutValues.DEFAULT,
    ) -> str | None:
        """Runs one of the agent's commands (a mapping or JSON text) and returns its JSON text.

        Args:
            command: The command.
            timeout: Seconds, or one of
                :class:`~virloom.enums.qemu.DomainQemuAgentCommandTimeoutValues`.
        """
        text = command if isinstance(command, str) else json.dumps(command)
        args = q.QemuDomainAgentCommandArgs(self._dom, text, timeout)
        return (await self._link.call(q.DOMAIN_AGENT_COMMAND, args)).result

    async def set_response_timeout(self, seconds: int) -> None:
        """How long the other calls wait; negative: DomainAgentResponseTimeoutValues."""
        args = p.DomainAgentSetResponseTimeoutArgs(self._dom, seconds)
        await self._link.call(p.DOMAIN_AGENT_SET_RESPONSE_TIMEOUT, args)

    async def hostname(self, flags: int = 0) -> str:
        """The guest's host name (:class:`~virloom.enums.domain.DomainGetHostnameFlags`)."""
        args = p.DomainGetHostnameArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_GET_HOSTNAME, args)).hostname

    async def guest_info(self, types: int = 0) -> dict[str, ParamValue]:
        """Users, system, time zone and so on, by DomainGuestInfoTypes."""
        args = p.DomainGetGuestInfoArgs(self._dom, types)
        return decode((await self._link.call(p.DOMAIN_GET_GUEST_INFO, args)).params)

    async def time(self) -> GuestTime:
        """The guest's clock."""
        ret = await self._link.call(p.DOMAIN_GET_TIME, p.DomainGetTimeArgs(self._dom))
        return GuestTime(ret.seconds, ret.nseconds)

    async def set_time(self, seconds: int, nanoseconds: int = 0, flags: int = 0) -> None:
        """Sets it (:class:`~virloom.enums.domain.DomainSetTimeFlags`)."""
        args = p.DomainSetTimeArgs(self._dom, seconds, nanoseconds, flags)
        await self._link.call(p.DOMAIN_SET_TIME, args)

    async def file_systems(self) -> list[FSInfo]:
        """What is mounted in the guest."""
        ret = await self._link.call(p.DOMAIN_GET_FSINFO, p.DomainGetFsinfoArgs(self._dom))
        return [
            FSInfo(one.mountpoint, one.name, one.fstype, tuple(one.dev_aliases)) for one in ret.info
        ]

    async def freeze(self, mountpoints: Sequence[str] = ()) -> int:
        """Holds writing to file systems (all, or these); returns how many."""
        args = p.DomainFsfreezeArgs(self._dom, list(mountpoints))
        return (await self._link.call(p.DOMAIN_FSFREEZE, args)).filesystems

    async def thaw(self, mountpoints: Sequence[str] = ()) -> int:
        """Lets it go on; returns how many."""
        args = p.DomainFsthawArgs(self._dom, list(mountpoints))
        return (await self._link.call(p.DOMAIN_FSTHAW, args)).filesystems

    async def trim(self, mountpoint: str | None = None, minimum: int = 0) -> None:
        """Gives unused blocks back, in ranges of *minimum* bytes at least."""
        args = p.DomainFstrimArgs(self._dom, mountpoint, minimum)
        await self._link.call(p.DOMAIN_FSTRIM, args)

    async def set_user_password(self, user: str, password: str, flags: int = 0) -> None:
        """Sets a password (:class:`~virloom.enums.domain.DomainSetUserPasswordFlags`)."""
        args = p.DomainSetUserPasswordArgs(self._dom, user, password, flags)
        await self._link.call(p.DOMAIN_SET_USER_PASSWORD, args)

    async def ssh_keys(self, user: str) -> list[str]:
        """The keys that may log in as *user*."""
        args = p.DomainAuthorizedSshKeysGetArgs(self._dom, user)
        return (await self._link.call(p.DOMAIN_AUTHORIZED_SSH_KEYS_GET, args)).keys

    async def set_ssh_keys(self, user: str, keys: Sequence[str], flags: int = 0) -> None:
        """Sets them (:class:`~virloom.enums.domain.DomainAuthorizedSSHKeysSetFlags`)."""
        args = p.DomainAuthorizedSshKeysSetArgs(self._dom, user, list(keys), flags)
        await self._link.call(p.DOMAIN_AUTHORIZED_SSH_KEYS_SET, args)
