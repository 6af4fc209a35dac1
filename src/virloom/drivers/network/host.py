# SPDX-License-Identifier: Apache-2.0
"""The host as networks need it: links, kernel parameters and programs.

All access goes through here. So a test, or an embedded driver with a network namespace of its
own, replaces one object.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.host import links
from virloom.host.openings import open_file
from virloom.host.process import Completed, run
from virloom.host.programs import program_path
from virloom.host.routes import Route6, main_routes6

if TYPE_CHECKING:
    from pyroute2 import AsyncIPRoute

#: Where the kernel tells of its links, and of PCI devices, below its own tree.
_LINKS, _PCI = "class/net", "bus/pci/devices"
#: What a card's functions are called in its directory.
_FUNCTION = re.compile(r"virtfn(\d+)")
#: Routes in the network of this thread (proc(5)): IPv4's main table, and all of IPv6.
_ROUTES, _ROUTES6 = "/proc/thread-self/net/route", "/proc/thread-self/net/ipv6_route"
#: ``RTF_ADDRCONF`` of linux/ipv6_route.h.
_ADVERTISED = 0x40000
#: Where its parameters are.
_PARAMETERS = "/proc/sys/net"
_SYSTEM_BUS = "/run/dbus/system_bus_socket"
#: Seconds that a program may take: nft and dnsmasq take milliseconds.
_PATIENCE = 30.0


class NetworkHost:
    """The network that this process sees.

    Args:
        sysfs: Where the kernel tells of its devices.
    """

    def __init__(self, sysfs: str = "/sys") -> None:
        self._sysfs = sysfs

    def has_link(self, name: str) -> bool:
        """Whether there is a link of that name, whoever's."""
        with self.entered():  # sysfs may show another network than the one that is meant
            return links.exists(name)

    def is_virtual_function(self, address: str) -> bool:
        """Whether the PCI device of that address is part of another one (SR-IOV)."""
        return os.path.exists(os.path.join(self._sysfs, _PCI, address, "physfn"))

    def virtual_functions(self, card: str) -> list[tuple[str, str | None]]:
        """The virtual functions of a card (SR-IOV): PCI address, and the link, if it is one."""
        base = os.path.join(self._sysfs, _LINKS, card, "device")
        matches = [match for name in _names(base) if (match := _FUNCTION.fullmatch(name))]
        made = []
        for match in sorted(matches, key=lambda match: int(match[1])):
            function = os.path.join(base, match[0])
            links = _names(os.path.join(function, "net"))
            made.append((os.path.basename(os.path.realpath(function)), min(links, default=None)))
        return made

    @asynccontextmanager
    async def links(self) -> AsyncIterator[AsyncIPRoute]:
        """A conversation with the kernel about links, addresses and routes.

        Raises:
            ConfigUnsupported: The library is not installed.
        """
        async with netlink() as conversation:
            yield conversation

    def entered(self) -> AbstractContextManager[None]:
        """What is opened while the block runs is of this network; the block must not wait."""
        return nullcontext()

    def advertised(self) -> set[str]:
        """The links by which the host has routes or addresses from advertisements of routers."""
        return advertised_links(self._lines(_ROUTES6))

    def routes(self) -> list[str]:
        """The lines of IPv4's main table of routes, with their heading."""
        return self._lines(_ROUTES)

    def routes6(self) -> Iterator[Route6]:
        """The routes of IPv6's main table, but for the default ones."""
        try:
            with self.entered():  # which must not wait for whoever takes them
                yield from list(main_routes6())
        except OSError:  # the kernel has not that protocol at all
            return

    def _lines(self, path: str) -> list[str]:
        try:
            with self.entered(), open(path, encoding="utf-8", opener=open_file) as file:
                return file.readlines()
        except OSError:  # the kernel has not that protocol at all
            return []

    def link_name(self, index: int) -> str | None:
        """The name of a link; None where there is none of that number (any more)."""
        try:
            with self.entered():
                return links.name_of(index)
        except OSError:
            return None

    def parameter(self, name: str) -> str | None:
        """A parameter of the kernel, e.g. ``ipv4/ip_forward``; None where there is none."""
        try:
            path = os.path.join(_PARAMETERS, name)
            with open(path, encoding="ascii", opener=open_file) as file:
                return file.read().strip()
        except OSError:
            return None

    def set_parameter(self, name: str, value: str) -> None:
        """Changes a parameter, unless it is so already.

        Raises:
            SystemFailure: The kernel would not.
        """
        if self.parameter(name) == value:
            return
        path = os.path.join(_PARAMETERS, name)
        try:
            with open(path, "w", encoding="ascii", opener=open_file) as file:
                file.write(value)
        except OSError as exc:
            raise system_failure(
                f"cannot write '{value}' to '{path}'", exc, domain=ErrorDomain.NETWORK
            ) from exc

    async def run(self, argv: Sequence[str], input: bytes | None = None) -> Completed:
        """Runs a program to its end.

        Raises:
            SystemFailure: It cannot be started.
            OperationTimeout: It does not end.
        """
        program = program_path(argv[0]) or argv[0]
        return await run([program, *argv[1:]], input=input, timeout=_PATIENCE)

    @property
    def user_options(self) -> Sequence[str]:
        """What tells dnsmasq to stay the user that it is started as; none where it may change."""
        return ()

    def has_system_bus(self) -> bool:
        """Whether there is a bus on which the host's services may be."""
        return bool(os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")) or os.path.exists(_SYSTEM_BUS)

    def is_on_path(self, program: str) -> bool:
        """Whether there is such a program."""
        return program_path(program) is not None


@asynccontextmanager
async def netlink(space: str | None = None, fd: int | None = None) -> AsyncIterator[AsyncIPRoute]:
    """A conversation with the kernel about links, addresses and routes.

    Args:
        space: What leads to the network namespace that is meant; None is our own.
        fd: A socket of the one that is meant, which this takes; None to make one.

    Raises:
        ConfigUnsupported: The library is not installed.
    """
    try:
        from pyroute2 import AsyncIPRoute  # 0.3 s and 25 MB: at the first change only
    except ImportError as exc:
        raise ConfigUnsupported(
            "virtual networks need the Python package pyroute2",
            domain=ErrorDomain.NETWORK,
            remedy="pip install 'virloom[network]'",
        ) from exc
    async with AsyncIPRoute(netns=space, fileno=fd) as conversation:
        yield conversation


def advertised_links(lines: Iterable[str]) -> set[str]:
    """The links of routes that come from advertisements.

    Args:
        lines: Of ``/proc/net/ipv6_route``: flags are the last but one of ten fields, the link the
            last.
    """
    fields = [line.split() for line in lines]
    return {words[9] for words in fields if len(words) > 9 and int(words[8], 16) & _ADVERTISED}


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # it is no card, or has none
        return []
