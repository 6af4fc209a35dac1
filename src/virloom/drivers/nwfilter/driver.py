# SPDX-License-Identifier: Apache-2.0
"""The network filters of one set of directories, and what may be done to them."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from virloom.drivers.nwfilter.bindings.bindings import Bindings
from virloom.drivers.nwfilter.completion import complete, parse_filter
from virloom.drivers.nwfilter.directories import FilterDirectories
from virloom.drivers.nwfilter.host import FilterHost
from virloom.drivers.nwfilter.references import loop_of
from virloom.drivers.nwfilter.stock import stock_filters
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.store import Document, DocumentStore, check_name
from virloom.enums.error import ErrorDomain
from virloom.errors import NoNwfilter, OperationFailed, OperationInvalid, VirloomError
from virloom.host.files import remove_temporaries, write_atomic
from virloom.host.lock import lock_directory
from virloom.model.nwfilter import Filter
from virloom.procedures import nwfilter as p
from virloom.xml import FormatFlags, format_document, parse_document

logger = logging.getLogger(__name__)

_DOMAIN = ErrorDomain.NWFILTER


class NetworkFilter:
    """One filter.

    Attributes:
        model: Its document.
    """

    def __init__(self, model: Filter) -> None:
        self.name = model.name or ""
        self.uuid = UUID(model.uuid).bytes
        self.model = model

    def ref(self) -> p.NonnullNwfilter:
        """What calls name it by."""
        return p.NonnullNwfilter(self.name, self.uuid)


class FilterDriver:
    """The sole owner of its directories while it is open.

    Attributes:
        uri: What clients are told.
        all: The filters.
        bindings: Filters at work on ports.
    """

    def __init__(
        self, directories: FilterDirectories, uri: str, host: FilterHost | None = None
    ) -> None:
        directories.make()
        refusal = f"another process has the filters of '{directories.config}'"
        self._lock = lock_directory(directories.run, refusal, _DOMAIN)
        self.uri = uri
        self.all: ObjectIndex[NetworkFilter] = ObjectIndex()
        self._directories = directories
        self._changing = asyncio.Lock()
        self._store = DocumentStore(
            directories.config,
            directories.config / "autostart",
            DocumentIndex(directories.cache / "documents.index"),
        )
        self.bindings = Bindings(directories, host or FilterHost(), self._model, self._changing)

    @classmethod
    async def open(
        cls, directories: FilterDirectories, uri: str, host: FilterHost | None = None
    ) -> FilterDriver:
        """Opens the driver: loads the documents, installs the stock filters once, and takes the
        bindings of an earlier daemon over.

        Args:
            host: How the kernel is reached; None for this process's own network.

        Raises:
            OperationFailed: Another process has the directories.
            SystemFailure: A directory cannot be used.
        """
        driver = cls(directories, uri, host)
        try:
            remove_temporaries(directories.config)
            for directory in (directories.state, directories.bindings):
                remove_temporaries(directory)
            await driver.load()
            await driver._install()
            async with driver._changing:
                await driver.bindings.take_over()
        except BaseException:
            driver._lock.release()
            raise
        return driver

    async def close(self) -> None:
        """Lets go of everything; the rules of ports stay."""
        await self.bindings.close()
        await self._store.settled()
        self._lock.release()

    # -- what is on disk -----------------------------------------------------------------------

    async def load(self) -> None:
        """Takes in documents that came to the disk; those of known filters are left alone.

        One without a UUID is given one for good.
        """
        for document in self._store.load():
            if self.all.by_name(document.name) is not None:
                continue
            try:
                await self._take(document)
            except (VirloomError, ValueError) as exc:
                logger.error("the filter '%s' is left out: %s", document.name, exc)

    async def reload(self) -> None:
        """:meth:`load`, and rules that somebody took away are put back."""
        await self.load()
        async with self._changing:
            await self.bindings.refresh()

    async def _take(self, document: Document) -> None:
        model = parse_document(Filter, document.text)
        had_uuid = model.uuid is not None
        complete(model)
        if model.name != document.name:
            raise ValueError(f"its name '{model.name}' is not that of its file")
        self._check_loop(model)
        if had_uuid:
            self.all.add(NetworkFilter(model))
        else:
            await self.define(model)

    async def _install(self) -> None:
        """Installs the stock filters that never were: one that was removed stays away."""
        path = self._directories.state / "stock"
        done = set(path.read_text(encoding="utf-8").split()) if path.exists() else set()
        new = [(name, text) for name, text in stock_filters() if name not in done]
        for name, text in new:
            if self.all.by_name(name) is None:
                await self.define(parse_filter(text))
        if new:
            names = sorted(done.union(name for name, _ in new))
            write_atomic(path, "".join(f"{name}\n" for name in names).encode())

    # -- looking -------------------------------------------------------------------------------

    def find(self, uuid: bytes) -> NetworkFilter:
        """The filter of that UUID.

        Raises:
            NoNwfilter: There is none.
        """
        found = self.all.by_uuid(uuid)
        if found is None:
            text = UUID(bytes=uuid)
            raise NoNwfilter(f"no nwfilter with matching uuid '{text}'", domain=_DOMAIN)
        return found

    def find_name(self, name: str) -> NetworkFilter:
        """The filter of that name.

        Raises:
            NoNwfilter: There is none.
        """
        found = self.all.by_name(name)
        if found is None:
            raise NoNwfilter(f"no nwfilter with matching name '{name}'", domain=_DOMAIN)
        return found

    # -- changing ------------------------------------------------------------------------------

    async def define(self, model: Filter) -> NetworkFilter:
        """Makes the filter, or gives a known one another document, and its ports new rules.

        Raises:
            OperationFailed: The name or the UUID belongs to another filter, or it would take in
                itself.
            VirloomError: Its name cannot be a file's, or a port that has it would get no rules;
                all keep the former ones.
            SystemFailure: It cannot be written; the former one stays, as do the rules.
        """
        name = model.name or ""
        check_name(name, _DOMAIN)
        async with self._changing:
            found = self._admit(model)
            text = format_document(model, FormatFlags.INACTIVE)
            async with self.bindings.redefining(model):
                await self._store.save(name, found.uuid, text)
                found.model = model
            if found not in self.all:
                self.all.add(found)
        return found

    def _admit(self, model: Filter) -> NetworkFilter:
        """The filter that *model* describes: a known one, or a new one."""
        made = NetworkFilter(model)
        found = self.all.by_uuid(made.uuid)
        if found is not None and found.name != made.name:
            raise OperationFailed(
                f"filter '{found.name}' is already defined with uuid {model.uuid}", domain=_DOMAIN
            )
        namesake = self.all.by_name(made.name)
        if namesake is not found and namesake is not None:
            raise OperationFailed(
                f"filter '{made.name}' already exists with uuid {namesake.model.uuid}",
                domain=_DOMAIN,
            )
        self._check_loop(model)
        return found or made

    def _check_loop(self, model: Filter) -> None:
        loop = loop_of(model, self._model)
        if loop is not None:
            raise OperationFailed(
                f"filter '{model.name}' would take in itself: {' → '.join(loop)}", domain=_DOMAIN
            )

    def _model(self, name: str) -> Filter | None:
        found = self.all.by_name(name)
        return found.model if found is not None else None

    async def undefine(self, uuid: bytes) -> None:
        """Forgets the filter; others that take it in stay as they are, as with libvirt.

        Raises:
            NoNwfilter: There is none.
            OperationInvalid: A port has it, directly or over others.
            SystemFailure: Its file cannot be removed.
        """
        async with self._changing:
            found = self.find(uuid)
            if self.bindings.use(found.name):
                raise OperationInvalid("nwfilter is in use", domain=_DOMAIN)
            await self._store.delete(found.name)
            self.all.remove(found)
