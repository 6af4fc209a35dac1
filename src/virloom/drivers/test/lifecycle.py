# SPDX-License-Identifier: Apache-2.0
"""Domains come, start, end and go."""

from __future__ import annotations

from uuid import UUID

from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.names import name_interfaces
from virloom.enums.domain import (
    DomainEventType,
    DomainRunningReason,
    DomainShutoffReason,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationInvalid
from virloom.model.domain import Domain
from virloom.model.domain.vcpu import IoThread


def admit(driver: InMemoryDriver, model: Domain, *, to_run: bool) -> Guest:
    """The domain that *model* describes: a known one that it may replace, or a new one.

    Raises:
        OperationFailed: The name or the UUID belongs to another domain.
        OperationInvalid: It is to run, and runs already.
    """
    uuid = UUID(model.uuid).bytes
    guest = driver.guests.by_uuid(uuid)
    if guest is None:
        namesake = driver.guests.owner(model.name)
        if namesake is not None:
            raise OperationFailed(
                f"domain '{model.name}' already exists with uuid {namesake.uuid_text}",
                domain=ErrorDomain.DOMAIN,
            )
        guest = Guest(model.name, uuid)
        driver.guests.add(guest)
        return guest
    if guest.name != model.name:
        raise OperationFailed(
            f"domain '{guest.name}' is already defined with uuid {guest.uuid_text}",
            domain=ErrorDomain.DOMAIN,
        )
    if to_run and guest.active:
        raise OperationInvalid(
            f"domain '{guest.name}' is already active", domain=ErrorDomain.DOMAIN
        )
    return guest


def start(
    driver: InMemoryDriver,
    guest: Guest,
    model: Domain,
    reason: int = DomainRunningReason.BOOTED,
) -> None:
    """Runs a copy of *model*."""
    live = model.copy()
    live.id = driver.next_id()
    name_interfaces(live)
    guest.live = live
    guest.set_state(DomainState.RUNNING, reason)
    guest.saved = False
    guest.frozen.clear()


def stop(driver: InMemoryDriver, guest: Guest, reason: DomainShutoffReason) -> None:
    """Ends the run of a domain; a transient one goes with it, see :func:`withdraw`."""
    if guest.config is None:
        guest.config = guest.live
        if guest.config is not None:
            guest.config.id = None
    guest.live = None
    guest.set_state(DomainState.SHUTOFF, reason)


def end(driver: InMemoryDriver, guest: Guest, reason: DomainShutoffReason, detail: int) -> None:
    """Ends the run of a domain, forgets it if it is transient, and tells whoever listens."""
    told = guest.ref()
    stop(driver, guest, reason)
    withdraw(driver, guest)
    driver.tell(told, DomainEventType.STOPPED, detail)


def withdraw(driver: InMemoryDriver, guest: Guest) -> None:
    """Forgets a domain that neither runs nor is defined."""
    if not guest.persistent and not guest.active:
        driver.guests.remove(guest)


def threads_of(model: Domain) -> list[IoThread]:
    """The threads for input and output, with numbers for those that are only counted."""
    given = list(model.iothreadids.iothreads)
    used = {thread.id for thread in given}
    number = 1
    while len(given) < (model.iothreads or 0):
        if number not in used:
            given.append(IoThread(id=number))
        number += 1
    return given
