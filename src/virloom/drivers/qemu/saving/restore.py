# SPDX-License-Identifier: Apache-2.0
"""A guest goes on from a file."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from virloom.drivers.qemu.admission import complete, parse
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.saving.cookie import check_helpers, processor_in
from virloom.drivers.qemu.saving.image import SavedImage, read_image
from virloom.drivers.qemu.saving.packing import Pipeline, readers
from virloom.drivers.qemu.saving.stream import read_state
from virloom.drivers.qemu.stability import check_stable
from virloom.enums.domain import (
    DomainEventStartedDetailType,
    DomainEventSuspendedDetailType,
    DomainPausedReason,
    DomainRunningReason,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.model.domain import Cpu, Domain
from virloom.xml import FormatFlags, format_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Key of the record's runtime figures under which a restore is noted that is not all done.
RESTORED = "restored"


class Incoming:
    """The state that a start loads instead of booting; closed by whoever made it.

    Attributes:
        image: What stands before the stream.
        resume: Whether the guest is to run.
        managed: The file, if it is the driver's own and goes when the guest runs.
        paused_detail: What is told of a guest that stays paused.
        asked_cpu: The processor that the document asks for, where the guest has got another one.
        deferred, started, resumed, paused: That QEMU waits for the state, and what is told of it.
    """

    deferred = True
    started = DomainEventStartedDetailType.RESTORED
    resumed = DomainRunningReason.RESTORED
    paused = DomainPausedReason.MIGRATION

    def __init__(self, path: str, *, managed: bool = False, bypass_cache: bool = False) -> None:
        self._fd = open_image(path)
        try:
            self.image: SavedImage = read_image(self._fd)
            self._programs = readers(self.image.packing, bypass_cache, self.image.stream)
        except BaseException:
            os.close(self._fd)
            raise
        self.resume = self.image.was_running
        self.managed = path if managed else None
        self.paused_detail = DomainEventSuspendedDetailType.RESTORED
        self.asked_cpu: Cpu | None = None

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._fd)

    async def load(self, running: RunningGuest) -> None:
        """Gives QEMU the state, and returns when it has it.

        Raises:
            VirloomError: It cannot be loaded.
        """
        pipeline = Pipeline(self._programs, self._fd, writing=False)
        try:
            await read_state(running, await pipeline.start())
        finally:
            await pipeline.close()

    def loaded(self, running: RunningGuest) -> None:
        """Notes, before the guest runs, that its file must not be used again."""
        running.record.runtime[RESTORED] = {"resume": self.resume, "managed": self.managed}
        if self.asked_cpu is not None:
            text = format_document(self.asked_cpu, FormatFlags.STATUS)
            running.record.runtime["asked_cpu"] = text

    def used(self, running: RunningGuest) -> None:
        """The guest runs: the driver's own file goes, and then the note."""
        if self.managed is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.managed)
        del running.record.runtime[RESTORED]


def open_image(path: str, flags: int = os.O_RDONLY) -> int:
    """Opens the file of a saved guest.

    Raises:
        SystemFailure: It cannot be opened.
    """
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as exc:
        raise system_failure(f"Failed to open file '{path}'", exc, domain=ErrorDomain.QEMU) from exc


async def model_from(driver: QemuDriver, image: SavedImage, document: str | None) -> Domain:
    """The tree that a saved guest goes on with: its own, or that of another document.

    Raises:
        ConfigUnsupported: The guest would find other hardware.
        VirloomError: A document is wrong.
    """
    own = await complete(driver, parse(image.document, False))
    return own if document is None else await changed(driver, own, document)


async def restored_model(driver: QemuDriver, incoming: Incoming, document: str | None) -> Domain:
    """As :func:`model_from`, for a guest that is about to go on with the processor that it had.

    The host's hook scripts are asked (``restore``); the document that they print, if any, is taken.

    Raises:
        HookScriptFailed: One refuses.
        XmlError: The file's cookie is none.
        VirloomError: As :func:`model_from`.
    """
    image = incoming.image
    if driver.hooks.scripts():
        given = document or image.document
        name = parse(image.document, False).name
        said = await driver.hooks.run(name, "restore", "begin", document=given)
        document = said if said.strip() else document
    model = await model_from(driver, image, document)
    check_helpers(image.cookie, model)
    processor = processor_in(image.cookie)
    if processor is not None:
        incoming.asked_cpu, model.cpu = model.cpu, processor
    return model


async def changed(driver: QemuDriver, own: Domain, document: str) -> Domain:
    """The tree of *document*, which stands for that of *own*.

    Raises:
        ConfigUnsupported: It is another guest's, or has other hardware.
    """
    given = parse(document, False)
    for what, asked, has in (("name", given.name, own.name), ("uuid", given.uuid, own.uuid)):
        if asked is not None and asked != has:
            raise ConfigUnsupported(
                f"Target domain {what} '{asked}' does not match source '{has}'",
                domain=ErrorDomain.DOMAIN,
            )
    given.uuid = own.uuid
    model = await complete(driver, given)
    check_stable(own, model)
    return model
