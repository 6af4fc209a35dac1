# SPDX-License-Identifier: Apache-2.0
"""Host interfaces changed: defined, brought up and down, and all of that taken back.

One change at a time; each goes on to its end though its client has gone. What is done to the host
is written down before (:mod:`.records`), so that a daemon that finds it can undo it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from virloom.drivers.interface.completion import parse_interface
from virloom.drivers.interface.configurators.commands import do_steps
from virloom.drivers.interface.configurators.configurator import Configurator
from virloom.drivers.interface.definitions import Definitions
from virloom.drivers.interface.links import Links
from virloom.drivers.interface.obstacles import check_down, check_up
from virloom.drivers.interface.plan import Step
from virloom.drivers.interface.records import Begun, Brought
from virloom.drivers.interface.validate import parts_of, validate
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    NoInterface,
    OperationInvalid,
    OperationUnsupported,
    VirloomError,
)
from virloom.model.interface import HostInterface, InterfaceLink, Port
from virloom.xml import format_document

logger = logging.getLogger(__name__)
_DOMAIN = ErrorDomain.INTERFACE
T = TypeVar("T")


class InterfaceChanges:
    """Changes the interfaces of the host.

    Args:
        links: What the kernel says.
        configurator: Who configures them.
        run: A directory that does not outlive the boot.
        lib: One that does.
    """

    def __init__(self, links: Links, configurator: Configurator, run: Path, lib: Path) -> None:
        self._links = links
        self._configurator = configurator
        self.definitions = Definitions(configurator)
        self._brought = Brought(run / "up")
        self._begun = Begun(lib / "begun.json")
        self._one = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()

    async def whole(self, change: Coroutine[Any, Any, T]) -> T:
        """Makes one change when the others are done; to its end, though its caller is cancelled."""
        task = asyncio.create_task(self._in_turn(change))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _in_turn(self, change: Coroutine[Any, Any, T]) -> T:
        async with self._one:
            return await change

    async def close(self) -> None:
        """Waits for the changes that are being made."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def is_up(self, name: str) -> bool:
        """Whether the device is switched on, with or without a carrier."""
        return self._links.is_up(name)

    # -- documents -----------------------------------------------------------------------------

    async def define(self, text: str, *, check: bool) -> HostInterface:
        """Defines an interface, or defines a known one anew; the device is not touched.

        Args:
            check: Whether to hold the document against the schema.

        Raises:
            XmlError: The document is wrong.
            ConfigUnsupported: The host's configurator cannot have it.
            OperationUnsupported: An administrator has configured it, or a part of it.
            OperationInvalid: It is a part of another one.
            OperationFailed: The configurator refuses the host's files with it.
            SystemFailure: It cannot be written.
        """
        model = parse_interface(text, validate=check)
        validate(model)
        _leave_out_states(model)
        await asyncio.to_thread(self._check_definition, model)
        await self._rewrite(self.definitions.write, model)
        if not self._configurator.lasting:
            logger.warning(
                "nobody configures this host: '%s' is defined until it boots", model.name
            )
        return model

    def _check_definition(self, model: HostInterface) -> None:
        self._configurator.check(model)
        foreign = self.definitions.foreign()
        for name in (model.name or "", *parts_of(model)):
            if name in foreign:
                raise OperationUnsupported(
                    f"'{name}' is configured in {foreign[name].place}",
                    domain=_DOMAIN,
                    remedy="that is the administrator's: change it there, or remove it",
                )
        parts = self.definitions.parts()
        whole = parts.get(model.name or "")
        if whole is not None:
            raise OperationInvalid(
                f"'{model.name}' is a part of '{whole}'", domain=_DOMAIN,
                remedy=f"undefine '{whole}' first",
            )  # fmt: skip
        for part in parts_of(model):
            if parts.get(part) not in (None, model.name):
                raise OperationInvalid(f"'{part}' is a part of '{parts[part]}'", domain=_DOMAIN)

    async def undefine(self, name: str) -> None:
        """Undefines an interface, also one that is up.

        Raises:
            NoInterface: It is not defined.
            OperationUnsupported: An administrator has configured it.
            OperationFailed: The configurator refuses the host's files without it.
        """
        foreign = (await asyncio.to_thread(self.definitions.foreign)).get(name)
        if foreign is not None:
            raise OperationUnsupported(
                f"'{name}' is configured in {foreign.place}", domain=_DOMAIN,
                remedy="that is the administrator's: remove it there",
            )  # fmt: skip
        if name not in self.definitions.ours():
            raise NoInterface(f"'{name}' is not defined", domain=_DOMAIN)
        await self._rewrite(self.definitions.remove, name)

    async def _rewrite(self, change: Callable[[T], None], what: T) -> None:
        """Changes files; what their program refuses, perhaps for others' files, is not changed."""
        before = await asyncio.to_thread(self.definitions.snapshot)
        await asyncio.to_thread(change, what)
        try:
            await self._configurator.reread()
        except VirloomError:
            await asyncio.to_thread(self.definitions.restore, before)
            raise

    # -- up and down ---------------------------------------------------------------------------

    async def create(self, name: str) -> None:
        """Brings an interface up.

        Raises:
            OperationInvalid: It is up, or something stands in its way.
            OperationFailed: It does not come up; then it is down.
        """
        if self.is_up(name):
            raise OperationInvalid(f"interface '{name}' is already running", domain=_DOMAIN)
        model = self.definitions.all().get(name)
        if model is None:
            await do_steps([Step.of(f"link set dev {name} up")], f"'{name}' does not come up")
            return
        check_up(self._links, model)
        if name in self.definitions.foreign():
            await self._configurator.up(model)
            return
        self._brought.note(model, done=False)
        try:
            await self._configurator.up(model)
        except VirloomError:
            await self._clean(model)
            raise
        self._brought.note(model, done=True)

    async def _clean(self, model: HostInterface) -> None:
        """Undoes what a failed start has done; it stays written down where that fails too."""
        try:
            await self._configurator.down(model)
        except VirloomError as exc:
            logger.warning("%s", exc)
        else:
            self._brought.forget(model.name or "")

    async def destroy(self, name: str) -> None:
        """Takes an interface down.

        Raises:
            OperationInvalid: It is down, or in use.
            OperationFailed: It stays up.
        """
        model = self._brought.find(name) or self.definitions.all().get(name)
        if not self.is_up(name):
            raise OperationInvalid(f"interface '{name}' is not running", domain=_DOMAIN)
        check_down(self._links, name)
        if model is None:
            await do_steps([Step.of(f"link set dev {name} down")], f"'{name}' does not go down")
            return
        await self._configurator.down(model)
        self._brought.forget(name)

    # -- changes that may be taken back --------------------------------------------------------

    async def begin(self) -> None:
        """From now on changes may be taken back, by another daemon or after a boot too.

        Raises:
            OperationInvalid: That is so already.
        """
        if self._begun.open:
            raise OperationInvalid("changes have been begun already", domain=_DOMAIN)
        active = [name for name in self.definitions.ours() if self.is_up(name)]
        files = await asyncio.to_thread(self.definitions.snapshot)
        await asyncio.to_thread(self._begun.begin, files, active)

    async def commit(self) -> None:
        """The changes stay.

        Raises:
            OperationInvalid: None were begun.
        """
        self._check_begun("committed")
        self._begun.end()

    async def roll_back(self) -> None:
        """All is as it was when the changes were begun: documents, and who is up.

        Raises:
            OperationInvalid: None were begun.
            OperationFailed: One does not come up or go down again. The rest is done, and the
                changes count as taken back.
        """
        self._check_begun("taken back")
        failed = await self._undo()
        if failed is not None:
            raise failed

    def _check_begun(self, what: str) -> None:
        if not self._begun.open:
            raise OperationInvalid(f"no changes were begun that could be {what}", domain=_DOMAIN)

    async def _undo(self) -> VirloomError | None:
        """Each step finds done what was done before a kill; the first failure, if any."""
        active, files = self._begun.active, self._begun.files
        self._begun.undoing()
        now = self._texts()
        await asyncio.to_thread(self.definitions.restore, files)
        before = self._texts()
        failed: VirloomError | None = None
        for name in now.keys() | before.keys():
            brought = self._brought.find(name)
            same = now.get(name) == before.get(name) and (
                brought is None or format_document(brought) == before.get(name)
            )
            if self.is_up(name) and not (same and name in active):
                failed = await self._try(self._take_down(name, brought)) or failed
        for name in active:
            if name in before and not self.is_up(name):
                failed = await self._try(self.create(name)) or failed
        self._begun.end()
        return failed

    def _texts(self) -> dict[str, str]:
        return {name: format_document(model) for name, model in self.definitions.ours().items()}

    async def _take_down(self, name: str, brought: HostInterface | None) -> None:
        model = brought or self.definitions.ours().get(name)
        if model is not None:
            await self._configurator.down(model)
            self._brought.forget(name)

    async def _try(self, change: Coroutine[Any, Any, None]) -> VirloomError | None:
        try:
            await change
        except VirloomError as exc:
            logger.error("%s", exc)
            return exc
        return None

    # -- after a kill --------------------------------------------------------------------------

    def begin_recovery(self) -> None:
        """Ends what a killed daemon left half done, and takes back what an earlier boot began.

        Changes wait for it; whoever only asks does not.
        """
        task = asyncio.create_task(self._in_turn(self._recover()))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _recover(self) -> None:
        try:
            await asyncio.to_thread(self.definitions.tidy)
            await self._end_unfinished()
            if self._begun.forsaken:
                logger.warning("changes of interfaces that nobody has committed are taken back")
                await self._undo()
        except (VirloomError, OSError) as exc:
            logger.error("%s", exc)

    async def _end_unfinished(self) -> None:
        for name in self._brought.unfinished():
            model = self._brought.find(name)
            if model is None:
                self._brought.forget(name)
            else:
                logger.info("'%s' was being brought up: it is taken down", name)
                await self._clean(model)


def _leave_out_states(model: HostInterface) -> None:
    """Whoever makes a document from another one, as virsh does, leaves states in it."""
    ports: list[Port] = [*(model.bridge.interfaces if model.bridge is not None else ())]
    ports += model.bond.interfaces if model.bond is not None else ()
    for port in ports:
        port.link = InterfaceLink()
    model.link = InterfaceLink()
