# SPDX-License-Identifier: Apache-2.0
"""What the guest's agent does and says: commands, clock, names, addresses, passwords, keys."""

from __future__ import annotations

import base64
import json
from typing import Any

from virloom.drivers.qemu.agent.access import asking, limits_of
from virloom.drivers.qemu.agent.answers import number, reading, text
from virloom.drivers.qemu.agent.network import interfaces
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainAgentResponseTimeoutValues,
    DomainAuthorizedSSHKeysSetFlags,
    DomainGetHostnameFlags,
    DomainInterfaceAddressesSource,
    DomainSetTimeFlags,
    DomainSetUserPasswordFlags,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ArgumentUnsupported,
    InternalError,
    InvalidArg,
    NoHostname,
    OperationUnsupported,
)
from virloom.procedures import domain as p
from virloom.procedures import qemu as q

_SECOND = 1_000_000_000


class GuestAgent:
    """Handlers of calls that the guest's agent answers."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- any command ---------------------------------------------------------------------------

    @serves(q.DOMAIN_AGENT_COMMAND)
    async def command(
        self, call: Call, args: q.QemuDomainAgentCommandArgs
    ) -> q.QemuDomainAgentCommandRet:
        check_flags(call, args.flags, 0, function="qemuDomainQemuAgentCommand")
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.MODIFY, call.procedure.name) as asked:
            _check_timeout(args.timeout)
            name, line = _command(args.cmd)
            answer = await asked.agent.exchange(name, line, limits_of(args.timeout))
        told = json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
        return q.QemuDomainAgentCommandRet(text(told))

    @serves(p.DOMAIN_AGENT_SET_RESPONSE_TIMEOUT)
    def set_response_timeout(
        self, call: Call, args: p.DomainAgentSetResponseTimeoutArgs
    ) -> p.DomainAgentSetResponseTimeoutRet:
        """How long every other call waits, until the domain is gone."""
        check_flags(call, args.flags, 0)
        _check_timeout(args.timeout)
        guest = self._driver.find(args.dom)
        guest.agent_timeout = args.timeout
        if guest.running is not None:
            guest.running.save()
        return p.DomainAgentSetResponseTimeoutRet(0)

    # -- the clock -----------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_TIME)
    async def get_time(self, call: Call, args: p.DomainGetTimeArgs) -> p.DomainGetTimeRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.QUERY, call.procedure.name) as asked:
            answer = await asked.execute("guest-get-time")
        with reading("guest-get-time"):
            return p.DomainGetTimeRet(*divmod(number(answer), _SECOND))

    @serves(p.DOMAIN_SET_TIME)
    async def set_time(self, call: Call, args: p.DomainSetTimeArgs) -> None:
        """Sets the guest's clock, and has QEMU forget the ticks that it still owes the guest."""
        check_flags(call, args.flags, DomainSetTimeFlags.SYNC)
        guest = self._driver.find(args.dom)
        if not guest.active:
            raise OperationUnsupported(
                "cannot set time: domain is not running", domain=ErrorDomain.QEMU
            )
        moment = args.seconds * _SECOND + args.nseconds
        if not -(1 << 63) <= moment < 1 << 63:
            raise InvalidArg(
                f"Time '{args.seconds}' is too big for guest agent", domain=ErrorDomain.QEMU
            )
        arguments = None if args.flags & DomainSetTimeFlags.SYNC else {"time": moment}
        async with asking(guest, Job.MODIFY, call.procedure.name) as asked:
            await asked.execute("guest-set-time", arguments)
            running = asked.running
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            running.require_current()
            await running.execute("rtc-reset-reinjection")

    # -- names and addresses -------------------------------------------------------------------

    @serves(p.DOMAIN_GET_HOSTNAME)
    async def hostname(self, call: Call, args: p.DomainGetHostnameArgs) -> p.DomainGetHostnameRet:
        known = DomainGetHostnameFlags
        check_flags(call, args.flags, known.LEASE | known.AGENT)
        if args.flags == known.LEASE | known.AGENT:
            raise senseless(
                "Flags 'VIR_DOMAIN_GET_HOSTNAME_LEASE' and 'VIR_DOMAIN_GET_HOSTNAME_AGENT' are "
                "mutually exclusive",
                ErrorDomain.QEMU,
            )
        guest = self._driver.find(args.dom)
        if args.flags & known.LEASE:
            return await self._name_by_leases(guest)
        async with asking(guest, Job.QUERY, call.procedure.name) as asked:
            answer = await asked.execute("guest-get-host-name")
        with reading("guest-get-host-name"):
            return p.DomainGetHostnameRet(text(answer["host-name"]))

    async def _name_by_leases(self, guest: Guest) -> p.DomainGetHostnameRet:
        from virloom.drivers.qemu.nics.addresses import name_by_leases  # seldom asked for

        name = await name_by_leases(self._driver, guest.require_running().model)
        if name is None:
            raise NoHostname(f"no hostname found for domain {guest.name}", domain=ErrorDomain.QEMU)
        return p.DomainGetHostnameRet(name)

    @serves(p.DOMAIN_INTERFACE_ADDRESSES)
    async def addresses(
        self, call: Call, args: p.DomainInterfaceAddressesArgs
    ) -> p.DomainInterfaceAddressesRet:
        """As the guest has them, as they were lent to it, or as the host has met it."""
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        running = guest.require_running()
        if args.source not in tuple(DomainInterfaceAddressesSource):
            raise ArgumentUnsupported(
                f"Unknown IP address data source {args.source}", domain=ErrorDomain.QEMU
            )
        if args.source != DomainInterfaceAddressesSource.AGENT:
            from virloom.drivers.qemu.nics import addresses  # networks are not every guest's

            if args.source == DomainInterfaceAddressesSource.ARP:
                return p.DomainInterfaceAddressesRet(addresses.by_neighbours(running.model))
            lent = await addresses.by_leases(self._driver, running.model)
            return p.DomainInterfaceAddressesRet(lent)
        async with asking(guest, Job.QUERY, call.procedure.name) as asked:
            answer = await asked.execute("guest-network-get-interfaces")
        with reading("guest-network-get-interfaces"):
            return p.DomainInterfaceAddressesRet(interfaces(answer))

    # -- users ---------------------------------------------------------------------------------

    @serves(p.DOMAIN_SET_USER_PASSWORD)
    async def set_user_password(self, call: Call, args: p.DomainSetUserPasswordArgs) -> None:
        check_flags(call, args.flags, DomainSetUserPasswordFlags.ENCRYPTED)
        guest = self._driver.find(args.dom)
        arguments = {
            "username": args.user or "",
            "password": base64.b64encode((args.password or "").encode()).decode(),
            "crypted": bool(args.flags & DomainSetUserPasswordFlags.ENCRYPTED),
        }
        async with asking(guest, Job.MODIFY, call.procedure.name) as asked:
            await asked.execute("guest-set-user-password", arguments)

    @serves(p.DOMAIN_AUTHORIZED_SSH_KEYS_GET)
    async def ssh_keys(
        self, call: Call, args: p.DomainAuthorizedSshKeysGetArgs
    ) -> p.DomainAuthorizedSshKeysGetRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.QUERY, call.procedure.name, domain=ErrorDomain.QEMU) as asked:
            answer = await asked.execute("guest-ssh-get-authorized-keys", {"username": args.user})
        with reading("guest-ssh-get-authorized-keys"):
            return p.DomainAuthorizedSshKeysGetRet(_texts(answer["keys"]))

    @serves(p.DOMAIN_AUTHORIZED_SSH_KEYS_SET)
    async def set_ssh_keys(self, call: Call, args: p.DomainAuthorizedSshKeysSetArgs) -> None:
        known = DomainAuthorizedSSHKeysSetFlags
        prefix = "VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET"
        if args.flags & known.APPEND and args.flags & known.REMOVE:
            raise senseless(f"Flags '{prefix}_APPEND' and '{prefix}_REMOVE' are mutually exclusive")
        if args.flags & (known.APPEND | known.REMOVE) and not args.keys:
            raise senseless("keys in virDomainAuthorizedSSHKeysSet must not be NULL")
        check_flags(call, args.flags, known.APPEND | known.REMOVE)
        guest = self._driver.find(args.dom)
        arguments: dict[str, Any] = {"username": args.user, "keys": args.keys}
        command = "guest-ssh-add-authorized-keys"
        if args.flags & known.REMOVE:
            command = "guest-ssh-remove-authorized-keys"
        else:
            arguments["reset"] = not args.flags & known.APPEND
        async with asking(guest, Job.MODIFY, call.procedure.name, domain=ErrorDomain.QEMU) as asked:
            await asked.execute(command, arguments)


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or len(values) > 2048:
        raise TypeError("not a list of keys")
    return [text(value) for value in values]


def _check_timeout(seconds: int) -> None:
    least = int(DomainAgentResponseTimeoutValues.BLOCK)
    if seconds < least:
        raise InvalidArg(
            f"guest agent timeout '{seconds}' is less than the minimum '{least}'",
            domain=ErrorDomain.QEMU,
        )


def _command(words: str) -> tuple[str, bytes]:
    """The name of a client's command, and the line that is sent: one, whatever the client's was.

    Raises:
        InternalError: It is not JSON; that it makes sense is for the agent to say.
    """
    try:
        message = json.loads(words)
    except (ValueError, RecursionError) as exc:
        raise InternalError(f"cannot parse json {words}: {exc}") from exc
    name = message.get("execute") if isinstance(message, dict) else None
    return name if isinstance(name, str) else "<unknown>", json.dumps(message).encode() + b"\n"
