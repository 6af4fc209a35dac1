# SPDX-License-Identifier: Apache-2.0
"""Finds the object that an argument names: by its number, its UUID or its name, as virsh does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from virloom.cli.shell.arguments import Arguments, parse_number
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.session import Session
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.client.domain.domain import Domain

T = TypeVar("T")

_UUID_LENGTH = 36


async def domain(session: Session, arguments: Arguments, option: str = "domain") -> Domain:
    """The domain that *option* names.

    Raises:
        CommandFailed: There is none.
    """
    return await domain_called(session, arguments.text(option))


async def domain_named(session: Session, arguments: Arguments) -> tuple[Domain, str]:
    """The domain of the option ``domain``, and the word that named it, which virsh repeats."""
    name = arguments.text("domain")
    return await domain_called(session, name), name


async def domain_called(
    session: Session, name: str, *, by_id: bool = True, by_name: bool = True
) -> Domain:
    """The domain with this number, UUID or name."""
    connection = await session.connection()
    ways: list[Callable[[], Awaitable[Domain]]] = []
    number = parse_number(name, base=10)
    if by_id and number is not None and number >= 0:
        ways.append(lambda: connection.lookup_by_id(number))
    uuid = as_uuid(name)
    if uuid is not None:
        ways.append(lambda: connection.lookup_by_uuid(uuid))
    if by_name:
        ways.append(lambda: connection.lookup_by_name(name))
    return await first_of(ways, f"failed to get domain '{name}'")


async def first_of(ways: list[Callable[[], Awaitable[T]]], message: str) -> T:
    """What the first of these ways finds; CommandFailed with *message* when none does."""
    for way in ways:
        try:
            return await way()
        except VirloomError:
            continue
    raise CommandFailed(message)


def as_uuid(text: str) -> UUID | None:
    """The UUID that a text of 36 characters is, else None."""
    if len(text) != _UUID_LENGTH:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
