# SPDX-License-Identifier: Apache-2.0
"""All bindings: made, taken away, rebuilt when something that they hang on changes.

The caller of whatever changes something holds one lock, which it has in common with changes of
filters: while the rules of a binding are made, no filter changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

from virloom.drivers.nwfilter.bindings.binding import Binding
from virloom.drivers.nwfilter.bindings.plan import Plan, plan, values_of
from virloom.drivers.nwfilter.bindings.record import BindingRecord
from virloom.drivers.nwfilter.directories import FilterDirectories
from virloom.drivers.nwfilter.host import FilterHost
from virloom.drivers.nwfilter.learning.learner import Learner
from virloom.drivers.nwfilter.learning.leases import Leases
from virloom.drivers.nwfilter.references import Find
from virloom.drivers.nwfilter.rules.ruleset import removal
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.enums.error import ErrorDomain
from virloom.errors import NoNwfilterBinding, OperationFailed, SystemFailure, VirloomError
from virloom.model.nwfilter import Filter, FilterBinding
from virloom.xml import format_document

logger = logging.getLogger(__name__)

_DOMAIN = ErrorDomain.NWFILTER
_ENODEV = 19
#: Seconds until rules that could not be brought up to date are tried again.
_AGAIN = 5.0


class Bindings:
    """The bindings of a driver.

    Args:
        directories: Where their records are.
        host: What gives the kernel rules.
        find: Filters by name, as they are now.
        changing: Held by whoever changes filters or bindings.
    """

    def __init__(
        self,
        directories: FilterDirectories,
        host: FilterHost,
        find: Find,
        changing: asyncio.Lock,
    ) -> None:
        self._directories = directories
        self._host = host
        self._find = find
        self._changing = changing
        self._all: dict[str, Binding] = {}
        self._leases = Leases(directories.leases)
        self._late: set[asyncio.Task[None]] = set()
        self._again: dict[Binding, asyncio.TimerHandle] = {}

    def __iter__(self) -> Iterator[Binding]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def learn(self) -> bool:
        """Whether an address is being found out, for which the daemon has to be there."""
        return any(binding.learner is not None for binding in self)

    def find(self, port: str) -> Binding:
        """The binding of a port.

        Raises:
            NoNwfilterBinding: There is none.
        """
        found = self._all.get(port)
        if found is None:
            raise NoNwfilterBinding(f"no nwfilter binding for port dev '{port}'", domain=_DOMAIN)
        return found

    def use(self, name: str) -> bool:
        """Whether a binding has the filter of that name, or one that takes it in."""
        return any(binding.uses(name, self._find) for binding in self)

    # -- making and taking away ----------------------------------------------------------------

    async def create(self, model: FilterBinding) -> Binding:
        """Puts a filter to work; the rules are in the kernel when this returns.

        Raises:
            OperationFailed: The port has a binding.
            SystemFailure: There is no such link, or no record can be written.
            VirloomError: The filter makes no rules here; as :func:`plan` and :class:`FilterHost`.
                Nothing is left of the attempt.
        """
        async with self._changing:
            index = self._admit(model)
            port = model.portdev.name or ""
            record = BindingRecord(self._directories.record(port), port, index)
            record.document = format_document(model)
            binding = Binding(model, record, self._leases)
            planned = self._plan(binding, self._find)
            self._adopt(binding, planned)
            try:
                record.save()
                await self._host.load(planned.rules)
                record.stage = "active"
                record.save()
            except BaseException:
                await self._undo(binding)
                raise
            self._all[port] = binding
        return binding

    def _admit(self, model: FilterBinding) -> int:
        """The number of the link of a new binding, whose port has none yet."""
        port = model.portdev.name or ""
        index = self._host.index_of(port)
        if index is None:
            raise SystemFailure(
                f"Unable to get index for interface {port}: No such device",
                domain=_DOMAIN,
                int1=_ENODEV,
            )
        former = self._all.get(port)
        if former is not None and former.record.index == index:
            raise OperationFailed(f"binding '{port}' already exists", domain=_DOMAIN)
        if former is not None:  # its link is gone, and nobody said so; its rules are replaced
            logger.warning("the link of the binding '%s' was replaced", port)
            self._forget(former)
        return index

    async def _undo(self, binding: Binding) -> None:
        """Takes back what was begun; what cannot be is found by the next daemon."""
        binding.stop_learning()
        try:
            await self._host.load(removal(binding.port))
            binding.record.delete()
        except (VirloomError, OSError) as exc:
            logger.error("rules of '%s' may be left: %s", binding.port, exc)

    async def delete(self, port: str) -> None:
        """Takes a filter off its port.

        Raises:
            NoNwfilterBinding: There is none.
            VirloomError: The kernel keeps its rules, or no record can be written; it is still
                there.
        """
        async with self._changing:
            binding = self.find(port)
            binding.record.stage = "removing"
            try:
                binding.record.save()
                await self._host.load(removal(port))
            except BaseException:
                self._keep(binding)
                raise
            self._forget(binding)
            binding.record.delete()

    def _keep(self, binding: Binding) -> None:
        """It is not removed after all."""
        binding.record.stage = "active"
        try:
            binding.record.save()
        except VirloomError as exc:
            logger.error("the next daemon will remove the binding '%s': %s", binding.port, exc)

    def _forget(self, binding: Binding) -> None:
        binding.stop_learning()
        self._cancel_retry(binding)
        if self._all.get(binding.port) is binding:
            del self._all[binding.port]

    # -- rules ---------------------------------------------------------------------------------

    def _plan(self, binding: Binding, find: Find) -> Plan:
        return plan(binding.port, binding.reference, find, binding.addresses)

    def _adopt(self, binding: Binding, planned: Plan) -> None:
        """Finds out addresses, or no more, as a plan has it."""
        if binding.learner is not None and binding.learner.mode == planned.learning:
            return
        binding.stop_learning()
        if planned.learning is not None:
            with self._host.entered():
                binding.learner = Learner(
                    planned.learning,
                    binding.port,
                    binding.model.mac.address or "",
                    binding.card,
                    self._leases,
                    values_of(binding.reference, "DHCPSERVER"),
                    lambda address: self._found(binding, address),
                )

    @asynccontextmanager
    async def redefining(self, model: Filter) -> AsyncIterator[None]:
        """Gives all bindings that have the filter, or take it in, rules by its new document.

        The caller, who holds the lock, writes the document within. All ports get their rules, or
        none does; where the document cannot be written they get the former ones back.

        Raises:
            VirloomError: It makes no rules on one of the ports, or the kernel does not take them.
        """
        name = model.name or ""

        def find_new(wanted: str) -> Filter | None:
            return model if wanted == name else self._find(wanted)

        users = [binding for binding in self if binding.uses(name, self._find)]
        planned = {binding: self._plan(binding, find_new) for binding in users}
        await self._host.load(_together(planned.values()))
        try:
            for binding, one in planned.items():
                self._adopt(binding, one)
            yield
        except BaseException:
            await self._put_back(users)
            raise

    async def refresh(self) -> None:
        """Puts rules back that somebody took away; the caller holds the lock."""
        await self._put_back(list(self))

    async def _put_back(self, bindings: Iterable[Binding]) -> None:
        """Rules by what is defined now: of all at once, or of as many as there can be."""
        planned = {}
        for binding in bindings:
            try:
                planned[binding] = self._plan(binding, self._find)
            except VirloomError as exc:
                logger.error("the port '%s' keeps the rules that it has: %s", binding.port, exc)
        try:
            await self._host.load(_together(planned.values()))
        except VirloomError:
            for binding, one in planned.items():
                await self._put_back_one(binding, one)
        for binding, one in planned.items():
            await self._adopt_if_there(binding, one)

    async def _put_back_one(self, binding: Binding, planned: Plan) -> None:
        try:
            await self._host.load(planned.rules)
        except VirloomError as exc:
            logger.error("the port '%s' keeps the rules that it has: %s", binding.port, exc)

    async def _adopt_if_there(self, binding: Binding, planned: Plan) -> None:
        try:
            self._adopt(binding, planned)
        except VirloomError as exc:
            logger.error("the addresses of '%s' are not found out: %s", binding.port, exc)

    # -- addresses -----------------------------------------------------------------------------

    def _found(self, binding: Binding, address: str | None) -> None:
        """An address was found out, or leases changed: the rules follow."""
        if address is not None:
            binding.record.learned = [address]
        task = asyncio.get_running_loop().create_task(self._follow(binding))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _follow(self, binding: Binding) -> None:
        async with self._changing:
            self._cancel_retry(binding)
            if self._all.get(binding.port) is not binding:
                return
            try:
                planned = self._plan(binding, self._find)
                binding.record.save()
                await self._host.load(planned.rules)
                self._adopt(binding, planned)
            except VirloomError as exc:
                logger.error("the rules of '%s' are not up to date: %s", binding.port, exc)
                loop = asyncio.get_running_loop()
                self._again[binding] = loop.call_later(_AGAIN, self._found, binding, None)

    def _cancel_retry(self, binding: Binding) -> None:
        timer = self._again.pop(binding, None)
        if timer is not None:
            timer.cancel()

    # -- a new daemon --------------------------------------------------------------------------

    async def take_over(self) -> None:
        """Bindings of an earlier daemon go on; what it left unfinished is undone."""
        gone = []
        BindingRecord.sweep(self._directories.bindings)
        for path in self._directories.records():
            try:
                record = BindingRecord.load(path)
                if not self._take(record):
                    gone.append(record)
            except (OSError, ValueError, VirloomError) as exc:
                logger.error("the binding of '%s' is not taken over: %s", path, exc)
        for record in gone:
            await self._clear(record)
        await self._put_back(list(self))

    def _take(self, record: BindingRecord) -> bool:
        """Whether the binding is still there."""
        if not record.is_of_this_boot or record.stage != "active":
            return False
        if self._host.index_of(record.port) != record.index:
            logger.warning("the link of the binding '%s' is gone", record.port)
            return False
        model = record.model()
        self._all[record.port] = Binding(model, record, self._leases)
        return True

    async def _clear(self, record: BindingRecord) -> None:
        try:
            if record.is_of_this_boot:
                await self._host.load(removal(record.port))
            record.delete()
        except (OSError, VirloomError) as exc:
            logger.error("rules of '%s' may be left: %s", record.port, exc)

    async def close(self) -> None:
        """Lets go of everything; the rules stay."""
        for binding in self:
            binding.stop_learning()
            self._cancel_retry(binding)
        for task in list(self._late):
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)


def _together(plans: Iterable[Plan]) -> Transaction:
    return sum((one.rules for one in plans), Transaction())
