# SPDX-License-Identifier: Apache-2.0
"""The threads for input and output of domains."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.runtime.cpumaps import cpus_of, to_wire
from virloom.drivers.runtime.parameters import Kinds
from virloom.drivers.runtime.pins import iothread_pin_of
from virloom.drivers.test.arguments import IMPACT, LIVE, check_flags, document, require_active
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.iothreads import Polling
from virloom.drivers.test.lifecycle import threads_of
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.domain import Domain
from virloom.model.domain.vcpu import IoThread
from virloom.procedures import domain as p

_POLLING = Kinds({"poll_max_ns": "ullong", "poll_grow": "uint", "poll_shrink": "uint"})
#: Where a thread runs of which nothing is said.
_USUAL = (0, 1)


class Threads:
    """Handlers of threads for input and output."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_IOTHREAD_INFO)
    def info(self, call: Call, args: p.DomainGetIothreadInfoArgs) -> p.DomainGetIothreadInfoRet:
        check_flags(call, args.flags, IMPACT)
        model = document(self._driver.find(args.dom), args.flags)
        infos = [
            p.DomainIothreadInfo(
                number, to_wire(cpus_of(iothread_pin_of(model, number), _USUAL), 1)
            )
            for number in (thread.id or 0 for thread in threads_of(model))
        ]
        return p.DomainGetIothreadInfoRet(infos, len(infos))

    @serves(p.DOMAIN_ADD_IOTHREAD)
    def add(self, call: Call, args: p.DomainAddIothreadArgs) -> None:
        check_flags(call, args.flags, IMPACT)
        number = _checked(args.iothread_id)
        guest = self._driver.find(args.dom)
        model = document(guest, args.flags)
        threads = threads_of(model)
        if number in [thread.id for thread in threads]:
            raise InvalidArg(
                f"an IOThread is already using iothread_id '{number}'", domain=ErrorDomain.DOMAIN
            )
        _set_threads(model, [*threads, IoThread(id=number)])
        guest.iothreads.set_polling(number, Polling())

    @serves(p.DOMAIN_DEL_IOTHREAD)
    def delete(self, call: Call, args: p.DomainDelIothreadArgs) -> None:
        if not args.iothread_id:
            raise senseless("iothread_id in virDomainDelIOThread must not be zero")
        check_flags(call, args.flags, IMPACT)
        guest = self._driver.find(args.dom)
        model = document(guest, args.flags)
        threads = threads_of(model)
        kept = [thread for thread in threads if thread.id != args.iothread_id]
        if len(kept) == len(threads):
            raise InvalidArg(
                f"cannot find IOThread '{args.iothread_id}' in iothreadids list",
                domain=ErrorDomain.DOMAIN,
            )
        pins = model.cputune.iothreadpins
        model.cputune.iothreadpins = [pin for pin in pins if pin.iothread != args.iothread_id]
        _set_threads(model, kept)
        guest.iothreads.remove(args.iothread_id)

    @serves(p.DOMAIN_SET_IOTHREAD_PARAMS)
    def set_params(self, call: Call, args: p.DomainSetIothreadParamsArgs) -> None:
        """How a thread polls; only the statistics show it."""
        if not args.params:
            raise senseless("params in virDomainSetIOThreadParams must not be NULL")
        check_flags(call, args.flags, LIVE)
        number = _checked(args.iothread_id)
        guest = self._driver.find(args.dom)
        model = require_active(guest) if args.flags & LIVE else guest.model
        if number not in [thread.id for thread in threads_of(model)]:
            raise InvalidArg(
                f"cannot find IOThread '{number}' in iothreadids", domain=ErrorDomain.TEST
            )
        values = _POLLING.check(args.params)
        before = guest.iothreads.polling(number)
        guest.iothreads.set_polling(
            number,
            Polling(
                values.get("poll_max_ns", before.max_ns),
                values.get("poll_grow", before.grow),
                values.get("poll_shrink", before.shrink),
            ),
        )


def _checked(number: int) -> int:
    if not number:
        raise InvalidArg("invalid value of 0 for iothread_id", domain=ErrorDomain.TEST)
    return number


def _set_threads(model: Domain, threads: list[IoThread]) -> None:
    model.iothreadids.iothreads = threads
    model.iothreads = len(threads) or None
