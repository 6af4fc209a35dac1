# SPDX-License-Identifier: Apache-2.0
"""Domains are saved to files, and restored from them; the driver keeps some files itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from virloom.drivers.qemu.admission import admit, withdraw
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.saving.image import SavedImage, read_image
from virloom.drivers.qemu.saving.managed import (
    has_managed,
    managed_path,
    remove_managed,
    require_managed,
)
from virloom.drivers.qemu.saving.save import SAVED_DOCUMENT, save_guest, saved_document
from virloom.drivers.runtime.jobs import AsyncJob, Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainSaveRestoreFlags, DomainXMLFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid
from virloom.host.files import ensure_directory
from virloom.procedures import domain as p
from virloom.procedures.types import TypedParam
from virloom.xml import FormatFlags, format_document

_Flags = DomainSaveRestoreFlags
_STATE = _Flags.RUNNING | _Flags.PAUSED
_SAVE = _Flags.BYPASS_CACHE | _STATE


def _check_state(flags: int) -> None:
    """A domain is restored running or paused.

    Raises:
        InvalidArg: It is to be both.
    """
    if flags & _STATE == _STATE:
        raise senseless(
            "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive"
        )


def _state(flags: int) -> bool | None:
    """Whether it is to run; None where nobody says."""
    return bool(flags & _Flags.RUNNING) if flags & _STATE else None


def _texts(params: Sequence[TypedParam], known: Sequence[str]) -> dict[str, str]:
    """The values of parameters that are texts.

    Raises:
        InvalidArg: One is unknown, comes twice, or is no text.
    """
    found: dict[str, str] = {}
    for param in params:
        if param.field not in known:
            raise InvalidArg(f"parameter '{param.field}' not supported", domain=ErrorDomain.NONE)
        if param.field in found or not isinstance(param.value.value, str):
            raise InvalidArg(f"parameter '{param.field}' is wrong", domain=ErrorDomain.NONE)
        found[param.field] = param.value.value
    return found


class Saving:
    """Handlers of saved states."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- into files ----------------------------------------------------------------------------

    @serves(p.DOMAIN_SAVE)
    async def save(self, call: Call, args: p.DomainSaveArgs) -> None:
        await self._save(call, self._driver.find(args.dom), args.to, None, 0)

    @serves(p.DOMAIN_SAVE_FLAGS)
    async def save_flags(self, call: Call, args: p.DomainSaveFlagsArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags, _SAVE)
        await self._save(call, self._driver.find(args.dom), args.to, args.dxml, args.flags)

    @serves(p.DOMAIN_SAVE_PARAMS)
    async def save_params(self, call: Call, args: p.DomainSaveParamsArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags, _SAVE)
        texts = _texts(args.params, ("file", "dxml"))
        guest = self._driver.find(args.dom)
        if "file" in texts:
            await self._save(call, guest, texts["file"], texts.get("dxml"), args.flags)
        elif "dxml" in texts:
            raise InvalidArg("xml modification unsupported", domain=ErrorDomain.QEMU)
        else:
            await self._managed_save(call, guest, args.flags)

    async def _save(
        self, call: Call, guest: Guest, path: str, document: str | None, flags: int
    ) -> None:
        async with guest.jobs.hold_async(AsyncJob.SAVE, call.procedure.name):
            running = guest.require_running()
            if document is not None:
                own = SavedImage(saved_document(running), "", True)
                document = await self._document(own, document)
            await save_guest(
                self._driver,
                guest,
                path,
                document=document,
                resume=_state(flags),
                bypass_cache=bool(flags & _Flags.BYPASS_CACHE),
            )

    async def _document(self, image: SavedImage, document: str) -> str:
        """What *document* makes of the guest, in the form that files have.

        Raises:
            ConfigUnsupported: It would find other hardware.
        """
        from virloom.drivers.qemu.saving.restore import model_from  # virloom.drivers.qemu.later

        model = await model_from(self._driver, image, document)
        return format_document(model, SAVED_DOCUMENT)

    # -- out of files --------------------------------------------------------------------------

    @serves(p.DOMAIN_RESTORE)
    async def restore(self, call: Call, args: p.DomainRestoreArgs) -> None:
        await self._restore(call, args.from_, None, 0)

    @serves(p.DOMAIN_RESTORE_FLAGS)
    async def restore_flags(self, call: Call, args: p.DomainRestoreFlagsArgs) -> None:
        await self._restore(call, args.from_, args.dxml, args.flags)

    @serves(p.DOMAIN_RESTORE_PARAMS)
    async def restore_params(self, call: Call, args: p.DomainRestoreParamsArgs) -> None:
        texts = _texts(args.params, ("file", "dxml"))
        if "file" not in texts:
            raise InvalidArg("missing path to restore from", domain=ErrorDomain.QEMU)
        await self._restore(call, texts["file"], texts.get("dxml"), args.flags)

    async def _restore(self, call: Call, path: str, document: str | None, flags: int) -> None:
        _check_state(flags)
        check_flags(call, flags, _SAVE | _Flags.RESET_NVRAM)
        from virloom.drivers.qemu.process.launch import Launch  # virloom.drivers.qemu.later
        from virloom.drivers.qemu.saving.restore import Incoming, restored_model

        incoming = Incoming(path, bypass_cache=bool(flags & _Flags.BYPASS_CACHE))
        try:
            model = await restored_model(self._driver, incoming, document)
            resume = _state(flags)
            incoming.resume = incoming.resume if resume is None else resume
            guest = admit(self._driver, model, to_run=True)
            try:
                async with guest.jobs.hold_async(AsyncJob.START, call.procedure.name):
                    await Launch(
                        self._driver,
                        guest,
                        model,
                        paused=not incoming.resume,
                        autodestroy=False,
                        reset_nvram=bool(flags & _Flags.RESET_NVRAM),
                        incoming=incoming,
                    ).run()
            except BaseException:
                withdraw(self._driver, guest)
                raise
        finally:
            incoming.close()

    # -- documents in files --------------------------------------------------------------------

    @serves(p.DOMAIN_SAVE_IMAGE_GET_XML_DESC)
    async def image_document(
        self, call: Call, args: p.DomainSaveImageGetXMLDescArgs
    ) -> p.DomainSaveImageGetXMLDescRet:
        check_flags(call, args.flags, DomainXMLFlags.SECURE)
        return p.DomainSaveImageGetXMLDescRet(await self._shown(args.file, args.flags))

    @serves(p.DOMAIN_SAVE_IMAGE_DEFINE_XML)
    async def define_image(self, call: Call, args: p.DomainSaveImageDefineXMLArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags, _STATE)
        await self._define(args.file, args.dxml, args.flags)

    @serves(p.DOMAIN_MANAGED_SAVE_GET_XML_DESC)
    async def managed_document(
        self, call: Call, args: p.DomainManagedSaveGetXMLDescArgs
    ) -> p.DomainManagedSaveGetXMLDescRet:
        check_flags(call, args.flags, DomainXMLFlags.SECURE)
        path = require_managed(self._driver, self._driver.find(args.dom))
        return p.DomainManagedSaveGetXMLDescRet(await self._shown(path, args.flags))

    @serves(p.DOMAIN_MANAGED_SAVE_DEFINE_XML)
    async def define_managed(self, call: Call, args: p.DomainManagedSaveDefineXMLArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags, _STATE)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            path = require_managed(self._driver, guest)
            await self._define(path, args.dxml, args.flags)

    async def _shown(self, path: str, flags: int) -> str:
        from virloom.drivers.qemu.saving.restore import model_from  # virloom.drivers.qemu.later

        image = await asyncio.to_thread(_read, path)
        model = await model_from(self._driver, image, None)
        return format_document(model, FormatFlags(flags) | FormatFlags.INACTIVE)

    async def _define(self, path: str, document: str | None, flags: int) -> None:
        image = await asyncio.to_thread(_read, path)
        resume = _state(flags)
        changed = image._replace(
            document=image.document if document is None else await self._document(image, document),
            was_running=image.was_running if resume is None else resume,
        )
        if changed != image:
            await asyncio.to_thread(_rewrite, path, changed)

    # -- what the driver keeps -----------------------------------------------------------------

    @serves(p.DOMAIN_MANAGED_SAVE)
    async def managed_save(self, call: Call, args: p.DomainManagedSaveArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags, _SAVE)
        await self._managed_save(call, self._driver.find(args.dom), args.flags)

    async def _managed_save(self, call: Call, guest: Guest, flags: int) -> None:
        guest.require_running()
        if not guest.persistent:
            raise OperationInvalid(
                "cannot do managed save for transient domain", domain=ErrorDomain.QEMU
            )
        ensure_directory(self._driver.directories.save)
        await self._save(call, guest, str(managed_path(self._driver, guest)), None, flags)

    @serves(p.DOMAIN_HAS_MANAGED_SAVE_IMAGE)
    def has_managed_save(
        self, call: Call, args: p.DomainHasManagedSaveImageArgs
    ) -> p.DomainHasManagedSaveImageRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        return p.DomainHasManagedSaveImageRet(int(has_managed(self._driver, guest)))

    @serves(p.DOMAIN_MANAGED_SAVE_REMOVE)
    async def remove_managed_save(self, call: Call, args: p.DomainManagedSaveRemoveArgs) -> None:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            remove_managed(self._driver, guest)


def _read(path: str) -> SavedImage:
    from virloom.drivers.qemu.saving.restore import open_image

    fd = open_image(path)
    try:
        return read_image(fd)
    finally:
        os.close(fd)


def _rewrite(path: str, image: SavedImage) -> None:
    """Replaces what stands before the stream, in one write that a kill does not cut in two."""
    from virloom.drivers.qemu.saving.restore import open_image

    fd = open_image(path, os.O_RDWR)
    try:
        os.pwrite(fd, image.encode(), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
