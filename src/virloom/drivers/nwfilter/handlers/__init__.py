# SPDX-License-Identifier: Apache-2.0
"""The procedures that the filter driver serves."""

from __future__ import annotations

from virloom.drivers.nwfilter.driver import FilterDriver
from virloom.drivers.nwfilter.handlers.bindings import FilterBindings
from virloom.drivers.nwfilter.handlers.filters import Filters
from virloom.drivers.runtime.area_connection import AreaConnection
from virloom.endpoint import local
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain


def dispatcher(driver: FilterDriver) -> Dispatcher:
    """All that *driver* serves."""
    connection = AreaConnection("nwfilter", driver.uri, ErrorDomain.NWFILTER)
    return Dispatcher([connection, *handlers(driver)])


def handlers(driver: FilterDriver) -> list[object]:
    """The groups of handlers of *driver*, for a process that serves other areas beside it."""
    return [Filters(driver), FilterBindings(driver)]


def opener(driver: FilterDriver) -> AreaOpener:
    """How another driver of the same process reaches *driver*."""
    return local.opener(dispatcher(driver))
