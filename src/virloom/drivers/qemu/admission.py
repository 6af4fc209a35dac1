# SPDX-License-Identifier: Apache-2.0
"""From a document to a domain: parsed, completed, checked, and unique by name and UUID."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from virloom.drivers.qemu import later
from virloom.drivers.qemu.capabilities import BinaryCaps
from virloom.drivers.qemu.capabilities.emulator import find_emulator
from virloom.drivers.qemu.checkpoints.known import count_checkpoints, forget_checkpoints
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.firmware import nvram_path
from virloom.drivers.qemu.persistent import Definition, write_definition
from virloom.drivers.qemu.process.tpm import (
    emulated_tpm,
    keeps_state,
    remove_state,
    state_directory,
)
from virloom.drivers.qemu.saving.managed import has_managed, remove_managed
from virloom.drivers.qemu.snapshots.store import forget_all, has_snapshots, snapshots_of
from virloom.drivers.runtime.store import check_name
from virloom.drivers.runtime.turns import let_others
from virloom.enums.domain import (
    DomainEventDefinedDetailType,
    DomainEventID,
    DomainEventType,
    DomainEventUndefinedDetailType,
    DomainUndefineFlagsValues,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationInvalid, system_failure
from virloom.model.domain import Domain
from virloom.xml import parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Models of network cards that most documents name.
_ALIKE = ("virtio", "virtio-non-transitional")


def parse(text: str, validate: bool) -> Domain:
    """The tree of a document that a client sends.

    Raises:
        XmlError: It is malformed, or not a domain of ours, with the element's path.
    """
    return parse_document(Domain, text, validate=validate)


async def complete(driver: QemuDriver, model: Domain, *, to_run: bool = False) -> Domain:
    """A copy of *model* in which all is filled in that the document leaves to us, and checked.

    Args:
        to_run: It is going to be started at once.

    Raises:
        VirloomError: The document asks for what does not exist or does not go together.
    """
    check_name(model.name)
    emulator = emulator_of(model)
    await let_others()  # the document has just been parsed
    # Others are placed like a device of the host's anyhow.
    cards = [card for card in model.devices.interfaces if card.model.type not in _ALIKE]
    if any(card.type == "network" for card in cards):
        from virloom.drivers.qemu.nics.pools import mark_functions

        await mark_functions(driver, cards)
    if not later.loaded():
        await later.load_meanwhile(_make_ready(driver, emulator, to_run=to_run))
    # virloom.drivers.qemu.later
    from virloom.drivers.qemu.definition import address_definition, fill_definition
    from virloom.drivers.qemu.validate import validate, validate_document

    def filled(caps: BinaryCaps) -> Domain:
        draft = model.copy()
        fill_definition(draft, caps, directories=driver.directories)
        return draft

    def addressed(caps: BinaryCaps) -> Domain:
        done = draft.copy()
        address_definition(done, caps)
        return done

    # Each step is the longest for which a light call is to wait.
    apply = driver.capabilities.apply
    known = await driver.capabilities.get(emulator)
    validate_document(model)
    await let_others()
    draft = await apply(emulator, filled, known)
    await let_others()
    done = await apply(emulator, addressed, known)
    await let_others()
    await apply(emulator, lambda caps: validate(done, caps), known)
    return done


async def _make_ready(driver: QemuDriver, emulator: str, *, to_run: bool) -> None:
    """What other processes do for a first document: QEMU tells what it can do, if need be."""
    await driver.capabilities.get(emulator)
    if to_run:  # not beside QEMU: where all processors are busy, a fork waits for one of them
        driver.spawner.warm()


def emulator_of(model: Domain) -> str:
    """The binary that the document names, or the usual one of its architecture.

    Raises:
        ConfigUnsupported: There is none; says which package brings it.
    """
    if model.devices.emulator:
        return model.devices.emulator
    return find_emulator(model.os.type.arch or os.uname().machine, model.type or "qemu")


def admit(driver: QemuDriver, model: Domain, *, to_run: bool) -> Guest:
    """The domain that *model* describes: a known one that it may replace, or a new one.

    Raises:
        OperationFailed: The name or the UUID belongs to another domain.
        OperationInvalid: It is to run, and runs already.
    """
    uuid = UUID(model.uuid).bytes
    name = model.name
    guest = driver.guests.by_uuid(uuid)
    if guest is None:
        namesake = driver.guests.owner(name)
        if namesake is not None:
            raise OperationFailed(
                f"domain '{name}' already exists with uuid {namesake.uuid_text}",
                domain=ErrorDomain.DOMAIN,
            )
        guest = driver.new_guest(name, uuid)
        driver.guests.add(guest)
        return guest
    if guest.name != name:
        raise OperationFailed(
            f"domain '{guest.name}' is already defined with uuid {guest.uuid_text}",
            domain=ErrorDomain.DOMAIN,
        )
    if to_run and (guest.active or guest.jobs.owner is not None):
        raise OperationInvalid(
            f"domain '{guest.name}' is already active", domain=ErrorDomain.DOMAIN
        )
    return guest


def withdraw(driver: QemuDriver, guest: Guest) -> None:
    """Forgets a domain that came to nothing, unless somebody else is about to make it."""
    if not guest.known and guest.jobs.owner is None and not guest.writing.locked():
        driver.guests.remove(guest)


async def define(driver: QemuDriver, model: Domain) -> Guest:
    """Makes *model* the persistent document of the domain that it names, which may be new.

    Its name and UUID are taken from now on; others see it when it is durable.

    Raises:
        OperationFailed: The name or the UUID belongs to another domain.
        SystemFailure: It cannot be written; the former one stays.
    """
    while True:
        guest = admit(driver, model, to_run=False)
        try:
            async with guest.writing:
                # Whoever wrote before us may have removed or renamed it.
                if guest in driver.guests and guest.name == model.name:
                    await _persist(driver, guest, model)
                    return guest
        finally:
            withdraw(driver, guest)


async def _persist(driver: QemuDriver, guest: Guest, model: Domain) -> None:
    known = guest.persistent

    def tell() -> None:
        if guest.running is not None and not known:
            guest.running.save()
        kind = DomainEventDefinedDetailType
        detail = kind.UPDATED if known else kind.ADDED
        driver.events.emit(
            DomainEventID.LIFECYCLE, guest.ref(), int(DomainEventType.DEFINED), int(detail)
        )

    await write_definition(driver, guest, model, tell)


async def rewrite(driver: QemuDriver, guest: Guest, change: Callable[[Domain], None]) -> None:
    """Changes the persistent document of a domain, without telling anybody.

    Args:
        change: Changes the tree that it is given, or raises.

    Raises:
        OperationInvalid: It has none any more.
        SystemFailure: It cannot be written; the former one stays.
    """
    async with guest.writing:
        if guest.definition is None:
            raise OperationInvalid(
                f"domain '{guest.name}' has no definition any more", domain=ErrorDomain.QEMU
            )
        model = guest.definition.model.copy()
        change(model)
        await write_definition(driver, guest, model)


async def remove_definition(driver: QemuDriver, guest: Guest, flags: int) -> None:
    """Undefines a domain; one that runs becomes transient.

    Raises:
        OperationInvalid: It is transient, or has firmware variables and nobody says what is to
            become of them.
        SystemFailure: A file cannot be removed.
    """
    async with guest.writing:
        if guest.definition is None:
            raise OperationInvalid("cannot undefine transient domain", domain=ErrorDomain.QEMU)
        _check_checkpoints(driver, guest, flags)
        _settle_saved(driver, guest, flags)
        _settle_snapshots(driver, guest, flags)
        _settle_nvram(driver, guest.definition, flags)
        _settle_tpm(driver, guest, guest.definition, flags)
        await driver.store.delete(guest.name, lambda: _undefined(driver, guest))


def _undefined(driver: QemuDriver, guest: Guest) -> None:
    """The document has gone."""
    guest.definition = None
    if not guest.active:
        driver.guests.remove(guest)
        forget_checkpoints(driver, guest)
    driver.events.emit(
        DomainEventID.LIFECYCLE,
        guest.ref(),
        int(DomainEventType.UNDEFINED),
        int(DomainEventUndefinedDetailType.REMOVED),
    )
    if guest.running is not None:
        guest.running.save()


def _variables(driver: QemuDriver, model: Domain) -> str | None:
    """Where the firmware variables of a domain are, if it has any."""
    path = model.os.nvram.value
    if path is None and model.os.firmware == "efi":
        path = nvram_path(model, driver.directories)
    return path


def _may_have_variables(text: str) -> bool:
    """Whether it is worth parsing a document to look for firmware variables."""
    return "<nvram" in text or "firmware=" in text


def _settle_saved(driver: QemuDriver, guest: Guest, flags: int) -> None:
    """A saved state goes with the definition, if the caller says so."""
    if not has_managed(driver, guest):
        return
    if not flags & DomainUndefineFlagsValues.MANAGED_SAVE:
        raise OperationInvalid(
            "Refusing to undefine while domain managed save image exists",
            domain=ErrorDomain.QEMU,
            remedy="VIR_DOMAIN_UNDEFINE_MANAGED_SAVE removes it",
        )
    remove_managed(driver, guest)


def _settle_snapshots(driver: QemuDriver, guest: Guest, flags: int) -> None:
    """What is known of snapshots goes with the definition, if the caller says so.

    Those of a guest that runs on stay its own until it ends.
    """
    if guest.active or not has_snapshots(driver, guest):
        return
    count = len(snapshots_of(driver, guest))
    if count and not flags & DomainUndefineFlagsValues.SNAPSHOTS_METADATA:
        raise OperationInvalid(
            f"cannot delete inactive domain with {count} snapshots",
            domain=ErrorDomain.QEMU,
            remedy="VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA forgets them",
        )
    forget_all(driver, guest)


def _check_checkpoints(driver: QemuDriver, guest: Guest, flags: int) -> None:
    """What is known of checkpoints goes with the domain, if the caller says so."""
    if guest.active or flags & DomainUndefineFlagsValues.CHECKPOINTS_METADATA:
        return
    number = count_checkpoints(driver, guest)
    if number:
        raise OperationInvalid(
            f"cannot delete inactive domain with {number} checkpoints",
            domain=ErrorDomain.QEMU,
            remedy="VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA removes what is known of them",
        )


def _settle_tpm(driver: QemuDriver, guest: Guest, definition: Definition, flags: int) -> None:
    """The state of the TPM goes with the definition, or with the run that still uses it."""
    path = state_directory(driver, guest.uuid_text)
    if not path.exists() or keeps_state(emulated_tpm(definition.model), flags):
        return
    if guest.running is not None:
        resource = {"kind": "directory", "path": str(path), "root": str(path.parent)}
        guest.running.record.resources.append(resource)
        return
    remove_state(path)


def _settle_nvram(driver: QemuDriver, definition: Definition, flags: int) -> None:
    if not _may_have_variables(definition.text):
        return
    path = definition.fact("nvram", lambda model: _variables(driver, model))
    if not path or not Path(path).exists():
        return
    known = DomainUndefineFlagsValues
    if flags & known.NVRAM:
        try:
            Path(path).unlink()
        except OSError as exc:
            raise system_failure(f"failed to remove nvram: {path}", exc) from exc
    elif not flags & known.KEEP_NVRAM:
        raise OperationInvalid(
            "cannot undefine domain with nvram",
            domain=ErrorDomain.QEMU,
            remedy="VIR_DOMAIN_UNDEFINE_NVRAM removes it, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM keeps it",
        )
