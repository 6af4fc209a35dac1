# SPDX-License-Identifier: Apache-2.0
"""What commands that list or describe objects have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.errors import NoSupport, VirloomError


class CanAutostart(Protocol):
    """An object that may start with the host."""

    async def autostart(self) -> bool:
        """Whether it does."""


def yes(value: bool) -> str:
    """A truth in words."""
    return "yes" if value else "no"


async def autostart_of(thing: CanAutostart) -> str:
    """Whether it starts with the host, in words."""
    try:
        return yes(await thing.autostart())
    except VirloomError:
        return "no autostart"


def name_or_uuid(arguments: Arguments) -> str:
    """Which of ``--name`` and ``--uuid`` is printed instead of the table, if any.

    Raises:
        CommandFailed: More than one of these and ``--table`` was given.
    """
    given = [name for name in ("table", "name", "uuid") if name in arguments]
    if len(given) > 1:
        raise CommandFailed("Only one argument from --table, --name and --uuid may be specified.")
    return "" if not given or given == ["table"] else given[0]


@contextmanager
def listing(
    message: str, without: str = "", call: str = "", *, filtered: bool = False
) -> Iterator[None]:
    """Says *message* before the error of a call that lists, made within.

    virsh then counts the objects, in the way of old servers, when a driver has no such call. That
    driver has no way to count them either: *without* is said before the name of that *call*.
    What is *filtered* it does not count, and says so.
    """
    try:
        yield
    except NoSupport as error:
        if not call:
            raise CommandFailed(message) from error
        if filtered:
            raise CommandFailed("Filtering is not supported by this libvirt") from None
        raise CommandFailed(without) from NoSupport(call)
    except VirloomError as error:
        raise CommandFailed(message) from error
